//! Whatever is changed in an evidential row, the row does not read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::collections::BTreeSet;

use statehouse_model::HouseCode;
use statehouse_seal::{EpochKeys, KeyName};

use super::*;
use crate::house;

const KINDS: usize = 4;

fn keyring() -> Keyring {
    Keyring::new(
        "site",
        &KeyName::parse("abcdef").unwrap(),
        vec![EpochKeys::generate(1).unwrap()],
    )
    .unwrap()
}

/// Every evidential table of the site and of an organization.
fn tables() -> Vec<Table> {
    [true, false]
        .into_iter()
        .flat_map(|site| house::tables(site).iter().copied())
        .collect()
}

/// A value of one of the four kinds.
fn value(kind: usize, number: usize) -> Value {
    match kind % KINDS {
        0 => Value::Int(i64::try_from(number).unwrap()),
        1 => Value::Text(format!("text {number}")),
        2 => Value::Bytes(format!("bytes {number}").into_bytes()),
        _ => Value::Null,
    }
}

/// What somebody might write in place of a value.
fn others(value: &Value) -> Vec<Value> {
    let mut others = vec![
        Value::Null,
        Value::Int(0),
        Value::Int(1),
        Value::Int(-1),
        Value::Int(i64::MAX),
        Value::from(""),
        Value::from("0"),
        Value::Bytes(Vec::new()),
    ];
    match value {
        Value::Null => {}
        Value::Int(number) => others.extend([
            Value::Int(number + 1),
            Value::Int(!number),
            number.to_string().into(),
        ]),
        Value::Text(text) => others.extend([
            text.to_uppercase().into(),
            format!("{text}\0").into(),
            format!(" {text}").into(),
            text[1..].into(),
            text.clone().into_bytes().into(),
        ]),
        Value::Bytes(bytes) => {
            others.push(String::from_utf8_lossy(bytes).into_owned().into());
            others.push([bytes.as_slice(), &[0]].concat().into());
            others.extend((0..bytes.len() * 8).map(|bit| {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                Value::Bytes(flipped)
            }));
        }
    }
    others.retain(|other| other != value);
    others
}

/// A row as the door writes it.
fn sealed(table: &Table, keyring: &Keyring, values: Vec<Value>, leaf: u64) -> Vec<Value> {
    let salt: [u8; 16] = crate::entropy().to_be_bytes();
    let mac = keyring.row_mac(&mac_message(
        table.name,
        leaf,
        &digest(table.name, table.columns, &values, &salt),
    ));
    [
        values,
        vec![salt.to_vec().into(), leaf.into(), mac.to_vec().into()],
    ]
    .concat()
}

fn reads(table: &Table, keyring: &Keyring, cells: &[Value]) -> bool {
    table
        .stored(cells.to_vec().into())
        .is_ok_and(|stored| stored.genuine(table, keyring))
}

#[test]
fn a_row_with_any_one_column_changed_does_not_read() {
    let keyring = keyring();
    for table in tables() {
        for shift in 0..KINDS {
            let values = (0..table.columns.len())
                .map(|at| value(at + shift, at))
                .collect();
            let cells = sealed(&table, &keyring, values, 7);
            assert!(reads(&table, &keyring, &cells), "{}", table.name);
            for at in 0..cells.len() {
                for other in others(&cells[at]) {
                    let mut changed = cells.clone();
                    changed[at] = other.clone();
                    let column = table.columns.get(at).unwrap_or(&"salt, leaf or mac");
                    assert!(
                        !reads(&table, &keyring, &changed),
                        "{}: {column} as {other:?}",
                        table.name
                    );
                }
                for with in (0..cells.len()).filter(|with| cells[*with] != cells[at]) {
                    let mut changed = cells.clone();
                    changed.swap(at, with);
                    assert!(
                        !reads(&table, &keyring, &changed),
                        "{}: columns {at} and {with} swapped",
                        table.name
                    );
                }
            }
        }
    }
}

#[test]
fn a_row_moved_to_another_table_or_house_does_not_read() {
    let (own, foreign) = (keyring(), keyring());
    let all = tables();
    for table in &all {
        let values: Vec<Value> = (0..table.columns.len()).map(|at| value(at, at)).collect();
        let cells = sealed(table, &own, values, 7);
        assert!(
            !reads(table, &foreign, &cells),
            "{} under another house's keys",
            table.name
        );
        for other in all
            .iter()
            .filter(|other| other.name != table.name && other.columns.len() == table.columns.len())
        {
            assert!(
                !reads(other, &own, &cells),
                "a row of {} in {}",
                table.name,
                other.name
            );
        }
    }
}

#[test]
fn every_column_of_a_table_with_a_mac_is_covered_or_listed_with_a_reason() {
    let mut covered = BTreeSet::new();
    for code in [HouseCode::SITE, HouseCode::from_entropy(1)] {
        for migration in house::migrations(code) {
            for block in migration.sql.split("CREATE TABLE ").skip(1) {
                let (name, rest) = block.split_once(" (").unwrap();
                let body = rest.split(");").next().unwrap();
                let lines = body
                    .lines()
                    .filter_map(|line| line.split_whitespace().next());
                let columns: BTreeSet<&str> = lines.filter(|word| *word != "PRIMARY").collect();
                if !columns.contains("mac") {
                    continue;
                }
                let table = tables().into_iter().find(|table| table.name == name);
                let table =
                    table.unwrap_or_else(|| panic!("`{name}` has MACs and is not verified"));
                let outside = OUTSIDE
                    .iter()
                    .filter(|(of, ..)| *of == name)
                    .map(|(_, column, _)| *column);
                let known = table
                    .columns
                    .iter()
                    .copied()
                    .chain(["salt", "leaf", "mac"])
                    .chain(outside);
                assert_eq!(columns, known.collect(), "{name}");
                covered.insert(name);
            }
        }
    }
    assert_eq!(covered, tables().iter().map(|table| table.name).collect());
    assert!(OUTSIDE.iter().all(|(_, _, reason)| reason.len() > 20));
}
