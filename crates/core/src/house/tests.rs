//! Houses that stop, are put back, emptied, or edited: each opens writable and
//! whole, or says why not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use statehouse_model::{GrantId, RequestId, Role, UserId};

use super::*;
use crate::access;
use crate::fault::{Fault, Point};
use crate::ledger::verify_live;
use crate::org;
use crate::project;
use crate::state::{Which, get};
use crate::testing::faults::Script;
use crate::testing::{
    Ashes, Engine, World, for_each_engine, name, noise, postgres, put, state, until,
};

impl House {
    /// How many changes wait for the writer.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

/// A change, answered; says which request it was.
async fn write(world: &World) -> RequestId {
    let ctx = world.ask();
    project::create(&ctx, name(&noise(64))).await.unwrap();
    ctx.request().clone()
}

/// Stops the process at a point of a change nobody is answered for, opens the
/// house again, and checks that the change is there `left` times.
async fn check_stop(world: World, point: Point, left: usize) -> World {
    let answered = [write(&world).await, write(&world).await];
    let since = world.evidence().await.size();
    world.script.fail(point, Fault::Stop, 1);
    let ask = world.ask();
    let stopped = project::create(&ask, name(&noise(64))).await.unwrap_err();
    let unanswered = ask.request().clone();
    drop(ask);
    assert!(stopped.to_string().contains("not known"), "{stopped}");
    let world = world.stop().await.start(Script::quiet()).await;
    assert_eq!(world.house.read_only(), None, "{point:?}");
    let evidence = world.evidence().await;
    evidence.equals(
        since,
        &[(&unanswered, (left == 1).then_some("project.create"))],
    );
    assert_eq!(answered.map(|request| evidence.of(&request).len()), [1, 1]);
    let next = write(&world).await;
    world.evidence().await.one(&next);
    world
}

/// Stops the process after the anchor was written, before the site heard of it.
async fn check_stop_anchored(world: World) -> World {
    let world = world.stop().await.start(Script::loud()).await;
    world.script.fail(Point::Anchored, Fault::Stop, 1);
    let last = write(&world).await;
    let head = world.evidence().await.head;
    let anchors = Anchors::open(&world.options.anchors).unwrap();
    until("the anchor is written", || {
        anchors.read(world.house.code()).unwrap().as_ref() == Some(&head.note)
    })
    .await;
    until("the process stopped there", || world.script.done()).await;
    let world = world.stop().await.start(Script::loud()).await;
    assert_eq!(world.house.read_only(), None);
    world.evidence().await.one(&last);
    write(&world).await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_whose_process_stopped_anywhere_opens_writable() {
    for_each_engine(async |world| {
        let world = check_stop(world, Point::Begin, 0).await;
        let world = check_stop(world, Point::Signed, 0).await;
        let world = check_stop(world, Point::Committed, 1).await;
        let world = check_stop_anchored(world).await;
        // An orderly end leaves the anchor and the site's log current.
        let head = world.evidence().await.head;
        let ashes = world.close().await;
        assert_eq!(fs_err::read_to_string(ashes.anchor()).unwrap(), head.note);
        let world = ashes.start(Script::quiet()).await;
        assert_eq!(witnessed(&world).await, head.size);
    })
    .await;
}

/// How many leaves of the house the site's log remembers.
async fn witnessed(world: &World) -> u64 {
    let site = world.core.machine();
    let transaction = site.house().database().begin_read().await.unwrap();
    let mut rows = crate::record::Rows::new(transaction, site.house().keyring());
    let found = org::sql::witness_of(&mut rows, world.house.code())
        .await
        .unwrap();
    rows.transaction.rollback().await;
    found.unwrap().size
}

/// Checks that the house opens read-only for a reason, takes nothing, gives no
/// state out, and that its ledger stays as it is.
async fn check_refused(world: &World, words: &[&str]) {
    let reason = world.house.read_only().expect("the house is read-only");
    assert!(words.iter().all(|word| reason.contains(word)), "{reason}");
    let head = world.house.head();
    // The machine's operator may everything, and learns why it cannot be done;
    // everybody else may be refused before, since their grants may be gone.
    let operator = world.core.machine().enter(world.house.clone());
    let refused = project::create(&operator, name("more")).await.unwrap_err();
    assert_eq!(refused.kind(), &Kind::Unavailable);
    assert!(refused.to_string().contains(&reason), "{refused}");
    project::create(&world.ask(), name("more"))
        .await
        .unwrap_err();
    let workspace = crate::workspace::Workspace::Name(name("web"));
    get(&world.ask(), &workspace, Which::Current)
        .await
        .unwrap_err();
    assert_eq!(world.house.head(), head);
}

/// A world with a state in it, closed in order.
async fn lived_in(world: World) -> Ashes {
    let workspace = world.workspace("web").await;
    put(&world.ask(), &workspace, state("a", 1, 3, ""))
        .await
        .unwrap();
    world.close().await
}

/// Lets time go by: more is written, and remembered outside.
async fn later(ashes: Ashes) -> Ashes {
    let world = ashes.start(Script::quiet()).await;
    write(&world).await;
    write(&world).await;
    world.close().await
}

fn stop_server(ashes: &mut Ashes) {
    if let Some(cluster) = &mut ashes.cluster {
        cluster.stop();
    }
}

async fn start_server(ashes: &mut Ashes) {
    if let Some(cluster) = &mut ashes.cluster {
        cluster.run().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_copy_of_the_whole_database_is_refused() {
    for_each_engine(async |world| {
        let mut ashes = lived_in(world).await;
        stop_server(&mut ashes);
        let copy = ashes.copy();
        start_server(&mut ashes).await;
        let mut ashes = later(ashes).await;
        stop_server(&mut ashes);
        ashes.put_back(&copy);
        start_server(&mut ashes).await;
        let world = ashes.start(Script::quiet()).await;
        check_refused(&world, &["older copy", "the anchor remembers"]).await;
        let site = world.core.machine();
        assert!(
            site.house().read_only().unwrap().contains("older copy"),
            "the site, too"
        );
    })
    .await;
}

/// Copies the rows of the organization aside, and puts them back.
async fn save(ashes: &Ashes, schema: &str) {
    match &ashes.cluster {
        None => postgres::copy(&ashes.house_file(), &ashes.folder.path().join("older")),
        Some(cluster) => {
            let each = each_table(
                schema,
                &format!("CREATE TABLE older.%I AS TABLE \"{schema}\".%I"),
            );
            cluster
                .admin()
                .await
                .batch_execute(&format!("CREATE SCHEMA older; {each}"))
                .await
                .unwrap();
        }
    }
}

async fn put_back(ashes: &Ashes, schema: &str) {
    match &ashes.cluster {
        None => postgres::copy(&ashes.folder.path().join("older"), &ashes.house_file()),
        Some(cluster) => {
            let empty = each_table(schema, &format!("TRUNCATE \"{schema}\".%I /* %I */"));
            let fill = each_table(
                schema,
                &format!("INSERT INTO \"{schema}\".%I SELECT * FROM older.%I"),
            );
            cluster
                .admin()
                .await
                .batch_execute(&format!("{empty}; {fill}"))
                .await
                .unwrap();
        }
    }
}

/// A statement for each table of a schema, the name twice in it.
fn each_table(schema: &str, statement: &str) -> String {
    format!(
        "DO $do$ DECLARE t text; BEGIN
            FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = '{schema}' LOOP
                EXECUTE format($f${statement}$f$, t, t);
            END LOOP;
        END $do$"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_copy_of_one_house_is_refused_without_its_anchor_too() {
    for_each_engine(async |world| {
        let schema = world.schema();
        let ashes = lived_in(world).await;
        save(&ashes, &schema).await;
        let ashes = later(ashes).await;
        put_back(&ashes, &schema).await;
        fs_err::remove_file(ashes.anchor()).unwrap();
        let world = ashes.start(Script::quiet()).await;
        check_refused(&world, &["older copy", "site's log remembers"]).await;
        assert_eq!(
            world.core.machine().house().read_only(),
            None,
            "the site is what it was"
        );
    })
    .await;
}

/// Removes every row of the house, or the house's whole database.
async fn empty(ashes: &Ashes, schema: &str, all: bool) {
    match &ashes.cluster {
        None if all => fs_err::remove_file(ashes.house_file()).unwrap(),
        None => {
            let file = rusqlite::Connection::open(ashes.house_file()).unwrap();
            for table in [
                "ledger_head",
                "ledger_leaf",
                "ledger_tile",
                "ledger_checkpoint",
                "key_epoch",
            ] {
                file.execute(&format!("DELETE FROM {table}"), []).unwrap();
            }
            for table in tables(false) {
                file.execute(&format!("DELETE FROM {}", table.name), [])
                    .unwrap();
            }
        }
        Some(cluster) => {
            let sql = if all {
                format!("DROP SCHEMA \"{schema}\" CASCADE")
            } else {
                each_table(
                    schema,
                    &format!("DELETE FROM \"{schema}\".%I WHERE '%I' <> 'schema_migration'"),
                )
            };
            cluster.admin().await.batch_execute(&sql).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_or_removed_database_is_refused() {
    for_each_engine(async |world| {
        let schema = world.schema();
        let ashes = lived_in(world).await;
        empty(&ashes, &schema, false).await;
        let world = ashes.start(Script::quiet()).await;
        check_refused(&world, &["is empty", "remembered outside"]).await;
        let ashes = world.stop().await;
        empty(&ashes, &schema, true).await;
        let world = ashes.start(Script::quiet()).await;
        check_refused(&world, &["is empty", "remembered outside"]).await;
        let ashes = world.stop().await;
        fs_err::remove_file(ashes.anchor()).unwrap();
        let world = ashes.start(Script::quiet()).await;
        check_refused(&world, &["is empty", "remembered outside"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_anchor_that_this_house_did_not_sign_is_refused() {
    for_each_engine(async |world| {
        let mut ashes = lived_in(world).await;
        let anchor = fs_err::read_to_string(ashes.anchor()).unwrap();
        let site = fs_err::read_to_string(ashes.options.anchors.join("site.checkpoint")).unwrap();
        for bad in [
            String::new(),
            anchor.replace('\n', " "),
            anchor.replacen('/', "-", 1),
            format!("{anchor}x"),
            site,
        ] {
            assert_ne!(bad, anchor);
            fs_err::write(ashes.anchor(), &bad).unwrap();
            let world = ashes.start(Script::quiet()).await;
            check_refused(&world, &["the anchor", "signed"]).await;
            ashes = world.stop().await;
        }
        fs_err::write(ashes.anchor(), &anchor).unwrap();
        assert_eq!(ashes.start(Script::quiet()).await.house.read_only(), None);
    })
    .await;
}

/// Checks that nothing works for `user`, because a row was tampered with.
async fn check_tampered(world: &World, user: &UserId, place: &str) {
    let workspace = crate::workspace::Workspace::Name(name("web"));
    let errors = [
        put(&world.by(user), &workspace, state("a", 2, 3, "theirs"))
            .await
            .map(drop)
            .unwrap_err(),
        get(&world.by(user), &workspace, Which::Current)
            .await
            .map(drop)
            .unwrap_err(),
        access::list(&world.by(user)).await.map(drop).unwrap_err(),
        project::create(&world.by(user), name("theirs"))
            .await
            .map(drop)
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), &Kind::Tampered, "{error}");
        assert!(error.to_string().contains("role_grant"), "{error}");
    }
    let report = verify_live(&world.ask()).await.unwrap();
    assert!(
        report
            .differences
            .iter()
            .any(|found| found.place.contains(place)),
        "{report:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_written_by_sql_gives_no_access() {
    for_each_engine(async |world| {
        let workspace = world.workspace("web").await;
        put(&world.ask(), &workspace, state("a", 1, 3, "")).await.unwrap();
        let (reader, grant) = world.member(Role::Reader).await;
        // A copy of the owner's own grant, for somebody else.
        let (intruder, id) = (UserId::from_entropy(7), GrantId::from_entropy(world.house.code(), 7));
        let insert = format!(
            "INSERT INTO role_grant SELECT '{id}', '{intruder}', role, scope, created_at, expires_at, salt, leaf, mac
                FROM role_grant WHERE subject = '{}'",
            world.owner
        );
        world.tamper(&insert).await;
        check_tampered(&world, &intruder, id.as_str()).await;
        world.tamper(&format!("DELETE FROM role_grant WHERE id = '{id}'")).await;
        // A reader who becomes an owner by SQL is not even a reader.
        world.tamper(&format!("UPDATE role_grant SET role = 'owner' WHERE id = '{}'", grant.id)).await;
        check_tampered(&world, &reader, &grant.id).await;
        world.tamper(&format!("UPDATE role_grant SET role = 'reader' WHERE id = '{}'", grant.id)).await;
        assert!(verify_live(&world.ask()).await.unwrap().is_proven());
        put(&world.ask(), &workspace, state("a", 2, 3, "")).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_login_role_of_postgresql_owns_nothing_and_reads_nothing() {
    let world = World::new(Engine::Postgres).await;
    let cluster = world.cluster.as_ref().unwrap();
    let owned = "SELECT count(*) FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner WHERE rolname = 'keeper'";
    assert_eq!(
        cluster
            .admin()
            .await
            .query_one(owned, &[])
            .await
            .unwrap()
            .get::<_, i64>(0),
        0
    );
    let (keeper, connection) = tokio_postgres::connect(&cluster.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let refuse = async |sql: String| {
        let error = keeper.batch_execute(&sql).await.unwrap_err();
        let code = error.code().map(|state| state.code().to_owned());
        assert_eq!(code.as_deref(), Some("42501"), "{sql}: {error}");
    };
    let schema = world.schema();
    refuse(format!("SELECT * FROM \"{schema}\".role_grant")).await;
    // One house's role does not reach the other's rows.
    refuse(format!(
        "SET ROLE \"{schema}\"; SELECT * FROM statehouse_site.account"
    ))
    .await;
}
