//! Where runners have packages of providers from: a mirror that the operator fills, or a plugin cache that runs fill.

use std::path::PathBuf;
use std::sync::Arc;

use statehouse_control::Told;
use statehouse_runner::drive::cache::Cache;
use statehouse_runner::drive::place;
use statehouse_runner::sandbox::Seat;

use super::{Kept, user};
use crate::config::Runs;

/// One of both, or neither.
pub(super) enum Packages {
    Mirror(PathBuf),
    Cache(Arc<Cache>),
    Registries,
}

impl Packages {
    pub(super) fn of(runs: &Runs) -> Self {
        match &runs.provider_mirror {
            Some(mirror) => Self::Mirror(mirror.clone()),
            None if runs.provider_cache_mib_max == 0 => Self::Registries,
            None => {
                let bytes_max = runs.provider_cache_mib_max.saturating_mul(1024 * 1024);
                Self::Cache(Arc::new(Cache::new(runs.dir.join("providers"), bytes_max)))
            }
        }
    }

    pub(super) fn mirror(&self) -> Option<PathBuf> {
        match self {
            Self::Mirror(mirror) => Some(mirror.clone()),
            Self::Cache(_) | Self::Registries => None,
        }
    }

    /// What a house has in the cache. Without one a run fetches what it wants.
    pub(super) fn cache_of(&self, house: &str) -> Option<PathBuf> {
        let Self::Cache(cache) = self else {
            return None;
        };
        let folder = cache.of_house(house);
        folder
            .inspect_err(|error| tracing::warn!(%error, "there is no plugin cache"))
            .ok()
    }
}

impl Kept {
    /// The digest of a package that a job of a house can use.
    pub(super) async fn digest(&self, house: &str, path: PathBuf) -> Result<String, String> {
        let folder = self.packages.mirror();
        let folder = folder.or_else(|| self.packages.cache_of(house));
        let folder = folder.ok_or("there is neither a mirror of providers nor a plugin cache")?;
        self.stock(move |stock| stock.package(&folder, &path)).await
    }

    /// The package that a house has in the cache under one of these hashes.
    pub(super) async fn cached(&self, house: &str, hashes: &[String]) -> Result<Told, String> {
        let Packages::Cache(cache) = &self.packages else {
            return Ok(Told::Nothing);
        };
        let Some(path) = cache.find(house, hashes) else {
            return Ok(Told::Nothing);
        };
        let digest = self.digest(house, path.clone()).await?;
        Ok(Told::Package { path, digest })
    }

    /// Keeps a package that a run of a house fetched. What cannot be kept is fetched again.
    pub(super) async fn cache(&self, house: String, seat: &Seat, package: PathBuf) {
        let Packages::Cache(cache) = &self.packages else {
            return;
        };
        let (cache, tree) = (cache.clone(), place::tree(seat));
        let owner = user(seat).map(|(user, _)| user);
        let keeping =
            tokio::task::spawn_blocking(move || cache.keep(&house, (&tree, owner), &package));
        let kept = keeping.await.map_err(std::io::Error::other);
        if let Err(error) = kept.flatten() {
            tracing::warn!(%error, "a provider is not kept in the plugin cache");
        }
    }
}
