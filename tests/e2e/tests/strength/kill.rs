//! `kill -9`, again and again, under a load of everything that changes something.
//!
//! After each restart the server must be what its clients were told: no acknowledged write lost, an unanswered one there wholly
//! or not at all, a lock held by whom it was given to and by nobody else, a revoked token refused, and the ledger proven. Some
//! kills hit the server while it opens.
//!
//! The kernel keeps what a killed process wrote, so this says nothing about disks: that is [`super::power`].

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use statehouse_e2e::random::Random;
use statehouse_e2e::scale;

use crate::crash::check::Depth;
use crate::crash::cluster::Cluster;
use crate::crash::server::{Place, Server};
use crate::crash::{World, load};

/// The most changes that a server answers before it is killed.
const ANSWERS_MAX: usize = 40;
/// And the longest that it lives.
const LIFE_MAX: Duration = Duration::from_secs(3);
/// After them it lives up to this long, in microseconds, so that every step of a change is hit.
const REST_US_MAX: usize = 10_000;
/// The longest that a server lives that is killed while it opens.
const OPENING_MS_MAX: usize = 70;
/// One start in so many is such a one.
const OPENING_EVERY: usize = 8;
/// Every so many cycles everything is proven.
const WHOLE_EVERY: usize = 20;

fn survives(cycles: usize, seed: u64, place: &Place) {
    println!("{cycles} cycles with seed {seed}");
    let begun = Instant::now();
    let mut random = Random::new(seed);
    let (mut server, token) = Server::first(place, None);
    let world = World::create(&server, &token, &mut random);
    for cycle in 1..=cycles {
        let answers = random.below(ANSWERS_MAX);
        let rest = Duration::from_micros(random.below(REST_US_MAX) as u64);
        let target = server.target.clone();
        let loaded = load::run(&world, &target, &mut random, |over| {
            world.await_answers(answers, LIFE_MAX);
            std::thread::sleep(rest);
            over.store(true, Ordering::SeqCst);
            server.kill();
        });
        loaded.unwrap_or_else(|words| panic!("cycle {cycle} of seed {seed}: {words}"));
        if random.below(OPENING_EVERY) == 0 {
            Server::start_and_kill(
                place,
                Duration::from_millis(random.below(OPENING_MS_MAX) as u64),
            );
        }
        println!("cycle {cycle} of seed {seed}");
        server = Server::start(place, None);
        let depth = if cycle % WHOLE_EVERY == 0 || cycle == cycles {
            Depth::Whole
        } else {
            Depth::Usual
        };
        world.go_on(&server, depth, &mut random);
    }
    let spent = begun.elapsed().as_secs_f64();
    println!("{cycles} kills in {spent:.0} s, {}", world.history.told());
}

#[test]
fn no_answered_change_is_lost_by_kill_9_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("place");
    fs_err::create_dir(&place).unwrap();
    survives(200 * scale(), 0x5EED_0001, &Place::new(&place, None));
}

#[test]
fn no_answered_change_is_lost_by_kill_9_on_postgresql() {
    let folder = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .unwrap();
    let place = folder.path().join("place");
    fs_err::create_dir(&place).unwrap();
    let cluster = Cluster::create(&folder.path().join("cluster"))
        .start(None)
        .with_login();
    survives(
        60 * scale(),
        0x5EED_0002,
        &Place::new(&place, Some(cluster.url())),
    );
}
