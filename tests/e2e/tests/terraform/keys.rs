//! Keys that are not there: a passphrase that is wrong, a file that is missing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::files::{NOTHING, changed, contents, only};
use crate::support::house::House;
use crate::support::project::{APPLY, Project, resources};
use crate::support::proof::prove;

/// What callers hear of an organization that does not open. Why is for the operator, in the log.
pub(crate) const CLOSED: &[&str] = &[
    "the organization cannot be opened now",
    "an operator of the server finds the cause in its log",
];

#[test]
fn a_missing_key_is_named_and_none_is_made_in_its_place() {
    let home = tempfile::tempdir().unwrap();
    let aside = home.path().join("aside");
    let server = House::up(home.path()).start();
    let project = Project::ready(&server.block("keys"), &resources(2));
    project.run(APPLY).done();
    let before = project.pull();
    let house = server.stop();
    let keys = house.folder(".keys");
    let of_house = only(&keys, "key", "site.key");
    let of_site = keys.join("site.key");

    // Without the key of the site, nothing starts, and no key or anchor is touched. The database is not written either, but
    // its engine may tidy up its files.
    fs_err::rename(&of_site, &aside).unwrap();
    let beside = [keys, house.folder(".anchor")];
    let files = contents(&beside);
    let missing = format!("is missing: restore the file {}", of_site.display());
    house
        .refuses()
        .ends(5, &["the secret of house site", &missing]);
    assert_eq!(changed(&files, &beside), NOTHING);
    fs_err::rename(&aside, &of_site).unwrap();

    // Without the key of one organization, the others are served, and it is back with its key.
    fs_err::rename(&of_house, &aside).unwrap();
    let server = house.start();
    server.run(&["state", "pull", "keys"]).ends(5, CLOSED);
    let missing = format!("is missing: restore the file {}", of_house.display());
    assert!(server.log().contains(&missing), "{}", server.log());
    project
        .run(APPLY)
        .ends(1, &["giving up after 3 attempt(s)"]);
    server.run(&["org", "create", "other"]).done();
    assert!(
        !of_house.exists(),
        "a key was made in the place of the missing one"
    );
    fs_err::rename(&aside, &of_house).unwrap();
    assert_eq!(project.pull(), before);
    project.is_settled();
    prove(&server, "keys");
    server.stop();
}

/// A file that only its owner reads.
pub(crate) fn write_secret(path: &Path, text: &str) {
    fs_err::write(path, text).unwrap();
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_wrong_passphrase_opens_nothing_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("passphrase");
    write_secret(&file, "correct horse battery staple\n");
    let settings = [
        ("KEYS_PROVIDER", "passphrase"),
        ("KEYS_PASSPHRASE_FILE", file.to_str().unwrap()),
    ];
    let server = House::serve(home.path(), &settings).start();
    let project = Project::ready(&server.block("keys"), &resources(2));
    project.run(APPLY).done();
    let before = project.pull();
    let house = server.stop();

    let all = ["", ".keys", ".anchor"].map(|suffix| house.folder(suffix));
    let files = contents(&all);
    write_secret(&file, "correct horse battery stable\n");
    house
        .refuses()
        .ends(1, &["wrong passphrase", "there is no other way in"]);
    assert_eq!(changed(&files, &all), NOTHING);
    write_secret(&file, "correct horse battery staple\n");
    let server = house.start();
    assert_eq!(project.pull(), before);
    prove(&server, "keys");
    server.stop();
}
