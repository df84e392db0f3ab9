//! What a state holds: its outputs and resource instances.
//!
//! [`Content::read`] takes the bytes of a readable state and gives its parts where they stand: nothing is copied, and the values
//! of attributes are not even looked at before somebody asks. Instances come in a stable order: by module, data sources first,
//! then type, name, key (numbers before texts), the current object before deposed ones. Of an instance or output that stands
//! there twice the last one counts, as it does to terraform.
//!
//! Values leave this crate only through a [`View`], which knows what is sensitive. Check results are not read.
//!
//! Errors quote nothing of the content.

mod mask;
mod read;
mod secret;
mod shown;
mod view;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::address::{Key, Mode};
use crate::json::{Kind, Node, Tape};
use crate::state::{StateError, StateFile, Summary};

pub use shown::{ShownError, ShownState};
pub use view::{SENSITIVE, Shown, ShownKind, View};

/// Most tags of an instance, of each of the names tags go by: clouds allow 50 to 64.
pub const TAGS_MAX: usize = 256;

/// Most dependencies of an instance that are listed.
pub const DEPENDENCIES_MAX: usize = 1024;

/// Why the content of a state cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ContentError {
    /// Encrypted by the client.
    #[error(
        "the state is encrypted by the client, so nobody but a holder of the client's key can look into it; \
         compare and show such states with `tofu`"
    )]
    Opaque,
    /// Not a state, or not one of version 4.
    #[error(transparent)]
    State(#[from] StateError),
    /// Longer than places in it can be noted.
    #[error("the state has {bytes} bytes, and only states below 4 GiB are looked into")]
    TooLarge {
        /// Its length.
        bytes: u64,
    },
}

/// The parts of a state.
#[derive(Debug)]
pub struct Content<'a> {
    summary: Summary,
    outputs: Vec<Output<'a>>,
    instances: Vec<Instance<'a>>,
    repeated: u64,
}

/// What the instances of one resource share.
#[derive(Debug)]
struct Resource<'a> {
    module: Cow<'a, str>,
    mode: Mode,
    kind: Cow<'a, str>,
    name: Cow<'a, str>,
    provider: Cow<'a, str>,
}

/// One object that terraform keeps: an instance of a resource, or a deposed former one.
#[derive(Clone, Debug)]
pub struct Instance<'a> {
    resource: Arc<Resource<'a>>,
    key: Key<'a>,
    deposed: Option<Cow<'a, str>>,
    tainted: bool,
    create_before_destroy: bool,
    schema_version: Option<&'a RawValue>,
    attributes: Option<&'a RawValue>,
    marks: Option<&'a RawValue>,
    private: Option<&'a RawValue>,
    dependencies: Option<&'a RawValue>,
    identity: Option<&'a RawValue>,
}

/// An output of the root module.
#[derive(Clone, Debug)]
pub struct Output<'a> {
    name: Cow<'a, str>,
    value: Option<&'a RawValue>,
    kind: Option<&'a RawValue>,
    sensitive: bool,
}

/// A provider configuration, as an instance names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Provider {
    /// `registry.terraform.io/hashicorp/aws`, or what stands there if it is spelled in another way.
    pub source: String,
    /// Its alias, if it has one.
    pub alias: Option<String>,
}

impl<'a> Content<'a> {
    /// Reads the parts of a state.
    ///
    /// # Errors
    ///
    /// When the bytes are no readable version 4 state, or the client encrypted it.
    pub fn read(bytes: &'a [u8]) -> Result<Content<'a>, ContentError> {
        if u32::try_from(bytes.len()).is_err() {
            let bytes = bytes.len() as u64;
            return Err(ContentError::TooLarge { bytes });
        }
        let read::Parts {
            header,
            mut outputs,
            mut instances,
        } = read::parts(bytes)?;
        let StateFile::Plain(mut summary) = header else {
            return Err(ContentError::Opaque);
        };
        let managed = instances
            .iter()
            .filter(|instance| instance.mode() == Mode::Managed);
        summary.resources = managed.count() as u64;
        summary.outputs = outputs.len() as u64;
        summary.bytes = bytes.len() as u64;
        let all = outputs.len() + instances.len();
        outputs.sort_by(|a, b| a.name.cmp(&b.name));
        keep_last(&mut outputs, |a, b| a.name == b.name);
        if !instances.is_sorted_by(|a, b| a.place(b) == Ordering::Less) {
            instances.sort_by(Instance::place);
            keep_last(&mut instances, |a, b| a.place(b) == Ordering::Equal);
        }
        let repeated = (all - outputs.len() - instances.len()) as u64;
        Ok(Content {
            summary,
            outputs,
            instances,
            repeated,
        })
    }

    /// What the state says of itself.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The outputs by name.
    pub fn outputs(&self) -> &[Output<'a>] {
        &self.outputs
    }

    /// The instances, data sources and deposed objects included, by address.
    pub fn instances(&self) -> &[Instance<'a>] {
        &self.instances
    }

    /// The current object at an address in terraform's spelling.
    pub fn instance(&self, address: &str) -> Option<&Instance<'a>> {
        self.instances
            .iter()
            .find(|instance| instance.deposed.is_none() && instance.is_at(address))
    }

    /// How many outputs and instances were passed over because the same one stands there again later. terraform writes none.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }
}

/// Keeps the last of neighbours that are the same.
fn keep_last<T>(sorted: &mut Vec<T>, same: impl Fn(&T, &T) -> bool) {
    sorted.reverse();
    sorted.dedup_by(|a, b| same(a, b));
    sorted.reverse();
}

impl<'a> Instance<'a> {
    /// The order of instances; equal only for the same object.
    pub(crate) fn place(&self, other: &Instance<'_>) -> Ordering {
        let (a, b) = (&self.resource, &other.resource);
        a.module
            .cmp(&b.module)
            .then_with(|| a.mode.cmp(&b.mode))
            .then_with(|| a.kind.cmp(&b.kind))
            .then_with(|| a.name.cmp(&b.name))
            .then_with(|| self.key.cmp(&other.key))
            .then_with(|| self.deposed.cmp(&other.deposed))
    }

    /// The address as terraform spells it: `module.a["x"].data.aws_ami.it[0]`. A deposed object has the address of its instance.
    pub fn address(&self) -> String {
        let Resource {
            module,
            mode,
            kind,
            name,
            ..
        } = &*self.resource;
        let dot = if module.is_empty() { "" } else { "." };
        let data = if *mode == Mode::Data { "data." } else { "" };
        format!("{module}{dot}{data}{kind}.{name}{}", self.key)
    }

    /// Whether this is the address, found out without spelling it where it cannot be.
    fn is_at(&self, address: &str) -> bool {
        address.starts_with(&*self.resource.module)
            && address.contains(&*self.resource.name)
            && self.address() == address
    }

    /// The module's address; empty for the root module.
    pub fn module(&self) -> &str {
        &self.resource.module
    }

    /// Managed resource or data source.
    pub fn mode(&self) -> Mode {
        self.resource.mode
    }

    /// The type, for example `aws_instance`.
    pub fn kind(&self) -> &str {
        &self.resource.kind
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.resource.name
    }

    /// The provider configuration, as the state spells it.
    pub fn provider_spelled(&self) -> &str {
        &self.resource.provider
    }

    /// The provider configuration.
    pub fn provider(&self) -> Provider {
        Provider::read(&self.resource.provider)
    }

    /// What tells it from the other instances of the resource.
    pub fn key(&self) -> &Key<'a> {
        &self.key
    }

    /// The key of a deposed object.
    pub fn deposed(&self) -> Option<&str> {
        self.deposed.as_deref()
    }

    /// Whether the next apply replaces it.
    pub fn is_tainted(&self) -> bool {
        self.tainted
    }

    /// Whether it is replaced by creating the new object first.
    pub fn is_created_before_destroy(&self) -> bool {
        self.create_before_destroy
    }

    /// Version of the provider's schema that wrote the attributes; 0 when the state does not say.
    pub fn schema_version(&self) -> u64 {
        let text = self.schema_version.map_or("0", RawValue::get);
        text.parse().unwrap_or_default()
    }

    /// The attributes' text.
    pub(crate) fn attributes(&self) -> &'a str {
        self.attributes.map_or("null", RawValue::get)
    }

    /// The marks of sensitive attributes, as they stand.
    pub(crate) fn marks(&self) -> Option<&'a str> {
        self.marks.map(RawValue::get)
    }

    /// What the instance has beside its attributes.
    pub(crate) fn aside(&self) -> Aside<'_> {
        let text =
            |raw: Option<&'a RawValue>, absent| Cow::Borrowed(raw.map_or(absent, RawValue::get));
        Aside {
            tainted: self.tainted,
            create_before_destroy: self.create_before_destroy,
            schema_version: self.schema_version(),
            provider: Cow::Borrowed(&self.resource.provider),
            dependencies: text(self.dependencies, "[]"),
            identity: text(self.identity, "null"),
            private: text(self.private, "null"),
            marks: text(self.marks, "[]"),
        }
    }

    /// The resources it depends on, at most [`DEPENDENCIES_MAX`].
    pub fn dependencies(&self) -> Vec<String> {
        let tape = Tape::read(self.dependencies.map_or("null", RawValue::get));
        let texts = tape.root().elements().filter_map(Node::text);
        texts.take(DEPENDENCIES_MAX).map(Cow::into_owned).collect()
    }

    /// Whether both have the same text behind their address.
    pub(crate) fn has_text_of(&self, other: &Instance<'_>) -> bool {
        self.attributes() == other.attributes() && self.aside() == other.aside()
    }
}

/// What an instance has beside its attributes, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aside<'a> {
    pub(crate) tainted: bool,
    pub(crate) create_before_destroy: bool,
    pub(crate) schema_version: u64,
    pub(crate) provider: Cow<'a, str>,
    pub(crate) dependencies: Cow<'a, str>,
    pub(crate) identity: Cow<'a, str>,
    pub(crate) private: Cow<'a, str>,
    pub(crate) marks: Cow<'a, str>,
}

impl Aside<'_> {
    /// The same with texts of its own.
    pub(crate) fn into_owned(self) -> Aside<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Aside {
            provider: owned(self.provider),
            dependencies: owned(self.dependencies),
            identity: owned(self.identity),
            private: owned(self.private),
            marks: owned(self.marks),
            ..self
        }
    }
}

impl Output<'_> {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the configuration declares it sensitive.
    pub fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// The value's text.
    pub(crate) fn value(&self) -> &str {
        self.value.map_or("null", RawValue::get)
    }

    /// The type's text.
    pub(crate) fn type_text(&self) -> &str {
        self.kind.map_or("null", RawValue::get)
    }

    /// The type as terraform writes it: JSON, such as `"string"` or `["list","string"]`, at most `bytes_max` bytes of it.
    pub fn type_shown(&self, bytes_max: usize) -> Shown {
        View::plain(self.type_text()).whole(bytes_max)
    }

    /// The value with what is sensitive hidden.
    pub fn view(&self, shown: Option<&ShownState<'_>>) -> View<'_> {
        View::of_output(self, shown)
    }
}

impl Provider {
    /// Reads `provider["registry.terraform.io/hashicorp/aws"].west`, with a module before it or not, and the form before
    /// terraform 0.13, `provider.aws.west`.
    pub fn read(spelled: &str) -> Provider {
        let whole = || Provider {
            source: spelled.to_owned(),
            alias: None,
        };
        if let Some((before, rest)) = spelled.split_once("provider[\"")
            && (before.is_empty() || before.ends_with('.'))
            && let Some((source, alias)) = rest.split_once("\"]")
        {
            let alias = alias.strip_prefix('.').filter(|alias| !alias.is_empty());
            return Provider {
                source: source.to_owned(),
                alias: alias.map(ToOwned::to_owned),
            };
        }
        let old = spelled
            .strip_prefix("provider.")
            .or_else(|| spelled.split_once(".provider.").map(|(_, rest)| rest));
        let Some(old) = old else { return whole() };
        let (source, alias) = old.split_once('.').map_or((old, None), |(source, alias)| {
            (source, Some(alias.to_owned()))
        });
        Provider {
            source: source.to_owned(),
            alias,
        }
    }
}

/// Tags as a view shows them: names and values that are not sensitive.
pub(crate) fn tags_of(view: &View<'_>) -> Vec<(String, String)> {
    let mut tags = BTreeMap::new();
    if !view.shows(view.root()) {
        return Vec::new();
    }
    // What an instance says of itself outweighs what its provider adds to all.
    for name in ["tags_all", "labels", "tags"] {
        let Some(node) = view.root().get(name).filter(|node| view.shows(*node)) else {
            continue;
        };
        let members = node.members();
        if members.len() > TAGS_MAX
            || members
                .iter()
                .any(|(_, value)| !matches!(value.kind(), Kind::Text | Kind::Null))
        {
            continue;
        }
        for (key, value) in members {
            if let Some(text) = value.text().filter(|_| view.shows(value)) {
                tags.insert(key.into_owned(), text.into_owned());
            }
        }
    }
    tags.into_iter().collect()
}

#[cfg(test)]
mod tests;
