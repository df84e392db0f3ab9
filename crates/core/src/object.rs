//! Sealed objects beside states: configurations, and what runs leave behind.
//!
//! An object's row says whose it is, how long it is and what its bytes must be;
//! the bytes lie in `blob` under the object's id. One look from an id to its row
//! ([`find`]) serves the renewal of keys and the live verification, so that a
//! new kind of object stands in one place.

use std::io::Read;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use statehouse_control::Beside;
use statehouse_model::{
    ConfigurationId, CostInputId, DestinationId, FileId, PolicyBundleId, ValueId,
};
use statehouse_seal::Context;
use zeroize::Zeroizing;

use crate::blob::{self, Stored};
use crate::configuration::sql::Configuration;
use crate::cost::sql::CostInput;
use crate::ctx::Ctx;
use crate::document::Document;
use crate::error::{Error, Result};
use crate::notification::sql::Notification;
use crate::policy::sql::PolicyBundle;
use crate::record::Rows;
use crate::run::sql::RunFile;
use crate::state::sql::Version;
use crate::variable::sql::Variable;

/// What binds an object's bytes to their place, and what they must be.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) kind: &'static str,
    /// What it belongs to: a workspace, a run, a set of variables.
    pub(crate) owner: String,
    pub(crate) id: String,
    /// What it is of its owner's, a word.
    pub(crate) name: String,
    /// Which part of that.
    pub(crate) part: Option<u64>,
    pub(crate) size: u64,
    pub(crate) body_digest: Vec<u8>,
    pub(crate) commitment: Vec<u8>,
}

impl From<&Configuration> for Object {
    fn from(row: &Configuration) -> Self {
        Self {
            kind: "configuration",
            owner: row.workspace.to_string(),
            id: row.id.to_string(),
            name: String::new(),
            part: None,
            size: row.size,
            body_digest: row.body_digest.clone(),
            commitment: row.commitment.clone(),
        }
    }
}

impl From<&RunFile> for Object {
    fn from(row: &RunFile) -> Self {
        Self {
            kind: "run-file",
            owner: row.run.to_string(),
            id: row.id.to_string(),
            name: row.kind.clone(),
            part: Some(row.part),
            size: row.size,
            body_digest: row.body_digest.clone(),
            commitment: row.commitment.clone(),
        }
    }
}

impl From<&Variable> for Object {
    fn from(row: &Variable) -> Self {
        Self {
            kind: "variable",
            owner: row.owner.to_string(),
            id: row.value.to_string(),
            name: row.id.to_string(),
            part: None,
            size: row.size,
            body_digest: row.body_digest.clone(),
            commitment: row.commitment.clone(),
        }
    }
}

impl From<&Notification> for Object {
    fn from(row: &Notification) -> Self {
        Self {
            kind: "destination",
            owner: row.workspace.to_string(),
            id: row.destination.to_string(),
            name: row.id.to_string(),
            part: None,
            size: row.size,
            body_digest: row.body_digest.clone(),
            commitment: row.commitment.clone(),
        }
    }
}

impl From<&PolicyBundle> for Object {
    fn from(row: &PolicyBundle) -> Self {
        Self {
            kind: "policy-bundle",
            owner: row.policy_set.to_string(),
            id: row.id.to_string(),
            name: hex::encode(&row.digest),
            part: None,
            size: row.size,
            body_digest: row.body_digest.clone(),
            commitment: row.commitment.clone(),
        }
    }
}

impl From<&CostInput> for Object {
    fn from(row: &CostInput) -> Self {
        Self {
            kind: "cost-input",
            owner: row.kind.clone(),
            id: row.id.to_string(),
            name: hex::encode(&row.digest),
            part: None,
            size: row.size,
            body_digest: row.body_digest.clone(),
            commitment: row.commitment.clone(),
        }
    }
}

/// A version of a state, as one: its bytes are bound to their place alike. Its row is found elsewhere, and so are its bytes.
impl From<&Version> for Object {
    fn from(row: &Version) -> Self {
        Self {
            kind: "state",
            owner: row.workspace.to_string(),
            id: row.id.to_string(),
            name: row.lineage.clone(),
            part: row.serial,
            size: row.size,
            body_digest: row.body_digest.clone(),
            commitment: row.commitment.clone(),
        }
    }
}

impl Object {
    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            kind: self.kind,
            object: &self.owner,
            version: &self.id,
            lineage: &self.name,
            serial: self.part,
        }
    }

    /// Seals bytes as this object, on a thread that may block; with their SHA-256. Many are sealed as they come.
    pub(crate) async fn seal(
        self,
        ctx: &Ctx,
        bytes: impl Into<Beside>,
    ) -> Result<(Stored, [u8; 32])> {
        let (house, mut bytes) = (ctx.house().clone(), bytes.into());
        let seal = move || {
            let (keyring, blobs) = (house.keyring(), house.blobs());
            if bytes.length() > blob::WHOLE_MAX as u64 {
                return blobs.store_from(&keyring, &self.context(), bytes);
            }
            let mut whole = Zeroizing::new(Vec::new());
            bytes.read_to_end(&mut whole).map_err(cut)?;
            let digest: [u8; 32] = Sha256::digest(&whole).into();
            let stored = blobs.store(&keyring, &self.context(), &whole, &digest)?;
            Ok((stored, digest))
        };
        let sealed = tokio::task::spawn_blocking(seal).await;
        sealed.map_err(|error| Error::internal(format!("sealing an object: {error}")))?
    }

    /// The sealed bytes, as they are stored.
    pub(crate) async fn stored(&self, rows: &mut Rows) -> Result<Stored> {
        let gone = || Error::tampered(format!("the bytes of `{}` are missing", self.id));
        let found = blob::sql::of_object(rows, &self.id).await?;
        let (header, body) = found.ok_or_else(gone)?;
        let digest = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map_err(|_| gone());
        Ok(Stored {
            header,
            epoch: 0,
            body,
            body_digest: digest(&self.body_digest)?,
            commitment: digest(&self.commitment)?,
        })
    }

    /// Opens sealed bytes, on a thread that may block.
    pub(crate) async fn open(self, ctx: &Ctx, stored: Stored) -> Result<Bytes> {
        let house = ctx.house().clone();
        let open = move || {
            let keyring = house.keyring();
            house
                .blobs()
                .load(&keyring, &self.context(), &stored, self.size)
        };
        let opened = tokio::task::spawn_blocking(open).await;
        let bytes =
            opened.map_err(|error| Error::internal(format!("opening an object: {error}")))??;
        Ok(Bytes::from_owner(Zeroizing::new(bytes)))
    }

    /// The same, of what is handed on: what is long is read and checked now, and opened piece by piece when it is.
    pub(crate) async fn document(self, ctx: &Ctx, stored: Stored) -> Result<Document> {
        if self.size <= blob::WHOLE_MAX as u64 {
            return self.open(ctx, stored).await.map(Document::from);
        }
        let house = ctx.house().clone();
        let read = move || Document::sealed(house, self, stored);
        let read = tokio::task::spawn_blocking(read).await;
        read.map_err(|error| Error::internal(format!("reading an object: {error}")))?
    }

    /// Opens it where it is, for a look at everything.
    pub(crate) async fn check(&self, rows: &mut Rows, ctx: &Ctx) -> Result<()> {
        let stored = self.stored(rows).await?;
        let bytes = ctx
            .house()
            .blobs()
            .load(&rows.keyring, &self.context(), &stored, self.size)?;
        drop(Zeroizing::new(bytes));
        Ok(())
    }
}

/// Bytes that did not come to their end.
pub(crate) fn cut(error: std::io::Error) -> Error {
    Error::unavailable(format!("what is to be stored did not come whole: {error}"))
        .hint("send it again; nothing was stored")
        .because(error)
}

/// The object of an id; `None` where no kind has such ids, or none has this one.
pub(crate) async fn find(rows: &mut Rows, id: &str) -> Result<Option<Object>> {
    if let Ok(id) = id.parse::<ConfigurationId>() {
        let found = crate::configuration::sql::by_id(rows, &id).await?;
        return Ok(found.as_ref().map(Object::from));
    }
    if let Ok(id) = id.parse::<FileId>() {
        let found = crate::run::sql::file_by_id(rows, &id).await?;
        return Ok(found.as_ref().map(Object::from));
    }
    if let Ok(id) = id.parse::<ValueId>() {
        let found = crate::variable::sql::by_value(rows, &id).await?;
        return Ok(found.as_ref().map(Object::from));
    }
    if let Ok(id) = id.parse::<DestinationId>() {
        let found = crate::notification::sql::by_destination(rows, &id).await?;
        return Ok(found.as_ref().map(Object::from));
    }
    if let Ok(id) = id.parse::<PolicyBundleId>() {
        let found = crate::policy::sql::bundle(rows, &id).await?;
        return Ok(found.as_ref().map(Object::from));
    }
    if let Ok(id) = id.parse::<CostInputId>() {
        let found = crate::cost::sql::input(rows, &id).await?;
        return Ok(found.as_ref().map(Object::from));
    }
    Ok(None)
}

/// The ids of all objects that have bytes, whatever their kind.
pub(crate) async fn all(rows: &mut Rows) -> Result<Vec<String>> {
    let sql = "SELECT id FROM configuration WHERE status = 'uploaded'
        UNION ALL SELECT id FROM run_file
        UNION ALL SELECT value FROM variable
        UNION ALL SELECT destination FROM notification
        UNION ALL SELECT id FROM policy_bundle
        UNION ALL SELECT id FROM cost_input ORDER BY 1";
    let found = rows.transaction.query(sql, &[]).await?;
    found
        .iter()
        .map(|row| Ok(row.text(0)?.to_owned()))
        .collect()
}
