//! Claims about the authority. That clients take its certificates is in `tests/tls.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustls::server::ParsedCertificate;
use tempfile::TempDir;

use super::*;

struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn files(&self) -> Files {
        Files {
            certificate: self.0.path().join("ca.pem"),
            keys: self.0.path().join("keys"),
        }
    }

    fn open(&self, configured: &[&str]) -> Result<Arc<Authority>, AuthorityError> {
        Authority::open(self.files(), &names(configured)).map(Arc::new)
    }
}

fn name(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).unwrap()
}

fn names(configured: &[&str]) -> Names {
    let configured: Vec<_> = configured.iter().copied().map(name).collect();
    Names::of_this_machine(&configured)
}

fn mode(path: &Path) -> u32 {
    fs_err::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Whether a client that trusts only `authority` takes `identity` as `name` at `now`.
fn trusted(
    authority: &Authority,
    identity: &Identity,
    as_name: &str,
    now: UnixTime,
) -> Result<(), rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate().clone()).unwrap();
    let certificate = ParsedCertificate::try_from(identity.certificate().unwrap()).unwrap();
    let algorithms = crate::tls::provider().signature_verification_algorithms.all;
    rustls::client::verify_server_cert_signed_by_trust_anchor(
        &certificate,
        &roots,
        &[],
        now,
        algorithms,
    )?;
    rustls::client::verify_server_name(&certificate, &name(as_name))
}

#[test]
fn the_second_start_uses_the_first_authority_and_certificate() {
    let place = Place::new();
    let first = place.open(&["state.example.com"]).unwrap();
    let issued = Arc::clone(&first)
        .server(&names(&["state.example.com"]))
        .unwrap()
        .load()
        .unwrap();
    let second = place.open(&["state.example.com"]).unwrap();
    assert_eq!(first.certificate_pem(), second.certificate_pem());
    assert_eq!(
        fs_err::read_to_string(place.files().certificate).unwrap(),
        first.certificate_pem()
    );
    let again = second
        .server(&names(&["state.example.com"]))
        .unwrap()
        .load()
        .unwrap();
    assert_eq!(issued.certificate(), again.certificate());
}

#[test]
fn keys_are_readable_by_their_owner_only() {
    let place = Place::new();
    let authority = place.open(&[]).unwrap();
    authority.server(&names(&[])).unwrap().load().unwrap();
    assert_eq!(mode(&place.files().keys), 0o700);
    for file in [AUTHORITY_FILE, SERVER_FILE] {
        assert_eq!(mode(&place.files().keys.join(file)), 0o600, "{file}");
    }
    assert_eq!(mode(&place.files().certificate), 0o644);
    assert!(
        !fs_err::read_to_string(place.files().certificate)
            .unwrap()
            .contains("PRIVATE")
    );
}

#[test]
fn a_client_takes_the_certificate_under_each_of_its_names() {
    let place = Place::new();
    let configured = ["state.example.com", "203.0.113.7", "10.1.2.3"];
    let authority = place.open(&configured).unwrap();
    let identity = Arc::clone(&authority)
        .server(&names(&configured))
        .unwrap()
        .load()
        .unwrap();
    let now = UnixTime::now();
    for good in [
        "localhost",
        "127.0.0.1",
        "::1",
        "state.example.com",
        "203.0.113.7",
        "10.1.2.3",
    ] {
        trusted(&authority, &identity, good, now).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for bad in ["example.com", "127.0.0.2", "::2"] {
        assert!(trusted(&authority, &identity, bad, now).is_err(), "{bad}");
    }
    let of_days = |days_from_now| {
        UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + days(days_from_now))
    };
    trusted(&authority, &identity, "localhost", of_days(89)).unwrap();
    assert!(trusted(&authority, &identity, "localhost", of_days(91)).is_err());
}

#[test]
fn a_client_refuses_what_the_authority_may_not_sign() {
    let place = Place::new();
    let authority = place.open(&[]).unwrap();
    for stolen in ["bank.example.com", "8.8.8.8", "notlocalhost"] {
        let text = authority
            .issue(&[name(stolen)], moment(UnixTime::now()))
            .unwrap();
        let identity = Identity::from_pem(text.as_bytes(), text.as_bytes(), "stolen").unwrap();
        let error = trusted(&authority, &identity, stolen, UnixTime::now()).unwrap_err();
        assert!(
            format!("{error:?}").contains("NameConstraint"),
            "{stolen}: {error:?}"
        );
    }
}

#[test]
fn the_authority_says_itself_what_it_may_not_sign() {
    let place = Place::new();
    let authority = place.open(&["state.example.com"]).unwrap();
    for inside in [
        "a.state.example.com",
        "db.internal",
        "x.localhost",
        "192.168.7.7",
        "fd00::1",
        "127.9.9.9",
    ] {
        assert!(authority.permitted.covers(&name(inside)), "{inside}");
    }
    for outside in [
        "example.com",
        "xstate.example.com",
        "172.32.0.1",
        "2001:db8::1",
        "11.0.0.1",
    ] {
        let error = Arc::clone(&authority)
            .server(&names(&[outside]))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("may not sign for {outside}")),
            "{error}"
        );
    }
}

#[test]
fn a_wished_name_that_it_may_not_sign_is_left_out() {
    let place = Place::new();
    let authority = place.open(&[]).unwrap();
    let wish = Names {
        required: vec![name("localhost")],
        wished: vec![name("a1b2c3"), name("db.internal")],
    };
    assert_eq!(
        authority.server(&wish).unwrap().names(),
        [name("localhost"), name("db.internal")]
    );
}

#[test]
fn a_certificate_is_renewed_in_time_and_not_before() {
    let place = Place::new();
    let server = place.open(&[]).unwrap().server(&names(&[])).unwrap();
    let start = UnixTime::now();
    let after = |days_later| {
        UnixTime::since_unix_epoch(Duration::from_secs(start.as_secs()) + days(days_later))
    };
    let first = server.at(start).unwrap();
    assert_eq!(
        first.not_after_unix_s() - start.as_secs(),
        days(LEAF_DAYS).as_secs()
    );
    assert_eq!(
        server
            .at(after(LEAF_DAYS - RENEW_DAYS))
            .unwrap()
            .certificate(),
        first.certificate()
    );
    let renewed = server.at(after(LEAF_DAYS - RENEW_DAYS + 1)).unwrap();
    assert_ne!(renewed.certificate(), first.certificate());
    assert!(renewed.not_after_unix_s() > first.not_after_unix_s());
    // A machine that slept past the end.
    assert_ne!(
        server.at(after(400)).unwrap().certificate(),
        renewed.certificate()
    );
}

#[test]
fn other_names_or_another_authority_mean_another_certificate() {
    let place = Place::new();
    let authority = place.open(&["db.internal"]).unwrap();
    let issue = |authority: &Arc<Authority>, configured: &[&str]| {
        Arc::clone(authority)
            .server(&names(configured))
            .unwrap()
            .load()
            .unwrap()
    };
    let one = issue(&authority, &[]);
    let two = issue(&authority, &["db.internal"]);
    assert_ne!(one.certificate(), two.certificate());
    two.check(&[name("db.internal")], UnixTime::now()).unwrap();
    assert_ne!(issue(&authority, &[]).certificate(), two.certificate());

    let left = issue(&authority, &[]);
    fs_err::remove_file(place.files().keys.join(AUTHORITY_FILE)).unwrap();
    fs_err::remove_file(&place.files().certificate).unwrap();
    let another = place.open(&[]).unwrap();
    assert_ne!(another.certificate(), authority.certificate());
    let right = issue(&another, &[]);
    assert_ne!(right.certificate(), left.certificate());
    trusted(&another, &right, "localhost", UnixTime::now()).unwrap();
}

#[test]
fn a_damaged_server_certificate_is_made_anew() {
    let place = Place::new();
    let server = place.open(&[]).unwrap().server(&names(&[])).unwrap();
    let first = server.load().unwrap();
    for damage in [
        "",
        "garbage",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        fs_err::write(server.path(), damage).unwrap();
        assert_ne!(server.load().unwrap().certificate(), first.certificate());
    }
}

/// Spoils an authority that exists; opening it must be refused in these words, and change nothing.
fn check(spoil: impl Fn(&Files), words: &[&str]) {
    let place = Place::new();
    place.open(&[]).unwrap();
    spoil(&place.files());
    let all = || {
        let file = place.files().keys.join(AUTHORITY_FILE);
        (
            fs_err::read(&place.files().certificate).ok(),
            fs_err::read(file).ok(),
        )
    };
    let before = all();
    let error = place.open(&[]).unwrap_err().to_string();
    for words in words {
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(all(), before);
}

#[test]
fn an_authority_that_lost_its_key_is_not_replaced_in_silence() {
    let gone = |files: &Files| fs_err::remove_file(files.keys.join(AUTHORITY_FILE)).unwrap();
    check(
        gone,
        &[
            "ca.pem is there",
            "authority.pem is not",
            "every client must then be told",
        ],
    );
}

#[test]
fn a_damaged_authority_is_not_replaced_in_silence() {
    for damage in ["", "garbage"] {
        check(
            |files| fs_err::write(files.keys.join(AUTHORITY_FILE), damage).unwrap(),
            &["authority.pem cannot be used", "bring it back"],
        );
    }
    let foreign_key = |files: &Files| {
        let path = files.keys.join(AUTHORITY_FILE);
        let certificate =
            files::certificate_block(&fs_err::read_to_string(&path).unwrap()).unwrap();
        let key = KeyPair::generate().unwrap().serialize_pem();
        fs_err::write(path, certificate + &key).unwrap();
    };
    check(
        foreign_key,
        &["authority.pem cannot be used", "does not belong"],
    );
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let open_up = |files: &Files| {
        let permissions = std::fs::Permissions::from_mode(0o644);
        fs_err::set_permissions(files.keys.join(AUTHORITY_FILE), permissions).unwrap();
    };
    check(open_up, &["has mode 644", "chmod 600"]);
}

#[test]
fn the_public_copy_is_put_back_when_it_is_lost() {
    let place = Place::new();
    let authority = place.open(&[]).unwrap();
    fs_err::remove_file(&place.files().certificate).unwrap();
    place.open(&[]).unwrap();
    assert_eq!(
        fs_err::read_to_string(&place.files().certificate).unwrap(),
        authority.certificate_pem()
    );
}
