//! An estimate for people and programs.
//!
//! The only place where amounts are rounded, and only for people: programs get every digit, as text.

pub mod json;
pub mod markdown;
pub mod table;

use std::fmt;
use std::io;

use rust_decimal::{Decimal, RoundingStrategy};

/// Text for people on its way to bytes. Control characters are written out: names in a plan are written by others, and a terminal
/// obeys what it is sent.
pub struct Page<'w> {
    to: &'w mut dyn io::Write,
    failed: Option<io::Error>,
}

impl<'w> Page<'w> {
    /// A page that goes there.
    pub fn new(to: &'w mut dyn io::Write) -> Self {
        Self { to, failed: None }
    }

    /// What came of it.
    ///
    /// # Errors
    ///
    /// If nobody took it.
    pub fn close(self, written: fmt::Result) -> io::Result<()> {
        match (self.failed, written) {
            (Some(failed), _) => Err(failed),
            (None, Err(error)) => Err(io::Error::other(error)),
            (None, Ok(())) => Ok(()),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        self.to.write_all(bytes).map_err(|error| {
            self.failed = Some(error);
            fmt::Error
        })
    }
}

impl fmt::Write for Page<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_odd = |c: char| c.is_control() && c != '\n';
        if !text.contains(is_odd) {
            return self.bytes(text.as_bytes());
        }
        let plain: String = text
            .chars()
            .map(|c| {
                if is_odd(c) {
                    c.escape_default().to_string()
                } else {
                    c.to_string()
                }
            })
            .collect();
        self.bytes(plain.as_bytes())
    }
}

/// An amount with two digits behind the point, and a comma every three before it.
pub fn money(amount: Decimal) -> String {
    grouped(&format!(
        "{:.2}",
        amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
    ))
}

/// A change, with its sign.
pub fn change(amount: Decimal) -> String {
    let rounded = amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    if rounded.is_zero() {
        return "0.00".to_owned();
    }
    if rounded.is_sign_positive() {
        format!("+{}", money(rounded))
    } else {
        money(rounded)
    }
}

/// A quantity as people read it: four digits behind the point at most.
pub fn quantity(amount: Decimal) -> String {
    grouped(
        &amount
            .round_dp_with_strategy(4, RoundingStrategy::MidpointAwayFromZero)
            .normalize()
            .to_string(),
    )
}

fn grouped(text: &str) -> String {
    let (sign, digits) = text
        .strip_prefix('-')
        .map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = digits
        .split_once('.')
        .map_or((digits, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut shown = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            shown.push(',');
        }
        shown.push(digit);
    }
    if let Some(fraction) = fraction {
        shown.push('.');
        shown.push_str(fraction);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::decimal;

    #[test]
    fn a_terminal_is_not_commanded_by_a_name_in_a_plan() {
        let mut bytes = Vec::new();
        let mut page = Page::new(&mut bytes);
        let written = fmt::Write::write_str(&mut page, "a\u{1b}[2Jé\n");
        page.close(written).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), "a\\u{1b}[2Jé\n");
    }

    #[test]
    fn amounts_are_rounded_for_people_only() {
        for (amount, shown) in [
            ("1234567.885", "1,234,567.89"),
            ("-0.005", "-0.01"),
            ("12", "12.00"),
            ("999.994", "999.99"),
        ] {
            assert_eq!(money(decimal(amount).unwrap()), shown);
        }
        assert_eq!(quantity(decimal("52.560000").unwrap()), "52.56");
        assert_eq!(change(decimal("-3").unwrap()), "-3.00");
        assert_eq!(change(decimal("0.001").unwrap()), "0.00");
    }
}
