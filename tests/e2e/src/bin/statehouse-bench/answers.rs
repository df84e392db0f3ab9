//! How long the API takes to answer in a house in which much has happened: each route that terraform and people read, one
//! request after the other over one connection.
//!
//! Each request asks for something else (another workspace, version, page), so that what the server remembers for a second
//! does not count. Deliberately absent: answers whose length is that of the whole house (exports, live verification), and what
//! walks through every version of a state (history, blame).

use std::time::Instant;

use serde_json::Value;

use crate::client::Client;
use crate::house::ORGANIZATION;
use crate::report::{Goal, Section, number};
use crate::server::{Server, Settings};
use crate::stats::{median, percentile};
use crate::{Plan, Result, busy, process};

/// Requests of each route.
const ASKED: usize = 200;
/// Routes that are named in the notes.
const NAMED: usize = 8;
/// Versions on a page, as terraform's clients ask for them.
const PAGE: usize = 20;

/// A route: its name, and the address of its request of that number.
type Route<'a> = (&'static str, Box<dyn Fn(usize) -> String + 'a>);

/// How long the requests of one route took, in milliseconds.
struct Timed {
    name: &'static str,
    p50_ms: f64,
    p95_ms: f64,
    max_ms: f64,
}

/// The slowest route counts.
pub(crate) fn answers(plan: &Plan) -> Result<Section> {
    let folder = plan.folder()?;
    let (workspaces, versions) = (plan.workspaces.max(1), plan.versions);
    let began = Instant::now();
    let site = busy::seed(
        &folder.path().join("site"),
        workspaces,
        versions,
        busy::tiny,
    )?;
    let seeded_s = began.elapsed().as_secs_f64();
    let server = Server::start(&plan.tools, &site, Settings::default())?;
    let mut client = Client::connect(&server.target)?;
    let known = Known::ask(&mut client, workspaces)?;
    let mut times = Vec::new();
    for (name, address) in routes(&known, versions / workspaces) {
        times.push(time(&mut client, name, &address)?);
    }
    times.sort_by(|one, other| other.p95_ms.total_cmp(&one.p95_ms));
    let mut section = Section::new("Answers of the API, on SQLite");
    let count = times.len();
    if let Some(slowest) = times.first() {
        let what = format!(
            "slowest p95 of {count} routes ({}), {} workspaces and {} versions",
            slowest.name,
            number(float(workspaces)),
            number(float(versions)),
        );
        section.line(&what, Goal::AtMost(20.0), " ms", &[slowest.p95_ms]);
    }
    let named: Vec<String> = times.iter().take(NAMED).map(words).collect();
    section.note(format!(
        "p50, p95 and maximum in ms of {ASKED} requests, the slowest routes first: {}.",
        named.join("; ")
    ));
    let medians: Vec<f64> = times.iter().map(|timed| timed.p95_ms).collect();
    let resident_mb = process::memory_bytes(server.pid(), "VmRSS")? / 1_000_000;
    section.note(format!(
        "p95 of the route in the middle: {} ms; resident {resident_mb} MB after all; seeded in {} s.",
        number(median(&medians)),
        number(seeded_s),
    ));
    Ok(section)
}

#[expect(clippy::cast_precision_loss, reason = "counts are less than 2^52")]
fn float(count: usize) -> f64 {
    count as f64
}

fn words(timed: &Timed) -> String {
    let Timed {
        name,
        p50_ms,
        p95_ms,
        max_ms,
    } = timed;
    format!(
        "{name} {}, {}, {}",
        number(*p50_ms),
        number(*p95_ms),
        number(*max_ms)
    )
}

fn time(
    client: &mut Client,
    name: &'static str,
    address: &dyn Fn(usize) -> String,
) -> Result<Timed> {
    let mut times_ms = Vec::with_capacity(ASKED);
    for asked in 0..ASKED {
        let address = address(asked);
        let began = Instant::now();
        client.expect_ok("GET", &address, None, &[])?;
        times_ms.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(Timed {
        name,
        p50_ms: median(&times_ms),
        p95_ms: percentile(&times_ms, 0.95),
        max_ms: percentile(&times_ms, 1.0),
    })
}

/// Ids that addresses are made of.
struct Known {
    workspaces: usize,
    ids: Vec<String>,
    versions: Vec<String>,
    outputs: Vec<String>,
    team: String,
    project: String,
    house: String,
}

impl Known {
    fn ask(client: &mut Client, workspaces: usize) -> Result<Self> {
        let organization = format!("/api/v2/organizations/{ORGANIZATION}");
        let (mut ids, mut versions, mut outputs) = (vec![], vec![], vec![]);
        for asked in 0..ASKED {
            let number = spread(asked, workspaces);
            let path = format!("{organization}/workspaces/w-{number}");
            let id = text(&get(client, &path)?, "/data/id")?;
            let at = format!("/api/v2/workspaces/{id}");
            let current = get(client, &format!("{at}/current-state-version"))?;
            versions.push(text(&current, "/data/id")?);
            let named = get(client, &format!("{at}/current-state-version-outputs"))?;
            outputs.push(text(&named, "/data/0/id")?);
            ids.push(id);
        }
        let first = |client: &mut Client, what: &str| {
            text(
                &get(client, &format!("{organization}/{what}"))?,
                "/data/0/id",
            )
        };
        let (team, project) = (first(client, "teams")?, first(client, "projects")?);
        let publish = format!("{organization}/ledger/actions/publish");
        client.expect_ok(
            "POST",
            &publish,
            None,
            br#"{"data":{"attributes":{"published":true}}}"#,
        )?;
        let house = text(&get(client, &organization)?, "/data/attributes/code")?;
        Ok(Self {
            workspaces,
            ids,
            versions,
            outputs,
            team,
            project,
            house,
        })
    }
}

/// A different workspace for each request, from all over the house.
fn spread(asked: usize, of: usize) -> usize {
    asked.wrapping_mul(7919) % of
}

fn get(client: &mut Client, path: &str) -> Result<Value> {
    client.expect_ok("GET", path, None, &[])?;
    Ok(serde_json::from_slice(&client.body)?)
}

fn text(document: &Value, place: &str) -> Result<String> {
    let found = document.pointer(place).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .ok_or_else(|| format!("no {place} in {document}").into())
}

fn routes(known: &Known, each: usize) -> Vec<Route<'_>> {
    let all = [
        of_service(known),
        of_house(known),
        of_workspaces(known, each),
        of_versions(known),
    ];
    all.into_iter().flatten().collect()
}

fn fixed<'a>(name: &'static str, address: String) -> Route<'a> {
    (name, Box::new(move |_| address.clone()))
}

/// What belongs to the server or to the caller.
fn of_service<'a>(known: &Known) -> Vec<Route<'a>> {
    vec![
        fixed("discovery", "/.well-known/terraform.json".to_owned()),
        fixed("ping", "/api/v2/ping".to_owned()),
        fixed("account", "/api/v2/account/details".to_owned()),
        fixed("organizations", "/api/v2/organizations".to_owned()),
        fixed("users", "/api/v2/users".to_owned()),
        fixed("tokens", "/api/v2/tokens".to_owned()),
        fixed("team", format!("/api/v2/teams/{}", known.team)),
        fixed("project", format!("/api/v2/projects/{}", known.project)),
        fixed("checkpoint", format!("/ledger/{}/checkpoint", known.house)),
        fixed("tile", format!("/ledger/{}/tile/0/000", known.house)),
    ]
}

/// What belongs to the organization.
fn of_house<'a>(known: &Known) -> Vec<Route<'a>> {
    let at = |what: &str| format!("/api/v2/organizations/{ORGANIZATION}{what}");
    let pages = known.workspaces.div_ceil(100);
    let page = move |number: usize| {
        at(&format!(
            "/workspaces?page%5Bnumber%5D={number}&page%5Bsize%5D=100"
        ))
    };
    let workspaces = known.workspaces;
    vec![
        fixed("organization", at("")),
        fixed("entitlements", at("/entitlement-set")),
        fixed("projects", at("/projects")),
        fixed("projects by name", at("/projects?filter%5Bnames%5D=p-7")),
        fixed("tags", at("/tags")),
        fixed("grants", at("/grants")),
        fixed("teams", at("/teams")),
        fixed("memberships", at("/organization-memberships")),
        fixed("team tokens", at("/team-tokens")),
        fixed("keys", at("/keys")),
        fixed("deleted workspaces", at("/deleted-workspaces")),
        (
            "workspaces, a page of 100",
            Box::new(move |asked| page(1 + asked % pages)),
        ),
        ("workspaces, the last page", Box::new(move |_| page(pages))),
        (
            "workspaces by a part of the name",
            Box::new(move |asked| at(&format!("/workspaces?search%5Bname%5D={asked}"))),
        ),
        fixed("workspaces by tag", at("/workspaces?search%5Btags%5D=env")),
        fixed(
            "workspaces by tag and value",
            at(
                "/workspaces?filter%5Btagged%5D%5B0%5D%5Bkey%5D=env&filter%5Btagged%5D%5B0%5D%5Bvalue%5D=prod",
            ),
        ),
        (
            "workspace by name",
            Box::new(move |asked| at(&format!("/workspaces/w-{}", spread(asked, workspaces)))),
        ),
    ]
}

/// One of the ids, by the number of the request.
fn of(ids: &[String], asked: usize) -> &str {
    ids.get(asked % ids.len().max(1)).map_or("", String::as_str)
}

/// What belongs to a workspace.
fn of_workspaces(known: &Known, each: usize) -> Vec<Route<'_>> {
    let route = |name: &'static str, what: String| -> Route<'_> {
        let address = move |asked| format!("/api/v2/workspaces/{}{what}", of(&known.ids, asked));
        (name, Box::new(address))
    };
    let page =
        |number: usize| format!("/state-versions?page%5Bnumber%5D={number}&page%5Bsize%5D={PAGE}");
    let named = move |asked| {
        let number = spread(asked, known.workspaces);
        format!(
            "/api/v2/state-versions?filter%5Borganization%5D%5Bname%5D={ORGANIZATION}&filter%5Bworkspace%5D%5Bname%5D=w-{number}&page%5Bsize%5D={PAGE}&page%5Bnumber%5D=1"
        )
    };
    vec![
        route("workspace", String::new()),
        route("lock", "/lock".to_owned()),
        route("tag bindings", "/tag-bindings".to_owned()),
        route(
            "effective tag bindings",
            "/effective-tag-bindings".to_owned(),
        ),
        route("tags of a workspace", "/relationships/tags".to_owned()),
        route("current version", "/current-state-version".to_owned()),
        route(
            "current outputs",
            "/current-state-version-outputs".to_owned(),
        ),
        route("resources", "/resources".to_owned()),
        route("versions, first page", page(1)),
        route("versions, last page", page(each.div_ceil(PAGE).max(1))),
        ("versions by name", Box::new(named)),
        route("versions kept aside", "/kept-versions".to_owned()),
        route("state by hand", "/state".to_owned()),
        (
            "state of the http backend",
            Box::new(move |asked| crate::house::address(spread(asked, known.workspaces))),
        ),
    ]
}

/// What belongs to a version.
fn of_versions(known: &Known) -> Vec<Route<'_>> {
    let route = |name: &'static str, what: &'static str| -> Route<'_> {
        let address = move |asked| {
            format!(
                "/api/v2/state-versions/{}{what}",
                of(&known.versions, asked)
            )
        };
        (name, Box::new(address))
    };
    let output = move |asked| {
        format!(
            "/api/v2/state-version-outputs/{}",
            of(&known.outputs, asked)
        )
    };
    vec![
        route("version", ""),
        route("outputs of a version", "/outputs"),
        route("download of a version", "/download"),
        route("difference to the version before", "/diff"),
        ("output", Box::new(output)),
    ]
}
