//! What every route of `/api/v2` can be asked: fields, sorting, inclusion, tags of what is known, keys of creations; and how often.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, HOST, HeaderName};
use serde_json::{Value, json};
use statehouse_model::Role;
use statehouse_web::Pace;

use crate::support::{ACME, Acme, Answer, Person, Server, basic, document, lock, name, state};

/// A request with one header more.
async fn send(
    server: &Server,
    who: &Person,
    method: &str,
    path: &str,
    header: (&'static str, &str),
    body: &str,
) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost")
        .header(AUTHORIZATION, basic(&who.token))
        .header(HeaderName::from_static(header.0), header.1);
    let body = Full::new(Bytes::from(body.to_owned()));
    server.send(request.body(body).unwrap()).await
}

#[tokio::test]
async fn no_more_is_answered_than_what_is_wanted() {
    let acme = Acme::new().await;
    let workspace = acme.workspace("dns").await;
    let wanted = format!("{workspace}?fields[workspaces]=name,locked,project,unknown");
    let shown = acme.get(&acme.owner, &wanted).await;
    assert_eq!(
        shown["data"]["attributes"],
        json!({ "name": "dns", "locked": false })
    );
    let relations = shown["data"]["relationships"].as_object().unwrap();
    assert_eq!(relations.keys().collect::<Vec<_>>(), ["project"]);
    let none = acme
        .get(&acme.owner, &format!("{workspace}?fields[workspaces]="))
        .await;
    assert_eq!(none["data"]["attributes"], json!({}));
    let whole = acme
        .get(&acme.owner, &format!("{workspace}?fields[teams]=name"))
        .await;
    assert!(whole["data"]["attributes"]["permissions"].is_object());
    let teams = format!("{ACME}/teams?include=users&fields[users]=username&fields[teams]=name");
    let teams = acme.get(&acme.owner, &teams).await;
    assert_eq!(teams["data"][0]["attributes"], json!({ "name": "owners" }));
    assert_eq!(
        teams["included"][0]["attributes"],
        json!({ "username": "olga" })
    );
    let wrong = format!("{workspace}?fields[cats]=name");
    let wrong = acme.server.call(&acme.owner, "GET", &wrong, "");
    let wrong = wrong.await.is(400);
    assert!(wrong.text().contains("workspaces"), "{}", wrong.text());
}

#[tokio::test]
async fn what_cannot_be_given_is_refused_and_what_can_is_named() {
    let acme = Acme::new().await;
    let workspace = acme.workspace("dns").await;
    let long = format!("{ACME}/workspaces?q={}", "x".repeat(20_000));
    for (path, words) in [
        (
            format!("{ACME}/teams?include=cats"),
            "users, organization-memberships",
        ),
        (
            format!("{ACME}/teams?include=users,cats"),
            "`cats` cannot be included",
        ),
        (
            format!("{ACME}/organization-memberships?include=users"),
            "user, teams",
        ),
        (
            format!("{workspace}?include=cats"),
            "Invalid include parameter",
        ),
        (format!("{ACME}/workspaces?sort=cats"), "name, created-at"),
        (
            format!("{ACME}/workspaces?sort=--name"),
            "nothing to sort by",
        ),
        (format!("{ACME}/grants?sort=role"), "cannot be sorted"),
        (format!("{ACME}/workspaces?page[number]=0"), "number from 1"),
        (
            format!("{ACME}/workspaces?page[number]=-1"),
            "number from 1",
        ),
        (format!("{ACME}/workspaces?page[size]=0"), "number from 1"),
        (format!("{ACME}/teams?page[size]=1.5"), "number from 1"),
        (
            format!("{ACME}/projects?page[size]=%D9%A3"),
            "number from 1",
        ),
        (format!("{ACME}/workspaces?page[after]=%00"), "U+0000"),
        (format!("{ACME}/workspaces?search[name]=a%00b"), "U+0000"),
        (long, "at most 16384 bytes"),
    ] {
        let refused = acme
            .server
            .call(&acme.owner, "GET", &path, "")
            .await
            .is(400);
        assert!(refused.text().contains(words), "{path}: {}", refused.text());
    }
    // What clients ask by habit, and pages beyond the last.
    for path in [
        format!(
            "{workspace}?include=organization,current_run.plan,locked_by,effective_tag_bindings"
        ),
        format!(
            "{ACME}/workspaces?page[number]=99999999999999999999&page[size]=99999999999999999999"
        ),
        format!("{ACME}/workspaces?TagBindings=&sort=&page[size]="),
    ] {
        acme.get(&acme.owner, &path).await;
    }
}

#[tokio::test]
async fn lists_are_sorted_both_ways() {
    let acme = Acme::new().await;
    for (list, names) in [
        ("projects", ["b", "a"]),
        ("workspaces", ["b", "a"]),
        ("teams", ["b", "a"]),
    ] {
        for called in names {
            acme.post(
                &acme.owner,
                &format!("{ACME}/{list}"),
                json!({ "name": called }),
                201,
            )
            .await;
        }
        let names = async |sort: &str| {
            let found = acme
                .get(&acme.owner, &format!("{ACME}/{list}?sort={sort}"))
                .await;
            let names = found["data"].as_array().unwrap().iter();
            let names = names.map(|each| each["attributes"]["name"].as_str().unwrap());
            names.filter(|name| name.len() == 1).collect::<String>()
        };
        assert_eq!(names("name").await, "ab", "{list}");
        assert_eq!(names("-name").await, "ba", "{list}");
        if list != "teams" {
            assert_eq!(names("created-at").await, "ba", "{list}");
            assert_eq!(names("-created-at").await, "ab", "{list}");
        }
    }
}

#[tokio::test]
async fn a_caller_who_has_an_answer_is_told_that_it_still_holds() {
    let acme = Acme::new().await;
    let workspace = acme.workspace("dns").await;
    let get = async |who: &Person, tag: &str| {
        send(
            &acme.server,
            who,
            "GET",
            &workspace,
            ("if-none-match", tag),
            "",
        )
        .await
    };
    let first = get(&acme.owner, "\"other\"").await.is(200);
    let tag = first.header("etag").to_owned();
    assert_eq!(tag.len(), 34, "{tag}");
    for held in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"x\", {tag}"),
        "*".to_owned(),
    ] {
        let same = get(&acme.owner, &held).await.is(304);
        assert!(same.body.is_empty());
        assert_eq!(same.header("etag"), tag);
    }
    // It is no way around a refusal.
    let stranger = acme.server.person("sam", false).await;
    get(&stranger, &tag).await.is(404);
    let change = document(&json!({ "description": "x" }));
    acme.server
        .call(&acme.owner, "PATCH", &workspace, change)
        .await
        .is(200);
    let changed = get(&acme.owner, &tag).await.is(200);
    assert_ne!(changed.header("etag"), tag);
    let made = acme
        .server
        .post(
            &acme.owner,
            &format!("{ACME}/projects"),
            json!({ "name": "net" }),
        )
        .await;
    assert_eq!(made.is(201).header("etag"), "");
}

/// A creation with a key.
async fn once(acme: &Acme, who: &Person, path: &str, key: &str, attributes: &Value) -> Answer {
    send(
        &acme.server,
        who,
        "POST",
        path,
        ("idempotency-key", key),
        &document(attributes),
    )
    .await
}

#[tokio::test]
async fn a_creation_that_is_repeated_is_done_once() {
    let acme = Acme::new().await;
    let owner = &acme.owner;
    let mut at = vec![(format!("{ACME}/workspaces"), json!({ "name": "dns" }))];
    at.push((format!("{ACME}/projects"), json!({ "name": "net" })));
    at.push((format!("{ACME}/teams"), json!({ "name": "crew" })));
    at.push((
        format!("{ACME}/grants"),
        json!({ "user": acme.operator.id.as_str(), "role": "reader" }),
    ));
    for (number, (path, attributes)) in at.iter().enumerate() {
        let key = format!("key-{number}");
        let first = once(&acme, owner, path, &key, attributes).await.is(201);
        assert_eq!(first.header("idempotent-replayed"), "");
        let again = once(&acme, owner, path, &key, attributes).await.is(201);
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(first.json(), again.json());
        let other = once(&acme, owner, path, &key, &json!({ "name": "other" }))
            .await
            .is(422);
        assert!(other.text().contains("another request"), "{}", other.text());
    }
    let listed = acme.get(owner, &format!("{ACME}/grants")).await;
    let readers = listed["data"].as_array().unwrap().iter();
    assert_eq!(
        readers
            .filter(|grant| grant["attributes"]["role"] == "reader")
            .count(),
        1
    );
    // A day later it is another request, and finds what is there.
    acme.server.later(24 * 3600 * 1_000_000);
    once(&acme, owner, &at[0].0, "key-0", &at[0].1)
        .await
        .is(409);
}

#[tokio::test]
async fn a_repeated_token_is_one_token_and_its_secret_is_told_once() {
    let acme = Acme::new().await;
    let tokens = "/api/v2/tokens";
    let own = format!("/api/v2/users/{}/authentication-tokens", acme.owner.id);
    for (path, wish) in [
        (tokens, json!({ "label": "x" })),
        (&*own, json!({ "description": "y" })),
    ] {
        let before = acme.get(&acme.owner, tokens).await["data"]
            .as_array()
            .unwrap()
            .len();
        let first = once(&acme, &acme.owner, path, path, &wish)
            .await
            .is(201)
            .json();
        let again = once(&acme, &acme.owner, path, path, &wish)
            .await
            .is(201)
            .json();
        assert!(
            first["data"]["attributes"]["token"]
                .as_str()
                .unwrap()
                .starts_with("sth_")
        );
        assert_eq!(again["data"]["attributes"]["token"], Value::Null);
        assert_eq!(first["data"]["id"], again["data"]["id"]);
        let after = acme.get(&acme.owner, tokens).await["data"]
            .as_array()
            .unwrap()
            .len();
        assert_eq!(after, before + 1);
    }
}

#[tokio::test]
async fn a_key_is_of_its_caller_alone_and_of_nobody_whose_token_ended() {
    let acme = Acme::new().await;
    let house = acme
        .server
        .core
        .enter_as_machine(&name("acme"))
        .await
        .unwrap();
    let wim = acme.server.member("wim", &house, Role::Writer).await;
    let path = format!("{ACME}/workspaces");
    let made = once(&acme, &acme.owner, &path, "k", &json!({ "name": "dns" }))
        .await
        .is(201);
    // Another caller's key is another key: the name is taken.
    once(&acme, &wim, &path, "k", &json!({ "name": "dns" }))
        .await
        .is(409);
    let stranger = acme.server.person("sam", false).await;
    once(&acme, &stranger, &path, "k", &json!({ "name": "dns" }))
        .await
        .is(404);
    // A refusal is not remembered.
    once(
        &acme,
        &wim,
        &format!("{ACME}/projects"),
        "p",
        &json!({ "name": "net" }),
    )
    .await
    .is(403);
    acme.server.give(&house, &wim, Role::Maintainer).await;
    once(
        &acme,
        &wim,
        &format!("{ACME}/projects"),
        "p",
        &json!({ "name": "net" }),
    )
    .await
    .is(201);
    for wrong in ["", "a b", &"k".repeat(256)] {
        once(&acme, &acme.owner, &path, wrong, &json!({ "name": "x" }))
            .await
            .is(400);
    }
    let id = made.json()["data"]["id"].clone();
    assert_eq!(
        once(&acme, &acme.owner, &path, "k", &json!({ "name": "dns" }))
            .await
            .json()["data"]["id"],
        id
    );
    let own = acme.get(&acme.owner, "/api/v2/tokens").await;
    let token = own["data"][0]["id"].as_str().unwrap().to_owned();
    acme.server
        .call(
            &acme.owner,
            "DELETE",
            &format!("/api/v2/tokens/{token}"),
            "",
        )
        .await
        .is(200);
    once(&acme, &acme.owner, &path, "k", &json!({ "name": "dns" }))
        .await
        .is(401);
}

#[tokio::test]
async fn whoever_asks_too_often_waits_and_loses_no_state() {
    let server = Server::paced(Pace {
        per_second: 10,
        burst: 20,
    })
    .await;
    let owner = server.person("olga", false).await;
    server.organization("acme", &owner).await;
    let acme = Acme {
        operator: owner.clone(),
        owner,
        server,
    };
    let workspace = acme.workspace("dns").await;
    let ask = async || acme.server.call(&acme.owner, "GET", &workspace, "").await;
    let first = ask().await.is(200);
    assert_eq!(first.header("x-ratelimit-limit"), "10");
    assert_eq!(first.header("x-ratelimit-reset"), "0.000");
    let left: usize = first.header("x-ratelimit-remaining").parse().unwrap();
    for _ in 0..left {
        ask().await.is(200);
    }
    let refused = ask().await.is(429);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("x-ratelimit-remaining"), "0");
    let reset: f64 = refused.header("x-ratelimit-reset").parse().unwrap();
    assert!(reset > 0.0 && reset <= 0.1, "{reset}");
    // What an apply still has to do is done: the state is sent, and the lock is given back.
    let held = lock("one", "OperationTypeApply");
    let http = "/state/acme/dns";
    acme.server
        .call(&acme.owner, "LOCK", http, held.clone())
        .await
        .is(200);
    acme.server
        .call(
            &acme.owner,
            "POST",
            &format!("{http}?ID=one"),
            state("a", 1, 1),
        )
        .await
        .is(200);
    acme.server
        .call(&acme.owner, "UNLOCK", http, held)
        .await
        .is(200);
    acme.server
        .call(
            &acme.owner,
            "POST",
            &format!("{workspace}/state"),
            state("a", 2, 1),
        )
        .await
        .is(201);
    ask().await.is(429);
    // Another caller is not slowed down, a guess is one of the address, and time brings it back.
    acme.server.later(100_000);
    ask().await.is(200);
    ask().await.is(429);
}

#[tokio::test]
async fn a_version_comes_with_its_outputs_where_they_are_asked_for() {
    let acme = Acme::new().await;
    let workspace = acme.workspace("dns").await;
    let outputs = r#""outputs":{"open":{"value":"x","type":"string"},"secret":{"value":"canary","type":"string","sensitive":true}}"#;
    let bytes = state("a", 1, 1).replace(r#""outputs":{}"#, outputs);
    acme.server
        .call(&acme.owner, "POST", &format!("{workspace}/state"), bytes)
        .await
        .is(201);
    let shown = acme
        .get(
            &acme.owner,
            &format!("{workspace}/current-state-version?include=outputs"),
        )
        .await;
    let included = shown["included"].as_array().unwrap();
    assert_eq!(included.len(), 2);
    assert!(!shown.to_string().contains("canary"));
    let related = &shown["data"]["relationships"]["outputs"]["data"];
    assert_eq!(related.as_array().unwrap().len(), 2);
    let plain = acme
        .get(&acme.owner, &format!("{workspace}/current-state-version"))
        .await;
    assert!(plain.get("included").is_none());
    // Whoever may see the version and not its outputs is refused them.
    let house = acme
        .server
        .core
        .enter_as_machine(&name("acme"))
        .await
        .unwrap();
    let rita = acme.server.member("rita", &house, Role::Reader).await;
    acme.get(&rita, &format!("{workspace}/current-state-version"))
        .await;
    let asked = format!("{workspace}/current-state-version?include=outputs");
    acme.server.call(&rita, "GET", &asked, "").await.is(403);
}

#[tokio::test]
async fn the_document_and_its_page_are_for_anybody() {
    let acme = Acme::new().await;
    let anybody = async |path: &str| {
        acme.server
            .send(crate::support::request("GET", path, None, Bytes::new()))
            .await
    };
    let told = anybody("/api/v2/openapi.json").await.is(200);
    assert_eq!(told.json(), *statehouse_web::openapi::document());
    let page = anybody("/api/v2/docs").await.is(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    for words in [
        "/api/v2/teams/{team}",
        "team.read",
        "Types of resources",
        "id=\"type-workspaces\"",
        "locked",
    ] {
        assert!(page.text().contains(words), "{words}");
    }
    // Nothing of it runs, and nothing comes from elsewhere.
    assert!(
        !page.text().contains("<script")
            && !page.text().contains("http://")
            && !page.text().contains("https://")
    );
}

#[tokio::test]
async fn a_project_says_what_its_caller_may_do() {
    let acme = Acme::new().await;
    let house = acme
        .server
        .core
        .enter_as_machine(&name("acme"))
        .await
        .unwrap();
    let made = acme
        .post(
            &acme.owner,
            &format!("{ACME}/projects"),
            json!({ "name": "net" }),
            201,
        )
        .await;
    let path = format!("/api/v2/projects/{}", made["data"]["id"].as_str().unwrap());
    let may = |update: bool, workspace: bool| json!({ "can-update": update, "can-destroy": update, "can-create-workspace": workspace });
    assert_eq!(made["data"]["attributes"]["permissions"], may(true, true));
    for (role, expected) in [
        (Role::Maintainer, may(true, true)),
        (Role::Writer, may(false, true)),
        (Role::Planner, may(false, false)),
        (Role::Reader, may(false, false)),
    ] {
        let person = acme.server.member(role.as_str(), &house, role).await;
        let shown = acme.get(&person, &path).await;
        assert_eq!(
            shown["data"]["attributes"]["permissions"], expected,
            "{role}"
        );
        let listed = acme
            .get(&person, &format!("{ACME}/projects?filter[names]=net"))
            .await;
        assert_eq!(
            listed["data"][0]["attributes"]["permissions"], expected,
            "{role}"
        );
    }
}

/// A client that sends its next request over the same connection must know when there is none any more.
#[tokio::test]
async fn a_refusal_before_the_body_says_that_the_connection_ends() {
    let acme = Acme::new().await;
    let long = "x".repeat(100_000);
    let connection = async |who: Option<&Person>, method: &str, path: &str, body: &str| {
        let token = who.map(|who| &*who.token);
        let asked = crate::support::request(method, path, token, Bytes::from(body.to_owned()));
        let answer = acme.server.send(asked).await;
        answer.header("connection").to_owned()
    };
    for (path, body) in [
        ("/api/v2/tokens", &*long),
        ("/api/v2/tokens", "{}"),
        ("/api/v2/nowhere", &long),
    ] {
        assert_eq!(
            connection(None, "POST", path, body).await,
            "close",
            "{path}"
        );
    }
    assert_eq!(connection(None, "PUT", "/api/v2/ping", "x").await, "close");
    for (who, method, body) in [
        (None, "GET", ""),
        (None, "POST", ""),
        (Some(&acme.owner), "POST", "{}"),
        (Some(&acme.owner), "POST", "["),
    ] {
        assert_eq!(
            connection(who, method, "/api/v2/tokens", body).await,
            "",
            "{method} {body}"
        );
    }
}
