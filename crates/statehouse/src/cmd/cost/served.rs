//! The verbs of `statehouse cost` that ask a server: by what it estimates, what its plans came to, and what they would cost otherwise.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::super::policy::since;
use super::super::scope::Scope;
use super::super::session::{Client, Session};
use crate::client::{Resource, escape};
use crate::failure::{Failure, Result};
use crate::files::Draft;
use crate::out::Column;

/// What estimates are made from.
#[derive(Clone, Copy)]
pub(in crate::cmd) enum Kind {
    Book,
    Overlay,
    Usage,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Book => "book",
            Self::Overlay => "overlay",
            Self::Usage => "usage",
        }
    }
}

/// What is done with an input of estimates.
#[derive(clap::Subcommand)]
pub(in crate::cmd) enum InputVerb {
    /// Say by which file plans are estimated from now on; the server reads it first
    Set {
        /// The file
        file: PathBuf,
        #[command(flatten)]
        scope: Scope,
    },
    /// Write the file that counts, or one that did
    Show {
        #[command(flatten)]
        scope: Scope,
        /// The digest of an earlier one, as `list` shows it
        #[arg(long)]
        digest: Option<String>,
        /// The file to write, instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// List all that was ever said, the newest first
    List {
        #[command(flatten)]
        scope: Scope,
    },
    /// Say it no more
    Unset {
        #[command(flatten)]
        scope: Scope,
    },
}

/// Whether plans are estimated.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(in crate::cmd) enum Switch {
    /// They are
    On,
    /// They are not; policies that judge a cost are against every plan then
    Off,
    /// As the wider scope says
    Inherit,
}

/// By what stored plans are estimated again.
#[derive(clap::Args)]
pub(in crate::cmd) struct Replay {
    #[command(flatten)]
    scope: Scope,
    /// Runs that were made then or later: an instant (RFC 3339), or so long ago (`7d`, `12h`)
    #[arg(long, default_value = "30d")]
    since: String,
    /// Another price book: a file, or the digest of one that the server keeps
    #[arg(long, value_name = "BOOK")]
    book: Option<String>,
    /// Other prices of the organization
    #[arg(long, value_name = "FILE")]
    overlay: Option<PathBuf>,
    /// Another usage file, in the place of all
    #[arg(long, value_name = "FILE")]
    usage: Option<PathBuf>,
    /// Take every resource for one of this region
    #[arg(long)]
    region: Option<String>,
    /// The day whose prices count, like 2026-08-21
    #[arg(long)]
    date: Option<String>,
}

const VERSIONS: &[Column] = &[
    ("NUMBER", "number"),
    ("SET", "set-at"),
    ("WHO", "set-by"),
    ("NAME", "name"),
    ("WHAT", "about"),
    ("DIGEST", "digest"),
];
const INPUTS: &[Column] = &[
    ("KIND", "kind"),
    ("OF", "said-of"),
    ("NAME", "name"),
    ("WHAT", "about"),
    ("DIGEST", "digest"),
];
const HISTORY: &[Column] = &[
    ("CREATED", "created-at"),
    ("RUN", "run"),
    ("WORKSPACE", "workspace"),
    ("MONTHLY", "monthly"),
    ("CHANGE", "change"),
    ("ESTIMATED", "estimated"),
];
const REPLAYED: &[Column] = &[
    ("CREATED", "created-at"),
    ("RUN", "run"),
    ("WORKSPACE", "workspace"),
    ("WAS", "was"),
    ("WOULD BE", "would-be"),
    ("PRICE NOT FOUND", "price-not-found"),
];

/// The settings of a scope.
fn settings(client: &Client, scope: &Scope) -> Result<String> {
    client.organization(&format!("/cost-settings/{}", scope.text(client)?))
}

/// What a file is called in messages: its name without the way to it.
fn called(file: &Path) -> String {
    let name = file.file_name().unwrap_or(file.as_os_str());
    name.to_string_lossy().into_owned()
}

pub(super) fn input(kind: Kind, verb: InputVerb, session: &Session) -> Result {
    let (client, out) = (session.client()?, session.out);
    let path = |scope: &Scope| -> Result<String> {
        Ok(format!("{}/{}", settings(&client, scope)?, kind.word()))
    };
    match verb {
        InputVerb::Set { file, scope } => {
            let name = escape(&called(&file));
            let path = format!("{}?name={name}", path(&scope)?);
            let found = client.api.replace(&path, fs_err::read(&file)?)?;
            out.one(&found)
        }
        InputVerb::Show {
            scope,
            digest,
            out: file,
        } => {
            let asked = digest.map(|digest| format!("?digest={}", escape(&digest)));
            let path = format!("{}/content{}", path(&scope)?, asked.unwrap_or_default());
            let Some(file) = file else {
                return out.write(&client.api.bytes(&path)?);
            };
            let mut draft = Draft::of(&file)?;
            client.api.download("GET", &path)?.copy_to(&mut draft)?;
            draft.keep()?;
            out.say(&format!("{} is written", file.display()));
            Ok(())
        }
        InputVerb::List { scope } => {
            let found = client.api.list(&format!("{}/versions", path(&scope)?))?;
            let flat: Vec<Resource> = found.into_iter().map(flattened).collect();
            out.list(VERSIONS, &flat)
        }
        InputVerb::Unset { scope } => {
            client.api.delete(&path(&scope)?)?;
            out.say(&format!("no {} is said any more", kind.word()));
            Ok(())
        }
    }
}

/// A version with what it says of its input beside it.
fn flattened(version: Resource) -> Resource {
    let input = version.get("input").and_then(Value::as_object).cloned();
    let input: Map<String, Value> = input.unwrap_or_default();
    let keys = ["name", "about", "digest"].into_iter();
    keys.fold(version, |version, key| {
        let value = input.get(key).cloned();
        version.with(key, value.unwrap_or(Value::from("(taken back)")))
    })
}

/// Shows by what plans of a scope are estimated.
pub(super) fn shown(scope: &Scope, session: &Session) -> Result {
    let (client, out) = (session.client()?, session.out);
    let found = client.api.get(&settings(&client, scope)?)?;
    if out.is_json() {
        return out.one(&found);
    }
    let mut pairs = found.pairs();
    pairs.retain(|(name, _)| name != "inputs");
    out.pairs(&pairs)?;
    let inputs = found.get("inputs").and_then(Value::as_array);
    let inputs = inputs.into_iter().flatten();
    let inputs: Vec<Resource> = inputs
        .filter_map(|each| Resource::of(&json!({ "attributes": each })))
        .collect();
    if inputs.is_empty() {
        out.say("the price book of the server counts; no overlay and no usage are said");
        return Ok(());
    }
    out.list(INPUTS, &inputs)
}

/// Switches estimating on or off.
pub(super) fn switch(switch: Switch, scope: &Scope, session: &Session) -> Result {
    let (client, out) = (session.client()?, session.out);
    let said = match switch {
        Switch::On => Value::Bool(true),
        Switch::Off => Value::Bool(false),
        Switch::Inherit => Value::Null,
    };
    let document =
        json!({ "data": { "type": "cost-settings", "attributes": { "estimation": said } } });
    let path = settings(&client, scope)?;
    out.one(&client.api.send("PATCH", &path, &document)?)
}

/// The address of a run's estimate.
fn estimate_of(run: &str) -> String {
    let rest = run.strip_prefix("run-").unwrap_or(run);
    format!("/api/v2/cost-estimates/ce-{rest}")
}

/// Shows the estimate of a run, or writes all of it.
pub(super) fn estimate(run: &str, format: Option<&str>, session: &Session) -> Result {
    let (client, out) = (session.client()?, session.out);
    let path = estimate_of(run);
    if let Some(format) = format {
        return out.write(
            &client
                .api
                .bytes(&format!("{path}/json-output?format={format}"))?,
        );
    }
    let found = client.api.get(&path)?;
    if out.is_json() {
        return out.one(&found);
    }
    let mut pairs = found.pairs();
    let kept = [
        "id",
        "status",
        "error-message",
        "digest",
        "book",
        "book-date",
        "date",
        "resources-count",
        "matched-resources-count",
    ];
    pairs.retain(|(name, value)| kept.contains(&name.as_str()) && !value.is_null());
    for (side, key) in [
        ("before", "before"),
        ("monthly", "after"),
        ("change", "delta"),
    ] {
        pairs.push((side.to_owned(), amounts(found.get("totals"), key).into()));
    }
    let counts = found.get("counts").and_then(Value::as_object);
    for (name, count) in counts.into_iter().flatten() {
        pairs.push((name.clone(), count.clone()));
    }
    out.pairs(&pairs)?;
    let warnings = found.get("warnings").and_then(Value::as_array);
    for warning in warnings.into_iter().flatten().filter_map(Value::as_str) {
        out.say(warning);
    }
    Ok(())
}

/// Makes the estimate of a run again from what it names; fails where it comes to something else.
pub(super) fn recompute(run: &str, session: &Session) -> Result {
    let (client, out) = (session.client()?, session.out);
    let path = format!("{}/actions/recompute", estimate_of(run));
    let found = client.api.send("POST", &path, &json!({}))?;
    out.one(&found)?;
    if found.get("same") == Some(&Value::Bool(true)) {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "made again by this server, the estimate of {run} is another; it was made by {}",
        found.text("engine")
    )))
}

/// Amounts of all currencies, for eyes.
fn amounts(totals: Option<&Value>, key: &str) -> String {
    let totals = totals.and_then(Value::as_object);
    let each = totals.into_iter().flatten().map(|(currency, amount)| {
        let amount = amount.get(key).and_then(Value::as_str).unwrap_or("?");
        format!("{} {currency}", rounded(amount))
    });
    let each: Vec<String> = each.collect();
    if each.is_empty() {
        "-".to_owned()
    } else {
        each.join(" and ")
    }
}

/// A decimal number with two digits behind the point.
fn rounded(amount: &str) -> String {
    let amount: Option<rust_decimal::Decimal> = amount.parse().ok();
    amount.map_or_else(|| "?".to_owned(), statehouse_cost::output::money)
}

/// All pages of something that ends with `next`.
fn pages(
    mut ask: impl FnMut(Option<&str>) -> Result<Resource>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Resource>)> {
    let (mut all, mut asked, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let page = ask(after.as_deref())?;
        let items = page.get(key).and_then(Value::as_array);
        all.extend(items.into_iter().flatten().cloned());
        let next = page.text("next").to_owned();
        asked.push(page);
        if next.is_empty() {
            return Ok((all, asked));
        }
        after = Some(next);
    }
}

/// What plans came to over time.
pub(super) fn history(scope: &Scope, ago: &str, session: &Session) -> Result {
    let (client, out) = (session.client()?, session.out);
    let from = since(ago, crate::server::clock()())?;
    let path = client.organization("/cost-history")?;
    let path = format!(
        "{path}?scope={}&since={}",
        scope.text(&client)?,
        escape(&from)
    );
    let ask = |after: Option<&str>| {
        let after = after.map(|run| format!("&after={run}"));
        client
            .api
            .get(&format!("{path}{}", after.unwrap_or_default()))
    };
    let (runs, _) = pages(ask, "runs")?;
    if out.is_json() {
        return out.json(&json!({ "runs": runs }));
    }
    let shown = runs.iter().map(|run| {
        let text = |key: &str| run.get(key).cloned().unwrap_or_default();
        let (all, known) = (text("resources-count"), text("matched-resources-count"));
        Resource::from_pairs([
            ("created-at", text("created-at")),
            ("run", text("run")),
            ("workspace", text("workspace")),
            ("monthly", amounts(run.get("totals"), "after").into()),
            ("change", amounts(run.get("totals"), "delta").into()),
            ("estimated", format!("{known} of {all}").into()),
        ])
    });
    out.list(HISTORY, &shown.collect::<Vec<_>>())
}

/// The digest of a book: it is one, or the server keeps the file first.
fn book(client: &Client, text: &str) -> Result<String> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    let file = Path::new(text);
    let path = client.organization("/cost-books")?;
    let path = format!("{path}?name={}", escape(&called(file)));
    let kept = client.api.upload(&path, fs_err::read(file)?)?;
    Ok(kept.text("digest").to_owned())
}

/// What stored plans would cost by something else.
pub(super) fn replay(asked: &Replay, session: &Session) -> Result {
    let (client, out) = (session.client()?, session.out);
    let mut said = Map::new();
    let mut say = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            said.insert(key.to_owned(), value.into());
        }
    };
    say("scope", Some(asked.scope.text(&client)?));
    say(
        "since",
        Some(since(&asked.since, crate::server::clock()())?),
    );
    say("region", asked.region.clone());
    say("date", asked.date.clone());
    for (key, file) in [("overlay", &asked.overlay), ("usage", &asked.usage)] {
        say(key, file.as_ref().map(fs_err::read_to_string).transpose()?);
    }
    let book = asked.book.as_deref().map(|text| book(&client, text));
    say("book", book.transpose()?);
    let path = client.organization("/cost-replays")?;
    let ask = |after: Option<&str>| {
        let mut said = said.clone();
        if let Some(after) = after {
            said.insert("after".to_owned(), after.into());
        }
        let document = json!({ "data": { "type": "cost-replays", "attributes": said } });
        client.api.send("POST", &path, &document)
    };
    let (plans, asked) = pages(ask, "plans")?;
    let passed = asked.iter().filter_map(|page| page.get("passed-over"));
    let passed: u64 = passed.filter_map(Value::as_u64).sum();
    if out.is_json() {
        return out.json(&json!({ "plans": plans, "passed-over": passed }));
    }
    let shown = plans.iter().map(|plan| {
        let text = |key: &str| plan.get(key).cloned().unwrap_or_default();
        let would_be = match plan.get("error-message").and_then(Value::as_str) {
            Some(why) => why.to_owned(),
            None => amounts(plan.get("after"), "after"),
        };
        let missing = plan.pointer("/counts/price-not-found").cloned();
        Resource::from_pairs([
            ("created-at", text("created-at")),
            ("run", text("run")),
            ("workspace", text("workspace")),
            ("was", amounts(plan.get("before"), "after").into()),
            ("would-be", would_be.into()),
            ("price-not-found", missing.unwrap_or_default()),
        ])
    });
    out.list(REPLAYED, &shown.collect::<Vec<_>>())?;
    if passed > 0 {
        out.say(&format!(
            "{passed} runs were passed over: their plan is not kept any more"
        ));
    }
    Ok(())
}
