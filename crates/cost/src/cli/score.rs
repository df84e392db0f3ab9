//! `score`: estimates of cases against what is expected of them.
//!
//! Each case is estimated by a process of this binary that is given the plan, the usage and a book of the unit-price tables, in a
//! directory that holds nothing else: what is expected is read afterwards, here. A component is right when its name, its unit and its
//! quantity are right and, where the tables have a price for it in its region, its cost is right to the cent. "In the list, unknown" is
//! a component that has no price; "missing" is one that is not there.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Args;
use rust_decimal::Decimal;
use serde_json::Value;
use statehouse_cost::price::build::Builder;
use statehouse_cost::price::tables::{Which, read};
use statehouse_cost::value::decimal;

use super::score_report::{Tally, report};
use super::{Failure, print};

/// The day of the tables: prices of all their dates count.
const DATE: &str = "2026-12-31";

/// Compares estimates with what is expected.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The directory of the cases
    #[arg(long)]
    cases: PathBuf,
    /// The directory of the unit-price tables; beside the cases where none is given
    #[arg(long)]
    prices: Option<PathBuf>,
    /// End with one line of JSON
    #[arg(long)]
    json: bool,
    /// Say of each component that is not right why
    #[arg(long)]
    verbose: bool,
    /// Only cases whose name has this text
    #[arg(long)]
    only: Option<String>,
}

/// A component that was estimated.
pub(crate) struct Estimated {
    pub(crate) unit: String,
    pub(crate) quantity: Option<Decimal>,
    pub(crate) cost: Option<Decimal>,
    pub(crate) chosen: bool,
    pub(crate) state: String,
}

/// Resource, sub-resources, name.
pub(crate) type Key = (String, Vec<String>, String);

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let scratch = scratch()?;
    let result = score(arguments, &scratch);
    fs_err::remove_dir_all(&scratch)?;
    result
}

/// A directory of this process.
fn scratch() -> Result<PathBuf, Failure> {
    let path = std::env::temp_dir().join(format!("statehouse-cost-score-{}", std::process::id()));
    fs_err::create_dir_all(&path)?;
    Ok(path)
}

fn score(arguments: &Arguments, scratch: &Path) -> Result<ExitCode, Failure> {
    let prices = match &arguments.prices {
        Some(path) => path.clone(),
        None => arguments.cases.join("../prices"),
    };
    let book = scratch.join("book");
    let mut builder = Builder::default();
    read(&prices, Which::UnitPrices, &mut builder)?;
    fs_err::write(&book, builder.finish("unit-prices", "2026-08-21")?)?;
    let mut names: Vec<String> = Vec::new();
    for entry in fs_err::read_dir(&arguments.cases)? {
        let path = entry?.path();
        if path.join("plan.json").exists() {
            names.extend(
                path.file_name()
                    .map(|name| name.to_string_lossy().into_owned()),
            );
        }
    }
    names.retain(|name| {
        arguments
            .only
            .as_ref()
            .is_none_or(|only| name.contains(only))
    });
    names.sort();
    if names.is_empty() {
        return Err(format!(
            "{}: there are no cases (directories with plan.json and expected.json)",
            arguments.cases.display()
        )
        .into());
    }
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut shipped = Tally::default();
    for name in &names {
        let case = arguments.cases.join(name);
        let document = estimated(&case, name, &book, scratch)?;
        let expected: Value = serde_json::from_slice(&fs_err::read(case.join("expected.json"))?)?;
        let provider = provider(name);
        let tally = tallies.entry(provider).or_default();
        let problems = compare(&document, &expected, tally)?;
        if arguments.verbose {
            for problem in problems {
                print(&format!("{name}: {problem}\n"))?;
            }
        }
        if provider == "aws" && !name.starts_with("fixture-") {
            shipped.covered(&with_starter(&case, scratch)?);
        }
    }
    report(&tallies, &shipped, arguments.json)?;
    Ok(ExitCode::SUCCESS)
}

fn provider(case: &str) -> &'static str {
    if case.starts_with("pseudo-azure-") {
        "azure"
    } else if case.starts_with("pseudo-google-") {
        "google"
    } else {
        "aws"
    }
}

/// Copies what may be known of a case, and nothing else.
fn alone(case: &Path, scratch: &Path) -> Result<PathBuf, Failure> {
    let place = scratch.join("case");
    if place.exists() {
        fs_err::remove_dir_all(&place)?;
    }
    fs_err::create_dir_all(&place)?;
    for file in ["plan.json", "usage.json"] {
        let from = case.join(file);
        if from.exists() {
            fs_err::copy(&from, place.join(file))?;
        }
    }
    Ok(place)
}

fn ask(place: &Path, arguments: &[&str]) -> Result<Value, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("estimate")
        .arg(place.join("plan.json"))
        .args(["--format", "json"])
        .args(arguments);
    command.env_clear().current_dir(place);
    if place.join("usage.json").exists() {
        command.arg("--usage").arg(place.join("usage.json"));
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn estimated(case: &Path, name: &str, book: &Path, scratch: &Path) -> Result<Value, Failure> {
    let place = alone(case, scratch)?;
    let book = book.display().to_string();
    let mut arguments = vec!["--book", &book, "--date", DATE, "--elsewhere"];
    // What a case wants to be switched on, its name says.
    if name.ends_with("_dev_test_price") {
        arguments.push("--dev-test");
    }
    ask(&place, &arguments)
}

fn with_starter(case: &Path, scratch: &Path) -> Result<Value, Failure> {
    ask(&alone(case, scratch)?, &["--date", DATE])
}

/// The components of an estimate, by resource, sub-resources and name.
pub(crate) fn components(document: &Value) -> HashMap<Key, Vec<Estimated>> {
    let mut found = HashMap::new();
    let resources = document
        .pointer("/projects/0/breakdown/resources")
        .and_then(Value::as_array);
    for resource in resources.into_iter().flatten() {
        let address = resource
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        collect(resource, address, &mut Vec::new(), &mut found);
    }
    found
}

fn collect(
    holder: &Value,
    address: &str,
    path: &mut Vec<String>,
    found: &mut HashMap<Key, Vec<Estimated>>,
) {
    let text = |value: &Value, name: &str| {
        value
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let number =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).and_then(decimal);
    for component in holder
        .get("costComponents")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let key = (address.to_owned(), path.clone(), text(component, "name"));
        found.entry(key).or_default().push(Estimated {
            unit: text(component, "unit"),
            quantity: number(component, "monthlyQuantity"),
            cost: number(component, "monthlyCost"),
            chosen: component
                .get("chosen")
                .and_then(Value::as_bool)
                .unwrap_or(false),
            state: text(component, "state"),
        });
    }
    for part in holder
        .get("subresources")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        path.push(text(part, "name"));
        collect(part, address, path, found);
        path.pop();
    }
}

/// Compares, counts, and says what is not right.
fn compare(document: &Value, expected: &Value, tally: &mut Tally) -> Result<Vec<String>, Failure> {
    let mut found = components(document);
    let mut problems = Vec::new();
    let (mut wanted_total, mut total) = (Decimal::ZERO, Decimal::ZERO);
    for wanted in expected.as_array().ok_or("expected.json is no list")? {
        let wanted = Wanted::new(wanted);
        // What is expected to have no price is in no total.
        let counts = wanted.cost.is_some() || wanted.has_price;
        wanted_total += wanted.cost.unwrap_or_default();
        tally.components += 1;
        let Some(list) = found.get_mut(&wanted.key).filter(|list| !list.is_empty()) else {
            tally.missing += 1;
            problems.push(format!("{}: missing", wanted.shown()));
            continue;
        };
        let estimated = list.remove(0);
        total += estimated.cost.filter(|_| counts).unwrap_or_default();
        match wanted.judge(&estimated) {
            Ok(()) => {
                tally.components_ok += 1;
                tally.chosen += usize::from(estimated.chosen && estimated.cost.is_some());
                let unknown =
                    wanted.cost.is_some_and(|cost| !cost.is_zero()) && estimated.cost.is_none();
                tally.unknown += usize::from(unknown);
            }
            Err(problem) => problems.push(format!("{}: {problem}", wanted.shown())),
        }
    }
    for ((address, path, name), list) in found {
        for extra in list {
            tally.extra += 1;
            total += extra.cost.unwrap_or_default();
            problems.push(format!(
                "{address} {} {name}: not expected ({:?} {})",
                path.join("/"),
                extra.quantity,
                extra.unit
            ));
        }
    }
    tally.totals += 1;
    // Each expected cost is rounded to a cent on its own.
    let count = Decimal::from(expected.as_array().map_or(0, Vec::len));
    let tolerance = Decimal::new(5, 3) * count + Decimal::new(1, 2);
    if (total - wanted_total).abs() <= tolerance {
        tally.totals_ok += 1;
    } else {
        problems.push(format!(
            "the total is {} and should be {wanted_total}",
            total.round_dp(2)
        ));
    }
    Ok(problems)
}

struct Wanted {
    key: Key,
    unit: Option<String>,
    quantity: Option<Decimal>,
    cost: Option<Decimal>,
    has_price: bool,
}

impl Wanted {
    fn new(value: &Value) -> Self {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| {
            value
                .get(name)
                .filter(|value| !value.is_null())
                .and_then(|value| decimal(&value.to_string()))
        };
        let path = value
            .get("subresource")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let path = path
            .filter_map(|step| step.as_str().map(str::to_owned))
            .collect();
        let component = text("component").unwrap_or_default();
        // Where no price was found, the quantity and the unit stand behind the name in the text.
        let name = component.split("  ").next().unwrap_or_default().to_owned();
        Self {
            key: (text("resource").unwrap_or_default(), path, name),
            unit: text("unit"),
            quantity: number("monthly_qty"),
            cost: number("monthly_cost"),
            has_price: value.get("price_found").and_then(Value::as_bool) != Some(false),
        }
    }

    fn shown(&self) -> String {
        let (address, path, name) = &self.key;
        format!("{address} {} {name}", path.join("/"))
    }

    fn judge(&self, estimated: &Estimated) -> Result<(), String> {
        if !self.has_price {
            return Ok(());
        }
        if let Some(unit) = &self.unit
            && *unit != estimated.unit
        {
            return Err(format!(
                "the unit is {} and should be {unit}",
                estimated.unit
            ));
        }
        let near = match (self.quantity, estimated.quantity) {
            (None, None) => true,
            // Four digits of a quantity are printed, rounded or cut.
            (Some(wanted), Some(quantity)) => {
                (wanted - quantity).abs() < Decimal::new(1, 4)
                    || wanted == quantity.round_dp(wanted.scale())
            }
            _ => false,
        };
        if !near {
            return Err(format!(
                "the quantity is {:?} and should be {:?}",
                estimated.quantity, self.quantity
            ));
        }
        let (Some(wanted), Some(cost)) = (self.cost, estimated.cost) else {
            return Ok(());
        };
        // Half a cent of rounding, and what the rounding of a derived price makes of a large quantity.
        let tolerance = Decimal::new(55, 4) + cost.abs() * Decimal::new(2, 5);
        if (wanted - cost).abs() > tolerance {
            return Err(format!(
                "it costs {} and should cost {wanted} ({})",
                cost.round_dp(4),
                estimated.state
            ));
        }
        Ok(())
    }
}
