//! What is asked of a list, in the query of its address.

use axum::extract::{FromRequestParts, Query as Pairs};
use axum::http::request::Parts;

use crate::problem::Problem;

/// What was asked of a list, as it stands in the address. Parameters that are not known are passed over: clients send
/// more of them with each version.
pub(crate) struct Query(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let pairs = Pairs::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        pairs
            .map(|Pairs(pairs)| Self(pairs))
            .map_err(|error| Problem::invalid(error.body_text()))
    }
}

/// What stands under one number of a filter.
#[derive(Default)]
struct Numbered {
    key: Option<String>,
    value: Option<String>,
}

impl Query {
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

    /// The parts of a value between commas.
    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        let value = self.get(name).unwrap_or_default();
        let words = value
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
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

    /// The number of the page, from 1, if the caller counts pages.
    pub(crate) fn number(&self) -> Result<Option<u64>, Problem> {
        self.count("page[number]")
    }

    /// How many on a page: at least one, at most `max`, which is also what is answered unasked.
    pub(crate) fn size(&self, max: usize) -> Result<usize, Problem> {
        let asked = self.count("page[size]")?;
        let asked = asked.map_or(max, |asked| usize::try_from(asked).unwrap_or(max));
        Ok(asked.clamp(1, max))
    }

    fn count(&self, name: &str) -> Result<Option<u64>, Problem> {
        let wrong = || Problem::invalid(format!("`{name}` is no number"));
        let found = self.get(name).map(|text| text.parse().map_err(|_| wrong()));
        found.transpose()
    }

    /// The address of the page that begins at `cursor` = `at`, everything else being asked the same.
    pub(crate) fn next(&self, path: &str, cursor: &str, at: &str) -> String {
        let mut pairs: Vec<(&str, &str)> = vec![(cursor, at)];
        let cursors = ["page[number]", "page[after]", "page[before]"];
        let others = self
            .0
            .iter()
            .filter(|(key, _)| !cursors.contains(&key.as_str()));
        pairs.extend(others.map(|(key, value)| (key.as_str(), value.as_str())));
        let pair = |(key, value): (&str, &str)| format!("{}={}", escape(key), escape(value));
        let pairs: Vec<String> = pairs.into_iter().map(pair).collect();
        format!("{path}?{}", pairs.join("&"))
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

    #[test]
    fn a_query_keeps_what_it_does_not_know_and_counts_pages() {
        let pairs = [
            ("filter[tagged][0][key]", "env"),
            ("filter[tagged][1][key]", "team"),
            ("filter[tagged][0][value]", "prod"),
            ("TagBindings", "odd"),
            ("page[number]", "2"),
            ("search[tags]", "a, b,"),
        ];
        let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let query = Query(pairs.into_iter().map(own).collect());
        let (env, team) = (
            ("env".to_owned(), Some("prod".to_owned())),
            ("team".to_owned(), None),
        );
        assert_eq!(query.numbered("filter[tagged]"), [env, team]);
        assert_eq!(query.words("search[tags]"), ["a", "b"]);
        assert_eq!(query.number().ok().flatten(), Some(2));
        assert!(
            query
                .next("/x", "page[number]", "3")
                .starts_with("/x?page%5Bnumber%5D=3&filter")
        );
    }
}
