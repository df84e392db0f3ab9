//! Named cases: edits that an attacker would try first.

use rusqlite::Connection;
use rusqlite::types::Value;
use secrecy::ExposeSecret;
use statehouse_core::ledger::verify_live;
use statehouse_core::state::{self, Upload};
use statehouse_core::{Core, Kind, OUTSIDE};
use statehouse_e2e::random::Random;
use statehouse_e2e::site::Site;

use super::corpus::{Corpus, runtime, workspace_named};
use super::examine::refuses;
use super::sql::{Plan, execute};
use super::{SEED, THREADS};

/// The whole of a grant, given by SQL to a user who has none: as a copy of the owner's grant, and as a
/// change of the owner's own row.
#[test]
fn a_grant_inserted_by_sql_gives_no_access() {
    let corpus = Corpus::shared();
    let (user, token) = &corpus.stranger;
    let check = |sql: &str| {
        let folder = tempfile::tempdir().unwrap();
        let site = corpus.now.copy_to(folder.path());
        let [organization, _] = &corpus.organizations;
        let database = site.data.join(format!("houses/{}.db", organization.code));
        let changed = Connection::open(&database)
            .unwrap()
            .execute(sql, [user])
            .unwrap();
        assert!(changed > 0, "{sql}");
        runtime().block_on(async {
            let core = site.open().await;
            let caller = core
                .authenticate(token.expose_secret(), None)
                .await
                .unwrap();
            let ctx = core.enter(&caller, &organization.name).await.unwrap();
            let prod = workspace_named("prod");
            let read = state::get(&ctx, &prod, state::Which::Current).await;
            let upload = Upload {
                bytes: b"{}".as_slice().into(),
                lock_id: None,
            };
            let written = state::put(&ctx, &prod, upload).await;
            for refused in [read.map(drop), written.map(drop)] {
                let error = refused.expect_err("a grant that no leaf wrote gave access");
                assert!(matches!(error.kind(), Kind::Tampered), "{error}");
            }
            let machine = core.enter_as_machine(&organization.name).await.unwrap();
            let report = verify_live(&machine).await.unwrap();
            assert!(
                report
                    .differences
                    .iter()
                    .any(|each| each.place.starts_with("role_grant ")),
                "{report:?}"
            );
        });
    };
    let columns = "role, scope, created_at, expires_at, salt, leaf, mac";
    check(&format!(
        "INSERT INTO role_grant (id, subject, {columns}) SELECT id || 'x', ?1, {columns} FROM role_grant WHERE role = 'owner'"
    ));
    check("UPDATE role_grant SET subject = ?1 WHERE role = 'owner'");
    check("UPDATE role_grant SET subject = ?1");
}

#[test]
fn an_older_copy_of_the_whole_database_is_refused() {
    let corpus = Corpus::shared();
    let folder = tempfile::tempdir().unwrap();
    let older = corpus.older.copy_to(&folder.path().join("site"));
    let site = Site {
        anchors: corpus.now.copy_to(&folder.path().join("now")).anchors,
        ..older
    };
    runtime().block_on(async {
        let core = site.open().await;
        let mut houses = vec![core.machine()];
        for organization in &corpus.organizations {
            houses.push(core.enter_as_machine(&organization.name).await.unwrap());
        }
        for ctx in houses {
            let reason = ctx
                .house()
                .read_only()
                .expect("an older copy opened for writing");
            assert!(reason.contains("older"), "{reason}");
            assert!(!verify_live(&ctx).await.unwrap().is_proven());
        }
    });
}

/// With the anchors gone, what the site's own log remembers of each house is left.
#[test]
fn an_older_copy_of_a_house_is_refused_when_its_anchor_is_gone_too() {
    let corpus = Corpus::shared();
    // The first has rotated its keys since, the second has not.
    for organization in &corpus.organizations {
        let folder = tempfile::tempdir().unwrap();
        let site = corpus.now.copy_to(folder.path());
        let house = format!("houses/{}.db", organization.code);
        fs_err::copy(corpus.older.data.join(&house), site.data.join(&house)).unwrap();
        fs_err::remove_file(
            site.anchors
                .join(format!("{}.checkpoint", organization.code)),
        )
        .unwrap();
        runtime().block_on(async {
            let core = site.open().await;
            let ctx = core.enter_as_machine(&organization.name).await.unwrap();
            let reason = ctx
                .house()
                .read_only()
                .expect("an older copy opened for writing");
            assert!(reason.contains("the site's log remembers"), "{reason}");
            let workspace = workspace_named("prod");
            let bytes = state::get(&ctx, &workspace, state::Which::Current).await;
            let error = bytes.expect_err("a state of an older copy was served");
            assert!(error.message().contains("read-only"), "{error}");
        });
    }
}

/// A trigger would do the attacker's work at the next honest write.
#[test]
fn a_table_trigger_or_index_of_somebody_else_is_reported() {
    let corpus = Corpus::shared();
    let check = |sql: &str| {
        for database in corpus.databases() {
            let folder = tempfile::tempdir().unwrap();
            let site = corpus.now.copy_to(folder.path());
            let table = if database == "site.db" {
                "account"
            } else {
                "workspace"
            };
            Connection::open(site.data.join(&database))
                .unwrap()
                .execute_batch(&sql.replace("TABLE_HERE", table))
                .unwrap();
            let reported = super::examine(corpus, &site);
            assert!(
                reported.live.is_some() || reported.open.is_some(),
                "{database}: {sql}: {reported:?}"
            );
        }
    };
    check(
        "CREATE TRIGGER quiet AFTER UPDATE ON TABLE_HERE BEGIN DELETE FROM ledger_leaf WHERE seq = 3; END",
    );
    check("CREATE TABLE beside (id TEXT PRIMARY KEY)");
    check("CREATE INDEX beside ON TABLE_HERE (created_at)");
    check("CREATE VIEW beside AS SELECT * FROM TABLE_HERE");
    check("ALTER TABLE TABLE_HERE ADD COLUMN beside TEXT");
    check("DROP TABLE setting");
    // SQLite takes a schema of bytes as one of text, so nothing fails by itself.
    check(
        "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = CAST(sql AS BLOB) WHERE tbl_name = 'TABLE_HERE'",
    );
}

/// Evidence of which the corpus has no row: looks for drift lose their bytes after days, and it has two. What live verification says of these
/// rows is tested in `core`.
const WITHOUT_ROWS: [&str; 1] = ["run_file_removal"];

/// Each column of each table is one of these: evidence, which the comparison with the ledger shows to
/// be missed when it changes; part of the evidence itself; or on the published list of what stands
/// outside, with a reason. Nothing on that list is unknown to the schema.
#[test]
fn every_table_column_is_covered_or_listed() {
    let corpus = Corpus::shared();
    let plan = Plan::of(corpus);
    let mut cases = Vec::new();
    for table in &plan.tables {
        for (index, column) in table.columns.iter().enumerate() {
            let listed = |column: &str| {
                OUTSIDE
                    .iter()
                    .any(|(of, name, _)| *of == table.name && *name == column)
            };
            let is_there = !WITHOUT_ROWS.contains(&table.name.as_str());
            if is_there
                && !listed(&column.name)
                && !listed("*")
                && !table.name.starts_with("ledger_")
            {
                cases.push((table, index));
            }
        }
    }
    for (of, column, reason) in OUTSIDE {
        let known = |table: &&super::sql::Table| {
            table.name == *of
                && (*column == "*" || table.columns.iter().any(|each| each.name == *column))
        };
        assert!(
            plan.tables.iter().any(|table| known(&table)),
            "{of}.{column} is listed and not in the schema"
        );
        assert!(
            !reason.is_empty(),
            "{of}.{column} is listed without a reason"
        );
    }
    assert!(cases.len() > 100, "only {} columns to look at", cases.len());
    let parts = cases.len().div_ceil(THREADS);
    std::thread::scope(|scope| {
        for (part, cases) in cases.chunks(parts).enumerate() {
            scope.spawn(move || {
                let random = &mut Random::new(SEED + part as u64);
                for (table, column) in cases {
                    covered(corpus, table, *column, random);
                }
            });
        }
    });
}

/// Changes a column of one row; `verify --live` names the table, or nothing opens.
fn covered(corpus: &Corpus, table: &super::sql::Table, column: usize, random: &mut Random) {
    let place = format!(
        "{}.{} in {}",
        table.name, table.columns[column].name, table.database
    );
    let folder = tempfile::tempdir().unwrap();
    let site = corpus.now.copy_to(folder.path());
    let made = (0..100).any(|_| execute(&site, &table.database, &table.change(column, random)));
    assert!(made, "{place} could not be changed");
    let found = runtime().block_on(async {
        let Ok(core) = Core::open(site.options()).await else {
            return true;
        };
        let ctx = match corpus
            .organizations
            .iter()
            .find(|each| table.database.contains(each.code.as_str()))
        {
            None => core.machine(),
            Some(organization) => match core.enter_as_machine(&organization.name).await {
                Ok(ctx) => ctx,
                Err(error) => return refuses(&error),
            },
        };
        let Ok(report) = verify_live(&ctx).await else {
            return true;
        };
        ctx.house().read_only().is_some()
            || report
                .differences
                .iter()
                .any(|each| each.place.contains(&table.name) || each.words.contains(&table.name))
    });
    assert!(found, "{place} is neither covered nor listed as outside");
}

/// What the campaign borrows from the schema is there to be borrowed.
#[test]
fn the_corpus_has_rows_in_every_table_and_old_ones_to_replay() {
    let plan = Plan::of(Corpus::shared());
    for table in &plan.tables {
        // Only the first organization's ledger is long enough for rows of hashes.
        let short = table.name == "ledger_tile"
            && !table
                .database
                .contains(Corpus::shared().organizations[0].code.as_str());
        let short = short || WITHOUT_ROWS.contains(&table.name.as_str());
        assert_eq!(
            table.now.is_empty(),
            short,
            "{} of {}",
            table.name,
            table.database
        );
    }
    let held = plan
        .tables
        .iter()
        .filter(|table| table.name == "workspace")
        .flat_map(|table| {
            let info = table
                .columns
                .iter()
                .position(|column| column.name == "lock_info")
                .unwrap();
            table.now.iter().map(move |(_, row)| row[info].clone())
        });
    assert!(
        held.filter(|info| matches!(info, Value::Blob(_))).count() >= 2,
        "no lock is held in the corpus"
    );
}
