//! Networks: ranges of addresses compared and merged.

use std::collections::BTreeSet;
use std::net::IpAddr;

use regorus::Value;

use super::{Answer, Args, Builtin, Failure};

pub(super) const ALL: [Builtin; 4] = [
    ("net.cidr_intersects", 2, intersects),
    ("net.cidr_overlap", 2, contains),
    ("net.cidr_contains_matches", 2, contains_matches),
    ("net.cidr_merge", 1, merge),
];

/// A range of addresses, ends included. The two families are never compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    six: bool,
    first: u128,
    last: u128,
}

impl Range {
    fn holds(self, other: Self) -> bool {
        self.six == other.six && self.first <= other.first && other.last <= self.last
    }

    fn meets(self, other: Self) -> bool {
        self.six == other.six && self.first <= other.last && other.first <= self.last
    }
}

fn bits(address: IpAddr) -> (bool, u128, u32) {
    match address {
        IpAddr::V4(it) => (false, u128::from(it.to_bits()), 32),
        IpAddr::V6(it) => (true, it.to_bits(), 128),
    }
}

/// `10.0.0.0/8`
fn cidr(text: &str) -> Option<Range> {
    let (address, length) = text.split_once('/')?;
    let (six, address, width) = bits(address.parse().ok()?);
    let length: u32 = length.parse().ok().filter(|it| *it <= width)?;
    let host = u128::MAX.checked_shr(128 - width + length).unwrap_or(0);
    Some(Range {
        six,
        first: address & !host,
        last: address | host,
    })
}

/// A range, or an address as a range of one.
fn range(args: &Args<'_>, text: &str) -> Result<Range, Failure> {
    let alone = || {
        let (six, address, _) = bits(text.parse().ok()?);
        Some(Range {
            six,
            first: address,
            last: address,
        })
    };
    match cidr(text).or_else(alone) {
        Some(range) => Ok(range),
        None => args.fail(format!("{text:?} is no address and no range of addresses")),
    }
}

fn network(args: &Args<'_>, text: &str) -> Result<Range, Failure> {
    match cidr(text) {
        Some(range) => Ok(range),
        None => args.fail(format!("{text:?} is no range of addresses")),
    }
}

fn intersects(args: &Args<'_>) -> Answer {
    Ok(Value::from(
        network(args, args.text(0)?)?.meets(network(args, args.text(1)?)?),
    ))
}

fn contains(args: &Args<'_>) -> Answer {
    Ok(Value::from(
        network(args, args.text(0)?)?.holds(range(args, args.text(1)?)?),
    ))
}

/// What names each range, and the range: an index, a key, or the item itself.
fn named(args: &Args<'_>, index: usize) -> Result<Vec<(Value, Range)>, Failure> {
    let read = |name: Value, item: &Value| -> Result<(Value, Range), Failure> {
        let text = match item {
            Value::String(text) => text.as_ref(),
            Value::Array(items) => match items.first() {
                Some(Value::String(text)) => text.as_ref(),
                _ => {
                    return args.fail(format!(
                        "operand {}: an array there begins with a string",
                        index + 1
                    ));
                }
            },
            _ => {
                return args.fail(format!(
                    "operand {}: what is in it is a string or an array",
                    index + 1
                ));
            }
        };
        Ok((name, range(args, text)?))
    };
    match args.any(index) {
        item @ Value::String(_) => Ok(vec![read(item.clone(), item)?]),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(at, it)| read(Value::from(at), it))
            .collect(),
        Value::Set(items) => items.iter_sorted().map(|it| read(it.clone(), it)).collect(),
        Value::Object(members) => members
            .iter_sorted()
            .map(|(key, it)| read(key.clone(), it))
            .collect(),
        _ => args.wrong(index, "string, array, set or object"),
    }
}

fn contains_matches(args: &Args<'_>) -> Answer {
    let outer = named(args, 0)?;
    let inner = named(args, 1)?;
    let mut found = BTreeSet::new();
    for (name, range) in &outer {
        for (other_name, _) in inner.iter().filter(|(_, other)| range.holds(*other)) {
            found.insert(Value::from(vec![name.clone(), other_name.clone()]));
        }
    }
    Ok(Value::from(found))
}

fn merge(args: &Args<'_>) -> Answer {
    let mut ranges = Vec::new();
    for item in args.items(0)? {
        let Value::String(text) = item else {
            return args.fail("what is merged are strings");
        };
        let range = match cidr(text) {
            Some(range) => range,
            None => match text.parse::<IpAddr>() {
                Ok(IpAddr::V4(it)) => classful(args, it)?,
                Ok(IpAddr::V6(_)) => {
                    return args.fail(format!("{text} wants a length, as in {text}/128"));
                }
                Err(_) => {
                    return args.fail(format!("{text:?} is no address and no range of addresses"));
                }
            },
        };
        ranges.push(range);
    }
    ranges.sort_unstable();
    let mut merged: Vec<Range> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if last.six == range.six && range.first <= last.last.saturating_add(1) => {
                last.last = last.last.max(range.last);
            }
            _ => merged.push(range),
        }
    }
    let written = merged.into_iter().flat_map(networks).map(Value::from);
    Ok(Value::from(written.collect::<BTreeSet<_>>()))
}

/// An address without a length stands for the network of its class, as in the reference implementation.
fn classful(args: &Args<'_>, address: std::net::Ipv4Addr) -> Result<Range, Failure> {
    let length = match address.octets() {
        [0..128, ..] => 8,
        [128..192, ..] => 16,
        [192..224, ..] => 24,
        _ => return args.fail(format!("{address} wants a length, as in {address}/32")),
    };
    network(args, &format!("{address}/{length}"))
}

/// A range as the fewest networks.
fn networks(range: Range) -> Vec<String> {
    let width = if range.six { 128 } else { 32 };
    let mut written = Vec::new();
    let mut first = range.first;
    loop {
        let aligned = first.trailing_zeros().min(width);
        let left = range.last - first;
        let fitting = if left == u128::MAX {
            128
        } else {
            (left + 1).ilog2()
        };
        let size = aligned.min(fitting);
        let address = if range.six {
            IpAddr::V6(first.into())
        } else {
            IpAddr::V4(u32::try_from(first).unwrap_or(u32::MAX).into())
        };
        written.push(format!("{address}/{}", width - size));
        let step = 1_u128.checked_shl(size).unwrap_or(0);
        match first
            .checked_add(step)
            .filter(|it| step > 0 && *it <= range.last)
        {
            Some(next) => first = next,
            None => return written,
        }
    }
}
