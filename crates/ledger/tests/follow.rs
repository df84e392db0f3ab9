//! Whoever follows a log sees that it was cut, rewritten, forked, handed on without its keys, or had something left out.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use statehouse_ledger::follow::{Follower, Refused};
use statehouse_ledger::sha256;
use support::{HOUSE, Log};

/// Takes what is new in a log, and the checkpoint over it.
fn follow(follower: &mut Follower, log: &Log, note: &str) -> Result<(), Refused> {
    let known = usize::try_from(follower.size()).unwrap();
    for leaf in log.leaves.iter().skip(known) {
        follower.take(leaf)?;
    }
    follower.believe(note.as_bytes())
}

fn at(log: &Log) -> Follower {
    let mut follower = Follower::new();
    follow(&mut follower, log, &log.newest()).unwrap();
    follower
}

fn refused(follower: &Follower, log: &Log) -> Refused {
    follow(&mut follower.clone(), log, &log.newest()).unwrap_err()
}

fn workspace(number: u64) -> String {
    format!("ws-{HOUSE}{number:016}")
}

#[test]
fn the_newest_version_of_every_workspace_is_known_and_remembered() {
    let mut log = Log::of(50);
    let mut follower = at(&log);
    for _ in 0..20 {
        let remembered = Follower::parse(&follower.to_bytes()).unwrap();
        assert_eq!(remembered.to_bytes(), follower.to_bytes());
        follower = remembered;
        log.write(3);
        follow(&mut follower, &log, &log.newest()).unwrap();
        let leaf = log.size() - 1;
        let newest = follower.newest(&workspace(3)).unwrap();
        assert_eq!(
            (newest.leaf, &*newest.version),
            (leaf, &*format!("sv-{HOUSE}{leaf:016}"))
        );
        assert_eq!(
            newest.commitment,
            sha256(format!("commitment {leaf}").as_bytes())
        );
    }
    assert_eq!(follower.newest(&workspace(99)), None);
    let at_once = at(&log).to_bytes();
    assert_eq!(at_once, follower.to_bytes(), "by steps or at once");
}

#[test]
fn a_log_that_was_cut_rewritten_or_forked_is_refused() {
    let (log, mut longer) = (Log::of(40), Log::of(40));
    longer.write(3);
    let follower = at(&longer);
    assert!(matches!(
        refused(&follower, &log),
        Refused::Smaller {
            known: 41,
            offered: 40
        }
    ));
    let mut other = log.clone();
    other.write(4);
    assert!(matches!(
        refused(&follower, &other),
        Refused::Forked { size: 41 }
    ));
    // It grows on, and what was there before is not what was there before.
    other.write(5);
    let end = refused(&follower, &other);
    assert!(matches!(end, Refused::Forked { size: 42 }), "{end}");
}

#[test]
fn a_leaf_that_is_left_out_altered_or_put_elsewhere_is_refused() {
    let mut log = Log::of(40);
    let follower = at(&log);
    for number in [3, 3, 4, 3] {
        log.write(number);
    }
    let with = |change: fn(&mut Vec<Vec<u8>>)| {
        let mut other = log.clone();
        change(&mut other.leaves);
        follow(&mut follower.clone(), &other, &log.newest()).unwrap_err()
    };
    let end = with(|leaves| drop(leaves.remove(41)));
    assert!(matches!(end, Refused::Leaf { index: 41, .. }), "{end}");
    let end = with(|leaves| leaves.swap(40, 42));
    assert!(matches!(end, Refused::Leaf { index: 40, .. }), "{end}");
    let end = with(|leaves| drop(leaves.pop()));
    assert!(
        matches!(
            end,
            Refused::Short {
                known: 43,
                offered: 44
            }
        ),
        "{end}"
    );
    let end = with(|leaves| {
        let last = leaves.last_mut().unwrap();
        let place = last.iter().position(|byte| *byte == b'"').unwrap();
        last[place + 1] ^= 1;
    });
    assert!(
        matches!(
            end,
            Refused::Leaf { index: 43, .. } | Refused::Forked { .. }
        ),
        "{end}"
    );
    // A version that is left out of a log that is whole otherwise.
    let mut gap = log.clone();
    gap.version(3);
    gap.write(3);
    let end = refused(&follower, &gap);
    assert!(
        matches!(&end, Refused::Leaf { why, .. } if why.contains("must come next")),
        "{end}"
    );
}

#[test]
fn a_key_is_handed_on_by_both_or_not_at_all() {
    let mut log = Log::of(40);
    let follower = at(&log);
    log.rotate(2);
    let handed = log.notes.last().unwrap().1.clone();
    for alone in [1, 2] {
        let end = follow(&mut follower.clone(), &log, &log.head(&[alone])).unwrap_err();
        assert!(matches!(end, Refused::Signature { size: 41, .. }), "{end}");
    }
    let mut follower = follower;
    follow(&mut follower, &log, &handed).unwrap();
    follower = Follower::parse(&follower.to_bytes()).unwrap();
    log.write(3);
    follow(&mut follower, &log, &log.newest()).unwrap();
    let end = follow(&mut follower.clone(), &log, &log.head(&[1])).unwrap_err();
    assert!(
        matches!(end, Refused::Signature { .. }),
        "the old key is worth nothing now: {end}"
    );
    // Two new keys, and nobody vouched for the first.
    let mut twice = Log::of(40);
    twice.rotate(2);
    twice.rotate(3);
    let end = refused(&at(&Log::of(40)), &twice);
    assert!(matches!(end, Refused::Leaf { index: 41, .. }), "{end}");
    let mut stranger = Log::of(40);
    stranger.keys = vec![9];
    assert!(matches!(
        refused(&at(&Log::of(40)), &stranger),
        Refused::Signature { .. }
    ));
}

#[test]
fn a_restore_goes_on_under_a_new_origin_and_never_over_what_was_seen() {
    let old = Log::of(40);
    let mut restored = old.clone();
    restored.restore(old.size(), &old.root());
    let mut follower = at(&old);
    follow(&mut follower, &restored, &restored.newest()).unwrap();
    let stale = restored.head_as(&support::origin(1), &[1]);
    let end = follow(&mut follower.clone(), &restored, &stale).unwrap_err();
    assert!(matches!(end, Refused::Origin { .. }), "{end}");
    let mut beyond = old.clone();
    for _ in 0..5 {
        beyond.write(2);
    }
    for _ in 0..9 {
        restored.write(2);
    }
    let end = refused(&at(&beyond), &restored);
    assert!(
        matches!(end, Refused::Forked { .. } | Refused::Leaf { .. }),
        "{end}"
    );
}

#[test]
fn only_a_restore_that_says_so_gives_up_what_was_seen() {
    let mut beyond = Log::of(40);
    for _ in 0..5 {
        beyond.write(2);
    }
    let seen = at(&beyond);
    let declares = |size: u64, root, key: u8| {
        let mut log = Log::of(40);
        if key != 1 {
            log = Log::open(key);
        }
        log.restore(size, &root);
        at(&log).declares_lost(&seen)
    };
    let (size, root) = (beyond.size(), beyond.root());
    assert!(declares(size, root, 1));
    assert!(declares(size + 3, [7; 32], 1), "somebody saw more of it");
    assert!(!declares(size, [7; 32], 1), "that was another");
    assert!(!declares(size - 1, root, 1), "that was before");
    assert!(!declares(size, root, 2), "that is another log");
    assert!(!at(&Log::of(40)).declares_lost(&seen));
    assert!(!at(&Log::of(50)).declares_lost(&Follower::new()));
}

#[test]
fn what_is_remembered_reads_as_it_was_written_or_not_at_all() {
    let follower = at(&Log::of(23));
    let bytes = follower.to_bytes();
    for end in 0..bytes.len() {
        assert!(Follower::parse(&bytes[..end]).is_err(), "cut at {end}");
    }
    for name in ["frontier", "key", "newest", "origin", "size", "v"] {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let other = text.replacen(&format!("\"{name}\":"), &format!("\"{name}x\":"), 1);
        let read = Follower::parse(other.as_bytes());
        // Without a key nobody is believed by: it is none who knew nothing.
        assert!(read.is_err(), "without {name}");
    }
    assert!(matches!(
        Follower::new().believe(Log::of(1).newest().as_bytes()),
        Err(Refused::Short { .. })
    ));
}
