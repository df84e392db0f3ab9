//! Archives of real programs, unpacked on a real disk, and folders packed.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use statehouse_terraform::slug::{Fault, Node, Refused, inspect};
use tempfile::TempDir;

use super::*;

fn write(root: &Path, path: &str, content: &[u8]) {
    let path = root.join(path);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, content).unwrap();
}

/// A configuration such as people have: modules, a script, links, a lock file, names that are long and not English.
fn configuration() -> TempDir {
    let root = TempDir::new().unwrap();
    let at = root.path();
    write(
        at,
        "main.tf",
        b"module \"net\" { source = \"./modules/net\" }\n",
    );
    write(
        at,
        "modules/net/main.tf",
        &(0..=255).cycle().take(200_000).collect::<Vec<u8>>(),
    );
    write(at, "modules/net/größe.tf", b"# \xc3\xbc\n");
    write(at, ".terraform.lock.hcl", b"# lock\n");
    let long = ["a-folder-with-quite-a-long-name"; 8].join("/");
    write(at, &format!("{long}/x.tf"), b"deep\n");
    write(at, "empty.tf", b"");
    write(at, "scripts/up.sh", b"#!/bin/sh\n");
    let script = at.join("scripts/up.sh");
    let mode = std::fs::Permissions::from_mode(0o4755);
    fs_err::set_permissions(script, mode).unwrap();
    symlink("modules/net/main.tf", at.join("linked.tf")).unwrap();
    symlink(long, at.join("deep")).unwrap();
    root
}

/// Everything below a folder, with content and mode.
fn listing(root: &Path) -> Vec<(String, u32, Vec<u8>)> {
    fn add(root: &Path, folder: &Path, found: &mut Vec<(String, u32, Vec<u8>)>) {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs_err::symlink_metadata(&path).unwrap();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if metadata.is_symlink() {
                let target = fs_err::read_link(&path).unwrap();
                found.push((name, 0, target.to_str().unwrap().into()));
            } else if metadata.is_dir() {
                add(root, &path, found);
            } else {
                let mode = metadata.permissions().mode() & 0o7777;
                found.push((name, mode, fs_err::read(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    add(root, root, &mut found);
    found.sort();
    found
}

fn tar(root: &Path, format: &str) -> Vec<u8> {
    let mut command = Command::new("tar");
    command.args(["--format", format, "-C"]).arg(root);
    let output = command.args(["-czf", "-", "."]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// What terraform's own packer writes: PAX where it must, folders with a slash, no `./`.
fn like_terraform(root: &Path) -> Vec<u8> {
    let mut command = Command::new("tar");
    command
        .args(["--format", "pax", "-C"])
        .arg(root)
        .args(["-czf", "-"]);
    let names = fs_err::read_dir(root).unwrap();
    let output = command.args(names.map(|entry| entry.unwrap().file_name()));
    output.output().unwrap().stdout
}

#[test]
fn archives_of_real_programs_unpack_byte_by_byte() {
    let source = configuration();
    let mut expected = listing(source.path());
    for (_, mode, _) in &mut expected {
        *mode &= 0o755;
    }
    let mut packed = Vec::new();
    pack(source.path(), &mut packed, &Limits::default()).unwrap();
    let archives = [
        tar(source.path(), "gnu"),
        tar(source.path(), "pax"),
        tar(source.path(), "oldgnu"),
        like_terraform(source.path()),
        packed,
    ];
    let target = TempDir::new().unwrap();
    let mut digests = Vec::new();
    for (index, archive) in archives.iter().enumerate() {
        let folder = target.path().join(index.to_string());
        let contents = unpack(archive.as_slice(), &folder, &Limits::default()).unwrap();
        assert_eq!(listing(&folder), expected, "{index}");
        assert_eq!(
            inspect(archive.as_slice(), &Limits::default()).unwrap(),
            contents
        );
        digests.push(contents.digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[test]
fn the_same_folder_is_the_same_bytes() {
    let (one, other) = (configuration(), configuration());
    let packed = |root: &TempDir| {
        let mut bytes = Vec::new();
        pack(root.path(), &mut bytes, &Limits::default()).unwrap();
        bytes
    };
    assert_eq!(packed(&one), packed(&other));
}

#[test]
fn what_is_ignored_is_not_packed() {
    let root = configuration();
    let at = root.path();
    write(at, ".terraformignore", b"*.sh\n/logs/\n!logs/keep.txt\n");
    write(at, "logs/a.txt", b"");
    write(at, "logs/keep.txt", b"");
    write(at, ".git/config", b"secret");
    write(at, ".terraform/providers/x", b"");
    write(at, ".terraform/modules/m/main.tf", b"");
    let mut bytes = Vec::new();
    let packed = pack(at, &mut bytes, &Limits::default()).unwrap();
    let contents = inspect(bytes.as_slice(), &Limits::default()).unwrap();
    let has = |path: &str| contents.nodes.contains_key(path);
    assert!(has(".terraformignore") && has("logs/keep.txt") && has(".terraform/modules/m/main.tf"));
    for path in [
        "scripts/up.sh",
        "logs/a.txt",
        ".git/config",
        ".terraform/providers/x",
    ] {
        assert!(!has(path), "{path}");
    }
    assert_eq!(contents.passed_over, 0);
    let counted = Packed {
        files: contents.files() as u64,
        bytes: contents.bytes(),
    };
    assert_eq!(packed, counted);
}

#[test]
fn what_leads_out_or_is_no_file_is_not_packed() {
    let pack = |root: &TempDir| pack(root.path(), io::sink(), &Limits::default());
    let root = configuration();
    symlink("/etc/passwd", root.path().join("out")).unwrap();
    assert!(matches!(pack(&root), Err(PackError::Escapes { .. })));
    let root = configuration();
    symlink("..", root.path().join("out")).unwrap();
    assert!(matches!(pack(&root), Err(PackError::Escapes { .. })));
    let root = configuration();
    let socket = root.path().join("socket");
    let _socket = std::os::unix::net::UnixListener::bind(socket).unwrap();
    assert!(matches!(pack(&root), Err(PackError::Kind(_))));
    let small = Limits {
        unpacked_bytes_max: 1000,
        ..Limits::default()
    };
    let root = configuration();
    let large = super::pack(root.path(), io::sink(), &small);
    assert!(matches!(large, Err(PackError::Large { .. })));
}

/// An archive of files, of which the last is outside.
fn escaping(path: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut add = |path: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o644);
        let name = &mut header.as_old_mut().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        builder.append(&header, &b"evil"[..]).unwrap();
    };
    add("main.tf");
    add(path);
    builder.into_inner().unwrap().finish().unwrap()
}

#[test]
fn nothing_is_left_of_a_refused_archive_and_nothing_was_outside() {
    let target = TempDir::new().unwrap();
    for path in ["../outside", "/tmp/../outside", "a/../../outside"] {
        let folder = target.path().join("unpacked");
        let refused = unpack(escaping(path).as_slice(), &folder, &Limits::default());
        let error = refused.unwrap_err();
        let SlugError::Refused(Refused::Entry { why, .. }) = &error else {
            panic!("{error}");
        };
        assert!(matches!(why, Fault::Parent | Fault::Absolute), "{why}");
        assert_eq!(fs_err::read_dir(target.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_folder_that_is_there_is_not_unpacked_into() {
    let target = TempDir::new().unwrap();
    write(target.path(), "mine", b"mine");
    let refused = unpack(escaping("x").as_slice(), target.path(), &Limits::default());
    assert!(matches!(refused, Err(SlugError::Io(_))));
    assert_eq!(fs_err::read(target.path().join("mine")).unwrap(), b"mine");
}

#[test]
fn a_mode_is_whether_it_can_be_executed() {
    let source = configuration();
    let target = TempDir::new().unwrap();
    let folder = target.path().join("unpacked");
    let contents = unpack(
        tar(source.path(), "gnu").as_slice(),
        &folder,
        &Limits::default(),
    );
    let contents = contents.unwrap();
    let script = &contents.nodes["scripts/up.sh"];
    assert!(matches!(
        script,
        Node::File {
            executable: true,
            ..
        }
    ));
    let mode = |path: &str| {
        let metadata = fs_err::metadata(folder.join(path)).unwrap();
        metadata.permissions().mode() & 0o7777
    };
    assert_eq!((mode("scripts/up.sh"), mode("main.tf")), (0o755, 0o644));
}
