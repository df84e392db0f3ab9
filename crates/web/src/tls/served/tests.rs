//! Claims about replacing a certificate. What clients see of it is in `tests/tls.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::*;

/// A directory with `chain.pem` and `key.pem`.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn files(&self) -> CertificateFiles {
        CertificateFiles {
            chain: self.0.path().join("chain.pem"),
            key: self.0.path().join("key.pem"),
        }
    }

    /// Puts a self-signed certificate for `name` there, valid from `from_days` to `to_days`, counted from today.
    fn put(&self, name: &str, from_days: i64, to_days: i64) -> (String, String) {
        let (chain, key) = pair(name, from_days, to_days);
        fs_err::write(self.files().chain, &chain).unwrap();
        fs_err::write(self.files().key, &key).unwrap();
        (chain, key)
    }
}

fn pair(name: &str, from_days: i64, to_days: i64) -> (String, String) {
    let day = |days: i64| {
        let now = i64::try_from(UnixTime::now().as_secs()).unwrap();
        let then = u64::try_from(now + days * 86400).unwrap();
        std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(then)
    };
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_before = day(from_days).into();
    params.not_after = day(to_days).into();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn named(name: &str) -> Vec<ServerName<'static>> {
    vec![ServerName::try_from(name.to_owned()).unwrap()]
}

fn shown(served: &Served) -> Vec<u8> {
    served.current.read().unwrap().certified.cert[0].to_vec()
}

/// Starts with a good certificate, spoils the files by `spoil`, and expects the refusal to hold `words` and the old certificate
/// to be shown still; then a good one must be taken again.
fn check(spoil: impl Fn(&Place), words: &str) {
    let place = Place::new();
    place.put("here.example", -1, 30);
    let served = Served::open(place.files(), named("here.example")).unwrap();
    let before = shown(&served);
    spoil(&place);
    let error = served.reload().unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
    assert_eq!(served.health().fault, Some(error));
    assert_eq!(shown(&served), before);
    place.put("here.example", -1, 60);
    assert!(served.reload().unwrap());
    assert_eq!(served.health().fault, None);
    assert_ne!(shown(&served), before);
}

#[test]
fn an_expired_certificate_is_not_taken() {
    check(
        |place| drop(place.put("here.example", -40, -3)),
        "expired 3 days ago",
    );
}

#[test]
fn a_certificate_from_the_future_is_not_taken() {
    check(
        |place| drop(place.put("here.example", 1, 30)),
        "check this machine's clock",
    );
}

#[test]
fn a_certificate_for_other_names_is_not_taken() {
    check(
        |place| drop(place.put("there.example", -1, 30)),
        "does not cover here.example, only there.example",
    );
}

#[test]
fn a_key_of_another_certificate_is_not_taken() {
    let foreign =
        |place: &Place| fs_err::write(place.files().key, pair("here.example", -1, 30).1).unwrap();
    check(
        foreign,
        "the private key does not belong to the first certificate",
    );
}

#[test]
fn files_that_are_gone_empty_or_something_else_are_not_taken() {
    check(
        |place| fs_err::remove_file(place.files().chain).unwrap(),
        "chain.pem",
    );
    check(
        |place| fs_err::remove_file(place.files().key).unwrap(),
        "key.pem",
    );
    check(
        |place| fs_err::write(place.files().chain, "").unwrap(),
        "holds no certificate",
    );
    check(
        |place| fs_err::write(place.files().key, "").unwrap(),
        "holds no private key",
    );
    let cut = |place: &Place| {
        let chain = fs_err::read_to_string(place.files().chain).unwrap();
        fs_err::write(place.files().chain, &chain[..chain.len() / 2]).unwrap();
    };
    check(cut, "chain.pem");
    let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check(
        |place| fs_err::write(place.files().chain, wrong).unwrap(),
        "cannot be used",
    );
    let wrong = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    check(
        |place| fs_err::write(place.files().key, wrong).unwrap(),
        "cannot be used",
    );
}

#[test]
fn without_a_good_certificate_there_is_no_start() {
    let place = Place::new();
    assert!(Served::open(place.files(), Vec::new()).is_err());
    place.put("here.example", -40, -3);
    assert!(matches!(
        Served::open(place.files(), Vec::new()),
        Err(IdentityError::Expired { days: 3, .. })
    ));
}

#[test]
fn the_same_certificate_again_is_no_other_one() {
    let place = Place::new();
    place.put("here.example", -1, 30);
    let served = Served::open(place.files(), named("here.example")).unwrap();
    assert!(!served.reload().unwrap());
}

/// Waits until `claim` holds, at most ten seconds.
async fn eventually(claim: impl Fn() -> bool, words: &str) {
    for _ in 0..1000 {
        if claim() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in ten seconds: {words}");
}

#[tokio::test]
async fn the_watch_takes_what_has_come_to_rest() {
    let place = Place::new();
    place.put("here.example", -1, 30);
    let served = Served::open(place.files(), named("here.example")).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let watch =
        Arc::clone(&served).watch_every(Duration::from_millis(20), async { drop(stopped.await) });
    let watch = tokio::spawn(watch);

    let before = shown(&served);
    place.put("here.example", -1, 60);
    eventually(
        || shown(&served) != before,
        "the renewed certificate is shown",
    )
    .await;

    let before = shown(&served);
    fs_err::write(place.files().chain, "gone wrong").unwrap();
    eventually(|| served.health().fault.is_some(), "the fault is told").await;
    assert_eq!(shown(&served), before);

    place.put("here.example", -1, 90);
    eventually(|| served.health().fault.is_none(), "the fault is over").await;
    assert_ne!(shown(&served), before);

    stop.send(()).unwrap();
    watch.await.unwrap();
}
