//! What the file and passphrase providers promise: secrets are private, never replaced, told apart, and
//! gone when destroyed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use fs_err as fs;
use secrecy::{ExposeSecret, SecretString};
use statehouse_seal::{EpochKeys, KeyDirectory, KeyName, Passphrase, RootError, RootKeys};

fn house(code: &str) -> KeyName {
    KeyName::parse(code).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// What every provider must do with wrapped keys.
fn check_wrapping(root: &dyn RootKeys) {
    let (one, two) = (house("ab12cd"), house("ab12ce"));
    root.create(&one).unwrap();
    root.create(&two).unwrap();
    assert!(root.present(&one).unwrap());
    let keys = EpochKeys::generate(5).unwrap();
    let wrapped = keys.wrap(root, "here", &one).unwrap();
    assert_ne!(
        wrapped,
        keys.wrap(root, "here", &one).unwrap(),
        "a fresh nonce each time"
    );
    let same = EpochKeys::unwrap(root, "here", &one, 5, &wrapped).unwrap();
    assert_eq!(
        same.signing_seed().expose_secret(),
        keys.signing_seed().expose_secret()
    );
    assert_eq!(same.epoch(), 5);

    let check = |site: &str, name: &KeyName, epoch: u32, wrapped: &[u8]| {
        let outcome = EpochKeys::unwrap(root, site, name, epoch, wrapped);
        assert!(
            matches!(outcome, Err(RootError::Refused { .. })),
            "{site} {name} {epoch}"
        );
    };
    check("there", &one, 5, &wrapped);
    check("here", &two, 5, &wrapped);
    check("here", &one, 6, &wrapped);
    for length in 0..wrapped.len() {
        check("here", &one, 5, &wrapped[..length]);
    }
    for bit in 0..wrapped.len() * 8 {
        let mut flipped = wrapped.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        check("here", &one, 5, &flipped);
    }
    let short = root.wrap(&one, b"", b"too short for four keys").unwrap();
    check("here", &one, 5, &short);
}

#[test]
fn a_key_directory_wraps_for_one_site_house_and_epoch() {
    let directory = tempfile::tempdir().unwrap();
    check_wrapping(&KeyDirectory::open(&directory.path().join("keys")).unwrap());
}

#[test]
fn a_key_directory_is_private_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/keys");
    let root = KeyDirectory::open(&path).unwrap();
    let name = house("ab12cd");
    assert!(!root.present(&name).unwrap());
    root.create(&name).unwrap();
    assert_eq!((mode(&path), mode(&root.file(&name))), (0o700, 0o600));
    let files: Vec<_> = fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(files, ["ab12cd.key"], "no temporary file stays");
    assert_eq!(
        root.restore_needs(&name),
        format!("the file {}", root.file(&name).display())
    );
    assert_eq!(root.describe(), format!("key directory {}", path.display()));
}

#[test]
fn files_and_directories_open_to_others_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    let root = KeyDirectory::open(&path).unwrap();
    let name = house("ab12cd");
    root.create(&name).unwrap();
    let file = root.file(&name);
    let refused = |error: RootError, bits: u32| {
        let said = error.to_string();
        assert!(
            matches!(error, RootError::Permissions { mode, .. } if mode == bits),
            "{said}"
        );
        assert!(said.contains("chmod"), "{said}");
    };
    for bits in [0o640, 0o604, 0o620, 0o644, 0o610] {
        set_mode(&file, bits);
        refused(root.wrap(&name, b"", b"").unwrap_err(), bits);
        refused(root.present(&name).unwrap_err(), bits);
    }
    set_mode(&file, 0o600);
    assert!(root.present(&name).unwrap());
    for bits in [0o750, 0o705, 0o755, 0o770] {
        set_mode(&path, bits);
        refused(KeyDirectory::open(&path).err().unwrap(), bits);
    }
    set_mode(&path, 0o700);
    assert!(KeyDirectory::open(&path).is_ok());
    let outcome = KeyDirectory::open(&file);
    assert!(
        matches!(outcome, Err(RootError::Damaged { .. })),
        "a file is no directory"
    );
}

#[test]
fn a_secret_is_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let root = KeyDirectory::open(&directory.path().join("keys")).unwrap();
    let name = house("ab12cd");
    root.create(&name).unwrap();
    let before = fs::read(root.file(&name)).unwrap();
    assert!(matches!(root.create(&name), Err(RootError::Exists { .. })));
    assert_eq!(fs::read(root.file(&name)).unwrap(), before);
    let won = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| root.create(&house("zz12cd")).is_ok()))
            .collect();
        threads
            .into_iter()
            .map(|thread| usize::from(thread.join().unwrap()))
            .sum::<usize>()
    });
    assert_eq!(won, 1, "of eight at once");
}

#[test]
fn a_destroyed_secret_is_gone_even_through_another_link() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    let root = KeyDirectory::open(&path).unwrap();
    let (name, other) = (house("ab12cd"), house("ab12ce"));
    root.create(&name).unwrap();
    root.create(&other).unwrap();
    let wrapped = EpochKeys::generate(1)
        .unwrap()
        .wrap(&root, "here", &name)
        .unwrap();
    let link = directory.path().join("link");
    fs::hard_link(root.file(&name), &link).unwrap();
    let leftover = path.join(".ab12cd.key.0011.tmp");
    fs::copy(root.file(&name), &leftover).unwrap();

    root.destroy(&name).unwrap();
    assert!(!root.file(&name).exists() && !leftover.exists());
    assert!(
        fs::read(&link).unwrap().iter().all(|byte| *byte == 0),
        "overwritten before unlinking"
    );
    assert!(!root.present(&name).unwrap() && root.present(&other).unwrap());
    let missing = |error: RootError| {
        assert!(matches!(error, RootError::Missing { .. }));
        assert!(error.to_string().contains("ab12cd.key"), "{error}");
    };
    missing(root.destroy(&name).unwrap_err());
    missing(
        EpochKeys::unwrap(&root, "here", &name, 1, &wrapped)
            .err()
            .unwrap(),
    );
    root.create(&name).unwrap();
    let again = EpochKeys::unwrap(&root, "here", &name, 1, &wrapped);
    assert!(
        matches!(again, Err(RootError::Refused { .. })),
        "a new secret is another secret"
    );
}

#[test]
fn a_damaged_or_misplaced_secret_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let root = KeyDirectory::open(&directory.path().join("keys")).unwrap();
    let name = house("ab12cd");
    root.create(&name).unwrap();
    let file = root.file(&name);
    let good = fs::read_to_string(&file).unwrap();
    let check = |content: &str, why: &str| {
        fs::write(&file, content).unwrap();
        let said = root.wrap(&name, b"", b"").unwrap_err().to_string();
        assert!(said.contains(why) && said.contains("ab12cd.key"), "{said}");
        assert!(root.present(&name).is_err());
    };
    check("", "not a house secret");
    check("hello\n", "not a house secret");
    check(&good[..good.len() - 20], "missing");
    check(
        &good.replace("house ab12cd", "house ab12ce"),
        "of house ab12ce",
    );
    check(&good.replace("\nsecret ", "\nsecret 0"), "check value");
    let at = good.find("\nsecret ").unwrap() + "\nsecret ".len();
    let digit = if good[at..].starts_with('0') {
        "1"
    } else {
        "0"
    };
    check(
        &[&good[..at], digit, &good[at + 1..]].concat(),
        "check value",
    );
    fs::write(&file, &good).unwrap();
    assert!(root.present(&name).unwrap());
}

fn passphrase(text: &str) -> SecretString {
    SecretString::from(text)
}

const WORDS: &str = "correct horse battery staple";

#[test]
fn a_passphrase_wraps_for_one_site_house_and_epoch() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    let root = Passphrase::open(&path, &passphrase(WORDS)).unwrap();
    check_wrapping(&root);
    assert_eq!(mode(&path), 0o700);
}

#[test]
fn the_same_passphrase_opens_again_and_a_wrong_one_is_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let (path, name) = (directory.path().join("keys"), house("ab12cd"));
    let wrapped = {
        let root = Passphrase::open(&path, &passphrase(WORDS)).unwrap();
        EpochKeys::generate(1)
            .unwrap()
            .wrap(&root, "here", &name)
            .unwrap()
    };
    let again = Passphrase::open(&path, &passphrase(WORDS)).unwrap();
    assert!(EpochKeys::unwrap(&again, "here", &name, 1, &wrapped).is_ok());
    assert!(again.present(&name).unwrap());
    let wrong = |text: &str| {
        let outcome = Passphrase::open(&path, &passphrase(text));
        assert!(
            matches!(outcome, Err(RootError::WrongPassphrase { .. })),
            "{text:?}"
        );
    };
    wrong("correct horse battery stapler");
    wrong("Correct horse battery staple");
    wrong("");

    let elsewhere = directory.path().join("elsewhere");
    let other = Passphrase::open(&elsewhere, &passphrase(WORDS)).unwrap();
    let outcome = EpochKeys::unwrap(&other, "here", &name, 1, &wrapped);
    assert!(
        matches!(outcome, Err(RootError::Refused { .. })),
        "another salt, another secret"
    );
}

#[test]
fn a_passphrase_too_short_for_every_house_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    for text in ["", "short", "fifteen letters"] {
        let outcome = Passphrase::open(&path, &passphrase(text));
        assert!(
            matches!(outcome, Err(RootError::WeakPassphrase { .. })),
            "{text:?}"
        );
    }
    assert!(
        fs::read_dir(&path).unwrap().next().is_none(),
        "nothing was begun"
    );
}

#[test]
fn altered_passphrase_parameters_never_open() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    Passphrase::open(&path, &passphrase(WORDS)).unwrap();
    let file = path.join("passphrase.parameters");
    let good = fs::read_to_string(&file).unwrap();
    let check = |content: &str, damaged: bool| {
        fs::write(&file, content).unwrap();
        match Passphrase::open(&path, &passphrase(WORDS)).err().unwrap() {
            RootError::Damaged { .. } => assert!(damaged),
            RootError::WrongPassphrase { .. } => assert!(!damaged),
            other => panic!("{other}"),
        }
    };
    check("", true);
    check(&good.replace("version 1", "version 2"), true);
    check(&good.replace("argon2id 65536", "argon2id 9999999"), true);
    check(&good.replace("argon2id 65536 3", "argon2id 65536 2"), false);
    check(&good.replace("argon2id 65536", "argon2id 32"), false);
}

#[test]
fn one_house_of_a_passphrase_cannot_be_shredded() {
    let directory = tempfile::tempdir().unwrap();
    let root = Passphrase::open(&directory.path().join("keys"), &passphrase(WORDS)).unwrap();
    let error = root.destroy(&house("ab12cd")).unwrap_err();
    assert!(matches!(error, RootError::CannotDestroy { .. }));
    assert!(error.to_string().contains("key directory"), "{error}");
    assert!(
        root.restore_needs(&house("ab12cd"))
            .contains("passphrase.parameters")
    );
}
