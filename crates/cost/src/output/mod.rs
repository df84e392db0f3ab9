//! An estimate for people and programs.
//!
//! The only place where amounts are rounded, and only for people: programs get every digit, as text.

pub mod json;
pub mod markdown;
pub mod table;

use rust_decimal::{Decimal, RoundingStrategy};

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
