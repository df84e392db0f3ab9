//! `statehouse restore`: from a backup into an empty data directory, and the declaration that this was done.
//!
//! Where anchors survived, restored organizations open read-only: their database is an older copy of what is remembered.
//! `restore accept` declares for each that this is meant, with a reason that stands in its ledger for ever.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use statehouse_core::{Core, Ctx, backup, ledger, org};

use super::session::Session;
use crate::client::Resource;
use crate::config::{Config, Settings, Sources};
use crate::failure::{Exit, Failure, Result};
use crate::server::guard::{self, DirectoryLock};
use crate::{logs, server};

/// Arguments.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    /// The backup
    #[arg(required = true)]
    file: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// Where data, keys and anchors are.
#[derive(clap::Args)]
struct Place {
    /// A directory as `up` has it, with keys and anchors beside it; without it, the configuration says
    #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "set"])]
    dir: Option<PathBuf>,
    #[command(flatten)]
    sources: Sources,
}

/// Verbs.
#[derive(clap::Subcommand)]
enum Verb {
    /// Declare that older copies were restored on purpose: each gets a new epoch, and takes changes again
    Accept {
        /// Why; stands in every ledger that is accepted
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        place: Place,
    },
}

impl Place {
    fn config(&self, session: &Session) -> Result<Config> {
        match &self.dir {
            Some(dir) => Config::beside(dir, &[]),
            None => Settings::load(&self.sources, &session.environment)?.config(),
        }
    }
}

pub(super) fn run(args: Args, session: &Session) -> Result {
    guard::refuse_unsealed()?;
    guard::keep_memory_private();
    match (args.verb, args.file) {
        (Some(Verb::Accept { reason, place }), _) => {
            accept(&place.config(session)?, &reason, session)
        }
        (None, Some(file)) => restore(&file, &args.place.config(session)?, session),
        (None, None) => Err(Failure::usage("no backup is named")),
    }
}

fn restore(file: &Path, config: &Config, session: &Session) -> Result {
    logs::begin(&config.log, session.out.color_err())?;
    let _lock = DirectoryLock::take(&config.data.dir)?;
    let manifest = Session::runtime()?.block_on(async {
        let options = server::options(config, &session.environment).await?;
        Ok::<_, Failure>(backup::restore(file, &options).await?)
    })?;
    super::backup::list(&manifest, session)?;
    for missing in super::backup::missing(&manifest) {
        session
            .out
            .say(&format!("not in this backup, and not restored: {missing}"));
    }
    session.out.say(
        "restored; where anchors remember more than the backup holds, `statehouse restore accept --reason …` is next, \
         then start the server and run `statehouse verify --live`",
    );
    Ok(())
}

fn accept(config: &Config, reason: &str, session: &Session) -> Result {
    logs::begin(&config.log, session.out.color_err())?;
    let _lock = DirectoryLock::take(&config.data.dir)?;
    let accepted = Session::runtime()?.block_on(async {
        let core = Core::open(server::options(config, &session.environment).await?).await?;
        let accepted = accept_all(&core, reason).await;
        core.close().await?;
        accepted
    })?;
    let Accepted { houses, closed } = accepted;
    session.out.list(
        &[
            ("HOUSE", "house"),
            ("LEDGER ENTRIES", "ledger"),
            ("ORIGIN", "origin"),
        ],
        &houses,
    )?;
    if !closed.is_empty() {
        return Err(Failure::new(
            Exit::Unavailable,
            format!(
                "these organizations cannot be opened, and were not accepted: {}",
                closed.join("; ")
            ),
        )
        .hint("bring their keys and run this once more; what was shredded after the backup stays closed, and the others serve"));
    }
    if houses.is_empty() {
        session
            .out
            .say("nothing is read-only: there is nothing to accept");
    }
    Ok(())
}

/// What came of an acceptance.
struct Accepted {
    /// Houses with a new epoch.
    houses: Vec<Resource>,
    /// Organizations that do not open, each with the reason.
    closed: Vec<String>,
}

/// The site first: it knows the others. One organization that does not open keeps no other closed.
async fn accept_all(core: &Arc<Core>, reason: &str) -> Result<Accepted> {
    let site = accept_one(&core.machine(), "site", reason).await?;
    let mut houses = Vec::from_iter(site);
    let mut closed = Vec::new();
    for organization in org::list(&core.machine())
        .await?
        .into_iter()
        .filter(|organization| organization.status == "active")
    {
        let name = organization.name.parse().map_err(Failure::failed)?;
        match core.enter_as_machine(&name).await {
            Ok(ctx) => houses.extend(accept_one(&ctx, &organization.name, reason).await?),
            Err(error) => closed.push(format!("{name}: {}", error.message())),
        }
    }
    Ok(Accepted { houses, closed })
}

async fn accept_one(ctx: &Ctx, name: &str, reason: &str) -> Result<Option<Resource>> {
    if ctx.house().read_only().is_none() {
        return Ok(None);
    }
    let head = ledger::accept_restore(ctx, reason.to_owned()).await?;
    Ok(Some(Resource::from_pairs([
        ("house", json!(name)),
        ("ledger", json!(head.size)),
        ("origin", json!(head.origin)),
    ])))
}
