//! The site that is tampered with: two organizations with a little of everything, as it is now, as
//! its files lay while it ran, and as it was earlier.

use std::sync::{Arc, OnceLock};

use secrecy::{ExposeSecret, SecretString};
use statehouse_core::access::{self, Scope};
use statehouse_core::state::{self, Put, Upload, lock};
use statehouse_core::terraform::lock::LockInfo;
use statehouse_core::workspace::Workspace;
use statehouse_core::workspace::freeze;
use statehouse_core::{
    Caller, Core, Ctx, key, ledger, project, retention, team, token, user, workspace,
};
use statehouse_e2e::cloud;
use statehouse_e2e::random::Random;
use statehouse_e2e::site::{Site, files};
use statehouse_e2e::states;
use statehouse_e2e::visit::visit;
use statehouse_ledger::verify::Trust;
use statehouse_model::{HouseCode, Name, Permission, Role, TeamId, UserId};
use tempfile::TempDir;

use super::{SEED, runs};

/// A state whose sealed body is too large for its row: it lies in the blob directory.
const LARGE: usize = 900_000;
const SMALL: usize = 6_000;
/// More than 256 leaves make a house keep rows of hashes.
const LOCKINGS: usize = 120;

/// An organization of the corpus.
pub(super) struct Organization {
    pub(super) name: Name,
    pub(super) code: HouseCode,
    /// The bundle of its ledger now, and the one from earlier.
    pub(super) bundle: Vec<u8>,
    pub(super) older_bundle: Vec<u8>,
    /// What a stranger trusts: its first key and its newest checkpoint.
    pub(super) trust: Trust,
}

/// The site in three states, and what is needed to read it.
pub(super) struct Corpus {
    _folder: TempDir,
    /// Closed cleanly.
    pub(super) now: Site,
    /// The files of `now` as they lay before it was closed: write-ahead logs included.
    pub(super) running: Site,
    /// Closed cleanly, earlier.
    pub(super) older: Site,
    pub(super) organizations: [Organization; 2],
    /// The user who owns both organizations.
    pub(super) owner: UserId,
    /// Tokens of the owner, a reader and a writer.
    pub(super) tokens: Vec<SecretString>,
    /// A user without any grant, and a token of theirs.
    pub(super) stranger: (String, SecretString),
}

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(super) fn workspace_named(text: &str) -> Workspace {
    Workspace::Name(name(text))
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

impl Corpus {
    /// The one corpus of this process, made at the first call.
    pub(super) fn shared() -> &'static Self {
        static CORPUS: OnceLock<Corpus> = OnceLock::new();
        CORPUS.get_or_init(Self::make)
    }

    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let random = &mut Random::new(SEED);
        let site = Site::new(&folder.path().join("site"));
        let accounts = runtime().block_on(async {
            let core = site.open().await;
            let accounts = first_day(&core, random).await;
            core.close().await.unwrap();
            accounts
        });
        closed(&site);
        let older = site.copy_to(&folder.path().join("older"));
        let later = Site {
            starts_at: older.starts_at,
            ..site.clone()
        };
        let running = runtime().block_on(async {
            let core = later.open().await;
            visit(&core, "olga", PASSWORD.into()).await;
            second_day(&core, &accounts, random).await;
            anchored(&core, &site).await;
            let running = site.copy_to(&folder.path().join("running"));
            core.close().await.unwrap();
            running
        });
        closed(&site);
        let now = site.copy_to(&folder.path().join("now"));
        let copies = [
            now.copy_to(&folder.path().join("export")),
            older.copy_to(&folder.path().join("export-older")),
        ];
        let organizations = ORGANIZATIONS.map(|text| runtime().block_on(exported(&copies, text)));
        Self {
            _folder: folder,
            now: later_by_a_day(now),
            running: later_by_a_day(running),
            older: later_by_a_day(older),
            organizations,
            owner: accounts.olga,
            tokens: accounts.tokens,
            stranger: accounts.stranger,
        }
    }

    /// The organizations' databases and the site's, relative to the data directory.
    pub(super) fn databases(&self) -> [String; 3] {
        let [first, second] = &self.organizations;
        [
            "site.db".to_owned(),
            format!("houses/{}.db", first.code),
            format!("houses/{}.db", second.code),
        ]
    }
}

fn later_by_a_day(site: Site) -> Site {
    Site {
        starts_at: site.starts_at + 2 * 24 * 3600 * 1_000_000,
        ..site
    }
}

const ORGANIZATIONS: [&str; 2] = ["acme", "globex"];

/// What the first day leaves for the second.
struct Accounts {
    tokens: Vec<SecretString>,
    stranger: (String, SecretString),
    olga: UserId,
    rita: UserId,
}

async fn token_of(core: &Core, of: &str, scopes: Vec<Permission>) -> SecretString {
    let wish = token::Wish {
        label: format!("for {of}"),
        scopes,
        life_us: None,
    };
    token::issue_for(&core.machine(), name(of), wish)
        .await
        .unwrap()
        .1
}

async fn caller(core: &Core, token: &SecretString) -> Caller {
    core.authenticate(token.expose_secret(), None)
        .await
        .unwrap()
}

async fn first_day(core: &Arc<Core>, random: &mut Random) -> Accounts {
    let machine = core.machine();
    let mut ids: Vec<UserId> = Vec::new();
    for (text, operator) in [
        ("olga", true),
        ("rita", false),
        ("walt", false),
        ("eve", false),
    ] {
        let password = (text == "olga").then(|| SecretString::from(PASSWORD));
        ids.push(
            user::create(&machine, name(text), operator, password)
                .await
                .unwrap()
                .id
                .parse()
                .unwrap(),
        );
    }
    visit(core, "olga", PASSWORD.into()).await;
    ledger::publish(&machine, false).await.unwrap();
    let olga = token_of(core, "olga", Vec::new()).await;
    let owner = caller(core, &olga).await;
    let (rita, walt) = (ids[1].clone(), ids[2].clone());
    for text in ORGANIZATIONS {
        core.create_organization(owner.site(), name(text), ids[0].clone())
            .await
            .unwrap();
        let ctx = core.enter(&owner, &name(text)).await.unwrap();
        let network = project::create(&ctx, name("network")).await.unwrap();
        access::give(&ctx, rita.clone(), Role::Reader, Scope::Organization, None)
            .await
            .unwrap();
        let scope = Scope::Project(network.id.parse().unwrap());
        access::give(&ctx, walt.clone(), Role::Writer, scope, None)
            .await
            .unwrap();
        people(&ctx, &walt).await;
        ledger::publish(&ctx, false).await.unwrap();
        for (workspace, folder) in [
            ("prod", "network"),
            ("stage", "network"),
            ("dev", "default"),
        ] {
            workspace::create(&ctx, name(workspace), Some(name(folder)))
                .await
                .unwrap();
            fill(&ctx, workspace, random).await;
            announce(core, &ctx, workspace, random).await;
        }
        put_away(&ctx, random).await;
        runs::first(core, &ctx).await;
        delete_one(&ctx).await;
        lock::take(&ctx, &workspace_named("stage"), lock_info("earlier"))
            .await
            .unwrap();
    }
    Accounts {
        tokens: vec![
            olga,
            token_of(core, "rita", Vec::new()).await,
            token_of(core, "walt", vec![Permission::StateRead]).await,
        ],
        stranger: (ids[3].to_string(), token_of(core, "eve", Vec::new()).await),
        olga: ids[0].clone(),
        rita,
    }
}

async fn delete_one(ctx: &Ctx) {
    workspace::create(ctx, name("gone"), None).await.unwrap();
    workspace::delete(ctx, &workspace_named("gone"), true)
        .await
        .unwrap();
}

/// A team with somebody in it, another that ends, and tokens that were revoked: live ones would keep an epoch of keys.
async fn people(ctx: &Ctx, member: &UserId) {
    let wish = team::Wish {
        flags: Some([team::Flag::ReadWorkspaces].into()),
        ..team::Wish::default()
    };
    let made = team::create(ctx, name("net"), wish).await.unwrap();
    let id: TeamId = made.id.parse().unwrap();
    team::add(ctx, id.clone(), vec![member.clone()])
        .await
        .unwrap();
    for bearer in [Some(id), None] {
        let wish = token::Wish::default();
        let (view, _) = token::house::create(ctx, bearer, wish).await.unwrap();
        token::house::revoke(ctx, view.id.parse().unwrap())
            .await
            .unwrap();
    }
    let gone = team::create(ctx, name("gone"), team::Wish::default()).await;
    team::delete(ctx, gone.unwrap().id.parse().unwrap())
        .await
        .unwrap();
}

/// Versions of every kind: finished in the row and in a file, kept, accepted, discarded.
async fn fill(ctx: &Ctx, workspace: &str, random: &mut Random) {
    let lineage = states::lineage(random);
    let reference = workspace_named(workspace);
    put(ctx, workspace, random, &lineage, 1, SMALL).await;
    put(
        ctx,
        workspace,
        random,
        &lineage,
        2,
        if workspace == "stage" { SMALL } else { LARGE },
    )
    .await;
    for reason in ["accepted", "discarded", "waiting"] {
        let other = states::lineage(random);
        let Put::Kept(kept) = put(ctx, workspace, random, &other, 3, SMALL).await else {
            panic!("an upload of another lineage was not kept");
        };
        let id = kept.version.id.parse().unwrap();
        match reason {
            "accepted" => drop(
                state::accept(ctx, &reference, id, reason.to_owned())
                    .await
                    .unwrap(),
            ),
            "discarded" => drop(
                state::discard(ctx, &reference, id, reason.to_owned())
                    .await
                    .unwrap(),
            ),
            _ => {}
        }
    }
}

/// A workspace that is frozen, with a version whose content was removed.
async fn put_away(ctx: &Ctx, random: &mut Random) {
    let (lineage, reference) = (states::lineage(random), workspace_named("done"));
    workspace::create(ctx, name("done"), None).await.unwrap();
    let Put::Stored(first) = put(ctx, "done", random, &lineage, 1, SMALL).await else {
        panic!("a first state was not taken");
    };
    put(ctx, "done", random, &lineage, 2, SMALL).await;
    let (reason, who, since) = ("over", "olga", "2026-01-01T00:00:00Z");
    let remove = state::Remove {
        reason: reason.to_owned(),
        who: who.to_owned(),
        since: since.to_owned(),
    };
    let first = first.id.parse().unwrap();
    state::remove_content(ctx, first, remove).await.unwrap();
    let freeze = freeze::Wish {
        reason: reason.to_owned(),
        who: who.to_owned(),
        since: since.to_owned(),
    };
    freeze::freeze(ctx, &reference, freeze).await.unwrap();
    let for_ever = retention::Wish {
        days: None,
        versions: 3,
    };
    retention::set(ctx, Scope::Organization, for_ever)
        .await
        .unwrap();
}

/// What the `cloud` block brings: settings, a tag, a state with its JSON form, and one that was announced and never came.
async fn announce(core: &Core, ctx: &Ctx, workspace: &str, random: &mut Random) {
    let reference = workspace_named(workspace);
    cloud::describe(ctx, &reference, "what it is for").await;
    let lineage = states::lineage(random);
    let wish = states::Wish {
        lineage: &lineage,
        serial: 1,
        bytes: SMALL,
        secrets: &[],
    };
    let bytes = states::plain(random, &wish);
    let form = r#"{"format_version":"1.0"}"#.to_owned();
    cloud::send(core, ctx, &reference, (&lineage, 1), bytes, form).await;
    let never = state::Wish {
        serial: 2,
        lineage,
        md5: [0; 16],
    };
    state::announce(ctx, &reference, never).await.unwrap();
}

async fn put(
    ctx: &Ctx,
    workspace: &str,
    random: &mut Random,
    lineage: &str,
    serial: u64,
    bytes: usize,
) -> Put {
    let wish = states::Wish {
        lineage,
        serial,
        bytes,
        secrets: &[],
    };
    let bytes = states::plain(random, &wish).into();
    state::put(
        ctx,
        &workspace_named(workspace),
        Upload {
            bytes,
            lock_id: None,
        },
    )
    .await
    .unwrap()
}

fn lock_info(id: &str) -> LockInfo {
    LockInfo {
        id: id.to_owned(),
        operation: "OperationTypeApply".to_owned(),
        who: "olga@desk".to_owned(),
        ..LockInfo::default()
    }
}

/// An account that is made and ends.
async fn come_and_go(core: &Arc<Core>, text: &str) {
    user::create(&core.machine(), name(text), false, None)
        .await
        .unwrap();
    core.disable_user(&core.machine(), name(text))
        .await
        .unwrap();
}

/// Everything of the first day goes on, and some of it is taken back.
async fn second_day(core: &Arc<Core>, accounts: &Accounts, random: &mut Random) {
    let owner = caller(core, &accounts.tokens[0]).await;
    ledger::publish(&core.machine(), true).await.unwrap();
    let (view, _) = token::create(owner.site(), token::Wish::default())
        .await
        .unwrap();
    token::revoke(owner.site(), view.id.parse().unwrap())
        .await
        .unwrap();
    come_and_go(core, "dora").await;
    for text in ORGANIZATIONS {
        let ctx = core.enter(&owner, &name(text)).await.unwrap();
        let stage = workspace_named("stage");
        lock::release(&ctx, &stage, "earlier".to_owned())
            .await
            .unwrap();
        let lineage = states::lineage(random);
        put(&ctx, "stage", random, &lineage, 1, SMALL).await;
        runs::second(core, &ctx).await;
        let taken = access::give(
            &ctx,
            accounts.rita.clone(),
            Role::Maintainer,
            Scope::Organization,
            None,
        )
        .await
        .unwrap();
        access::take(&ctx, taken.id.parse().unwrap()).await.unwrap();
        ledger::publish(&ctx, true).await.unwrap();
        lock::take(&ctx, &workspace_named("prod"), lock_info("broken"))
            .await
            .unwrap();
        lock::force(
            &ctx,
            &workspace_named("prod"),
            None,
            Some("the runner is gone".to_owned()),
        )
        .await
        .unwrap();
        lock::take(&ctx, &stage, lock_info("held")).await.unwrap();
        let dev = workspace_named("dev");
        for round in 0..if text == "acme" { LOCKINGS } else { 3 } {
            lock::take(&ctx, &dev, lock_info(&round.to_string()))
                .await
                .unwrap();
            lock::release(&ctx, &dev, round.to_string()).await.unwrap();
        }
    }
    // The first organization renews its keys and retires the old ones, the site only opens new ones.
    let ctx = core.enter(&owner, &name(ORGANIZATIONS[0])).await.unwrap();
    key::rotate(&ctx).await.unwrap();
    let progress = key::rewrap(&ctx).await.unwrap();
    assert_eq!(progress.retired, [1], "{progress:?}");
    key::rotate(&core.machine()).await.unwrap();
    let Put::Stored(_) = put(
        &ctx,
        "dev",
        random,
        &current_lineage(&ctx, "dev").await,
        9,
        LARGE,
    )
    .await
    else {
        panic!("a version after the rotation was not stored");
    };
}

async fn current_lineage(ctx: &Ctx, workspace: &str) -> String {
    let versions = state::list(ctx, &workspace_named(workspace), None, state::PAGE_MAX)
        .await
        .unwrap();
    let head = workspace::show(ctx, &workspace_named(workspace))
        .await
        .unwrap()
        .head;
    versions
        .into_iter()
        .find(|version| Some(&version.id) == head.as_ref())
        .unwrap()
        .lineage
}

/// Waits until every anchor has caught up with its house and nothing moves any more.
async fn anchored(core: &Arc<Core>, site: &Site) {
    let mut houses = vec![core.machine()];
    for text in ORGANIZATIONS {
        houses.push(core.enter_as_machine(&name(text)).await.unwrap());
    }
    let mut quiet = 0;
    for _ in 0..300 {
        let still = houses.iter().all(|ctx| {
            let anchor = site
                .anchors
                .join(format!("{}.checkpoint", ctx.house().code()));
            fs_err::read_to_string(anchor).ok() == ctx.house().head().map(|head| head.note)
        });
        quiet = if still { quiet + 1 } else { 0 };
        if quiet == 15 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the anchors never caught up with the houses");
}

/// Waits until the last connection has moved its log of writes into the file and removed it.
fn closed(site: &Site) {
    for _ in 0..100 {
        if files(&site.data)
            .iter()
            .all(|path| !path.to_string_lossy().ends_with("-wal"))
        {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("a database of {} was not closed", site.data.display());
}

async fn exported([now, older]: &[Site; 2], text: &str) -> Organization {
    let folder = tempfile::tempdir().unwrap();
    let mut bundles = Vec::new();
    let mut head = None;
    let mut code = None;
    for site in [older, now] {
        let core = site.open().await;
        let ctx = core.enter_as_machine(&name(text)).await.unwrap();
        let path = folder.path().join(format!("{}.bundle", bundles.len()));
        ledger::export(&ctx, &path).await.unwrap();
        bundles.push(fs_err::read(&path).unwrap());
        (head, code) = (ctx.house().head(), Some(ctx.house().code()));
        core.close().await.unwrap();
    }
    let bundle = bundles.pop().unwrap();
    let report = statehouse_ledger::verify::verify_bytes(&bundle, &Trust::default());
    assert!(report.is_proven(), "{report}");
    let trust = Trust {
        vkey: report.vkey.clone(),
        anchor: head.map(|head| head.note),
    };
    Organization {
        name: name(text),
        code: code.unwrap(),
        bundle,
        older_bundle: bundles.pop().unwrap(),
        trust,
    }
}

/// The password of the owner.
pub(super) const PASSWORD: &str = "correct horse battery staple";
