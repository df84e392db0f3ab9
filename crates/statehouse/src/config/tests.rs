#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use super::*;

/// A file over the default, the environment over the file, flags over all.
fn load(file: &str, environment: Environment, set: &[&str]) -> Result<Settings> {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("config.toml");
    fs_err::write(&path, file).unwrap();
    let sources = Sources {
        config: Some(path),
        set: set.iter().map(|&setting| setting.to_owned()).collect(),
    };
    Settings::load(&sources, &environment)
}

fn refusal(result: Result<impl Sized>) -> String {
    let failure = result.err().expect("it is refused");
    assert_eq!(failure.exit, crate::failure::Exit::Usage);
    format!("{} | {}", failure.message, failure.hint.unwrap_or_default())
}

#[test]
fn the_default_is_whole_and_explains_every_key() {
    let config = Settings::of_default().unwrap().config().unwrap();
    assert!(config.listen.address.is_loopback());
    assert_eq!(config.keys.provider, KeyProvider::Directory);
    assert_eq!(config.health.socket, "health.sock");
    assert!(config.database.address().unwrap().is_none());
    for entry in Settings::of_default().unwrap().entries().unwrap() {
        assert_eq!(entry.origin, "the default", "{}", entry.key);
    }
}

#[test]
fn the_later_layer_wins_and_is_named() {
    let file = "[listen]\nport = 1001\n[log]\nlevel = \"warn\"\n[tls]\nnames = [\"a.internal\"]\n";
    let variables = [
        ("STATEHOUSE_SERVER_LISTEN_PORT", "1002"),
        ("STATEHOUSE_SERVER_DOOR_BATCH_JOBS_MAX", "7"),
    ];
    let settings = load(file, variables.into(), &["listen.port=1003"]).unwrap();
    let config = settings.config().unwrap();
    assert_eq!(
        (
            config.listen.port,
            config.door.batch_jobs_max,
            config.log.level.as_str()
        ),
        (1003, 7, "warn")
    );
    let entries = settings.entries().unwrap();
    let check = |key: &str, origin: &str| {
        let entry = entries.iter().find(|entry| entry.key == key).unwrap();
        assert!(entry.origin.ends_with(origin), "{key}: {}", entry.origin);
    };
    check("listen.port", "--set listen.port");
    check("listen.address", "the default");
    check(
        "door.batch_jobs_max",
        "STATEHOUSE_SERVER_DOOR_BATCH_JOBS_MAX",
    );
    check("log.level", "config.toml");
}

#[test]
fn an_unknown_key_is_refused_with_its_origin() {
    let check = |file: &str, environment: Environment, set: &[&str], words: [&str; 2]| {
        let refusal = refusal(load(file, environment, set));
        for words in words {
            assert!(refusal.contains(words), "{refusal}");
        }
    };
    check(
        "[listen]\nprot = 1\n",
        [].into(),
        &[],
        [
            "unknown setting listen.prot in ",
            "config.toml | known there: listen.address, listen.port",
        ],
    );
    check(
        "port = 1\n",
        [].into(),
        &[],
        ["unknown setting port in ", "config default"],
    );
    check(
        "listen = 1\n",
        [].into(),
        &[],
        ["unknown setting listen in ", "config.toml"],
    );
    check(
        "",
        [("STATEHOUSE_SERVER_LISTEN_PROT", "1")].into(),
        &[],
        ["listen.prot in STATEHOUSE_SERVER_LISTEN_PROT", "known"],
    );
    check(
        "",
        [("STATEHOUSE_SERVER_PORT", "1")].into(),
        &[],
        ["in STATEHOUSE_SERVER_PORT", "config default"],
    );
    check(
        "",
        [].into(),
        &["data.directory=x"],
        ["data.directory in --set data.directory", "data.dir"],
    );
    check(
        "",
        [].into(),
        &["nonsense"],
        ["--set needs section.key=value", ""],
    );
}

/// A file is refused, in these words among others.
fn is_wrong(file: &str, words: [&str; 2]) {
    let refusal = refusal(load(file, [].into(), &[]).and_then(|settings| settings.config()));
    for words in words {
        assert!(refusal.contains(words), "{refusal}");
    }
}

#[test]
fn a_wrong_value_is_refused_with_its_origin() {
    let check = is_wrong;
    check(
        "[listen]\nport = 70000\n",
        ["listen.port in ", "config.toml"],
    );
    check(
        "[listen]\naddress = \"here\"\n",
        ["listen.address in ", "config.toml"],
    );
    check(
        "[keys]\nprovider = \"paper\"\n",
        ["keys.provider in ", "paper"],
    );
    check(
        "[keys]\nprovider = \"passphrase\"\n",
        ["does not fit together", "keys.passphrase_file"],
    );
    check(
        "[keys]\nprovider = \"pkcs11\"\n",
        ["does not fit together", "keys.module"],
    );
    check(
        "[tls]\nchain = \"a.pem\"\n",
        ["does not fit together", "tls.key"],
    );
    check("[tls]\nnames = [\"a b\"]\n", ["tls.names in ", "a b"]);
    check(
        "[health]\naddress = \"192.0.2.1:1\"\n",
        ["health.address in ", "loopback"],
    );
    check(
        "[database]\nurl = \"a\"\nurl_file = \"b\"\n",
        ["does not fit together", "only one"],
    );
    check(
        "[runs]\nlevel = \"process\"\n",
        [
            "does not fit together",
            "runs.level_reason is missing or says too little: ",
        ],
    );
    let process = |reason: &str| {
        format!("[runs]\nlevel = \"process\"\nlevel_reason = \"{reason}\"\nslots = 1\n")
    };
    for nothing in ["-", " x ", "\\u001b[0m", "\\u200b\\u200b\\u200b\\u200b"] {
        let words = ["does not fit together", "runs.level_reason"];
        check(&process(nothing), words);
    }
    let long = process(&"because ".repeat(1000));
    check(&long, ["runs.level_reason is too long: ", "at most 1024"]);
    check(
        "[runs]\nlevel = \"process\"\nlevel_reason = \"no namespaces here\"\n",
        ["does not fit together", "runs.slots"],
    );
    check("[data]\ndir = \"\"\n", ["data.dir in ", "empty"]);
    check(
        "[door]\nbatch_jobs_max = 0\n",
        ["door.batch_jobs_max in ", "it is 0"],
    );
    for step in ["plan", "apply"] {
        let file = format!("[runs]\n{step}_minutes_max = 0\n");
        let words = format!("runs.{step}_minutes_max in ");
        check(&file, [&words, "it is 0"]);
    }
    assert!(refusal(load("[listen\n", [].into(), &[])).contains("is not TOML"));
}

#[test]
fn secrets_are_neither_shown_nor_taken_from_arguments() {
    let url = "postgresql://app:hunter2@db.internal/statehouse?x=1";
    let settings = load(&format!("[database]\nurl = \"{url}\"\n"), [].into(), &[]).unwrap();
    for entry in settings.entries().unwrap() {
        assert!(
            !entry.value.to_string().contains("hunter2"),
            "{}",
            entry.key
        );
    }
    let address = settings
        .config()
        .unwrap()
        .database
        .address()
        .unwrap()
        .unwrap();
    assert_eq!(address.expose_secret(), url);
    assert_eq!(without_password(&address), "db.internal/statehouse");
    let refusal = refusal(load(
        "",
        [].into(),
        &["database.url=postgresql://a:hunter2@b"],
    ));
    assert!(
        refusal.contains("database.url_file") && !refusal.contains("hunter2"),
        "{refusal}"
    );
}

#[test]
fn a_proxy_with_its_password_is_neither_shown_nor_taken_from_arguments() {
    let url = "http://build:hunter2@proxy.corp.example:3128";
    let file = format!("[runs]\nproxy = \"{url}\"\n");
    let variable = [("STATEHOUSE_SERVER_RUNS_PROXY", url)];
    for settings in [load(&file, [].into(), &[]), load("", variable.into(), &[])] {
        let settings = settings.unwrap();
        let entries = settings.entries().unwrap();
        let proxy = entries.iter().find(|entry| entry.key == "runs.proxy");
        assert_eq!(proxy.unwrap().value, "(secret, set)");
        let (key, address) = settings
            .config()
            .unwrap()
            .runs
            .proxy_address()
            .unwrap()
            .unwrap();
        assert_eq!((key, address.expose_secret()), ("runs.proxy", url));
    }
    let refusal = refusal(load("", [].into(), &[&format!("runs.proxy={url}")]));
    assert!(
        refusal.contains("runs.proxy_file") && !refusal.contains("hunter2"),
        "{refusal}"
    );
}

#[test]
fn what_lies_beside_a_directory_is_named_after_it() {
    let config = Config::beside(Path::new("/tmp/house/"), &[]).unwrap();
    assert_eq!(config.data.dir, Path::new("/tmp/house"));
    assert_eq!(config.keys.dir, Path::new("/tmp/house.keys"));
    assert_eq!(config.data.anchors, Path::new("/tmp/house.anchor"));
}
