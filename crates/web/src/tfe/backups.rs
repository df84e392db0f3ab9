//! A backup of the site and every organization, as one archive.

use axum::response::Response;
use statehouse_core::backup;

use super::stream::Spool;
use crate::auth::Asker;
use crate::problem::Problem;

/// Makes a backup and sends it.
pub(crate) async fn create(asker: Asker) -> Result<Response, Problem> {
    let spool = Spool::new(asker.core())?;
    backup::create(asker.core(), asker.site(), &spool.path).await?;
    spool.send("statehouse-backup.tar").await
}
