//! Which variable counts, whose sets are whose, and what becomes of them, on both engines.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use statehouse_model::{HouseCode, ProjectId, Role, UserId, WorkspaceId};

use super::given::{Rank, owners, strongest};
use super::set::{self, SetView};
use super::sql::VariableSet;
use super::*;
use crate::access::{self, Scope};
use crate::project::{self, Project};
use crate::reach::{self, To};
use crate::testing::{World, for_each_engine, name};
use crate::workspace::sql::Workspace as WorkspaceRow;

fn variable(owner: VariableOwner, category: Category, name: &str, value: &str) -> Variable {
    let house = HouseCode::from_entropy(1);
    Variable {
        id: VariableId::from_entropy(house, crate::entropy()),
        owner,
        category: category.as_str().to_owned(),
        name: name.to_owned(),
        // What tells one from another where no value is opened.
        description: value.to_owned(),
        hcl: false,
        sensitive: false,
        value: ValueId::from_entropy(house, crate::entropy()),
        size: 0,
        body_digest: Vec::new(),
        commitment: Vec::new(),
        created_at: 0,
        updated_at: 0,
    }
}

#[test]
fn a_sensitive_structure_needs_a_part_that_can_be_found() {
    let workspace = WorkspaceId::from_entropy(HouseCode::from_entropy(1), 2);
    let row = |hcl, sensitive| Variable {
        hcl,
        sensitive,
        ..variable(
            VariableOwner::Workspace(workspace.clone()),
            Category::Terraform,
            "keys",
            "",
        )
    };
    let weak = "{ name = \"admin\", pin = 1234, on = true }";
    let fine = "{ name = \"admin\", key = \"correct-horse\" }";
    for (value, hcl, sensitive, allowed) in [
        (weak, true, true, false),
        (weak, true, false, true),
        (fine, true, true, true),
        ("\"secret\"", true, true, false),
        ("true", true, true, false),
        ("secret", false, true, false),
        ("correct-horse", false, true, true),
    ] {
        let answer = check(&row(hcl, sensitive), value);
        assert_eq!(answer.is_ok(), allowed, "{value} {hcl} {sensitive}");
    }
}

/// A workspace as its row is, in a project.
fn place(house: HouseCode) -> WorkspaceRow {
    let id = WorkspaceId::from_entropy(house, 2);
    WorkspaceRow {
        project: ProjectId::from_entropy(house, 3),
        name: id.as_str().parse().unwrap(),
        id,
        created_at: 0,
        head: None,
        sequence: 0,
        fence: 0,
        lock_id: None,
        lock_holder: None,
        locked_at: None,
        unlocked_id: None,
        unlocked_by: None,
    }
}

/// What counts of some that say the same name, each called by its reach and its set's
/// name: `global`, `project`, `workspace`, with `priority-` before it, `own`, or
/// something elsewhere.
fn winner(sayers: &[&str]) -> Option<(Rank, String)> {
    let house = HouseCode::from_entropy(1);
    let workspace = place(house);
    let (mut sets, mut variables) = (Vec::new(), Vec::new());
    for (number, sayer) in sayers.iter().enumerate() {
        let (reach, called) = sayer.split_once(':').unwrap_or((sayer, "s"));
        let mut owner = VariableOwner::Workspace(workspace.id.clone());
        if reach != "own" {
            let id = VariableSetId::from_entropy(house, 10 + number as u128);
            owner = VariableOwner::Set(id.clone());
            let plain = reach.strip_prefix("priority-").unwrap_or(reach);
            let foreign = WorkspaceId::from_entropy(house, 99);
            sets.push(VariableSet {
                id,
                name: called.to_owned(),
                description: String::new(),
                global: plain == "global",
                priority: plain != reach,
                scopes: match plain {
                    "project" => workspace.project.to_string(),
                    "workspace" => workspace.id.to_string(),
                    "both" => format!("{} {}", workspace.project, workspace.id),
                    "elsewhere" => foreign.to_string(),
                    _ => String::new(),
                },
                created_at: 0,
                updated_at: 0,
            });
        }
        variables.push(variable(owner, Category::Terraform, "region", sayer));
    }
    let owners = owners(sets, &workspace);
    let mut remain = strongest(&owners, variables);
    assert!(remain.len() <= 1);
    let (_, (rank, row)) = remain.pop_first()?;
    Some((rank, row.description))
}

#[test]
fn of_several_variables_of_one_name_the_strongest_counts() {
    // From the weakest on; the run's own stand between two of them.
    let order = [
        ("global", Rank::Global),
        ("project", Rank::Project),
        ("workspace", Rank::Workspace),
        ("own", Rank::Own),
        ("priority-workspace", Rank::PriorityWorkspace),
        ("priority-project", Rank::PriorityProject),
        ("priority-global", Rank::PriorityGlobal),
    ];
    for (at, (stronger, rank)) in order.iter().enumerate() {
        let own = *rank < Rank::PriorityWorkspace;
        assert_eq!(*rank < Rank::Run, own, "{stronger}");
        assert_eq!(winner(&[stronger]), Some((*rank, (*stronger).to_owned())));
        for (weaker, _) in &order[..at] {
            for both in [[*weaker, *stronger], [*stronger, *weaker]] {
                let found = winner(&both);
                assert_eq!(found, Some((*rank, (*stronger).to_owned())), "{both:?}");
            }
        }
    }
    let all = order.map(|(sayer, _)| sayer);
    assert_eq!(winner(&all).unwrap().1, "priority-global");
}

#[test]
fn of_two_sets_alike_the_first_by_its_name_counts() {
    for reach in ["global", "project", "workspace"] {
        for priority in ["", "priority-"] {
            let set = |called: &str| format!("{priority}{reach}:{called}");
            for (first, second) in [
                ("A_Variable_Set", "B_Variable_Set"),
                ("A", "AA"),
                ("Z", "a"),
                ("a b", "ab"),
                ("z", "é"),
                ("é", "ключ"),
            ] {
                let (first, second) = (set(first), set(second));
                for both in [[&*first, &*second], [&*second, &*first]] {
                    assert_eq!(winner(&both).unwrap().1, first, "{both:?}");
                }
            }
        }
    }
}

#[test]
fn a_set_that_reaches_in_two_ways_counts_in_the_stronger() {
    assert_eq!(winner(&["both"]).unwrap().0, Rank::Workspace);
    assert_eq!(winner(&["priority-both"]).unwrap().0, Rank::PriorityProject);
    assert_eq!(winner(&["elsewhere", "priority-elsewhere"]), None);
    assert_eq!(winner(&["priority-elsewhere", "own"]).unwrap().0, Rank::Own);
}

#[test]
fn variables_of_terraform_and_of_the_environment_are_apart() {
    let workspace = place(HouseCode::from_entropy(1));
    let owner = VariableOwner::Workspace(workspace.id.clone());
    let of = |category| variable(owner.clone(), category, "region", "");
    let both = vec![of(Category::Terraform), of(Category::Environment)];
    assert_eq!(strongest(&owners(Vec::new(), &workspace), both).len(), 2);
}

pub(crate) fn named(text: &str) -> set::Wish {
    set::Wish {
        name: Some(text.to_owned()),
        ..set::Wish::default()
    }
}

pub(crate) fn id_of(set: &SetView) -> VariableSetId {
    set.id.parse().unwrap()
}

fn workspace_id(workspace: &Workspace) -> WorkspaceId {
    match workspace {
        Workspace::Id(id) => id.clone(),
        other => panic!("{other}"),
    }
}

pub(crate) fn says(name: &str, value: &str) -> Wish {
    Wish {
        name: Some(name.to_owned()),
        value: Some(value.to_owned()),
        ..Wish::default()
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> Trouble {
    result.unwrap_err().kind().clone()
}

/// The names of the sets that reach a workspace.
async fn reaching(world: &World, workspace: &Workspace) -> Vec<String> {
    let found = set::of_workspace(&world.ask(), workspace).await.unwrap();
    found.into_iter().map(|set| set.name).collect()
}

#[tokio::test]
async fn a_set_reaches_what_it_is_attached_to_and_nothing_else() {
    for_each_engine(|world: World| async move {
        let ctx = world.ask();
        let folder = project::create(&ctx, name("net")).await.unwrap();
        let folder: ProjectId = folder.id.parse().unwrap();
        let inside = crate::workspace::create(&ctx, name("dns"), Some(name("net"))).await;
        let inside = Workspace::Id(inside.unwrap().id.parse().unwrap());
        let (web, beside) = (world.workspace("web").await, world.workspace("db").await);
        for text in ["b", "a", "c"] {
            set::create(&ctx, named(text)).await.unwrap();
        }
        let sets = set::list(&ctx).await.unwrap();
        let [a, b, c] = [0, 1, 2].map(|at| id_of(&sets[at]));
        let to = To::Workspace(workspace_id(&web));
        set::attach(&ctx, &a, vec![to.clone(), to.clone()])
            .await
            .unwrap();
        set::attach(&ctx, &b, vec![To::Project(folder.clone())])
            .await
            .unwrap();
        let global = set::Wish {
            reach: reach::Wish::global(true),
            ..set::Wish::default()
        };
        set::update(&ctx, &c, global.clone()).await.unwrap();
        assert_eq!(reaching(&world, &web).await, ["a", "c"]);
        assert_eq!(reaching(&world, &inside).await, ["b", "c"]);
        assert_eq!(reaching(&world, &beside).await, ["c"]);
        let of_project = set::of_project(&ctx, &Project::Id(folder.clone()))
            .await
            .unwrap();
        let of_project: Vec<_> = of_project.iter().map(|set| &*set.name).collect();
        assert_eq!(of_project, ["b", "c"]);
        // One that becomes global leaves what it was attached to.
        set::update(&ctx, &a, global).await.unwrap();
        let shown = set::show(&ctx, &a).await.unwrap();
        assert!(shown.global && shown.workspaces.is_empty());
        assert_eq!(
            kind(set::attach(&ctx, &a, vec![to.clone()]).await),
            Trouble::Conflict
        );
        let narrow = set::Wish {
            reach: reach::Wish {
                global: Some(false),
                ..reach::Wish::workspaces([workspace_id(&beside)])
            },
            ..set::Wish::default()
        };
        set::update(&ctx, &a, narrow).await.unwrap();
        assert_eq!(reaching(&world, &beside).await, ["a", "c"]);
        assert_eq!(reaching(&world, &web).await, ["c"]);
        set::detach(&ctx, &a, vec![to, To::Workspace(workspace_id(&beside))])
            .await
            .unwrap();
        assert_eq!(reaching(&world, &beside).await, ["c"]);
    })
    .await;
}

#[tokio::test]
async fn what_a_set_was_attached_to_may_go_and_come_back() {
    for_each_engine(|world: World| async move {
        let ctx = world.ask();
        let folder = project::create(&ctx, name("net")).await.unwrap();
        let folder: ProjectId = folder.id.parse().unwrap();
        let web = world.workspace("web").await;
        let wish = set::Wish {
            reach: reach::Wish {
                projects: Some(vec![folder.clone()]),
                ..reach::Wish::workspaces([workspace_id(&web)])
            },
            ..named("s")
        };
        let made = set::create(&ctx, wish).await.unwrap();
        let shown = async || set::show(&ctx, &id_of(&made)).await.unwrap();
        assert_eq!((made.projects.len(), made.workspaces.len()), (1, 1));
        project::delete(&ctx, &Project::Id(folder.clone()))
            .await
            .unwrap();
        assert!(shown().await.projects.is_empty());
        // Who deletes a workspace and brings it back has not shaken its sets off.
        crate::workspace::delete(&ctx, &web, true).await.unwrap();
        assert!(shown().await.workspaces.is_empty());
        let to = vec![To::Workspace(workspace_id(&web))];
        let attached = set::attach(&ctx, &id_of(&made), to).await;
        assert_eq!(kind(attached), Trouble::NotFound);
        crate::workspace::undelete(&ctx, workspace_id(&web), None)
            .await
            .unwrap();
        assert_eq!(shown().await.workspaces, [web.to_string()]);
        assert_eq!(reaching(&world, &web).await, ["s"]);
    })
    .await;
}

#[tokio::test]
async fn a_set_that_is_removed_takes_its_variables_along() {
    for_each_engine(|world: World| async move {
        let ctx = world.ask();
        let kept = id_of(&set::create(&ctx, named("kept")).await.unwrap());
        let gone = id_of(&set::create(&ctx, named("gone")).await.unwrap());
        let of_kept = create(&ctx, &kept, says("region", "north")).await.unwrap();
        let of_gone = create(&ctx, &gone, says("region", "south")).await.unwrap();
        let id: VariableId = of_gone.id.parse().unwrap();
        // A variable is found below its own set alone.
        assert_eq!(kind(show(&ctx, &kept, &id).await), Trouble::NotFound);
        assert_eq!(kind(remove(&ctx, &kept, &id).await), Trouble::NotFound);
        set::remove(&ctx, &gone).await.unwrap();
        assert_eq!(kind(set::show(&ctx, &gone).await), Trouble::NotFound);
        assert_eq!(kind(list(&ctx, &gone).await), Trouble::NotFound);
        let late = create(&ctx, &gone, says("late", "x")).await;
        assert_eq!(kind(late), Trouble::NotFound);
        let changed = update(&ctx, &gone, &id, says("region", "x")).await;
        assert_eq!(kind(changed), Trouble::NotFound);
        let left = set::list(&ctx).await.unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].variables, [of_kept.id]);
        let report = crate::ledger::verify_live(&ctx).await.unwrap();
        assert!(report.is_proven(), "{:?}", report.differences);
    })
    .await;
}

#[tokio::test]
async fn a_sets_row_that_was_altered_gives_nothing_to_a_run() {
    for_each_engine(|world: World| async move {
        let ctx = world.ask();
        let web = world.workspace("web").await;
        set::create(&ctx, named("s")).await.unwrap();
        let scopes = format!("UPDATE variable_set SET scopes = '{web}'");
        world.tamper(&scopes).await;
        assert_eq!(kind(set::list(&ctx).await), Trouble::Tampered);
        let found = set::of_workspace(&ctx, &web).await;
        assert_eq!(kind(found), Trouble::Tampered);
        assert_eq!(kind(given_to(&ctx, &web).await), Trouble::Tampered);
    })
    .await;
}

/// The names of what a run of a workspace is given.
async fn given_to(ctx: &Ctx, of: &Workspace) -> Result<Vec<String>> {
    let (house, of) = (ctx.house().clone(), of.clone());
    door::read(ctx, ListVariables, &Target::House, move |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &of).await?;
            let of_run = std::collections::BTreeMap::new();
            let given = given(rows, &house, &workspace, &of_run).await?;
            Ok(given.into_iter().map(|each| each.name).collect())
        })
    })
    .await
}

#[tokio::test]
async fn a_run_is_given_so_many_bytes_and_no_more() {
    for_each_engine(|world: World| async move {
        let ctx = world.ask();
        let web = world.workspace("web").await;
        let long = "x".repeat(VALUE_BYTES_MAX);
        for number in 0..16 {
            let name = format!("v{number:02}");
            create(&ctx, &web, says(&name, &long)).await.unwrap();
        }
        assert_eq!(given_to(&ctx, &web).await.unwrap().len(), 16);
        create(&ctx, &web, says("last", "x")).await.unwrap();
        assert_eq!(kind(given_to(&ctx, &web).await), Trouble::Invalid);
    })
    .await;
}

/// Its project went while it was deleted: to bring it back is to move it, and who may not make a workspace in the
/// other project would have its sets' secrets otherwise.
#[tokio::test]
async fn a_workspace_without_a_project_comes_back_only_for_who_may_make_one_in_the_next() {
    for_each_engine(|world: World| async move {
        let ctx = world.ask();
        let folder = project::create(&ctx, name("net")).await.unwrap();
        let folder: ProjectId = folder.id.parse().unwrap();
        let web = world.workspace("web").await;
        let default = workspace::show(&ctx, &web).await.unwrap().project;
        let change = workspace::Change {
            project: Some(Project::Id(folder.clone())),
            ..workspace::Change::default()
        };
        workspace::update(&ctx, &web, change).await.unwrap();
        let user = UserId::from_entropy(7);
        let scope = Scope::Workspace(workspace_id(&web));
        access::give(&ctx, user.clone(), Role::Maintainer, scope, None)
            .await
            .unwrap();
        workspace::delete(&ctx, &web, true).await.unwrap();
        project::delete(&ctx, &Project::Id(folder)).await.unwrap();
        let asks = world.by(&user);
        let back = workspace::undelete(&asks, workspace_id(&web), None).await;
        assert_eq!(kind(back), Trouble::NotFound);
        let scope = Scope::Project(default.parse().unwrap());
        access::give(&ctx, user, Role::Maintainer, scope, None)
            .await
            .unwrap();
        let back = workspace::undelete(&asks, workspace_id(&web), None).await;
        assert_eq!(back.unwrap().project, default);
    })
    .await;
}

/// Everything that changes a set or looks at it, each with the kind of its refusal.
async fn tried(ctx: &Ctx, id: &VariableSetId, to: &To) -> Vec<(&'static str, Option<Trouble>)> {
    let none = VariableId::from_entropy(ctx.house().code(), crate::entropy());
    let refused = |error: Option<Error>| error.map(|error| error.kind().clone());
    vec![
        ("list", refused(set::list(ctx).await.err())),
        ("show", refused(set::show(ctx, id).await.err())),
        ("variables", refused(list(ctx, id).await.err())),
        ("create", refused(set::create(ctx, named("x")).await.err())),
        (
            "update",
            refused(set::update(ctx, id, named("y")).await.err()),
        ),
        (
            "attach",
            refused(set::attach(ctx, id, vec![to.clone()]).await.err()),
        ),
        (
            "detach",
            refused(set::detach(ctx, id, vec![to.clone()]).await.err()),
        ),
        ("set", refused(create(ctx, id, says("a", "b")).await.err())),
        ("unset", refused(remove(ctx, id, &none).await.err())),
        ("remove", refused(set::remove(ctx, id).await.err())),
    ]
}

#[tokio::test]
async fn only_who_may_write_variables_everywhere_writes_sets() {
    for_each_engine(|world: World| async move {
        let ctx = world.ask();
        let web = world.workspace("web").await;
        let id = id_of(&set::create(&ctx, named("s")).await.unwrap());
        let to = To::Workspace(workspace_id(&web));
        let mut narrow = Vec::new();
        let scope = Scope::Workspace(workspace_id(&web));
        let folder = crate::workspace::show(&ctx, &web).await.unwrap().project;
        for scope in [scope, Scope::Project(folder.parse().unwrap())] {
            for role in [Role::Owner, Role::Maintainer, Role::Writer] {
                let user = UserId::from_entropy(crate::entropy());
                access::give(&ctx, user.clone(), role, scope.clone(), None)
                    .await
                    .unwrap();
                narrow.push(user);
            }
        }
        for user in narrow {
            let asked = world.by(&user);
            for (what, refused) in tried(&asked, &id, &to).await {
                assert_eq!(refused, Some(Trouble::Denied), "{what}");
            }
            // What reaches their workspace they see, not what it holds.
            let seen = set::of_workspace(&asked, &web).await.unwrap();
            assert!(seen.is_empty());
        }
        for role in [Role::Planner, Role::Reader, Role::Auditor, Role::Member] {
            let (user, _) = world.member(role).await;
            let reads = role == Role::Planner;
            for (what, refused) in tried(&world.by(&user), &id, &to).await {
                let may = reads && ["list", "show", "variables"].contains(&what);
                assert_eq!(refused.is_none(), may, "{role}: {what}");
            }
        }
        let (writer, _) = world.member(Role::Writer).await;
        for (what, refused) in tried(&world.by(&writer), &id, &to).await {
            let missing = (what == "unset").then_some(Trouble::NotFound);
            assert_eq!(refused, missing, "{what}");
        }
    })
    .await;
}

#[tokio::test]
async fn who_sees_one_workspace_is_not_told_where_else_a_set_reaches() {
    for_each_engine(|world: World| async move {
        let ctx = world.ask();
        let (web, db) = (world.workspace("web").await, world.workspace("db").await);
        let wish = set::Wish {
            reach: reach::Wish::workspaces([workspace_id(&web), workspace_id(&db)]),
            ..named("s")
        };
        set::create(&ctx, wish).await.unwrap();
        let user = UserId::from_entropy(crate::entropy());
        let scope = Scope::Workspace(workspace_id(&web));
        access::give(&ctx, user.clone(), Role::Writer, scope, None)
            .await
            .unwrap();
        let asked = world.by(&user);
        let seen = set::of_workspace(&asked, &web).await.unwrap();
        assert_eq!(seen[0].workspaces, [web.to_string()]);
        assert!(!seen[0].manageable);
        assert_eq!(
            kind(set::of_workspace(&asked, &db).await),
            Trouble::NotFound
        );
    })
    .await;
}

#[tokio::test]
async fn sets_are_their_own_organizations() {
    for_each_engine(|world: World| async move {
        let ctx = world.ask();
        let id = id_of(&set::create(&ctx, named("s")).await.unwrap());
        let machine = world.core.machine();
        let rival = UserId::from_entropy(crate::entropy());
        let made = world
            .core
            .create_organization(&machine, name("rivals"), rival.clone())
            .await
            .unwrap();
        let house = world.core.house(made.code.parse().unwrap()).await.unwrap();
        let actor = world.by(&rival).actor().clone();
        let theirs = Ctx::new(house, actor, None, None);
        let made = crate::workspace::create(&theirs, name("web"), None).await;
        let foreign = To::Workspace(made.unwrap().id.parse().unwrap());
        for (what, refused) in tried(&theirs, &id, &foreign).await {
            let own = ["list", "create"].contains(&what);
            assert_eq!(refused, (!own).then_some(Trouble::NotFound), "{what}");
        }
        // Nor is a set attached to what is somebody else's.
        let attached = set::attach(&ctx, &id, vec![foreign]).await;
        assert_eq!(kind(attached), Trouble::NotFound);
        let same = set::create(&theirs, named("s")).await.unwrap();
        assert_eq!(same.name, "s");
    })
    .await;
}

#[tokio::test]
async fn a_set_that_cannot_be_is_refused() {
    for_each_engine(|world: World| async move {
        let ctx = world.ask();
        let id = id_of(&set::create(&ctx, named("s")).await.unwrap());
        assert_eq!(kind(set::create(&ctx, named("s")).await), Trouble::Conflict);
        for wrong in ["", " a", "a ", "a\nb", "a\u{7}", &"x".repeat(91)] {
            assert_eq!(
                kind(set::create(&ctx, named(wrong)).await),
                Trouble::Invalid
            );
        }
        assert_eq!(
            kind(set::create(&ctx, set::Wish::default()).await),
            Trouble::Invalid
        );
        set::create(&ctx, named(&"é".repeat(90))).await.unwrap();
        let long = set::Wish {
            description: Some("x".repeat(5000)),
            ..set::Wish::default()
        };
        assert_eq!(kind(set::update(&ctx, &id, long).await), Trouble::Invalid);
        let entropy = || WorkspaceId::from_entropy(ctx.house().code(), crate::entropy());
        let many = || (0..501).map(|_| entropy());
        let to: Vec<To> = many().map(To::Workspace).collect();
        assert_eq!(
            kind(set::attach(&ctx, &id, to.clone()).await),
            Trouble::Invalid
        );
        assert_eq!(kind(set::detach(&ctx, &id, to).await), Trouble::Invalid);
        let all = set::Wish {
            reach: reach::Wish::workspaces(many()),
            ..set::Wish::default()
        };
        assert_eq!(kind(set::update(&ctx, &id, all).await), Trouble::Invalid);
    })
    .await;
}

#[tokio::test]
async fn a_variable_of_a_set_is_checked_like_every_variable() {
    for_each_engine(|world: World| async move {
        let ctx = world.ask();
        let id = id_of(&set::create(&ctx, named("s")).await.unwrap());
        let weak = Wish {
            sensitive: Some(true),
            ..says("key", "abc")
        };
        assert_eq!(kind(create(&ctx, &id, weak).await), Trouble::Invalid);
        let loader = Wish {
            category: Some(Category::Environment),
            ..says("LD_PRELOAD", "x")
        };
        assert_eq!(kind(create(&ctx, &id, loader).await), Trouble::Invalid);
        let secret = Wish {
            sensitive: Some(true),
            ..says("key", "correct-horse")
        };
        let made = create(&ctx, &id, secret).await.unwrap();
        assert_eq!(made.value, None);
        let open = Wish {
            sensitive: Some(false),
            ..Wish::default()
        };
        let variable = made.id.parse().unwrap();
        assert_eq!(
            kind(update(&ctx, &id, &variable, open).await),
            Trouble::Invalid
        );
        for number in 1..OF_SET_MAX {
            let wish = says(&format!("v{number}"), "x");
            create(&ctx, &id, wish).await.unwrap();
        }
        let more = create(&ctx, &id, says("more", "x")).await;
        assert_eq!(kind(more), Trouble::Invalid);
        // All of them go in one change.
        set::remove(&ctx, &id).await.unwrap();
    })
    .await;
}
