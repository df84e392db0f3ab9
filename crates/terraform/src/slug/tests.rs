//! Archives, built byte by byte, honest and not.

mod attacks;
mod bombs;
mod ignored;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// An archive that says whatever a test wants it to say.
#[derive(Default)]
struct Tape(Vec<u8>);

impl Tape {
    /// One header and its body, padded.
    fn entry(mut self, kind: u8, path: &[u8], link: &[u8], mode: u32, body: &[u8]) -> Tape {
        self.0
            .extend(header(kind, path, link, mode, body.len() as u64));
        self.0.extend(body);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, path: &str, body: &[u8]) -> Tape {
        self.entry(b'0', path.as_bytes(), b"", 0o644, body)
    }

    fn folder(self, path: &str) -> Tape {
        self.entry(b'5', path.as_bytes(), b"", 0o755, b"")
    }

    fn link(self, path: &str, target: &str) -> Tape {
        self.entry(b'2', path.as_bytes(), target.as_bytes(), 0o777, b"")
    }

    /// An extension header of PAX.
    fn pax(self, kind: u8, records: &[(&str, &str)]) -> Tape {
        let body: String = records
            .iter()
            .map(|(key, value)| record(key, value))
            .collect();
        self.entry(kind, b"pax", b"", 0o644, body.as_bytes())
    }

    /// The two empty blocks at the end, compressed.
    fn done(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        gzip(&self.0)
    }
}

fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}")
}

fn header(kind: u8, path: &[u8], link: &[u8], mode: u32, size: u64) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..path.len()].copy_from_slice(path);
    header[100..108].copy_from_slice(format!("{mode:07o}\0").as_bytes());
    header[108..116].copy_from_slice(b"0001750\0");
    header[116..124].copy_from_slice(b"0001750\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[136..148].copy_from_slice(b"14712345670\0");
    header[148..156].fill(b' ');
    header[156] = kind;
    header[157..157 + link.len()].copy_from_slice(link);
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn contents(archive: &[u8]) -> Contents {
    inspect(archive, &Limits::default()).unwrap()
}

fn refused(archive: &[u8]) -> Refused {
    refused_within(archive, &Limits::default())
}

fn refused_within(archive: &[u8], limits: &Limits) -> Refused {
    match inspect(archive, limits) {
        Err(SlugError::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

/// The reason that one entry is refused for.
fn fault(archive: &[u8]) -> Fault {
    match refused(archive) {
        Refused::Entry { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_configuration_is_read_with_every_path_and_digest() {
    let archive = Tape::default()
        .folder("./")
        .file("./main.tf", b"# main\n")
        .folder("./modules/net/")
        .entry(b'0', b"./modules/net/up.sh", b"", 0o104_755, b"#!/bin/sh\n")
        .link("./net", "modules/net")
        .done();
    let contents = contents(&archive);
    let paths: Vec<&str> = contents.nodes.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "main.tf",
            "modules",
            "modules/net",
            "modules/net/up.sh",
            "net"
        ]
    );
    assert_eq!((contents.files(), contents.bytes()), (2, 17));
    let script = &contents.nodes["modules/net/up.sh"];
    assert!(matches!(
        script,
        Node::File {
            executable: true,
            bytes: 10,
            ..
        }
    ));
    assert_eq!(
        contents.links().collect::<Vec<_>>(),
        [("net", "modules/net")]
    );
}

#[test]
fn the_digest_is_that_of_the_content_and_of_nothing_else() {
    let plain = |archive: Tape| contents(&archive.done()).digest;
    let one = plain(Tape::default().file("a.tf", b"a").file("b/c.tf", b"c"));
    let other = Tape::default()
        .pax(b'g', &[("comment", "0123456789abcdef")])
        .folder("b")
        .folder("empty")
        .pax(b'x', &[("mtime", "1.5"), ("path", "./b/c.tf")])
        .entry(b'0', b"short", b"", 0o600, b"c")
        .entry(b'0', b"./a.tf", b"", 0o6644, b"a");
    assert_eq!(plain(other), one);
    let different = [
        Tape::default().file("a.tf", b"A").file("b/c.tf", b"c"),
        Tape::default().file("a.tf", b"a").file("b/d.tf", b"c"),
        Tape::default()
            .file("a.tf", b"a")
            .entry(b'0', b"b/c.tf", b"", 0o755, b"c"),
        Tape::default().file("a.tf", b"a").link("b/c.tf", "../a.tf"),
        Tape::default().file("a.tf", b"a"),
        Tape::default()
            .file("a.tf", b"a")
            .file("b/c.tf", b"c")
            .file("d", b""),
    ];
    for (index, tape) in different.into_iter().enumerate() {
        assert_ne!(plain(tape), one, "{index}");
    }
}

#[test]
fn what_could_be_read_as_another_tree_has_another_digest() {
    let digest = |tape: Tape| contents(&tape.done()).digest;
    let one = digest(Tape::default().link("a", "bc"));
    assert_ne!(digest(Tape::default().link("ab", "c")), one);
    let one = digest(Tape::default().file("a", b"1").file("b", b"2"));
    assert_ne!(digest(Tape::default().file("a", b"2").file("b", b"1")), one);
}

#[test]
fn long_names_come_in_either_form() {
    let name = format!("{}/main.tf", ["folder-with-a-long-name"; 20].join("/"));
    let gnu = Tape::default()
        .entry(
            b'L',
            b"././@LongLink",
            b"",
            0o644,
            format!("{name}\0").as_bytes(),
        )
        .file("short", b"x");
    let pax = Tape::default()
        .pax(b'x', &[("path", &name)])
        .file("short", b"x");
    let (gnu, pax) = (contents(&gnu.done()), contents(&pax.done()));
    assert!(gnu.nodes.contains_key(&name));
    assert_eq!(gnu, pax);
    let link = Tape::default()
        .folder(&name[..90])
        .entry(
            b'K',
            b"././@LongLink",
            b"",
            0o644,
            format!("{}\0", &name[..90]).as_bytes(),
        )
        .link("short", "x");
    let link = contents(&link.done());
    assert_eq!(link.links().collect::<Vec<_>>(), [("short", &name[..90])]);
}

#[test]
fn an_archive_in_several_members_is_one_archive() {
    let whole = Tape::default().file("a.tf", b"a").file("b.tf", b"b").0;
    let (first, second) = whole.split_at(700);
    let archive = [gzip(first), gzip(second)].concat();
    assert_eq!(contents(&archive).files(), 2);
}

#[test]
fn every_cut_of_an_archive_is_refused_or_the_same() {
    let archive = Tape::default()
        .file("main.tf", &[b'x'; 3000])
        .link("l", "main.tf")
        .done();
    let whole = contents(&archive);
    for length in 0..archive.len() {
        match inspect(&archive[..length], &Limits::default()) {
            Ok(contents) => assert_eq!(contents, whole, "{length}"),
            Err(error) => assert!(matches!(error, SlugError::Refused(_)), "{length}: {error}"),
        }
    }
}

#[test]
fn every_flipped_bit_gets_an_answer() {
    let tape = Tape::default()
        .pax(b'x', &[("path", "modules/a.tf"), ("size", "5")])
        .file("short", b"12345")
        .link("l", "modules")
        .0;
    for bit in 0..tape.len() * 8 {
        let mut bytes = tape.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let _ = inspect(gzip(&bytes).as_slice(), &Limits::default());
    }
}

#[test]
fn an_error_of_the_source_is_not_taken_for_a_bad_archive() {
    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::TimedOut, "the line is dead"))
        }
    }

    let archive = Tape::default().file("a", &vec![7; 100_000]).done();
    let source = archive[..archive.len() / 2].chain(Broken);
    match inspect(source, &Limits::default()) {
        Err(SlugError::Io(error)) => assert_eq!(error.to_string(), "the line is dead"),
        other => panic!("{other:?}"),
    }
}
