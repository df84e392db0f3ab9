//! A hardware security module that goes away under a running server: who is open stays open, nobody else gets in.

use std::path::Path;
use std::process::Command;

use crate::keys::{CLOSED, write_secret};
use crate::support::child::Ran;
use crate::support::components;
use crate::support::house::House;
use crate::support::project::{APPLY, Project, resources};
use crate::support::proof::prove;

const GONE: &[&str] = &[
    "PKCS#11 token \"house\"",
    "is unavailable",
    "nothing was changed",
];

/// Makes a token of SoftHSM's in a folder of its own, and gives the file that says where it is.
fn token(home: &Path, tokens: &Path, module_tool: &Path) -> String {
    fs_err::create_dir(tokens).unwrap();
    let file = home.join("softhsm2.conf");
    let settings = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    fs_err::write(&file, settings).unwrap();
    let mut init = Command::new(module_tool);
    init.args(["--init-token", "--free", "--label", "house"]);
    init.args(["--pin", "1234-user", "--so-pin", "1234-officer"]);
    Ran::of(init.env("SOFTHSM2_CONF", &file)).done();
    file.to_str().unwrap().to_owned()
}

#[test]
fn without_its_hsm_an_open_organization_serves_and_a_closed_one_says_why_not() {
    let home = tempfile::tempdir().unwrap();
    let (module, tool) = components::softhsm();
    let [tokens, gone, pin] = ["tokens", "gone", "pin"].map(|name| home.path().join(name));
    let configuration = token(home.path(), &tokens, &tool);
    write_secret(&pin, "1234-user\n");
    let settings = [
        ("KEYS_PROVIDER", "pkcs11"),
        ("KEYS_MODULE", module.to_str().unwrap()),
        ("KEYS_TOKEN", "house"),
        ("KEYS_PIN_FILE", pin.to_str().unwrap()),
        ("SOFTHSM2_CONF", &configuration),
    ];
    let server = House::serve(home.path(), &settings).start();
    server.run(&["org", "create", "second"]).done();
    let project = Project::ready(&server.block("hsm"), &resources(2));
    project.run(APPLY).done();
    let server = server.restart();
    let before = project.pull();

    fs_err::rename(&tokens, &gone).unwrap();
    assert_eq!(project.pull(), before);
    project.write("main.tf", resources(3));
    project.run(APPLY).ends(0, &["1 added"]);
    let closed = ["workspace", "list", "--organization", "second"];
    server.run(&closed).ends(5, CLOSED);
    let log = server.log();
    assert!(GONE.iter().all(|words| log.contains(words)), "{log}");
    server.run(&["org", "create", "third"]).ends(5, GONE);
    server.run(&["key", "rotate"]).ends(5, GONE);

    // Stopped without it, the server does not start again before it is back.
    let after = project.pull();
    let house = server.stop();
    house.refuses().ends(5, GONE);
    fs_err::rename(&gone, &tokens).unwrap();
    let server = house.start();
    assert_eq!(project.pull(), after);
    // Away once more, and back under a running server.
    fs_err::rename(&tokens, &gone).unwrap();
    server.run(&closed).ends(5, CLOSED);
    fs_err::rename(&gone, &tokens).unwrap();
    server.run(&closed).done();
    server.run(&["org", "create", "third"]).done();
    server.run(&["key", "rotate"]).done();
    prove(&server, "hsm");
    server.stop();
}
