//! Canaries: texts that must never lie readable at rest, put in through every operation that takes
//! somebody's words.
//!
//! Two kinds. What is **sealed** goes through the seal, so that a build without sealing shows every
//! one of them: bodies of states (finished, kept, discarded, in the row, in a file, client-encrypted),
//! the words of locks, reasons. What is **never stored** leaves at most a hash: passwords, tokens,
//! what browsers and logins show, uploads that are refused, names that nobody has.
//!
//! Documented as clear text, and so no canaries: names of organizations, projects, workspaces and
//! users, labels of tokens, ids of locks, lineage, serial and tool version of a state.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use statehouse_core::state::{self, Put, Upload, lock};
use statehouse_core::terraform::lock::LockInfo;
use statehouse_core::workspace::Workspace;
use statehouse_core::{Core, Ctx, access, backup, key, ledger, token, user, workspace};
use statehouse_model::{Name, Role, UserId};

use crate::cloud;
use crate::random::Random;
use crate::site::Site;
use crate::states;
use crate::visit::visit;

/// Letters and digits of a canary: 178 bits, so none is there by chance.
const LENGTH: usize = 30;
/// A body this large, half random, is sealed into a file of its own.
const LARGE: usize = 900_000;
/// And this one is sealed as a stream, in several segments.
const STREAMED: usize = 4_400_000;
const SMALL: usize = 8_000;

/// What was put in, and where it may not be found.
pub struct Planted {
    /// Canaries that were sealed.
    pub sealed: Vec<String>,
    /// Canaries of which nothing but a hash was stored.
    pub never_stored: Vec<String>,
    /// Every folder and file at rest: after a clean end, after a hard stop, after a restore.
    pub places: Vec<PathBuf>,
}

impl Planted {
    /// Every canary.
    pub fn all(&self) -> Vec<String> {
        [self.sealed.as_slice(), &self.never_stored].concat()
    }
}

/// The two lists while they grow.
struct Garden {
    random: Random,
    sealed: Vec<String>,
    never_stored: Vec<String>,
}

impl Garden {
    fn sealed(&mut self) -> String {
        let canary = self.random.word(LENGTH);
        self.sealed.push(canary.clone());
        canary
    }

    fn several(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.sealed()).collect()
    }

    fn never_stored(&mut self) -> String {
        let canary = self.random.word(LENGTH);
        self.never_stored.push(canary.clone());
        canary
    }

    /// A token is shown once; the part of it by which its row is found is no secret.
    fn token(&mut self, secret: &SecretString) {
        let text = secret.expose_secret();
        let (body, _) = text.rsplit_once('_').expect("a token with a checksum");
        self.never_stored.push(body[body.len() - 22..].to_owned());
        self.never_stored.push(text.to_owned());
    }

    /// What a browser or a client shows; its row is found by what stands before the dot.
    fn ticket(&mut self, shown: &SecretString) {
        let (_, secret) = shown.expose_secret().split_once('.').expect("a ticket");
        self.never_stored.push(secret.to_owned());
    }
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn named(text: &str) -> Workspace {
    Workspace::Name(name(text))
}

/// Plants at least `wanted` sealed canaries in a site below `root`, leaves its files as they are after
/// a clean end, and copies of them as they are after a hard stop and after a restore.
pub async fn plant(root: &Path, seed: u64, wanted: usize) -> Planted {
    let mut garden = Garden {
        random: Random::new(seed),
        sealed: Vec::new(),
        never_stored: Vec::new(),
    };
    let site = Site::new(&root.join("site"));
    let core = site.open().await;
    let owner = accounts(&core, &mut garden).await;
    for organization in ["acme", "doomed"] {
        let caller = core
            .authenticate(owner.expose_secret(), None)
            .await
            .unwrap();
        let id = user::show_self(caller.site())
            .await
            .unwrap()
            .id
            .parse()
            .unwrap();
        core.create_organization(caller.site(), name(organization), id)
            .await
            .unwrap();
    }
    let caller = core
        .authenticate(owner.expose_secret(), None)
        .await
        .unwrap();
    let doomed = core.enter(&caller, &name("doomed")).await.unwrap();
    workspace::ensure(&doomed, name("prod")).await.unwrap();
    put(&doomed, "prod", &mut garden, SMALL, 5).await;

    let ctx = core.enter(&caller, &name("acme")).await.unwrap();
    for text in ["prod", "stage", "large", "streamed", "opaque", "announced"] {
        workspace::ensure(&ctx, name(text)).await.unwrap();
    }
    put(&ctx, "large", &mut garden, LARGE, 20).await;
    put(&ctx, "streamed", &mut garden, STREAMED, 20).await;
    opaque(&ctx, &mut garden).await;
    announced(&core, &ctx, &mut garden).await;
    refused(&ctx, &mut garden).await;
    kept(&ctx, &mut garden).await;
    while garden.sealed.len() + 8 < wanted {
        locks(&ctx, &mut garden).await;
        put(&ctx, "prod", &mut garden, SMALL, 10).await;
    }
    key::rotate(&ctx).await.unwrap();
    key::rewrap(&ctx).await.unwrap();
    held_lock(&ctx, &mut garden).await;
    let reason = garden.sealed();
    core.shred(&caller, &name("doomed"), reason).await.unwrap();
    drop((ctx, doomed, caller));
    put_to_rest(root, &site, core, &mut garden).await
}

/// Backup, bundle, hard stop, clean end, restore.
async fn put_to_rest(root: &Path, site: &Site, core: Arc<Core>, garden: &mut Garden) -> Planted {
    let outside = root.join("outside");
    fs_err::create_dir_all(&outside).unwrap();
    let archive = outside.join("site.backup");
    let manifest = backup::create(&core, &core.machine(), &archive)
        .await
        .unwrap();
    assert_eq!(manifest.houses.len(), 2);
    let acme = core.enter_as_machine(&name("acme")).await.unwrap();
    ledger::export(&acme, &outside.join("acme.bundle"))
        .await
        .unwrap();
    ledger::export(&core.machine(), &outside.join("site.bundle"))
        .await
        .unwrap();
    drop(acme);
    let stopped = root.join("stopped");
    let copy = site.copy_to(&stopped);
    core.close().await.unwrap();
    drop(core);
    let restored = restore(root, &copy, &archive, garden).await;
    let places = vec![
        site.data.clone(),
        site.anchors.clone(),
        outside,
        stopped,
        restored.data,
        restored.anchors,
    ];
    Planted {
        sealed: std::mem::take(&mut garden.sealed),
        never_stored: std::mem::take(&mut garden.never_stored),
        places,
    }
}

/// Restores the backup beside anchors that know better, and declares it with a reason.
async fn restore(root: &Path, stopped: &Site, archive: &Path, garden: &mut Garden) -> Site {
    let folder = root.join("restored");
    let site = Site {
        data: folder.join("data"),
        anchors: folder.join("anchors"),
        ..stopped.clone()
    };
    crate::site::copy_tree(&stopped.anchors, &site.anchors);
    backup::restore(archive, &site.options()).await.unwrap();
    // The files lie there before the declaration, and after it.
    let core = site.open().await;
    for ctx in [
        core.machine(),
        core.enter_as_machine(&name("acme")).await.unwrap(),
    ] {
        if ctx.house().read_only().is_some() {
            ledger::accept_restore(&ctx, garden.sealed()).await.unwrap();
        }
    }
    core.close().await.unwrap();
    site
}

/// Passwords, logins that work and logins that fail, tokens.
async fn accounts(core: &Arc<Core>, garden: &mut Garden) -> SecretString {
    let machine = core.machine();
    for text in ["olga", "rita"] {
        let password = SecretString::from(garden.never_stored());
        user::create(&machine, name(text), text == "olga", Some(password))
            .await
            .unwrap();
    }
    let password = garden.never_stored();
    user::set_password(&machine, name("rita"), password.clone().into())
        .await
        .unwrap();
    let (_, secret) = core
        .login(
            "rita",
            password.clone().into(),
            None,
            token::Wish::default(),
        )
        .await
        .unwrap();
    garden.token(&secret);
    for ticket in visit(core, "rita", password.into()).await {
        garden.ticket(&ticket);
    }
    // A password typed where the name belongs, a wrong one, and a token that is none.
    for (of, password) in [
        (garden.never_stored(), garden.never_stored()),
        ("olga".to_owned(), garden.never_stored()),
    ] {
        assert!(
            core.login(&of, password.into(), None, token::Wish::default())
                .await
                .is_err()
        );
    }
    let false_token = format!(
        "sth_user_site{}_{}",
        garden.never_stored(),
        garden.random.word(6)
    );
    assert!(core.authenticate(&false_token, None).await.is_err());
    let (_, owner) = token::issue_for(&machine, name("olga"), token::Wish::default())
        .await
        .unwrap();
    garden.token(&owner);
    let caller = core
        .authenticate(owner.expose_secret(), None)
        .await
        .unwrap();
    for _ in 0..4 {
        let (view, secret) = token::create(caller.site(), token::Wish::default())
            .await
            .unwrap();
        garden.token(&secret);
        token::revoke(caller.site(), view.id.parse().unwrap())
            .await
            .unwrap();
    }
    owner
}

/// The next version of a workspace's state, with `count` canaries in it; then it is read back.
async fn put(ctx: &Ctx, workspace: &str, garden: &mut Garden, bytes: usize, count: usize) {
    let view = workspace::show(ctx, &named(workspace)).await.unwrap();
    let serial = view.versions + 1;
    let secrets = garden.several(count);
    let wish = states::Wish {
        lineage: workspace,
        serial,
        bytes,
        secrets: &secrets,
    };
    let bytes = states::plain(&mut garden.random, &wish);
    let upload = Upload {
        bytes: bytes.clone().into(),
        lock_id: None,
    };
    match state::put(ctx, &named(workspace), upload).await.unwrap() {
        Put::Stored(_) => {}
        other => panic!("the state was not stored: {other:?}"),
    }
    let (_, read) = state::get(ctx, &named(workspace), state::Which::Current)
        .await
        .unwrap()
        .unwrap();
    assert!(read == bytes, "what was put is what is got");
}

/// States that come with a JSON form, in the row and in a file.
async fn announced(core: &Core, ctx: &Ctx, garden: &mut Garden) {
    for (serial, bytes) in [(1, SMALL), (2, LARGE)] {
        let secrets = garden.several(5);
        let wish = states::Wish {
            lineage: "announced",
            serial,
            bytes,
            secrets: &secrets,
        };
        let state = states::plain(&mut garden.random, &wish);
        let filling = garden.random.word(bytes);
        let canary = garden.sealed();
        let form = format!(r#"{{"format_version":"1.0","values":["{canary}","{filling}"]}}"#);
        let workspace = named("announced");
        cloud::send(core, ctx, &workspace, ("announced", serial), state, form).await;
    }
}

async fn opaque(ctx: &Ctx, garden: &mut Garden) {
    for (serial, bytes) in [(1, SMALL), (2, LARGE)] {
        let secrets = garden.several(5);
        let wish = states::Wish {
            lineage: "opaque",
            serial,
            bytes,
            secrets: &secrets,
        };
        let bytes = states::opaque(&mut garden.random, &wish).into();
        state::put(
            ctx,
            &named("opaque"),
            Upload {
                bytes,
                lock_id: None,
            },
        )
        .await
        .unwrap();
    }
}

/// Bodies that are no states, states without a lock that is shown, names of nothing.
async fn refused(ctx: &Ctx, garden: &mut Garden) {
    let words = garden.never_stored();
    let bodies = [
        format!("{{\"version\": 4, \"serial\": \"{words}\"}}"),
        format!("{words} is not JSON"),
        format!(
            "{{\"version\": 4, \"terraform_version\": \"1\", \"serial\": 1, \"lineage\": \"a\", \"{words}\": tru}}"
        ),
        format!("{{\"version\": 3, \"{words}\": 1}}"),
    ];
    for body in bodies {
        let upload = Upload {
            bytes: body.into_bytes().into(),
            lock_id: None,
        };
        assert!(state::put(ctx, &named("prod"), upload).await.is_err());
    }
    let secrets = [garden.never_stored()];
    let wish = states::Wish {
        lineage: "prod",
        serial: 1,
        bytes: LARGE,
        secrets: &secrets,
    };
    let upload = Upload {
        bytes: states::plain(&mut garden.random, &wish).into(),
        lock_id: Some("none".to_owned()),
    };
    assert!(state::put(ctx, &named("prod"), upload).await.is_err());
    let nowhere = named(&garden.never_stored());
    assert!(workspace::show(ctx, &nowhere).await.is_err());
    assert!(
        state::get(ctx, &nowhere, state::Which::Current)
            .await
            .is_err()
    );
}

/// Uploads that wait for a person, and the reasons of the person.
async fn kept(ctx: &Ctx, garden: &mut Garden) {
    put(ctx, "stage", garden, SMALL, 5).await;
    for (turn, bytes) in [SMALL, LARGE, SMALL].into_iter().enumerate() {
        let secrets = garden.several(5);
        let lineage = states::lineage(&mut garden.random);
        let wish = states::Wish {
            lineage: &lineage,
            serial: 7,
            bytes,
            secrets: &secrets,
        };
        let bytes = states::plain(&mut garden.random, &wish).into();
        let Put::Kept(kept) = state::put(
            ctx,
            &named("stage"),
            Upload {
                bytes,
                lock_id: None,
            },
        )
        .await
        .unwrap() else {
            panic!("an upload of another lineage was not kept");
        };
        let id = kept.version.id.parse().unwrap();
        match turn {
            0 => drop(
                state::discard(ctx, &named("stage"), id, garden.sealed())
                    .await
                    .unwrap(),
            ),
            1 => drop(
                state::accept(ctx, &named("stage"), id, garden.sealed())
                    .await
                    .unwrap(),
            ),
            _ => {}
        }
    }
    // A role is given and taken meanwhile: neither has words of its own.
    let grants = access::list(ctx).await.unwrap();
    let rita: UserId = grants[0].user.as_ref().unwrap().parse().unwrap();
    let grant = access::give(ctx, rita, Role::Reader, access::Scope::Organization, None)
        .await
        .unwrap();
    access::take(ctx, grant.id.parse().unwrap()).await.unwrap();
}

fn lock_info(id: &str, garden: &mut Garden) -> LockInfo {
    LockInfo {
        id: id.to_owned(),
        operation: garden.sealed(),
        info: garden.sealed(),
        who: garden.sealed(),
        version: garden.sealed(),
        created: garden.sealed(),
        path: garden.sealed(),
    }
}

/// A lock that is broken with a reason, after somebody else wanted it. Its words are gone with it, so
/// they count as never stored: no file may keep them.
async fn locks(ctx: &Ctx, garden: &mut Garden) {
    let id = garden.random.word(12);
    let before = garden.sealed.len();
    let info = lock_info(&id, garden);
    garden.never_stored.extend(garden.sealed.split_off(before));
    lock::take(ctx, &named("prod"), info).await.unwrap();
    lock::show(ctx, &named("prod")).await.unwrap();
    let wanted = LockInfo {
        id: "another".to_owned(),
        who: garden.never_stored(),
        ..LockInfo::default()
    };
    assert!(lock::take(ctx, &named("prod"), wanted).await.is_err());
    lock::force(ctx, &named("prod"), None, Some(garden.sealed()))
        .await
        .unwrap();
}

/// A lock that is still held at the end.
async fn held_lock(ctx: &Ctx, garden: &mut Garden) {
    let info = lock_info("held", garden);
    lock::take(ctx, &named("prod"), info).await.unwrap();
}
