//! `statehouse state search`: resources in the current states of all workspaces.

use serde_json::Value;

use super::super::session::Client;
use crate::client::escape;
use crate::failure::Result;
use crate::out::{Column, Out, plain};

const FOUND: &[Column] = &[
    ("WORKSPACE", "workspace-name"),
    ("ADDRESS", "address"),
    ("ID", "resource-id"),
    ("PROVIDER", "provider"),
];

/// What is looked for.
#[derive(clap::Args)]
pub(in crate::cmd) struct Search {
    /// Words that the address, the id or a tag (name=value) has, all of them, in any case
    words: Vec<String>,
    /// Only of this type (`aws_s3_bucket`)
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only of this name
    #[arg(long)]
    name: Option<String>,
    /// Only in this module and the modules inside it (`module.network`), or `root`
    #[arg(long)]
    module: Option<String>,
    /// Only of this provider (`aws`, `hashicorp/aws`)
    #[arg(long)]
    provider: Option<String>,
    /// Only `managed` resources, or only `data`
    #[arg(long)]
    mode: Option<String>,
    /// Only with this tag: a name, or name=value; may be given more than once
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Only the one with this id in its cloud
    #[arg(long)]
    id: Option<String>,
    /// Only what depends on this address
    #[arg(long, value_name = "ADDRESS")]
    depends_on: Option<String>,
    /// Only in the workspace of this name
    #[arg(long)]
    workspace: Option<String>,
    /// Only in workspaces of this project
    #[arg(long)]
    project: Option<String>,
    /// How many resources
    #[arg(long, default_value_t = 100, value_name = "COUNT")]
    limit: usize,
}

impl Search {
    /// What is asked, as the query of an address.
    fn query(&self) -> String {
        let words = self.words.join(" ");
        let one = |name: &'static str, value: &Option<String>| Some((name, value.clone()?));
        let asked = [
            one("filter[type]", &self.kind),
            one("filter[name]", &self.name),
            one("filter[module]", &self.module),
            one("filter[provider]", &self.provider),
            one("filter[mode]", &self.mode),
            one("filter[id]", &self.id),
            one("filter[depends-on]", &self.depends_on),
            one("filter[workspace]", &self.workspace),
            one("filter[project]", &self.project),
        ];
        let tags = self.tags.iter().map(|tag| ("filter[tag]", tag.clone()));
        let pairs = asked.into_iter().flatten().chain(tags).chain([
            ("q", words),
            ("page[size]", self.limit.clamp(1, 100).to_string()),
        ]);
        let pairs = pairs.map(|(name, value)| format!("{name}={}", escape(&value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

pub(super) fn run(wanted: &Search, client: &Client, out: Out) -> Result {
    let path = client.organization(&format!("/resources?{}", wanted.query()))?;
    let (found, meta) = client.api.first_told(&path, wanted.limit)?;
    out.list(FOUND, &found)?;
    for words in told(&meta, found.len()) {
        out.say(&words);
    }
    Ok(())
}

/// What is to be known of a list that is not the whole truth.
fn told(meta: &Value, shown: usize) -> Vec<String> {
    let number = |key: &str| meta.get(key).and_then(Value::as_u64).unwrap_or(0);
    let total = meta
        .pointer("/pagination/total-count")
        .and_then(Value::as_u64);
    let total = total.unwrap_or(0);
    let mut words = Vec::new();
    if meta.get("more-than-counted") == Some(&Value::Bool(true)) {
        words.push(format!(
            "more than {total} resources were found; narrow the search"
        ));
    } else if total > shown as u64 {
        words.push(format!(
            "{shown} of {total} resources; see more with --limit"
        ));
    }
    if number("left-out-resources") > 0 {
        words.push(format!(
            "{} resources have names too long to be searched",
            number("left-out-resources")
        ));
    }
    let unsearched = meta.get("unsearched").and_then(Value::as_array);
    for each in unsearched.into_iter().flatten() {
        let text = |key: &str| plain(each.get(key).and_then(Value::as_str).unwrap_or_default());
        words.push(format!(
            "workspace {} was not searched: {}",
            text("name"),
            text("reason")
        ));
    }
    let more = number("unsearched-count").saturating_sub(unsearched.map_or(0, Vec::len) as u64);
    if more > 0 {
        words.push(format!("{more} more workspaces were not searched"));
    }
    words
}
