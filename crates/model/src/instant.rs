//! Instants on the wire: RFC 3339, UTC, always six digits of a second.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An instant, given in microseconds since 1970, as text. Instants outside the years 0 to 9999 have no such form.
pub fn format(us: i64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(us) * 1000).ok()?;
    let (hour, minute, second, micro) = at.to_hms_micro();
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    (0..=9999).contains(&year).then(|| {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micro:06}Z")
    })
}

/// Microseconds since 1970 of an RFC 3339 text, in any zone; what is finer is cut off.
pub fn parse(text: &str) -> Option<i64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos().div_euclid(1000)).ok()
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

    fn check(us: i64, text: &str) {
        assert_eq!(format(us).as_deref(), Some(text));
        assert_eq!(parse(text), Some(us));
    }

    #[test]
    fn an_instant_survives_the_wire_to_the_microsecond() {
        check(0, "1970-01-01T00:00:00.000000Z");
        check(-1, "1969-12-31T23:59:59.999999Z");
        check(1_785_580_272_123_456, "2026-08-01T10:31:12.123456Z");
        check(951_782_400_000_000, "2000-02-29T00:00:00.000000Z");
    }

    #[test]
    fn any_zone_and_precision_is_read() {
        assert_eq!(
            parse("2026-08-01T12:31:12+02:00"),
            Some(1_785_580_272_000_000)
        );
        assert_eq!(
            parse("2026-08-01T10:31:12.1234567Z"),
            Some(1_785_580_272_123_456)
        );
        for text in [
            "",
            "tomorrow",
            "2026-08-01",
            "2026-02-30T00:00:00Z",
            "2026-08-01T10:31:12",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(format(i64::MAX), None);
    }
}
