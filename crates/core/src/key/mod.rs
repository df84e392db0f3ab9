//! Keys of a house: epochs, rotation, and what still uses an old one.
//!
//! Rotation opens a new epoch: new data, MAC and signing keys, wrapped by the
//! root key provider. From the commit on everything new uses them. A task then
//! renews what the old epochs hold (headers of sealed objects, MACs of rows),
//! in small batches, so that it can be stopped anywhere and goes on where it
//! was. An epoch without users is retired.

mod rewrap;
pub(crate) mod sql;

pub use rewrap::{Progress, rewrap};

use std::sync::Arc;

use statehouse_seal::{EpochKeys, Keyring, RootError};

use crate::ctx::Ctx;
use crate::db::{Row, Transaction};
use crate::door::{self, Action, Entry, Outcome, Target, Tx, actions};
use crate::error::{Error, Kind, Result};
use crate::house::{self, Base};
use crate::ledger;
use sql::Epoch;

actions! {
    /// Begin a house: its first keys, its first leaf.
    OpenLedger = "ledger.open" needs KeyRotate;
    /// Open a new key epoch.
    RotateKeys = "key.rotate" needs KeyRotate;
    /// The same for the site.
    RotateSiteKeys = "key.rotate" needs SiteKeyRotate;
    /// Renew what an old epoch holds.
    Rewrap = "key.rewrap" needs KeyRotate;
    /// Retire an epoch that nothing uses.
    RetireKeys = "key.retire" needs KeyRotate;
    /// See the epochs.
    ListKeys = "key.list" needs KeyRead;
    /// The same for the site.
    ListSiteKeys = "key.list" needs SiteKeyRotate;
}

/// An epoch, for people and programs to read.
#[derive(Debug, Clone, serde::Serialize)]
pub struct EpochView {
    /// Its number, from 1.
    pub epoch: u64,
    /// The verifier key of checkpoints signed in it.
    pub vkey: String,
    /// When it was opened, in microseconds since 1970.
    pub created_at: i64,
    /// When it was retired.
    pub retired_at: Option<i64>,
}

impl From<Epoch> for EpochView {
    fn from(epoch: Epoch) -> Self {
        let Epoch {
            epoch,
            vkey,
            created_at,
            retired_at,
        } = epoch;
        Self {
            epoch,
            vkey,
            created_at,
            retired_at,
        }
    }
}

/// A failure of the root key provider, for the surface of this crate.
pub(crate) fn root_error(error: &RootError) -> Error {
    let kind = match error {
        RootError::Exists { .. } | RootError::CannotDestroy { .. } => Kind::Conflict,
        _ => Kind::Unavailable,
    };
    Error::new(kind, format!("root key: {error}"))
}

/// Stores the keys that a new house was opened with, in its first leaf.
pub(crate) async fn first(
    tx: &mut Tx<OpenLedger>,
    ctx: &Ctx,
    wrapped: Vec<u8>,
    entry: Entry,
) -> Result<Entry> {
    let base = ctx.house().base();
    let keyring = tx.keyring.clone();
    let signer = ledger::signer(
        &ledger::key_name(&base.site, base.code),
        &keyring,
        keyring.newest(),
    )?;
    let vkey = signer.verifier().to_string();
    let epoch = Epoch {
        epoch: keyring.newest().into(),
        vkey: vkey.clone(),
        created_at: tx.now(),
        retired_at: None,
    };
    tx.put(&epoch).await?;
    sql::put_wrapped(tx, epoch.epoch, wrapped).await?;
    Ok(entry
        .fact("vkey", vkey)
        .fact("origin", ledger::origin(&base.site, base.code, 1)))
}

/// Opens a new epoch. What is sealed under older ones stays readable.
pub async fn rotate(ctx: &Ctx) -> Result<EpochView> {
    if ctx.house().code().is_site() {
        rotate_as(ctx, RotateSiteKeys).await
    } else {
        rotate_as(ctx, RotateKeys).await
    }
}

async fn rotate_as<A: Action>(ctx: &Ctx, action: A) -> Result<EpochView> {
    let base = ctx.house().base().clone();
    let number = base.keyring().newest() + 1;
    let house = ctx.house().clone();
    let made = tokio::task::spawn_blocking(move || new_epoch(&house, number)).await;
    let (keys, wrapped) = made.map_err(|error| Error::internal(format!("new keys: {error}")))??;
    let mut keyring = Keyring::clone(&base.keyring());
    keyring
        .add(keys)
        .map_err(|error| Error::internal(error.to_string()))?;
    let keyring = Arc::new(keyring);
    let name = ledger::key_name(&base.site, base.code);
    let vkey = ledger::signer(&name, &keyring, number)?
        .verifier()
        .to_string();
    door::change(ctx, action, Target::House, move |tx| {
        let (wrapped, vkey, keyring) = (wrapped.clone(), vkey.clone(), keyring.clone());
        Box::pin(async move {
            let known = sql::all(tx).await?;
            if known.iter().any(|epoch| epoch.epoch >= u64::from(number)) {
                return Err(Error::new(
                    Kind::Conflict,
                    format!("key epoch {number} was opened by somebody else"),
                ));
            }
            let epoch = Epoch {
                epoch: number.into(),
                vkey: vkey.clone(),
                created_at: tx.now(),
                retired_at: None,
            };
            tx.put(&epoch).await?;
            sql::put_wrapped(tx, epoch.epoch, wrapped).await?;
            tx.use_keyring(keyring)?;
            let entry = Entry::new(format!("key-{number}"))
                .fact("epoch", number)
                .fact("vkey", vkey);
            Ok(Outcome::Recorded(epoch.into(), entry))
        })
    })
    .await
}

fn new_epoch(house: &house::House, number: u32) -> Result<(EpochKeys, Vec<u8>)> {
    let keys = EpochKeys::generate(number).map_err(|error| Error::internal(error.to_string()))?;
    let name = house::key_name(house.code())?;
    let wrapped = keys
        .wrap(house.roots(), &house.base().site, &name)
        .map_err(|error| root_error(&error))?;
    Ok((keys, wrapped))
}

/// Takes up the epochs as they are stored, when memory may differ: after a
/// commit whose outcome was unknown, or another process's. `live` answers
/// [`sql::LIVE`].
pub(crate) async fn take_up(
    base: &Base,
    transaction: &mut Transaction,
    live: &[Row],
) -> Result<()> {
    let stored = sql::live_epochs(live)?;
    if stored.is_empty() || base.keyring().epochs().eq(stored.iter().copied()) {
        return Ok(());
    }
    let name = house::key_name(base.code)?;
    let mut epochs = Vec::with_capacity(stored.len());
    for row in sql::epochs(transaction)
        .await?
        .into_iter()
        .filter(|row| row.retired_at.is_none())
    {
        let keys = EpochKeys::unwrap(&*base.roots, &base.site, &name, row.epoch, &row.wrapped);
        epochs.push(keys.map_err(|error| root_error(&error))?);
    }
    let keyring = Keyring::new(&base.site, &name, epochs)
        .map_err(|error| Error::internal(error.to_string()))?;
    base.set_keyring(Arc::new(keyring));
    Ok(())
}

/// Every epoch of the house.
pub async fn list(ctx: &Ctx) -> Result<Vec<EpochView>> {
    if ctx.house().code().is_site() {
        list_as(ctx, ListSiteKeys).await
    } else {
        list_as(ctx, ListKeys).await
    }
}

async fn list_as<A: Action>(ctx: &Ctx, action: A) -> Result<Vec<EpochView>> {
    door::read(ctx, action, &Target::House, |rows| {
        Box::pin(async move {
            Ok(sql::all(rows)
                .await?
                .into_iter()
                .map(EpochView::from)
                .collect())
        })
    })
    .await
}
