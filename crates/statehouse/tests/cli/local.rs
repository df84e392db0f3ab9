//! What needs no server: configuration, help, completions, color.

use std::process::Command;

use tempfile::tempdir;

use crate::support::{Ran, Server, statehouse};

fn run(adapt: impl Fn(&mut Command) -> &mut Command) -> Ran {
    let place = tempdir().unwrap();
    let mut command = statehouse(place.path());
    Ran::of(adapt(&mut command))
}

#[test]
fn the_configuration_in_force_is_shown_with_its_origins_and_without_secrets() {
    let place = tempdir().unwrap();
    fs_err::write(place.path().join("c.toml"), "[log]\nlevel = \"warn\"\n").unwrap();
    let mut command = statehouse(place.path());
    command.args([
        "config",
        "show",
        "--config",
        "c.toml",
        "--set",
        "listen.port=1234",
        "--output",
        "json",
    ]);
    command.env(
        "STATEHOUSE_SERVER_DATABASE_URL",
        "postgresql://app:hunter2@db.internal/x",
    );
    let shown = Ran::of(&mut command).done();
    assert!(!shown.text().contains("hunter2"), "{}", shown.text());
    let entries = shown.json();
    let check = |key: &str, value: serde_json::Value, origin: &str| {
        let entry = entries
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["key"] == key)
            .unwrap();
        assert_eq!(
            (&entry["value"], entry["origin"].as_str().unwrap()),
            (&value, origin)
        );
    };
    check("listen.port", 1234.into(), "--set listen.port");
    check("log.level", "warn".into(), "c.toml");
    check(
        "database.url",
        "(secret, set)".into(),
        "STATEHOUSE_SERVER_DATABASE_URL",
    );
    check("keys.provider", "directory".into(), "the default");
}

#[test]
fn an_unknown_setting_is_refused_by_name() {
    run(|command| {
        command
            .args(["config", "show"])
            .env("STATEHOUSE_SERVER_LISTEN_PROT", "1")
    })
    .ends(
        2,
        [
            "unknown setting listen.prot in STATEHOUSE_SERVER_LISTEN_PROT",
            "listen.port",
        ],
    );
    run(|command| command.args(["serve", "--set", "lisen.port=1"]))
        .ends(2, ["unknown setting lisen.port"]);
    run(|command| command.args(["serve", "--config", "nowhere.toml"])).ends(1, ["nowhere.toml"]);
    run(|command| command.args(["serve", "--set", "database.url=postgresql://a"]))
        .ends(2, ["database.url_file"]);
}

#[test]
fn the_default_configuration_is_printed_as_it_is() {
    assert_eq!(
        run(|command| command.args(["config", "default"]))
            .done()
            .text(),
        include_str!("../../config.default.toml")
    );
}

#[test]
fn help_lists_the_exit_codes_and_every_noun() {
    let help = run(|command| command.arg("--help")).done();
    for words in [
        "Exit codes:",
        "10-18",
        "NO_COLOR",
        "serve",
        "restore",
        "permissions",
        "STATEHOUSE_ADDRESS",
    ] {
        assert!(
            help.text().contains(words),
            "{words} is not in {}",
            help.text()
        );
    }
    assert_eq!(help.err, "");
    run(|command| command).ends(2, ["Usage:"]);
    assert!(
        run(|command| command.arg("--version"))
            .done()
            .text()
            .starts_with("statehouse 0.")
    );
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(|command| command.args(["completions", shell])).done();
        assert!(script.text().contains("quarantine"), "{shell}");
    }
    run(|command| command.args(["completions", "tea"])).ends(2, ["invalid value"]);
}

#[test]
fn no_color_is_honoured_on_both_streams() {
    let place = tempdir().unwrap();
    let server = Server::up(&place);
    let escapes = |variables: &[(&str, &str)]| {
        let shown = Ran::of(
            server
                .client(&["org", "list"])
                .envs(variables.iter().copied()),
        )
        .done();
        let failed = Ran::of(
            server
                .client(&["org", "show", "nobody"])
                .envs(variables.iter().copied()),
        );
        (shown.text().contains('\x1b'), failed.err.contains('\x1b'))
    };
    assert_eq!(escapes(&[]), (false, false));
    assert_eq!(escapes(&[("CLICOLOR_FORCE", "1")]), (true, true));
    assert_eq!(
        escapes(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]),
        (false, false)
    );
}
