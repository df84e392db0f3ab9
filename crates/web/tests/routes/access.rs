//! Who gets what from every route.
//!
//! Both tests walk the table that the router is made from. [`prepare`] says how a route is called so that it succeeds for
//! whoever may do it; a route that it cannot call, or that nobody reviewed, fails the tests.

use std::fmt::Write;

use bytes::Bytes;
use serde_json::json;
use statehouse_core::project;
use statehouse_core::token::{Wish, house};
use statehouse_model::{Level, Permission, Role};
use statehouse_web::{ROUTES, Route};

use crate::calls::{Call, PAGES, World, ask, prepare};
use crate::support::Answer;

/// What every role gets from every route, as it was reviewed.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/access_matrix.txt");

/// What nobody of the matrix succeeds with: it takes a password, and nobody has one.
const NEVER_ANSWERED: [&str; 2] = ["PATCH /api/v2/account/password", "POST /api/v2/login"];

#[tokio::test]
async fn every_route_answers_every_role_as_reviewed() {
    let world = World::new().await;
    let mut people: Vec<_> = world
        .people
        .iter()
        .map(|(column, person)| (*column, Some(person)))
        .collect();
    people.push(("nobody", None));
    let mut matrix = String::from(
        "What every route answers to everybody: roles of the organization it is about, a site operator, a stranger with a token,\n\
         the owner of another organization, a token of a team of writers, the organization's own token, a token of a pool of agents, and nobody. Written by `UPDATE_GOLDEN=1 cargo test -p statehouse-web`.\n\n",
    );
    let columns: Vec<&str> = people
        .iter()
        .map(|(column, _)| &column[..column.len().min(5)])
        .collect();
    writeln!(matrix, "{}  route", columns.join(" ")).unwrap();
    for (row, route) in ROUTES.iter().enumerate() {
        for (column, (_, who)) in people.iter().enumerate() {
            let call = prepare(&world, route, *who, &format!("t{row}-{column}")).await;
            let status = ask(&world, route, *who, &call).await.status.as_u16();
            keeps_to_what_it_needs(route, column, status);
            write!(matrix, "{status:<width$} ", width = columns[column].len()).unwrap();
        }
        writeln!(matrix, " {} {}", route.method, route.path).unwrap();
    }
    check_golden(&matrix);
    // The owner may do nearly everything, so nearly everything of the document was held against an answer.
    let mut unanswered = crate::contract::unanswered();
    unanswered.sort_unstable();
    assert_eq!(
        unanswered, NEVER_ANSWERED,
        "the document was not tried there"
    );
}

/// What a route says that it needs, nobody succeeds without. The first columns are those of the roles.
fn keeps_to_what_it_needs(route: &Route, column: usize, status: u16) {
    let needs = route.operation.and_then(|operation| operation.needs);
    let (Some(needs), Some(role)) = (needs, Role::ALL.get(column)) else {
        return;
    };
    let held = match needs.level() {
        Level::House => needs.held_by(*role),
        Level::Site => needs == Permission::TokenManage,
    };
    assert!(
        held || status >= 400,
        "{route:?} needs {needs}, and {role} gets {status}"
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says so by the environment"
)]
fn check_golden(matrix: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs_err::write(GOLDEN, matrix).unwrap();
    }
    let reviewed = fs_err::read_to_string(GOLDEN).unwrap_or_default();
    for (got, reviewed) in matrix
        .lines()
        .zip(reviewed.lines().chain(std::iter::repeat("")))
    {
        assert_eq!(
            got, reviewed,
            "\nif this is meant, review it: UPDATE_GOLDEN=1\n{matrix}"
        );
    }
    assert_eq!(
        matrix.lines().count(),
        reviewed.lines().count(),
        "a route is gone; review it: UPDATE_GOLDEN=1"
    );
}

/// The path of `call` with everything that is acme's replaced by what nobody has.
fn of_nobody(world: &World, path: &str) -> Vec<String> {
    let acme = world.acme.house().code();
    let unknown = path
        .replace("/acme", "/nowhere")
        .replace(acme.as_str(), "zzzzzz");
    let mut paths = vec![unknown];
    // An id of acme's own house, and one of the rival's, that do not exist.
    if let Some(at) = path
        .find(acme.as_str())
        .filter(|_| path.contains(&format!("-{acme}")))
    {
        let (head, tail) = path.split_at(at + acme.as_str().len());
        let tail = tail
            .split_once('/')
            .map_or(String::new(), |(_, rest)| format!("/{rest}"));
        let head = head.strip_suffix(acme.as_str()).unwrap();
        for code in [acme, world.rivals.house().code()] {
            paths.push(format!("{head}{code}{}{tail}", "z".repeat(16)));
        }
    }
    paths
}

/// What nobody has may stand in a query or a body as well.
#[tokio::test]
async fn another_organization_looks_like_none_in_queries_and_bodies() {
    let world = World::new().await;
    let (acme, rivals) = (world.acme.house().code(), world.rivals.house().code());
    let mut compared = 0;
    for route in ROUTES {
        let named = route.path.contains("/team-") || route.path == "/api/v2/runs";
        if !named || route.path.contains('{') {
            continue;
        }
        let tag = format!("t{compared}");
        let call = prepare(&world, route, None, &tag).await;
        let foreign = ask(&world, route, Some(&world.rival), &call).await;
        let body = String::from_utf8(call.body.to_vec()).unwrap();
        for code in [rivals.as_str(), "zzzzzz"] {
            let unknown = Call {
                path: call.path.replace(acme.as_str(), code),
                body: body.replace(acme.as_str(), code).into(),
            };
            let answer = ask(&world, route, Some(&world.rival), &unknown).await;
            assert_eq!(seen(&answer, ""), seen(&foreign, ""), "{route:?}");
            assert_eq!(answer.status.as_u16(), 404, "{route:?}");
            compared += 1;
        }
    }
    assert!(compared >= 10, "only {compared} comparisons");
    foreign_scopes_look_like_none(&world).await;
    // A token of the other organization, by its id.
    let made = house::create(&world.acme, None, Wish::default()).await;
    let id = made.unwrap().0.id;
    for method in ["GET", "DELETE"] {
        let route = ROUTES.iter().find(|route| {
            route.method == method && route.path == "/api/v2/authentication-tokens/{token}"
        });
        let ask = async |id: &str| {
            let path = format!("/api/v2/authentication-tokens/{id}");
            let call = Call {
                path: path.clone(),
                body: Bytes::new(),
            };
            seen(
                &ask(&world, route.unwrap(), Some(&world.rival), &call).await,
                &path,
            )
        };
        let foreign = ask(&id).await;
        assert_eq!(foreign.0, 404);
        assert_eq!(ask(&id.replace(acme.as_str(), "zzzzzz")).await, foreign);
    }
}

/// Where runs happen is said of a scope, which may be somebody else's.
async fn foreign_scopes_look_like_none(world: &World) {
    let code = world.acme.house().code();
    let made = project::create(&world.acme, "theirs".parse().unwrap()).await;
    for scope in [
        made.unwrap().id,
        world.workspace("theirs").await.to_string(),
    ] {
        let say = async |scope: &str| {
            let path = "/api/v2/organizations/rivals/executions";
            let wish = json!({ "scope": scope, "mode": "remote" });
            let said = world.server.post(&world.rival, path, wish).await;
            let shown = format!("{path}/{scope}");
            let shown_answer = world.server.call(&world.rival, "GET", &shown, "").await;
            (seen(&said, ""), seen(&shown_answer, &shown))
        };
        let foreign = say(&scope).await;
        assert_eq!((foreign.0.0, foreign.1.0), (404, 404));
        for code_of in [world.rivals.house().code().as_str(), "zzzzzz"] {
            let unknown = scope.replace(code.as_str(), code_of);
            assert_eq!(say(&unknown).await, foreign, "{unknown}");
        }
    }
}

/// An answer without what must differ between two requests.
fn seen(answer: &Answer, path: &str) -> (u16, String) {
    let path = path.split('?').next().unwrap_or_default();
    let mut text = answer
        .text()
        .replace(answer.header("x-request-id"), "REQUEST");
    if !path.is_empty() {
        text = text.replace(path, "PATH");
    }
    (answer.status.as_u16(), text)
}

#[tokio::test]
async fn another_organization_looks_like_none() {
    let world = World::new().await;
    // Of pages, a test of their own asks it.
    let variable = |route: &&Route| route.path.contains('{') && !route.path.starts_with(PAGES);
    let mut compared = 0;
    for (row, route) in ROUTES
        .iter()
        .enumerate()
        .filter(|(_, route)| variable(route))
    {
        let call = prepare(&world, route, None, &format!("t{row}")).await;
        if !call.path.contains("acme") && !call.path.contains(world.acme.house().code().as_str()) {
            // It names an account or a token; those belong to the site.
            continue;
        }
        let foreign = ask(&world, route, Some(&world.rival), &call).await;
        let foreign = seen(&foreign, &call.path);
        assert_eq!(foreign.0, 404, "{route:?}: {}", foreign.1);
        for path in of_nobody(&world, &call.path) {
            let unknown = Call {
                path,
                body: call.body.clone(),
            };
            let answer = ask(&world, route, Some(&world.rival), &unknown).await;
            assert_eq!(
                seen(&answer, &unknown.path),
                foreign,
                "{route:?} at {}",
                unknown.path
            );
            compared += 1;
        }
    }
    assert!(compared > 40, "only {compared} comparisons");
}
