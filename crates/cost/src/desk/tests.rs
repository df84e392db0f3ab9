use std::path::Path;

use clap::Parser;

use super::*;

#[derive(Parser)]
enum Line {
    Estimate(estimate::Arguments),
    Mapping(estimate::Checked),
    #[command(subcommand)]
    Price(price::Verb),
}

const TODAY: u32 = 20_260_821;

/// What a command says: its answer, or why there is none.
fn said(folder: &Path, line: &str) -> String {
    let words = line.split(' ').map(|word| {
        // A word with a slash before it is a file of the test.
        word.strip_prefix('/').map_or_else(
            || word.to_owned(),
            |name| folder.join(name).display().to_string(),
        )
    });
    let line = Line::try_parse_from(["desk".to_owned()].into_iter().chain(words)).unwrap();
    let mut answer = Vec::new();
    let done = match line {
        Line::Estimate(asked) => estimate::run(&asked, TODAY, &mut answer).map(|()| String::new()),
        Line::Mapping(asked) => estimate::check(&asked),
        Line::Price(verb) => price::run(&verb, TODAY).map(|report| {
            let text = report.to_string();
            assert!(serde_json::to_string(&report).unwrap().len() > 2);
            text
        }),
    };
    let told = String::from_utf8(answer).unwrap();
    match done {
        Ok(text) => told + &text,
        Err(error) => format!("refused: {error}"),
    }
}

fn check(folder: &Path, line: &str, wanted: &[&str]) {
    let said = said(folder, line);
    for one in wanted {
        assert!(
            said.contains(one),
            "{line}: {one:?} is not in: {said:.2000}"
        );
    }
}

fn plan(resources: &str) -> String {
    format!(
        r#"{{"format_version":"1.2","planned_values":{{"root_module":{{"resources":[{resources}]}}}},"resource_changes":[],"configuration":{{"provider_config":{{"aws":{{"expressions":{{"region":{{"constant_value":"eu-west-1"}}}}}}}}}}}}"#
    )
}

fn instance(name: &str, size: &str) -> String {
    format!(
        r#"{{"address":"aws_instance.{name}","mode":"managed","type":"aws_instance","name":"x","values":{{"instance_type":"{size}"}}}}"#
    )
}

const ROWS: &str = "service,family,region,attributes,unit,price,currency
AmazonEC2,Compute Instance,eu-west-1,instance_type=m5.large;os=Linux;tenancy=Shared,hour,0.1,USD
AmazonEC2,Compute Instance,eu-west-1,instance_type=m5.xlarge;os=Linux;tenancy=Shared,hour,0.2,USD
";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs_err::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn days_are_dates() {
    for (days, date) in [(0, 19_700_101), (11_016, 20_000_229), (20_685, 20_260_820)] {
        assert_eq!(civil(days), date);
    }
}

#[test]
fn a_book_is_made_asked_compared_and_used() {
    let dearer = ROWS.replace(",0.2,", ",0.25,");
    let folder = folder(&[
        ("one.csv", ROWS),
        ("two.csv", &dearer),
        ("plan.json", &plan(&instance("a", "m5.large"))),
        ("next.json", &plan(&instance("a", "m5.xlarge"))),
    ]);
    let at = folder.path();
    for (list, book) in [("one.csv", "one.book"), ("two.csv", "two.book")] {
        check(
            at,
            &format!("price import --kind csv /{list} --book /{book} --id house"),
            &["2 rows", "digest"],
        );
    }
    check(at, "price list --book /one.book", &["house", "2 AmazonEC2"]);
    check(
        at,
        "price list --book /one.book --service AmazonEC2",
        &["m5.large", "0.2 USD per hour"],
    );
    let asked = "service=AmazonEC2;region=eu-west-1;instance_type=m5.large";
    check(
        at,
        &format!("price lookup {asked} --book /one.book"),
        &["0.1 USD per hour"],
    );
    check(
        at,
        "price diff /one.book /two.book",
        &["0.2 → 0.25", "1 prices changed, 0 are new, 0 are gone"],
    );
    check(
        at,
        "estimate /plan.json --book /one.book",
        &["Instance usage (Linux/UNIX, on-demand, m5.large)", "73.00"],
    );
    check(
        at,
        "estimate /next.json --book /one.book --compare /plan.json",
        &["~ aws_instance.a", "+73.00"],
    );
    check(
        at,
        "estimate /next.json --book /one.book --compare /plan.json --format markdown",
        &["| ~ | `aws_instance.a` | 73.00 | 146.00 | +73.00 |"],
    );
    let json = said(at, "estimate /plan.json --book /one.book --format json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["totalMonthlyCost"], "73");
    assert_eq!(json["cost_estimate"]["proposed_monthly_cost"], "73");
    assert_eq!(json["book"]["id"], "house");
    let form = said(
        at,
        "estimate /plan.json --book /one.book --format infracost",
    );
    let form: serde_json::Value = serde_json::from_str(&form).unwrap();
    assert_eq!(form["totalMonthlyCost"], "73");
    let component = &form["projects"][0]["breakdown"]["resources"][0]["costComponents"][0];
    assert_eq!(component["monthlyQuantity"], "730");
    for (holder, beyond) in [
        (&form, "book"),
        (component, "state"),
        (&form["summary"], "components"),
    ] {
        assert!(
            holder.is_object() && holder.get(beyond).is_none(),
            "{beyond}"
        );
    }
}

#[test]
fn a_plan_by_its_changes_alone_is_estimated_on_both_sides() {
    let change = r#"{"address":"aws_instance.a","mode":"managed","type":"aws_instance","change":{"actions":["update"],"before":{"instance_type":"m5.large"},"after":{"instance_type":"m5.xlarge"}}}"#;
    let region = r#""configuration":{"provider_config":{"aws":{"expressions":{"region":{"constant_value":"eu-west-1"}}}}}"#;
    let text = format!(r#"{{"format_version":"1.2","resource_changes":[{change}],{region}}}"#);
    let folder = folder(&[("plan.json", &text), ("one.csv", ROWS)]);
    let at = folder.path();
    said(at, "price import --kind csv /one.csv --book /one.book");
    check(
        at,
        "estimate /plan.json --book /one.book --format changes",
        &[
            "~ aws_instance.a",
            "Total a month: 146.00 USD, before 73.00, change +73.00",
        ],
    );
}

/// Files with a mistake each, and some without.
fn wrong_files() -> Vec<(&'static str, String)> {
    let whole = plan(&instance("a", "m5.large"));
    let column = "service,region,attributes,unit,cost,currency\n";
    let two_currencies = ROWS.replace("0.2,USD", "0.2,EUR");
    let both = plan(&[instance("a", "m5.large"), instance("b", "m5.xlarge")].join(","));
    vec![
        ("cut.json", whole.get(..whole.len() / 2).unwrap().to_owned()),
        ("none.json", "{\"hello\": 1}".to_owned()),
        (
            "text.json",
            "Terraform will perform the following actions".to_owned(),
        ),
        ("new.json", whole.replace("\"1.2\"", "\"2.0\"")),
        ("old.json", whole.replace("\"1.2\"", "\"0.1\"")),
        ("plan.json", whole.clone()),
        ("both.json", both),
        (
            "foreign.json",
            plan(r#"{"address":"acme_thing.x","mode":"managed","type":"acme_thing","values":{}}"#),
        ),
        ("columns.csv", column.to_owned()),
        ("negative.csv", ROWS.replace(",0.2,", ",-0.2,")),
        ("euro.csv", two_currencies),
        ("code.csv", ROWS.replace("0.2,USD", "0.2,usd")),
        ("noise.book", "this is no book".to_owned()),
        (
            "usage.yml",
            "version: 0.1\nresource_usage:\n  aws_instance.gone:\n    monthly_hrs: 5\n".to_owned(),
        ),
        (
            "broken.yml",
            "version: 0.1\nresource_usage:\n  aws_instance.a: 7\n".to_owned(),
        ),
        (
            "overlay.csv",
            "op,service,region,attributes,value\ndivide,AmazonEC2,*,,2\n".to_owned(),
        ),
    ]
}

/// Commands, and what each must answer.
const WRONG: &[(&str, &str)] = &[
    (
        "estimate /cut.json",
        "cut.json: this is no plan: EOF while parsing",
    ),
    ("estimate /cut.json", "at line 1 column"),
    (
        "estimate /none.json",
        "none.json: this JSON is neither a plan nor a state",
    ),
    ("estimate /text.json", "text.json: this is no plan"),
    (
        "estimate /new.json",
        "new.json: this plan has format version 2.0",
    ),
    ("estimate /old.json", "Instance usage"),
    ("estimate /missing.json", "missing.json"),
    (
        "estimate /foreign.json",
        "unsupported: acme_thing.x (its type is not known)",
    ),
    (
        "estimate /plan.json --usage /usage.yml",
        "usage.yml:3: no resource of the plan is aws_instance.gone",
    ),
    (
        "estimate /plan.json --usage /broken.yml",
        "broken.yml:3: the usage of aws_instance.a",
    ),
    (
        "estimate /plan.json --overlay /overlay.csv",
        "overlay.csv:2: \"divide\" is no operation",
    ),
    ("estimate /plan.json --mapping /maps", "house.map:2:"),
    (
        "estimate /plan.json --book /noise.book",
        "noise.book is no price book",
    ),
    ("estimate /plan.json --date today", "\"today\" is no date"),
    ("mapping --mapping /maps", "house.map:2:"),
    (
        "price import --kind csv /columns.csv --book /x.book",
        "columns.csv:1: the column price is missing",
    ),
    (
        "price import --kind csv /negative.csv --book /x.book",
        "negative.csv:3: the price -0.2 is negative",
    ),
    (
        "price import --kind csv /code.csv --book /x.book",
        "code.csv:3: the currency \"usd\"",
    ),
    (
        "price lookup service=AmazonEC2;region=nowhere;instance_type=m5.large",
        "has no price of",
    ),
    (
        "price lookup instance_type=m5.large",
        "say of which service",
    ),
];

#[test]
fn what_is_wrong_is_answered_with_file_and_line_or_address() {
    let files = wrong_files();
    let folder = folder(
        &files
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect::<Vec<_>>(),
    );
    let at = folder.path();
    fs_err::create_dir(at.join("maps")).unwrap();
    let broken = "resource acme_thing\n  - Part | hours | 730 *\n";
    fs_err::write(at.join("maps/house.map"), broken).unwrap();
    for (line, wanted) in WRONG {
        check(at, line, &[wanted]);
    }
    assert!(!at.join("x.book").exists(), "a book is whole or not there");
    said(at, "price import --kind csv /euro.csv --book /euro.book");
    check(
        at,
        "estimate /both.json --book /euro.book",
        &[
            "73.00 USD",
            "146.00 EUR",
            "there is a total for each, and none over all",
        ],
    );
}

#[test]
fn a_plan_of_hundreds_of_megabytes_is_read_without_a_copy_of_what_nobody_asks_for() {
    let noise = "x".repeat(200 << 20);
    let large = format!(
        r#"{{"address":"aws_instance.a","mode":"managed","type":"aws_instance","values":{{"instance_type":"m5.large"}},"sensitive_values":{{"noise":"{noise}"}}}}"#
    );
    let folder = folder(&[("plan.json", &plan(&large)), ("one.csv", ROWS)]);
    drop((noise, large));
    let at = folder.path();
    said(at, "price import --kind csv /one.csv --book /one.book");
    check(at, "estimate /plan.json --book /one.book", &["73.00"]);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = folder(&[("one.csv", ROWS)]);
    let line = "price import --kind csv /one.csv --book /nowhere/one.book";
    check(folder.path(), line, &["refused", "nowhere"]);
}

#[test]
fn what_no_case_has_is_priced_by_the_facts_that_there_are() {
    let of = |kind: &str, values: &str| {
        format!(r#"{{"address":"{kind}.x","mode":"managed","type":"{kind}","values":{values}}}"#)
    };
    let reserved =
        r#"{"instance_type":"m5.large","instance_count":2,"instance_platform":"Linux/UNIX"}"#;
    let rules = r#"{"rule":[{"type":"REGULAR"},{"type":"GROUP"}]}"#;
    let resources = [
        of("aws_kms_replica_key", "{}"),
        of("aws_cloudwatch_composite_alarm", "{}"),
        of(
            "aws_synthetics_canary",
            r#"{"schedule":[{"expression":"rate(5 minutes)"}]}"#,
        ),
        of("aws_cloudwatch_metric_stream", "{}"),
        of("aws_ec2_capacity_reservation", reserved),
        of("aws_wafregional_web_acl", rules),
        of("aws_db_proxy", "{}"),
    ];
    let usage = "version: 0.1
resource_usage:
  aws_cloudwatch_metric_stream.x:
    monthly_metric_updates: 1000000
  aws_ec2_capacity_reservation.x:
    monthly_unused_hrs: 100
  aws_db_proxy.x:
    vcpu_count: 4
";
    let folder = folder(&[
        ("plan.json", &plan(&resources.join(","))),
        ("usage.yml", usage),
    ]);
    let text = said(
        folder.path(),
        "estimate /plan.json --usage /usage.yml --format json",
    );
    let text: serde_json::Value = serde_json::from_str(&text).unwrap();
    let resources = text["projects"][0]["breakdown"]["resources"]
        .as_array()
        .unwrap();
    let costs: Vec<(&str, &str)> = resources
        .iter()
        .map(|it| {
            (
                it["resourceType"].as_str().unwrap(),
                it["monthlyCost"].as_str().unwrap_or("?"),
            )
        })
        .collect();
    assert_eq!(
        costs,
        [
            ("aws_kms_replica_key", "1"),
            ("aws_cloudwatch_composite_alarm", "0.5"),
            ("aws_synthetics_canary", "12.264"),
            ("aws_cloudwatch_metric_stream", "3"),
            ("aws_ec2_capacity_reservation", "21.4"),
            ("aws_wafregional_web_acl", "7"),
            ("aws_db_proxy", "46.72"),
        ]
    );
}
