#![allow(missing_docs)]

use serde_json::json;

use super::*;

/// Changes an input.
type Turn<'a> = &'a dyn Fn(&mut Input);

const PLAN: &str = r#"{"format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": [{"address": "a.b"}],
    "prior_state": {"values": {}}, "run": {"id": "forged"}, "cost": {"monthly_after": 0}}"#;

fn input() -> Input {
    let documents = [
        (Part::Plan, PLAN),
        (
            Part::State,
            r#"{"version": 4, "serial": 7, "resources": []}"#,
        ),
    ];
    Input {
        documents: documents
            .map(|(part, text)| (part, Text::from(text)))
            .into(),
        context: Context {
            run: Some(Run {
                id: "run-1".into(),
                ..Run::default()
            }),
            timestamp_ns: 5,
            ..Context::default()
        },
        data: BTreeMap::new(),
    }
}

fn parsed() -> Parsed {
    let Input {
        documents, context, ..
    } = input();
    Parsed::read(&documents, context).unwrap()
}

#[test]
fn a_plan_cannot_speak_for_the_server() {
    let native = parsed().view(Dialect::Native, Entity::Plan).to_value();
    assert_eq!(native["run"]["id"], "run-1");
    assert_eq!(native.get("cost"), None);
    assert_eq!(native["plan"]["run"]["id"], "forged");
    assert_eq!(native["prior_state"], json!({"values": {}}));
    assert_eq!(
        native["terraform"],
        json!({"resource_changes": [{"address": "a.b"}], "terraform_version": "1.11.4"})
    );
    assert_eq!(native["tfplan"], native["plan"]);
    assert_eq!(
        native["resource_changes"],
        native["plan"]["resource_changes"]
    );
    assert_eq!(
        (&native["state"]["serial"], &native["stage"]),
        (&json!(7), &json!("plan"))
    );
}

#[test]
fn a_document_that_is_none_is_named() {
    let nested = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    for text in [
        "{\"format_version\": \"1.2\", \"resource_cha",
        "",
        "\u{0}",
        "[1,]",
        nested.as_str(),
    ] {
        let documents = BTreeMap::from([(Part::Plan, Text::from(text))]);
        let error = Parsed::read(&documents, Context::default())
            .err()
            .unwrap()
            .to_string();
        assert!(error.starts_with("the plan cannot be read"), "{error}");
    }
}

#[test]
fn the_digest_covers_everything_but_what_changes_before_an_apply() {
    let (lasting, all) = input().digests();
    let changed = |change: &dyn Fn(&mut Input)| {
        let mut input = input();
        change(&mut input);
        let (other_lasting, other_all) = input.digests();
        (other_lasting == lasting, other_all == all)
    };
    assert_eq!(changed(&|_| {}), (true, true));
    let later: [Turn<'_>; 3] = [
        &|it| it.context.timestamp_ns = 6,
        &|it| it.context.stage = Stage::Apply,
        &|it| it.context.approvals.push(Approval::default()),
    ];
    for change in later {
        assert_eq!(changed(change), (true, false));
    }
    let other: [Turn<'_>; 5] = [
        &|it| it.context.workspace.tags.push("prod".into()),
        &|it| it.context.changed_outside.push(Change::default()),
        &|it| drop(it.documents.remove(&Part::State)),
        &|it| drop(it.documents.insert(Part::State, Text::from("{}"))),
        &|it| drop(it.data.insert("teams".into(), json!([]))),
    ];
    for change in other {
        assert_eq!(changed(change), (false, false));
    }
}

#[test]
fn canonical_text_has_one_order() {
    let value: Value =
        serde_json::from_str(r#"{"b": [1, {"z": null, "a": "\u00e9\n"}], "a": {}, "c": []}"#)
            .unwrap();
    assert_eq!(
        canonical(&value),
        "{\"a\":{},\"b\":[1,{\"a\":\"é\\n\",\"z\":null}],\"c\":[]}"
    );
}
