//! `statehouse policy replay`: what a bundle would have said of the plans of past runs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use statehouse_model::instant;

use super::super::policy_set::{data, packed, path};
use super::super::session::Session;
use super::Replay;
use crate::client::{Resource, escape};
use crate::failure::{Failure, Result};
use crate::out::Column;

/// Runs that are named of each kind; the rest is counted.
const SHOWN_MAX: usize = 50;
/// Longest settings in an address: a server takes 32 KB of address and headers.
const SETTINGS_BYTES_MAX: usize = 24 * 1024;

const COLUMNS: &[Column] = &[
    ("RUN", "run"),
    ("WORKSPACE", "workspace"),
    ("STAGE", "stage"),
    ("APPROVALS", "approvals"),
    ("BEFORE", "before"),
    ("AFTER", "after"),
    ("POLICIES", "hits"),
];

/// What all pages together say.
#[derive(Default)]
struct Report {
    plans: usize,
    passed_over: u64,
    unread: u64,
    newly_blocked: Vec<Resource>,
    newly_allowed: Vec<Resource>,
    /// Of each project: how many are newly blocked, and newly allowed.
    projects: BTreeMap<String, [usize; 2]>,
    hit: BTreeSet<String>,
}

impl Report {
    fn add(&mut self, page: &Resource) {
        let count = |key: &str| page.get(key).and_then(Value::as_u64).unwrap_or(0);
        self.passed_over += count("passed-over");
        self.unread += count("unread");
        let plans = page.get("plans").and_then(Value::as_array);
        for plan in plans.into_iter().flatten() {
            self.plans += 1;
            let text = |key: &str| plan.get(key).and_then(Value::as_str).unwrap_or_default();
            let hits = plan.get("hits").and_then(Value::as_array);
            let hits = hits.into_iter().flatten().filter_map(Value::as_str);
            let hits: Vec<String> = hits.map(str::to_owned).collect();
            let (was, is) = (blocks(text("before")), blocks(text("after")));
            if was != is {
                let shown = Resource::from_pairs([
                    ("run", text("run").into()),
                    ("workspace", text("workspace").into()),
                    ("stage", text("stage").into()),
                    (
                        "approvals",
                        plan.get("approvals").cloned().unwrap_or_default(),
                    ),
                    ("before", text("before").into()),
                    ("after", text("after").into()),
                    ("hits", hits.join(", ").into()),
                ]);
                let project = self.projects.entry(text("project").to_owned());
                let [blocked, allowed] = project.or_default();
                if is {
                    *blocked += 1;
                    self.newly_blocked.push(shown);
                } else {
                    *allowed += 1;
                    self.newly_allowed.push(shown);
                }
            }
            self.hit.extend(hits);
        }
    }

    fn to_json(&self, never: &[String]) -> Value {
        let all = |list: &[Resource]| list.iter().map(Resource::to_json).collect::<Vec<_>>();
        let projects = self.projects.iter().map(|(project, [blocked, allowed])| {
            json!({ "project": project, "newly-blocked": blocked, "newly-allowed": allowed })
        });
        json!({
            "plans": self.plans, "passed-over": self.passed_over, "unread": self.unread, "newly-blocked": all(&self.newly_blocked),
            "newly-allowed": all(&self.newly_allowed), "projects": projects.collect::<Vec<_>>(), "never-hit": never,
        })
    }
}

/// Whether a run would be held up by this outcome.
fn blocks(outcome: &str) -> bool {
    matches!(outcome, "soft-failed" | "hard-failed")
}

/// The instant that is meant: one that is written out, or so long ago.
pub(in crate::cmd) fn since(text: &str, now_us: i64) -> Result<String> {
    if instant::parse(text).is_some() {
        return Ok(text.to_owned());
    }
    let wrong = || {
        Failure::usage(format!(
            "--since {text}: say an instant, or so long ago: `7d`, `12h`"
        ))
    };
    let (count, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let hours: i64 = match unit {
        "d" => 24,
        "h" => 1,
        _ => return Err(wrong()),
    };
    let count: u32 = count.parse().map_err(|_| wrong())?;
    let ago = i64::from(count)
        .saturating_mul(hours)
        .saturating_mul(3_600_000_000);
    instant::format(now_us.saturating_sub(ago)).ok_or_else(wrong)
}

/// With which settings it is asked, as an address says it.
fn with(asked: &Replay) -> Result<String> {
    let mut said = String::new();
    let files = [
        ("parameters", &asked.parameters),
        ("exceptions", &asked.exceptions),
    ];
    let texts = files.into_iter().filter_map(|(name, file)| {
        let file = file.as_deref()?;
        Some(data(file).map(|value| (name, value.to_string())))
    });
    let level = asked.enforcement.clone();
    let level = level.map(|level| Ok(("enforcement", level)));
    for each in level.into_iter().chain(texts) {
        let (name, text) = each?;
        said.extend(["&", name, "=", &escape(&text)]);
    }
    if said.len() > SETTINGS_BYTES_MAX {
        let words = format!(
            "the settings take {} bytes in an address, and may take {SETTINGS_BYTES_MAX}; put large tables into a data document of the bundle",
            said.len()
        );
        return Err(Failure::usage(words));
    }
    Ok(said)
}

pub(super) fn run(asked: &Replay, session: &Session) -> Result {
    let client = session.client()?;
    let since = since(&asked.since, crate::server::clock()())?;
    let (archive, policies) = packed(&asked.dir)?;
    let record = if asked.record { "&record=true" } else { "" };
    let everywhere = if asked.everywhere {
        "&everywhere=true"
    } else {
        ""
    };
    let replays = format!(
        "{}/replays?since={}{record}{everywhere}{}",
        path(&client, &asked.set)?,
        escape(&since),
        with(asked)?
    );
    let (mut report, mut after) = (Report::default(), String::new());
    loop {
        let page = client
            .api
            .upload(&format!("{replays}{after}"), archive.clone())?;
        report.add(&page);
        match page.text("next") {
            "" => break,
            next => after = format!("&after={next}"),
        }
    }
    let never: Vec<String> = policies
        .into_iter()
        .filter(|each| !report.hit.contains(each))
        .collect();
    if session.out.is_json() {
        return session.out.json(&report.to_json(&never));
    }
    let out = session.out;
    out.say(&format!(
        "{} plans since {since} were judged again; {} runs were passed over (out of reach, or without a plan), and {} plans are not kept any more or do not read",
        report.plans, report.passed_over, report.unread
    ));
    for (what, list) in [
        ("newly blocked", &report.newly_blocked),
        ("newly allowed", &report.newly_allowed),
    ] {
        out.say(&format!("{what}: {}", list.len()));
        if !list.is_empty() {
            out.list(COLUMNS, list.get(..SHOWN_MAX).unwrap_or(list))?;
        }
    }
    for (project, [blocked, allowed]) in &report.projects {
        out.say(&format!(
            "{project}: {blocked} newly blocked, {allowed} newly allowed"
        ));
    }
    if !never.is_empty() {
        out.say(&format!("never hit: {}", never.join(", ")));
    }
    if asked.record {
        out.say(&kept(asked, &report));
    }
    Ok(())
}

/// What a replay is good for that was recorded.
fn kept(asked: &Replay, report: &Report) -> String {
    let is_resettled =
        asked.enforcement.is_some() || asked.parameters.is_some() || asked.exceptions.is_some();
    let good = match (is_resettled, asked.everywhere) {
        (true, false) => "the set may be given these settings",
        (true, true) => "the set may be given these settings, and be attached,",
        (false, false) => "this directory may be published",
        (false, true) => "this directory may be published, and the set attached,",
    };
    let within = if report.plans == 0 {
        "within a day, if there is no plan yet: this judged none"
    } else {
        "within a day"
    };
    format!("this is recorded: {good} {within}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_time_is_an_instant_or_so_long_ago() {
        let day = 24 * 3_600_000_000_i64;
        for (text, expected) in [
            ("2d", "1970-01-09T00:00:00.000000Z"),
            ("12h", "1970-01-10T12:00:00.000000Z"),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ] {
            assert_eq!(since(text, 10 * day).unwrap(), expected);
        }
        for text in ["", "d", "7", "7w", "-1d", "ä"] {
            assert!(since(text, 10 * day).is_err(), "{text}");
        }
    }
}
