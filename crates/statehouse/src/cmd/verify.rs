//! `statehouse verify`: what a ledger proves, in plain words.
//!
//! With a bundle it needs nothing but this binary: no server, no network, no configuration. With `--live` a server compares its
//! database with its ledger, row by row.

mod sentences;

use std::path::PathBuf;

use fs_err as fs;
use serde_json::{Value, json};
use statehouse_ledger::verify::{EXIT_PROVEN, Kind, Report, Told, Trust, verify_file};
use statehouse_model::instant;

use super::session::Session;
use crate::failure::{Failure, Result};
use crate::out::plain;

/// Arguments.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The bundle, as `ledger export` wrote it
    #[arg(required_unless_present = "live", conflicts_with = "live")]
    bundle: Option<PathBuf>,
    /// A verifier key that the ledger must have had, as `key list` shows it; without it the first key is believed, and said so
    #[arg(long, value_name = "VKEY", conflicts_with = "live")]
    key: Option<String>,
    /// A checkpoint that was kept elsewhere; the bundle must extend it
    #[arg(long, value_name = "FILE", conflicts_with = "live")]
    anchor: Option<PathBuf>,
    /// Tell what the leaves say of this: the id of a run, a state version, a workspace, a person
    #[arg(long, value_name = "ID", conflicts_with = "live")]
    about: Option<String>,
    /// Have the server compare its database with its ledger
    #[arg(long)]
    live: bool,
    /// With --live: the site instead of an organization
    #[arg(long, requires = "live")]
    site: bool,
}

pub(super) fn run(args: Args, session: &Session) -> Result<u8> {
    let Some(bundle) = args.bundle else {
        return live(args.site, session);
    };
    let anchor = args.anchor.map(fs::read_to_string).transpose()?;
    let report = verify_file(
        &bundle,
        &Trust {
            vkey: args.key,
            anchor,
        },
        args.about.as_deref(),
    );
    let story = args.about.map(|id| story(&id, &report)).transpose()?;
    if session.out.is_json() {
        session.out.json(&as_json(&report))?;
    } else {
        session
            .out
            .text(&format!("{report}{}\n", verdict(&report)))?;
        if let Some(story) = story {
            session.out.text(&story)?;
        }
    }
    Ok(report.exit_code())
}

/// Facts that say where sealed bytes are, and nothing of what happened; as JSON they are there.
const OF_BODIES: [&str; 2] = ["body", "commitment"];

/// What the leaves tell of one thing: in sentences, then a line each. Of leaves that are not proven nothing is told.
fn story(id: &str, report: &Report) -> Result<String> {
    if !report.is_proven() {
        return Ok(format!("no story of {id}: the ledger is not proven\n"));
    }
    if report.story.is_empty() {
        let words = format!("no leaf tells of {id}; its ledger may be another organization's");
        return Err(Failure::failed(words));
    }
    let count = report.story.len();
    let short = in_short(id, report);
    let mut text = format!("{short}the story of {id}, as {count} leaves tell it:\n");
    for told in &report.story {
        let (kind, who) = &told.actor;
        let at = instant::format(told.at).unwrap_or_default();
        let object = match told.object.as_str() {
            same if same == id => String::new(),
            other => format!(" of {other}"),
        };
        let facts = told.facts.iter();
        let facts = facts
            .filter(|(name, _)| !OF_BODIES.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}={value}"));
        let facts = facts.collect::<Vec<_>>().join(" ");
        let line = format!(
            "leaf {}  {at}  {kind} {who}: {}{object}  {facts}",
            told.leaf, told.action
        );
        text.push_str(&plain(line.trim_end()));
        text.push('\n');
    }
    Ok(text)
}

/// The sentences of it, where there are any.
fn in_short(id: &str, report: &Report) -> String {
    let sentences = sentences::of(id, &report.story);
    if sentences.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = sentences.iter().map(|sentence| plain(sentence)).collect();
    let lines = lines.join("\n  ");
    format!("what happened to {id}, in short:\n  {lines}\n")
}

/// The last line: what all of it means.
fn verdict(report: &Report) -> String {
    let count: u64 = report.counts.values().sum();
    match report.counts.first_key_value() {
        None => format!(
            "PROVEN: the ledger of {} up to entry {} is whole and unaltered",
            report.house, report.size
        ),
        Some((kind, _)) => format!(
            "NOT PROVEN: {count} findings, the first of them: {kind} (exit code {})",
            kind.exit_code()
        ),
    }
}

fn told(told: &Told) -> Value {
    let (kind, id) = &told.actor;
    let facts = told
        .facts
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    json!({
        "leaf": told.leaf,
        "at": instant::format(told.at),
        "action": told.action,
        "actor": { "kind": kind, "id": id },
        "object": told.object,
        "facts": facts.collect::<serde_json::Map<_, _>>(),
    })
}

fn as_json(report: &Report) -> Value {
    let finding = |finding: &statehouse_ledger::verify::Finding| json!({ "kind": finding.kind.to_string(), "place": finding.place, "words": finding.words });
    let counts = report
        .counts
        .iter()
        .map(|(kind, count)| (kind.to_string(), Value::from(*count)));
    // Of leaves that are not proven nothing is told.
    let proven = report.story.iter().filter(|_| report.is_proven());
    json!({
        "proven": report.is_proven(),
        "exit-code": report.exit_code(),
        "house": report.house,
        "origin": report.origin,
        "size": report.size,
        "root": hex::encode(report.root),
        "vkey": report.vkey,
        "proved": report.proved,
        "notes": report.notes,
        "story": proven.map(told).collect::<Vec<_>>(),
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "counts": counts.collect::<serde_json::Map<_, _>>(),
    })
}

/// A database that is not what its ledger says is altered; that is the exit code.
fn live(site: bool, session: &Session) -> Result<u8> {
    let client = session.client()?;
    let path = client.organization_or_site(site, "/ledger/actions/verify-live")?;
    let report = client.api.post(&path, &json!({}))?;
    let count = report
        .get("count")
        .and_then(Value::as_u64)
        .ok_or_else(|| Failure::failed("the server sent no report"))?;
    if session.out.is_json() {
        session.out.one(&report)?;
    } else {
        session.out.pairs(&live_lines(&report, count))?;
    }
    Ok(if count == 0 {
        EXIT_PROVEN
    } else {
        Kind::Altered.exit_code()
    })
}

fn live_lines(report: &crate::client::Resource, count: u64) -> Vec<(String, Value)> {
    let list = |key: &str| {
        report
            .get(key)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let mut lines: Vec<(String, Value)> = list("proved")
        .into_iter()
        .map(|words| ("proved:".to_owned(), words))
        .collect();
    for difference in list("differences") {
        let text = |key: &str| {
            difference
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        lines.push((
            "found:".to_owned(),
            format!("{}: {}: {}", text("kind"), text("place"), text("words")).into(),
        ));
    }
    let verdict = match count {
        0 => "PROVEN: the database is what its ledger says".to_owned(),
        count => format!("NOT PROVEN: {count} differences between the database and its ledger"),
    };
    lines.push(("so:".to_owned(), verdict.into()));
    lines
}
