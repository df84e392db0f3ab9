//! Archives that are made to cost.

use sha2::{Digest, Sha256};

use super::*;

/// Makes a stream of so many zeros, compressed, without ever holding it.
struct Zeros {
    head: Vec<u8>,
    left: u64,
}

impl Read for Zeros {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.head.is_empty() {
            let count = self.head.as_slice().read(buffer)?;
            self.head.drain(..count);
            return Ok(count);
        }
        let count = buffer.len().min(usize::try_from(self.left).unwrap());
        buffer[..count].fill(0);
        self.left -= count as u64;
        Ok(count)
    }
}

/// A header that announces `size` bytes, and as many zeros, through the compressor of a bomb's maker.
fn bomb(kind: u8, size: u64) -> impl Read {
    let head = header(kind, b"a", b"", 0o644, 0);
    let mut head = head;
    // The size in the form that GNU has for large ones.
    head[124..136].fill(0);
    head[124] = 0x80;
    head[128..136].copy_from_slice(&size.to_be_bytes());
    head[148..156].fill(b' ');
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let zeros = Zeros { head, left: size };
    flate2::read::GzEncoder::new(zeros, Compression::fast())
}

/// Refuses an archive after no more than so many bytes of it.
fn check(archive: impl Read, limits: &Limits, bytes_max: u64, expected: &Refused) {
    struct Counted<R>(R, u64);

    impl<R: Read> Read for Counted<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.read(buffer)?;
            self.1 += count as u64;
            Ok(count)
        }
    }

    let mut counted = Counted(archive, 0);
    match inspect(&mut counted, limits) {
        Err(SlugError::Refused(refused)) => assert_eq!(&refused, expected),
        other => panic!("{other:?}"),
    }
    assert!(counted.1 <= bytes_max, "{} bytes were read", counted.1);
}

#[test]
fn ten_gigabytes_of_zeros_end_at_the_ratio() {
    let refused = Refused::Ratio(200);
    check(bomb(b'0', 10 << 30), &Limits::default(), 200_000, &refused);
}

#[test]
fn ten_gigabytes_of_name_are_not_read_as_a_name() {
    for kind in *b"LKxg" {
        let refused = match inspect(bomb(kind, 10 << 30), &Limits::default()) {
            Err(SlugError::Refused(Refused::Entry { why, .. })) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused, Fault::Extension);
    }
}

#[test]
fn zeros_behind_the_end_are_counted() {
    let zeros = Zeros {
        head: Vec::new(),
        left: 10 << 30,
    };
    let archive = flate2::read::GzEncoder::new(zeros, Compression::fast());
    let refused = Refused::Ratio(200);
    check(archive, &Limits::default(), 200_000, &refused);
}

#[test]
fn a_million_entries_end_at_the_limit() {
    struct Entries(u32, Vec<u8>);

    impl Read for Entries {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.1.is_empty() && self.0 < 1_000_000 {
                self.0 += 1;
                self.1 = header(b'0', self.0.to_string().as_bytes(), b"", 0o644, 0);
            }
            let count = self.1.as_slice().read(buffer)?;
            self.1.drain(..count);
            Ok(count)
        }
    }

    let archive = flate2::read::GzEncoder::new(Entries(0, Vec::new()), Compression::fast());
    let limits = Limits {
        entries_max: 10_000,
        ..Limits::default()
    };
    check(archive, &limits, 1 << 20, &Refused::Entries(10_000));
}

#[test]
fn an_archive_in_an_archive_is_a_file() {
    let inner = Tape::default().file("a", &vec![0; 1 << 20]).done();
    let outer = Tape::default().file("inner.tar.gz", &inner).done();
    assert_eq!(contents(&outer).bytes(), inner.len() as u64);
}

#[test]
fn every_limit_names_itself() {
    let archive = |tape: Tape| tape.done();
    let with = |set: fn(&mut Limits)| {
        let mut limits = Limits::default();
        set(&mut limits);
        limits
    };
    let blocks = (0_u32..1250).map(|number| Sha256::digest(number.to_be_bytes()));
    let noise: Vec<u8> = blocks.flatten().collect();
    let large = archive(Tape::default().file("a", &noise));
    let limits = with(|limits| limits.compressed_bytes_max = 10_000);
    assert_eq!(refused_within(&large, &limits), Refused::Compressed(10_000));
    let limits = with(|limits| limits.unpacked_bytes_max = 10_000);
    assert_eq!(refused_within(&large, &limits), Refused::Unpacked(10_000));
    let two = archive(Tape::default().file("long/name", b"").file("a/b/c", b""));
    let limits = with(|limits| limits.entries_max = 1);
    assert_eq!(refused_within(&two, &limits), Refused::Entries(1));
    let limits = with(|limits| limits.names_bytes_max = 12);
    assert_eq!(refused_within(&two, &limits), Refused::Names(12));
    let limits = with(|limits| limits.path_bytes_max = 8);
    let refused = refused_within(&two, &limits);
    assert_eq!(refused, Refused::entry(b"long/name", Fault::Long(8)));
    let limits = with(|limits| limits.depth_max = 2);
    let refused = refused_within(&two, &limits);
    assert_eq!(refused, Refused::entry(b"a/b/c", Fault::Deep(2)));
}
