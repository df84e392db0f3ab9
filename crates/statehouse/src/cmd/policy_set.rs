//! `statehouse policy-set`: sets of policies, by which the runs of many workspaces are judged.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use statehouse_core::terraform::slug::Limits;
use statehouse_model::PolicySetId;
use statehouse_policy::manifest::{self, Manifest};
use statehouse_policy::{author, library};
use statehouse_runner::slug;

use super::attached::To;
use super::session::{Client, Session};
use crate::client::Resource;
use crate::failure::{Failure, Result};
use crate::files::Draft;
use crate::out::Column;

/// Verbs.
#[derive(clap::Subcommand)]
pub(super) enum Verb {
    /// List those of the organization, or those that judge the runs of one workspace
    List {
        /// Those that reach this workspace: its name, organization/name, or id
        #[arg(long)]
        workspace: Option<String>,
    },
    /// Make one; it judges nothing until a bundle is published for it
    Create {
        /// Its name
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Show one: how far it reaches, how strict it is, its policies
    Show {
        /// Its name or id
        set: String,
    },
    /// Change one; what is not named stays as it is
    Change {
        /// Its name or id
        set: String,
        /// Another name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Remove one; what it said of runs stays
    Delete {
        /// Its name or id
        set: String,
    },
    /// Attach one to a project or a workspace
    Attach {
        /// Its name or id
        set: String,
        #[command(flatten)]
        to: To,
    },
    /// Take one from a project or a workspace
    Detach {
        /// Its name or id
        set: String,
        #[command(flatten)]
        to: To,
    },
    /// Have one leave out a workspace that it reaches
    Exclude {
        /// Its name or id
        set: String,
        /// The workspace: its name, organization/name, or id
        workspace: String,
    },
    /// Have one leave it out no more
    Include {
        /// Its name or id
        set: String,
        /// The workspace: its name, organization/name, or id
        workspace: String,
    },
    /// Publish a directory of policies: checked by the server, then in force
    Publish {
        /// Its name or id
        set: String,
        /// The directory
        dir: PathBuf,
    },
    /// List the bundles that were published for one, the newest first
    History {
        /// Its name or id
        set: String,
    },
    /// Write the archive of a bundle, as it was published
    Download {
        /// Its name or id
        set: String,
        /// Of this version (`polsetver-…`), not of the one in force
        #[arg(long)]
        version: Option<String>,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// How a set is.
#[derive(clap::Args)]
pub(super) struct Settings {
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// Whether it reaches every workspace; one that does is attached to nothing
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    global: Option<bool>,
    /// The strictest level that its policies have; with hard-mandatory each has the level of its own
    #[arg(long, value_name = "LEVEL", value_parser = ["advisory", "soft-mandatory", "hard-mandatory"])]
    enforcement: Option<String>,
    /// Workspaces with this tag, and with no others that are not named: KEY or KEY=VALUE; may be repeated
    #[arg(long = "tag", value_name = "TAG", conflicts_with = "no_tags")]
    tags: Vec<String>,
    /// Workspaces by no tag any more
    #[arg(long)]
    no_tags: bool,
    /// A file with the values of its parameters, one JSON object, in place of those that it has
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
    /// A file with its exceptions, a JSON array of {policy, address, until, reason}, in place of those that it has
    #[arg(long, value_name = "FILE")]
    exceptions: Option<PathBuf>,
    /// A bundle is in force only after it was replayed (`policy replay --record`) over the plans of so many hours; 0 asks for none
    #[arg(long, value_name = "HOURS")]
    replay_hours: Option<u64>,
}

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("GLOBAL", "global"),
    ("ENFORCEMENT", "enforcement"),
    ("POLICIES", "policy-count"),
    ("PROJECTS", "project-count"),
    ("WORKSPACES", "workspace-count"),
    ("TAGS", "tags"),
    ("ID", "id"),
];

const POLICIES: &[Column] = &[
    ("POLICY", "name"),
    ("LEVEL", "level"),
    ("ENTITY", "entity"),
    ("TITLE", "title"),
];

const VERSIONS: &[Column] = &[
    ("PUBLISHED", "created-at"),
    ("WHO", "actor"),
    ("BYTES", "size"),
    ("DIGEST", "digest"),
    ("ID", "id"),
];

pub(super) fn path(client: &Client, set: &str) -> Result<String> {
    let id = match set.parse::<PolicySetId>() {
        Ok(id) => id.to_string(),
        Err(_) => client.named("/policy-sets", "policy set", set)?,
    };
    Ok(format!("/api/v2/policy-sets/{id}"))
}

/// The JSON in a file.
pub(super) fn data(file: &Path) -> Result<Value> {
    let text = fs_err::read_to_string(file)?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("{} is no JSON: {error}", file.display())))
}

/// A document that wishes for a set.
fn wish(name: Option<String>, settings: Settings) -> Result<Value> {
    let tags = (settings.no_tags || !settings.tags.is_empty()).then(|| settings.tags.into());
    let read = |file: Option<PathBuf>| file.map(|file| data(&file)).transpose();
    let said = [
        ("name", name.map(Value::from)),
        ("description", settings.description.map(Value::from)),
        ("global", settings.global.map(Value::from)),
        ("enforcement", settings.enforcement.map(Value::from)),
        ("tags", tags),
        ("parameters", read(settings.parameters)?),
        ("exceptions", read(settings.exceptions)?),
        ("replay-hours", settings.replay_hours.map(Value::from)),
    ];
    let said = said
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let said: Map<String, Value> = said.collect();
    Ok(json!({ "data": { "type": "policy-sets", "attributes": said } }))
}

/// Sends that a set leaves out a workspace, or no more.
fn leave_out(client: &Client, method: &str, set: &str, workspace: &str) -> Result {
    let path = format!("{}/relationships/workspace-exclusions", path(client, set)?);
    let id = client.workspace(workspace)?;
    let document = json!({ "data": [{ "type": "workspaces", "id": id.as_str() }] });
    client.api.send(method, &path, &document).map(drop)
}

/// The policies of a set or a version.
fn policies(of: &Resource) -> Vec<Resource> {
    let all = of.get("policies").and_then(Value::as_array);
    let all = all.into_iter().flatten();
    all.filter_map(|each| Resource::of(&json!({ "attributes": each })))
        .collect()
}

/// One set, for eyes with its policies in a table of their own.
fn show(session: &Session, found: &Resource) -> Result {
    let out = session.out;
    if out.is_json() {
        return out.one(found);
    }
    let mut pairs = found.pairs();
    pairs.retain(|(name, _)| name != "policies");
    out.pairs(&pairs)?;
    let policies = policies(found);
    if policies.is_empty() {
        return Ok(());
    }
    out.text("\n")?;
    out.list(POLICIES, &policies)
}

/// A directory as an archive, and the names of the policies in it.
pub(super) fn packed(dir: &Path) -> Result<(Vec<u8>, Vec<String>)> {
    let wrong = |error: &dyn Display| Failure::failed(format!("{}: {error}", dir.display()));
    let mut archive = Vec::new();
    slug::pack(dir, &mut archive, &Limits::default()).map_err(|error| wrong(&error))?;
    let bundle = author::check::read(dir).map_err(|error| wrong(&error))?;
    let bundle = manifest::expand(bundle, library::files).map_err(|error| wrong(&error))?;
    let manifest = Manifest::read(&bundle).map_err(|error| wrong(&error))?;
    let names = manifest.policies.into_iter().map(|policy| policy.name);
    Ok((archive, names.collect()))
}

/// Puts an archive in force; the version that was announced for it, and what became of that.
pub(super) fn published(
    client: &Client,
    set: &str,
    archive: Vec<u8>,
) -> Result<(String, Resource)> {
    let versions = format!("{}/versions", path(client, set)?);
    let announced = client.api.send("POST", &versions, &json!({}))?;
    client.api.put(announced.text("upload-url"), archive)?;
    let version = announced.text("id").to_owned();
    let found = client
        .api
        .get(&format!("/api/v2/policy-set-versions/{version}"))?;
    Ok((version, found))
}

/// Packs a directory, and puts it in force.
fn publish(client: &Client, session: &Session, set: &str, dir: &Path) -> Result {
    let (archive, _) = packed(dir)?;
    let (version, found) = published(client, set, archive)?;
    if session.out.is_json() {
        return session.out.one(&found);
    }
    let policies = policies(&found);
    let verb = if found.text("id") == version {
        "is in force"
    } else {
        "was in force already, and nothing is changed"
    };
    let (id, digest) = (found.text("id"), found.text("digest"));
    session
        .out
        .say(&format!("{set}: {id} {verb}; its contents are {digest}"));
    session.out.list(POLICIES, &policies)
}

fn download(client: &Client, set: &str, version: Option<String>, out: &Path) -> Result {
    let version = if let Some(version) = version {
        version
    } else {
        let found = client.api.get(&path(client, set)?)?;
        found.text("current-version").to_owned()
    };
    if version.is_empty() {
        let words = format!("nothing was published for {set} yet");
        return Err(Failure::failed(words));
    }
    let path = format!("/api/v2/policy-set-versions/{version}/download");
    let mut draft = Draft::of(out)?;
    client.api.download("GET", &path)?.copy_to(&mut draft)?;
    draft.keep()
}

pub(super) fn run(verb: Verb, session: &Session) -> Result {
    let (client, out) = (session.client()?, session.out);
    match verb {
        Verb::List { workspace } => {
            let path = match workspace {
                Some(workspace) => {
                    let id = client.workspace(&workspace)?;
                    format!("/api/v2/workspaces/{id}/policy-sets")
                }
                None => client.organization("/policy-sets")?,
            };
            out.list(COLUMNS, &client.api.list(&path)?)?;
        }
        Verb::Create { name, settings } => {
            let path = client.organization("/policy-sets")?;
            let wish = wish(Some(name), settings)?;
            show(session, &client.api.send("POST", &path, &wish)?)?;
        }
        Verb::Show { set } => show(session, &client.api.get(&path(&client, &set)?)?)?,
        Verb::Change {
            set,
            name,
            settings,
        } => {
            let (path, wish) = (path(&client, &set)?, wish(name, settings)?);
            show(session, &client.api.send("PATCH", &path, &wish)?)?;
        }
        Verb::Delete { set } => {
            client.api.delete(&path(&client, &set)?)?;
            out.say(&format!("{set} is removed, and judges nothing any more"));
        }
        Verb::Attach { set, to } => {
            to.say(&client, "POST", &path(&client, &set)?)?;
            out.say(&format!("{set} is attached"));
        }
        Verb::Detach { set, to } => {
            to.say(&client, "DELETE", &path(&client, &set)?)?;
            out.say(&format!("{set} is detached"));
        }
        Verb::Exclude { set, workspace } => {
            leave_out(&client, "POST", &set, &workspace)?;
            out.say(&format!("{set} leaves out {workspace}"));
        }
        Verb::Include { set, workspace } => {
            leave_out(&client, "DELETE", &set, &workspace)?;
            out.say(&format!("{set} leaves out {workspace} no more"));
        }
        Verb::Publish { set, dir } => publish(&client, session, &set, &dir)?,
        Verb::History { set } => {
            let path = format!("{}/versions", path(&client, &set)?);
            out.list(VERSIONS, &client.api.list(&path)?)?;
        }
        Verb::Download {
            set,
            version,
            out: file,
        } => {
            download(&client, &set, version, &file)?;
            out.say(&format!("{} is written", file.display()));
        }
    }
    Ok(())
}
