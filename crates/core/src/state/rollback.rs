//! Going back: a new version with the content of an old one.
//!
//! The serial goes on, so that clients take the new version for newer; nothing
//! else of the bytes changes. Whoever goes back holds the lock, and says why.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use statehouse_model::VersionId;
use zeroize::Zeroizing;

use super::put::{Cloud, put_as};
use super::sql::Version;
use super::{FINISHED, Put, Upload, WriteState, load, lock, open, sql};
use crate::blob::Stored;
use crate::ctx::Ctx;
use crate::door::{self, Target};
use crate::error::{Error, Kind, Result};
use crate::state::Which;
use crate::workspace::{self, Workspace};

/// Makes the content of `to` the current version of its workspace again.
pub async fn roll_back(
    ctx: &Ctx,
    workspace: &Workspace,
    to: VersionId,
    reason: Option<String>,
) -> Result<Put> {
    let (serial, old, stored) = look(ctx, workspace, to.clone()).await?;
    if old.opaque {
        let words = "the client encrypted that version, so its serial cannot be set on";
        return Err(Error::new(Kind::Conflict, words)
            .hint("download it, and push it with the client that has its keys"));
    }
    let bytes = Zeroizing::new(open(ctx, &old, stored).await?);
    let cloud = Cloud {
        id: VersionId::from_entropy(ctx.house().code(), crate::entropy()),
        announced: false,
        address: None,
        expected: None,
        rolled_back: Some((to, reason)),
    };
    let upload = Upload {
        bytes: with_serial(&bytes, serial)?,
        lock_id: None,
    };
    put_as(ctx, workspace, upload, Some(cloud)).await
}

/// The next serial, the version to go back to and its bytes, for a caller who
/// holds the lock.
async fn look(ctx: &Ctx, workspace: &Workspace, to: VersionId) -> Result<(u64, Version, Stored)> {
    let (wanted, actor) = (workspace.clone(), ctx.actor().id().to_owned());
    let target = Target::Workspace(workspace.clone());
    door::read(ctx, WriteState, &target, move |rows| {
        Box::pin(async move {
            let found = workspace::sql::needed(rows, &wanted).await?;
            workspace::freeze::require_thawed(rows, &found).await?;
            if !lock::require_api(rows, &found, &actor).await? {
                let words = format!("workspace `{}` is not locked by you", found.name);
                return Err(Error::new(Kind::Conflict, words)
                    .hint("lock it first: nobody may write while its state goes back"));
            }
            let head = match &found.head {
                Some(head) => sql::by_id(rows, head).await?,
                None => None,
            };
            let head = head.ok_or_else(|| Error::not_found("state"))?;
            let (old, stored) = load(rows, &wanted, Which::Version(to))
                .await?
                .ok_or_else(|| Error::not_found("version"))?;
            if old.status != FINISHED {
                let words = format!("version `{}` was never the current one", old.id);
                return Err(Error::new(Kind::Conflict, words)
                    .hint("an upload that was kept aside is accepted: `statehouse state accept`"));
            }
            let serial = head.serial.or(old.serial).unwrap_or(0).saturating_add(1);
            Ok((serial, old, stored))
        })
    })
    .await
}

#[derive(Deserialize)]
struct Top<'a> {
    #[serde(borrow)]
    serial: &'a RawValue,
}

/// The same bytes with another serial.
fn with_serial(bytes: &[u8], serial: u64) -> Result<Bytes> {
    let unreadable = || Error::invalid("the serial of that version cannot be found in its bytes");
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable())?;
    let top: Top<'_> = serde_json::from_str(text).map_err(|_| unreadable())?;
    let old = top.serial.get();
    // The raw value is a part of the text, so this is its place in it.
    let at = (old.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
    let (before, rest) = text.split_at_checked(at).ok_or_else(unreadable)?;
    let after = rest.strip_prefix(old).ok_or_else(unreadable)?;
    Ok(Bytes::from(format!("{before}{serial}{after}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_the_serial_of_the_state_changes() {
        let check = |old: &str, new: &str| {
            let got = with_serial(old.as_bytes(), 12).unwrap();
            assert_eq!(std::str::from_utf8(&got).unwrap(), new);
        };
        check(
            r#"{ "resources":[{"serial":3}], "serial" : 3 , "lineage":"serial"}"#,
            r#"{ "resources":[{"serial":3}], "serial" : 12 , "lineage":"serial"}"#,
        );
        assert!(with_serial(b"{}", 1).is_err());
    }
}
