//! Differences, histories and resources for eyes, in the look of terraform's plans.

use std::fmt::Write;

use serde_json::Value;

use crate::client::Resource;
use crate::failure::Result;
use crate::out::{Hue, Out, plain};

/// Prints a resource as JSON, or in words.
pub(super) fn print(found: &Resource, out: Out, words: fn(&Value, Out) -> String) -> Result {
    if out.is_json() {
        out.one(found)
    } else {
        out.text(&words(&found.to_json(), out))
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

fn items<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// A value as terraform shows one: texts in quotation marks.
fn shown(value: Option<&Value>) -> String {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return "(none)".to_owned();
    };
    let said = text(value, "text");
    let mut words = if text(value, "kind") == "string" {
        Value::from(said).to_string()
    } else {
        plain(said)
    };
    let left_out = number(value, "left-out-bytes");
    if left_out > 0 {
        let _ = write!(words, " … ({left_out} bytes more)");
    }
    words
}

/// The mark and color of what happened.
fn mark(change: &str) -> (&'static str, Hue) {
    match change {
        "added" | "appeared" => ("+", Hue::Green),
        "removed" | "vanished" => ("-", Hue::Red),
        _ => ("~", Hue::Yellow),
    }
}

/// `~ size = 1 -> 2`
fn change(out: Out, indent: usize, name: &str, change: &Value) -> String {
    let (sign, hue) = mark(text(change, "change"));
    let (before, after) = (change.get("before"), change.get("after"));
    let is_hidden =
        |value: Option<&Value>| value.is_some_and(|value| text(value, "kind") == "sensitive");
    let values = match text(change, "change") {
        "added" => shown(after),
        "removed" => shown(before),
        _ if is_hidden(before) && is_hidden(after) => shown(after),
        _ => format!("{} -> {}", shown(before), shown(after)),
    };
    let sign = out.painted(hue, sign);
    format!("{:indent$}{sign} {} = {values}\n", "", plain(name))
}

/// What is otherwise beside the attributes.
fn facts(out: Out, indent: usize, facts: Option<&Value>) -> String {
    let mut words = String::new();
    let sign = out.painted(Hue::Yellow, "~");
    for (name, value) in facts.and_then(Value::as_object).into_iter().flatten() {
        let became = value.get("before").zip(value.get("after"));
        let became = became.map(|(before, after)| format!(": {before} -> {after}"));
        let became = plain(&became.unwrap_or_default());
        let _ = writeln!(words, "{:indent$}{sign} ({name}{became})", "");
    }
    words
}

fn more(words: &mut String, indent: usize, count: u64, what: &str) {
    if count > 0 {
        let _ = writeln!(words, "{:indent$}… {count} more {what}", "");
    }
}

fn side(value: Option<&Value>) -> String {
    match value.filter(|value| !value.is_null()) {
        None => "the file".to_owned(),
        Some(value) => {
            let serial = value.get("serial").and_then(Value::as_u64);
            let serial = serial.map_or("?".to_owned(), |serial| serial.to_string());
            format!("serial {serial} ({})", plain(text(value, "id")))
        }
    }
}

/// A difference.
pub(super) fn diff(found: &Value, out: Out) -> String {
    let title = format!(
        "{} -> {}",
        side(found.get("before")),
        side(found.get("after"))
    );
    let mut words = format!("{}\n\n", out.painted(Hue::Bold, &title));
    for resource in items(found, "resources") {
        diff_resource(&mut words, resource, out);
    }
    more(
        &mut words,
        2,
        number(found, "resources-left-out"),
        "resources",
    );
    let mut outputs = String::new();
    for output in items(found, "outputs") {
        outputs += &change(out, 2, text(output, "name"), output);
    }
    more(
        &mut outputs,
        2,
        number(found, "outputs-left-out"),
        "outputs",
    );
    if !outputs.is_empty() {
        let _ = writeln!(words, "Outputs:\n{outputs}");
    }
    let totals = found.get("totals").cloned().unwrap_or_default();
    let count = |key: &str| number(&totals, key);
    let outputs = ["outputs-added", "outputs-changed", "outputs-removed"];
    let _ = writeln!(
        words,
        "{} added, {} changed, {} moved, {} removed; outputs: {} differ.",
        count("added"),
        count("changed"),
        count("moved"),
        count("removed"),
        outputs.into_iter().map(count).sum::<u64>()
    );
    words
}

fn diff_resource(words: &mut String, resource: &Value, out: Out) {
    let (what, address) = (text(resource, "change"), plain(text(resource, "address")));
    let (sign, hue) = mark(what);
    let sign = out.painted(hue, sign);
    let deposed = match text(resource, "deposed") {
        "" => String::new(),
        key => format!(" (deposed object {})", plain(key)),
    };
    let from = match text(resource, "moved-from") {
        "" => String::new(),
        from => format!(" from {}", plain(from)),
    };
    let title = format!("# {address}{deposed} {what}{from}");
    let _ = writeln!(words, "  {}", out.painted(Hue::Bold, &title));
    let block = if text(resource, "mode") == "data" {
        "data"
    } else {
        "resource"
    };
    let (kind, name) = (plain(text(resource, "type")), plain(text(resource, "name")));
    let _ = write!(words, "  {sign} {block} \"{kind}\" \"{name}\"");
    if matches!(what, "added" | "removed") {
        words.push_str("\n\n");
        return;
    }
    words.push_str(" {\n");
    for each in items(resource, "attributes") {
        *words += &change(out, 6, text(each, "path"), each);
    }
    more(
        words,
        6,
        number(resource, "attributes-left-out"),
        "attributes",
    );
    *words += &facts(out, 6, resource.get("facts"));
    words.push_str("    }\n\n");
}

/// Who made a version, in one line.
fn made(version: Option<&Value>) -> String {
    let Some(version) = version.filter(|version| !version.is_null()) else {
        return "older than the versions that were looked at".to_owned();
    };
    let who = match text(version, "actor-name") {
        "" => text(version, "actor"),
        name => name,
    };
    let serial = version.get("serial").and_then(Value::as_u64);
    let serial = serial.map_or("?".to_owned(), |serial| serial.to_string());
    let mut words = format!(
        "{}  {}  serial {serial}  {}",
        plain(text(version, "created-at")),
        plain(who),
        plain(text(version, "version")),
    );
    let token = text(version, "token");
    if !token.is_empty() {
        let _ = write!(words, "  {}", plain(token));
    }
    words
}

fn unread(words: &mut String, found: &Value) {
    let unread = number(found, "unread");
    if unread > 0 {
        let _ = writeln!(
            words,
            "{unread} versions were passed over, because the client encrypted them or their content was removed"
        );
    }
}

/// What became of a resource.
pub(super) fn history(found: &Value, out: Out) -> String {
    let mut words = String::new();
    for point in items(found, "points") {
        let event = text(point, "event");
        let (sign, hue) = mark(event);
        let from = match text(point, "moved-from") {
            "" => String::new(),
            from => format!(" from {}", plain(from)),
        };
        let _ = writeln!(
            words,
            "{} {}{from}  {}",
            out.painted(hue, &format!("{sign} {event}")),
            plain(text(point, "address")),
            made(point.get("version"))
        );
        for each in items(point, "attributes") {
            words += &change(out, 4, text(each, "path"), each);
        }
        more(
            &mut words,
            4,
            number(point, "attributes-left-out"),
            "attributes",
        );
        words += &facts(out, 4, point.get("facts"));
    }
    if words.is_empty() {
        words = "nothing happened to it in the versions that were looked at\n".to_owned();
    }
    more(
        &mut words,
        0,
        number(found, "points-left-out"),
        "older points",
    );
    unread(&mut words, found);
    if let Some(next) = found.get("next-before").and_then(Value::as_u64) {
        let versions = number(found, "versions");
        let _ = writeln!(
            words,
            "{versions} versions were looked at, and there are older ones: go on with --before {next}"
        );
    }
    words
}

/// Who made a resource what it is.
pub(super) fn blame(found: &Value, out: Out) -> String {
    let title = plain(text(found, "address"));
    let mut words = format!("{}\n", out.painted(Hue::Bold, &title));
    for line in items(found, "lines") {
        let (path, value) = (plain(text(line, "path")), shown(line.get("value")));
        let _ = writeln!(words, "{}\n    {path} = {value}", made(line.get("version")));
    }
    more(&mut words, 0, number(found, "lines-left-out"), "attributes");
    unread(&mut words, found);
    if found.get("older-before").is_some_and(Value::is_u64) {
        let versions = number(found, "versions");
        let _ = writeln!(
            words,
            "{versions} versions were looked at, and there are older ones: `statehouse state history` goes on with them"
        );
    }
    words
}

/// A resource with its attributes.
pub(super) fn resource(found: &Value, out: Out) -> String {
    let title = format!("# {}", text(found, "address"));
    let mut words = format!("{}\n", out.painted(Hue::Bold, &title));
    for (name, key) in [
        ("provider", "provider"),
        ("module", "module"),
        ("version", "state-version"),
    ] {
        let _ = writeln!(words, "# {name} {}", plain(text(found, key)));
    }
    for each in items(found, "attributes") {
        let (path, value) = (plain(text(each, "path")), shown(each.get("value")));
        let _ = writeln!(words, "    {path} = {value}");
    }
    more(
        &mut words,
        4,
        number(found, "attributes-left-out"),
        "attributes",
    );
    for each in items(found, "dependencies").filter_map(Value::as_str) {
        let _ = writeln!(words, "# depends on {}", plain(each));
    }
    words
}

/// What going back means.
pub(super) fn preview(found: &Resource) -> String {
    let found = found.to_json();
    let mut words = String::new();
    for sentence in items(&found, "sentences").filter_map(Value::as_str) {
        let _ = writeln!(words, "{}", plain(sentence));
    }
    let lists = [
        ("forgotten", "forgotten"),
        ("missing", "missing now"),
        ("moved", "back to an old address"),
        ("reverted", "recorded as they were"),
    ];
    for (key, title) in lists {
        let Some(list) = found.get(key).filter(|list| number(list, "total") > 0) else {
            continue;
        };
        let _ = writeln!(words, "{title}:");
        let mut listed = 0;
        for each in items(list, "listed") {
            let _ = writeln!(words, "  {}", plain(text(each, "address")));
            listed += 1;
        }
        more(
            &mut words,
            2,
            number(list, "total").saturating_sub(listed),
            "objects",
        );
    }
    words
}
