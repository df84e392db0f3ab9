#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{Value, json};

use super::{Hidden, is_same, shown};

fn change(change: &Value) -> Value {
    change_hiding(change, &Hidden::default())
}

fn change_hiding(change: &Value, hidden: &Hidden) -> Value {
    let plan = json!({ "format_version": "1.2", "resource_changes": [{ "address": "a.b", "change": change }] });
    let shown = shown(
        plan,
        json!({ "format_version": "1.0", "provider_schemas": { "p": {} } }),
        hidden,
    );
    assert_eq!(shown["plan_format_version"], "1.2");
    assert_eq!(shown["provider_format_version"], "1.0");
    assert!(shown["provider_schemas"]["p"].is_object());
    shown["resource_changes"][0]["change"].clone()
}

#[test]
fn no_sensitive_value_is_shown_and_changes_stay_changes() {
    let shown = change(&json!({
        "actions": ["update"],
        "before": { "name": "n", "password": "hunter2", "pin": 1234, "list": ["s1", "o1"], "map": { "k": "s3" }, "on": true },
        "after": { "name": "m", "password": "hunter3", "pin": 1234, "list": ["s2", "o1"], "map": { "k": "s4" }, "on": false },
        "before_sensitive": { "password": true, "pin": true, "list": [true, false], "map": true, "on": true },
        "after_sensitive": { "password": true, "pin": true, "list": [true, false], "map": true, "on": true },
    }));
    let text = shown.to_string();
    for secret in ["hunter", "1234", "s1", "s2", "s3", "s4"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert_eq!(shown["before"]["name"], "n");
    assert_eq!(shown["after"]["list"][1], "o1");
    assert_ne!(shown["before"]["password"], shown["after"]["password"]);
    assert_eq!(shown["before"]["pin"], shown["after"]["pin"]);
    assert_ne!(shown["before"]["list"][0], shown["after"]["list"][0]);
    assert_eq!(shown["after_sensitive"]["password"], true);
}

#[test]
fn a_sensitive_variable_that_nothing_marks_is_hidden_wherever_it_is() {
    let mut hidden = Hidden::default();
    hidden.add("password", "correct-horse-7", false);
    hidden.add("pin", "on", false);
    hidden.add("hosts", r#"["db-4711.internal", { port = 5432 }]"#, true);
    hidden.add("nothing", "", false);
    let shown = change_hiding(
        &json!({
            "before": { "url": "x", "pin": "off", "hosts": ["db-4711.internal"], "same": "correct-horse-7" },
            "after": {
                "url": "postgres://app:correct-horse-7@db-4711.internal/x", "pin": "on", "words": "on and on",
                "hosts": ["db-4711.internal"], "same": "correct-horse-7", "none": "", "number": 1,
            },
            "after_sensitive": {},
        }),
        &hidden,
    );
    assert_eq!(
        shown["after"],
        json!({
            "url": "postgres://app:(sensitive value of password)@(sensitive value of hosts)/x",
            "pin": "(sensitive value of pin)", "words": "on and on",
            "hosts": ["(sensitive value of hosts)"], "same": "(sensitive value of password)", "none": "", "number": 1,
        })
    );
    assert_eq!(shown["before"]["pin"], "off");
    assert_eq!(shown["before"]["same"], shown["after"]["same"]);
    let output = json!({
        "output_changes": { "o": { "actions": ["create"], "before": null, "after": "correct-horse-7", "after_sensitive": false } },
    });
    let text = super::shown(output, Value::Null, &hidden).to_string();
    assert!(!text.contains("correct-horse"), "{text}");
}

#[test]
fn what_was_sensitive_on_one_side_is_hidden_on_both() {
    let shown = change(&json!({
        "before": { "x": "was-secret" }, "after": { "x": "was-secret" },
        "before_sensitive": { "x": true }, "after_sensitive": { "x": false },
    }));
    assert!(!shown.to_string().contains("was-secret"));
    let shown = change(&json!({
        "before": null, "after": { "x": "new-secret" }, "before_sensitive": false, "after_sensitive": { "x": true },
    }));
    assert!(!shown.to_string().contains("new-secret"));
    assert_eq!(shown["before"], Value::Null);
}

#[test]
fn outputs_are_hidden_and_the_rest_of_a_plan_is_left_out() {
    let plan = json!({
        "format_version": "1.2",
        "variables": { "v": { "value": "variable-secret" } },
        "prior_state": { "values": { "outputs": { "o": { "value": "prior-secret" } } } },
        "configuration": { "x": "configured" },
        "output_changes": {
            "o": { "actions": ["create"], "before": null, "after": "output-secret", "before_sensitive": false, "after_sensitive": true },
            "p": { "actions": ["create"], "before": null, "after": "plain", "before_sensitive": false, "after_sensitive": false },
        },
    });
    let shown = shown(plan, Value::Null, &Hidden::default());
    let text = shown.to_string();
    for secret in [
        "variable-secret",
        "prior-secret",
        "configured",
        "output-secret",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert_eq!(shown["output_changes"]["p"]["after"], "plain");
}

#[test]
fn whatever_is_no_plan_is_shown_as_nothing() {
    for odd in [
        json!(null),
        json!([]),
        json!("x"),
        json!({ "resource_changes": 3 }),
        json!({ "resource_changes": [1, null, { "change": 2 }] }),
    ] {
        assert!(shown(odd, json!(7), &Hidden::default()).is_object());
    }
}

#[test]
fn what_has_no_order_may_come_in_another_and_nothing_else() {
    let plan = |references: &Value, relevant: &Value, constant: &Value, after: &Value| {
        json!({
            "relevant_attributes": relevant,
            "resource_changes": [{ "address": "a.b", "change": { "after": { "references": after } } }],
            "configuration": { "root_module": {
                "resources": [{ "expressions": {
                    "ingress": { "references": references },
                    "references": { "constant_value": constant },
                } }],
                "module_calls": { "net": { "module": { "outputs": {
                    "id": { "expression": { "references": references } },
                } } } },
            } },
        })
    };
    let (one, other) = (
        json!(["a.b.c", "a.b", "count.index"]),
        json!(["count.index", "a.b.c", "a.b"]),
    );
    let first = plan(
        &one,
        &json!([{ "resource": "a" }, { "resource": "b" }]),
        &one,
        &one,
    );
    let again = plan(
        &other,
        &json!([{ "resource": "b" }, { "resource": "a" }]),
        &one,
        &one,
    );
    assert!(is_same(first.clone(), again));
    let same = json!([{ "resource": "a" }, { "resource": "b" }]);
    let differing = [
        plan(&json!(["a.b.c", "a.b"]), &same, &one, &one),
        plan(
            &json!(["a.b.c", "a.b", "count.index", "count.index"]),
            &same,
            &one,
            &one,
        ),
        plan(&one, &json!([{ "resource": "a" }]), &one, &one),
        plan(&one, &same, &other, &one),
        plan(&one, &same, &one, &other),
    ];
    for differs in differing {
        assert!(!is_same(first.clone(), differs.clone()), "{differs}");
    }
}
