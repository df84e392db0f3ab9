//! `statehouse agent`: runners elsewhere. It asks a server for the jobs of a pool, and starts a runner for each, as a server does for
//! the jobs of its own places.
//!
//! Of the configuration it reads `[runs]` and `[log]`, and nothing else of it counts. It has no data and no keys: what it keeps is what runners
//! remember of ledgers, and states that no server has taken yet.

use std::path::PathBuf;

use fs_err as fs;
use secrecy::ExposeSecret;
use statehouse_model::{Token, TokenKind};
use statehouse_runner::sandbox;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::session::Session;
use crate::client::Connection;
use crate::config::{Config, Settings, Sources};
use crate::failure::{Failure, Result};
use crate::logs;
use crate::runners::{Outside, Plant, Served};
use crate::server::guard::{self, DirectoryLock};

/// Longest name, in bytes: that of a host on the network.
const NAME_LEN_MAX: usize = 64;

/// Arguments.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Where runners work, in place of runs.dir; for one agent at a time
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Jobs at once, in place of runs.slots
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100))]
    slots: Option<u32>,
    /// What it calls itself; without it the name of this machine
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    sources: Sources,
}

impl Args {
    fn config(&self, session: &Session) -> Result<Config> {
        let settings = Settings::load(&self.sources, &session.environment)?;
        settings.config()?.of_agent(self.dir.as_deref(), self.slots)
    }

    fn name(&self) -> Result<String> {
        let of_machine = || fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = self.name.clone().unwrap_or_else(of_machine);
        let name = name.trim();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if (1..=NAME_LEN_MAX).contains(&name.len()) && name.bytes().all(plain) {
            return Ok(name.to_owned());
        }
        let words = format!(
            "`{name}` cannot be the name of an agent: it has 1 to {NAME_LEN_MAX} letters, digits and `-_.`"
        );
        Err(Failure::usage(words).hint("give another with --name"))
    }
}

/// Refuses a token that is no agent's, before it is shown to anybody.
fn require_agent(connection: &Connection) -> Result {
    let token = connection.token()?;
    let kind = Token::parse(token.expose_secret()).map(|token| token.kind());
    if kind == Ok(TokenKind::Agent) {
        return Ok(());
    }
    Err(Failure::usage("the token is none of a pool of agents")
        .hint("make one: `statehouse agent-pool token create POOL`"))
}

pub(super) fn run(args: &Args, session: &Session) -> Result {
    let connection = Connection::find(&session.server, &session.environment)?;
    require_agent(&connection)?;
    let config = args.config(session)?;
    logs::begin(&config.log, session.out.color_err())?;
    // What runs see and the token are in it.
    guard::keep_memory_private();
    sandbox::folder(&config.runs.dir)?;
    let _lock = DirectoryLock::of(&config.runs.dir)?;
    let name = args.name()?;
    let outside = Outside::of(&config.runs, &session.environment)?;
    Session::runtime()?.block_on(async {
        let served = Served::new(&connection, name.clone(), config.runs.sandbox()?)?;
        let forbidden = session.server.token_file.iter();
        let forbidden = forbidden.map(std::path::absolute);
        let forbidden = forbidden.collect::<std::io::Result<_>>()?;
        let environment = &session.environment;
        let plant = Plant::of(served, &config.runs, outside, forbidden, environment)?;
        let (stop, stopping) = watch::channel(false);
        let (mut terminate, mut interrupt) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        let working = tokio::spawn(plant.serve(stopping));
        tracing::info!(
            name,
            server = connection.address,
            slots = config.runs.slots,
            "asking for jobs"
        );
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.send_replace(true);
        working
            .await
            .map_err(|error| Failure::failed(format!("a place ended in a fault: {error}")))?;
        tracing::info!("stopped");
        Ok(())
    })
}
