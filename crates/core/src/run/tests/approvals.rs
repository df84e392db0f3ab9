//! Who must agree, who counts, and what becomes of agreement that is not enough any more.

use statehouse_capsule::Decision;
use statehouse_model::{Role, TeamId};

use super::*;
use crate::access::{GrantView, Scope};
use crate::execution::{InForce, Reverify, Word};
use crate::ledger;
use crate::run::counted::Own;
use crate::team;
use crate::testing::{Engine, let_go, until_held};

async fn approve(bench: &Bench<'_>, who: &UserId, run: &RunId) -> Result<()> {
    let seen = bench.see(run).await.state.capsule().unwrap();
    act::decide(&bench.world.by(who), run, Decision::Approve, seen, None).await
}

/// A run of a writer's that two must approve.
async fn asked(bench: &Bench<'_>) -> (UserId, RunId) {
    bench.require(2).await;
    let (author, _) = bench.world.member(Role::Writer).await;
    let run = bench.offered_by(&author, Kind::PlanAndApply).await;
    act::confirm(&bench.world.by(&author), &run, None)
        .await
        .unwrap();
    bench.is(&run, Status::AwaitingApproval).await;
    (author, run)
}

/// The same, with two who approved it.
async fn agreed(bench: &Bench<'_>) -> (RunId, [(UserId, GrantView); 2]) {
    let (_, run) = asked(bench).await;
    let people = [
        bench.world.member(Role::Writer).await,
        bench.world.member(Role::Maintainer).await,
    ];
    for (who, _) in &people {
        approve(bench, who, &run).await.unwrap();
    }
    bench.is(&run, Status::Approved).await;
    (run, people)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_must_approve_as_are_asked_for_and_the_author_is_none_of_them() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (author, run) = asked(&bench).await;
        approve(&bench, &author, &run).await.unwrap();
        let (first, _) = world.member(Role::Writer).await;
        approve(&bench, &first, &run).await.unwrap();
        approve(&bench, &first, &run).await.unwrap();
        bench.is(&run, Status::AwaitingApproval).await;
        let (planner, _) = world.member(Role::Planner).await;
        assert_eq!(kind(approve(&bench, &planner, &run).await), Trouble::Denied);
        let (second, _) = world.member(Role::Maintainer).await;
        approve(&bench, &second, &run).await.unwrap();
        bench.is(&run, Status::Approved).await;
        let line = bench.line(&run).await;
        let begun = line.begin(found(&line)).await.unwrap();
        assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_tells_what_it_needs_whose_approval_counts_and_whether_ones_own_would() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (author, run) = asked(&bench).await;
        let (first, _) = world.member(Role::Writer).await;
        let (second, grant) = world.member(Role::Maintainer).await;
        let (planner, _) = world.member(Role::Planner).await;
        let told = async |who: &UserId| {
            let told = show(&world.by(who), &run).await.unwrap().approvals;
            let told = told.unwrap();
            let by: BTreeSet<String> = told.by.iter().map(ToString::to_string).collect();
            assert_eq!(by.len(), told.counted());
            (told.needed, by, told.own)
        };
        let by = |people: &[&UserId]| -> BTreeSet<String> {
            let ids = people.iter().map(|who| who.as_str().to_owned());
            ids.collect()
        };
        approve(&bench, &author, &run).await.unwrap();
        for (who, own) in [
            (&author, Own::Started),
            (&world.owner, Own::StandsBehind),
            (&planner, Own::MayNot),
            (&first, Own::Counts),
        ] {
            assert_eq!(told(who).await, (2, by(&[]), own));
        }
        approve(&bench, &first, &run).await.unwrap();
        assert_eq!(told(&author).await, (2, by(&[&first]), Own::Started));
        assert_eq!(told(&first).await, (2, by(&[&first]), Own::Counts));
        bench.require(3).await;
        assert_eq!(told(&second).await, (3, by(&[&first]), Own::Counts));
        bench.require(1).await;
        assert_eq!(told(&second).await, (2, by(&[&first]), Own::Counts));
        approve(&bench, &second, &run).await.unwrap();
        let line = bench.line(&run).await;
        let begun = line.begin(found(&line)).await.unwrap();
        assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
        // What counted then is told, also of who may not approve any more.
        access::take(&world.ask(), grant.id.parse().unwrap())
            .await
            .unwrap();
        let both = by(&[&first, &second]);
        assert_eq!(told(&first).await, (2, both, Own::Over));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_are_asked_again_where_who_agrees_changed_while_they_were() {
    for_each_engine(async |world| {
        let bundle = Bytes::from_static(br#"{"plan": "passed", "held": "apply"}"#);
        super::judged::set(&world, "one", bundle).await;
        let bench = Bench::new(&world, "web").await;
        let (run, people) = agreed(&bench).await;
        let line = bench.line(&run).await;
        let meanwhile = async {
            until_held().await;
            let (_, grant) = &people[0];
            access::take(&world.ask(), grant.id.parse().unwrap())
                .await
                .unwrap();
            let_go();
            // They were told of two, and there is one.
            until_held().await;
            let_go();
        };
        let both = async { tokio::join!(line.begin(found(&line)), meanwhile) };
        let both = tokio::time::timeout(std::time::Duration::from_secs(30), both).await;
        let (begun, ()) = both.expect("policies are not asked again");
        let begun = begun.unwrap();
        assert!(matches!(begun, Begun::Refused { .. }), "{begun:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_of_something_else_or_of_nobody_is_refused() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (_, run) = asked(&bench).await;
        let (who, _) = world.member(Role::Writer).await;
        let other = sha256(b"another capsule");
        let refused = act::decide(&world.by(&who), &run, Decision::Approve, other, None).await;
        assert_eq!(kind(refused), Trouble::Conflict);
        let seen = bench.see(&run).await.state.capsule().unwrap();
        let team: TeamId = team::create(&world.ask(), name("ops"), team::Wish::default())
            .await
            .unwrap()
            .id
            .parse()
            .unwrap();
        let token = statehouse_model::HouseTokenId::from_entropy(world.house.code(), 1);
        let actor = Actor::Team { team, token };
        let ctx = Ctx::new(world.house.clone(), actor, None, None);
        let refused = act::decide(&ctx, &run, Decision::Approve, seen, None).await;
        let error = refused.unwrap_err();
        assert_eq!(*error.kind(), Trouble::Denied);
        assert!(error.to_string().contains("people"), "{error}");
        let rejected = act::decide(&world.by(&who), &run, Decision::Reject, seen, None).await;
        rejected.unwrap();
        bench.is(&run, Status::Discarded).await;
        assert_eq!(bench.lock().await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_approve_any_more_counts_no_more() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (run, [first, second]) = agreed(&bench).await;
        access::take(&world.ask(), second.1.id.parse().unwrap())
            .await
            .unwrap();
        bench.round().await;
        bench.is(&run, Status::AwaitingApproval).await;
        let wish = team::Wish {
            flags: Some([team::Flag::ManageWorkspaces].into()),
            ..team::Wish::default()
        };
        let made = team::create(&world.ask(), name("ops"), wish).await.unwrap();
        let team: TeamId = made.id.parse().unwrap();
        let third = UserId::from_entropy(crate::entropy());
        team::add(&world.ask(), team.clone(), vec![third.clone()])
            .await
            .unwrap();
        approve(&bench, &third, &run).await.unwrap();
        bench.is(&run, Status::Approved).await;
        team::remove(&world.ask(), team, vec![third]).await.unwrap();
        bench.round().await;
        bench.is(&run, Status::AwaitingApproval).await;
        let (fourth, _) = world.member(Role::Writer).await;
        approve(&bench, &fourth, &run).await.unwrap();
        bench.is(&run, Status::Approved).await;
        act::withdraw(&world.by(&first.0), &run, None)
            .await
            .unwrap();
        bench.is(&run, Status::AwaitingApproval).await;
        bench.round().await;
        assert!(bench.claim().await.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_more_asks_it_of_what_waits_too() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (run, _) = agreed(&bench).await;
        bench.require(3).await;
        bench.round().await;
        bench.is(&run, Status::AwaitingApproval).await;
        let (who, _) = world.member(Role::Writer).await;
        approve(&bench, &who, &run).await.unwrap();
        let line = bench.line(&run).await;
        bench.is(&run, Status::Verifying).await;
        bench.require(4).await;
        bench
            .refused(&run, &line, Status::Stale, "approvals-too-few")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_that_is_taken_back_while_it_is_verified_stops_the_apply() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (run, [first, _]) = agreed(&bench).await;
        let line = bench.line(&run).await;
        act::withdraw(&world.by(&first.0), &run, None)
            .await
            .unwrap();
        bench.is(&run, Status::AwaitingApproval).await;
        let begun = line.begin(found(&line)).await;
        assert!(begun.is_err(), "{begun:?}");
        approve(&bench, &first.0, &run).await.unwrap();
        let line = bench.line(&run).await;
        let edit = "UPDATE approval SET decision = 'approve', withdrawn_at = NULL";
        world.tamper(edit).await;
        bench
            .refused(&run, &line, Status::StateTampered, "unreadable")
            .await;
    })
    .await;
}

/// Says something of a scope.
async fn say(world: &World, scope: &Scope, wish: execution::Wish) -> InForce {
    let said = execution::set(&world.ask(), scope.clone(), wish).await;
    said.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_narrower_scope_asks_for_more_and_never_for_less() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let all = Scope::Organization;
        let Workspace::Id(id) = &bench.workspace else {
            panic!("a bench knows its workspace by its id");
        };
        let own = Scope::Workspace(id.clone());
        // The workspace said its mode alone: what is asked of all is asked of it.
        let wish = execution::Wish {
            approvals: Word::Say(2),
            author_approves: Word::Say(true),
            ..execution::Wish::default()
        };
        say(&world, &all, wish).await;
        let here = |approvals, author_approves| InForce {
            mode: Mode::Remote,
            tool: Some(execution::Tool::Terraform),
            approvals,
            author_approves,
            reverify: Reverify::AnotherRunner,
            scope: Some(id.to_string()),
        };
        let shown = async || execution::show(&world.ask(), own.clone()).await.unwrap();
        assert_eq!(shown().await, here(2, true));
        for (wish, expected) in [
            ((Word::Say(0), Word::Keep), here(2, true)),
            ((Word::Say(3), Word::Say(false)), here(3, false)),
            ((Word::Unsay, Word::Keep), here(2, false)),
            ((Word::Keep, Word::Unsay), here(2, true)),
        ] {
            let (approvals, author_approves) = wish;
            let wish = execution::Wish {
                approvals,
                author_approves,
                ..execution::Wish::default()
            };
            assert_eq!(say(&world, &own, wish).await, expected);
            assert_eq!(shown().await, expected);
        }
        // Who forbids it to all forbids it to each.
        let may = |may| execution::Wish {
            author_approves: Word::Say(may),
            ..execution::Wish::default()
        };
        say(&world, &all, may(false)).await;
        assert_eq!(say(&world, &own, may(true)).await, here(2, false));
        let wish = execution::Wish {
            mode: Word::Unsay,
            author_approves: Word::Unsay,
            ..execution::Wish::default()
        };
        let inherited = say(&world, &own, wish).await;
        let expected = InForce {
            mode: Mode::Local,
            scope: Some("organization".to_owned()),
            ..here(2, false)
        };
        assert_eq!(inherited, expected);
        let report = crate::ledger::verify_live(&world.ask()).await.unwrap();
        assert_eq!(report.count, 0, "{report:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_less_does_not_ask_it_of_what_was_judged() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (author, run) = asked(&bench).await;
        bench.require(0).await;
        bench
            .agree(execution::Wish {
                author_approves: Word::Say(true),
                ..execution::Wish::default()
            })
            .await;
        approve(&bench, &author, &run).await.unwrap();
        let people = [
            world.member(Role::Writer).await,
            world.member(Role::Writer).await,
        ];
        approve(&bench, &people[0].0, &run).await.unwrap();
        bench.is(&run, Status::AwaitingApproval).await;
        approve(&bench, &people[1].0, &run).await.unwrap();
        bench.is(&run, Status::Approved).await;
        // Nor when it is agreed on already, and somebody is not there any more.
        let taken = access::take(&world.ask(), people[1].1.id.parse().unwrap()).await;
        taken.unwrap();
        bench.round().await;
        bench.is(&run, Status::AwaitingApproval).await;
        act::cancel(&world.ask(), &run, None).await.unwrap();
        // What is judged from now on needs nobody.
        let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
        let begun = line.begin(found(&line)).await.unwrap();
        assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
        bench.is(&run, Status::Applying).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_requirement_that_somebody_deletes_is_asked_for_still() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (author, waiting) = asked(&bench).await;
        world.tamper("DELETE FROM execution").await;
        approve(&bench, &author, &waiting).await.unwrap();
        let (first, _) = world.member(Role::Writer).await;
        approve(&bench, &first, &waiting).await.unwrap();
        bench.round().await;
        bench.is(&waiting, Status::AwaitingApproval).await;
        let (second, _) = world.member(Role::Writer).await;
        approve(&bench, &second, &waiting).await.unwrap();
        let line = bench.line(&waiting).await;
        bench
            .refused(&waiting, &line, Status::Stale, "execution-mode")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_to_run_elsewhere_is_not_applied_here() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        let (run, line) = bench.confirmed(Kind::PlanAndApply).await;
        bench
            .agree(execution::Wish {
                mode: Word::Say(Mode::Local),
                ..execution::Wish::default()
            })
            .await;
        bench
            .refused(&run, &line, Status::Stale, "execution-mode")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_team_started_nobody_in_it_approves() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        bench.require(1).await;
        let wish = team::Wish {
            flags: Some([team::Flag::ManageWorkspaces].into()),
            ..team::Wish::default()
        };
        let made = team::create(&world.ask(), name("ops"), wish).await.unwrap();
        let ops: TeamId = made.id.parse().unwrap();
        let wish = crate::token::Wish::default();
        let issued = crate::token::house::create(&world.ask(), Some(ops.clone()), wish).await;
        let token = issued.unwrap().0.id.parse().unwrap();
        let actor = Actor::Team {
            team: ops.clone(),
            token,
        };
        let crew = Ctx::new(world.house.clone(), actor, None, None);
        let mut people = Vec::new();
        for _ in 0..3 {
            people.push(world.member(Role::Writer).await.0);
        }
        let joins = async |who: &UserId| {
            let added = team::add(&world.ask(), ops.clone(), vec![who.clone()]).await;
            added.unwrap();
        };
        joins(&people[0]).await;
        let wish = bench.wish(Kind::PlanAndApply);
        let run = create(&crew, &bench.workspace, wish).await.unwrap().id;
        let line = bench.line(&run).await;
        bench.planned(&line).await;
        bench.round().await;
        act::confirm(&crew, &run, None).await.unwrap();
        approve(&bench, &people[0], &run).await.unwrap();
        bench.is(&run, Status::AwaitingApproval).await;
        // Who was in it then was so, and who is in it now is so.
        let left = team::remove(&world.ask(), ops.clone(), vec![people[0].clone()]).await;
        left.unwrap();
        bench.round().await;
        approve(&bench, &people[0], &run).await.unwrap();
        bench.is(&run, Status::AwaitingApproval).await;
        approve(&bench, &people[1], &run).await.unwrap();
        bench.is(&run, Status::Approved).await;
        joins(&people[1]).await;
        bench.round().await;
        bench.is(&run, Status::AwaitingApproval).await;
        approve(&bench, &people[2], &run).await.unwrap();
        let line = bench.line(&run).await;
        joins(&people[2]).await;
        bench
            .refused(
                &run,
                &line,
                Status::Stale,
                "approval-author,approvals-too-few",
            )
            .await;
    })
    .await;
}

/// The team of the owners has no rows: whoever is an owner is in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_owners_started_no_owner_approves() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        bench.require(1).await;
        let owners = TeamId::owners(world.house.code());
        let wish = crate::token::Wish::default();
        let issued = crate::token::house::create(&world.ask(), Some(owners.clone()), wish).await;
        let actor = Actor::Team {
            team: owners,
            token: issued.unwrap().0.id.parse().unwrap(),
        };
        let crew = Ctx::new(world.house.clone(), actor, None, None);
        let (owner, _) = world.member(Role::Owner).await;
        let (writer, _) = world.member(Role::Writer).await;
        let wish = bench.wish(Kind::PlanAndApply);
        let run = create(&crew, &bench.workspace, wish).await.unwrap().id;
        let line = bench.line(&run).await;
        bench.planned(&line).await;
        bench.round().await;
        act::confirm(&crew, &run, None).await.unwrap();
        for one in [&world.owner.clone(), &owner] {
            approve(&bench, one, &run).await.unwrap();
            bench.is(&run, Status::AwaitingApproval).await;
        }
        approve(&bench, &writer, &run).await.unwrap();
        bench.is(&run, Status::Approved).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_uploaded_the_configuration_is_an_author_too() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        bench.require(1).await;
        let (author, _) = world.member(Role::Writer).await;
        let run = bench.offered_by(&author, Kind::PlanAndApply).await;
        act::confirm(&world.by(&author), &run, None).await.unwrap();
        approve(&bench, &world.owner, &run).await.unwrap();
        bench.is(&run, Status::AwaitingApproval).await;
        let (other, _) = world.member(Role::Writer).await;
        approve(&bench, &other, &run).await.unwrap();
        bench.is(&run, Status::Approved).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_was_put_back_with_its_own_mac_is_found_before_the_apply() {
    for_each_engine(async |world| {
        // An approval that was withdrawn, a right that was taken, a requirement that was lower: what the leaves say of each
        // is newer than what was put back.
        for table in ["approval", "role_grant", "execution"] {
            let bench = Bench::new(&world, &table.replace('_', "-")).await;
            let (run, [first, second]) = agreed(&bench).await;
            let (third, _) = world.member(Role::Writer).await;
            world
                .tamper(&format!("CREATE TABLE kept AS SELECT * FROM {table}"))
                .await;
            match table {
                "approval" => act::withdraw(&world.by(&first.0), &run, None)
                    .await
                    .unwrap(),
                "role_grant" => {
                    let grant = second.1.id.parse().unwrap();
                    access::take(&world.ask(), grant).await.unwrap();
                }
                _ => bench.require(3).await,
            }
            bench.round().await;
            bench.is(&run, Status::AwaitingApproval).await;
            approve(&bench, &third, &run).await.unwrap();
            let line = bench.line(&run).await;
            for edit in [
                format!("DELETE FROM {table}"),
                format!("INSERT INTO {table} SELECT * FROM kept"),
                "DROP TABLE kept".to_owned(),
            ] {
                world.tamper(&edit).await;
            }
            bench
                .refused(&run, &line, Status::StateTampered, "older-row")
                .await;
        }
    })
    .await;
}

/// Whoever writes the database can take a withdrawal out of the leaf that tells of it, and give the leaf the hash of what is left; the
/// root that the house signed they cannot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaf_that_was_edited_with_its_hash_hides_nothing() {
    for_each_engine(async |world| {
        // More leaves than one row of hashes has.
        for number in 0..270 {
            world.workspace(&format!("beside-{number}")).await;
        }
        let bench = Bench::new(&world, "web").await;
        let (_, line) = bench.confirmed(Kind::PlanAndApply).await;
        let begun = line.begin(found(&line)).await.unwrap();
        assert!(matches!(begun, Begun::Verified(_)), "{begun:?}");
        line.done(Ended::Applied).await.unwrap();
        let (run, [first, _]) = agreed(&bench).await;
        let (third, _) = world.member(Role::Writer).await;
        let keep = "CREATE TABLE kept AS SELECT * FROM approval";
        world.tamper(keep).await;
        act::withdraw(&world.by(&first.0), &run, None)
            .await
            .unwrap();
        let withdrawn = u64::try_from(world.evidence().await.size()).unwrap() - 1;
        bench.round().await;
        bench.is(&run, Status::AwaitingApproval).await;
        approve(&bench, &third, &run).await.unwrap();
        let line = bench.line(&run).await;
        let mut transaction = world.house.database().begin_read().await.unwrap();
        let leaves = ledger::sql::bodies(&mut transaction, withdrawn, withdrawn + 1).await;
        transaction.rollback().await;
        let (_, body) = leaves.unwrap().remove(0);
        let mut leaf: serde_json::Value = serde_json::from_str(&body).unwrap();
        let written = leaf["rows"].as_array_mut().unwrap();
        let before = written.len();
        written.retain(|row| !row.to_string().contains("approval"));
        assert!(written.len() < before, "{body}");
        let body = leaf.to_string();
        let hash = hex::encode(statehouse_ledger::tree::leaf_hash(body.as_bytes()));
        let hash = match world.engine {
            Engine::Sqlite => format!("x'{hash}'"),
            Engine::Postgres => format!("decode('{hash}', 'hex')"),
        };
        for edit in [
            "DELETE FROM approval".to_owned(),
            "INSERT INTO approval SELECT * FROM kept".to_owned(),
            "DROP TABLE kept".to_owned(),
            format!(
                "UPDATE ledger_leaf SET body = '{body}', hash = {hash} WHERE seq = {withdrawn}"
            ),
        ] {
            world.tamper(&edit).await;
        }
        bench
            .refused(&run, &line, Status::StateTampered, "unreadable")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_that_somebody_took_out_of_the_database_stops_an_apply() {
    for_each_engine(async |world| {
        let bench = Bench::new(&world, "web").await;
        // A plan that is kept does not hold the workspace.
        let run = bench.offered(Kind::SavedPlan).await;
        let wish = workspace::freeze::Wish {
            reason: "somebody looks".to_owned(),
            who: "ada".to_owned(),
            since: "2026".to_owned(),
        };
        workspace::freeze::freeze(&world.ask(), &bench.workspace, wish)
            .await
            .unwrap();
        world.tamper("DELETE FROM workspace_freeze").await;
        act::confirm(&world.ask(), &run, None).await.unwrap();
        let line = bench.line(&run).await;
        bench
            .refused(&run, &line, Status::StateTampered, "older-row")
            .await;
    })
    .await;
}
