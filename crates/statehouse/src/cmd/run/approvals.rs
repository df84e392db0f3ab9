//! The approvals of a run, in words: how many it has of those that it needs, and whether one's own counts.
//!
//! Nothing is counted here: the server says it all.

use serde_json::Value;

use crate::client::Resource;

/// What is told of them.
struct Approvals {
    needed: u64,
    counted: u64,
    by: Vec<String>,
    /// Why the caller's does not count.
    why_not: Option<String>,
}

impl Approvals {
    /// Those of a run, where they are told.
    fn of(run: &Resource) -> Option<Self> {
        let told = run.get("approvals")?;
        let by = told.get("by-names").or_else(|| told.get("by"));
        let by = by.and_then(Value::as_array);
        let by = by.into_iter().flatten().filter_map(Value::as_str);
        let why_not = told.get("own-reason").and_then(Value::as_str);
        Some(Self {
            needed: told.get("needed").and_then(Value::as_u64)?,
            counted: told.get("counted").and_then(Value::as_u64)?,
            by: by.map(str::to_owned).collect(),
            why_not: why_not.map(str::to_owned),
        })
    }
}

/// A run for eyes: its approvals in one line.
pub(super) fn told(run: Resource) -> Resource {
    let Some(approvals) = Approvals::of(&run) else {
        return run;
    };
    let mut line = match approvals.needed {
        0 => "none needed".to_owned(),
        needed => format!("{} of {needed}", approvals.counted),
    };
    if !approvals.by.is_empty() {
        line = format!("{line} ({})", approvals.by.join(", "));
    }
    if let (Some(why), true) = (&approvals.why_not, approvals.needed > 0) {
        line = format!("{line}; yours does not count: {why}");
    }
    run.with("approvals", Value::from(line))
}

/// What goes on after the stage of a run that has too few; empty where it has enough.
pub(super) fn still(run: &Resource) -> String {
    let Some(approvals) = Approvals::of(run) else {
        return String::new();
    };
    let missing = approvals.needed.saturating_sub(approvals.counted);
    let noun = match missing {
        0 => return String::new(),
        1 => "approval",
        _ => "approvals",
    };
    let own = match &approvals.why_not {
        Some(why) => format!("; yours does not count, because {why}"),
        None => String::new(),
    };
    format!(", and waits for {missing} more {noun}{own}")
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

    use serde_json::json;

    use super::*;

    fn run(approvals: Value) -> Resource {
        Resource::default().with("approvals", approvals)
    }

    #[test]
    fn a_run_says_what_it_waits_for_and_whose_approval_does_not_count() {
        let check = |approvals: Value, line: &str, words: &str| {
            let run = run(approvals);
            assert_eq!(still(&run), words);
            assert_eq!(told(run).text("approvals"), line);
        };
        let counts = Value::Null;
        check(
            json!({ "needed": 0, "counted": 0, "by": [], "own-reason": "you started it" }),
            "none needed",
            "",
        );
        check(
            json!({ "needed": 2, "counted": 1, "by": ["user-a"], "own-reason": "you started it" }),
            "1 of 2 (user-a); yours does not count: you started it",
            ", and waits for 1 more approval; yours does not count, because you started it",
        );
        check(
            json!({ "needed": 2, "counted": 0, "by": [], "own-reason": counts }),
            "0 of 2",
            ", and waits for 2 more approvals",
        );
        check(
            json!({ "needed": 1, "counted": 1, "by": ["user-a"], "by-names": ["ada"], "own-reason": counts }),
            "1 of 1 (ada)",
            "",
        );
    }

    #[test]
    fn of_a_run_whose_approvals_are_not_told_nothing_is_said() {
        assert_eq!(still(&Resource::default()), "");
        assert_eq!(told(Resource::default()), Resource::default());
    }
}
