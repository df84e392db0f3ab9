//! What the PKCS#11 provider promises, against a real SoftHSM.
//!
//! SoftHSM finds its tokens through an environment variable, which a test may not set for its own
//! process. So each test makes a private token and runs itself again as a child, with the variable set.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::needless_pass_by_value,
    clippy::disallowed_methods,
    missing_docs
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use fs_err as fs;
use secrecy::{ExposeSecret, SecretString};
use statehouse_seal::{
    EpochKeys, KeyName, Pkcs11, Pkcs11Mechanism, Pkcs11Settings, RootError, RootKeys,
};

const HINT: &str = "SoftHSM2 is needed for this test: `apt-get install softhsm2`";
const DIRECTORY: &str = "STATEHOUSE_TEST_TOKENS";
const LABEL: &str = "statehouse-test";
const PIN: &str = "1234-user";
const NAME: &str = "ab12cd";

/// Runs the body in a child of this test, with a fresh token; fails when the child did not run it.
fn with_token(test: &str, body: impl Fn(&Path)) {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return body(Path::new(&directory));
    }
    let directory = tempfile::tempdir().unwrap();
    let tokens = directory.path().join("tokens");
    let configuration = directory.path().join("softhsm2.conf");
    fs::create_dir(&tokens).unwrap();
    let settings = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    fs::write(&configuration, settings).unwrap();
    let made = Command::new("softhsm2-util")
        .args([
            "--init-token",
            "--free",
            "--label",
            LABEL,
            "--pin",
            PIN,
            "--so-pin",
            "1234-officer",
        ])
        .env("SOFTHSM2_CONF", &configuration)
        .output()
        .expect(HINT);
    assert!(
        made.status.success(),
        "{HINT}: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    let child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env("SOFTHSM2_CONF", &configuration)
        .env(DIRECTORY, &tokens)
        .output()
        .unwrap();
    let said =
        [child.stdout, child.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(
        child.status.success() && said[0].contains("1 passed"),
        "{}\n{}",
        said[0],
        said[1]
    );
}

fn module() -> PathBuf {
    [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    ]
    .into_iter()
    .map(PathBuf::from)
    .find(|path| path.exists())
    .expect(HINT)
}

fn settings(mechanism: Option<Pkcs11Mechanism>) -> Pkcs11Settings {
    Pkcs11Settings {
        module: module(),
        token: LABEL.to_owned(),
        pin: SecretString::from(PIN),
        mechanism,
    }
}

fn house(code: &str) -> KeyName {
    KeyName::parse(code).unwrap()
}

fn is_refused<T>(outcome: Result<T, RootError>) -> bool {
    matches!(outcome, Err(RootError::Refused { .. }))
}

fn is_unavailable<T>(outcome: Result<T, RootError>) -> bool {
    matches!(outcome, Err(RootError::Unavailable { .. }))
}

fn check_wrapping(mechanism: Pkcs11Mechanism) {
    let root = Pkcs11::open(settings(Some(mechanism))).unwrap();
    assert_eq!(root.mechanism(), mechanism);
    let (one, two) = (house(NAME), house("ab12ce"));
    assert!(!root.present(&one).unwrap());
    root.create(&one).unwrap();
    root.create(&two).unwrap();
    assert!(root.present(&one).unwrap());
    assert!(matches!(root.create(&one), Err(RootError::Exists { .. })));

    let keys = EpochKeys::generate(5).unwrap();
    let wrapped = keys.wrap(&root, "here", &one).unwrap();
    let same = EpochKeys::unwrap(&root, "here", &one, 5, &wrapped).unwrap();
    assert_eq!(
        same.signing_seed().expose_secret(),
        keys.signing_seed().expose_secret()
    );
    let check = |site: &str, name: &KeyName, epoch: u32, wrapped: &[u8]| {
        let outcome = EpochKeys::unwrap(&root, site, name, epoch, wrapped);
        assert!(
            is_refused(outcome),
            "{site} {name} {epoch} {}",
            wrapped.len()
        );
    };
    check("there", &one, 5, &wrapped);
    check("here", &two, 5, &wrapped);
    check("here", &one, 6, &wrapped);
    for byte in 0..wrapped.len() {
        let mut flipped = wrapped.clone();
        flipped[byte] ^= 1 << (byte % 8);
        check("here", &one, 5, &flipped);
        check("here", &one, 5, &wrapped[..byte]);
    }
    check("here", &one, 5, &[wrapped.as_slice(), &[0; 8]].concat());
    assert!(
        EpochKeys::unwrap(&root, "here", &one, 5, &wrapped).is_ok(),
        "refusals change nothing"
    );
}

#[test]
fn a_token_with_gcm_wraps_for_one_site_house_and_epoch() {
    with_token(
        "a_token_with_gcm_wraps_for_one_site_house_and_epoch",
        |_| {
            check_wrapping(Pkcs11Mechanism::AesGcm);
            assert_eq!(
                Pkcs11::open(settings(None)).unwrap().mechanism(),
                Pkcs11Mechanism::AesGcm
            );
        },
    );
}

#[test]
fn a_token_with_only_key_wrap_wraps_for_one_site_house_and_epoch() {
    with_token(
        "a_token_with_only_key_wrap_wraps_for_one_site_house_and_epoch",
        |_| {
            check_wrapping(Pkcs11Mechanism::AesKeyWrap);
        },
    );
}

#[test]
fn a_house_keeps_the_mechanism_it_began_with() {
    with_token("a_house_keeps_the_mechanism_it_began_with", |_| {
        let name = house(NAME);
        let wrapped = {
            let root = Pkcs11::open(settings(Some(Pkcs11Mechanism::AesKeyWrap))).unwrap();
            root.create(&name).unwrap();
            root.wrap(&name, b"associated", b"key").unwrap()
        };
        let root = Pkcs11::open(settings(None)).unwrap();
        assert_eq!(
            *root.unwrap(&name, b"associated", &wrapped).unwrap(),
            b"key"
        );
        let again = root.wrap(&name, b"associated", b"key").unwrap();
        assert_eq!(*root.unwrap(&name, b"associated", &again).unwrap(), b"key");
        assert_eq!(again[0], wrapped[0]);
    });
}

#[test]
fn a_destroyed_key_is_gone_from_the_token() {
    with_token("a_destroyed_key_is_gone_from_the_token", |_| {
        let (name, other) = (house(NAME), house("ab12ce"));
        let root = Pkcs11::open(settings(None)).unwrap();
        root.create(&name).unwrap();
        root.create(&other).unwrap();
        let wrapped = root.wrap(&name, b"", b"key").unwrap();
        root.destroy(&name).unwrap();
        assert!(!root.present(&name).unwrap() && root.present(&other).unwrap());
        let error = root.unwrap(&name, b"", &wrapped).unwrap_err();
        assert!(matches!(error, RootError::Missing { .. }), "{error}");
        assert!(error.to_string().contains("statehouse ab12cd"), "{error}");
        assert!(matches!(
            root.destroy(&name),
            Err(RootError::Missing { .. })
        ));
        root.create(&name).unwrap();
        assert!(
            is_refused(root.unwrap(&name, b"", &wrapped)),
            "a new key is another key"
        );
    });
}

#[test]
fn a_token_that_goes_away_is_unavailable_and_comes_back() {
    with_token(
        "a_token_that_goes_away_is_unavailable_and_comes_back",
        |tokens| {
            let name = house(NAME);
            let root = Pkcs11::open(settings(None)).unwrap();
            root.create(&name).unwrap();
            let wrapped = root.wrap(&name, b"", b"key").unwrap();
            let away = tokens.with_extension("away");
            for _ in 0..3 {
                fs::rename(tokens, &away).unwrap();
                assert!(is_unavailable(root.unwrap(&name, b"", &wrapped)), "unwrap");
                assert!(is_unavailable(root.wrap(&name, b"", b"key")), "wrap");
                assert!(is_unavailable(root.present(&name)), "gone is not missing");
                assert!(is_unavailable(root.create(&house("ab12ce"))), "create");
                assert!(is_unavailable(root.destroy(&name)), "destroy");
                assert!(is_unavailable(Pkcs11::open(settings(None))), "open");
                fs::rename(&away, tokens).unwrap();
                assert_eq!(*root.unwrap(&name, b"", &wrapped).unwrap(), b"key");
                assert!(root.present(&name).unwrap());
            }
            assert!(
                !root.present(&house("ab12ce")).unwrap(),
                "nothing was half done"
            );
        },
    );
}

#[test]
fn a_refused_pin_is_said_and_an_unknown_token_or_module_named() {
    with_token(
        "a_refused_pin_is_said_and_an_unknown_token_or_module_named",
        |_| {
            let wrong = Pkcs11Settings {
                pin: SecretString::from("0000-wrong"),
                ..settings(None)
            };
            let error = Pkcs11::open(wrong).err().unwrap();
            assert!(matches!(error, RootError::PinRefused { .. }), "{error}");
            assert!(!error.to_string().contains("0000-wrong"), "{error}");
            let unknown = Pkcs11Settings {
                token: "nobody".to_owned(),
                ..settings(None)
            };
            let error = Pkcs11::open(unknown).err().unwrap();
            assert!(matches!(error, RootError::Unavailable { .. }), "{error}");
            assert!(error.to_string().contains("nobody"), "{error}");
            let nothing = Pkcs11Settings {
                module: PathBuf::from("/nonexistent/module.so"),
                ..settings(None)
            };
            let error = Pkcs11::open(nothing).err().unwrap();
            assert!(matches!(error, RootError::Damaged { .. }), "{error}");
            assert!(
                error.to_string().contains("/nonexistent/module.so"),
                "{error}"
            );
        },
    );
}

#[test]
fn a_refused_pin_is_not_tried_again() {
    with_token("a_refused_pin_is_not_tried_again", |tokens| {
        let name = house(NAME);
        let root = Pkcs11::open(settings(None)).unwrap();
        root.create(&name).unwrap();
        let change_pin = |old: &str, new: &str| {
            let module = cryptoki::context::Pkcs11::new(module()).unwrap();
            let slot = module.get_slots_with_initialized_token().unwrap()[0];
            let session = module.open_rw_session(slot).unwrap();
            session
                .set_pin(&SecretString::from(old), &SecretString::from(new))
                .unwrap();
        };
        let lose_connection = || {
            let away = tokens.with_extension("away");
            fs::rename(tokens, &away).unwrap();
            assert!(is_unavailable(root.present(&name)));
            fs::rename(&away, tokens).unwrap();
        };
        let pin_refused = || matches!(root.present(&name), Err(RootError::PinRefused { .. }));
        change_pin(PIN, "another-pin");
        lose_connection();
        assert!(pin_refused(), "the changed PIN is noticed");
        change_pin("another-pin", PIN);
        assert!(pin_refused(), "although it would be right now");
        assert!(
            Pkcs11::open(settings(None))
                .unwrap()
                .present(&name)
                .unwrap(),
            "a restart helps"
        );
    });
}

#[test]
fn keys_never_leave_the_token() {
    with_token("keys_never_leave_the_token", |_| {
        use cryptoki::object::{Attribute, AttributeType};
        for mechanism in [Pkcs11Mechanism::AesGcm, Pkcs11Mechanism::AesKeyWrap] {
            let name = house(if mechanism == Pkcs11Mechanism::AesGcm {
                NAME
            } else {
                "ab12ce"
            });
            let root = Pkcs11::open(settings(Some(mechanism))).unwrap();
            root.create(&name).unwrap();
            let module = cryptoki::context::Pkcs11::new(module()).unwrap();
            let slot = module.get_slots_with_initialized_token().unwrap()[0];
            let session = module.open_ro_session(slot).unwrap();
            let label = Attribute::Label(format!("statehouse {name}").into_bytes());
            let found = session.find_objects(&[label]).unwrap();
            assert_eq!(found.len(), 1);
            let asked = [
                AttributeType::NeverExtractable,
                AttributeType::AlwaysSensitive,
                AttributeType::Local,
            ];
            let attributes = session.get_attributes(found[0], &asked).unwrap();
            assert!(attributes.contains(&Attribute::NeverExtractable(true)));
            assert!(attributes.contains(&Attribute::AlwaysSensitive(true)));
            assert!(attributes.contains(&Attribute::Local(true)));
            let value = session.get_attributes(found[0], &[AttributeType::Value]);
            assert!(value.map_or(true, |value| value.is_empty()));
        }
    });
}
