//! `statehouse ledger`: what happened, in an order nobody can change unseen.

use std::io::{IsTerminal, Write, stdout};
use std::path::{Path, PathBuf};

use serde_json::json;
use statehouse_model::HouseCode;

use super::session::{Client, Session};
use crate::failure::{Failure, Result};
use crate::files::Draft;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// Export the whole ledger as a bundle, which `verify` proves without a server
    Export {
        /// A file instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The ledger of the site instead of an organization's
        #[arg(long)]
        site: bool,
        /// What is left of an organization that was shredded, by its code, as `org list` shows it; needs an operator of the site
        #[arg(long, value_name = "CODE", conflicts_with = "site")]
        shredded: Option<HouseCode>,
    },
    /// Print the newest signed checkpoint; keep it elsewhere, and give it to `verify` as --anchor
    Checkpoint {
        /// The ledger of the site instead of an organization's
        #[arg(long)]
        site: bool,
    },
    /// Show checkpoints and hash tiles to everybody; entries never
    Publish {
        /// Show them to holders of ledger.read only, again
        #[arg(long)]
        off: bool,
    },
}

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let client = session.client()?;
    match verb {
        Verb::Export {
            out,
            site,
            shredded,
        } => {
            let path = match shredded {
                Some(code) => format!("/api/v2/site/shredded-organizations/{code}/ledger/export"),
                None => client.organization_or_site(site, "/ledger/export")?,
            };
            save(&client, "GET", &path, out.as_deref(), session)
        }
        Verb::Checkpoint { site } => {
            let code = if site {
                "site".to_owned()
            } else {
                client
                    .api
                    .get(&client.organization("")?)?
                    .text("code")
                    .to_owned()
            };
            session
                .out
                .text(&client.api.text(&format!("/ledger/{code}/checkpoint"))?)
        }
        Verb::Publish { off } => {
            client.api.post(
                &client.organization("/ledger/actions/publish")?,
                &json!({ "published": !off }),
            )?;
            let words = if off {
                "holders of ledger.read only"
            } else {
                "everybody who reaches the server"
            };
            session
                .out
                .say(&format!("checkpoints and hash tiles are shown to {words}"));
            Ok(())
        }
    }
}

/// Saves an archive to a file, or writes it to standard output where that is no terminal.
pub(super) fn save(
    client: &Client,
    method: &str,
    path: &str,
    target: Option<&Path>,
    session: &Session,
) -> Result {
    let Some(target) = target else {
        if stdout().is_terminal() {
            return Err(Failure::usage("this is an archive, and not for a terminal")
                .hint("give --out FILE, or pipe it"));
        }
        let mut stdout = stdout().lock();
        client.api.download(method, path)?.copy_to(&mut stdout)?;
        return Ok(stdout.flush()?);
    };
    if target.exists() {
        return Err(Failure::usage(format!(
            "{} is there already, and is not replaced",
            target.display()
        )));
    }
    let mut draft = Draft::of(target)?;
    let size = client.api.download(method, path)?.copy_to(&mut draft)?;
    draft.keep_new()?;
    session
        .out
        .say(&format!("{size} bytes written to {}", target.display()));
    Ok(())
}
