//! A whole `terraform apply` of 200 resources, against Terraform's own `pg` backend on the same cluster.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::house::{self, Site};
use crate::postgres::Cluster;
use crate::report::{Goal, Section, number};
use crate::server::{Server, Settings};
use crate::stats::median;
use crate::{Plan, Result};

/// 15 runs where other parts have 9: an apply is short, and terraform's own start is most of it.
const RUNS_FACTOR: f64 = 15.0 / 9.0;
const RESOURCES: usize = 200;

/// Applies in turn to the `http` backend of a house and to `pg`, everything anew each time.
pub(crate) fn applies(plan: &Plan) -> Result<Section> {
    let folder = plan.folder()?;
    let cluster = Cluster::start(&plan.tools, folder.path(), None)?;
    cluster.run("postgres", "CREATE DATABASE terraform")?;
    let site = Site::create(&folder.path().join("site"), Some(&cluster.url("house")))?;
    let server = Server::start(&plan.tools, &site, Settings::default())?;
    let ca = fs_err::read_to_string(site.dir.join("ca.pem"))?;
    let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs(plan.runs) {
        let address = format!("https://{}{}", server.target.address(), house::address(run));
        let http = format!(
            "backend \"http\" {{\n    address = \"{address}\"\n    lock_address = \"{address}\"\n    unlock_address = \"{address}\"\n    \
             username = \"admin\"\n    password = \"{}\"\n    client_ca_certificate_pem = <<-EOT\n{ca}EOT\n  }}",
            site.token
        );
        let pg = format!(
            "backend \"pg\" {{\n    conn_str = \"{}&sslmode=disable\"\n    schema_name = \"run_{run}\"\n  }}",
            cluster
                .url("terraform")
                .replace("postgresql://", "postgres://")
        );
        // In turn, and who goes first in turn too.
        let (our_s, their_s) = if run % 2 == 0 {
            let our_s = apply(plan, folder.path(), &http)?;
            (our_s, apply(plan, folder.path(), &pg)?)
        } else {
            let their_s = apply(plan, folder.path(), &pg)?;
            (apply(plan, folder.path(), &http)?, their_s)
        };
        ratios.push(our_s / their_s);
        ours.push(our_s);
        theirs.push(their_s);
    }
    let mut section = Section::new("A whole apply, on PostgreSQL");
    let what =
        format!("`terraform apply` of {RESOURCES} `terraform_data` against the `pg` backend");
    section.line(&what, Goal::AtMost(1.1), " ×", &ratios);
    section.note(format!(
        "{} s against {} s; {} pairs, in turn.",
        number(median(&ours)),
        number(median(&theirs)),
        ratios.len()
    ));
    Ok(section)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a handful of runs"
)]
fn runs(of_plan: usize) -> usize {
    (of_plan as f64 * RUNS_FACTOR).round() as usize
}

/// One apply in a new folder with a new state; gives its seconds. `init` is not counted.
fn apply(plan: &Plan, parent: &Path, backend: &str) -> Result<f64> {
    let folder = tempfile::tempdir_in(parent)?;
    let configuration = format!(
        "terraform {{\n  {backend}\n}}\n\nresource \"terraform_data\" \"many\" {{\n  count = {RESOURCES}\n  input = \"value ${{count.index}}\"\n}}\n"
    );
    fs_err::write(folder.path().join("main.tf"), configuration)?;
    terraform(plan, folder.path(), &["init", "-input=false", "-no-color"])?;
    let began = Instant::now();
    terraform(
        plan,
        folder.path(),
        &["apply", "-auto-approve", "-input=false", "-no-color"],
    )?;
    Ok(began.elapsed().as_secs_f64())
}

fn terraform(plan: &Plan, folder: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(plan.tools.terraform()?);
    command
        .args(arguments)
        .current_dir(folder)
        .env("CHECKPOINT_DISABLE", "1")
        .env("TF_IN_AUTOMATION", "1");
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(format!("terraform {} failed:\n{words}", arguments.join(" ")).into())
}
