//! A leaf: one thing that happened in a house, in the one form it may have.
//!
//! A [`Leaf`] is a canonical JSON object of at most 65,535 bytes. Its `seq` is its index in the log, its `facts` depend on
//! its action, and its `rows` are the evidential rows the action changed. Three actions govern the log itself and are read
//! by [`Leaf::event`]: `ledger.open` (always leaf 0, and only there), `key.rotate` and `ledger.restore`. Any action that
//! makes a state version says so in its facts, which [`Leaf::version`] reads.
//!
//! Promises: [`Leaf::parse`] accepts exactly what [`Leaf::to_bytes`] writes; unknown fields are refused, because what a
//! verifier does not understand it must not vouch for.
//!
//! Absent on purpose: content. Facts hold ids, integers, digests, salted commitments and enumerated words. The list of
//! actions is absent too: it grows with the product, and a verifier of today must read a log of tomorrow.

use crate::canonical::{self, Item, Object};
use crate::{Hash, hash_from_hex, tile};
use std::borrow::Cow;

/// The form of leaves described here.
pub const VERSION: i64 = 1;

/// Action of leaf 0: who opens the log under which origin. Facts: `vkey`, `origin`.
pub const OPEN: &str = "ledger.open";

/// Action that brings in a new signing key. Facts: `epoch`, `vkey`.
pub const ROTATE: &str = "key.rotate";

/// Action that goes on from a restored copy. Facts: `epoch`, `origin`, `size`, `root`, `reason`.
pub const RESTORE: &str = "ledger.restore";

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor<'a> {
    /// `user`, `service`, `runner`, `system`, …
    pub kind: Cow<'a, str>,
    /// Id of the actor.
    pub id: Cow<'a, str>,
    /// Id of the token that was used, where one was.
    pub token: Option<Cow<'a, str>>,
}

/// What an action did to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Inserted or changed: from now on the row has this digest.
    Put,
    /// Deleted: it had this digest.
    Del,
}

/// An evidential row that the action changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowChange<'a> {
    /// Its table: `a`-`z`, `0`-`9` and `_`.
    pub table: Cow<'a, str>,
    /// Its key.
    pub key: Cow<'a, str>,
    /// What was done.
    pub op: Op,
    /// Its digest, see [`crate::row::digest`].
    pub digest: Hash,
}

/// One leaf of a house's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf<'a> {
    /// Code of the house.
    pub house: Cow<'a, str>,
    /// Index in the log.
    pub seq: u64,
    /// When, in microseconds since 1970 by the server's clock. Order is proven by the log, not by this.
    pub at: i64,
    /// What: `state.write`, `lock.take`, …
    pub action: Cow<'a, str>,
    /// Who.
    pub actor: Actor<'a>,
    /// Id of what it was done to.
    pub object: Cow<'a, str>,
    /// Id of the request, where there was one.
    pub request: Option<Cow<'a, str>>,
    /// What else is to be known, per action.
    pub facts: Object<'a>,
    /// Evidential rows that were changed.
    pub rows: Vec<RowChange<'a>>,
}

/// Where a state version stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It became the workspace's head; the only status that counts in the sequence.
    Finished,
    /// Kept beside the head because it contradicted it.
    Conflict,
    /// Kept beside the head until a person decides.
    Quarantined,
}

/// A state version that a leaf made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Id of the version.
    pub id: String,
    /// Id of its workspace.
    pub workspace: String,
    /// Where it stands.
    pub status: Status,
    /// Its number among the workspace's finished versions, from 1; given if and only if it is finished.
    pub sequence: Option<u64>,
    /// SHA-256 of the sealed body.
    pub body: Hash,
}

/// A leaf that governs the log itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The log begins.
    Open {
        /// Text of its first verifier key.
        vkey: String,
        /// Its origin.
        origin: String,
    },
    /// For checkpoints larger than this leaf's index another key is in force.
    Rotate {
        /// Text of the new verifier key.
        vkey: String,
    },
    /// The log goes on from here under a new origin; what the old one had beyond is lost.
    Restore {
        /// The new origin.
        origin: String,
        /// Size of the last checkpoint known of the old origin.
        size: u64,
        /// Root of that checkpoint.
        root: Hash,
    },
}

/// Why something is not a leaf.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Not canonical JSON.
    #[error(transparent)]
    Canonical(#[from] canonical::Error),
    /// Longer than an entry may be.
    #[error(
        "a leaf of {0} bytes; a leaf has at most 65535, so put digests into it instead of content"
    )]
    TooLong(usize),
    /// A field is missing, unknown, or not in its form.
    #[error("the field `{0}` of a leaf is missing, unknown or not in its form")]
    Field(String),
}

fn wrong(field: &str) -> Error {
    Error::Field(field.to_owned())
}

impl<'a> Leaf<'a> {
    /// The bytes that are hashed and stored.
    ///
    /// # Errors
    /// [`Error`] when a field is not in its form, or all of it is too long.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut members = vec![
            ("action".into(), text(&self.action)),
            ("actor".into(), self.actor.item()),
            ("at".into(), Item::Int(self.at)),
            ("facts".into(), Item::Object(self.facts.clone())),
            ("house".into(), text(&self.house)),
            ("object".into(), text(&self.object)),
            (
                "rows".into(),
                Item::List(self.rows.iter().map(RowChange::item).collect()),
            ),
            (
                "seq".into(),
                Item::Int(i64::try_from(self.seq).unwrap_or(i64::MAX)),
            ),
            ("v".into(), Item::Int(VERSION)),
        ];
        if let Some(request) = &self.request {
            members.push(("request".into(), text(request)));
        }
        let bytes = Item::Object(Object::new(members)).to_bytes();
        Leaf::parse(&bytes)?;
        Ok(bytes)
    }

    /// Reads a leaf; its strings borrow from `bytes`.
    ///
    /// # Errors
    /// [`Error`] with the rule or the field that is broken.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.len() > tile::ENTRY_BYTES_MAX {
            return Err(Error::TooLong(bytes.len()));
        }
        let Item::Object(object) = canonical::parse(bytes)? else {
            return Err(wrong("v"));
        };
        let (mut house, mut action, mut object_id, mut request) = (None, None, None, None);
        let (mut seq, mut at, mut version, mut actor, mut facts, mut rows) =
            (None, None, None, None, None, None);
        for (name, item) in object.into_members() {
            match (name.as_ref(), item) {
                ("house", Item::Text(text)) => house = Some(text),
                ("action", Item::Text(text)) => action = Some(text),
                ("object", Item::Text(text)) => object_id = Some(text),
                ("request", Item::Text(text)) => request = Some(text),
                ("seq", item) => seq = item.number(),
                ("at", Item::Int(number)) => at = Some(number),
                ("v", Item::Int(number)) => version = Some(number),
                ("actor", Item::Object(object)) => actor = Some(Actor::read(object)?),
                ("facts", Item::Object(object)) => facts = Some(object),
                ("rows", Item::List(items)) => rows = Some(items),
                (name, _) => return Err(wrong(name)),
            }
        }
        version
            .filter(|version| *version == VERSION)
            .ok_or_else(|| wrong("v"))?;
        let rows = rows.ok_or_else(|| wrong("rows"))?;
        Ok(Self {
            house: house.ok_or_else(|| wrong("house"))?,
            seq: seq.ok_or_else(|| wrong("seq"))?,
            at: at.ok_or_else(|| wrong("at"))?,
            action: action.ok_or_else(|| wrong("action"))?,
            actor: actor.ok_or_else(|| wrong("actor"))?,
            object: object_id.ok_or_else(|| wrong("object"))?,
            request,
            facts: facts.ok_or_else(|| wrong("facts"))?,
            rows: rows
                .into_iter()
                .map(RowChange::read)
                .collect::<Result<_, _>>()?,
        })
    }

    /// The state version this leaf made, if it made one: its facts hold `version` and one of the three statuses.
    ///
    /// # Errors
    /// [`Error::Field`] when it says so but lacks what belongs to a version.
    pub fn version(&self) -> Result<Option<Version>, Error> {
        let (Some(id), Some(status)) = (self.facts.text("version"), self.facts.text("status"))
        else {
            return Ok(None);
        };
        let status = match status {
            "finished" => Status::Finished,
            "conflict" => Status::Conflict,
            "quarantined" => Status::Quarantined,
            _ => return Ok(None),
        };
        let sequence = match self.facts.get("sequence") {
            None => None,
            Some(item) => Some(item.number().ok_or_else(|| wrong("facts.sequence"))?),
        };
        if sequence.is_some() != (status == Status::Finished) {
            return Err(wrong("facts.sequence"));
        }
        Ok(Some(Version {
            id: id.to_owned(),
            workspace: self.fact("workspace")?.to_owned(),
            status,
            sequence,
            body: self.hash_fact("body")?,
        }))
    }

    /// What this leaf changes about the log itself, if anything.
    ///
    /// # Errors
    /// [`Error::Field`] when its action does so but its facts are not in their form, or it opens a log elsewhere than at 0.
    pub fn event(&self) -> Result<Option<Event>, Error> {
        let action = self.action.as_ref();
        if (action == OPEN) != (self.seq == 0) {
            return Err(wrong("action"));
        }
        Ok(match action {
            OPEN => Some(Event::Open {
                vkey: self.fact("vkey")?.to_owned(),
                origin: self.fact("origin")?.to_owned(),
            }),
            ROTATE => {
                self.number_fact("epoch")?;
                Some(Event::Rotate {
                    vkey: self.fact("vkey")?.to_owned(),
                })
            }
            RESTORE => {
                self.number_fact("epoch")?;
                self.hash_fact("reason")?;
                Some(Event::Restore {
                    origin: self.fact("origin")?.to_owned(),
                    size: self.number_fact("size")?,
                    root: self.hash_fact("root")?,
                })
            }
            _ => None,
        })
    }

    fn fact(&self, name: &str) -> Result<&str, Error> {
        self.facts
            .text(name)
            .ok_or_else(|| Error::Field(format!("facts.{name}")))
    }

    fn number_fact(&self, name: &str) -> Result<u64, Error> {
        self.facts
            .get(name)
            .and_then(Item::number)
            .ok_or_else(|| Error::Field(format!("facts.{name}")))
    }

    fn hash_fact(&self, name: &str) -> Result<Hash, Error> {
        hash_from_hex(self.fact(name)?).ok_or_else(|| Error::Field(format!("facts.{name}")))
    }
}

impl<'a> Actor<'a> {
    fn item(&self) -> Item<'_> {
        let mut members = vec![
            ("id".into(), text(&self.id)),
            ("kind".into(), text(&self.kind)),
        ];
        if let Some(token) = &self.token {
            members.push(("token".into(), text(token)));
        }
        Item::Object(Object::new(members))
    }

    fn read(object: Object<'a>) -> Result<Self, Error> {
        let (mut kind, mut id, mut token) = (None, None, None);
        for (name, item) in object.into_members() {
            match (name.as_ref(), item) {
                ("kind", Item::Text(text)) => kind = Some(text),
                ("id", Item::Text(text)) => id = Some(text),
                ("token", Item::Text(text)) => token = Some(text),
                (name, _) => return Err(Error::Field(format!("actor.{name}"))),
            }
        }
        Ok(Self {
            kind: kind.ok_or_else(|| wrong("actor.kind"))?,
            id: id.ok_or_else(|| wrong("actor.id"))?,
            token,
        })
    }
}

impl<'a> RowChange<'a> {
    fn item(&self) -> Item<'_> {
        let op = match self.op {
            Op::Put => "put",
            Op::Del => "del",
        };
        Item::Object(Object::new(vec![
            ("digest".into(), Item::Text(hex::encode(self.digest).into())),
            ("key".into(), text(&self.key)),
            ("op".into(), Item::Text(op.into())),
            ("table".into(), text(&self.table)),
        ]))
    }

    fn read(item: Item<'a>) -> Result<Self, Error> {
        let Item::Object(object) = item else {
            return Err(wrong("rows"));
        };
        let (mut table, mut key, mut op, mut digest) = (None, None, None, None);
        for (name, item) in object.into_members() {
            match (name.as_ref(), item) {
                ("table", Item::Text(text)) => table = Some(text),
                ("key", Item::Text(text)) => key = Some(text),
                ("op", Item::Text(text)) if text == "put" => op = Some(Op::Put),
                ("op", Item::Text(text)) if text == "del" => op = Some(Op::Del),
                ("digest", Item::Text(text)) => digest = hash_from_hex(&text),
                (name, _) => return Err(Error::Field(format!("rows.{name}"))),
            }
        }
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        Ok(Self {
            table: table
                .filter(|table| !table.is_empty() && table.bytes().all(plain))
                .ok_or_else(|| wrong("rows.table"))?,
            key: key.ok_or_else(|| wrong("rows.key"))?,
            op: op.ok_or_else(|| wrong("rows.op"))?,
            digest: digest.ok_or_else(|| wrong("rows.digest"))?,
        })
    }
}

fn text(text: &str) -> Item<'_> {
    Item::Text(Cow::Borrowed(text))
}
