//! `statehouse serve`: the server as the configuration says, until SIGTERM.

use std::io::Write;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::session::Session;
use crate::config::{Settings, Sources};
use crate::failure::Result;
use crate::files::Draft;
use crate::logs;
use crate::server::{Server, first, guard};

/// Arguments.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: Sources,
    /// Where nobody has an account yet: make the operator `admin`, and write a token for it to this new file
    #[arg(long, value_name = "FILE")]
    first_token: Option<PathBuf>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result {
    let config = Settings::load(&args.sources, &session.environment)?.config()?;
    logs::begin(&config.log, session.out.color_err())?;
    Session::runtime()?.block_on(async {
        let server = Server::open(&config, &session.environment).await?;
        guard::warn_of_neighbours(&config);
        if let Err(failure) = first_access(&server, args.first_token.as_deref()).await {
            server.close().await?;
            return Err(failure);
        }
        server.serve().await
    })
}

async fn first_access(server: &Server, file: Option<&Path>) -> Result {
    if !first::is_empty(server.core()).await? {
        return Ok(());
    }
    let Some(file) = file else {
        tracing::warn!(
            "nobody has an account yet; start once with --first-token FILE to make the operator `{}`",
            first::USER
        );
        return Ok(());
    };
    // The file is begun first: a token that cannot be written down would be lost.
    let mut draft = Draft::of(file)?;
    let token = first::admin(server.core(), "first").await?;
    writeln!(draft, "{}", token.expose_secret())?;
    draft.keep_new()?;
    tracing::info!(file = %file.display(), "the operator `{}` was made, its token is in the file", first::USER);
    Ok(())
}
