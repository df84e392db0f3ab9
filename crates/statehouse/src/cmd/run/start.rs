//! Starting a run: the directory packed as terraform packs one, uploaded, planned.

use std::path::PathBuf;

use serde_json::{Value, json};
use statehouse_core::terraform::literal;
use statehouse_core::terraform::slug::Limits;
use statehouse_model::RunId;
use statehouse_runner::slug;

use super::super::session::{Client, Session};
use super::follow;
use crate::failure::{Failure, Result};

/// Arguments.
#[derive(clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(in crate::cmd) struct Args {
    /// The workspace: its name, organization/name, or id
    workspace: String,
    /// The directory of the configuration
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Plan to look at it, and nothing more
    #[arg(long, conflicts_with_all = ["save_plan", "auto_apply"])]
    plan_only: bool,
    /// Keep the plan until somebody applies it
    #[arg(long)]
    save_plan: bool,
    /// Plan to destroy everything
    #[arg(long)]
    destroy: bool,
    /// Only take in what changed outside
    #[arg(long, conflicts_with = "destroy")]
    refresh_only: bool,
    /// Do not look for what changed outside
    #[arg(long)]
    no_refresh: bool,
    /// Limit the plan to an address; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    target: Vec<String>,
    /// Make something anew; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    replace: Vec<String>,
    /// A variable of this run alone, as NAME=LITERAL of HCL; may be repeated
    #[arg(long = "var", value_name = "NAME=LITERAL")]
    variables: Vec<String>,
    /// Apply without asking
    #[arg(long)]
    auto_apply: bool,
    /// What to say about it
    #[arg(long)]
    message: Option<String>,
    /// Print its id, and do not follow it
    #[arg(long)]
    detach: bool,
}

impl Args {
    fn attributes(&self) -> Result<Value> {
        let mut variables = Vec::new();
        for text in &self.variables {
            let pair = text.split_once('=');
            let wrong = || Failure::usage(format!("`{text}` is not NAME=LITERAL"));
            let (key, value) = pair.ok_or_else(wrong)?;
            literal::to_json(value).map_err(|error| {
                Failure::usage(format!("the value of `{key}` is no literal: {error}"))
                    .hint(r#"a text stands in quotes: --var 'name="text"'"#)
            })?;
            variables.push(json!({ "key": key, "value": value }));
        }
        Ok(json!({
            "auto-apply": self.auto_apply,
            "is-destroy": self.destroy,
            "plan-only": self.plan_only,
            "save-plan": self.save_plan,
            "refresh": !self.no_refresh,
            "refresh-only": self.refresh_only,
            "target-addrs": self.target,
            "replace-addrs": self.replace,
            "variables": variables,
            "message": self.message,
        }))
    }
}

pub(super) fn run(args: Args, client: &Client, session: &Session) -> Result {
    let attributes = args.attributes()?;
    let workspace = client.workspace(&args.workspace)?;
    let mut archive = Vec::new();
    slug::pack(&args.dir, &mut archive, &Limits::default())
        .map_err(|error| Failure::failed(format!("{}: {error}", args.dir.display())))?;
    let wished = client.api.post(
        &format!("/api/v2/workspaces/{workspace}/configuration-versions"),
        &json!({ "speculative": args.plan_only, "provisional": args.save_plan }),
    )?;
    client.api.put(wished.text("upload-url"), archive)?;
    let document = json!({ "data": {
        "type": "runs",
        "attributes": attributes,
        "relationships": {
            "workspace": { "data": { "type": "workspaces", "id": workspace.as_str() } },
            "configuration-version": { "data": { "type": "configuration-versions", "id": wished.text("id") } },
        },
    } });
    let started = client.api.send("POST", "/api/v2/runs", &document)?;
    let run: RunId = started.text("id").parse().map_err(Failure::failed)?;
    if args.detach {
        return session.out.one(&started);
    }
    session.out.say(&format!("{run} is started"));
    follow::watch(client, session, &run)
}
