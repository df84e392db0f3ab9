//! Every statement on `organization` and `witness`.

use statehouse_model::{HouseCode, Name, OrganizationId};

use crate::error::Result;
use crate::record::{Rows, record};

record! {
    /// An organization, as the site knows it.
    pub(crate) struct Organization in "organization" key 1 {
        id: OrganizationId,
        code: HouseCode,
        name: Name,
        /// `active` or `shredded`.
        status: String,
        created_at: i64,
    }
}

record! {
    /// The newest checkpoint of a house that the site's log holds.
    pub(crate) struct Witness in "witness" key 1 {
        house: HouseCode,
        size: u64,
        root: Vec<u8>,
        origin: String,
    }
}

pub(crate) async fn by_name(rows: &mut Rows, name: &Name) -> Result<Option<Organization>> {
    rows.one("WHERE name = $1", &[name.as_str().into()]).await
}

pub(crate) async fn by_code(rows: &mut Rows, code: HouseCode) -> Result<Option<Organization>> {
    rows.one("WHERE code = $1", &[code.as_str().into()]).await
}

pub(crate) async fn all(rows: &mut Rows) -> Result<Vec<Organization>> {
    rows.find("ORDER BY name", &[]).await
}

pub(crate) async fn witness_of(rows: &mut Rows, code: HouseCode) -> Result<Option<Witness>> {
    rows.one("WHERE house = $1", &[code.as_str().into()]).await
}
