//! A bucket of an S3 store, as terraform's `s3` backend keeps states in it.
//!
//! Objects are listed with their versions, read by version, and never written. Requests are signed with what the usual `AWS_…`
//! variables hold, and with nothing else; the path names the bucket, which every store understands. Where terraform locks with
//! a file (`use_lockfile`), the object `KEY.tflock` is that lock, and is looked for again right before a state is read.
//!
//! Deliberately absent: the lock table of older configurations, which is in another service; profiles, roles and metadata
//! services, whose credentials other programs put into the environment; states encrypted with a customer's key (SSE-C).

mod listing;
mod sign;

use std::collections::BTreeSet;

use hyper::Uri;
use statehouse_core::Clock;
use statehouse_core::terraform::lock::LockInfo;

use super::names;
use super::source::{Content, Found, Opened, Piece, STATE_BYTES_MAX, Source, locked};
use crate::client::{Answered, Elsewhere, Question, escape};
use crate::environment::Environment;
use crate::failure::{Exit, Failure, Result};
use crate::trust;
use listing::{Page, Version};
use sign::Credentials;

/// Pages of a thousand versions each: a hundred million.
const PAGES_MAX: usize = 100_000;
/// What terraform appends to a key for its lock.
const LOCK: &str = ".tflock";

/// Arguments.
#[derive(clap::Args)]
pub(in crate::cmd) struct Args {
    /// The bucket
    bucket: String,
    /// Only keys that begin so
    #[arg(long, default_value = "", value_name = "PREFIX")]
    prefix: String,
    /// Another store than AWS: https, or http to this machine
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The region; without it `AWS_REGION` or `AWS_DEFAULT_REGION`
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
}

/// An object that is a state, or may be.
struct Object {
    key: String,
    /// The oldest first.
    versions: Vec<Version>,
}

/// A bucket.
pub(super) struct Bucket {
    wire: Elsewhere,
    endpoint: String,
    bucket: String,
    prefix: String,
    region: String,
    credentials: Credentials,
    clock: Clock,
    objects: Vec<Object>,
}

impl Bucket {
    pub(super) fn new(args: &Args, environment: &Environment, clock: Clock) -> Result<Self> {
        let needed = |name: &str| {
            let missing = || {
                Failure::usage(format!("{name} is not set"))
                    .hint("the credentials of the bucket are taken from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN")
            };
            environment.get(name).map(str::to_owned).ok_or_else(missing)
        };
        let region = args.region.clone();
        let region = region.or_else(|| environment.get("AWS_REGION").map(str::to_owned));
        let region = region.or_else(|| environment.get("AWS_DEFAULT_REGION").map(str::to_owned));
        let region = match (region, &args.endpoint) {
            (Some(region), _) => region,
            (None, Some(_)) => "us-east-1".to_owned(),
            (None, None) => {
                return Err(
                    Failure::usage("no region is named").hint("give --region or AWS_REGION")
                );
            }
        };
        let endpoint = args.endpoint.clone();
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        Ok(Self {
            wire: Elsewhere::new(trust::client(None, environment)?)?,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            bucket: args.bucket.clone(),
            prefix: args.prefix.clone(),
            region,
            credentials: Credentials {
                id: needed("AWS_ACCESS_KEY_ID")?,
                secret: needed("AWS_SECRET_ACCESS_KEY")?.into(),
                session: environment
                    .get("AWS_SESSION_TOKEN")
                    .map(|token| token.to_owned().into()),
            },
            clock,
            objects: Vec::new(),
        })
    }

    /// A signed GET of something in the bucket; the pairs of the query in the order of their names.
    fn get(&self, key: &str, query: &[(&str, &str)]) -> Result<Answered> {
        let key: Vec<String> = key.split('/').map(escape).collect();
        let mut path = format!("/{}", escape(&self.bucket));
        if !key.concat().is_empty() {
            path = format!("{path}/{}", key.join("/"));
        }
        let pairs: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", escape(value)))
            .collect();
        let query = pairs.join("&");
        let address = format!("{}{path}?{query}", self.endpoint);
        let address = address.trim_end_matches('?');
        let wrong = |_| Failure::usage(format!("{} is no address", self.endpoint));
        let url: Uri = address.parse().map_err(wrong)?;
        let authority = url.authority().map_or("", |authority| authority.as_str());
        let request = sign::Request {
            authority,
            path: url.path(),
            query: url.query().unwrap_or_default(),
            region: &self.region,
            now_s: (self.clock)().div_euclid(1_000_000),
        };
        self.wire.ask(Question {
            method: "GET",
            headers: sign::headers(&self.credentials, &request),
            url: &url,
            body: Vec::new(),
        })
    }

    fn page(&self, from: Option<&(String, String)>) -> Result<Page> {
        let mut query = vec![("encoding-type", "url")];
        if let Some((key, version)) = from {
            query.push(("key-marker", key));
            query.push(("prefix", &self.prefix));
            query.extend((!version.is_empty()).then_some(("version-id-marker", version.as_str())));
        } else {
            query.push(("prefix", &self.prefix));
        }
        query.push(("versions", ""));
        query.sort_unstable();
        let answer = self.get("", &query)?;
        if !answer.is_good() {
            let failure = self.refusal(&answer, "its objects cannot be listed");
            return Err(failure.hint(
                "listing needs s3:ListBucketVersions, reading s3:GetObject and s3:GetObjectVersion",
            ));
        }
        let unreadable = |why: &str| {
            let bucket = &self.bucket;
            Failure::failed(format!(
                "the listing of bucket {bucket} cannot be read: {why}"
            ))
        };
        let text = String::from_utf8(answer.body).map_err(|_| unreadable("it is not UTF-8"))?;
        listing::read(&text).map_err(unreadable)
    }

    fn refusal(&self, answer: &Answered, what: &str) -> Failure {
        let exit = match answer.status {
            401 | 403 | 404 => Exit::Refused,
            429 | 503 => Exit::Unavailable,
            _ => Exit::Failed,
        };
        let text = String::from_utf8_lossy(&answer.body);
        let code = text
            .split_once("<Code>")
            .and_then(|(_, rest)| rest.split_once("</Code>"));
        let code = code.map_or("no code", |(code, _)| code);
        let Self {
            bucket, endpoint, ..
        } = self;
        let status = answer.status;
        Failure::new(
            exit,
            format!("{endpoint} answered for bucket {bucket}: {what}: {status} {code}"),
        )
    }

    fn object(&self, found: &Found) -> Result<&Object> {
        let missing = || Failure::failed(format!("{} was not listed", found.place));
        self.objects.get(found.at).ok_or_else(missing)
    }

    /// Fails where terraform holds the lock of a key at this moment.
    fn require_free(&self, key: &str) -> Result {
        let answer = self.get(&format!("{key}{LOCK}"), &[])?;
        match answer.status {
            404 => Ok(()),
            _ if answer.is_good() => Err(locked(match LockInfo::read(&answer.body) {
                Ok(info) => format!("{key}{LOCK} says {} ({})", info.who, info.operation),
                Err(_) => format!("{key}{LOCK} is there"),
            })),
            _ => Err(self.refusal(&answer, "whether a state is locked cannot be seen")),
        }
    }
}

/// Objects of a listing, by key, and words on those that are passed over.
fn grouped(versions: Vec<Version>) -> (Vec<Object>, Vec<String>) {
    let mut objects: Vec<Object> = Vec::new();
    for version in versions {
        match objects.last_mut() {
            Some(object) if object.key == version.key => object.versions.push(version),
            _ => objects.push(Object {
                key: version.key.clone(),
                versions: vec![version],
            }),
        }
    }
    let mut notes = Vec::new();
    objects.retain_mut(|object| {
        let newest = object.versions.first();
        let deleted = newest.is_some_and(|newest| newest.is_deletion);
        object.versions.retain(|version| !version.is_deletion);
        object.versions.reverse();
        let own = object.key.ends_with(LOCK) || object.key.ends_with('/');
        if deleted && !own {
            notes.push(format!("{}: deleted in the bucket", object.key));
        }
        !deleted && !own
    });
    (objects, notes)
}

impl Source for Bucket {
    fn find(&mut self) -> Result<(Vec<Found>, Vec<String>)> {
        let (mut versions, mut from) = (Vec::new(), None);
        let mut seen = BTreeSet::new();
        for _ in 0..PAGES_MAX {
            let page = self.page(from.as_ref())?;
            versions.extend(page.versions);
            from = page.next;
            let Some(next) = &from else { break };
            if !seen.insert(next.clone()) {
                let words = format!("the listing of bucket {} does not end", self.bucket);
                return Err(Failure::failed(words));
            }
        }
        // Deletion marks may be listed apart from the versions that they follow.
        let order = |version: &Version| (version.key.clone(), !version.is_latest);
        versions.sort_by_key(order);
        let (objects, notes) = grouped(versions);
        self.objects = objects;
        let folder = self
            .prefix
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        let found = |(at, object): (usize, &Object)| Found {
            place: object.key.clone(),
            parts: names::parts(
                object.key.strip_prefix(folder).unwrap_or(&object.key),
                &self.bucket,
            ),
            claims: object.key.ends_with(".tfstate"),
            at,
        };
        Ok((self.objects.iter().enumerate().map(found).collect(), notes))
    }

    fn open(&mut self, found: &Found, _claim: bool) -> Result<Opened> {
        let object = self.object(found)?;
        self.require_free(&object.key)?;
        let mut opened = Opened::default();
        for version in &object.versions {
            let label = format!("version {} of {}", version.id, version.modified);
            if version.size > STATE_BYTES_MAX {
                opened.notes.push(format!("{label}: longer than any state"));
                continue;
            }
            opened.pieces.push(Piece {
                label,
                handle: version.id.clone(),
            });
        }
        Ok(opened)
    }

    fn fetch(&mut self, found: &Found, piece: &Piece) -> Result<Content> {
        let object = self.object(found)?;
        let query = [("versionId", piece.handle.as_str())];
        // A store without versions need not know the question.
        let query = if piece.handle == "null" || piece.handle.is_empty() {
            &[][..]
        } else {
            &query[..]
        };
        let answer = self.get(&object.key, query)?;
        match answer.status {
            404 | 405 | 410 => Ok(Content::Gone("the bucket has its bytes no more".to_owned())),
            _ if answer.is_good() => Ok(Content::Bytes(answer.body)),
            _ => Err(self.refusal(&answer, &format!("{} cannot be read", object.key))),
        }
    }

    /// Nothing was claimed; but a state that somebody began to change meanwhile is not one to rely on.
    fn close(&mut self, found: &Found) -> Result {
        let object = self.object(found)?;
        self.require_free(&object.key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, missing_docs)]

    use super::*;

    fn version(key: &str, id: &str, is_deletion: bool) -> Version {
        Version {
            key: key.to_owned(),
            id: id.to_owned(),
            is_deletion,
            ..Version::default()
        }
    }

    #[test]
    fn what_was_deleted_and_what_is_a_lock_is_no_state() {
        let (objects, notes) = grouped(vec![
            version("a.tfstate", "2", false),
            version("a.tfstate", "1", false),
            version("a.tfstate.tflock", "1", false),
            version("b.tfstate", "2", true),
            version("b.tfstate", "1", false),
            version("c.tfstate", "3", false),
            version("c.tfstate", "2", true),
            version("c.tfstate", "1", false),
            version("folder/", "1", false),
        ]);
        let told: Vec<(&str, Vec<&str>)> = objects
            .iter()
            .map(|object| {
                let ids = object.versions.iter().map(|version| version.id.as_str());
                (object.key.as_str(), ids.collect())
            })
            .collect();
        assert_eq!(
            told,
            [("a.tfstate", vec!["1", "2"]), ("c.tfstate", vec!["1", "3"])]
        );
        assert_eq!(notes, ["b.tfstate: deleted in the bucket"]);
    }
}
