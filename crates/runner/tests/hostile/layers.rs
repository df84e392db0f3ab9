//! A layer that is not there refuses the run and says its name.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use statehouse_runner::sandbox::{Error, Layer, Level, Settings, cgroup, prepare, probe};

use crate::world::{BUBBLEWRAP, Then, Whom, World};

/// A program that is bubblewrap, but for one word.
fn crippled(place: &Path, word: &str) -> PathBuf {
    let path = place.join(format!("without{word}"));
    let script = format!(
        "#!/bin/sh\nfor word; do if [ \"$word\" = '{word}' ]; then echo 'it is not allowed here' >&2; exit 1; fi; done\nexec {BUBBLEWRAP} \"$@\"\n"
    );
    program(&path, &script);
    path
}

fn program(path: &Path, script: &str) {
    fs::write(path, script).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

fn check(layer: Layer, settings: &Settings) {
    let missing = probe(settings).unwrap_err();
    assert_eq!(missing.layer, layer, "{missing}");
    assert!(missing.to_string().contains(&layer.to_string()) && !missing.what_next.is_empty());
    let process = Settings {
        level: Level::Process,
        ..settings.clone()
    };
    let layers = probe(&process).unwrap();
    assert!(
        layers.missing.iter().any(|missing| missing.layer == layer),
        "{layers:?}"
    );
}

#[test]
fn this_machine_has_every_layer() {
    let world = World::new(Whom::SeatOfRoot);
    let layers = probe(&world.settings).unwrap();
    assert!(
        layers.missing.is_empty() && layers.landlock.is_some() && layers.control_groups.is_some(),
        "{layers:?}"
    );
}

#[test]
fn jobs_that_begin_together_find_every_layer() {
    let world = World::new(Whom::SeatOfRoot);
    let parent = world.settings.cgroup.as_deref();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    cgroup::find(parent, true).unwrap();
                }
            });
        }
    });
}

#[test]
fn a_namespace_that_cannot_be_made_says_its_name() {
    let world = World::new(Whom::SeatOfRoot);
    let place = world.place.path();
    for (layer, word) in [
        (Layer::UserNamespace, "--disable-userns"),
        (Layer::MountNamespace, "--tmpfs"),
        (Layer::PidNamespace, "--unshare-pid"),
        (Layer::NetworkNamespace, "--unshare-net"),
        (Layer::IpcNamespace, "--unshare-ipc"),
        (Layer::UtsNamespace, "--unshare-uts"),
    ] {
        check(
            layer,
            &Settings {
                bubblewrap: crippled(place, word),
                ..world.settings.clone()
            },
        );
    }
}

#[test]
fn a_program_or_kernel_without_a_layer_says_its_name() {
    let world = World::new(Whom::SeatOfRoot);
    let place = world.place.path();
    let old = place.join("old");
    program(&old, "#!/bin/sh\necho bubblewrap 0.7.0\n");
    for bubblewrap in [place.join("not there"), old] {
        check(
            Layer::Bubblewrap,
            &Settings {
                bubblewrap,
                ..world.settings.clone()
            },
        );
    }
    for (layer, found) in [
        (
            Layer::Landlock,
            r#"{"landlock": {"Err": "not in this kernel"}, "seccomp": {"Ok": null}}"#,
        ),
        (
            Layer::Seccomp,
            r#"{"landlock": {"Ok": 7}, "seccomp": {"Err": "not in this kernel"}}"#,
        ),
    ] {
        let mut settings = world.settings.clone();
        settings.inside.program = place.join(format!("{layer}"));
        program(
            &settings.inside.program,
            &format!("#!/bin/sh\necho '{found}'\n"),
        );
        check(layer, &settings);
    }
    // A file is in the way of the directory.
    let cgroup = Some(PathBuf::from("cgroup.procs/below"));
    check(
        Layer::ControlGroups,
        &Settings {
            cgroup,
            ..world.settings.clone()
        },
    );
}

#[test]
fn root_without_users_for_runners_gets_no_seat_and_neither_does_a_shared_user() {
    let world = World::new(Whom::SeatOfRoot);
    let nobody = Settings {
        users: None,
        ..world.settings.clone()
    };
    assert!(
        matches!(prepare(&nobody, 1), Err(Error::Missing(missing)) if missing.layer == Layer::User)
    );
    assert_eq!(probe(&nobody).unwrap_err().layer, Layer::User);
    drop(world);
    let world = World::new(Whom::Ordinary);
    let answer = world.ask("seat", Level::Process, None, Then::Wait);
    assert!(
        answer
            .error
            .is_some_and(|error| error.contains("a separate user"))
    );
}
