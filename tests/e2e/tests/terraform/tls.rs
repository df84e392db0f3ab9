//! What a real terraform gets for its connection.

use crate::support::house::House;
use crate::support::project::{APPLY, Project, resources};
use crate::support::proof::prove;

#[test]
fn terraform_gets_aes_256_although_it_asks_for_aes_128_first() {
    let home = tempfile::tempdir().unwrap();
    let server = House::serve(home.path(), &[("LOG_LEVEL", "debug")]).start();
    let before = server.log().len();
    let project = Project::ready(&server.block("tls"), &resources(1));
    project.run(APPLY).done();
    let log = server.log().split_off(before);
    let opened: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("a connection is open"))
        .collect();
    assert!(!opened.is_empty(), "{log}");
    for line in opened {
        assert!(line.contains("suite=TLS13_AES_256_GCM_SHA384"), "{line}");
    }
    prove(&server, "tls");
    server.stop();
}
