//! Everything that could report an edit, asked one after the other.

use secrecy::{ExposeSecret, SecretString};
use statehouse_core::ledger::verify_live;
use statehouse_core::state::{self, Which, lock};
use statehouse_core::workspace::Workspace;
use statehouse_core::{
    Core, Ctx, Error, Kind, access, key, ledger, org, project, token, user, workspace,
};
use statehouse_e2e::site::Site;
use statehouse_ledger::verify::Report;
use std::sync::Arc;

use super::corpus::{Corpus, PASSWORD, name, runtime};

/// Who reported, with the first words of each.
#[derive(Debug, Default)]
pub(super) struct Reported {
    pub(super) open: Option<String>,
    pub(super) live: Option<String>,
    pub(super) read: Option<String>,
    pub(super) bundle: Option<String>,
}

impl Reported {
    pub(super) fn any(&self) -> bool {
        [&self.open, &self.live, &self.read, &self.bundle]
            .iter()
            .any(|words| words.is_some())
    }

    pub(super) fn by_bundle(report: &Report) -> Self {
        let first = report.findings.first().map(ToString::to_string);
        assert_eq!(first.is_none(), report.is_proven());
        Self {
            bundle: first,
            ..Self::default()
        }
    }

    /// Notes a read that refused because of what it read. "Not found" and "denied" are answers.
    fn note<T>(&mut self, result: statehouse_core::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                if refuses(&error) {
                    self.read.get_or_insert_with(|| error.to_string());
                }
                None
            }
        }
    }
}

/// Whether a failure says that what is stored cannot be used, and not that it is not there.
pub(super) fn refuses(error: &Error) -> bool {
    matches!(
        error.kind(),
        Kind::Tampered | Kind::Internal | Kind::Unavailable
    )
}

/// Opens a site that may have been edited and asks everything.
pub(super) fn examine(corpus: &Corpus, site: &Site) -> Reported {
    let runtime = runtime();
    let mut reported = Reported::default();
    runtime.block_on(async {
        match Core::open(site.options()).await {
            Ok(core) => ask(corpus, &core, &mut reported).await,
            Err(error) => reported.open = Some(error.to_string()),
        }
    });
    runtime.shutdown_background();
    reported
}

/// Opens a site and logs in by password: the one read that is too slow to be asked about each edit.
pub(super) fn log_in(site: &Site) -> Reported {
    let runtime = runtime();
    let mut reported = Reported::default();
    runtime.block_on(async {
        if let Ok(core) = Core::open(site.options()).await {
            let login = core.login("olga", PASSWORD.into(), None, token::Wish::default());
            reported.note(login.await);
        }
    });
    runtime.shutdown_background();
    reported
}

async fn ask(corpus: &Corpus, core: &Arc<Core>, reported: &mut Reported) {
    let mut houses = vec![core.machine()];
    for organization in &corpus.organizations {
        match core.enter_as_machine(&organization.name).await {
            Ok(ctx) => houses.push(ctx),
            // Without its row in the site's directory a house is not found: for the site to report.
            Err(error) if *error.kind() == Kind::NotFound => {}
            Err(error) => drop(reported.open.get_or_insert(error.to_string())),
        }
    }
    for ctx in &houses {
        if let Some(reason) = ctx.house().read_only() {
            reported.open.get_or_insert(reason);
        }
    }
    for ctx in &houses {
        compare(ctx, reported).await;
    }
    for token in &corpus.tokens {
        read_as(corpus, core, token, reported).await;
    }
}

async fn compare(ctx: &Ctx, reported: &mut Reported) {
    let found = match verify_live(ctx).await {
        Ok(report) if report.is_proven() => return,
        Ok(report) => {
            let first = &report.differences[0];
            format!("{}: {}: {}", first.kind, first.place, first.words)
        }
        Err(error) => error.to_string(),
    };
    reported.live.get_or_insert(found);
}

/// Reads what the bearer of a token may read, everywhere.
async fn read_as(corpus: &Corpus, core: &Arc<Core>, token: &SecretString, reported: &mut Reported) {
    let Some(caller) = reported.note(core.authenticate(token.expose_secret(), None).await) else {
        return;
    };
    let site = caller.site();
    reported.note(token::list(site).await);
    reported.note(user::list(site).await);
    reported.note(org::list(site).await);
    reported.note(key::list(site).await);
    for organization in &corpus.organizations {
        let entered = core.enter(&caller, &organization.name).await;
        let Some(ctx) = reported.note(entered) else {
            continue;
        };
        reported.note(access::list(&ctx).await);
        reported.note(project::list(&ctx).await);
        reported.note(workspace::list(&ctx, None, workspace::PAGE_MAX).await);
        reported.note(key::list(&ctx).await);
        reported.note(ledger::checkpoint(&ctx).await);
        for text in ["prod", "stage", "dev"] {
            read_workspace(corpus, &ctx, &Workspace::Name(name(text)), reported).await;
        }
    }
}

async fn read_workspace(
    corpus: &Corpus,
    ctx: &Ctx,
    workspace: &Workspace,
    reported: &mut Reported,
) {
    reported.note(lock::show(ctx, workspace).await);
    reported.note(state::get(ctx, workspace, Which::Current).await);
    reported.note(state::kept(ctx, workspace).await);
    let versions = reported.note(state::list(ctx, workspace, None, state::PAGE_MAX).await);
    // Each download is a leaf of its own: the owner's are enough.
    let owner = ctx.actor().id() == corpus.owner.as_str();
    for version in versions.into_iter().flatten().filter(|_| owner) {
        let Ok(id) = version.id.parse() else { continue };
        reported.note(state::get(ctx, workspace, Which::Version(id)).await);
    }
}
