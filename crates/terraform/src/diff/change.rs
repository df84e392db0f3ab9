//! What a difference of two states is told in.

use serde::Serialize;

use super::AttributeChange;
use crate::address::Mode;
use crate::content::{Aside, Provider, Shown};
use crate::json::{Tape, same};

/// What is different. Lists are in the order of addresses and names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Diff {
    /// What the states say of themselves.
    pub header: Header,
    /// How much there is, listed or not.
    pub totals: Totals,
    /// Outputs.
    pub outputs: Vec<OutputChange>,
    /// Instances.
    pub resources: Vec<ResourceChange>,
    /// Outputs that are not listed.
    pub outputs_left_out: u64,
    /// Instances that are not listed.
    pub resources_left_out: u64,
}

impl Diff {
    /// Whether nothing but the states' descriptions of themselves differs.
    pub fn is_empty(&self) -> bool {
        self.totals == Totals::default()
    }
}

/// A value and what it became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Became<T> {
    /// On the first side.
    pub before: T,
    /// On the second side.
    pub after: T,
}

impl<T: PartialEq> Became<T> {
    pub(super) fn of(before: T, after: T) -> Option<Became<T>> {
        (before != after).then_some(Became { before, after })
    }
}

/// How the states' descriptions of themselves differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Header {
    /// Serials, if they differ.
    pub serial: Option<Became<u64>>,
    /// Lineages, if they differ.
    pub lineage: Option<Became<String>>,
    /// Versions of the program that wrote them, if they differ.
    pub terraform_version: Option<Became<String>>,
}

/// How many there are of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Totals {
    /// Instances only the second side has.
    pub added: u64,
    /// Instances only the first side has.
    pub removed: u64,
    /// Instances that are otherwise.
    pub changed: u64,
    /// Instances at another address, changed or not.
    pub moved: u64,
    /// Attributes of changed and moved instances.
    pub attributes: u64,
    /// Outputs only the second side has.
    pub outputs_added: u64,
    /// Outputs only the first side has.
    pub outputs_removed: u64,
    /// Outputs that are otherwise.
    pub outputs_changed: u64,
}

/// What happened to an instance or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Only the second side has it.
    Added,
    /// Only the first side has it.
    Removed,
    /// It is otherwise.
    Changed,
    /// It is at another address, and possibly otherwise.
    Moved,
}

/// An output that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OutputChange {
    /// Its name.
    pub name: String,
    /// What happened.
    pub change: Change,
    /// Its value on the first side.
    pub before: Option<Shown>,
    /// Its value on the second side.
    pub after: Option<Shown>,
    /// Whether it is declared sensitive, if that differs.
    pub sensitive: Option<Became<bool>>,
    /// Whether its type differs.
    pub type_changed: bool,
}

/// An instance that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ResourceChange {
    /// The address, on the second side if it moved.
    pub address: String,
    /// Managed or read only.
    pub mode: Mode,
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name.
    pub name: String,
    /// The module's address; empty for the root module.
    pub module: String,
    /// The key of a deposed object.
    pub deposed: Option<String>,
    /// What happened.
    pub change: Change,
    /// The address on the first side, if it moved.
    pub moved_from: Option<String>,
    /// What is otherwise beside the attributes.
    pub facts: Facts,
    /// Attributes that are otherwise.
    pub attributes: Vec<AttributeChange>,
    /// Attributes that are not listed.
    pub attributes_left_out: u64,
}

/// What is otherwise beside an instance's attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says that one thing differs, and they are independent"
)]
pub struct Facts {
    /// Tainted or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tainted: Option<Became<bool>>,
    /// The provider configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<Became<Provider>>,
    /// Version of the provider's schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<Became<u64>>,
    /// Whether a replacement is created first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_before_destroy: Option<Became<bool>>,
    /// Whether it depends on other resources than before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dependencies: bool,
    /// Whether the identity beside the attributes is another.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub identity: bool,
    /// Whether what the provider keeps for itself is otherwise. What that is, is never shown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
    /// Whether other attributes are marked as sensitive.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub marks: bool,
}

impl Facts {
    pub(crate) fn between(before: &Aside<'_>, after: &Aside<'_>) -> Facts {
        if before == after {
            return Facts::default();
        }
        let provider = |aside: &Aside<'_>| Provider::read(&aside.provider);
        Facts {
            tainted: Became::of(before.tainted, after.tainted),
            provider: Became::of(provider(before), provider(after)),
            schema_version: Became::of(before.schema_version, after.schema_version),
            create_before_destroy: Became::of(
                before.create_before_destroy,
                after.create_before_destroy,
            ),
            dependencies: !same_text(&before.dependencies, &after.dependencies),
            identity: !same_text(&before.identity, &after.identity),
            private: !same_text(&before.private, &after.private),
            marks: !same_text(&before.marks, &after.marks),
        }
    }

    /// Whether nothing is otherwise.
    pub fn is_empty(&self) -> bool {
        *self == Facts::default()
    }
}

/// Whether two texts mean the same.
pub(super) fn same_text(before: &str, after: &str) -> bool {
    before == after || same(Tape::read(before).root(), Tape::read(after).root())
}
