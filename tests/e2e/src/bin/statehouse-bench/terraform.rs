//! A whole `terraform apply` of 200 resources: on PostgreSQL against Terraform's own `pg` backend on the same cluster, and
//! through the `cloud` block against its `local` backend, a file.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::house::{self, ORGANIZATION, Site};
use crate::postgres::Cluster;
use crate::report::{Goal, Section, number};
use crate::server::{Server, Settings};
use crate::stats::median;
use crate::{Plan, Result};

/// 15 runs where other parts have 9: an apply is short, and terraform's own start is most of it.
const RUNS_FACTOR: f64 = 15.0 / 9.0;
const RESOURCES: usize = 200;

/// Where an apply keeps its state.
struct Place {
    /// The block.
    block: String,
    /// What terraform must know to reach it.
    environment: Vec<(&'static str, PathBuf)>,
}

impl Place {
    fn of(block: String) -> Self {
        Self {
            block,
            environment: Vec::new(),
        }
    }
}

/// What the same apply took in two places, pair by pair.
#[derive(Default)]
struct Pairs {
    ratios: Vec<f64>,
    ours_s: Vec<f64>,
    theirs_s: Vec<f64>,
}

impl Pairs {
    /// In turn, and who goes first in turn too.
    fn run(
        &mut self,
        plan: &Plan,
        parent: &Path,
        run: usize,
        ours: &Place,
        theirs: &Place,
    ) -> Result<()> {
        let (our_s, their_s) = if run.is_multiple_of(2) {
            let our_s = apply(plan, parent, ours)?;
            (our_s, apply(plan, parent, theirs)?)
        } else {
            let their_s = apply(plan, parent, theirs)?;
            (apply(plan, parent, ours)?, their_s)
        };
        self.ratios.push(our_s / their_s);
        self.ours_s.push(our_s);
        self.theirs_s.push(their_s);
        Ok(())
    }

    fn section(&self, title: &'static str, against: &str, goal: f64) -> Section {
        let mut section = Section::new(title);
        let what = format!("`terraform apply` of {RESOURCES} `terraform_data` against {against}");
        section.line(&what, Goal::AtMost(goal), " ×", &self.ratios);
        section.note(format!(
            "{} s against {} s; {} pairs, in turn.",
            number(median(&self.ours_s)),
            number(median(&self.theirs_s)),
            self.ratios.len()
        ));
        section
    }
}

/// Applies in turn through the `cloud` block, where terraform runs, and to a file, everything anew each time.
pub(crate) fn cloud(plan: &Plan) -> Result<Section> {
    let folder = plan.folder()?;
    let site = Site::create(&folder.path().join("site"), None)?;
    let server = Server::start(&plan.tools, &site, Settings::default())?;
    let host = format!("localhost:{}", server.target.address().port());
    let credentials = folder.path().join("cli.tfrc");
    let token = &site.token;
    let text = format!("credentials \"{host}\" {{\n  token = \"{token}\"\n}}\n");
    fs_err::write(&credentials, text)?;
    let mut pairs = Pairs::default();
    for run in 0..runs(plan.runs) {
        let ours = Place {
            block: format!(
                "cloud {{\n    hostname = \"{host}\"\n    organization = \"{ORGANIZATION}\"\n    workspaces {{\n      name = \"w-{run}\"\n    }}\n  }}"
            ),
            environment: vec![
                ("TF_CLI_CONFIG_FILE", credentials.clone()),
                ("SSL_CERT_FILE", site.dir.join("ca.pem")),
            ],
        };
        pairs.run(plan, folder.path(), run, &ours, &Place::of(String::new()))?;
    }
    Ok(pairs.section(
        "A whole apply through the `cloud` block, on SQLite",
        "the `local` backend",
        1.15,
    ))
}

/// Applies in turn to the `http` backend of a house and to `pg`, everything anew each time.
pub(crate) fn applies(plan: &Plan) -> Result<Section> {
    let folder = plan.folder()?;
    let cluster = Cluster::start(&plan.tools, folder.path(), None)?;
    cluster.run("postgres", "CREATE DATABASE terraform")?;
    let site = Site::create(&folder.path().join("site"), Some(&cluster.url("house")))?;
    let server = Server::start(&plan.tools, &site, Settings::default())?;
    let ca = fs_err::read_to_string(site.dir.join("ca.pem"))?;
    let mut pairs = Pairs::default();
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
        pairs.run(plan, folder.path(), run, &Place::of(http), &Place::of(pg))?;
    }
    Ok(pairs.section("A whole apply, on PostgreSQL", "the `pg` backend", 1.1))
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
fn apply(plan: &Plan, parent: &Path, place: &Place) -> Result<f64> {
    let folder = tempfile::tempdir_in(parent)?;
    let configuration = format!(
        "terraform {{\n  {}\n}}\n\nresource \"terraform_data\" \"many\" {{\n  count = {RESOURCES}\n  input = \"value ${{count.index}}\"\n}}\n",
        place.block
    );
    fs_err::write(folder.path().join("main.tf"), configuration)?;
    terraform(
        plan,
        folder.path(),
        place,
        &["init", "-input=false", "-no-color"],
    )?;
    let began = Instant::now();
    terraform(
        plan,
        folder.path(),
        place,
        &["apply", "-auto-approve", "-input=false", "-no-color"],
    )?;
    Ok(began.elapsed().as_secs_f64())
}

fn terraform(plan: &Plan, folder: &Path, place: &Place, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(plan.tools.terraform()?);
    command
        .args(arguments)
        .current_dir(folder)
        .env("CHECKPOINT_DISABLE", "1")
        .env("TF_IN_AUTOMATION", "1");
    for (name, value) in &place.environment {
        command.env(name, value);
    }
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(format!("terraform {} failed:\n{words}", arguments.join(" ")).into())
}
