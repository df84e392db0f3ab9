//! What the jobs of one transaction share: its rows, its chain of leaves.

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use statehouse_ledger::canonical;
use statehouse_seal::{Context, Keyring};

use super::Entry;
use crate::ctx::Ctx;
use crate::db::Value;
use crate::error::{Error, Result};
use crate::ledger::Chain;
use crate::record::Rows;

/// A row that a change wrote or removed.
pub(crate) struct RowChange {
    pub(crate) table: &'static str,
    pub(crate) key: String,
    pub(crate) put: bool,
    pub(crate) digest: [u8; 32],
}

/// An open writing transaction with the leaves that it will commit.
pub(crate) struct Batch {
    pub(crate) rows: Rows,
    pub(crate) chain: Chain,
    pub(crate) now: i64,
    /// The rows of the job that runs.
    pub(crate) changes: Vec<RowChange>,
    /// The leaves that it will commit.
    pub(crate) leaves: Vec<Vec<u8>>,
    /// Whether the job that runs has written anything.
    pub(crate) touched: bool,
    /// Whether it failed.
    pub(crate) failed: bool,
    /// The keys to use from the commit on.
    pub(crate) new_keyring: Option<Arc<Keyring>>,
}

impl Batch {
    /// Appends the leaf of a change that just ended well.
    pub(crate) async fn record(&mut self, ctx: &Ctx, action: &str, entry: Entry) -> Result<()> {
        let mut facts = entry.facts;
        let mut detail = Value::Null;
        if let Some((name, text)) = entry.detail {
            let (sealed, commitment) = self.seal_detail(&text)?;
            facts.insert(name.to_owned(), Json::String(commitment));
            detail = Value::Bytes(sealed);
        }
        let leaf = self.leaf(ctx, action, &entry.object, facts);
        let bytes = canonical::to_bytes(&leaf).map_err(|error| {
            Error::internal(format!(
                "the leaf of `{action}` has no canonical form: {error}"
            ))
        })?;
        self.leaves.push(bytes.clone());
        self.chain
            .append(&mut self.rows.transaction, bytes, detail)
            .await
    }

    fn leaf(&self, ctx: &Ctx, action: &str, object: &str, facts: Map<String, Json>) -> Json {
        let mut actor = json!({ "kind": ctx.actor().kind(), "id": ctx.actor().id() });
        if let (Some(shown), Some(actor)) = (ctx.actor().credential(), actor.as_object_mut()) {
            actor.insert("token".to_owned(), Json::String(shown.to_owned()));
        }
        let row = |change: &RowChange| {
            let op = if change.put { "put" } else { "del" };
            json!({ "table": change.table, "key": change.key, "op": op, "digest": hex::encode(change.digest) })
        };
        json!({
            "v": 1,
            "house": ctx.house().code().as_str(),
            "seq": self.chain.size(),
            "at": self.now,
            "action": action,
            "actor": actor,
            "object": object,
            "request": ctx.request().as_str(),
            "facts": facts,
            "rows": self.changes.iter().map(row).collect::<Vec<_>>(),
        })
    }

    /// Seals free text; the salt of its commitment is sealed with it.
    fn seal_detail(&self, text: &str) -> Result<(Vec<u8>, String)> {
        let salted = [crate::random::<32>().as_slice(), text.as_bytes()].concat();
        let object = self.chain.size().to_string();
        let sealed = crate::seal_small(&self.rows.keyring, &detail_context(&object), &salted)?;
        Ok((sealed, hex::encode(Sha256::digest(&salted))))
    }
}

/// What binds a sealed detail to its leaf.
pub(crate) fn detail_context(leaf: &str) -> Context<'_> {
    Context {
        kind: "detail",
        object: leaf,
        version: "",
        lineage: "",
        serial: None,
    }
}
