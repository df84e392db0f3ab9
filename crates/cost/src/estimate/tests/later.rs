//! What is known after apply is never taken for what a mapping has by default, nor for nothing.

use super::*;

/// A plan of one resource, with what of it is known after apply and what the configuration says of it.
fn later(kind: &str, values: &Json, unknown: &Json, expressions: &Json) -> String {
    let address = format!("{kind}.main");
    json!({
        "format_version": "1.2",
        "planned_values": {"root_module": {"resources": [resource(&address, values.clone())]}},
        "resource_changes": [{"address": address, "change": {"actions": ["create"], "after_unknown": unknown}}],
        "configuration": {"root_module": {"resources": [{"address": address, "expressions": expressions}]}},
    })
    .to_string()
}

/// Set to an attribute of something that does not exist yet.
fn set() -> Json {
    json!({"references": ["acme_other.one.id", "acme_other.one"]})
}

const LATER: &str = "known after apply";

/// What an expression is: `n`, `blocks` and an item of `list` are known after apply, and `left` is left to the provider.
fn value(expression: &str) -> String {
    let map = format!("resource acme_probe\n  let v = {expression}\n  - [{{v}}] | x | 1\n");
    let values =
        json!({"three": 3, "list": [1, null], "block": [{"a": 1}], "text": "a", "none": []});
    let unknown = json!({"n": true, "blocks": true, "list": [false, true], "left": true, "block": [{"b": true, "c": true}]});
    let expressions = json!({
        "n": set(), "blocks": [{}], "list": set(), "three": {"constant_value": 3},
        "block": [{"a": {"constant_value": 1}, "b": set()}],
    });
    let said = told(
        &later("acme_probe", &values, &unknown, &expressions),
        "",
        &map,
        &[],
        None,
    );
    let from = said
        .find('[')
        .unwrap_or_else(|| panic!("{expression}: {said}"));
    said[from + 1..].split(']').next().unwrap().to_owned()
}

/// Each of them is unknown where what it is of is.
const UNKNOWN: &str = r"
.n
.n ?? 1
(.n ?? .three) ?? 2
.left ?? .n
.blocks.a
.list[1]
.block.b ?? 2
.n + 1
1 - .n
.n * 2
2 / .n
.n % 2
.n ~ 'x'
-.n
.n == 3
.n != 3
3 == .n
.n > 1
1 <= .n
.list == [1, 2]
.n ? 1 : 2
.n == 1 ? 'a' : 'b'
.n and true
true and .n
.n or false
not .n
.n in [1, 2]
.three in .list
.three in .blocks
'a' in .n
.n =~ '^a'
match(.n, 'a')
known(.n)
absent(.n)
num(.n)
str(.n)
ceil(.n)
floor(.n / 2)
min(1, .n)
max(.n, 1)
len(.blocks)
sum(.list)
sum(.blocks)
first(.blocks)
lower(.n)
upper(.n)
title(.n)
replace(.n, 'a', 'b')
split(.n, ',', 0)
starts(.n, 'a')
ends(.text, .n)
join(.list, ' ')
pick(.n, 'a', 1, 2)
table('broker_memory', .n, 'd')
len(concat(.blocks, [1]))
len(distinct(.list))
len(entries(.n))
merge(.n, .block).a
by(.blocks, 'a', 1)
by(.block, 'b', 1).a
by(.block, 'a', .n).a
len(map(.blocks, it.a))
len(filter(.blocks, it.a))
len(filter(.list, it == 2))
any(.list, it == 2)
any(.blocks, true)
count(.list, it == 2)
count(.blocks, true)
sum(.list, it * 2)
first(.list, it == 2)
first(.blocks, it.a)
address_of(ref('n', 'acme_thing'))
ref_count('n')
ref('n', 'acme_thing').size ?? 4
usage_of(ref('n', 'acme_thing')).x ?? 1
";

#[test]
fn the_unknown_goes_through_every_operator() {
    for expression in UNKNOWN.trim().lines() {
        assert_eq!(value(expression), LATER, "{expression}");
    }
}

#[test]
fn what_comes_out_the_same_whatever_it_will_be_is_known() {
    for (expression, wanted) in [
        ("0 * .n", "0"),
        (".three ?? .n", "3"),
        ("false and .n", "false"),
        (".n and false", "false"),
        (".n or true", "true"),
        (".n == 1 ? 'a' : 'a'", "a"),
        ("1 in .list", "true"),
        ("any(.list, it == 1)", "true"),
        ("first(.list, it == 1)", "1"),
        ("len(.list)", "2"),
        ("len(map(.list, it * 2))", "2"),
        (".block.a", "1"),
        (".n > .nothing", "false"),
        ("unknown(.n)", "true"),
        ("count(.none, it == .n)", "0"),
        (".n in []", "false"),
    ] {
        assert_eq!(value(expression), wanted, "{expression}");
    }
}

#[test]
fn what_is_left_to_the_provider_is_unset_to_defaults_and_conditions() {
    for (expression, wanted) in [
        (".left ?? 1", "1"),
        (".block.c ?? 2", "2"),
        ("(.left ?? .nothing) ?? 5", "5"),
        (".left == 3 ? 'a' : 'b'", "b"),
        (".left > 3", "false"),
        ("known(.left)", "false"),
        ("absent(.left)", "true"),
        ("not .left", "true"),
        ("any(.left, true)", "false"),
        ("len(.left) > 0", "false"),
        ("merge(.left, .block).a", "1"),
        ("len(concat(.left, [1]))", "1"),
    ] {
        assert_eq!(value(expression), wanted, "{expression}");
    }
    // To an amount it is not nothing.
    for quantity in [
        ".left",
        ".left * 2",
        "len(.left)",
        "count(.left, true)",
        "sum(.left)",
        ".left.size",
        "num(.left)",
    ] {
        let map = format!("resource acme_probe\n  - Disk | GB | {quantity}\n");
        let plan = later("acme_probe", &json!({}), &json!({"left": true}), &json!({}));
        check(
            &told(&plan, "", &map, &[], None),
            &["Disk: price_not_found"],
        );
        let rows = [row("acme_probe", "Disk", "GB", "1", "USD")];
        check(
            &told(&plan, "", &map, &rows, None),
            &["Disk: known_after_apply (known after apply: left"],
        );
    }
}

/// What becomes of `n`, by what the configuration says of it.
fn of_configured(configuration: &Json) -> String {
    let map = "resource acme_probe\n  - Node | hours | 730 * (.n ?? 1)\n";
    let address = "acme_probe.main";
    let plan = json!({
        "format_version": "1.2",
        "planned_values": {"root_module": {"resources": [resource(address, json!({}))]}},
        "resource_changes": [{"address": address, "change": {"actions": ["create"], "after_unknown": {"n": true}}}],
        "configuration": configuration,
    });
    told(
        &plan.to_string(),
        "",
        map,
        &[row("acme_probe", "Node", "hours", "1", "USD")],
        None,
    )
}

#[test]
fn what_nobody_set_is_what_the_mapping_has_by_default() {
    let one = |expressions: Json| json!({"root_module": {"resources": [{"address": "acme_probe.main", "expressions": expressions}]}});
    for (expressions, is_set) in [
        (json!({}), false),
        (json!({"other": set()}), false),
        (json!({"n": {"constant_value": null}}), false),
        (json!({"n": {"references": ["var.n"]}}), false),
        (
            json!({"n": {"references": ["count.index", "var.sizes"]}}),
            false,
        ),
        (
            json!({"n": {"references": ["each.key", "path.module", "terraform.workspace"]}}),
            false,
        ),
        (json!({"n": set()}), true),
        (json!({"n": {"constant_value": 5}}), true),
        (
            json!({"n": {"references": ["var.n", "data.acme_size.one.n", "data.acme_size.one"]}}),
            true,
        ),
        (json!({"n": {"references": ["local.n"]}}), true),
        (
            json!({"n": {"references": ["each.value.n", "each.value"]}}),
            true,
        ),
        (json!({"n": {}}), true),
    ] {
        let wanted = if is_set {
            "Node: known_after_apply (known after apply: n)"
        } else {
            "Node: 730\n"
        };
        check(&of_configured(&one(expressions)), &[wanted]);
    }
    // Where the configuration does not say, nothing is taken for granted.
    for configuration in [
        json!(null),
        json!({}),
        json!({"root_module": {"resources": []}}),
    ] {
        check(&of_configured(&configuration), &["Node: known_after_apply"]);
    }
    let mut repeated = one(json!({"n": {"references": ["each.value.n", "each.value"]}}));
    repeated["root_module"]["resources"][0]["for_each_expression"] =
        json!({"references": ["var.all"]});
    check(&of_configured(&repeated), &["Node: 730\n"]);
}

/// What becomes of `n` in a module, by what it is there, what the module is given, and what its instances are made of.
fn of_module(n: &Json, input: &Json, repeated: &Json) -> String {
    let address = "module.m[\"a\"].acme_probe.main";
    let map = "resource acme_probe\n  - Node | hours | 730 * (.n ?? 1)\n";
    let output =
        |expression: Json| json!({"module": {"outputs": {"n": {"expression": expression}}}});
    let module = json!({
        "resources": [{"address": "acme_probe.main", "expressions": {"n": n}}],
        "module_calls": {"known": output(json!({"constant_value": 1})), "later": output(set())},
    });
    let resource =
        json!({"address": address, "mode": "managed", "type": "acme_probe", "values": {}});
    let plan = json!({
        "format_version": "1.2",
        "planned_values": {"root_module": {"child_modules": [{"address": "module.m[\"a\"]", "resources": [resource]}]}},
        "resource_changes": [{"address": address, "change": {"actions": ["create"], "after_unknown": {"n": true}}}],
        "configuration": {"root_module": {"module_calls": {
            "m": {"expressions": input, "for_each_expression": repeated, "module": module},
        }}},
    });
    let rows = [row("acme_probe", "Node", "hours", "1", "USD")];
    told(&plan.to_string(), "", map, &rows, None)
}

#[test]
fn inputs_and_outputs_of_modules_are_followed() {
    let to = |references: &[&str]| json!({"references": references});
    let given = |expression: Json| json!({"n": expression});
    let (of_var, none) = (to(&["var.n"]), json!({}));
    let of_each = given(to(&["each.value"]));
    for (n, input, repeated, is_set) in [
        (&of_var, &none, json!(null), false),
        (&of_var, &given(to(&["var.of_root"])), json!(null), false),
        (
            &of_var,
            &given(json!({"constant_value": null})),
            json!(null),
            false,
        ),
        (&of_var, &given(set()), json!(null), true),
        (&of_var, &given(json!({})), json!(null), true),
        (
            &to(&["var.n.size", "var.n"]),
            &of_each,
            to(&["var.all"]),
            false,
        ),
        (&of_var, &of_each, to(&["local.all"]), true),
        (
            &to(&["module.known.n", "module.known"]),
            &none,
            json!(null),
            false,
        ),
        (
            &to(&["module.later.n", "module.later"]),
            &none,
            json!(null),
            true,
        ),
        (&to(&["module.later"]), &none, json!(null), true),
    ] {
        let wanted = if is_set {
            "Node: known_after_apply"
        } else {
            "Node: 730\n"
        };
        check(&of_module(n, input, &repeated), &[wanted]);
    }
}

const STATE: &str = "known_after_apply";

/// That something in a plan was made of an attribute.
fn made_of(resource: &str, attribute: &[&str]) -> Json {
    json!([{ "resource": resource, "attribute": attribute }])
}

#[test]
fn a_block_that_the_configuration_does_not_name_is_not_taken_for_unset() {
    let map =
        "resource acme_probe\n  part disk[{i}]\n    each .disk\n    - Disk | GB | it.size ?? 8\n";
    let rows = [row("acme_probe", "Disk", "GB", "1", "USD")];
    let values = json!({"disk": [{"size": null}, {"size": 20}]});
    let unknown = json!({"disk": [{"size": true, "id": true}, {"id": true}]});
    for (expressions, wanted) in [
        // `dynamic` writes them, and something is made of what may be a size.
        (
            json!({}),
            "disk[0]/Disk: known_after_apply (known after apply: size)",
        ),
        (json!({"disk": [{}]}), "disk[0]/Disk: known_after_apply"),
        (
            json!({"disk": [{"size": set()}, {}]}),
            "disk[0]/Disk: known_after_apply",
        ),
        (
            json!({"disk": [{"id": set()}, {"size": {"references": ["var.size"]}}]}),
            "disk[0]/Disk: 8\n",
        ),
        (json!({"disk": [{}, {}]}), "disk[0]/Disk: 8\n"),
        (
            json!({"disk": {"constant_value": [{"size": null}, {"size": 20}]}}),
            "disk[0]/Disk: 8\n",
        ),
        (json!({"disk": set()}), "disk[0]/Disk: known_after_apply"),
    ] {
        let mut plan: Json =
            serde_json::from_str(&later("acme_probe", &values, &unknown, &expressions)).unwrap();
        plan["relevant_attributes"] = json!([{"resource": "acme_size.one", "attribute": ["size"]}]);
        let said = told(&plan.to_string(), "", map, &rows, None);
        check(&said, &[wanted, "disk[1]/Disk: 20\n"]);
    }
    // Of what it is made of, nothing can be a size that is known after apply.
    for (version, relevant, wanted) in [
        ("1.2", json!([]), "8\n"),
        ("1.2", made_of("acme_other.one", &["id"]), "8\n"),
        ("1.2", made_of("module.m.acme_other.one", &["size"]), STATE),
        ("1.2", made_of("acme_other.one", &[]), STATE),
        ("1.2", made_of("acme_probe.main", &["known"]), "8\n"),
        // What is looked at is in such a block itself.
        ("1.2", made_of("acme_probe.main", &["disk"]), STATE),
        // Its id is what it holds.
        ("1.2", made_of("random_integer.one", &["id"]), STATE),
        ("1.0", json!([]), STATE),
    ] {
        let mut values = values.clone();
        values["known"] = json!(1);
        let mut plan: Json =
            serde_json::from_str(&later("acme_probe", &values, &unknown, &json!({}))).unwrap();
        plan["format_version"] = json!(version);
        plan["relevant_attributes"] = relevant;
        check(
            &told(&plan.to_string(), "", map, &rows, None),
            &[&format!("disk[0]/Disk: {wanted}")],
        );
    }
}

/// What a mapping makes of `n` that is known after apply, with prices for what the lines are called.
fn components(map: &str, overlay: Option<&str>) -> String {
    let rows = [
        row("acme_probe", "Node", "hours", "1", "USD"),
        row("acme_probe", "Disk", "GB", "1", "USD"),
        row("acme_probe", "Node (a)", "hours", "1", "USD"),
    ];
    let unknown = json!({"n": true, "blocks": true});
    let expressions = json!({"n": set(), "blocks": [{}]});
    let map = format!("resource acme_probe\n{map}");
    told(
        &later("acme_probe", &json!({"k": 2}), &unknown, &expressions),
        "",
        &map,
        &rows,
        overlay,
    )
}

#[test]
fn what_depends_on_it_is_counted_as_known_after_apply() {
    for map in [
        "  - Node | hours | .n\n",
        "  - Node | hours | 730 * (.n ?? 1)\n",
        "  - Node | hours | 730 | .n == 'a'\n",
        "  - Node | hours | 730 | not (.n == 'a')\n",
        "  when .n != 'a'\n  - Node | hours | 730\n",
        "  unsupported .n == 'a' ? 'not this one' : null\n  - Node | hours | 730\n",
        "  group\n    when .n\n    - Node | hours | 730\n",
        "  group\n    each .blocks\n    - Node | hours | 730\n",
        "  group\n    each filter([1, 2], it == .n)\n    - Node | hours | 730\n",
        "  group\n    each [.n]\n    - Node | hours | it\n",
        "  group\n    on .blocks\n    - Node | hours | .size ?? 1\n",
        "  - Node | hours | 1\n    rate .n\n",
        "  - Node | hours | 1\n    price service=Acme; size={.n}\n",
        "  - Node | hours | 1\n    price service=Acme; size=a\n    factor .n\n",
        "  dims size = {.n}\n  - Node | hours | 1\n",
        "  region .n\n  - Node | hours | 1\n",
        "  - Node ({.n}) | hours | 1\n",
        "  - Node | {.n} | 1\n",
        "  - Node | hours | .n\n    steps first=10, rest\n    every\n",
        "  let m = .n ?? 1\n  - Node | hours | m\n",
        "  - Node | hours | .n * usage.hours\n",
    ] {
        let said = components(map, None);
        check(&said, &["Node", ": known_after_apply (known after apply"]);
        for never in [
            "priced",
            "Node: 7",
            "Node: 1",
            "depends_on_usage",
            "price_not_found",
            "free:",
            "USD 7",
        ] {
            assert!(!said.contains(never), "{map}: {never} is in {said}");
        }
    }
}

#[test]
fn what_does_not_depend_on_it_is_priced_beside_it() {
    let said = components(
        "  - Disk | GB | .k\n  - Node | hours | 730 | .n == 'a'\n  - Disk | GB | 0 * (.n ?? 1)\n",
        None,
    );
    check(&said, &["Disk: 2\n", "Node: known_after_apply", "USD 2\n"]);
    assert_eq!(said.matches("Disk").count(), 1, "{said}");
    // A condition that is not known ends with what it is for.
    let said = components(
        "  group\n    when .n\n    - Node | hours | 730\n  - Disk | GB | 3\n",
        None,
    );
    check(&said, &["Node: known_after_apply", "Disk: 3\n"]);
    // The price is named by the product; what only the text says does not matter.
    let overlay = "op,service,region,attributes,value\nmultiply,Acme,*,,0.5\n";
    let said = components(
        "  - Node ({.n}) | hours | 1\n    price service=Acme; size=a\n",
        Some(overlay),
    );
    check(&said, &["Node (known after apply): known_after_apply"]);
}

#[test]
fn the_budget_of_what_is_known_after_apply_is_not_whole() {
    let plan = later(
        "acme_probe",
        &json!({}),
        &json!({"n": true}),
        &json!({"n": set()}),
    );
    let plan = Plan::read(plan.as_bytes()).unwrap();
    let book = book(&[row("acme_probe", "Node", "hours", "1", "USD")]);
    let map = mapping("resource acme_probe\n  - Node | hours | 730 * (.n ?? 1)\n");
    let made = estimate(&plan, &Usage::default(), &map, &at_list(&book)).unwrap();
    assert!(!made.is_complete());
    assert_eq!((made.counts.priced, made.counts.known_after_apply), (0, 1));
    assert_eq!(
        made.totals.get("USD").map(|total| total.after),
        Some(Decimal::ZERO)
    );
}

#[test]
fn provisioned_concurrency_is_that_of_its_function() {
    let lambda = |architecture: &str| {
        let function = json!({"memory_size": 512, "architectures": [architecture]});
        let concurrency = json!({"provisioned_concurrent_executions": 2});
        let concurrency_of = "aws_lambda_provisioned_concurrency_config.main";
        let expressions = json!({"function_name": {"references": ["aws_lambda_function.main.function_name", "aws_lambda_function.main"]}});
        json!({
            "format_version": "1.2",
            "planned_values": {"root_module": {"resources": [
                resource("aws_lambda_function.main", function), resource(concurrency_of, concurrency),
            ]}},
            "configuration": {"root_module": {"resources": [{"address": concurrency_of, "expressions": expressions}]}},
        })
        .to_string()
    };
    let kind = "aws_lambda_provisioned_concurrency_config";
    let rows = [row(
        kind,
        "Provisioned Concurrency",
        "GB-seconds",
        "0.000004",
        "USD",
    )];
    let usage = format!("resource_usage:\n  {kind}.main:\n    monthly_duration_hrs: 100\n");
    let said = told(&lambda("arm64"), &usage, "", &rows, None);
    check(&said, &["Provisioned Concurrency: 1.44\n"]);
    // What is known is the price of arm64, and no other's.
    let said = told(&lambda("x86_64"), &usage, "", &rows, None);
    check(&said, &["Provisioned Concurrency (x86): price_not_found"]);
}
