//! `statehouse key`: keys of an organization, in epochs.

use serde_json::json;

use super::session::Session;
use crate::failure::Result;
use crate::out::Column;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List the epochs, and the verifier key of each
    List {
        /// Those of the site
        #[arg(long)]
        site: bool,
    },
    /// Open a new epoch, and renew what older ones hold. May be stopped and run again at any time
    Rotate {
        /// For the site
        #[arg(long)]
        site: bool,
        /// Only renew what older epochs hold, after a rotation that was stopped
        #[arg(long)]
        resume: bool,
    },
}

const COLUMNS: &[Column] = &[
    ("EPOCH", "epoch"),
    ("CREATED", "created-at"),
    ("RETIRED", "retired-at"),
    ("VERIFIER KEY", "vkey"),
];

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let client = session.client()?;
    match verb {
        Verb::List { site } => session.out.list(
            COLUMNS,
            &client
                .api
                .list(&client.organization_or_site(site, "/keys")?)?,
        ),
        Verb::Rotate { site, resume } => {
            if !resume {
                let epoch = client.api.post(
                    &client.organization_or_site(site, "/keys/actions/rotate")?,
                    &json!({}),
                )?;
                let number = epoch.get("epoch").cloned().unwrap_or_default();
                session.out.say(&format!(
                    "epoch {number} is open, and everything new uses it; its verifier key is {}",
                    epoch.text("vkey")
                ));
            }
            session.out.say("renewing what older epochs hold; if this is stopped, `statehouse key rotate --resume` goes on");
            session.out.one(&client.api.post(
                &client.organization_or_site(site, "/keys/actions/rewrap")?,
                &json!({}),
            )?)
        }
    }
}
