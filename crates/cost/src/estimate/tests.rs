use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::*;
use crate::price::build::Builder;
use crate::price::{COMPONENT, Quality, Row, date};

mod later;
mod limits;

/// What the house of these tests runs.
const MAP: &str = "
table broker_memory
  small = 4
  large = 16

resource acme_broker
  let size = lower(.size ?? 'small'); n = 1 + (num(.replicas) ?? 0)
  unsupported .engine == 'legacy' ? 'the legacy engine has no list price' : null
  dims engine = {.engine}
  - Broker ({size}, {table('broker_memory', size, '?')} GB) | hours | 730 * n
    price service=AcmeBroker; family=Instance; instance_type={size}
  - Storage | GB | .disk_gb * n
  - Messages ({tier}) | 1M messages | usage.monthly_messages / 1e6
    steps first 100M=100, over 100M
  part Dashboard
    when .dashboard
    - Users | users | usage.dashboard_users

resource acme_note
  let broker = ref('broker_id', 'acme_broker')
  - Copy of {broker.size ?? 'nothing'} | GB | broker.disk_gb

free acme_nothing
";

const OVERLAY: &str = "op,service,region,attributes,value
set,AcmeBroker,*,instance_type=small,0.04
set,acme_broker,*,component=Storage,0.11
set,acme_broker,*,component=Messages (first 100M),0.30
";

/// An estimate at list prices of this book, of the day that all of them have.
fn at_list(book: &Book) -> Settings<'_> {
    Settings {
        book,
        overlay: None,
        date: date("2026-08-21").unwrap(),
        dev_test: false,
        elsewhere: false,
        region: None,
    }
}

fn row(service: &str, name: &str, unit: &str, price: &str, currency: &str) -> Row {
    Row {
        service: service.to_owned(),
        family: COMPONENT.to_owned(),
        region: String::new(),
        attributes: vec![
            ("component".to_owned(), name.to_owned()),
            ("unit".to_owned(), unit.to_owned()),
        ],
        unit: unit.to_owned(),
        price: price.parse().unwrap(),
        tier_from: Decimal::ZERO,
        tier_to: None,
        currency: currency.to_owned(),
        effective_from: 0,
        effective_to: 0,
        quality: Quality::Listed,
        source: "test".to_owned(),
    }
}

fn mapping(text: &str) -> Mapping {
    let directory = tempfile::tempdir().unwrap();
    fs_err::write(directory.path().join("house.map"), text).unwrap();
    Mapping::with_directory(directory.path()).unwrap()
}

fn resource(address: &str, values: Json) -> Json {
    let kind = address.split('.').next().unwrap();
    json!({"address": address, "mode": "managed", "type": kind, "name": "main", "values": values})
}

fn plan(before: &[Json], after: &[Json], changes: &Json) -> String {
    json!({
        "format_version": "1.2",
        "planned_values": {"root_module": {"resources": after}},
        "prior_state": {"values": {"root_module": {"resources": before}}},
        "resource_changes": changes,
    })
    .to_string()
}

fn book(rows: &[Row]) -> Book {
    let mut builder = Builder::default();
    for row in rows {
        builder.add(row).unwrap();
    }
    builder.book("test", "2026-01-01").unwrap()
}

/// Estimates and writes what each component is, one a line.
fn told(plan: &str, usage: &str, map: &str, rows: &[Row], overlay: Option<&str>) -> String {
    let plan = Plan::read(plan.as_bytes()).unwrap();
    let mut uses = Usage::default();
    if !usage.is_empty() {
        uses.add("usage.yml", usage).unwrap();
    }
    let overlay = overlay.map(|text| Overlay::read("overlay.csv", text.as_bytes()).unwrap());
    let book = book(rows);
    let settings = Settings {
        overlay: overlay.as_ref(),
        ..at_list(&book)
    };
    let estimate = estimate(&plan, &uses, &mapping(map), &settings).unwrap();
    let mut told = String::new();
    for resource in &estimate.resources {
        for component in resource.components.iter() {
            let cost = component.shown().unwrap();
            let monthly = cost.monthly.map_or_else(
                || format!("{} ({})", cost.state.name(), cost.reason),
                |monthly| monthly.normalize().to_string(),
            );
            let mut name = cost.path.clone();
            name.push(cost.name.clone());
            let name = name.join("/");
            let before = match &component.before {
                Some(before) if component.after.is_some() => {
                    before
                        .monthly
                        .map_or("?".to_owned(), |monthly| monthly.normalize().to_string())
                        + " → "
                }
                Some(_) => "gone: ".to_owned(),
                None => String::new(),
            };
            writeln!(
                told,
                "{}{name}: {before}{monthly}",
                resource.action.chars().next().unwrap(),
            )
            .unwrap();
        }
    }
    for (name, list) in [
        ("free", &estimate.free),
        ("unsupported", &estimate.unsupported),
    ] {
        for without in list {
            writeln!(told, "{name}: {} {}", without.address, without.reason).unwrap();
        }
    }
    for (currency, total) in &estimate.totals {
        writeln!(told, "{currency} {}", total.after.normalize()).unwrap();
    }
    for warning in &estimate.warnings {
        writeln!(told, "warning: {warning}").unwrap();
    }
    told
}

fn check(said: &str, wanted: &[&str]) {
    for line in wanted {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
}

#[test]
fn the_worked_example_costs_what_the_book_of_mappings_says() {
    let broker = json!({"size": "small", "replicas": 1, "disk_gb": 50, "engine": "x"});
    let text = plan(&[], &[resource("acme_broker.main", broker)], &json!([]));
    let said = told(&text, "", MAP, &[], Some(OVERLAY));
    check(
        &said,
        &[
            "Broker (small, 4 GB): 58.4\n",
            "Storage: 11\n",
            "Messages (first 100M): depends_on_usage",
            "monthly_messages",
            "USD 69.4\n",
        ],
    );
    assert!(
        !said.contains("Users"),
        "a part that is not there is not listed: {said}"
    );
    let usage =
        "version: 0.1\nresource_usage:\n  acme_broker.main:\n    monthly_messages: 150000000\n";
    let said = told(&text, usage, MAP, &[], Some(OVERLAY));
    check(
        &said,
        &[
            "Messages (first 100M): 30\n",
            "Messages (over 100M): price_not_found",
            "USD 99.4\n",
        ],
    );
}

#[test]
fn the_states_do_not_mix() {
    let resources = [
        resource("acme_broker.main", json!({"engine": "legacy"})),
        resource("acme_nothing.main", json!({})),
        resource("acme_strange.main", json!({})),
        resource("acme_note.main", json!({"broker_id": "b-1"})),
    ];
    let said = told(&plan(&[], &resources, &json!([])), "", MAP, &[], None);
    check(
        &said,
        &[
            "unsupported: acme_broker.main the legacy engine has no list price",
            "free: acme_nothing.main",
            "unsupported: acme_strange.main",
        ],
    );
}

#[test]
fn what_is_known_after_apply_is_said_and_is_not_zero() {
    let changes = json!([{
        "address": "acme_broker.main",
        "change": {"actions": ["create"], "after_unknown": {"disk_gb": true}},
    }]);
    let text = plan(
        &[],
        &[resource("acme_broker.main", json!({"size": "small"}))],
        &changes,
    );
    let said = told(&text, "", MAP, &[], Some(OVERLAY));
    check(
        &said,
        &["cStorage: known_after_apply", "disk_gb", "USD 29.2\n"],
    );
}

#[test]
fn a_change_of_size_is_one_component_that_changes() {
    let rows = [
        row("acme_broker", "Broker (small, 4 GB)", "hours", "0.1", "USD"),
        row(
            "acme_broker",
            "Broker (large, 16 GB)",
            "hours",
            "0.4",
            "USD",
        ),
        row("acme_broker", "Storage", "GB", "1", "USD"),
    ];
    let changes = json!([
        {"address": "acme_broker.main", "change": {"actions": ["update"]}},
        {"address": "acme_broker.old", "change": {"actions": ["delete"]}},
    ]);
    let before = [
        resource("acme_broker.main", json!({"size": "small", "disk_gb": 10})),
        resource("acme_broker.old", json!({"size": "small", "disk_gb": 5})),
    ];
    let after = [resource(
        "acme_broker.main",
        json!({"size": "large", "disk_gb": 10}),
    )];
    let said = told(&plan(&before, &after, &changes), "", MAP, &rows, None);
    check(
        &said,
        &[
            "uBroker (large, 16 GB): 73 → 292\n",
            "uStorage: 10 → 10\n",
            "dStorage: gone: 5\n",
            "USD 302\n",
        ],
    );
}

#[test]
fn two_currencies_are_never_added() {
    let rows = [
        row("acme_broker", "Broker (small, 4 GB)", "hours", "0.1", "USD"),
        row("acme_broker", "Storage", "GB", "1", "CNY"),
    ];
    let text = plan(
        &[],
        &[resource("acme_broker.main", json!({"disk_gb": 10}))],
        &json!([]),
    );
    let said = told(&text, "", MAP, &rows, None);
    check(&said, &["CNY 10\n", "USD 73\n", "several currencies"]);
}

#[test]
fn a_usage_that_nothing_reads_is_named() {
    let text = plan(
        &[],
        &[resource("acme_broker.main", json!({"disk_gb": 1}))],
        &json!([]),
    );
    let usage = "resource_usage:\n  acme_broker.main:\n    monthly_mesages: 1\n  acme_broker.other:\n    dashboard_users: 2\n";
    let said = told(&text, usage, MAP, &[], Some(OVERLAY));
    check(&said, &["monthly_mesages", "acme_broker.other"]);
}

/// A mapping with one component whose name holds the value of an expression.
fn value_of(expression: &str, values: &Json) -> String {
    let map = format!("resource acme_probe\n  let v = {expression}\n  - [{{v}}] | x | 1\n");
    let text = plan(
        &[],
        &[resource("acme_probe.main", values.clone())],
        &json!([]),
    );
    let said = told(&text, "", &map, &[], None);
    let from = said
        .find('[')
        .unwrap_or_else(|| panic!("{expression}: {said}"));
    said[from + 1..].split(']').next().unwrap().to_owned()
}

#[test]
fn expressions_mean_what_the_book_of_mappings_says() {
    let values = json!({
        "n": 3, "text": "Big Box", "empty": "", "none": null, "yes": true,
        "block": [{"a": 1}], "list": [1, 2, 3], "size": "12", "float": 0.1,
    });
    for (expression, wanted) in [
        (".n + 2 * 3", "9"),
        ("(.n + 2) * 3", "15"),
        (".n - 1 - 1", "1"),
        (".n % 2", "1"),
        (".float + 0.2", "0.3"),
        (".size * 2", "24"),
        (".none ?? 5", "5"),
        (".empty ?? 'x'", "x"),
        (".n / 0", ""),
        (".none * 2", ""),
        ("0 * .none", "0"),
        (".block.a", "1"),
        (".list[1]", "2"),
        ("len(.list)", "3"),
        ("sum(.list)", "6"),
        ("sum(.list, it * 2)", "12"),
        ("count(.list, it > 1)", "2"),
        ("first(.list, it > 1)", "2"),
        ("max(1, .n, 2)", "3"),
        ("ceil(1.2) ~ '-' ~ floor(1.8)", "2-1"),
        ("lower(.text)", "big box"),
        ("match(.text, '([a-z]+)$', 1)", "ox"),
        ("split('a-b-c', '-', 1)", "b"),
        ("replace(.text, ' ', '')", "BigBox"),
        (".yes ? 'y' : 'n'", "y"),
        ("not .yes or .n == 3 ? 'y' : 'n'", "y"),
        (".n in [1, 3] ? 'y' : 'n'", "y"),
        (".text =~ '^Big' ? 'y' : 'n'", "y"),
        ("absent(.empty) and known(.n) ? 'y' : 'n'", "y"),
        ("table('broker_memory_of_nothing', 'a', 'd')", "d"),
        ("pick(.n, 1, 'one', 3, 'three', 'many')", "three"),
        ("1e6 / 4", "250000"),
        ("'it\\'s'", "it's"),
    ] {
        assert_eq!(value_of(expression, &values), wanted, "{expression}");
    }
}

#[test]
fn a_plan_that_is_none_is_refused_with_what_is_expected() {
    for (text, wanted) in [
        ("", "this is no plan"),
        ("[]", "this is no plan"),
        ("{}", "neither a plan nor a state"),
        (
            "{\"format_version\": \"2.0\", \"values\": {}}",
            "format version 2.0",
        ),
        ("{\"planned_values\": 7}", "this is no plan"),
    ] {
        let said = match Plan::read(text.as_bytes()) {
            Ok(_) => "fine".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(said.contains(wanted), "{text}: {said}");
    }
    let mut deep = "{\"values\":{\"root_module\":".to_owned();
    deep.push_str(&"{\"child_modules\":[".repeat(100_000));
    assert!(Plan::read(deep.as_bytes()).is_err());
}

#[test]
fn strange_values_break_nothing() {
    for values in [
        json!({"size": [], "replicas": "x", "disk_gb": {"a": 1}, "engine": 7}),
        json!({"size": {"deep": [[[]]]}, "replicas": -1e300, "disk_gb": 1e28}),
        json!({"size": "\u{0}{}|", "replicas": 9_999_999_999_999_999_i64, "disk_gb": "99999999999999999999999"}),
        json!([]),
        json!(null),
    ] {
        let text = plan(&[], &[resource("acme_broker.main", values)], &json!([]));
        told(&text, "", MAP, &[], Some(OVERLAY));
    }
}
