//! What no route of `/api/v2` takes, and what it takes without harm: documents of a wrong form, and texts of every kind.
//!
//! The routes and what they take are read off the document of the API; each is called as in the access matrix, by somebody who may.
//! That every answer is as it is told, refusals included, is checked where requests are sent ([`crate::contract`]).

use serde_json::{Value, json};
use statehouse_web::{ROUTES, Route};

use crate::calls::{Call, World, ask, prepare};
use crate::support::{Answer, Person};

/// What stands for the document of a request; `None` where it takes none.
fn data(route: &Route) -> Option<&'static Value> {
    let operation =
        &statehouse_web::openapi::document()["paths"][route.path][route.method.to_lowercase()];
    operation.pointer("/requestBody/content/application~1vnd.api+json/schema/properties/data")
}

/// Routes that take a document.
fn routes() -> Vec<&'static Route> {
    let routes: Vec<_> = ROUTES
        .iter()
        .filter(|route| data(route).is_some())
        .collect();
    assert!(
        routes.len() > 40,
        "only {} routes take a document",
        routes.len()
    );
    routes
}

fn takes_list(route: &Route) -> bool {
    data(route).unwrap()["type"] == "array"
}

/// Somebody who may do it.
fn who<'w>(world: &'w World, route: &Route) -> &'w Person {
    let person = |called: &str| {
        let found = world.people.iter().find(|(column, _)| *column == called);
        &found.unwrap().1
    };
    if route.path.starts_with("/api/v2/agent/") {
        return person("agent token");
    }
    let of_site = ["/api/v2/site/", "/api/v2/users"]
        .iter()
        .any(|start| route.path.starts_with(start));
    if of_site || route.path == "/api/v2/organizations" {
        person("operator")
    } else {
        &world.owner
    }
}

async fn send(world: &World, route: &Route, call: &Call, body: impl Into<String>) -> Answer {
    let call = Call {
        path: call.path.clone(),
        body: body.into().into(),
    };
    ask(world, route, Some(who(world, route)), &call).await
}

/// Fails unless it is a refusal that a person can read.
fn refused(route: &Route, body: &str, answer: &Answer) {
    let status = answer.status.as_u16();
    assert!(
        (400..500).contains(&status),
        "{route:?} answers {status} to {body}: {}",
        answer.text()
    );
    let error = &answer.json()["errors"][0];
    assert_eq!(error["status"], status.to_string());
    let detail = error["detail"].as_str().unwrap();
    let length = detail.chars().count();
    assert!(length > 10 && length < 1500, "{route:?}: {detail}");
}

#[tokio::test]
async fn documents_of_a_wrong_form_are_refused_everywhere() {
    let world = World::new().await;
    for (number, route) in routes().into_iter().enumerate() {
        let call = prepare(
            &world,
            route,
            Some(who(&world, route)),
            &format!("bad{number}"),
        )
        .await;
        let mut wrong = vec![
            "{".to_owned(),
            "[]".to_owned(),
            "7".to_owned(),
            "\"data\"".to_owned(),
            "{}".to_owned(),
            "{\"data\":null}".to_owned(),
            "{\"data\":\"x\"}".to_owned(),
            "{\"data\":7}".to_owned(),
            format!("{}{}", "[".repeat(5000), "]".repeat(5000)),
            format!(
                "{{\"data\":{}{}}}",
                "{\"a\":".repeat(5000),
                "}".repeat(5000)
            ),
            "\u{feff}{\"data\":{}}".to_owned(),
        ];
        if takes_list(route) {
            wrong.extend(
                [
                    r#"{"data":{}}"#,
                    r#"{"data":[7]}"#,
                    r#"{"data":[["tags","x"]]}"#,
                ]
                .map(str::to_owned),
            );
            let many = vec![json!({ "id": "x" }); 501];
            wrong.push(json!({ "data": many }).to_string());
        } else {
            wrong.extend(
                [
                    r#"{"data":[]}"#,
                    r#"{"data":["x",{},{}]}"#,
                    r#"{"data":{"attributes":[]}}"#,
                    r#"{"data":{"attributes":["a","b","c","d"]}}"#,
                    r#"{"data":{"attributes":"x"}}"#,
                    r#"{"data":{"attributes":{},"relationships":[]}}"#,
                    r#"{"data":{"type":["x"],"attributes":{}}}"#,
                    r#"{"data":{"type":7,"attributes":{}}}"#,
                ]
                .map(str::to_owned),
            );
        }
        for body in wrong {
            let answer = send(&world, route, &call, body.clone()).await;
            refused(route, &body.chars().take(200).collect::<String>(), &answer);
        }
    }
}

#[tokio::test]
async fn a_document_about_another_type_is_refused_and_one_without_a_type_is_not() {
    let world = World::new().await;
    let mut typed = 0;
    for (number, route) in routes().into_iter().enumerate() {
        let kind = data(route)
            .unwrap()
            .pointer("/properties/type/enum")
            .is_some();
        let call = prepare(
            &world,
            route,
            Some(who(&world, route)),
            &format!("type{number}"),
        )
        .await;
        let mut body: Value = serde_json::from_slice(&call.body).unwrap_or(json!({ "data": {} }));
        if !kind || takes_list(route) || route.path.ends_with("/login") {
            continue;
        }
        typed += 1;
        for wrong in [
            "cats",
            "Workspaces",
            "workspaces ",
            "\u{202e}",
            &"x".repeat(10_000),
        ] {
            body["data"]["type"] = wrong.into();
            let answer = send(&world, route, &call, body.to_string()).await;
            refused(route, wrong, &answer);
            assert_eq!(answer.status.as_u16(), 409, "{route:?}: {}", answer.text());
        }
        body["data"]["type"] = "".into();
        let status = send(&world, route, &call, body.to_string())
            .await
            .status
            .as_u16();
        // The owner of the matrix has no password to change.
        let good = status < 300 || route.path.ends_with("/password");
        assert!(good, "{route:?} answers {status} without a type");
    }
    assert!(typed > 20, "only {typed} routes say what they take");
}

/// Texts that have broken programs.
fn texts() -> Vec<String> {
    let texts = [
        "شبكة",
        "网络",
        "सर्वर",
        "🏠🏡",
        "e\u{301}e\u{301}",
        "\u{202e}nwod edispu",
        "a\u{0}b",
        "a\u{200b}b",
        "\u{feff}x",
        "\u{fffe}",
        "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        "<script>alert(1)</script>",
        "'; DROP TABLE workspace; --",
        "../../etc/passwd",
        "%00%0a",
        "line\nline\r\nline\ttab",
        " ",
        "",
        "NULL",
        "-1",
        "{{7*7}}",
        "${jndi:ldap://x}",
    ];
    let mut all: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    all.extend([
        "x".repeat(10_000),
        "ж".repeat(10_000),
        "\u{1f3e0}".repeat(10_000),
    ]);
    all
}

/// Puts `text` in the place of every text of the attributes.
fn fill(value: &mut Value, text: &str) -> bool {
    match value {
        Value::String(old) => {
            text.clone_into(old);
            true
        }
        // Each of them, also after the first that was filled.
        Value::Array(values) => {
            let filled = values
                .iter_mut()
                .filter_map(|each| fill(each, text).then_some(()));
            filled.count() > 0
        }
        Value::Object(fields) => {
            let filled = fields
                .values_mut()
                .filter_map(|each| fill(each, text).then_some(()));
            filled.count() > 0
        }
        _ => false,
    }
}

/// Every text of `value` under attributes.
fn holds(value: &Value, text: &str) -> bool {
    match value {
        Value::String(own) => own == text,
        Value::Array(values) => values.iter().any(|each| holds(each, text)),
        Value::Object(fields) => fields.values().any(|each| holds(each, text)),
        _ => false,
    }
}

#[tokio::test]
async fn every_text_is_kept_as_it_is_or_refused() {
    let world = World::new().await;
    let (mut kept, mut refusals) = (0, 0);
    for (number, route) in routes().into_iter().enumerate() {
        for (index, text) in texts().iter().enumerate() {
            let tag = format!("text{number}-{index}");
            let call = prepare(&world, route, Some(who(&world, route)), &tag).await;
            let mut body: Value =
                serde_json::from_slice(&call.body).unwrap_or(json!({ "data": {} }));
            let pointer = if takes_list(route) {
                "/data"
            } else {
                "/data/attributes"
            };
            let filled = body
                .pointer_mut(pointer)
                .is_some_and(|attributes| fill(attributes, text));
            if !filled {
                break;
            }
            let answer = send(&world, route, &call, body.to_string()).await;
            let status = answer.status.as_u16();
            if status >= 400 {
                refused(route, &text.chars().take(40).collect::<String>(), &answer);
                refusals += 1;
                continue;
            }
            kept += 1;
            assert!(!text.contains('\u{0}'), "{route:?} takes U+0000");
            let told = !answer.body.is_empty() && route.path.ends_with('s') && status == 201;
            if told && !text.is_empty() && route.path.contains("workspaces") {
                assert!(
                    holds(&answer.json(), text),
                    "{route:?} {text:?}: {}",
                    answer.text()
                );
            }
        }
    }
    assert!(
        kept > 100 && refusals > 300,
        "{kept} texts were kept, {refusals} refused"
    );
}

#[tokio::test]
async fn every_text_in_an_address_is_refused_or_found_nothing() {
    let world = World::new().await;
    let escaped = |text: &str| {
        let bytes = text.bytes().map(|byte| format!("%{byte:02X}"));
        bytes.collect::<Vec<_>>().concat()
    };
    for route in ROUTES
        .iter()
        .filter(|route| route.path.starts_with("/api/v2/") && route.path.contains('{'))
    {
        for text in texts()
            .iter()
            .filter(|text| !text.is_empty() && text.len() < 3000)
        {
            let parts = route.path.split('/').map(|part| match part {
                "{organization}" if route.path.contains("/{name}") => "acme".to_owned(),
                part if part.starts_with('{') => escaped(text),
                part => part.to_owned(),
            });
            let path = parts.collect::<Vec<_>>().join("/");
            let call = Call {
                path,
                body: r#"{"data":{"attributes":{}}}"#.into(),
            };
            let answer = ask(&world, route, Some(&world.owner), &call).await;
            let status = answer.status.as_u16();
            assert!(
                (400..500).contains(&status),
                "{route:?} answers {status} to {text:?}"
            );
        }
    }
}
