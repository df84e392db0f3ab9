//! How fast resources are found among those of many states, and how much memory that takes.
//!
//! Makes the listings of 10,000 states of 100 resources each (or as many states as the first argument says), and asks for what
//! every resource is, what one in a hundred is, what a single one is and what none is. Prints the processor time of the median of
//! nine runs, and how much memory the listings take.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example reads the kernel's own files and says what it finds"
)]

use std::fmt::Write;

use statehouse_terraform::content::Content;
use statehouse_terraform::diff::Side;
use statehouse_terraform::search::{Listing, Query, Wanted};

/// As many are counted as a page may be turned to.
const COUNTED_MAX: usize = 10_000;

fn main() {
    let states = std::env::args()
        .nth(1)
        .map_or(10_000, |number| number.parse().unwrap());
    let mut listings = Vec::with_capacity(states);
    let started = processor_ns();
    for number in 0..states {
        let text = state(number);
        listings.push(Listing::of(Side::of(
            &Content::read(text.as_bytes()).unwrap(),
        )));
    }
    let resources: usize = listings.iter().map(Listing::len).sum();
    let bytes: usize = listings.iter().map(Listing::bytes).sum();
    println!(
        "{resources} resources in {states} states: made and listed in {} ms, {} MB",
        (processor_ns() - started) / 1_000_000,
        bytes >> 20
    );
    for (name, wanted) in cases(states) {
        let query = Query::new(wanted).unwrap();
        let mut times = Vec::new();
        let mut count = 0;
        for _ in 0..9 {
            let started = processor_ns();
            count = listings
                .iter()
                .flat_map(|listing| listing.find(&query))
                .take(COUNTED_MAX)
                .count();
            times.push((processor_ns() - started) / 1000);
        }
        times.sort_unstable();
        println!("{name}: {} us, {count} found", times.get(4).unwrap());
    }
}

/// What is asked for.
fn cases(states: usize) -> Vec<(&'static str, Wanted)> {
    let words = |text: &str| Wanted {
        words: text.to_owned(),
        ..Wanted::default()
    };
    vec![
        ("all", Wanted::default()),
        (
            "a type that every tenth is",
            Wanted {
                kind: Some("aws_iam_role".to_owned()),
                ..Wanted::default()
            },
        ),
        ("a word in one of a hundred", words("[\"key-77\"]")),
        ("one id", words(&format!("i-{:016x}", id(states / 2, 50)))),
        ("a word that is in no one", words("no-such-resource")),
        (
            "a letter combination of many and a word of none",
            words("instance no-such"),
        ),
        (
            "a provider of none",
            Wanted {
                provider: Some("azurerm".to_owned()),
                ..Wanted::default()
            },
        ),
        (
            "a dependency of none",
            Wanted {
                depends_on: Some("aws_vpc.other".to_owned()),
                ..Wanted::default()
            },
        ),
        (
            "two tags that do not meet",
            Wanted {
                tags: vec!["env=prod".to_owned(), "owner=nobody".to_owned()],
                ..Wanted::default()
            },
        ),
    ]
}

fn id(state: usize, number: usize) -> u64 {
    ((state * 100 + number) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn state(number: usize) -> String {
    let kinds = [
        "aws_instance",
        "aws_iam_role",
        "aws_s3_bucket",
        "aws_security_group",
        "aws_sqs_queue",
    ];
    let mut resources = String::new();
    for (at, kind) in kinds.iter().cycle().take(10).enumerate() {
        let mut instances = String::new();
        for key in 0..10 {
            let comma = if key > 0 { "," } else { "" };
            write!(
                instances,
                r#"{comma}{{"index_key":"key-{}","schema_version":0,"attributes":{{"id":"i-{:016x}","tags":{{"Name":"item {key}","env":"{}","owner":"platform"}}}},"dependencies":["module.net.aws_vpc.main"]}}"#,
                at * 10 + key,
                id(number, at * 10 + key),
                if number.is_multiple_of(2) { "prod" } else { "stage" },
            )
            .unwrap();
        }
        let comma = if at > 0 { "," } else { "" };
        write!(
            resources,
            r#"{comma}{{"module":"module.service","mode":"managed","type":"{kind}","name":"r{at}","provider":"provider[\"registry.terraform.io/hashicorp/aws\"]","instances":[{instances}]}}"#
        )
        .unwrap();
    }
    format!(
        r#"{{"version":4,"terraform_version":"1.11.4","serial":1,"lineage":"l-{number}","outputs":{{}},"resources":[{resources}],"check_results":null}}"#
    )
}

/// Nanoseconds that this thread ran.
fn processor_ns() -> u64 {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    counted.split_whitespace().next().unwrap().parse().unwrap()
}
