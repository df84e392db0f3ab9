//! Resources, to be found among those of many states.
//!
//! A [`Listing`] holds of each instance of one state what it is found by: where it is, what it is, what it depends on, and its `id`
//! and tags as far as they are not sensitive. No other value is in it. It is made to be kept in memory by the thousand: the texts
//! of all instances stand in one string, in small letters, beside the places of the large ones, so that a [`Query`] is one pass
//! over them and an [`Entry`] is spelled out only for what is shown.
//!
//! Letters A to Z match whatever their case. Everything is bounded: [`ENTRIES_MAX`] instances of [`PROVIDERS_MAX`] providers, whose
//! texts have at most [`TEXT_BYTES_MAX`] bytes each, [`ENTRY_BYTES_MAX`] together and [`BYTES_MAX`] in all; instances that are left
//! out are counted. Control characters, which no cloud takes in an `id` or a tag, are replaced.
//!
//! Deliberately absent: values of other attributes, an order by likeness, and any store: states are sealed, and so what could be
//! searched without opening them would say what is in them.

mod query;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::address::Mode;
use crate::content::{Instance, Provider, View, tags_of};
use crate::diff::{Side, id_in};

pub use query::{Query, TooMuch, WANTED_BYTES_MAX, WORDS_MAX, Wanted};

/// Most entries of one state. States of a hundred thousand instances take minutes to plan; larger ones are split in practice.
pub const ENTRIES_MAX: usize = 100_000;

/// Most bytes of text in one entry: an address of three modules, fifty tags and as many dependencies have half of it.
pub const ENTRY_BYTES_MAX: usize = 16 * 1024;

/// Longest address of an entry, in bytes, and longest other single text.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Most different provider configurations of the instances of one state.
pub const PROVIDERS_MAX: usize = 256;

/// Most bytes of all texts of one state.
pub const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Ends the texts of an instance.
const END: char = '\n';
/// Stands between the texts of an instance.
const BETWEEN: char = '\u{1f}';
/// Stands between the name and the value of a tag: either may hold any sign that can be seen.
const NAMED: &str = "\u{1e}";

/// What the instances of one state are found by.
#[derive(Debug, Default)]
pub struct Listing {
    /// Of each instance the address, the `id` and the tags, in small letters.
    texts: String,
    /// Where in `texts` a large letter stands.
    large: Vec<u32>,
    /// Of each instance the key of a deposed object and the dependencies, as they are spelled.
    asides: String,
    rows: Vec<Row>,
    providers: Vec<Provider>,
    left_out: u64,
}

/// One instance in a [`Listing`].
#[derive(Debug)]
struct Row {
    /// Where its texts begin.
    text: u32,
    /// Where its asides begin.
    aside: u32,
    /// The place of its provider.
    provider: u16,
    /// How much of the address is the module's.
    module: u16,
    managed: bool,
    tainted: bool,
}

/// What is shown of an instance that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// The address as terraform spells it.
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
    /// The provider.
    pub provider: Provider,
    /// The key of a deposed object.
    pub deposed: Option<String>,
    /// Whether the next apply replaces it.
    pub tainted: bool,
    /// The resources it depends on.
    pub dependencies: Vec<String>,
    /// Tags or labels.
    pub tags: Vec<(String, String)>,
    /// The `id`, of a managed, current instance.
    pub id: Option<String>,
}

/// The texts of one instance, in small letters.
#[derive(Clone, Copy)]
struct Texts<'a> {
    all: &'a str,
    address: &'a str,
    module: &'a str,
    kind: &'a str,
    name: &'a str,
    id: &'a str,
    tags: &'a str,
}

impl Listing {
    /// Lists the instances of a state.
    pub fn of(side: Side<'_>) -> Listing {
        let mut listing = Listing::default();
        let instances = side.content.instances();
        for instance in instances.iter().take(ENTRIES_MAX) {
            if listing.texts.len() + listing.asides.len() > BYTES_MAX {
                break;
            }
            listing.add(instance, &side.view(instance));
        }
        listing.left_out = (instances.len() - listing.rows.len()) as u64;
        listing.texts.shrink_to_fit();
        listing.asides.shrink_to_fit();
        listing.large.shrink_to_fit();
        listing.rows.shrink_to_fit();
        listing
    }

    /// Takes an instance in, if its names fit.
    fn add(&mut self, instance: &Instance<'_>, view: &View<'_>) -> Option<()> {
        let address = instance.address();
        let mut module = 0;
        plain(instance.module(), |letter| module += letter.len_utf8());
        let module = u16::try_from(module).ok()?;
        let deposed = instance.deposed().unwrap_or_default();
        let fits = |text: &str| text.len() <= TEXT_BYTES_MAX;
        if ![&address, instance.module(), deposed]
            .iter()
            .all(|text| fits(text))
        {
            return None;
        }
        let provider = self.provider(instance.provider())?;
        let row = Row {
            text: u32::try_from(self.texts.len()).ok()?,
            aside: u32::try_from(self.asides.len()).ok()?,
            provider,
            module,
            managed: instance.mode() == Mode::Managed,
            tainted: instance.is_tainted(),
        };
        let mut room = ENTRY_BYTES_MAX.saturating_sub(address.len());
        let mut take = |bytes: usize, fits: bool| {
            let taken = fits && bytes <= room;
            room -= if taken { bytes } else { 0 };
            taken
        };
        let id = id_in(view).filter(|_| row.managed && deposed.is_empty());
        let id = id.filter(|id| take(id.len(), fits(id))).unwrap_or_default();
        let mut tags = tags_of(view);
        tags.retain(|(name, value)| take(name.len() + value.len(), fits(name) && fits(value)));
        let mut dependencies = instance.dependencies();
        dependencies.retain(|dependency| take(dependency.len(), fits(dependency)));

        self.write(&address);
        self.texts.push(BETWEEN);
        self.write(&id);
        for (name, value) in &tags {
            self.texts.push(BETWEEN);
            self.write(name);
            self.texts.push_str(NAMED);
            self.write(value);
        }
        self.texts.push(END);
        plain(deposed, |letter| self.asides.push(letter));
        for dependency in &dependencies {
            self.asides.push(BETWEEN);
            plain(dependency, |letter| self.asides.push(letter));
        }
        self.asides.push(END);
        self.rows.push(row);
        Some(())
    }

    /// Writes a text in small letters.
    fn write(&mut self, text: &str) {
        plain(text, |letter| {
            if letter.is_ascii_uppercase() {
                // Less than BYTES_MAX and an entry.
                self.large
                    .push(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
            }
            self.texts.push(letter.to_ascii_lowercase());
        });
    }

    /// The place of a provider, if its names fit.
    fn provider(&mut self, provider: Provider) -> Option<u16> {
        let known = self.providers.iter().position(|known| *known == provider);
        if known.is_none() {
            let alias = provider.alias.as_deref().unwrap_or_default();
            let fits = [&provider.source, alias]
                .iter()
                .all(|text| text.len() <= TEXT_BYTES_MAX);
            if !fits || self.providers.len() == PROVIDERS_MAX {
                return None;
            }
            self.providers.push(provider);
        }
        let at = known.unwrap_or(self.providers.len() - 1);
        u16::try_from(at).ok()
    }

    /// How many instances are listed.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Instances that are not listed: beyond what is listed of one state, or with names longer than [`TEXT_BYTES_MAX`].
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let of = |provider: &Provider| {
            let alias = provider.alias.as_ref().map_or(0, String::capacity);
            size_of::<Provider>() + provider.source.capacity() + alias
        };
        self.texts.capacity()
            + self.asides.capacity()
            + self.large.capacity() * size_of::<u32>()
            + self.rows.capacity() * size_of::<Row>()
            + self.providers.iter().map(of).sum::<usize>()
            + size_of::<Self>()
    }

    /// The places of the instances that a query finds, in the order of addresses.
    pub fn find<'a>(&'a self, query: &'a Query) -> impl Iterator<Item = usize> + 'a {
        let mut from = if query.may_match(self) {
            0
        } else {
            self.rows.len()
        };
        std::iter::from_fn(move || {
            while let Some(place) = query.next_in(self, from) {
                from = place + 1;
                if query.matches(self, place) {
                    return Some(place);
                }
            }
            None
        })
    }

    /// Which instance an offset belongs to, `of` saying where each begins; none before `from`. Close ones are tried first: hits
    /// often are.
    fn row_at(&self, offset: usize, from: usize, of: fn(&Row) -> u32) -> usize {
        let begins = |row: &Row| of(row) as usize <= offset;
        let mut step = 1;
        while self.rows.get(from + step).is_some_and(begins) {
            step *= 2;
        }
        let end = self.rows.len().min(from + step);
        let rows = self.rows.get(from..end).unwrap_or_default();
        from + rows.partition_point(begins).saturating_sub(1)
    }

    /// The texts of an instance.
    fn texts(&self, place: usize) -> Option<(&Row, Texts<'_>)> {
        let row = self.rows.get(place)?;
        let next = self.rows.get(place + 1);
        let end = next.map_or(self.texts.len(), |next| next.text as usize);
        let all = self.texts.get(row.text as usize..end)?;
        let all = all.strip_suffix(END)?;
        let (address, rest) = all.split_once(BETWEEN)?;
        let (id, tags) = rest.split_once(BETWEEN).unwrap_or((rest, ""));
        let (module, local) = address.split_at_checked(row.module.into())?;
        let local = local.strip_prefix('.').unwrap_or(local);
        let local = if row.managed {
            local
        } else {
            local.strip_prefix("data.")?
        };
        let (kind, named) = local.split_once('.')?;
        let (name, _) = named.split_once('[').unwrap_or((named, ""));
        let texts = Texts {
            all,
            address,
            module,
            kind,
            name,
            id,
            tags,
        };
        Some((row, texts))
    }

    /// What is told beside: the key of a deposed object, and the dependencies.
    fn asides(&self, row: &Row) -> (&str, impl Iterator<Item = &str>) {
        let rest = self.asides.get(row.aside as usize..).unwrap_or_default();
        let (asides, _) = rest.split_once(END).unwrap_or((rest, ""));
        let mut parts = asides.split(BETWEEN);
        (parts.next().unwrap_or_default(), parts)
    }

    /// Spells out an instance.
    pub fn entry(&self, place: usize) -> Option<Entry> {
        let (row, texts) = self.texts(place)?;
        // The same text as terraform spells it, in which parts are found by their place.
        let mut spelled = texts.all.as_bytes().to_vec();
        let start = row.text as usize;
        let from = self.large.partition_point(|at| (*at as usize) < start);
        for at in self.large.iter().skip(from) {
            match spelled.get_mut(*at as usize - start) {
                Some(letter) => letter.make_ascii_uppercase(),
                None => break,
            }
        }
        let spelled = String::from_utf8(spelled).ok()?;
        let part = |part: &str| {
            let at = part.as_ptr().addr() - texts.all.as_ptr().addr();
            spelled
                .get(at..at + part.len())
                .unwrap_or_default()
                .to_owned()
        };
        let (deposed, dependencies) = self.asides(row);
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Some(Entry {
            address: part(texts.address),
            mode: row.mode(),
            kind: part(texts.kind),
            name: part(texts.name),
            module: part(texts.module),
            provider: self.providers.get(usize::from(row.provider))?.clone(),
            deposed: some(deposed.to_owned()),
            tainted: row.tainted,
            dependencies: dependencies.map(str::to_owned).collect(),
            tags: texts
                .tags()
                .map(|(name, value)| (part(name), part(value)))
                .collect(),
            id: some(part(texts.id)),
        })
    }
}

impl Row {
    fn mode(&self) -> Mode {
        if self.managed {
            Mode::Managed
        } else {
            Mode::Data
        }
    }
}

impl<'a> Texts<'a> {
    fn tags(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.tags
            .split(BETWEEN)
            .filter_map(|tag| tag.split_once(NAMED))
    }
}

/// The letters of a text, without control characters.
fn plain(text: &str, mut write: impl FnMut(char)) {
    for letter in text.chars() {
        write(if letter.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            letter
        });
    }
}
