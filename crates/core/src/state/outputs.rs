//! Outputs of a state: names, types, and the values of those that are not
//! sensitive. A sensitive value is a permission and a leaf of its own.
//!
//! They are read from the stored state each time. The id of an output holds its
//! version and a salted digest of its name, so that nothing of it is stored.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use statehouse_model::{OutputId, VersionId};
use zeroize::Zeroizing;

use super::sql::Version;
use super::{Which, newest, open};
use crate::ctx::Ctx;
use crate::door::{Action, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::workspace::Workspace;

actions! {
    /// See the outputs of a state.
    ListOutputs = "output.list" needs OutputRead;
    /// See the value of a sensitive one.
    ReadOutput = "output.read" needs OutputReadSensitive;
}

/// An output, for people and programs to read.
#[derive(Debug, Clone)]
pub struct OutputView {
    /// Its id, good for this version of the state alone.
    pub id: OutputId,
    /// Its name.
    pub name: String,
    /// Whether its value is to be kept from view.
    pub sensitive: bool,
    /// Its type, as terraform's type system spells it in JSON.
    pub detailed_type: Value,
    /// Its value; `None` for a sensitive one in a list.
    pub value: Option<Value>,
}

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow, default)]
    outputs: Option<BTreeMap<Cow<'a, str>, Stored>>,
}

#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    value: Value,
    #[serde(default, rename = "type")]
    kind: Value,
    #[serde(default)]
    sensitive: Option<bool>,
}

fn id_of(version: &Version, name: &str) -> OutputId {
    let digest = Sha256::new()
        .chain_update(b"output\0")
        .chain_update(&version.commitment)
        .chain_update(name)
        .finalize();
    let digest = digest.first_chunk().copied().unwrap_or_default();
    OutputId::of(&version.id, u128::from_be_bytes(digest))
}

/// Reads the outputs out of the bytes of a state.
fn read(version: &Version, bytes: &[u8]) -> Result<Vec<OutputView>> {
    let file: File<'_> = serde_json::from_slice(bytes)
        .map_err(|_| Error::invalid("the outputs of this state cannot be read"))?;
    let view = |(name, stored): (Cow<'_, str>, Stored)| OutputView {
        id: id_of(version, &name),
        name: name.into_owned(),
        sensitive: stored.sensitive.unwrap_or(false),
        detailed_type: stored.kind,
        value: Some(stored.value),
    };
    let outputs = file.outputs.unwrap_or_default();
    Ok(outputs.into_iter().map(view).collect())
}

/// The outputs of a version; `None` when the workspace has no state yet.
async fn all<A: Action>(
    ctx: &Ctx,
    action: A,
    workspace: &Workspace,
    which: Which,
) -> Result<Option<(Version, Vec<OutputView>)>> {
    let target = Target::Workspace(workspace.clone());
    let found = newest::loaded(ctx, action, workspace, which).await?;
    let Some((version, stored)) = found else {
        return Ok(None);
    };
    if version.opaque {
        let words = "the client encrypted this state, so its outputs cannot be read here";
        return Err(Error::new(Kind::Conflict, words)
            .hint("download the state with the client that has its keys"));
    }
    if A::NAME == ListOutputs::NAME {
        let object = version.id.as_str();
        ctx.house()
            .reads()
            .record(ctx, action, &target, object)
            .await?;
    }
    let bytes = Zeroizing::new(open(ctx, &version, stored).await?);
    let outputs = read(&version, &bytes)?;
    Ok(Some((version, outputs)))
}

/// The outputs of a version, by name, sensitive ones without their values;
/// empty when the workspace has no state yet. Recorded before it returns.
pub async fn outputs(ctx: &Ctx, workspace: &Workspace, which: Which) -> Result<Vec<OutputView>> {
    let found = all(ctx, ListOutputs, workspace, which).await?;
    let Some((_, mut outputs)) = found else {
        return Ok(Vec::new());
    };
    for output in outputs.iter_mut().filter(|output| output.sensitive) {
        output.value = None;
    }
    Ok(outputs)
}

/// One output with its value. A sensitive one needs its own permission, and the
/// read is in the ledger before its value is returned.
pub async fn output(ctx: &Ctx, id: &OutputId) -> Result<OutputView> {
    let gone = || Error::not_found("output");
    let version: VersionId = id.version().ok_or_else(gone)?;
    let workspace = Workspace::Of(version.clone());
    let which = Which::Version(version);
    let listed = outputs(ctx, &workspace, which.clone()).await?;
    let listed = listed.into_iter().find(|output| output.id == *id);
    let listed = listed.ok_or_else(gone)?;
    if !listed.sensitive {
        return Ok(listed);
    }
    let found = all(ctx, ReadOutput, &workspace, which).await?;
    let (_, outputs) = found.ok_or_else(gone)?;
    let output = outputs.into_iter().find(|output| output.id == *id);
    let output = output.ok_or_else(gone)?;
    let target = Target::Workspace(workspace);
    ctx.house()
        .reads()
        .record(ctx, ReadOutput, &target, id.as_str())
        .await?;
    Ok(output)
}
