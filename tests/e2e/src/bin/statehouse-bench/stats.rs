//! Medians, because one busy second of the machine must not decide.

/// The middle of `values`; of an even number, the mean of the two in the middle. 0 for none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    if sorted.len().is_multiple_of(2) && middle > 0 {
        return f64::midpoint(at(middle - 1), at(middle));
    }
    at(middle)
}

/// The value that the share `part` of `values` does not exceed. 0 for none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "counts of values are small"
)]
pub(crate) fn percentile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let place = (sorted.len() as f64 * part).ceil() as usize;
    let found = sorted.get(place.saturating_sub(1));
    found.copied().unwrap_or_default()
}

/// The smallest and the largest of `values`.
pub(crate) fn range(values: &[f64]) -> (f64, f64) {
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (smallest, largest)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        missing_docs
    )]

    use super::*;

    fn check(values: &[f64], expected: f64) {
        assert!(
            (median(values) - expected).abs() < 1e-9,
            "{values:?}: {}",
            median(values)
        );
    }

    #[test]
    fn a_median_is_the_value_in_the_middle() {
        check(&[], 0.0);
        check(&[4.0], 4.0);
        check(&[9.0, 1.0], 5.0);
        check(&[9.0, 1.0, 2.0], 2.0);
        check(&[1.0, 100.0, 3.0, 2.0], 2.5);
    }

    #[test]
    fn a_percentile_is_a_value_that_so_many_do_not_exceed() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        let found = [0.5, 0.95, 1.0].map(|part| percentile(&values, part));
        assert_eq!(found.map(|value| format!("{value}")), ["100", "190", "200"]);
        assert!(percentile(&[], 0.95).abs() < 1e-9);
    }

    #[test]
    fn a_range_holds_every_value() {
        assert_eq!(range(&[2.0, 1.0, 3.0]), (1.0, 3.0));
    }
}
