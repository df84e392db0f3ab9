//! A house's ledger in C2SP form: `checkpoint` and `tile/…` under `/ledger/{house code}/`.
//!
//! Formats and paths are those of <https://c2sp.org/tlog-tiles>, so that a monitor or witness of another make can follow a
//! house. With a token the caller's permission decides. Without one, only what the house publishes is there; entries never.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use statehouse_core::Core;
use statehouse_core::ledger::{self, Tile};
use statehouse_model::HouseCode;

use crate::auth::{self, At, MaybeAsker};
use crate::problem::Problem;

/// The newest checkpoint, a signed note.
pub(crate) async fn checkpoint(
    State(core): State<Arc<Core>>,
    asker: MaybeAsker,
    At(text): At<String>,
) -> Result<Response, Problem> {
    let house: HouseCode = auth::id(&text)?;
    let note = match asker.0 {
        Some(asker) => ledger::checkpoint(&asker.house(house).await?).await?,
        None => core.public_checkpoint(house).await?,
    };
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response())
}

/// A tile of hashes, or a bundle of entries.
pub(crate) async fn tile(
    State(core): State<Arc<Core>>,
    asker: MaybeAsker,
    At((text, tile)): At<(String, String)>,
) -> Result<Response, Problem> {
    let house: HouseCode = auth::id(&text)?;
    let tile = Tile::parse(&format!("tile/{tile}")).map_err(|_| Problem::not_found())?;
    let bytes = match asker.0 {
        Some(asker) => ledger::tile(&asker.house(house).await?, tile).await?,
        None => core.public_tile(house, tile).await?,
    };
    Ok(([(CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}
