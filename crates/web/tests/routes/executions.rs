//! Where runs happen and who must agree, said of the organization, of a project or of a workspace.

use serde_json::{Value, json};
use statehouse_core::token::{Wish, house};
use statehouse_model::Role;

use crate::planned::Remote;
use crate::support::{ACME, Acme, Person, document};

const SAY: &str = "/api/v2/organizations/acme/executions";

/// What is in force: the mode, the approvals, and the scope that says so.
async fn in_force(acme: &Acme, scope: &str) -> (String, u64, Value) {
    let told = acme.get(&acme.owner, &format!("{SAY}/{scope}")).await;
    assert_eq!(told["data"]["id"], scope);
    let told = &told["data"]["attributes"];
    let mode = told["mode"].as_str().unwrap().to_owned();
    let approvals = told["approvals"].as_u64().unwrap();
    (mode, approvals, told["said-of"].clone())
}

async fn mode_of(acme: &Acme, at: &str) -> (Value, Value) {
    let told = acme.get(&acme.owner, at).await;
    let told = &told["data"]["attributes"];
    let own = told["setting-overwrites"]["execution-mode"].clone();
    assert_eq!(told["operations"], told["execution-mode"] == "remote");
    (told["execution-mode"].clone(), own)
}

#[tokio::test]
async fn the_narrowest_scope_that_says_something_counts() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let project = json!({ "name": "net" });
    let (projects, workspaces) = (format!("{ACME}/projects"), format!("{ACME}/workspaces"));
    let project = acme.post(owner, &projects, project, 201).await;
    let project = project["data"]["id"].as_str().unwrap().to_owned();
    let new = json!({ "name": "dns", "project": "net" });
    let made = acme.post(owner, &workspaces, new, 201).await;
    let workspace = made["data"]["id"].as_str().unwrap().to_owned();
    let at = format!("/api/v2/workspaces/{workspace}");
    let beside = acme.workspace("beside").await;

    let nothing = ("local".to_owned(), 0, Value::Null);
    for scope in ["organization", &project, &workspace] {
        assert_eq!(in_force(&acme, scope).await, nothing);
    }
    let say = async |what: Value| acme.post(owner, SAY, what, 201).await;
    let said = say(json!({ "mode": "remote", "approvals": 1 })).await;
    assert_eq!(said["data"]["id"], "organization");
    let of_all = ("remote".to_owned(), 1, json!("organization"));
    for scope in ["organization", &project, &workspace] {
        assert_eq!(in_force(&acme, scope).await, of_all);
    }
    assert_eq!(mode_of(&acme, &at).await, (json!("remote"), json!(false)));

    say(json!({ "scope": project, "approvals": 2, "author-approves": true })).await;
    let of_project = ("remote".to_owned(), 2, json!(project));
    for scope in [&project, &workspace] {
        assert_eq!(in_force(&acme, scope).await, of_project);
    }
    assert_eq!(in_force(&acme, "organization").await, of_all);

    say(json!({ "scope": workspace, "mode": "local" })).await;
    let own = ("local".to_owned(), 2, json!(workspace));
    assert_eq!(in_force(&acme, &workspace).await, own);
    assert_eq!(mode_of(&acme, &at).await, (json!("local"), json!(true)));
    assert_eq!(in_force(&acme, &project).await, of_project);
    assert_eq!(mode_of(&acme, &beside).await.0, "remote");

    // A narrower scope asks for more, never for less, and takes back what it said.
    say(json!({ "scope": workspace, "approvals": 1 })).await;
    assert_eq!(in_force(&acme, &workspace).await, own);
    let back = json!({ "scope": workspace, "mode": null, "approvals": null });
    let said = say(back).await;
    assert_eq!(said["data"]["attributes"]["said-of"], json!(project));
    assert_eq!(in_force(&acme, &workspace).await, of_project);
    assert_eq!(mode_of(&acme, &at).await, (json!("remote"), json!(false)));
}

#[tokio::test]
async fn the_tool_of_runs_is_said_and_taken_back_like_the_rest() {
    let acme = Acme::new().await;
    let at = acme.workspace("dns").await;
    let made = acme.get(&acme.owner, &at).await;
    let workspace = made["data"]["id"].as_str().unwrap().to_owned();
    let tool = async |scope: &str| {
        let told = acme.get(&acme.owner, &format!("{SAY}/{scope}")).await;
        let told = &told["data"]["attributes"];
        (told["tool"].clone(), told["said-of"].clone())
    };
    let say = async |what: Value| acme.post(&acme.owner, SAY, what, 201).await;
    assert_eq!(tool(&workspace).await, (json!("terraform"), Value::Null));
    let said = say(json!({ "tool": "tofu" })).await;
    assert_eq!(said["data"]["attributes"]["tool"], "tofu");
    let of_all = (json!("tofu"), json!("organization"));
    assert_eq!(tool(&workspace).await, of_all);
    say(json!({ "scope": workspace, "tool": "terraform" })).await;
    let own = (json!("terraform"), json!(workspace));
    assert_eq!(tool(&workspace).await, own);
    assert_eq!(tool("organization").await, of_all);
    // What is left out stays as it is, on both sides.
    say(json!({ "scope": workspace, "approvals": 1 })).await;
    assert_eq!(tool(&workspace).await, own);
    say(json!({ "scope": workspace, "tool": null })).await;
    assert_eq!(tool(&workspace).await, (json!("tofu"), json!(workspace)));
    say(json!({ "scope": workspace, "approvals": null })).await;
    assert_eq!(tool(&workspace).await, of_all);
}

/// An id of the same kind that is nobody's.
fn another_than(id: &str) -> String {
    let last = if id.ends_with('z') { 'y' } else { 'z' };
    format!("{}{last}", &id[..id.len() - 1])
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_and_named() {
    let place = Remote::new().await;
    let unknown = another_than(&place.workspace);
    let project = unknown.replacen("ws-", "prj-", 1);
    let long = "x".repeat(10_000);
    let pool = unknown.replacen("ws-", "apool-", 1);
    for (wrong, status, words) in [
        (
            json!({ "mode": "agent" }),
            400,
            "the execution mode `agent` needs a pool",
        ),
        (
            json!({ "mode": "Remote" }),
            400,
            "known are `local`, `remote` and `agent`",
        ),
        (
            json!({ "mode": "remote", "pool": pool }),
            400,
            "a pool of agents goes with",
        ),
        (json!({ "pool": pool }), 400, "which is not said"),
        (json!({ "mode": "agent", "pool": pool }), 404, ""),
        (json!({ "mode": "agent", "pool": "far" }), 404, ""),
        (
            json!({ "mode": format!("agent:{pool}") }),
            400,
            "is no execution mode",
        ),
        (json!({ "mode": long }), 400, "xxx"),
        (json!({ "mode": 7 }), 400, "string"),
        (json!({ "mode": ["remote"] }), 400, "string"),
        (
            json!({ "tool": "opentofu" }),
            400,
            "known are `terraform` and `tofu`",
        ),
        (json!({ "tool": "Terraform" }), 400, "is no tool"),
        (json!({ "tool": "" }), 400, "is no tool"),
        (json!({ "tool": ["tofu"] }), 400, "string"),
        (json!({ "approvals": 101 }), 400, "at most 100 approvals"),
        (json!({ "approvals": -1 }), 400, "u64"),
        (json!({ "approvals": 1.5 }), 400, "u64"),
        (json!({ "approvals": "2" }), 400, "u64"),
        (json!({ "author-approves": "yes" }), 400, "boolean"),
        (json!({ "aprovals": 2 }), 400, "unknown field `aprovals`"),
        (json!({ "scope": "everything" }), 400, "scope"),
        (json!({ "scope": "شبكة" }), 400, "scope"),
        (json!({ "scope": place.configuration }), 400, "scope"),
        (json!({ "scope": unknown, "mode": "remote" }), 404, ""),
        (json!({ "scope": project, "mode": "remote" }), 404, ""),
    ] {
        let said = wrong.to_string();
        let answer = place.server().post(place.owner(), SAY, wrong).await;
        let found = (answer.status.as_u16(), answer.text().contains(words));
        assert_eq!(found, (status, true), "{said}: {}", answer.text());
    }
    for scope in [&*unknown, &project] {
        let path = format!("{SAY}/{scope}");
        let asked = place.server().call(place.owner(), "GET", &path, "");
        asked.await.is(404);
    }
    assert_eq!(
        in_force(&place.acme, "organization").await,
        ("local".to_owned(), 0, Value::Null)
    );
}

#[tokio::test]
async fn whoever_may_not_say_where_runs_happen_changes_and_makes_nothing_by_it() {
    let acme = Acme::new().await;
    let called = crate::support::name("acme");
    let ctx = acme.server.core.enter_as_machine(&called).await.unwrap();
    let writer = acme.server.member("wim", &ctx, Role::Writer).await;
    let at = acme.workspace("dns").await;
    let change = async |who: &Person, attributes: Value, status: u16| {
        let body = document(&attributes);
        let answer = acme.server.call(who, "PATCH", &at, body).await;
        answer.is(status).json()
    };
    let both = json!({ "description": "x", "execution-mode": "remote" });
    change(&writer, both.clone(), 403).await;
    let now = acme.get(&acme.owner, &at).await;
    assert_eq!(now["data"]["attributes"]["description"], Value::Null);
    // What is so already is no change, and clients send it with every other one.
    let same = json!({ "description": "y", "execution-mode": "local", "operations": false });
    change(&writer, same, 200).await;
    let changed = change(&acme.owner, both, 200).await;
    assert_eq!(changed["data"]["attributes"]["execution-mode"], "remote");
    assert_eq!(changed["data"]["attributes"]["description"], "x");
    change(&acme.owner, json!({ "operations": false }), 200).await;
    assert_eq!(mode_of(&acme, &at).await, (json!("local"), json!(true)));

    // Nor is half of it made.
    let (_, secret) = house::create(&ctx, None, Wish::default()).await.unwrap();
    let secret = secrecy::ExposeSecret::expose_secret(&secret).to_owned();
    let token = Person {
        token: secret,
        ..acme.owner.clone()
    };
    let path = format!("{ACME}/workspaces");
    let new = json!({ "name": "far", "execution-mode": "remote" });
    for who in [&writer, &token] {
        acme.post(who, &path, new.clone(), 403).await;
        let far = format!("{path}/far");
        let asked = acme.server.call(&acme.owner, "GET", &far, "");
        asked.await.is(404);
    }
    acme.post(
        &token,
        &path,
        json!({ "name": "near", "execution-mode": "local" }),
        201,
    )
    .await;
    acme.post(&acme.owner, &path, new, 201).await;
    assert_eq!(
        mode_of(&acme, &format!("{path}/far")).await,
        (json!("remote"), json!(true))
    );
    // What was said so is in the ledger like what is said by itself.
    let compare = format!("{ACME}/ledger/actions/verify-live");
    let compared = acme.post(&acme.owner, &compare, json!({}), 200).await;
    assert_eq!(compared["data"]["attributes"]["count"], 0, "{compared}");
}
