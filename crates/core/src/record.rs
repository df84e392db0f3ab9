//! Evidential rows: rows that cannot be changed unseen.
//!
//! A record is a struct over a table whose last columns are `salt`, `leaf` and
//! `mac`. Writing one (only [`crate::door::Tx`] can) puts its digest into the
//! leaf of the change; reading one checks the MAC over that digest and the
//! index of the leaf. So a row inserted, edited or moved by SQL does not read
//! at all, and a row that was removed or put back from an older copy is found
//! by comparing the tables with the ledger.
//!
//! Columns outside the MAC stand in [`OUTSIDE`] with the reason.

mod rows;
#[cfg(test)]
mod tests;

pub(crate) use rows::{Ask, Rows};

use statehouse_ledger::row::{self, Cell};
use statehouse_model::{
    ActorId, AgentPoolId, ApprovalId, CodeId, ConfigurationId, CostInputId, DeliveryId,
    DestinationId, FileId, GrantId, HouseCode, HouseTokenId, JobId, JsonStateId, Name,
    NotificationId, OrganizationId, OverrideId, Permission, PolicyBundleId, PolicySetId, ProjectId,
    Role, RunId, SessionId, Subject, TagId, TeamId, TokenId, TokenOwner, UrlId, UserId, ValueId,
    VariableId, VariableOwner, VariableSetId, VersionId, WorkspaceId,
};
use statehouse_seal::Keyring;

use crate::db::{Row, Value};
use crate::error::{Error, Result};

/// Every column that no MAC covers, and why that is safe.
pub const OUTSIDE: &[(&str, &str, &str)] = &[
    (
        "key_epoch",
        "wrapped",
        "authenticated by the root key itself; must be read before any row key exists",
    ),
    (
        "workspace",
        "lock_info",
        "sealed, bound to the workspace and the lock id, which are covered",
    ),
    (
        "blob",
        "header",
        "authenticated by the seal; rewritten when keys rotate",
    ),
    (
        "blob",
        "epoch",
        "an index over `header`, used to find what to re-wrap",
    ),
    (
        "blob",
        "body",
        "its digest is a covered column of the row of its version or JSON form",
    ),
    (
        "ledger_leaf",
        "detail",
        "sealed; the leaf holds its salted commitment",
    ),
    (
        "schema_migration",
        "*",
        "compared with the binary at every start; when it was applied is told, not proven",
    ),
];

/// A kind of value that a column can hold.
pub(crate) trait Column: Sized {
    fn put(&self) -> Value;
    fn get(value: Value) -> Option<Self>;
}

impl Column for i64 {
    fn put(&self) -> Value {
        Value::Int(*self)
    }

    fn get(value: Value) -> Option<Self> {
        if let Value::Int(value) = value {
            Some(value)
        } else {
            None
        }
    }
}

impl Column for u64 {
    fn put(&self) -> Value {
        Value::from(*self)
    }

    fn get(value: Value) -> Option<Self> {
        i64::get(value).and_then(|value| Self::try_from(value).ok())
    }
}

impl Column for bool {
    fn put(&self) -> Value {
        Value::Int(i64::from(*self))
    }

    fn get(value: Value) -> Option<Self> {
        i64::get(value).map(|value| value != 0)
    }
}

impl Column for String {
    fn put(&self) -> Value {
        Value::Text(self.clone())
    }

    fn get(value: Value) -> Option<Self> {
        if let Value::Text(text) = value {
            Some(text)
        } else {
            None
        }
    }
}

impl Column for Vec<u8> {
    fn put(&self) -> Value {
        Value::Bytes(self.clone())
    }

    fn get(value: Value) -> Option<Self> {
        if let Value::Bytes(bytes) = value {
            Some(bytes)
        } else {
            None
        }
    }
}

impl<C: Column> Column for Option<C> {
    fn put(&self) -> Value {
        self.as_ref().map_or(Value::Null, Column::put)
    }

    fn get(value: Value) -> Option<Self> {
        if value == Value::Null {
            Some(None)
        } else {
            C::get(value).map(Some)
        }
    }
}

macro_rules! text_columns {
    ($($kind:ty),*) => {
        $(impl Column for $kind {
            fn put(&self) -> Value {
                Value::Text(self.as_str().to_owned())
            }

            fn get(value: Value) -> Option<Self> {
                String::get(value).and_then(|text| text.parse().ok())
            }
        })*
    };
}

text_columns!(
    ActorId,
    AgentPoolId,
    ApprovalId,
    CodeId,
    ConfigurationId,
    CostInputId,
    DeliveryId,
    DestinationId,
    FileId,
    GrantId,
    HouseCode,
    JobId,
    JsonStateId,
    HouseTokenId,
    Name,
    NotificationId,
    OrganizationId,
    OverrideId,
    Permission,
    PolicyBundleId,
    PolicySetId,
    ProjectId,
    Role,
    RunId,
    TagId,
    Subject,
    TeamId,
    SessionId,
    TokenId,
    TokenOwner,
    UrlId,
    UserId,
    ValueId,
    VariableId,
    VariableOwner,
    VariableSetId,
    VersionId,
    WorkspaceId
);

/// A struct over an evidential table.
pub(crate) trait Record: Sized + Send + Sync {
    /// The table's name.
    const TABLE: &'static str;
    /// The covered columns, in the order of [`Record::values`].
    const COLUMNS: &'static [&'static str];
    /// The first of them that make the key.
    const KEY_LEN: usize;

    fn values(&self) -> Vec<Value>;
    fn read(row: &mut Row) -> Result<Self>;
}

/// An evidential table, without the type of its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [&'static str],
    pub(crate) key_len: usize,
}

impl Table {
    pub(crate) const fn of<R: Record>() -> Self {
        Self {
            name: R::TABLE,
            columns: R::COLUMNS,
            key_len: R::KEY_LEN,
        }
    }

    /// `SELECT <covered columns>, salt, leaf, mac FROM <table>`.
    pub(crate) fn select(&self) -> String {
        format!(
            "SELECT {}, salt, leaf, mac FROM {}",
            self.columns.join(", "),
            self.name
        )
    }

    /// `<first key column> = $1 AND …`.
    pub(crate) fn by_key(&self) -> String {
        let key = self.columns.iter().take(self.key_len).enumerate();
        key.map(|(index, name)| format!("{name} = ${}", index + 1))
            .collect::<Vec<_>>()
            .join(" AND ")
    }

    /// `UPDATE … SET mac = … WHERE <key>`, the key's values first.
    pub(crate) fn update_mac(&self) -> String {
        format!(
            "UPDATE {} SET mac = ${} WHERE {}",
            self.name,
            self.key_len + 1,
            self.by_key()
        )
    }

    /// Takes a selected row apart.
    pub(crate) fn stored(&self, mut row: Row) -> Result<Stored> {
        let width = self.columns.len();
        let values = (0..width)
            .map(|at| row.take(at))
            .collect::<Result<Vec<_>, _>>()?;
        let key = key_of(&values, self.key_len);
        let refuse = || {
            Error::tampered(format!(
                "row `{key}` of `{}` is not what was written",
                self.name
            ))
        };
        let (Value::Bytes(salt), Value::Int(leaf), Value::Bytes(mac)) =
            (row.take(width)?, row.take(width + 1)?, row.take(width + 2)?)
        else {
            return Err(refuse());
        };
        let salt: [u8; 16] = salt.as_slice().try_into().map_err(|_| refuse())?;
        let leaf = u64::try_from(leaf).map_err(|_| refuse())?;
        let digest = digest(self.name, self.columns, &values, &salt);
        Ok(Stored {
            values,
            key,
            salt,
            leaf,
            mac,
            digest,
        })
    }
}

/// An evidential row as the database has it.
pub(crate) struct Stored {
    pub(crate) values: Vec<Value>,
    pub(crate) key: String,
    pub(crate) salt: [u8; 16],
    pub(crate) leaf: u64,
    pub(crate) mac: Vec<u8>,
    pub(crate) digest: [u8; 32],
}

impl Stored {
    /// Whether the MAC is one that this house made.
    pub(crate) fn genuine(&self, table: &Table, keyring: &Keyring) -> bool {
        keyring.row_mac_verify(&mac_message(table.name, self.leaf, &self.digest), &self.mac)
    }
}

/// Declares a record: a struct whose fields are the covered columns. The
/// number after `key` says how many of the first fields make the key.
macro_rules! record {
    ($(#[$doc:meta])* $visibility:vis struct $name:ident in $table:literal key $key:literal {
        $($(#[$field_doc:meta])* $field:ident: $kind:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        $visibility struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl $crate::record::Record for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field),)*];
            const KEY_LEN: usize = $key;

            fn values(&self) -> Vec<$crate::db::Value> {
                vec![$($crate::record::Column::put(&self.$field),)*]
            }

            fn read(row: &mut $crate::db::Row) -> $crate::error::Result<Self> {
                let mut at = 0..;
                Ok(Self {
                    $($field: $crate::record::column(row, at.next().unwrap_or(0), $table)?,)*
                })
            }
        }
    };
}
pub(crate) use record;

pub(crate) fn column<C: Column>(row: &mut Row, at: usize, table: &str) -> Result<C> {
    C::get(row.take(at)?).ok_or_else(|| {
        Error::tampered(format!(
            "a row of `{table}` holds a value in column {at} that was never written"
        ))
    })
}

/// The key of a row, as leaves spell it.
pub(crate) fn key_of(values: &[Value], key_len: usize) -> String {
    let words = values.iter().take(key_len).map(|value| match value {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Null | Value::Bytes(_) => String::new(),
    });
    words.collect::<Vec<_>>().join("/")
}

/// The digest of a row's covered columns, as its leaf holds it.
pub(crate) fn digest(table: &str, columns: &[&str], values: &[Value], salt: &[u8; 16]) -> [u8; 32] {
    let mut cells: Vec<(&str, Cell<'_>)> = columns
        .iter()
        .zip(values)
        .map(|(name, value)| {
            let cell = match value {
                Value::Null => Cell::Null,
                Value::Int(number) => Cell::Int(*number),
                Value::Text(text) => Cell::Text(text),
                Value::Bytes(bytes) => Cell::Bytes(bytes),
            };
            (*name, cell)
        })
        .collect();
    cells.sort_unstable_by_key(|(name, _)| *name);
    row::digest(table, salt, cells)
}

/// What the MAC of a row covers: its digest, and the leaf that bound it.
pub(crate) fn mac_message(table: &str, leaf: u64, digest: &[u8; 32]) -> Vec<u8> {
    let mut message = Vec::with_capacity(table.len() + 48);
    message.extend_from_slice(table.as_bytes());
    message.push(0);
    message.extend_from_slice(&leaf.to_be_bytes());
    message.extend_from_slice(digest);
    message
}

/// Insert, or replace by key.
pub(crate) fn upsert<R: Record>() -> String {
    let columns = R::COLUMNS.join(", ");
    let places: Vec<String> = (1..=R::COLUMNS.len() + 3)
        .map(|number| format!("${number}"))
        .collect();
    let key = R::COLUMNS.get(..R::KEY_LEN).unwrap_or_default().join(", ");
    let rest = R::COLUMNS
        .iter()
        .skip(R::KEY_LEN)
        .copied()
        .chain(["salt", "leaf", "mac"]);
    let moved: Vec<String> = rest
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    format!(
        "INSERT INTO {} ({columns}, salt, leaf, mac) VALUES ({}) ON CONFLICT ({key}) DO UPDATE SET {}",
        R::TABLE,
        places.join(", "),
        moved.join(", ")
    )
}

/// `DELETE … WHERE <key>`.
pub(crate) fn delete<R: Record>() -> String {
    format!(
        "DELETE FROM {} WHERE {}",
        R::TABLE,
        Table::of::<R>().by_key()
    )
}

/// Checks the MAC of a row that was read with [`Table::select`].
fn checked<R: Record>(row: Row, keyring: &Keyring) -> Result<R> {
    let table = Table::of::<R>();
    let stored = table.stored(row)?;
    if !stored.genuine(&table, keyring) {
        return Err(Error::tampered(format!(
            "row `{}` of `{}` is not what was written",
            stored.key,
            R::TABLE
        )));
    }
    R::read(&mut Row::from(stored.values))
}
