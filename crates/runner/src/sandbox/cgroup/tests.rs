#![allow(clippy::unwrap_used)]

use super::find::{Mounts, own_group, parse_mounts};
use super::*;

/// Directories that look like those of the kernel, as far as they are written to.
fn pretend(version: Version, files: &[&str]) -> (tempfile::TempDir, Group) {
    let place = tempfile::tempdir().unwrap();
    let names: &[&str] = if version == Version::One {
        &["memory", "pids"]
    } else {
        &["unified"]
    };
    let directories: Vec<PathBuf> = names.iter().map(|name| place.path().join(name)).collect();
    for directory in &directories {
        fs::create_dir_all(directory.join("seat")).unwrap();
    }
    for file in files {
        fs::write(place.path().join(file), "").unwrap();
    }
    (
        place,
        Group {
            version,
            directories,
        },
    )
}

#[test]
fn limits_are_set_in_the_words_of_each_version() {
    let one: &[(&str, &str)] = &[
        ("memory/seat/memory.limit_in_bytes", "4096"),
        ("memory/seat/memory.memsw.limit_in_bytes", "4096"),
        ("pids/seat/pids.max", "7"),
    ];
    let two: &[(&str, &str)] = &[
        ("unified/seat/memory.max", "4096"),
        ("unified/seat/memory.swap.max", "0"),
        ("unified/seat/pids.max", "7"),
    ];
    for (version, expected) in [(Version::One, one), (Version::Two, two)] {
        let files: Vec<&str> = expected.iter().map(|(file, _)| *file).collect();
        let (place, parent) = pretend(version, &files);
        parent.make("seat", 4096, 7).unwrap();
        for (file, content) in expected {
            assert_eq!(
                fs::read_to_string(place.path().join(file)).unwrap(),
                *content,
                "{file}"
            );
        }
    }
}

#[test]
fn a_group_that_cannot_be_limited_is_an_error() {
    let (_place, parent) = pretend(Version::Two, &["unified/seat/memory.max"]);
    let error = parent.make("seat", 4096, 7).unwrap_err();
    assert!(error.to_string().contains("pids.max"), "{error}");
}

#[test]
fn what_a_group_refused_is_counted() {
    for (version, memory, pids) in [
        (
            Version::One,
            "memory/seat/memory.oom_control",
            "pids/seat/pids.events",
        ),
        (
            Version::Two,
            "unified/seat/memory.events",
            "unified/seat/pids.events",
        ),
    ] {
        let (place, parent) = pretend(version, &[]);
        let group = parent.below("seat");
        assert_eq!(group.events(), Events::default());
        fs::write(
            place.path().join(memory),
            "oom 9\nunder_oom 0\noom_kill 3\n",
        )
        .unwrap();
        fs::write(place.path().join(pids), "max 5\n").unwrap();
        assert_eq!(
            group.events(),
            Events {
                killed_for_memory: 3,
                forks_refused: 5
            }
        );
    }
}

#[test]
fn mounts_are_read_off_the_kernels_list() {
    let hybrid = "31 24 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
        36 31 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        37 31 0:32 / /sys/fs/cgroup/pids rw shared:9 - cgroup cgroup rw,pids\n\
        38 31 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    assert_eq!(
        parse_mounts(hybrid),
        Mounts {
            memory: Some("/sys/fs/cgroup/memory".into()),
            pids: Some("/sys/fs/cgroup/pids".into()),
            unified: Some("/sys/fs/cgroup/unified".into()),
        }
    );
    let unified =
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    assert_eq!(
        parse_mounts(unified),
        Mounts {
            unified: Some("/sys/fs/cgroup".into()),
            ..Mounts::default()
        }
    );
    assert_eq!(
        parse_mounts("nonsense\n\n1 2 - cgroup\n"),
        Mounts::default()
    );
}

#[test]
fn the_own_group_is_found_in_both_versions() {
    let own = "9:name=systemd:/\n4:cpu,memory:/box/a\n0::/user.slice/run.scope\n";
    for (controller, path) in [
        ("memory", "box/a"),
        ("", "user.slice/run.scope"),
        ("pids", ""),
    ] {
        assert_eq!(own_group(own, controller), Path::new(path), "{controller}");
    }
    // Where a server went to so that its group could be divided, it finds the same group again.
    assert_eq!(
        own_group("0::/unit.service/server\n", ""),
        Path::new("unit.service")
    );
}
