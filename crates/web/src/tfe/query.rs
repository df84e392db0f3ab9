//! What is asked of a list or a resource, in the query of its address, and pages of lists.
//!
//! What a route takes is declared beside it (`crate::routes`), and what it cannot give (an unknown `include`, `sort` or page) is
//! refused there, before the handler. Other parameters that are not known are passed over: clients send more of them with each
//! version.

use axum::extract::{FromRequestParts, Query as Pairs};
use axum::http::request::Parts;
use serde_json::{Value, json};

use crate::problem::Problem;

/// Items of a page that nobody gave a size, as the platform's clients expect, and at most.
pub(crate) const PAGE: Sizes = Sizes {
    unasked: 20,
    max: 100,
};

/// How many items a page has.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    /// When nobody says.
    pub(crate) unasked: usize,
    /// At most.
    pub(crate) max: usize,
}

impl Sizes {
    /// Always as many as there can be.
    pub(crate) const fn whole(max: usize) -> Self {
        Self { unasked: max, max }
    }
}

/// What was asked, as it stands in the address.
#[derive(Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let pairs = Pairs::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let pairs = pairs.map_err(|error| Problem::invalid(error.body_text()))?;
        Ok(Self(pairs.0))
    }
}

/// What stands under one number of a filter.
#[derive(Default)]
struct Numbered {
    key: Option<String>,
    value: Option<String>,
}

impl Query {
    /// Everything, by name.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a parameter that is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Every value of a parameter that may be there more than once.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let found = self.0.iter().filter(move |(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// What the list is narrowed by: the `name` of each `filter[name]`.
    pub(crate) fn filters(&self) -> impl Iterator<Item = &str> {
        let filters = self
            .0
            .iter()
            .filter_map(|(key, _)| key.strip_prefix("filter["));
        filters.map(|rest| rest.strip_suffix(']').unwrap_or(rest))
    }

    /// The same in small letters, to be looked for in such.
    pub(crate) fn lower(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_lowercase)
    }

    /// The parts of a value between commas.
    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        let value = self.get(name).unwrap_or_default();
        let words = value
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    }

    /// Whether this is to be included.
    pub(crate) fn includes(&self, name: &str) -> bool {
        let words = self.words("include");
        words.iter().any(|word| word.replace('_', "-") == name)
    }

    /// What stands under `name[N][…]`, by `N`: pairs of a key and a value.
    pub(crate) fn numbered(&self, name: &str) -> Vec<(String, Option<String>)> {
        let mut found: Vec<(&str, Numbered)> = Vec::new();
        for (key, value) in &self.0 {
            let Some(rest) = key
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('['))
            else {
                continue;
            };
            let Some((number, part)) = rest.split_once("][") else {
                continue;
            };
            let at = found.iter().position(|(seen, _)| *seen == number);
            let at = at.unwrap_or_else(|| {
                found.push((number, Numbered::default()));
                found.len() - 1
            });
            match (found.get_mut(at), part.trim_end_matches(']')) {
                (Some((_, pair)), "key") => pair.key = Some(value.clone()),
                (Some((_, pair)), "value") => pair.value = Some(value.clone()),
                _ => {}
            }
        }
        let pair = |(_, pair): (&str, Numbered)| Some((pair.key?, pair.value));
        found.into_iter().filter_map(pair).collect()
    }

    /// The number of the page, if the caller counts pages.
    pub(crate) fn number(&self) -> Result<Option<usize>, Problem> {
        self.count("page[number]")
    }

    /// How many on a page: at most as many as `sizes` says, however many are asked for.
    pub(crate) fn size(&self, sizes: Sizes) -> Result<usize, Problem> {
        let asked = self.count("page[size]")?.unwrap_or(sizes.unasked);
        Ok(asked.min(sizes.max))
    }

    fn count(&self, name: &str) -> Result<Option<usize>, Problem> {
        let wrong = || Problem::invalid(format!("`{name}` is a number from 1"));
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        // So many digits that they are no number any more are beyond the last page, and no mistake.
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        match text.parse().unwrap_or(usize::MAX) {
            0 => Err(wrong()),
            count => Ok(Some(count)),
        }
    }

    /// Where the page stands that was asked for, of a list at `path` with `count` items.
    pub(crate) fn pages(&self, path: &str, count: u64, sizes: Sizes) -> Result<Pages, Problem> {
        Ok(Pages {
            number: self.number()?.unwrap_or(1),
            size: self.size(sizes)?,
            count: usize::try_from(count).unwrap_or(usize::MAX),
            base: self.base(path),
        })
    }

    /// The page of `all` that was asked for.
    pub(crate) fn page<T>(
        &self,
        path: &str,
        all: Vec<T>,
        sizes: Sizes,
    ) -> Result<(Vec<T>, Pages), Problem> {
        let pages = self.pages(path, all.len() as u64, sizes)?;
        let skipped = (pages.number - 1).saturating_mul(pages.size);
        let page = all.into_iter().skip(skipped).take(pages.size);
        Ok((page.collect(), pages))
    }

    /// Puts `all` into the order that was asked for, by text that `by` makes of an item; as it is when nothing was asked.
    pub(crate) fn sort<T>(&self, all: &mut [T], by: impl Fn(&T, &str) -> String) {
        let Some(order) = self.get("sort") else {
            return;
        };
        let name = order.trim_start_matches('-');
        all.sort_by_cached_key(|item| by(item, name));
        if order.starts_with('-') {
            all.reverse();
        }
    }

    /// The address of the page that begins at `cursor` = `at`, everything else being asked the same.
    pub(crate) fn next(&self, path: &str, cursor: &str, at: &str) -> String {
        format!("{}{}={}", self.base(path), escape(cursor), escape(at))
    }

    /// The address with everything that was asked but the page, ready for one parameter more.
    fn base(&self, path: &str) -> String {
        let cursors = ["page[number]", "page[after]", "page[before]"];
        let mut base = format!("{path}?");
        for (name, value) in self.pairs().filter(|(name, _)| !cursors.contains(name)) {
            base.extend([&escape(name), "=", &escape(value), "&"]);
        }
        base
    }
}

/// Where a page stands among the others.
pub(crate) struct Pages {
    number: usize,
    size: usize,
    count: usize,
    base: String,
}

impl Pages {
    fn last(&self) -> usize {
        self.count.div_ceil(self.size.max(1)).max(1)
    }

    fn next(&self) -> Option<usize> {
        (self.number < self.last()).then(|| self.number.saturating_add(1))
    }

    /// Links to the pages of the list.
    pub(crate) fn links(&self) -> Value {
        let link = |number: usize| format!("{}page%5Bnumber%5D={number}", self.base);
        json!({
            "self": link(self.number),
            "first": link(1),
            "last": link(self.last()),
            "prev": (self.number > 1).then(|| link(self.number - 1)),
            "next": self.next().map(link),
        })
    }

    /// Which page of how many, as clients count them.
    pub(crate) fn meta(&self) -> Value {
        json!({
            "current-page": self.number,
            "page-size": self.size,
            "prev-page": (self.number > 1).then(|| self.number - 1),
            "next-page": self.next(),
            "total-pages": self.last(),
            "total-count": self.count,
        })
    }
}

/// A text as a part of an address: everything but unreserved characters is escaped. (RFC 3986 §2.3)
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = std::fmt::Write::write_fmt(&mut escaped, format_args!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        missing_docs
    )]

    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Query {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Query(pairs.iter().map(own).collect())
    }

    #[test]
    fn a_query_keeps_what_it_does_not_know_and_counts_pages() {
        let query = query(&[
            ("filter[tagged][0][key]", "env"),
            ("filter[tagged][1][key]", "team"),
            ("filter[tagged][0][value]", "prod"),
            ("TagBindings", "odd"),
            ("page[number]", "2"),
            ("search[tags]", "a, b,"),
            ("include", "organization_memberships, users"),
        ]);
        let (env, team) = (
            ("env".to_owned(), Some("prod".to_owned())),
            ("team".to_owned(), None),
        );
        assert_eq!(query.numbered("filter[tagged]"), [env, team]);
        assert_eq!(query.words("search[tags]"), ["a", "b"]);
        assert_eq!(query.number().unwrap(), Some(2));
        assert!(query.includes("organization-memberships") && query.includes("users"));
        assert!(!query.includes("user"));
        let next = query.next("/x", "page[number]", "3");
        assert!(next.starts_with("/x?filter%5Btagged%5D"), "{next}");
        assert!(next.ends_with("&page%5Bnumber%5D=3"), "{next}");
        assert_eq!(next.matches("number").count(), 1);
    }

    fn pages(number: &str, size: &str, expected: &[usize], next: Option<usize>) {
        let asked = query(&[("page[number]", number), ("q", "a b"), ("page[size]", size)]);
        let (page, pages) = asked.page("/x", (1..=5).collect(), PAGE).unwrap();
        assert_eq!(page, expected);
        let meta = pages.meta();
        assert_eq!(meta["next-page"], json!(next));
        assert_eq!(meta["total-count"], 5);
        let links = pages.links();
        assert!(
            links["first"]
                .as_str()
                .unwrap()
                .contains("?q=a%20b&page%5Bsize%5D="),
            "{links}"
        );
        assert_eq!(links["next"].is_null(), next.is_none());
    }

    #[test]
    fn a_list_is_cut_into_pages_that_lead_to_each_other() {
        pages("1", "2", &[1, 2], Some(2));
        pages("2", "2", &[3, 4], Some(3));
        pages("3", "2", &[5], None);
        pages("4", "2", &[], None);
        pages("1", "100000", &[1, 2, 3, 4, 5], None);
        pages("18446744073709551615", "100", &[], None);
        pages("99999999999999999999999999999999", "100", &[], None);
        for wrong in ["0", "-1", "one", "1.5", "+1", "１"] {
            let asked = query(&[("page[number]", wrong)]);
            assert!(asked.page("/x", vec![1], PAGE).is_err(), "{wrong}");
        }
        let (_, none) = query(&[]).page("/x", Vec::<u8>::new(), PAGE).unwrap();
        assert_eq!(none.meta()["total-pages"], 1);
    }

    #[test]
    fn a_list_is_sorted_as_asked() {
        let sorted = |order: &str| {
            let mut all = vec!["b", "c", "a"];
            query(&[("sort", order)]).sort(&mut all, |item, _| (*item).to_owned());
            all.concat()
        };
        assert_eq!(sorted("name"), "abc");
        assert_eq!(sorted("-name"), "cba");
        assert_eq!(sorted(""), "bca");
    }
}
