//! States and locks on both engines, rule by rule, each with what it leaves in
//! the ledger.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod gone;
mod locks;
mod older;

use bytes::Bytes;
use statehouse_model::{Role, UserId};
use statehouse_terraform::lock::LockInfo;

use super::*;
use crate::testing::{World, for_each_engine, name, noise, state};

/// Somebody at a workspace of their own world.
struct Desk<'w> {
    world: &'w World,
    workspace: Workspace,
}

/// What an answer was, in a word or two.
fn kind_of(error: &Error) -> &'static str {
    match error.kind() {
        Kind::Locked(_) => "locked",
        Kind::Conflict => "refused",
        Kind::Denied => "denied",
        Kind::Invalid => "invalid",
        Kind::NotFound => "not found",
        other => panic!("{other:?}: {error}"),
    }
}

impl<'w> Desk<'w> {
    async fn new(world: &'w World, text: &str) -> Self {
        Self {
            world,
            workspace: world.workspace(text).await,
        }
    }

    /// Checks that a request left exactly `actions` in the ledger.
    async fn left(&self, ctx: &Ctx, action: Option<&str>) {
        let evidence = self.world.evidence().await;
        let actions: Vec<&str> = evidence
            .of(ctx.request())
            .iter()
            .map(|leaf| leaf["action"].as_str().unwrap())
            .collect();
        assert_eq!(actions, action.into_iter().collect::<Vec<_>>());
    }

    /// Uploads, and checks the answer and the leaf. The expected answer is
    /// `stored MARKS`, `repeated`, `kept STATUS`, `waits STATUS` (kept before),
    /// or the kind of a refusal.
    async fn put(
        &self,
        who: &UserId,
        lock: Option<&str>,
        bytes: &Bytes,
        expected: &str,
    ) -> Option<VersionView> {
        let ctx = self.world.by(who);
        let upload = Upload {
            bytes: bytes.clone(),
            lock_id: lock.map(str::to_owned),
        };
        let answer = put(&ctx, &self.workspace, upload).await;
        let (got, version) = match answer {
            Ok(Put::Stored(version)) => {
                (format!("stored {}", version.marks.join(" ")), Some(version))
            }
            Ok(Put::Repeated(version)) => ("repeated".to_owned(), Some(version)),
            Ok(Put::Kept(kept)) => {
                assert!(!kept.unusual.is_empty());
                let known = expected.starts_with("waits");
                (
                    format!(
                        "{} {}",
                        if known { "waits" } else { "kept" },
                        kept.version.status
                    ),
                    Some(kept.version),
                )
            }
            Err(error) => (kind_of(&error).to_owned(), None),
        };
        assert_eq!(got.trim(), expected);
        let word = expected.split(' ').next().unwrap();
        self.left(
            &ctx,
            match word {
                "stored" | "kept" => Some("state.write"),
                "denied" => Some("access.refused"),
                _ => None,
            },
        )
        .await;
        if let ("stored" | "kept", Some(version)) = (word, &version) {
            let evidence = self.world.evidence().await;
            let facts = &evidence.one(ctx.request())["facts"];
            assert_eq!(facts["version"], version.id.as_str());
            assert_eq!(facts["status"], version.status.as_str());
            assert_eq!(facts["body"], version.body_digest.as_str());
            assert_eq!(facts["sequence"].as_u64(), version.sequence);
        }
        if word == "stored" {
            let found = get(&self.world.ask(), &self.workspace, Which::Current)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(found.1, bytes.as_ref(), "what was put is what is got");
        }
        version
    }

    /// Decides on a kept version, and checks the answer and the leaf.
    async fn decide(&self, who: &UserId, id: &str, accepting: bool, expected: &str) {
        let ctx = self.world.by(who);
        let (id, why) = (id.parse().unwrap(), "because".to_owned());
        let answer = if accepting {
            accept(&ctx, &self.workspace, id, why).await
        } else {
            discard(&ctx, &self.workspace, id, why).await
        };
        let got = answer.as_ref().map_or_else(
            |error| kind_of(error).to_owned(),
            |version| version.status.clone(),
        );
        assert_eq!(got, expected);
        let done = if accepting {
            "state.accept"
        } else {
            "state.discard"
        };
        self.left(
            &ctx,
            match expected {
                "finished" | "discarded" => Some(done),
                "denied" => Some("access.refused"),
                _ => None,
            },
        )
        .await;
    }

    /// Takes the lock, and checks the answer (`fence N` or a refusal) and that
    /// a leaf is there when `leaf` says so.
    async fn take(&self, who: &UserId, id: &str, operation: &str, expected: &str, leaf: bool) {
        let ctx = self.world.by(who);
        let info = LockInfo {
            id: id.to_owned(),
            operation: operation.to_owned(),
            who: "ada@desk".to_owned(),
            ..LockInfo::default()
        };
        let answer = lock::take(&ctx, &self.workspace, info).await;
        check_lock(&answer, expected);
        self.left(&ctx, leaf.then_some("lock.take")).await;
    }

    async fn release(&self, who: &UserId, id: &str, expected: &str, leaf: bool) {
        let ctx = self.world.by(who);
        let answer = lock::release(&ctx, &self.workspace, id.to_owned()).await;
        check_lock(&answer, expected);
        self.left(&ctx, leaf.then_some("lock.release")).await;
    }

    async fn versions(&self) -> u64 {
        workspace::show(&self.world.ask(), &self.workspace)
            .await
            .unwrap()
            .versions
    }
}

fn check_lock(answer: &Result<workspace::WorkspaceView>, expected: &str) {
    let got = match answer {
        Ok(workspace) => format!("fence {}", workspace.fence),
        Err(error) => kind_of(error).to_owned(),
    };
    assert_eq!(got, expected);
    if let Err(error) = answer
        && let Kind::Locked(held) = error.kind()
    {
        assert_eq!(held.who, "ada@desk", "the refusal names the holder");
    }
}

async fn repeats_and_conflicts(world: &World, writer: &UserId) {
    let desk = Desk::new(world, "conflicts").await;
    let first = state("a", 5, 30, "");
    desk.put(writer, None, &first, "stored unlocked").await;
    desk.put(writer, None, &first, "repeated").await;
    let other = state("a", 5, 30, "other");
    let kept = desk
        .put(writer, None, &other, "kept conflict")
        .await
        .unwrap();
    let again = desk
        .put(writer, None, &other, "waits conflict")
        .await
        .unwrap();
    assert_eq!(kept.id, again.id, "the same upload waits once");
    desk.put(writer, None, &state("a", 4, 30, ""), "kept conflict")
        .await;
    desk.put(writer, None, &state("b", 6, 30, ""), "kept quarantined")
        .await;
    desk.put(writer, None, &state("a", 6, 3, ""), "kept quarantined")
        .await;
    assert_eq!(desk.versions().await, 1, "the head did not move");
    assert_eq!(
        super::kept(&world.ask(), &desk.workspace)
            .await
            .unwrap()
            .len(),
        4
    );
    desk.put(writer, None, &state("a", 9, 28, ""), "stored unlocked")
        .await;
    desk.put(
        writer,
        None,
        &Bytes::from_static(b"{\"version\":4"),
        "invalid",
    )
    .await;
}

async fn decisions(world: &World, writer: &UserId) {
    let desk = Desk::new(world, "decisions").await;
    let elsewhere = Desk::new(world, "elsewhere").await;
    let owner = &world.owner;
    desk.put(writer, None, &state("a", 5, 30, ""), "stored unlocked")
        .await;
    let small = state("a", 6, 3, "");
    let kept = desk
        .put(writer, None, &small, "kept quarantined")
        .await
        .unwrap();
    let other = desk
        .put(writer, None, &state("a", 4, 30, ""), "kept conflict")
        .await
        .unwrap();
    desk.decide(writer, &kept.id, true, "denied").await;
    elsewhere.decide(owner, &kept.id, true, "not found").await;
    let unreasoned = accept(
        &world.ask(),
        &desk.workspace,
        kept.id.parse().unwrap(),
        " ".to_owned(),
    )
    .await;
    assert_eq!(unreasoned.unwrap_err().kind(), &Kind::Invalid);
    desk.take(writer, "L", "OperationTypeApply", "fence 1", true)
        .await;
    desk.decide(owner, &kept.id, true, "locked").await;
    desk.release(writer, "L", "fence 1", true).await;
    desk.decide(owner, &kept.id, true, "finished").await;
    let (head, bytes) = get(&world.ask(), &desk.workspace, Which::Current)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (head.id.as_str(), &bytes[..]),
        (kept.id.as_str(), small.as_ref())
    );
    assert_eq!(
        (head.sequence, head.marks),
        (Some(2), vec!["accepted".to_owned()])
    );
    desk.decide(owner, &kept.id, true, "refused").await;
    desk.decide(owner, &other.id, false, "discarded").await;
    desk.decide(owner, &other.id, true, "refused").await;
    let which = Which::Version(other.id.parse().unwrap());
    let (_, bytes) = get(&world.ask(), &desk.workspace, which)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        bytes,
        state("a", 4, 30, "").as_ref(),
        "the bytes of a discarded version stay"
    );
    desk.put(writer, None, &state("a", 4, 30, ""), "kept conflict")
        .await;
}

async fn standing(world: &World, writer: &UserId) {
    let owner = &world.owner;
    let empty = Desk::new(world, "empty").await;
    empty
        .put(writer, None, &state("a", 1, 0, ""), "stored unlocked")
        .await;
    empty
        .put(writer, None, &state("b", 0, 2, ""), "stored unlocked")
        .await;
    let desk = Desk::new(world, "standing").await;
    desk.put(writer, None, &state("a", 5, 30, ""), "stored unlocked")
        .await;
    desk.take(writer, "W", "state-push", "fence 1", true).await;
    desk.put(
        writer,
        Some("W"),
        &state("b", 1, 30, ""),
        "kept quarantined",
    )
    .await;
    desk.release(writer, "W", "fence 1", true).await;
    desk.take(owner, "O", "state-push", "fence 2", true).await;
    desk.put(
        owner,
        Some("O"),
        &state("c", 1, 30, ""),
        "stored lineage-changed",
    )
    .await;
    desk.put(
        owner,
        Some("O"),
        &state("c", 1, 30, "x"),
        "stored serial-forced",
    )
    .await;
    desk.release(owner, "O", "fence 2", true).await;
    desk.take(writer, "A", "OperationTypeApply", "fence 3", true)
        .await;
    let destroyed = desk
        .put(writer, Some("A"), &state("c", 2, 0, ""), "stored")
        .await
        .unwrap();
    assert_eq!(
        destroyed.fence, 3,
        "a version names the fence that it was written under"
    );
    desk.release(writer, "A", "fence 3", true).await;
}

async fn imports(world: &World, writer: &UserId) {
    let owner = &world.owner;
    let desk = Desk::new(world, "imports").await;
    desk.put(writer, None, &state("a", 5, 30, ""), "stored unlocked")
        .await;
    // Whoever may not accept imports no fall, and whoever says so by the id alone imports nothing.
    desk.take(writer, "import-1", "import", "fence 1", true)
        .await;
    let fallen = state("a", 6, 3, "");
    desk.put(writer, Some("import-1"), &fallen, "kept quarantined")
        .await;
    desk.put(
        writer,
        Some("import-1"),
        &state("a", 6, 31, ""),
        "stored imported",
    )
    .await;
    desk.release(writer, "import-1", "fence 1", true).await;
    desk.take(owner, "import-2", "OperationTypePlan", "fence 2", true)
        .await;
    desk.put(owner, Some("import-2"), &state("a", 7, 31, ""), "stored")
        .await;
    desk.release(owner, "import-2", "fence 2", true).await;
    desk.take(owner, "import-3", "import", "fence 3", true)
        .await;
    desk.put(
        owner,
        Some("import-3"),
        &state("a", 8, 3, ""),
        "stored resources-dropped imported",
    )
    .await;
    desk.put(
        owner,
        Some("import-3"),
        &state("a", 8, 4, ""),
        "kept conflict",
    )
    .await;
    desk.put(
        owner,
        Some("import-3"),
        &state("a", 2, 3, ""),
        "kept conflict",
    )
    .await;
    desk.put(
        owner,
        Some("import-3"),
        &state("b", 9, 3, ""),
        "kept quarantined",
    )
    .await;
    desk.release(owner, "import-3", "fence 3", true).await;
}

fn encrypted(lineage: &str, serial: u64, body: &str) -> Bytes {
    let state = serde_json::json!({
        "lineage": lineage, "serial": serial, "meta": { "key_provider.static.a": "e30=" },
        "encrypted_data": body, "encryption_version": "v0",
    });
    serde_json::to_vec(&state).unwrap().into()
}

async fn opaque_states(world: &World, writer: &UserId) {
    let desk = Desk::new(world, "opaque").await;
    let first = desk
        .put(writer, None, &encrypted("a", 1, "AAAA"), "stored unlocked")
        .await
        .unwrap();
    assert!(first.opaque && first.lineage == "a" && first.serial == Some(1));
    desk.put(writer, None, &encrypted("a", 1, "AAAA"), "repeated")
        .await;
    desk.put(
        writer,
        None,
        &encrypted("a", 2, "BBBB"),
        "stored opaque unlocked",
    )
    .await;
    desk.put(writer, None, &encrypted("a", 2, "CCCC"), "kept conflict")
        .await;
    desk.put(writer, None, &encrypted("a", 1, "AAAA"), "kept conflict")
        .await;
    desk.put(writer, None, &encrypted("b", 3, "DDDD"), "kept quarantined")
        .await;
    desk.put(writer, None, &state("a", 1, 30, ""), "kept conflict")
        .await;
    desk.put(writer, None, &state("b", 3, 30, ""), "kept quarantined")
        .await;
    desk.put(
        writer,
        None,
        &state("a", 3, 30, ""),
        "stored after-opaque unlocked",
    )
    .await;
    desk.put(
        writer,
        None,
        &encrypted("a", 4, "EEEE"),
        "stored opaque unlocked",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_is_taken_repeated_or_kept_by_the_rules() {
    for_each_engine(async |world| {
        let (writer, _) = world.member(Role::Writer).await;
        repeats_and_conflicts(&world, &writer).await;
        decisions(&world, &writer).await;
        standing(&world, &writer).await;
        imports(&world, &writer).await;
        opaque_states(&world, &writer).await;
        let (reader, _) = world.member(Role::Reader).await;
        let desk = Desk::new(&world, "readers").await;
        desk.put(&reader, None, &state("a", 1, 1, ""), "denied")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_state_is_whole_or_not_there() {
    for_each_engine(async |world| {
        let desk = Desk::new(&world, "large").await;
        let owner = &world.owner;
        let blobs = || {
            fs_err::read_dir(
                world
                    .options
                    .data
                    .join("blobs")
                    .join(world.house.code().as_str()),
            )
            .unwrap()
            .count()
        };
        desk.put(
            owner,
            None,
            &state("a", 1, 1, &noise(800_000)),
            "stored unlocked",
        )
        .await;
        assert_eq!(blobs(), 1, "a large body lies beside the database");
        let larger = state("a", 2, 1, &noise(9_000_000));
        desk.put(owner, None, &larger, "stored unlocked").await;
        desk.put(owner, None, &larger, "repeated").await;
        assert_eq!(blobs(), 2, "a repeated body is not kept twice");
        desk.take(owner, "A", "", "fence 1", true).await;
        desk.put(
            owner,
            Some("B"),
            &state("a", 3, 1, &noise(800_000)),
            "locked",
        )
        .await;
        assert_eq!(blobs(), 2, "nor a refused one at all");
        let (ctx, nowhere) = (world.ask(), Workspace::Name(name("nowhere")));
        let missing = put(
            &ctx,
            &nowhere,
            Upload {
                bytes: larger,
                lock_id: None,
            },
        )
        .await;
        assert_eq!(kind_of(&missing.unwrap_err()), "not found");
    })
    .await;
}
