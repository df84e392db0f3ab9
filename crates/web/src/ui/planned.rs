//! What a page reads of the JSON of a plan for the screen.
//!
//! A runner wrote it, and an agent writes what it likes: 256 MiB of brackets become gigabytes of values. So the parts that a page shows are found
//! without reading the others, read only where they are short, and few pages at once hold the text of a plan.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use statehouse_core::run::logs;
use statehouse_core::{Ctx, Result};
use statehouse_model::RunId;
use tokio::sync::Semaphore;

/// Longest parts that are read, in bytes together: some ten thousand changes. A byte of them takes sixteen of memory at worst.
const PARTS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Pages that hold the text of a plan at once, in this process.
static READING: Semaphore = Semaphore::const_new(2);

/// What of a plan is shown.
pub(super) enum Planned {
    /// The parts that say what changes.
    Read(Value),
    /// There is more of it than a page shows.
    TooLong,
}

/// The parts of the JSON as they stand in it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parts<'a> {
    #[serde(borrow)]
    resource_changes: Option<&'a RawValue>,
    #[serde(borrow)]
    output_changes: Option<&'a RawValue>,
    #[serde(borrow)]
    resource_drift: Option<&'a RawValue>,
}

/// Reads it for a page; `None` where the run has no plan.
pub(super) async fn of_run(ctx: &Ctx, run: &RunId) -> Result<Option<Planned>> {
    // Never closed.
    let _turn = READING.acquire().await.ok();
    let Some(json) = logs::plan_json(ctx, run, true).await? else {
        return Ok(None);
    };
    let read = tokio::task::spawn_blocking(move || read(&json)).await;
    Ok(Some(read.unwrap_or(Planned::TooLong)))
}

fn read(json: &Bytes) -> Planned {
    let parts: Parts<'_> = serde_json::from_slice(json).unwrap_or_default();
    let named = [
        ("resource_changes", parts.resource_changes),
        ("output_changes", parts.output_changes),
        ("resource_drift", parts.resource_drift),
    ];
    let bytes: usize = named
        .iter()
        .filter_map(|(_, part)| *part)
        .map(|part| part.get().len())
        .sum();
    if bytes > PARTS_BYTES_MAX {
        return Planned::TooLong;
    }
    let value = |part: &RawValue| serde_json::from_str(part.get()).unwrap_or_default();
    let members = named
        .into_iter()
        .filter_map(|(name, part)| Some((name.to_owned(), value(part?))));
    Planned::Read(Value::Object(members.collect()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::*;

    #[test]
    fn what_is_shown_is_read_and_nothing_else() {
        let json = Bytes::from_static(
            br#"{"provider_schemas":{"x":[1]},"resource_changes":[{"a":1}],"resource_drift":null,"output_changes":{}}"#,
        );
        let Planned::Read(value) = read(&json) else {
            panic!("it is short");
        };
        let expected =
            serde_json::json!({ "resource_changes": [{ "a": 1 }], "output_changes": {} });
        assert_eq!(value, expected);
        let Planned::Read(value) = read(&Bytes::from_static(b"[no JSON")) else {
            panic!("it is short");
        };
        assert_eq!(value, serde_json::json!({}));
    }

    #[test]
    fn a_part_that_would_take_gigabytes_is_not_read() {
        let zeros = "0,".repeat(PARTS_BYTES_MAX / 2);
        let long = |part: &str| Bytes::from(format!("{{\"{part}\":[{zeros}0]}}"));
        for part in ["resource_changes", "output_changes", "resource_drift"] {
            assert!(matches!(read(&long(part)), Planned::TooLong), "{part}");
        }
        assert!(matches!(read(&long("provider_schemas")), Planned::Read(_)));
    }
}
