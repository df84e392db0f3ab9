//! Opening: the keys, and the look whether the database is what it was.

use statehouse_ledger::checkpoint::Checkpoint;
use statehouse_seal::{EpochKeys, KeyName, Keyring};

use super::{Opening, ReadOnly};
use crate::db::Transaction;
use crate::error::{Error, Kind, Result};
use crate::key::sql::EpochRow;
use crate::ledger::{self, Chain, Head};

/// What a look at the database found.
pub(super) enum Look {
    /// It is what it was, or new.
    Fine(Option<Chain>),
    /// It is sound in itself, and not an extension of what is remembered.
    Behind(Chain, ReadOnly),
}

/// Why the house takes no changes, if it does not, and the chain to go on from.
pub(super) fn judged(looked: Result<Look>, origin: String) -> Result<(Option<ReadOnly>, Chain)> {
    match looked {
        Ok(Look::Fine(chain)) => Ok((None, chain.unwrap_or_else(|| Chain::empty(origin)))),
        Ok(Look::Behind(chain, behind)) => Ok((Some(behind), chain)),
        Err(error) if *error.kind() == Kind::Tampered => {
            let reason = error.message().to_owned();
            let damaged = ReadOnly {
                reason,
                remembered: None,
            };
            Ok((Some(damaged), Chain::empty(origin)))
        }
        Err(error) => Err(error),
    }
}

/// The keys of the house; for a new one also their wrapped form, which its
/// first leaf will store.
pub(super) async fn open_keyring(
    transaction: &mut Transaction,
    opening: &Opening,
    name: &KeyName,
) -> Result<(Keyring, Option<Vec<u8>>)> {
    let stored = crate::key::sql::epochs(transaction).await?;
    let mut epochs = Vec::new();
    for EpochRow { epoch, wrapped, .. } in stored.iter().filter(|row| row.retired_at.is_none()) {
        let keys = EpochKeys::unwrap(&*opening.roots, &opening.site, name, *epoch, wrapped);
        epochs.push(keys.map_err(|error| crate::key::root_error(&error))?);
    }
    let mut first = None;
    if epochs.is_empty() {
        let roots = &opening.roots;
        if !roots
            .present(name)
            .map_err(|error| crate::key::root_error(&error))?
        {
            roots
                .create(name)
                .map_err(|error| crate::key::root_error(&error))?;
        }
        let keys = EpochKeys::generate(1).map_err(|error| Error::internal(error.to_string()))?;
        first = Some(
            keys.wrap(&**roots, &opening.site, name)
                .map_err(|error| crate::key::root_error(&error))?,
        );
        epochs.push(keys);
    }
    let keyring = Keyring::new(&opening.site, name, epochs)
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok((keyring, first))
}

/// Looks whether the database is what it was: the head is the signed root over
/// the leaves, and extends what is remembered outside.
pub(super) async fn look(
    transaction: &mut Transaction,
    opening: &Opening,
    head: Option<&Head>,
    keyring: &Keyring,
) -> Result<Look> {
    let note = opening.anchors.read(opening.code)?;
    let Some(head) = head else {
        return match (note, &opening.witnessed) {
            (None, None) => Ok(Look::Fine(None)),
            _ => Err(Error::tampered(
                "the database is empty, but a checkpoint of it is remembered outside",
            )),
        };
    };
    let name = ledger::key_name(&opening.site, opening.code);
    let checkpoint = ledger::verified(&head.note, &name, keyring)?;
    let chain = Chain::load(transaction, head.size, head.origin.clone()).await?;
    let stated = Checkpoint {
        origin: head.origin.clone(),
        size: head.size,
        root: head.root,
    };
    if checkpoint != stated || chain.root() != head.root {
        return Err(Error::tampered(
            "the head of the ledger is not the signed root over its leaves",
        ));
    }
    if ledger::sql::leaves_beyond(transaction, head.size).await? != 0 {
        return Err(Error::tampered(
            "the ledger holds leaves beyond its signed head",
        ));
    }
    let mut remembered = Vec::new();
    if let Some(note) = &note {
        let (anchor, known) = ledger::remembered(note, &name, keyring)?;
        // An ancestor is an ancestor, whoever signed it: after a retirement
        // the anchor may lag behind with a key that is gone.
        if !known
            && behind(transaction, head, &anchor, "anchor")
                .await?
                .is_some()
        {
            let reason = "the anchor is signed with a key that the database does not know: the database is \
                older than the last key rotation, or the anchor is another house's";
            let (reason, remembered) = (reason.to_owned(), Some(anchor));
            return Ok(Look::Behind(chain, ReadOnly { reason, remembered }));
        }
        remembered.push((anchor, "anchor"));
    }
    if let Some((size, root, origin)) = opening.witnessed.clone() {
        remembered.push((Checkpoint { origin, size, root }, "site's log"));
    }
    for (checkpoint, whose) in remembered {
        if let Some(reason) = behind(transaction, head, &checkpoint, whose).await? {
            return Ok(Look::Behind(
                chain,
                ReadOnly {
                    reason,
                    remembered: Some(checkpoint),
                },
            ));
        }
    }
    Ok(Look::Fine(Some(chain)))
}

/// In which way the database is not an extension of what is remembered.
async fn behind(
    transaction: &mut Transaction,
    head: &Head,
    known: &Checkpoint,
    whose: &str,
) -> Result<Option<String>> {
    if known.origin != head.origin {
        // Between a declared restore and the anchor that follows it, the
        // anchor still names the history that the restore gave up.
        if ledger::gave_up(transaction, head, known).await? {
            return Ok(None);
        }
        return Ok(Some(format!(
            "the database belongs to {} and the {whose} remembers {}",
            head.origin, known.origin
        )));
    }
    if known.size > head.size {
        return Ok(Some(format!(
            "the database is an older copy: it has {} ledger entries and the {whose} remembers {}",
            head.size, known.size
        )));
    }
    if Chain::load(transaction, known.size, head.origin.clone())
        .await?
        .root()
        != known.root
    {
        return Ok(Some(format!(
            "the database holds another history: its first {} ledger entries are not those the {whose} remembers",
            known.size
        )));
    }
    Ok(None)
}
