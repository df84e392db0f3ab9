//! The process's own side: it reads plan and inputs, estimates, and says what came of it.

use std::io::Write as _;
use std::process::ExitCode;

use statehouse_confined::{begin, document, order, say, watch};
use statehouse_core::cost::Kind;
use statehouse_cost::estimate::{Estimate, Settings, estimate};
use statehouse_cost::mapping::Mapping;
use statehouse_cost::output::json;
use statehouse_cost::plan::Plan;
use statehouse_cost::price::book::Book;
use statehouse_cost::price::date;
use statehouse_cost::price::overlay::Overlay;
use statehouse_cost::usage::Usage;

use super::{Named, Order, Word, told};

/// What is answered where it cannot go on, as `env` and `timeout` do.
const FAILED: u8 = 125;
/// A piece of a text in one frame.
const PIECE_BYTES: usize = 1 << 20;

/// One order. The binary calls this before it has opened or started anything, and exits with the answer.
pub(crate) fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if standard error is closed.
            let _ = writeln!(std::io::stderr(), "statehouse cost worker: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn run() -> Result<(), String> {
    begin()?;
    match order::<Order>()? {
        Order::Check(input) => {
            let bytes = read(input.bytes)?;
            watch()?;
            say(&Word::Checked(check(&input, bytes)))
        }
        Order::Estimate {
            plan,
            name,
            inputs,
            date,
            region,
        } => {
            let plan = read(plan)?;
            let mut sent = Vec::new();
            for input in inputs {
                let bytes = read(input.bytes)?;
                sent.push((input, bytes));
            }
            watch()?;
            let made = estimated(&plan, sent, &date, region.as_deref());
            match made.and_then(|made| Ok((told::figures(&made)?, made))) {
                Ok((figures, made)) => tell(figures, &made, (&name, &date)),
                Err(why) => say(&Word::Failed(why)),
            }
        }
    }
}

fn read(bytes: u64) -> Result<Vec<u8>, String> {
    document(bytes).map_err(|error| format!("reading a document: {error}"))
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| format!("{name}: this is no text: {error}"))
}

/// Reads an input as it would be to estimate by it, and says what it is.
fn check(input: &Named, bytes: Vec<u8>) -> Result<String, String> {
    let name = &input.name;
    match input.kind {
        Kind::Book => {
            let book = Book::read(name, bytes).map_err(|error| error.to_string())?;
            let meta = book.meta();
            Ok(format!(
                "{} of {}, {} prices",
                meta.id, meta.created_at, meta.rows
            ))
        }
        Kind::Mapping => {
            let mapping = Mapping::packed(name, &text(name, bytes)?);
            let mapping = mapping.map_err(|error| error.to_string())?;
            mapping.check().map_err(|error| error.to_string())?;
            Ok(format!("{} types with components", mapping.priced().len()))
        }
        Kind::Overlay => {
            let lines = bytes.split(|byte| *byte == b'\n');
            let lines = lines.filter(|line| !line.trim_ascii().is_empty()).count();
            Overlay::read(name, &bytes).map_err(|error| error.to_string())?;
            Ok(format!("{} lines", lines.saturating_sub(1)))
        }
        Kind::Usage => {
            let mut usage = Usage::default();
            let text = text(name, bytes)?;
            usage.add(name, &text).map_err(|error| error.to_string())?;
            Ok(format!("{} bytes of usage", text.len()))
        }
    }
}

fn estimated(
    plan: &[u8],
    inputs: Vec<(Named, Vec<u8>)>,
    day: &str,
    region: Option<&str>,
) -> Result<Estimate, String> {
    let (mut book, mut mapping, mut overlay) = (None, None, None);
    let mut usage = Usage::default();
    for (input, bytes) in inputs {
        let name = &input.name;
        match input.kind {
            Kind::Book => {
                book = Some(Book::read(name, bytes).map_err(|error| error.to_string())?);
            }
            Kind::Mapping => {
                let read = Mapping::packed(name, &text(name, bytes)?);
                mapping = Some(read.map_err(|error| error.to_string())?);
            }
            Kind::Overlay => {
                let read = Overlay::read(name, &bytes);
                overlay = Some(read.map_err(|error| error.to_string())?);
            }
            Kind::Usage => {
                let text = text(name, bytes)?;
                usage.add(name, &text).map_err(|error| error.to_string())?;
            }
        }
    }
    let book = book.ok_or("there is no price book")?;
    let mapping = mapping.ok_or("there is no mapping")?;
    let settings = Settings {
        book: &book,
        overlay: overlay.as_ref(),
        date: date(day).ok_or_else(|| format!("{day:?} is no date like 2026-08-21"))?,
        dev_test: false,
        elsewhere: false,
        region,
    };
    let plan = Plan::read(plan).map_err(|error| error.to_string())?;
    estimate(&plan, &usage, &mapping, &settings).map_err(|error| error.to_string())
}

fn tell(
    figures: statehouse_core::cost::estimate::Figures,
    made: &Estimate,
    (name, day): (&str, &str),
) -> Result<(), String> {
    say(&Word::Figures(Box::new(figures), told::resources(made)))?;
    pieces(&told::policy(made).to_string(), Word::Policy)?;
    // The day, and not the moment: made again, it is the same text.
    let document = json::document(made, name, &format!("{day}T00:00:00Z"));
    pieces(&document.to_string(), Word::Document)?;
    say(&Word::End)
}

/// Says a text in pieces, each of whole letters.
fn pieces(mut text: &str, word: fn(String) -> Word) -> Result<(), String> {
    while !text.is_empty() {
        let end = text.floor_char_boundary(PIECE_BYTES);
        let (piece, rest) = text.split_at(end);
        say(&word(piece.to_owned()))?;
        text = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use serde_json::{Value, json};

    use super::*;

    const DAY: &str = "2026-11-28";

    /// A plan of two volumes, and of something that nobody knows.
    fn plan() -> Vec<u8> {
        let volume = |index: usize| {
            json!({
                "address": format!("aws_ebs_volume.disk[{index}]"), "mode": "managed", "type": "aws_ebs_volume", "name": "disk",
                "provider_name": "registry.terraform.io/hashicorp/aws",
                "values": { "availability_zone": "eu-west-1a", "size": 100, "type": "gp3" },
            })
        };
        let unknown = json!({
            "address": "acme_thing.one", "mode": "managed", "type": "acme_thing", "name": "one",
            "provider_name": "registry.terraform.io/acme/acme", "values": {},
        });
        let resources = [volume(0), volume(1), unknown];
        let changes = resources.clone().map(|resource| {
            json!({
                "address": resource["address"], "mode": "managed", "type": resource["type"], "name": resource["name"],
                "change": { "actions": ["create"], "before": null, "after": resource["values"], "after_unknown": {} },
            })
        });
        let region = json!({ "aws": { "name": "aws", "expressions": { "region": { "constant_value": "eu-west-1" } } } });
        let plan = json!({
            "format_version": "1.2", "terraform_version": "1.11.4",
            "planned_values": { "root_module": { "resources": resources } },
            "resource_changes": changes,
            "configuration": { "provider_config": region, "root_module": {} },
        });
        plan.to_string().into_bytes()
    }

    fn input(kind: Kind, name: &str, bytes: &[u8]) -> (Named, Vec<u8>) {
        let named = Named {
            kind,
            name: name.to_owned(),
            bytes: bytes.len() as u64,
        };
        (named, bytes.to_vec())
    }

    fn estimate_of(overlay: Option<&str>) -> Result<Estimate, String> {
        let own = [
            input(Kind::Book, "own", Book::starter_bytes()),
            input(Kind::Mapping, "own", Mapping::pack().as_bytes()),
        ];
        let overlay = overlay.map(|text| input(Kind::Overlay, "ours.csv", text.as_bytes()));
        let inputs = own.into_iter().chain(overlay).collect();
        estimated(&plan(), inputs, DAY, None)
    }

    #[test]
    fn what_is_known_and_what_is_not_is_told_apart_and_the_same_each_time() {
        let made = estimate_of(None).unwrap();
        let figures = told::figures(&made).unwrap();
        assert_eq!(figures.totals["USD"].micro.after, 17_600_000);
        assert_eq!((figures.counts.resources, figures.counts.estimated), (3, 2));
        assert_eq!(figures.unsupported["acme_thing"], 1);
        let policy = told::policy(&made);
        for (name, value) in [
            ("monthly_before", json!(0.0)),
            ("monthly_after", json!(17.6)),
            ("monthly_change_percent", Value::Null),
            ("currency", json!("USD")),
            ("complete", json!(false)),
        ] {
            assert_eq!(policy[name], value, "{name}");
        }
        assert_eq!(policy["unpriced"][0]["address"], "acme_thing.one");
        assert_eq!(policy["cost_estimate"]["delta_monthly_cost"], 17.6);
        let again = told::policy(&estimate_of(None).unwrap());
        assert_eq!(policy.to_string(), again.to_string());
        let shown = told::resources(&made);
        assert_eq!(shown[0].components[0].delta.as_deref(), Some("8.8"));
    }

    #[test]
    fn what_is_known_after_the_apply_is_no_amount_that_a_budget_could_pass() {
        let cluster = json!({
            "address": "aws_elasticache_cluster.one", "mode": "managed", "type": "aws_elasticache_cluster", "name": "one",
            "provider_name": "registry.terraform.io/hashicorp/aws",
            "values": { "engine": "redis", "node_type": "cache.m5.large" },
        });
        let read = |expressions: Value| {
            let plan = json!({
                "format_version": "1.2",
                "planned_values": { "root_module": { "resources": [cluster] } },
                "resource_changes": [{
                    "address": cluster["address"],
                    "change": { "actions": ["create"], "after_unknown": { "num_cache_nodes": true } },
                }],
                "configuration": { "root_module": { "resources": [{ "address": cluster["address"], "expressions": expressions }] } },
            });
            let inputs = vec![
                input(Kind::Book, "own", Book::starter_bytes()),
                input(Kind::Mapping, "own", Mapping::pack().as_bytes()),
            ];
            told::policy(
                &estimated(plan.to_string().as_bytes(), inputs, DAY, Some("eu-west-1")).unwrap(),
            )
        };
        let set = json!({ "num_cache_nodes": { "references": ["random_integer.n.result", "random_integer.n"] } });
        let later = read(set);
        assert_eq!(later["complete"], json!(false));
        assert_eq!(later["monthly_after"], json!(0.0));
        assert_eq!(
            later["unpriced"][0]["address"],
            "aws_elasticache_cluster.one"
        );
        assert_eq!(later["unpriced"][0]["state"], "known_after_apply");
        assert_eq!(later["counts"]["priced"], json!(0));
        let default = read(json!({}));
        assert_eq!(default["unpriced"], json!([]));
        assert!(default["monthly_after"].as_f64().unwrap() > 50.0);
    }

    #[test]
    fn two_currencies_are_never_one_amount_and_one_that_is_none_is_refused() {
        let lines = |currency: &str| {
            format!(
                "op,service,region,attributes,value,currency\nset,aws_ebs_volume,*,,0.1,{currency}\n"
            )
        };
        let made = estimate_of(Some(&lines("CNY"))).unwrap();
        let totals = told::figures(&made).unwrap().totals;
        assert_eq!(totals.keys().collect::<Vec<_>>(), ["CNY"]);
        assert_eq!(told::policy(&made)["currency"], "CNY");
        let made = estimate_of(Some(&lines("shells"))).unwrap();
        let why = told::figures(&made).unwrap_err();
        assert!(why.contains("\"shells\" is no currency"), "{why}");
    }

    #[test]
    fn what_does_not_read_names_its_file_and_line() {
        for (kind, text, words) in [
            (Kind::Overlay, "op,service\n", "ours.csv"),
            (Kind::Usage, "version: 0.1\nresources: {}\n", "ours.csv:2"),
            (Kind::Book, "no book", "is no price book"),
        ] {
            let (named, bytes) = input(kind, "ours.csv", text.as_bytes());
            let wrong = check(&named, bytes).unwrap_err();
            assert!(wrong.contains(words), "{wrong}");
        }
        let (named, bytes) = input(Kind::Usage, "usage.yml", b"version: 0.1\n");
        assert!(check(&named, bytes).is_ok());
    }
}
