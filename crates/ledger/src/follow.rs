//! Following a log from outside: what somebody remembers of it, and how that grows.
//!
//! A follower stood at a head once. To get to a newer one it takes every leaf in between, in order, and then the checkpoint over them. It
//! believes the checkpoint only where the leaves hash to its root from where the follower stood, its origin is the one in force, and whoever
//! had to sign it has signed. Then nothing before has changed, and nothing in between was left out. On the way it learns which state version of
//! each workspace is the newest, which no proof of inclusion says.
//!
//! Promises: what is remembered is read back exactly or refused; a follower that refused something is not to be asked any more.
//!
//! Absent on purpose: where it is remembered, and where leaves come from. The first key is the one that leaf 0 names.

use std::collections::BTreeMap;

use crate::canonical::{self, Item, Object};
use crate::checkpoint::{self, Checkpoint};
use crate::leaf::{self, Event, Leaf, Status};
use crate::note::{self, Signature, SignedNote, VerifierKey};
use crate::tree::{self, Frontier};
use crate::{Hash, hash_from_hex};

/// The version of the form in which a follower is remembered.
const VERSION: i64 = 1;

/// The newest state version of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Index of the leaf that made it.
    pub leaf: u64,
    /// Its id.
    pub version: String,
    /// Its number among the workspace's finished versions, from 1.
    pub sequence: u64,
    /// Salted commitment to its plaintext: `SHA-256(salt ‖ SHA-256(plaintext))`.
    pub commitment: Hash,
}

/// What somebody outside knows of a log.
#[derive(Clone, Debug, Default)]
pub struct Follower {
    frontier: Frontier,
    origin: String,
    /// The key that the last checkpoint was believed by.
    key: Option<VerifierKey>,
    /// A key that a leaf brought in and no checkpoint was signed with yet.
    next: Option<VerifierKey>,
    newest: BTreeMap<String, Newest>,
    /// What was seen and is not remembered: every key, and every head that a restore gave up.
    keys: Vec<VerifierKey>,
    given_up: Vec<(u64, Hash)>,
}

/// Why a log is not followed any further.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A leaf is not what can come next.
    #[error("leaf {index} cannot come next: {why}")]
    Leaf {
        /// Its index.
        index: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A checkpoint is not in its form.
    #[error("a checkpoint is not in its form: {0}")]
    Form(String),
    /// The log is smaller than it was: it was rolled back.
    #[error(
        "the ledger had {known} entries when it was last seen here, and now has {offered}: it was rolled back"
    )]
    Smaller {
        /// Entries that are known.
        known: u64,
        /// Entries that it is said to have.
        offered: u64,
    },
    /// The leaves are not all of those under the checkpoint.
    #[error("a checkpoint of {offered} entries was shown with {known} of them")]
    Short {
        /// Entries that are known.
        known: u64,
        /// Entries that the checkpoint is over.
        offered: u64,
    },
    /// The same size, and another root: the log was rewritten.
    #[error(
        "the first {size} entries of the ledger are not those that were seen here before: it was rewritten"
    )]
    Forked {
        /// Entries that the checkpoint is over.
        size: u64,
    },
    /// The checkpoint is of another log.
    #[error("the checkpoint is of `{found}`, and the ledger that is known here is `{known}`")]
    Origin {
        /// The origin that is known.
        known: String,
        /// The one that the checkpoint has.
        found: String,
    },
    /// Whoever had to sign it did not.
    #[error("the checkpoint of {size} entries is not signed with {key}")]
    Signature {
        /// Entries that the checkpoint is over.
        size: u64,
        /// The key that had to sign it.
        key: String,
    },
    /// What was remembered is not in the form that it was written in.
    #[error("what was remembered of a ledger does not read: {0}")]
    Memory(&'static str),
}

impl From<checkpoint::Error> for Refused {
    fn from(error: checkpoint::Error) -> Self {
        Self::Form(error.to_string())
    }
}

impl From<note::Error> for Refused {
    fn from(error: note::Error) -> Self {
        Self::Form(error.to_string())
    }
}

impl Follower {
    /// One who knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many leaves are known.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The newest state version of a workspace; `None` where it has none.
    pub fn newest(&self, workspace: &str) -> Option<&Newest> {
        self.newest.get(workspace)
    }

    /// Takes the next leaf.
    ///
    /// # Errors
    /// [`Refused::Leaf`] when it cannot come next.
    pub fn take(&mut self, entry: &[u8]) -> Result<(), Refused> {
        let index = self.size();
        self.read(index, entry)
            .map_err(|why| Refused::Leaf { index, why })?;
        self.frontier.push(tree::leaf_hash(entry));
        Ok(())
    }

    fn read(&mut self, index: u64, entry: &[u8]) -> Result<(), String> {
        let words = |error: leaf::Error| error.to_string();
        let leaf = Leaf::parse(entry).map_err(words)?;
        if leaf.seq != index {
            return Err(format!("it says that it is number {}", leaf.seq));
        }
        match leaf.event().map_err(words)? {
            Some(Event::Open { vkey, origin }) => {
                let key = key(&vkey)?;
                self.keys.push(key.clone());
                self.key = Some(key);
                self.origin = origin;
            }
            Some(Event::Rotate { vkey }) => {
                // Trust is handed over by a checkpoint that both keys signed, before the next one comes.
                let key = key(&vkey)?;
                self.keys.push(key.clone());
                if self.next.replace(key).is_some() {
                    return Err("the key before it has signed no checkpoint".to_owned());
                }
            }
            Some(Event::Restore { origin, size, root }) => {
                self.origin = origin;
                self.given_up.push((size, root));
            }
            None => {}
        }
        self.version(&leaf)
    }

    fn version(&mut self, leaf: &Leaf<'_>) -> Result<(), String> {
        let version = leaf.version().map_err(|error| error.to_string())?;
        let Some(version) = version.filter(|version| version.status == Status::Finished) else {
            return Ok(());
        };
        let sequence = version.sequence.unwrap_or_default();
        let last = self.newest.get(&version.workspace);
        let expected = last.map_or(1, |newest| newest.sequence.saturating_add(1));
        if sequence != expected {
            let workspace = version.workspace;
            return Err(format!(
                "version {expected} of {workspace} must come next, and {sequence} came"
            ));
        }
        let commitment = leaf.facts.text("commitment").and_then(hash_from_hex);
        let newest = Newest {
            leaf: leaf.seq,
            version: version.id,
            sequence,
            commitment: commitment.ok_or("a version without a commitment")?,
        };
        self.newest.insert(version.workspace, newest);
        Ok(())
    }

    /// Holds a checkpoint against what is known, and believes it.
    ///
    /// # Errors
    /// [`Refused`] when it says something else, or is not signed by whoever had to.
    pub fn believe(&mut self, note: &[u8]) -> Result<(), Refused> {
        let note = SignedNote::parse(note)?;
        let head = Checkpoint::of(&note)?;
        let known = self.size();
        if head.size < known {
            return Err(Refused::Smaller {
                known,
                offered: head.size,
            });
        }
        if head.size > known {
            return Err(Refused::Short {
                known,
                offered: head.size,
            });
        }
        if head.origin != self.origin {
            return Err(Refused::Origin {
                known: self.origin.clone(),
                found: head.origin,
            });
        }
        if head.root != self.frontier.root() {
            return Err(Refused::Forked { size: head.size });
        }
        for key in self.key.iter().chain(&self.next) {
            if note.signature_of(key) != Signature::Good {
                return Err(Refused::Signature {
                    size: head.size,
                    key: key.to_string(),
                });
            }
        }
        if self.next.is_some() {
            self.key = self.next.take();
        }
        Ok(())
    }

    /// Whether a key that a leaf brought in waits for the checkpoint that hands over to it: that one must be believed before the next comes.
    pub fn awaits_checkpoint(&self) -> bool {
        self.next.is_some()
    }

    /// Whether this log, followed from its beginning, is the one that was followed before, and says openly that what was known of it was
    /// given up: somebody restored a backup, and a leaf declares it.
    pub fn declares_lost(&self, before: &Self) -> bool {
        let (size, root) = (before.size(), before.frontier.root());
        let covers = |lost: &(u64, Hash)| lost.0 > size || *lost == (size, root);
        before
            .key
            .as_ref()
            .is_some_and(|key| self.keys.contains(key))
            && self.given_up.iter().any(covers)
    }

    /// What is to be remembered, after a checkpoint was believed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let number = |number: u64| Item::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let text = |text: String| Item::Text(text.into());
        let newest = self.newest.iter().map(|(workspace, newest)| {
            let members = vec![
                ("leaf".into(), number(newest.leaf)),
                ("version".into(), text(newest.version.clone())),
                ("sequence".into(), number(newest.sequence)),
                ("commitment".into(), text(hex::encode(newest.commitment))),
            ];
            (
                workspace.as_str().into(),
                Item::Object(Object::new(members)),
            )
        });
        let hashes = self.frontier.hashes().iter();
        let members = vec![
            ("v".into(), Item::Int(VERSION)),
            ("size".into(), number(self.size())),
            ("origin".into(), text(self.origin.clone())),
            (
                "key".into(),
                text(
                    self.key
                        .as_ref()
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                ),
            ),
            (
                "frontier".into(),
                Item::List(hashes.map(|hash| text(hex::encode(hash))).collect()),
            ),
            ("newest".into(), Item::Object(Object::new(newest.collect()))),
        ];
        Item::Object(Object::new(members)).to_bytes()
    }

    /// Reads what [`Follower::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Refused::Memory`] with the part that does not read.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        Self::remembered(bytes).map_err(Refused::Memory)
    }

    fn remembered(bytes: &[u8]) -> Result<Self, &'static str> {
        let Ok(Item::Object(object)) = canonical::parse(bytes) else {
            return Err("it is no object");
        };
        let whole = |name: &str| object.get(name).and_then(Item::number);
        if object.get("v") != Some(&Item::Int(VERSION)) {
            return Err("its form is of another version");
        }
        let Some(Item::List(hashes)) = object.get("frontier") else {
            return Err("its hashes are missing");
        };
        let hashes = hashes
            .iter()
            .map(|hash| hash.text().and_then(hash_from_hex));
        let hashes: Option<Vec<Hash>> = hashes.collect();
        let frontier = Frontier::from(
            whole("size").ok_or("its size is missing")?,
            hashes.ok_or("a hash is none")?,
        );
        let key = object.text("key").ok_or("its key is missing")?;
        let key = VerifierKey::parse(key).map_err(|_| "its key is none")?;
        let Some(Item::Object(newest)) = object.get("newest") else {
            return Err("its workspaces are missing");
        };
        let newest = newest.iter().map(|(workspace, item)| {
            let newest = read_newest(item).ok_or("a workspace does not read")?;
            Ok((workspace.to_owned(), newest))
        });
        Ok(Self {
            frontier: frontier.map_err(|_| "its hashes do not fit its size")?,
            origin: object
                .text("origin")
                .ok_or("its origin is missing")?
                .to_owned(),
            key: Some(key),
            next: None,
            newest: newest.collect::<Result<_, &'static str>>()?,
            keys: Vec::new(),
            given_up: Vec::new(),
        })
    }
}

fn key(text: &str) -> Result<VerifierKey, String> {
    VerifierKey::parse(text).map_err(|error| error.to_string())
}

fn read_newest(item: &Item<'_>) -> Option<Newest> {
    let Item::Object(object) = item else {
        return None;
    };
    Some(Newest {
        leaf: object.get("leaf")?.number()?,
        version: object.text("version")?.to_owned(),
        sequence: object.get("sequence")?.number()?,
        commitment: hash_from_hex(object.text("commitment")?)?,
    })
}
