//! The control of the canary search: a server whose seal leaves bodies readable.
//!
//! Only the feature `control` builds this. The same canaries, the same places, the same search as
//! in the test `strength`: here every sealed canary must be found, or the search there proves
//! nothing. What is never stored must stay away even so, because no seal ever hid it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use statehouse_e2e::canaries::plant;
use statehouse_e2e::scan::Search;
use statehouse_seal::SEALING;

const SEED: u64 = 0x5EED_0002;
const CANARIES: usize = 500;

#[test]
fn without_sealing_the_same_search_finds_every_canary() {
    const { assert!(!SEALING, "the control needs the feature `control`") };
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let planted = runtime.block_on(plant(folder.path(), SEED, CANARIES));
    drop(runtime);

    let mut search = Search::new(&planted.all());
    for place in &planted.places {
        search.folder(place);
    }
    let (files, bytes) = search.extent();
    let found = search.found();
    println!(
        "{} sealed canaries: {files} files, {bytes} bytes, {} found",
        planted.sealed.len(),
        found.len()
    );
    let missed: Vec<&String> = planted
        .sealed
        .iter()
        .filter(|canary| !found.contains_key(canary.as_str()))
        .collect();
    assert!(
        missed.is_empty(),
        "{} of {} were not found: {missed:?}",
        missed.len(),
        planted.sealed.len()
    );
}
