//! The runner's own look at the ledger, before anything is started.
//!
//! A runner remembers how far it knew the ledger of a house, apart from the server's database and its anchors. It takes every leaf since,
//! holds them against the newest checkpoint, and then the state that it was given against the leaf of that state: so a state that is not the
//! workspace's newest, a ledger that was rolled back together with it, and one that was rewritten are seen here, whatever the server says.
//!
//! Absent on purpose: the server's keys. What a sealed body is worth the server checks; here its content is held against the commitment.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use statehouse_ledger::follow::{Follower, Newest, Refused};
use statehouse_ledger::tile;

use super::{Trouble, kept};
use crate::control::{Answer, Ask, Control, ControlError, Step, Told, Work};

/// What the ledger says of a workspace, as far as this runner followed it.
pub(crate) struct Witness {
    /// What was the newest version when it was last looked, and those that became so since.
    seen: Vec<Option<Newest>>,
}

/// Follows the ledger to its newest checkpoint, and has that remembered.
pub(crate) async fn look(control: &Arc<dyn Control>, work: &Work) -> Result<Witness, Trouble> {
    let recalled = control.ask(Ask::Recall, Bytes::new()).await?;
    let remembered = match recalled.told {
        Told::Nothing => Follower::new(),
        _ => Follower::parse(&recalled.bytes).map_err(|error| refused(&error))?,
    };
    let workspace = &work.workspace_id;
    let (follower, witness) = match follow(control, remembered.clone(), workspace).await {
        // A backup that was restored openly, or somebody who hopes that nobody remembers.
        Err(Trouble::Refused { what, why }) if remembered.size() > 0 => {
            let (anew, mut witness) = follow(control, Follower::new(), workspace).await?;
            if !anew.declares_lost(&remembered) {
                return Err(Trouble::Refused { what, why });
            }
            witness.seen.drain(..witness.seen.len().saturating_sub(1));
            (anew, witness)
        }
        followed => followed?,
    };
    let known = remembered.size();
    let remembered = follower.to_bytes().into();
    control.ask(Ask::Remember { known }, remembered).await?;
    Ok(witness)
}

/// Takes every leaf that is not known yet, and believes what vouches for them.
async fn follow(
    control: &Arc<dyn Control>,
    mut follower: Follower,
    workspace: &str,
) -> Result<(Follower, Witness), Trouble> {
    let mut seen = vec![follower.newest(workspace).cloned()];
    loop {
        let from = follower.size();
        let answer = kept(control, Ask::Ledger { from }, "ledger").await?;
        let Told::Leaves {
            checkpoint,
            is_newest,
        } = answer.told
        else {
            return Err(ControlError::Odd("no leaves of the ledger".to_owned()).into());
        };
        let entries = tile::parse_entries(&answer.bytes);
        for entry in entries.map_err(|error| differs("ledger", error.to_string()))? {
            follower.take(entry).map_err(|error| refused(&error))?;
            let now = follower.newest(workspace);
            if seen.last().is_some_and(|last| last.as_ref() != now) {
                seen.push(now.cloned());
            }
        }
        if let Some(note) = checkpoint {
            let believed = follower.believe(note.as_bytes());
            believed.map_err(|error| refused(&error))?;
            if is_newest {
                return Ok((follower, Witness { seen }));
            }
        }
        if follower.size() == from {
            return Err(differs("ledger", "it does not go on".to_owned()));
        }
    }
}

/// The ledger is not the one that was known.
fn refused(error: &Refused) -> Trouble {
    differs("ledger", error.to_string())
}

fn differs(what: &str, why: String) -> Trouble {
    Trouble::Refused {
        what: what.to_owned(),
        why,
    }
}

impl Witness {
    /// Holds the state that the server gave against the ledger. What was planned on a state that is not the newest any more is stale, which
    /// the server says of itself: then this says why, so that it is held to it.
    pub(crate) fn check(&self, work: &Work, answer: &Answer) -> Result<Option<String>, Trouble> {
        let (version, salt) = match &answer.told {
            Told::State { version, salt } => (Some(version), salt.as_str()),
            Told::Nothing => (None, ""),
            other => return Err(ControlError::Odd(format!("no state: {other:?}")).into()),
        };
        let is = |known: &&Option<Newest>| known.as_ref().map(|known| &known.version) == version;
        // Who holds no lock may have been given what was the newest a moment ago.
        let counts = if work.holds_lock { 1 } else { self.seen.len() };
        let known = self.seen.iter().rev().take(counts).find(is);
        let Some(known) = known else {
            return self.another(work, version).map(Some);
        };
        let Some(known) = known else {
            return Ok(None);
        };
        let found = Sha256::new()
            .chain_update(hex::decode(salt).unwrap_or_default())
            .chain_update(Sha256::digest(&answer.bytes))
            .finalize();
        if found.as_slice() == known.commitment {
            return Ok(None);
        }
        let why = format!(
            "leaf {} commits to another content of version {} than the server gave",
            known.leaf, known.version
        );
        Err(differs("state", why))
    }

    /// It is not the newest version.
    fn another(&self, work: &Work, given: Option<&String>) -> Result<String, Trouble> {
        let given = given.map_or("no state".to_owned(), |given| format!("version {given}"));
        let newest = self.seen.last().and_then(Option::as_ref);
        let newest = newest.map_or("no state".to_owned(), |newest| {
            format!("version {} of leaf {}", newest.version, newest.leaf)
        });
        let why = format!(
            "the server gave {given}, and by the ledger the newest of the workspace is {newest}"
        );
        match work.step {
            Step::Apply => Ok(why),
            Step::Plan if work.holds_lock => Err(differs("state", why)),
            Step::Plan => {
                let words = format!("{why}; start the run again");
                Err(Trouble::failed("state", words))
            }
        }
    }
}
