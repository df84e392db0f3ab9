//! What meets a limit of the estimator is said to be incomplete, by its address.

use super::*;

fn made(map: &str, values: &Json, usage: &str) -> Estimate {
    let text = plan(
        &[],
        &[resource("acme_probe.main", values.clone())],
        &json!([]),
    );
    let plan = Plan::read(text.as_bytes()).unwrap();
    let mut uses = Usage::default();
    if !usage.is_empty() {
        uses.add("usage.yml", usage).unwrap();
    }
    let book = book(&[row("acme_probe", "Node", "hours", "1", "USD")]);
    estimate(&plan, &uses, &mapping(map), &at_list(&book)).unwrap()
}

fn check_cut(made: &Estimate, wanted: &str) {
    let [only] = &*made.unsupported else {
        panic!("{wanted}: {made:?}");
    };
    assert_eq!(only.address, "acme_probe.main");
    assert!(only.reason.contains(wanted), "{wanted}: {}", only.reason);
    assert!(!made.is_complete());
    assert_eq!(made.counts.depends_on_usage, 0, "{wanted}");
}

#[test]
fn more_components_than_are_listed_are_not_left_out_silently() {
    let items: Vec<u32> = (0..10_001).collect();
    let map = "resource acme_probe\n  group\n    each .items\n    - Node | hours | 1\n";
    let estimate = made(map, &json!({"items": items}), "");
    check_cut(&estimate, "more than 10000 components");
    assert_eq!(estimate.counts.priced, 10_000);
    assert!(
        estimate
            .warnings
            .iter()
            .any(|one| one.contains("acme_probe.main is not estimated to its end"))
    );
    let estimate = made(map, &json!({"items": [1, 2]}), "");
    assert!(estimate.is_complete(), "{estimate:?}");
}

#[test]
fn an_amount_that_nothing_can_cost_is_not_taken_for_usage() {
    let map = "resource acme_probe\n  - Node | hours | .n\n";
    check_cut(
        &made(map, &json!({"n": 1e20}), ""),
        "Node: 100000000000000000000 hours cost more than anything can",
    );
    let map = "resource acme_probe\n  - Node | hours | usage.n * 1e15\n";
    let usage = "resource_usage:\n  acme_probe.main:\n    n: 1e20\n";
    check_cut(
        &made(map, &json!({}), usage),
        "an amount is larger than can be reckoned with",
    );
    // Beside it, the rest is estimated all the same.
    let map = "resource acme_probe\n  - Node | hours | .n\n  - Node | hours | 2\n";
    let estimate = made(map, &json!({"n": 1e20}), "");
    check_cut(&estimate, "more than anything can");
    assert_eq!(estimate.totals["USD"].after, Decimal::TWO);
    // Divided by nothing is unset, as ever.
    let estimate = made(
        "resource acme_probe\n  - Node | hours | 1 / .n\n",
        &json!({"n": 0}),
        "",
    );
    assert!(estimate.unsupported.is_empty(), "{estimate:?}");
}

#[test]
fn a_list_without_end_and_templates_without_end_are_named() {
    let items = vec![1_u8; 100_001];
    let map = "resource acme_probe\n  - Node | hours | sum(.items, it)\n";
    check_cut(
        &made(map, &json!({"items": items}), ""),
        "a list has more than 100000 items",
    );
    let map = "template again\n  takes n\n  use again\n    with n = n\n\nresource acme_probe\n  - Node | hours | 1\n  use again\n    with n = 1\n";
    check_cut(
        &made(map, &json!({}), ""),
        "templates use templates more than 16 deep",
    );
}
