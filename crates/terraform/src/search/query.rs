//! What is looked for.

use memchr::memmem::Finder;

use super::{Listing, NAMED, Row, Texts};
use crate::address::Mode;

/// Most words, and most tags: each is looked for at each place that has the longest of them.
pub const WORDS_MAX: usize = 16;
/// Most bytes of all that is looked for.
pub const WANTED_BYTES_MAX: usize = 4096;

/// That too much is looked for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "at most {WORDS_MAX} words and {WORDS_MAX} tags, of {WANTED_BYTES_MAX} bytes in all, are looked for at once"
)]
pub struct TooMuch;

/// How the root module is called, whose address is empty.
const ROOT: &str = "root";

/// What somebody looks for; empty parts find everything. What it says holds of everything that is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Words between blanks, each of which is somewhere in the address, the `id` or a tag (`name=value`).
    pub words: String,
    /// The type.
    pub kind: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The module's address: what is in it and in the modules inside it. `root` is the root module alone.
    pub module: Option<String>,
    /// The provider: its whole source, or the end of it from a `/` on.
    pub provider: Option<String>,
    /// Managed or read only.
    pub mode: Option<Mode>,
    /// Tags that it has, each a name or `name=value`.
    pub tags: Vec<String>,
    /// The `id`.
    pub id: Option<String>,
    /// The address of a resource that it depends on.
    pub depends_on: Option<String>,
}

/// What is looked for, made ready.
#[derive(Debug)]
pub struct Query {
    wanted: Wanted,
    /// Texts that everything has that is found, the longest first: only places that have it are looked at.
    needles: Vec<Finder<'static>>,
    /// The same for what is told beside.
    aside: Option<Finder<'static>>,
}

impl Wanted {
    fn is_too_much(&self) -> bool {
        let names = [
            &self.kind,
            &self.name,
            &self.module,
            &self.provider,
            &self.id,
            &self.depends_on,
        ];
        let names = names.into_iter().flatten().chain(&self.tags);
        let bytes = self.words.len() + names.map(String::len).sum::<usize>();
        self.words.split_whitespace().count() > WORDS_MAX
            || self.tags.len() > WORDS_MAX
            || bytes > WANTED_BYTES_MAX
    }
}

impl Query {
    /// Makes ready what is looked for.
    ///
    /// # Errors
    ///
    /// When that is too much.
    pub fn new(wanted: Wanted) -> Result<Query, TooMuch> {
        if wanted.is_too_much() {
            return Err(TooMuch);
        }
        let small = |text: Option<String>| {
            let text = text.map(|text| text.trim().to_ascii_lowercase());
            text.filter(|text| !text.is_empty())
        };
        let tags = wanted.tags.into_iter().filter_map(|tag| small(Some(tag)));
        let wanted = Wanted {
            words: wanted.words.to_ascii_lowercase(),
            kind: small(wanted.kind),
            name: small(wanted.name),
            module: small(wanted.module),
            provider: small(wanted.provider),
            mode: wanted.mode,
            tags: tags.collect(),
            id: small(wanted.id),
            depends_on: wanted.depends_on.filter(|address| !address.is_empty()),
        };
        let finder = |text: &str| Finder::new(text.as_bytes()).into_owned();
        Ok(Query {
            needles: needles(&wanted).into_iter().map(finder).collect(),
            aside: wanted.depends_on.as_deref().map(finder),
            wanted,
        })
    }

    /// Whether anything in a listing can be what is looked for: a look at the whole of it, which spares one at each instance.
    pub(super) fn may_match(&self, listing: &Listing) -> bool {
        let has = |text: &str, needle: &Finder<'_>| needle.find(text.as_bytes()).is_some();
        self.needles
            .iter()
            .all(|needle| has(&listing.texts, needle))
            && self.aside.iter().all(|needle| has(&listing.asides, needle))
            && self.wanted.provider.as_ref().is_none_or(|wanted| {
                let mut providers = listing.providers.iter();
                providers.any(|provider| is_provider(&provider.source, wanted))
            })
    }

    /// The next instance from a place on that may be what is looked for.
    pub(super) fn next_in(&self, listing: &Listing, from: usize) -> Option<usize> {
        let next = |needle: &Finder<'_>, text: &str, start: usize, of: fn(&Row) -> u32| {
            let found = needle.find(text.as_bytes().get(start..)?)?;
            Some(listing.row_at(start + found, from, of))
        };
        let row = listing.rows.get(from)?;
        match (self.needles.first(), &self.aside) {
            (Some(needle), _) => next(needle, &listing.texts, row.text as usize, |row| row.text),
            (None, Some(needle)) => {
                next(needle, &listing.asides, row.aside as usize, |row| row.aside)
            }
            (None, None) => Some(from),
        }
    }

    /// Whether an instance is looked for.
    pub(super) fn matches(&self, listing: &Listing, place: usize) -> bool {
        let Some((row, texts)) = listing.texts(place) else {
            return false;
        };
        let mut words = self.wanted.words.split_whitespace();
        words.all(|word| has_word(texts.all, word))
            && self.names(row, texts)
            && self.wanted.tags.iter().all(|tag| has_tag(texts, tag))
            && self.wanted.provider.as_ref().is_none_or(|wanted| {
                let provider = listing.providers.get(usize::from(row.provider));
                provider.is_some_and(|provider| is_provider(&provider.source, wanted))
            })
            && self.wanted.depends_on.as_ref().is_none_or(|wanted| {
                let (_, mut dependencies) = listing.asides(row);
                dependencies.any(|dependency| dependency == wanted)
            })
    }

    /// Whether its names are those that are looked for.
    fn names(&self, row: &Row, texts: Texts<'_>) -> bool {
        let is = |wanted: &Option<String>, text: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == text)
        };
        let wanted = &self.wanted;
        let module = |wanted: &String| is_in(texts.module, wanted);
        is(&wanted.kind, texts.kind)
            && is(&wanted.name, texts.name)
            && is(&wanted.id, texts.id)
            && wanted.mode.is_none_or(|mode| mode == row.mode())
            && wanted.module.as_ref().is_none_or(module)
    }
}

/// Whether a word is somewhere in the texts of an instance. Between the name and the value of a tag stands what people write as `=`.
fn has_word(text: &str, word: &str) -> bool {
    text.contains(word) || (word.contains('=') && text.replace(NAMED, "=").contains(word))
}

/// Texts that everything has that is found, the longest first.
fn needles(wanted: &Wanted) -> Vec<&str> {
    let tags = wanted.tags.iter().map(String::as_str);
    let words = wanted.words.split_whitespace().chain(tags);
    let parts = words.flat_map(|word| word.split('='));
    let module = wanted.module.as_deref().filter(|module| *module != ROOT);
    let names = [&wanted.kind, &wanted.name, &wanted.id];
    let names = names.into_iter().filter_map(Option::as_deref);
    let all = parts.chain(names).chain(module);
    let mut all: Vec<&str> = all.filter(|text| !text.is_empty()).collect();
    all.sort_by_key(|text| std::cmp::Reverse(text.len()));
    all
}

/// Whether a module is the one that is looked for, or inside it.
fn is_in(module: &str, wanted: &str) -> bool {
    if wanted == ROOT {
        return module.is_empty();
    }
    let rest = module.strip_prefix(wanted);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether a provider is called so: `aws`, `hashicorp/aws` and the whole source name the same one.
fn is_provider(source: &str, wanted: &str) -> bool {
    let Some(at) = source.len().checked_sub(wanted.len()) else {
        return false;
    };
    let end = source.get(at..);
    end.is_some_and(|end| end.eq_ignore_ascii_case(wanted))
        && (at == 0 || source.as_bytes().get(at - 1) == Some(&b'/'))
}

/// Whether an instance has a tag: by its name, or by its name and value.
fn has_tag(texts: Texts<'_>, wanted: &str) -> bool {
    texts.tags().any(|(name, value)| {
        let rest = wanted.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('=') == Some(value))
    })
}
