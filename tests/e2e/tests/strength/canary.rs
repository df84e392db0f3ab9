//! The canary search: nothing that was meant to be sealed lies readable anywhere at rest.
//!
//! Its control is the test `control`, a build of its own in which the same search must find all.

use std::sync::Mutex;

use statehouse_e2e::canaries::plant;
use statehouse_e2e::scan::Search;
use statehouse_seal::SEALING;

const SEED: u64 = 0x5EED_0002;
/// Sealed canaries at scale 1.
const CANARIES: usize = 500;

#[test]
fn no_canary_lies_readable_at_rest() {
    // A constant here, and another one in the build of the control.
    let sealing = SEALING;
    assert!(
        sealing,
        "this build leaves what it seals readable; run it without the feature `control`"
    );
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("server.log");
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(Mutex::new(
            fs_err::File::create(&log).unwrap().into_parts().0,
        ))
        .init();
    tracing::info!("the log is captured");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let wanted = CANARIES * statehouse_e2e::scale();
    let planted = runtime.block_on(plant(folder.path(), SEED, wanted));
    drop(runtime);

    assert!(
        planted.sealed.len() >= wanted,
        "only {} canaries were planted",
        planted.sealed.len()
    );
    let mut search = Search::new(&planted.all());
    search.file(&log, "log");
    for place in &planted.places {
        search.folder(place);
    }
    let (files, bytes) = search.extent();
    let (sealed, never) = (planted.sealed.len(), planted.never_stored.len());
    println!(
        "{sealed} sealed canaries and {never} never stored: {files} files, {bytes} bytes, {} found",
        search.found().len()
    );
    assert!(
        fs_err::read_to_string(&log)
            .unwrap()
            .contains("the log is captured")
    );
    assert!(search.found().is_empty(), "{:#?}", search.found());
}
