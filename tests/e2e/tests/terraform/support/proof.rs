//! What every test ends with.

use super::house::Server;

/// Proves a workspace and all that the server holds: no version is missing, the exported ledger is whole and signed by the
/// key that the server names, which the file alone shows, and the databases are what their ledgers say.
pub(crate) fn prove(server: &Server, workspace: &str) {
    let versions = server.versions(workspace);
    let finished = versions
        .iter()
        .filter_map(|version| version["sequence"].as_u64());
    let finished: Vec<u64> = finished.collect();
    let newest = u64::try_from(finished.len()).unwrap();
    assert!(newest > 0, "{workspace} has no version");
    let expected: Vec<u64> = (1..=newest).rev().collect();
    assert_eq!(finished, expected, "{workspace}: {versions:?}");
    prove_all(server);
}

/// What the exported ledger tells a stranger of one thing, who has nothing else.
pub(crate) fn story(server: &Server, id: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("ledger.tar");
    let bundle = bundle.to_str().unwrap();
    server.run(&["ledger", "export", "--out", bundle]).done();
    let told = server.house.verify(&[bundle, "--about", id]).done();
    told.text().to_owned()
}

/// Proves what the server holds, whatever it is.
pub(crate) fn prove_all(server: &Server) {
    let keys = server.json(&["key", "list"]);
    let key = keys[0]["vkey"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("ledger.tar");
    let bundle = bundle.to_str().unwrap();
    server.run(&["ledger", "export", "--out", bundle]).done();
    let proven = ["proved: ", "is whole and unaltered"];
    server
        .house
        .verify(&[bundle, "--key", key])
        .ends(0, &proven);

    let so = ["PROVEN: the database is what its ledger says"];
    server.run(&["verify", "--live"]).ends(0, &so);
    server.run(&["verify", "--live", "--site"]).ends(0, &so);
}
