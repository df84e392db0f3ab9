//! Where runs happen, with which tool, and who must agree to what they apply: in the organization, a project or a workspace.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use statehouse_core::execution::{self, InForce, Mode, Reverify, Tool, Wish, Word};

use super::document::Document;
use super::grants::{EVERYTHING, scope};
use super::sent::Attributes;
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

const KIND: &str = "executions";

/// What is told of it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Told {
    /// `local`, where terraform is started, `remote`, with a runner of the server, or `agent`, with one elsewhere.
    mode: &'static str,
    /// The id of the pool of agents, where it is `agent`.
    pool: Option<String>,
    /// The tool that they use: `terraform`, or `tofu` for OpenTofu. Null where a scope says none that this server knows; then no run begins.
    tool: Option<&'static str>,
    /// How many people must approve what is to be applied.
    approvals: u64,
    /// Whether who started a run may be one of them.
    author_approves: bool,
    /// Before which applies a plan's JSON, and what was shown of it, are derived from the plan file again: `another-runner`, those of agents, none of which takes over what another said, or `always`.
    reverify: &'static str,
    /// The narrowest scope that says any of it: `organization`, or the id of a project or workspace; null where nothing is said.
    said_of: Option<String>,
}

fn resource(of: &str, found: &InForce) -> Value {
    let attributes = Told {
        mode: found.mode.as_str(),
        pool: found.mode.pool().map(ToString::to_string),
        tool: found.tool.map(Tool::as_str),
        approvals: found.approvals,
        author_approves: found.author_approves,
        reverify: found.reverify.as_str(),
        said_of: found.scope.clone(),
    };
    json!({ "type": KIND, "id": of, "attributes": attributes })
}

/// What to say; what is left out stays as it is, and what is null is not said of the scope any more.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Say {
    /// `organization`, or the id of a project or workspace.
    scope: Option<String>,
    /// `local`, `remote`, or `agent` with a `pool`; of the scopes around a workspace the narrowest that says one counts.
    #[serde(default, deserialize_with = "word")]
    #[schemars(with = "Option<String>")]
    mode: Word<String>,
    /// The id of a pool of agents, with the mode `agent`.
    pool: Option<String>,
    /// `terraform`, or `tofu` for OpenTofu; of the scopes around a workspace the narrowest that says one counts. Where none does, it is terraform. A workspace's `terraform-version` is the version of that tool.
    #[serde(default, deserialize_with = "word")]
    #[schemars(with = "Option<String>")]
    tool: Word<String>,
    /// How many people must approve; the most that any scope around a workspace asks for count.
    #[serde(default, deserialize_with = "word")]
    #[schemars(with = "Option<u64>")]
    approvals: Word<u64>,
    /// Whether who started a run may be one of them; where a scope around a workspace says no, nobody's yes counts.
    #[serde(default, deserialize_with = "word")]
    #[schemars(with = "Option<bool>")]
    author_approves: Word<bool>,
    /// `another-runner` or `always`; where a scope around a workspace says `always`, that counts.
    #[serde(default, deserialize_with = "word")]
    #[schemars(with = "Option<String>")]
    reverify: Word<String>,
}

/// What is there was sent: null takes back what was said.
fn word<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Word<T>, D::Error> {
    Ok(Option::deserialize(from)?.map_or(Word::Unsay, Word::Say))
}

/// Says where the runs of a scope happen, with which tool, and who must agree.
pub(crate) async fn set(
    asker: Asker,
    At(organization): At<String>,
    Attributes(say): Attributes<Say>,
) -> Result<Document, Problem> {
    let of = say.scope.unwrap_or_else(|| EVERYTHING.to_owned());
    let scope = scope(&of)?;
    let pool = say.pool.as_deref().map(auth::id).transpose()?;
    let wish = Wish {
        mode: match say.mode {
            Word::Say(word) => Word::Say(Mode::of(&word, pool)?),
            Word::Unsay | Word::Keep if pool.is_some() => {
                let words = "a `pool` goes with the mode `agent`, which is not said";
                return Err(Problem::invalid(words));
            }
            Word::Unsay => Word::Unsay,
            Word::Keep => Word::Keep,
        },
        tool: match say.tool {
            Word::Say(word) => Word::Say(execution::tool(&word)?),
            Word::Unsay => Word::Unsay,
            Word::Keep => Word::Keep,
        },
        approvals: say.approvals,
        author_approves: say.author_approves,
        reverify: match say.reverify {
            Word::Say(word) => Word::Say(word.parse::<Reverify>()?),
            Word::Unsay => Word::Unsay,
            Word::Keep => Word::Keep,
        },
    };
    let ctx = asker.organization(&organization).await?;
    let found = execution::set(&ctx, scope, wish).await?;
    Ok(Document::made(resource(&of, &found)))
}

/// What is in force in a scope.
pub(crate) async fn show(
    asker: Asker,
    At((organization, of)): At<(String, String)>,
) -> Result<Document, Problem> {
    let scope = scope(&of)?;
    let ctx = asker.organization(&organization).await?;
    let found = execution::show(&ctx, scope).await?;
    Ok(Document::one(resource(&of, &found)))
}
