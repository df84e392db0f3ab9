//! A site to measure: made in this process through the public API of `core`, served by the real binary.
//!
//! A site lies where `statehouse up --dir DIR` expects it (`DIR`, `DIR.keys`, `DIR.anchor`, the account `admin`, the organization
//! `main`), so that both `up` and `serve` open it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use secrecy::ExposeSecret;
use statehouse_core::token::{self, Wish};
use statehouse_core::{Clock, Core, Ctx, Options, seal::KeyDirectory, user, workspace};
use statehouse_model::UserId;

use crate::Result;

/// The organization that is measured.
pub(crate) const ORGANIZATION: &str = "main";
/// How many changes of the preparation are on their way at once.
const AT_ONCE: usize = 64;

/// A site on disk (or in PostgreSQL), and the key to it.
pub(crate) struct Site {
    /// The data directory; keys and anchors lie beside it.
    pub(crate) dir: PathBuf,
    /// The PostgreSQL server, where there is one.
    pub(crate) postgres: Option<String>,
    /// A token of the owner.
    pub(crate) token: String,
}

impl Site {
    /// A new site with one organization.
    pub(crate) fn create(dir: &Path, postgres: Option<&str>) -> Result<Self> {
        runtime()?.block_on(async {
            let (core, token, _) = begin(dir, postgres).await?;
            core.close().await?;
            Ok(Self {
                dir: dir.to_owned(),
                postgres: postgres.map(str::to_owned),
                token,
            })
        })
    }

    /// A new site whose organization has `workspaces` workspaces, and which has `houses` organizations in all.
    pub(crate) fn create_large(dir: &Path, workspaces: usize, houses: usize) -> Result<Self> {
        runtime()?.block_on(async {
            let (core, token, owner) = begin(dir, None).await?;
            let caller = core.authenticate(&token, None).await?;
            let ctx = core.enter(&caller, &ORGANIZATION.parse()?).await?;
            let numbers: Vec<usize> = (0..workspaces).collect();
            for some in numbers.chunks(AT_ONCE) {
                let mut making = tokio::task::JoinSet::new();
                for number in some {
                    making.spawn(make_workspace(ctx.clone(), *number));
                }
                while let Some(made) = making.join_next().await {
                    made??;
                }
            }
            drop((ctx, caller));
            for number in 1..houses {
                core.create_organization(
                    &core.machine(),
                    format!("organization-{number:04}").parse()?,
                    owner.clone(),
                )
                .await?;
            }
            core.close().await?;
            Ok(Self {
                dir: dir.to_owned(),
                postgres: None,
                token,
            })
        })
    }

    /// What lies beside the data directory.
    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.dir.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    }
}

async fn make_workspace(ctx: Ctx, number: usize) -> Result<()> {
    workspace::create(&ctx, format!("w-{number}").parse()?, None).await?;
    Ok(())
}

/// The address of a workspace for the `http` backend.
pub(crate) fn address(workspace: impl std::fmt::Display) -> String {
    format!("/state/{ORGANIZATION}/w-{workspace}")
}

pub(crate) async fn begin(
    dir: &Path,
    postgres: Option<&str>,
) -> Result<(Arc<Core>, String, UserId)> {
    let site = Site {
        dir: dir.to_owned(),
        postgres: None,
        token: String::new(),
    };
    let tls = statehouse_web::tls::client_config(rustls::RootCertStore::empty())?;
    let postgres = postgres.map(|url| (url.to_owned(), Arc::unwrap_or_clone(tls)));
    let options = Options {
        data: dir.to_owned(),
        anchors: site.beside(".anchor"),
        postgres,
        roots: Arc::new(KeyDirectory::open(&site.beside(".keys"))?),
        clock: clock(),
        batch_jobs_max: AT_ONCE,
        jobs_max: 10,
        places_max: 0,
        longest: statehouse_core::job::Longest::default(),
        deliver: None,
        judge: None,
        estimator: None,
    };
    let core = Core::open(options).await?;
    let machine = core.machine();
    let admin = user::create(&machine, "admin".parse()?, true, None).await?;
    let owner: UserId = admin.id.parse()?;
    core.create_organization(&machine, ORGANIZATION.parse()?, owner.clone())
        .await?;
    let wish = Wish {
        label: "bench".to_owned(),
        ..Wish::default()
    };
    let (_, token) = token::issue_for(&machine, "admin".parse()?, wish).await?;
    Ok((core, token.expose_secret().to_owned(), owner))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the clock of the sites that are prepared here"
)]
fn clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}
