//! How every route is called, so that it succeeds for whoever may do it.
//!
//! [`World`] has two organizations and everybody who might ask; [`prepare`] makes what one call is about, for that call alone.
//! A route with a part that is not known here fails; one with a body that is not known shows in the access matrix.

mod costs;
mod policies;
mod runs;
mod sets;

use std::sync::Mutex;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use statehouse_core::access::{self, Scope};
use statehouse_core::run::act;
use statehouse_core::state::{self, Put, Upload};
use statehouse_core::team::reach;
use statehouse_core::team::{self, Flag};
use statehouse_core::token::{Wish, house};
use statehouse_core::workspace::{self, Workspace};
use statehouse_core::{Ctx, member, project};
use statehouse_model::{MembershipId, Role, RunId, TeamId, UserId};
use statehouse_web::Route;

use crate::agents::Far;
use crate::support::{
    Answer, Person, Server, document, hex_md5, lock, name, request, state as bytes_of,
};

/// Two organizations, and everybody who might ask.
pub(crate) struct World {
    pub(crate) server: Server,
    /// Everybody by the name of their column, but for nobody.
    pub(crate) people: Vec<(&'static str, Person)>,
    pub(crate) owner: Person,
    pub(crate) rival: Person,
    pub(crate) acme: Ctx,
    pub(crate) rivals: Ctx,
    /// A pool of acme's, and an agent.
    far: Far,
    /// The run of the call before.
    run: Mutex<Option<RunId>>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let server = Server::start().await;
        let owner = server.person("owner", false).await;
        let rival = server.person("rival", false).await;
        let acme = server.organization("acme", &owner).await;
        let rivals = server.organization("rivals", &rival).await;
        let mut people = vec![("owner", owner.clone())];
        for role in Role::ALL.into_iter().skip(1) {
            people.push((
                role.as_str(),
                server.member(role.as_str(), &acme, role).await,
            ));
        }
        people.push(("operator", server.person("operator", true).await));
        people.push(("stranger", server.person("stranger", false).await));
        people.push(("rival", rival.clone()));
        let held = house::create(&acme, Some(writers(&acme).await), labelled("matrix")).await;
        people.push(("team token", bearer(&held.unwrap().1)));
        let held = house::create(&acme, None, labelled("matrix")).await;
        people.push(("org token", bearer(&held.unwrap().1)));
        let far = Far::new(&acme, "matrix").await;
        people.push(("agent token", far.agent.clone()));
        Self {
            server,
            people,
            owner,
            rival,
            acme,
            rivals,
            far,
            run: Mutex::default(),
        }
    }

    /// Remembers the run of a call, and ends the one before: what waits or works takes part in every turn of the server.
    async fn in_place_of_the_last(&self, run: &str) {
        let last = self.run.lock().unwrap().replace(run.parse().unwrap());
        if let Some(last) = last {
            // It may have ended by what was asked of it; one with a runner ends by force.
            act::cancel(&self.acme, &last, None).await.ok();
            act::force_cancel(&self.acme, &last, None).await.ok();
        }
    }

    /// A new workspace with a state of serial 1, by its id.
    pub(crate) async fn workspace(&self, called: &str) -> Workspace {
        let made = workspace::create(&self.acme, name(called), None)
            .await
            .unwrap();
        let workspace = Workspace::Id(made.id.parse().unwrap());
        self.put(&workspace, 1).await;
        workspace
    }

    async fn put(&self, workspace: &Workspace, serial: u64) -> Put {
        let upload = Upload {
            bytes: bytes_of("a", serial, 1).into(),
            lock_id: None,
        };
        state::put(&self.acme, workspace, upload).await.unwrap()
    }
}

/// A team that writes every state.
async fn writers(acme: &Ctx) -> TeamId {
    let wish = team::Wish {
        flags: Some([Flag::ManageWorkspaces].into()),
        ..team::Wish::default()
    };
    let made = team::create(acme, name("writers"), wish).await.unwrap();
    made.id.parse().unwrap()
}

fn labelled(label: &str) -> Wish {
    Wish {
        label: label.to_owned(),
        ..Wish::default()
    }
}

/// Whoever comes with a token that is nobody's in person.
fn bearer(secret: &SecretString) -> Person {
    Person {
        id: UserId::from_entropy(1),
        token: secret.expose_secret().to_owned(),
    }
}

/// Pages of an organization.
pub(crate) const PAGES: &str = "/app/{organization}/";

/// A request: its path and its body.
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) body: Bytes,
}

impl Call {
    fn fill(&mut self, part: &str, with: &str) {
        self.path = self.path.replace(part, with);
    }

    fn say(&mut self, attributes: &Value) {
        self.body = document(attributes).into();
    }
}

/// How `route` is called, on objects of acme made for this call alone. `tag` is unique. A route with a part that is not known
/// here fails; one with a body that is not known shows in the matrix.
pub(crate) async fn prepare(world: &World, route: &Route, who: Option<&Person>, tag: &str) -> Call {
    let path = route.path.to_owned();
    let mut call = Call {
        path,
        body: Bytes::new(),
    };
    let last = route.path.rsplit('/').next().unwrap();
    if route.path.starts_with(PAGES) {
        // They know nobody by a token, and so tell nobody of anything.
        let run = RunId::from_entropy(world.acme.house().code(), 1);
        call.fill("{workspace}", tag);
        call.fill("{run}", run.as_str());
    } else if route.path.contains("/agent") {
        runs::of_agent(world, route, tag, &mut call).await;
    } else if route.path.contains("assessment") || last == "look-for-drift" {
        runs::of_drift(world, last, tag, &mut call).await;
    } else if runs::is_of_run(route) {
        runs::of_run(world, route, who, tag, &mut call).await;
    } else if route.path.contains("/{team}") {
        of_team(world, route.method, last, tag, &mut call).await;
    } else if route.path.contains("/team-") && !route.path.contains("/{organization}") {
        of_access(world, route, last, tag, &mut call).await;
    } else if costs::is_of_costs(route) {
        costs::of_costs(world, route, tag, &mut call).await;
    } else if policies::is_of_policies(route) {
        policies::of_policies(world, route, tag, &mut call).await;
    } else if route.path.contains("/{varset}") {
        sets::of_set(world, route, last, tag, &mut call).await;
    } else if route.path.contains("/{membership}") {
        let person = world.server.person(tag, false).await;
        member::add(&world.acme, person.id, Vec::new())
            .await
            .unwrap();
        let person = world.server.core.account_of(tag).await.unwrap();
        let id = MembershipId::of(world.acme.house().code(), &person);
        call.fill("{membership}", id.as_str());
    } else if route.path.contains("/{notification}") {
        let id = notified(world, tag).await;
        call.fill("{notification}", &id);
        if route.method == "PATCH" {
            call.say(&json!({ "name": format!("{tag}-new") }));
        }
    } else if route.path.contains("/{workspace}") {
        of_workspace(world, route.method, last, tag, &mut call).await;
    } else if route.path.contains("/{organization}") {
        of_organization(world, route.method, last, tag, &mut call).await;
    } else if route.path.contains("/{url}/") {
        of_url(world, route.method, who, tag, &mut call).await;
    } else if route.path.contains("/{project}") {
        let made = project::create(&world.acme, name(tag)).await.unwrap();
        call.fill("{project}", &made.id);
        call.say(&json!({ "name": format!("{tag}-new") }));
    } else if route.path.contains("/{output}") {
        let (_, at) = outputs_of(world, tag).await;
        let listed = world.server.call(&world.owner, "GET", &at, "").await;
        let listed = listed.is(200).json();
        call.fill("{output}", listed["data"][0]["id"].as_str().unwrap());
    } else if route.path.contains("/shredded-organizations/") {
        shredded(world, tag, &mut call).await;
    } else if route.path.contains("state-versions") {
        of_version(world, route, tag, &mut call).await;
    } else {
        of_site(world, route.method, last, who, tag, &mut call).await;
    }
    call.fill("{organization}", "acme");
    call.fill("{house}", world.acme.house().code().as_str());
    call.fill("{*tile}", "0/000.p/1");
    call.fill("{file}", "none.css");
    assert!(!call.path.contains('{'), "say how {} is called", call.path);
    call
}

/// An organization that is gone, and its keys with it.
async fn shredded(world: &World, tag: &str, call: &mut Call) {
    let gone = world.server.organization(tag, &world.owner).await;
    call.fill("{house}", gone.house().code().as_str());
    drop(gone);
    let path = format!("/api/v2/organizations/{tag}/actions/shred");
    let wish = json!({ "reason": "tried" });
    world.server.post(&world.owner, &path, wish).await.is(200);
}

/// How a route about versions of a state is called.
async fn of_version(world: &World, route: &Route, tag: &str, call: &mut Call) {
    if route.path.ends_with("/outputs") {
        let (version, _) = outputs_of(world, tag).await;
        call.fill("{version}", &version);
    } else if route.path.ends_with("/json-download") {
        let workspace = world.workspace(tag).await;
        let version = announced(world, &world.owner, &workspace, 7).await;
        let put = version["json"].as_str().unwrap();
        let form = request("PUT", put, None, r#"{"format_version":"1.0"}"#.into());
        world.server.send(form).await.is(200);
        call.fill("{version}", version["id"].as_str().unwrap());
    } else if route.path.ends_with("/diff") || route.path.ends_with("/rollback-preview") {
        let workspace = world.workspace(tag).await;
        let Put::Stored(version) = world.put(&workspace, 2).await else {
            panic!("a newer state was not taken")
        };
        call.fill("{version}", &version.id);
        if route.method == "POST" {
            call.body = bytes_of("a", 3, 1).into();
        }
    } else if route.path.ends_with("/{version}") || route.path.ends_with("/download") {
        let workspace = world.workspace(tag).await;
        let Put::Stored(version) = world.put(&workspace, 2).await else {
            panic!("a newer state was not taken")
        };
        call.fill("{version}", &version.id);
    } else if route.path == "/api/v2/state-versions" {
        world.workspace(tag).await;
        let query = format!("?filter[organization][name]=acme&filter[workspace][name]={tag}");
        call.path.push_str(&query);
    } else if route.path.ends_with("/remove-content") {
        let workspace = world.workspace(tag).await;
        let first = state::list(&world.acme, &workspace, None, 1).await.unwrap();
        world.put(&workspace, 2).await;
        call.fill("{version}", &first[0].id);
        call.say(&json!({ "reason": "tried" }));
    } else {
        let workspace = world.workspace(tag).await;
        world.put(&workspace, 3).await;
        let Put::Kept(kept) = world.put(&workspace, 2).await else {
            panic!("an older state was taken")
        };
        call.fill("{version}", &kept.version.id);
        call.say(&json!({ "reason": "tried" }));
    }
}

/// A version of a new workspace that has a sensitive output, and the address of its outputs.
async fn outputs_of(world: &World, tag: &str) -> (String, String) {
    let workspace = world.workspace(tag).await;
    let output = r#""outputs":{"secret":{"value":"x","type":"string","sensitive":true}}"#;
    let bytes = bytes_of("a", 2, 1).replace(r#""outputs":{}"#, output);
    let upload = Upload {
        bytes: bytes.into(),
        lock_id: None,
    };
    let Put::Stored(version) = state::put(&world.acme, &workspace, upload).await.unwrap() else {
        panic!("a newer state was not taken")
    };
    let at = format!("/api/v2/state-versions/{}/outputs", version.id);
    (version.id, at)
}

/// What is announced by `who`: the id, and the paths of both addresses; null for those who may not.
async fn announced(world: &World, who: &Person, workspace: &Workspace, serial: u64) -> Value {
    let bytes = bytes_of("a", serial, 1);
    let path = format!("/api/v2/workspaces/{workspace}/state-versions");
    let wish = json!({ "serial": serial, "lineage": "a", "md5": hex_md5(&bytes) });
    let made = world.server.post(who, &path, wish).await;
    if made.status.as_u16() != 201 {
        return Value::Null;
    }
    let made = made.json();
    let link = |name: &str| {
        let link = made["data"]["attributes"][name].as_str().unwrap();
        link.strip_prefix("https://localhost").unwrap().to_owned()
    };
    json!({
        "id": made["data"]["id"],
        "state": link("hosted-state-upload-url"),
        "json": link("hosted-json-state-upload-url"),
    })
}

/// A signed address is a right by itself: whoever may have one given out gets one of their own, everybody else one whose
/// signature is wrong.
async fn of_url(world: &World, method: &str, who: Option<&Person>, tag: &str, call: &mut Call) {
    let workspace = world.workspace(tag).await;
    let mut given = Value::Null;
    if method == "PUT" {
        call.body = bytes_of("a", 2, 1).into();
        if let Some(who) = who {
            given = announced(world, who, &workspace, 2).await["state"].clone();
        }
    } else if let Some(who) = who {
        let path = format!("/api/v2/workspaces/{workspace}/current-state-version");
        let shown = world.server.call(who, "GET", &path, "").await;
        if shown.status.as_u16() == 200 {
            let link = &shown.json()["data"]["attributes"]["hosted-state-download-url"];
            let link = link
                .as_str()
                .map(|link| link.replace("https://localhost", ""));
            given = link.into();
        }
    }
    if let Some(given) = given.as_str() {
        given.clone_into(&mut call.path);
        return;
    }
    let of_owner = announced(world, &world.owner, &workspace, 3).await;
    let (path, _) = of_owner["state"]
        .as_str()
        .unwrap()
        .rsplit_once('/')
        .unwrap();
    let id = path.rsplit('/').next().unwrap();
    call.fill("{url}", id);
    call.fill("{signature}", &"00".repeat(36));
}

/// A notification configuration to make.
fn notification(tag: &str) -> Value {
    json!({
        "destination-type": "generic",
        "name": tag,
        "url": "https://hooks.example.com/runs",
        "triggers": ["run:completed"],
        "enabled": true,
    })
}

/// The id of a notification configuration of a new workspace.
async fn notified(world: &World, tag: &str) -> String {
    let workspace = world.workspace(tag).await;
    let path = format!("/api/v2/workspaces/{workspace}/notification-configurations");
    let made = world.server.post(&world.owner, &path, notification(tag));
    let id = made.await.is(201).json()["data"]["id"].clone();
    id.as_str().unwrap().to_owned()
}

async fn of_team(world: &World, method: &str, last: &str, tag: &str, call: &mut Call) {
    let made = team::create(&world.acme, name(tag), team::Wish::default()).await;
    let id: TeamId = made.unwrap().id.parse().unwrap();
    let owner = world.owner.id.clone();
    if method == "DELETE" {
        let people = vec![owner.clone()];
        team::add(&world.acme, id.clone(), people).await.unwrap();
    }
    let refer = |kind: &str, id: &str| json!({ "data": [{ "type": kind, "id": id }] }).to_string();
    match last {
        "users" => call.body = refer("users", owner.as_str()).into(),
        "organization-memberships" => {
            let id = MembershipId::of(world.acme.house().code(), &owner);
            call.body = refer("organization-memberships", id.as_str()).into();
        }
        "authentication-token" if method != "POST" => {
            let made = house::create(&world.acme, Some(id.clone()), Wish::default()).await;
            made.unwrap();
        }
        "authentication-tokens" if method == "POST" => call.say(&json!({ "description": tag })),
        "{team}" if method == "PATCH" => call.say(&json!({ "description": "tried" })),
        _ => {}
    }
    call.fill("{team}", id.as_str());
}

async fn of_access(world: &World, route: &Route, last: &str, tag: &str, call: &mut Call) {
    let made = team::create(&world.acme, name(tag), team::Wish::default()).await;
    let id: TeamId = made.unwrap().id.parse().unwrap();
    let over_workspace = route.path.contains("workspaces");
    let (kind, scope, over) = if over_workspace {
        let workspace = world.workspace(tag).await.to_string();
        let scope = Scope::Workspace(workspace.parse().unwrap());
        ("workspace", scope, workspace)
    } else {
        let project = project::create(&world.acme, name(tag)).await.unwrap().id;
        ("project", Scope::Project(project.parse().unwrap()), project)
    };
    if last == "{access}" {
        let given = reach::give(&world.acme, id, scope, reach::Level::Read).await;
        call.fill("{access}", &given.unwrap().id);
        if route.method == "PATCH" {
            call.say(&json!({ "access": "write" }));
        }
    } else if route.method == "GET" {
        call.path = format!("{}?filter%5B{kind}%5D%5Bid%5D={over}", call.path);
    } else {
        let relations = json!({
            "team": { "data": { "type": "teams", "id": id.as_str() } },
            kind: { "data": { "type": format!("{kind}s"), "id": over } },
        });
        let data = json!({ "attributes": { "access": "read" }, "relationships": relations });
        call.body = json!({ "data": data }).to_string().into();
    }
}

async fn of_workspace(world: &World, method: &str, last: &str, tag: &str, call: &mut Call) {
    let workspace = world.workspace(tag).await;
    match (method, last) {
        ("POST", "state" | "{workspace}") => call.body = bytes_of("a", 2, 1).into(),
        ("LOCK", _) => call.body = lock("one", "OperationTypeApply").into(),
        ("UNLOCK", _) => hold(world, &workspace).await,
        ("POST", "unlock") => {
            hold(world, &workspace).await;
            call.say(&json!({ "id": "one" }));
        }
        ("POST", "force-unlock") => {
            hold(world, &workspace).await;
            call.say(&json!({ "reason": "tried" }));
        }
        ("PATCH", "{workspace}") => call.say(&json!({ "description": tag })),
        ("PATCH", "tag-bindings") => {
            call.body =
                r#"{"data":[{"type":"tag-bindings","attributes":{"key":"k","value":"v"}}]}"#.into();
        }
        (_, "tags") => {
            call.body = r#"{"data":[{"type":"tags","attributes":{"name":"k"}}]}"#.into();
        }
        ("POST", "state-versions") => {
            let md5 = hex_md5(&bytes_of("a", 2, 1));
            call.say(&json!({ "serial": 2, "lineage": "a", "md5": md5 }));
        }
        ("GET", "show" | "history" | "blame") => {
            call.path.push_str("?address=terraform_data.it%5B0%5D");
        }
        ("POST", "configuration-versions") => call.say(&json!({ "speculative": true })),
        ("PATCH", "state-versions") => go_back(world, &workspace, call).await,
        ("POST", "safe-delete") => {
            let upload = Upload {
                bytes: bytes_of("a", 2, 0).into(),
                lock_id: None,
            };
            state::put(&world.acme, &workspace, upload).await.unwrap();
        }
        ("POST", "vars") => call.say(&json!({ "key": "region", "value": "eu-north-1" })),
        (_, "{variable}") => {
            let path = format!("/api/v2/workspaces/{workspace}/vars");
            let made = json!({ "key": "region", "value": "eu-north-1" });
            let made = world.server.post(&world.owner, &path, made).await;
            let id = made.is(201).json()["data"]["id"].clone();
            call.fill("{variable}", id.as_str().unwrap());
            call.say(&json!({ "value": "eu-north-2" }));
        }
        ("POST", "notification-configurations") => call.say(&notification(tag)),
        ("POST", "freeze") => call.say(&json!({ "reason": "tried" })),
        ("POST", "thaw") => {
            let path = format!("/api/v2/workspaces/{workspace}/actions/freeze");
            let why = json!({ "reason": "tried" });
            world
                .server
                .post(&world.owner, &path, why.clone())
                .await
                .is(200);
            call.say(&why);
        }
        ("POST", "undelete") => {
            workspace::delete(&world.acme, &workspace, false)
                .await
                .unwrap();
        }
        _ => {}
    }
    let by_name = call.path.starts_with("/state/");
    let id = workspace.to_string();
    call.fill("{workspace}", if by_name { tag } else { &id });
}

/// Asks to go back to the first version of a workspace, which its owner holds the lock of, as nobody can for others.
async fn go_back(world: &World, workspace: &Workspace, call: &mut Call) {
    let first = state::list(&world.acme, workspace, None, 1).await.unwrap();
    world.put(workspace, 2).await;
    let path = format!("/api/v2/workspaces/{workspace}/actions/lock");
    world
        .server
        .post(&world.owner, &path, json!({}))
        .await
        .is(200);
    let to = json!({ "data": { "type": "state-versions", "id": first[0].id } });
    let relations = json!({ "rollback-state-version": to });
    call.body = json!({ "data": { "relationships": relations } })
        .to_string()
        .into();
}

async fn of_organization(world: &World, method: &str, last: &str, tag: &str, call: &mut Call) {
    match (method, last) {
        ("POST", "projects" | "workspaces" | "teams" | "varsets" | "policy-sets") => {
            call.say(&json!({ "name": tag }));
        }
        ("POST", "grants") => {
            call.say(&json!({ "user": world.owner.id.as_str(), "role": "reader" }));
        }
        ("POST", "retention-policies") => call.say(&json!({ "versions": 3 })),
        ("POST", "executions") => {
            let scope = project::create(&world.acme, name(tag)).await.unwrap().id;
            call.say(&json!({ "scope": scope, "mode": "remote", "approvals": 1 }));
        }
        ("POST", "drift-schedules") => {
            let scope = project::create(&world.acme, name(tag)).await.unwrap().id;
            call.say(&json!({ "scope": scope, "every-hours": 24 }));
        }
        (_, "{scope}") => {
            let workspace = world.workspace(tag).await.to_string();
            call.fill("{scope}", &workspace);
        }
        ("POST", "organization-memberships") => {
            world.server.person(tag, false).await;
            call.say(&json!({ "email": tag }));
        }
        ("GET" | "DELETE", "authentication-token") => {
            let made = house::create(&world.acme, None, Wish::default()).await;
            made.unwrap();
        }
        ("PATCH", "{organization}") => call.say(&json!({ "email": "ops@example.com" })),
        ("DELETE", "{organization}") => doom(world, tag, call).await,
        ("POST", "publish") => call.say(&json!({ "published": false })),
        ("POST", "shred") => {
            doom(world, tag, call).await;
            call.say(&json!({ "reason": "tried" }));
        }
        (_, "{grant}") => {
            let (user, scope) = (world.rival.id.clone(), Scope::Organization);
            // It is over before it begins, so that the rival stays one.
            let given = access::give(&world.acme, user, Role::Reader, scope, Some(0)).await;
            call.fill("{grant}", &given.unwrap().id);
        }
        (_, "{name}") => {
            world.workspace(tag).await;
            call.fill("{name}", tag);
            if method == "PATCH" {
                call.say(&json!({ "description": tag }));
            }
        }
        ("POST", "safe-delete") => {
            workspace::create(&world.acme, name(tag), None)
                .await
                .unwrap();
            call.fill("{name}", tag);
        }
        _ => {}
    }
}

/// An organization of the same people, to be destroyed.
async fn doom(world: &World, tag: &str, call: &mut Call) {
    let doomed = world.server.organization(tag, &world.owner).await;
    for ((_, person), role) in world.people.iter().zip(Role::ALL).skip(1) {
        world.server.give(&doomed, person, role).await;
    }
    call.fill("{organization}", tag);
}

async fn of_site(
    world: &World,
    method: &str,
    last: &str,
    who: Option<&Person>,
    tag: &str,
    call: &mut Call,
) {
    match (method, last) {
        ("POST", "login") => call.say(&json!({ "username": "no password" })),
        ("POST", "users" | "organizations") => call.say(&json!({ "name": tag })),
        ("POST", "tokens") => call.say(&json!({ "label": tag })),
        ("POST", "set-password") => call.say(&json!({ "password": "correct horse battery" })),
        ("PATCH", "password") => call.say(&json!({
            "current_password": "there is none to know",
            "password": "correct horse battery",
        })),
        (_, "{token}") | ("POST", "revoke") => {
            // Only people have tokens of their own; the others try the owner's.
            let person = who.filter(|who| who.token.starts_with("sth_user_"));
            let of = person.unwrap_or(&world.owner);
            let made = world.server.post(of, "/api/v2/tokens", json!({})).await;
            call.fill("{token}", made.json()["data"]["id"].as_str().unwrap());
        }
        _ => {}
    }
    if matches!(last, "{user}" | "authentication-tokens") {
        call.fill("{user}", who.unwrap_or(&world.owner).id.as_str());
    }
    if call.path.contains("{user}") {
        world.server.person(tag, false).await;
        call.fill("{user}", tag);
    }
}

/// Lets the owner hold a workspace's lock under the id `one`.
async fn hold(world: &World, workspace: &Workspace) {
    let path = format!("/api/v2/workspaces/{workspace}/actions/lock");
    world
        .server
        .post(&world.owner, &path, json!({ "id": "one" }))
        .await
        .is(200);
}

pub(crate) async fn ask(world: &World, route: &Route, who: Option<&Person>, call: &Call) -> Answer {
    let token = who.map(|person| &*person.token);
    world
        .server
        .send(request(route.method, &call.path, token, call.body.clone()))
        .await
}
