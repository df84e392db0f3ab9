#![allow(missing_docs)]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

use super::*;

fn policy() -> Vec<(String, Vec<u8>)> {
    let files = [
        ("network/deny.rego", "package network\n"),
        ("network/data.json", "{\"a\": 1}"),
        ("statehouse.toml", "name = \"net\"\n"),
        ("README.md", "passed over"),
    ];
    files
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into()
}

fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for (path, content) in files {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder
            .append_data(&mut header, path, content.as_slice())
            .unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn read(files: &[(String, Vec<u8>)]) -> Result<Bundle, BundleError> {
    Bundle::from_files(files.to_vec(), &Limits::default())
}

#[test]
fn a_directory_an_archive_and_memory_give_one_digest() {
    let files = policy();
    let place = tempfile::tempdir().unwrap();
    for (path, content) in &files {
        let path = place.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    fs::create_dir_all(place.path().join(".git")).unwrap();
    fs::write(place.path().join(".git/hook.rego"), "package hook").unwrap();
    let mut with_hidden = files.clone();
    with_hidden.push((".git/hook.rego".into(), b"package hook".to_vec()));
    with_hidden.reverse();
    let limits = Limits::default();
    let from_memory = read(&files).unwrap();
    let from_directory = Bundle::read_directory(place.path(), &limits).unwrap();
    let from_archive = Bundle::read_archive(archive(&with_hidden).as_slice(), &limits).unwrap();
    assert_eq!(from_memory, from_directory);
    assert_eq!(from_memory, from_archive);
    assert_eq!(from_memory.files().count(), 3);
    let text = serde_json::to_string(&from_memory.digest()).unwrap();
    assert_eq!(
        serde_json::from_str::<Digest>(&text).unwrap(),
        from_memory.digest()
    );
}

#[test]
fn any_change_of_a_path_or_a_text_is_another_digest() {
    let whole = read(&policy()).unwrap().digest();
    for (at, path, text) in [
        (0, "network/deny2.rego", "package network\n"),
        (0, "network/deny.rego", "package network \n"),
        (1, "network/data.json", "{\"a\": 2}"),
    ] {
        let mut files = policy();
        files[at] = (path.to_owned(), text.as_bytes().to_vec());
        assert_ne!(read(&files).unwrap().digest(), whole, "{path}");
    }
    let joined =
        |path: &str, text: &str| read(&[(path.to_owned(), text.as_bytes().to_vec())]).unwrap();
    assert_ne!(
        joined("a.rego", "b.rego").digest(),
        joined("a.regob.rego", "").digest()
    );
}

#[test]
fn what_is_no_bundle_is_refused_by_name() {
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = format!("{}.rego", "x".repeat(600));
    let deep = format!("{}x.rego", "d/".repeat(40));
    let huge = vec![b'#'; (1 << 20) + 1];
    for (path, content, words) in [
        ("a.json", nested.as_bytes(), "deeper than 100 levels"),
        ("a.json", b"{".as_slice(), "line 1 column 1"),
        ("a.rego", b"\xff\xfe".as_slice(), "UTF-8"),
        ("a.rego", huge.as_slice(), "larger than 1048576 bytes"),
        ("../a.rego", b"".as_slice(), "relative"),
        ("/etc/a.rego", b"".as_slice(), "relative"),
        ("a\u{1b}[2J.rego", b"".as_slice(), "relative"),
        (&long, b"".as_slice(), "longer than 512"),
        (&deep, b"".as_slice(), "deeper than 24"),
        ("README.md", b"".as_slice(), "no policy"),
    ] {
        let error = read(&[(path.to_owned(), content.to_vec())])
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{path}: {error}");
        assert!(!error.contains('\u{1b}'), "{error:?}");
        assert!(error.len() < 1000, "{error}");
    }
    let twice = [policy(), policy()].concat();
    assert!(read(&twice).unwrap_err().to_string().contains("twice"));
    let many = (0..20_000).map(|at| (format!("{at}.md"), Vec::new()));
    let many = Bundle::from_files(many, &Limits::default())
        .unwrap_err()
        .to_string();
    assert!(many.contains("more than 10000"), "{many}");
    let large = (0..80).map(|at| (format!("{at}.rego"), vec![b'#'; 1 << 20]));
    let large = Bundle::from_files(large, &Limits::default())
        .unwrap_err()
        .to_string();
    assert!(large.contains("together are larger"), "{large}");
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let limits = Limits::default();
    // A thousandth of its size: 1 GiB of zeros in a megabyte, none of which is ever kept.
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = Header::new_gnu();
    header.set_size(256 << 20);
    header.set_mode(0o644);
    header.set_cksum();
    builder
        .append_data(&mut header, "zeros.bin", io::repeat(0).take(256 << 20))
        .unwrap();
    let bomb = builder.into_inner().unwrap().finish().unwrap();
    let error = Bundle::read_archive(bomb.as_slice(), &limits)
        .unwrap_err()
        .to_string();
    assert!(error.contains("unpacks to more than"), "{error}");
    let zeros = archive(&[("zeros.rego".into(), vec![0; 3 << 20])]);
    let error = Bundle::read_archive(zeros.as_slice(), &limits)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("zeros.rego") && error.contains("1048576"),
        "{error}"
    );
    let mut noise = GzEncoder::new(Vec::new(), Compression::none());
    noise.write_all(&vec![7; 20 << 20]).unwrap();
    let error = Bundle::read_archive(noise.finish().unwrap().as_slice(), &limits).unwrap_err();
    assert!(matches!(error, BundleError::Archive(_)), "{error}");
    assert!(Bundle::read_archive(b"no archive".as_slice(), &limits).is_err());
    let cut = archive(&policy());
    assert!(Bundle::read_archive(&cut[..cut.len() / 2], &limits).is_err());
}

#[test]
fn links_are_refused_wherever_they_lead() {
    let limits = Limits::default();
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a.rego"), "package a").unwrap();
    fs::os::unix::fs::symlink("a.rego", place.path().join("b.rego")).unwrap();
    let error = Bundle::read_directory(place.path(), &limits)
        .unwrap_err()
        .to_string();
    assert!(error.contains("b.rego: it is a symbolic link"), "{error}");
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = Header::new_gnu();
    header.set_size(0);
    header.set_entry_type(EntryType::Symlink);
    builder
        .append_link(&mut header, "b.rego", "a.rego")
        .unwrap();
    let linked = builder.into_inner().unwrap().finish().unwrap();
    let error = Bundle::read_archive(linked.as_slice(), &limits)
        .unwrap_err()
        .to_string();
    assert!(error.contains("b.rego: it is a symbolic link"), "{error}");
}

#[test]
fn tests_are_no_policies_and_data_is_where_it_is_named_so() {
    let files = [
        "a.rego",
        "a_test.rego",
        "x/data.yaml",
        "x/mock.json",
        "data.json",
    ];
    let files = files.map(|path| {
        (
            path.to_owned(),
            if path.ends_with("json") {
                b"{}".to_vec()
            } else {
                Vec::new()
            },
        )
    });
    let bundle = read(&files).unwrap();
    let paths = |of: Vec<(&str, &str)>| {
        of.into_iter()
            .map(|(path, _)| path.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(paths(bundle.policies().collect()), ["a.rego"]);
    assert_eq!(paths(bundle.data().collect()), ["data.json", "x/data.yaml"]);
}
