//! How phases begin and end: honest work goes through, limits say their name, and nothing is left.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fs_err as fs;
use statehouse_runner::sandbox::cgroup::{Group, Version};
use statehouse_runner::sandbox::{Egress, Exit, Host, Level, Listen, Network, Phase, within};

use crate::world::{EVERYBODY, Then, Whom, World};

const HONEST: &str = "set -e; echo work >file; cp /bin/true ./provider; ./provider; echo x >/tmp/x; \
    echo x >>$CACHE/x; cat $CONFIG/file $TOOLS/terraform; getent passwd runner; getent hosts localhost; ls /etc/ssl/certs \
    >/dev/null; date >/dev/null; echo x >/dev/null; head -c 8 /dev/urandom >/dev/null; (sleep 0) & wait; $ATTACK thread; id -u; \
    hostname; pwd; cat -; env | cut -d= -f1 | sort >names";

#[test]
fn honest_work_goes_through() {
    for whom in EVERYBODY {
        let world = World::new(whom);
        let mut phase = world.phase(Level::Strict, HONEST);
        phase.input = b"said on standard input\n".to_vec();
        let answer = world.run(Level::Strict, &phase);
        assert_eq!(answer.exit, Some(Exit::Code(0)), "{whom:?}: {answer:?}");
        assert!(
            answer
                .output
                .ends_with("trying\n1000\nstatehouse\n/workspace\nsaid on standard input\n"),
            "{answer:?}"
        );
        let names = fs::read_to_string(world.seat.work().join("names")).unwrap();
        let given = |name: &&str| phase.environment.iter().any(|(known, _)| known == name);
        // What a shell makes up for itself.
        let own = |name: &&str| ["PWD", "OLDPWD", "SHLVL", "_"].contains(name);
        let inherited: Vec<&str> = names
            .lines()
            .filter(|name| !given(name) && !own(name))
            .collect();
        assert!(
            inherited.is_empty() && names.lines().any(|name| name == "SECRETS"),
            "{whom:?}: {inherited:?}"
        );
    }
}

#[test]
fn a_library_that_the_environment_forces_in_is_restricted_too() {
    let world = World::new(Whom::SeatOfRoot);
    for (level, said) in [(Level::Strict, "restricted\n"), (Level::Process, "free\n")] {
        let mut phase = world.phase(level, "exit 0");
        let library = phase.read[2]
            .place(level)
            .join("forced.so")
            .display()
            .to_string();
        phase.environment.push(("LD_PRELOAD".into(), library));
        let answer = world.run(level, &phase);
        assert_eq!(
            (answer.exit, &*answer.output),
            (Some(Exit::Code(0)), said),
            "{answer:?}"
        );
    }
}

#[test]
fn a_command_ends_by_itself_by_a_signal_by_a_limit_or_by_the_clock() {
    for whom in EVERYBODY {
        let world = World::new(whom);
        for level in [Level::Strict, Level::Process] {
            for (script, exit) in [
                ("exit 0", Exit::Code(0)),
                ("exit 2", Exit::Code(2)),
                ("kill -TERM $$", Exit::Signal(15)),
                ("$ATTACK memory 400", Exit::OutOfMemory),
                ("$ATTACK processes 200", Exit::TooManyProcesses),
                ("$ATTACK busy 15", Exit::Signal(9)),
                ("sleep 60", Exit::TimedOut),
                (
                    "sleep 60 & sleep 60 & setsid sleep 60 & exit 3",
                    Exit::Code(3),
                ),
            ] {
                let mut phase = world.phase(level, script);
                phase.limits = world.phase(Level::Strict, script).limits;
                phase.limits.wall =
                    Duration::from_secs(if exit == Exit::TimedOut { 1 } else { 30 });
                let answer = world.run(level, &phase);
                assert_eq!(
                    answer.exit,
                    Some(exit),
                    "{whom:?} {level:?} {script}: {answer:?}"
                );
            }
        }
    }
}

fn is_alive(seconds: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut words =
        processes.filter_map(|process| fs::read_to_string(process.path().join("cmdline")).ok());
    words.any(|words| words == format!("sleep\0{seconds}\0"))
}

fn until(what: impl Fn() -> bool, otherwise: &str) {
    let end = Instant::now() + Duration::from_secs(10);
    while !what() {
        assert!(Instant::now() < end, "{otherwise}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn no_daemon_outlives_its_phase() {
    for whom in EVERYBODY {
        let world = World::new(whom);
        let seconds = format!("9{}", world.seat.uid);
        let script = format!("$ATTACK linger {seconds}");
        for level in [Level::Strict, Level::Process] {
            let answer = world.run(level, &world.phase(level, &script));
            assert_eq!(answer.exit, Some(Exit::Code(0)), "{answer:?}");
            assert!(!is_alive(&seconds), "{whom:?} {level:?}");
        }
        // The control.
        assert!(world.bare(world.seat.uid, &script).status.success());
        until(|| is_alive(&seconds), "the daemon never came up");
        if whom == Whom::SeatOfRoot {
            world.seat.clear().unwrap();
            assert!(
                !is_alive(&seconds),
                "a user of its own is a list of what escaped"
            );
        } else {
            world.bare(0, &format!("pkill -f 'sleep {seconds}'"));
        }
    }
}

#[test]
fn nothing_goes_on_when_a_runner_lets_go_or_is_killed() {
    for whom in EVERYBODY {
        let world = World::new(whom);
        let seconds = format!("8{}", world.seat.uid);
        for level in [Level::Strict, Level::Process] {
            let phase = world.phase(level, &format!("sleep {seconds} & echo ready; wait"));
            let answer = world.ask("phase", level, Some(&phase), Then::Drop);
            assert_eq!(answer.error, None);
            assert!(!is_alive(&seconds), "{whom:?} {level:?}");
            let mut runner = world.start("phase", level, Some(&phase), Then::Wait);
            until(|| is_alive(&seconds), "the command never came up");
            runner.kill().unwrap();
            runner.wait().unwrap();
            until(
                || !is_alive(&seconds),
                "the command goes on without its runner",
            );
        }
    }
}

#[test]
fn an_interrupt_reaches_the_command_once_and_the_second_kills_it() {
    let waits = "while :; do sleep 0.05; done";
    let world = World::new(Whom::SeatOfRoot);
    for level in [Level::Strict, Level::Process] {
        for (script, interrupts, interruptible, exit) in [
            (
                format!("trap 'exit 7' INT; echo ready; {waits}"),
                1,
                true,
                Exit::Code(7),
            ),
            (
                format!("trap 'echo again' INT; echo ready; {waits}"),
                2,
                true,
                Exit::Signal(9),
            ),
            (
                "trap 'exit 7' INT; echo ready; sleep 0.5".to_owned(),
                1,
                false,
                Exit::Code(0),
            ),
        ] {
            let mut phase = world.phase(level, &script);
            phase.interruptible = interruptible;
            let answer = world.ask("phase", level, Some(&phase), Then::Interrupt(interrupts));
            assert_eq!(answer.exit, Some(exit), "{level:?} {script}: {answer:?}");
        }
    }
}

#[test]
fn a_cleared_seat_leaves_nothing() {
    for whom in EVERYBODY {
        let world = World::new(whom);
        let script = "mkdir -p a/b; echo x >a/b/c; chmod 0 a/b; chmod 0 a";
        assert_eq!(
            world
                .run(Level::Strict, &world.phase(Level::Strict, script))
                .exit,
            Some(Exit::Code(0))
        );
        if whom == Whom::SeatOfRoot {
            world.seat.clear().unwrap();
        } else {
            let answer = world.ask("clear", Level::Strict, None, Then::Wait);
            assert_eq!(answer.error, None);
        }
        let group = world.seat.group.clone().unwrap();
        let left: Vec<_> = group
            .directories
            .iter()
            .chain([&world.seat.directory])
            .filter(|path| path.exists())
            .collect();
        assert!(left.is_empty(), "{whom:?}: {left:?}");
    }
}

#[test]
fn what_is_asked_beyond_what_a_phase_gets_is_refused() {
    type Change = fn(&World, &mut Phase);
    let cases: [(&str, Change); 8] = [
        ("would show", |world, phase| {
            phase.read[0].source = world.place.path().join("secrets/data");
        }),
        ("would show", |world, phase| {
            phase.write[0].source = world.place.path().join("secrets");
        }),
        ("would show", |world, phase| {
            phase.work = world.place.path().join("secrets/keys");
        }),
        ("nothing can be shown at /etc/passwd", |_, phase| {
            phase.read[0].target = "/etc/passwd".into();
        }),
        ("not below the work directory", |_, phase| {
            phase.directory = "../..".into();
        }),
        ("has no absolute path", |_, phase| {
            phase.program = "sh".into();
        }),
        ("Permission denied", |_, phase| {
            phase.program = "/config/file".into();
        }),
        ("No such file", |_, phase| {
            phase.program = "/no/such/program".into();
        }),
    ];
    let world = World::new(Whom::SeatOfRoot);
    for (words, change) in cases {
        let mut phase = world.phase(Level::Strict, "exit 0");
        change(&world, &mut phase);
        let answer = world.run(Level::Strict, &phase);
        assert!(
            answer
                .error
                .as_deref()
                .is_some_and(|error| error.contains(words)),
            "{words}: {answer:?}"
        );
    }
}

#[test]
fn a_work_directory_shown_read_only_is_not_written_to() {
    let world = World::new(Whom::SeatOfRoot);
    for (writable, exit) in [(false, Exit::Code(2)), (true, Exit::Code(0))] {
        let mut phase = world.phase(Level::Strict, "echo x >$WORK/file");
        phase.work_writable = writable;
        assert_eq!(world.run(Level::Strict, &phase).exit, Some(exit));
    }
}

#[test]
fn a_link_that_a_phase_left_is_not_followed() {
    let world = World::new(Whom::SeatOfRoot);
    let script = "echo plan >plan; ln -s $SECRETS/data/state link; mkfifo pipe";
    assert_eq!(
        world
            .run(Level::Strict, &world.phase(Level::Strict, script))
            .exit,
        Some(Exit::Code(0))
    );
    let work = world.seat.work();
    assert!(
        fs::read_to_string(work.join("link")).is_ok(),
        "without the care that is taken, it is followed"
    );
    for (name, allowed) in [("plan", true), ("link", false), ("pipe", false)] {
        assert_eq!(
            within::open(&work, name.as_ref(), 100).is_ok(),
            allowed,
            "{name}"
        );
    }
}

#[test]
fn the_way_out_is_the_relay_and_no_other_port() {
    for whom in EVERYBODY {
        let world = World::new(whom);
        let directory = world.place.path().join("egress");
        fs::create_dir(&directory).unwrap();
        let socket = directory.join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        for path in [&directory, &socket] {
            fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
        }
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut target = [0; 12];
                stream.read_exact(&mut target).unwrap();
                assert_eq!(&target, b"to the world");
                stream.write_all(b"pong").unwrap();
            }
        });
        for (script, exit) in [
            (
                "getent hosts db.internal; $ATTACK tcp 127.0.0.1 8080",
                Exit::Code(0),
            ),
            ("$ATTACK tcp 127.0.0.1 8081", Exit::Code(1)),
            ("$ATTACK tcp 127.0.0.1 $TCP", Exit::Code(1)),
            ("$ATTACK udp 127.0.0.1 $UDP", Exit::Code(1)),
        ] {
            let mut phase = world.phase(Level::Strict, script);
            phase.network = Network::Egress(Egress {
                socket: socket.clone(),
                listen: vec![Listen {
                    address: ([127, 0, 0, 1], 8080).into(),
                    target: "to the world".into(),
                }],
                hosts: vec![Host {
                    address: [127, 0, 0, 2].into(),
                    name: "db.internal".into(),
                }],
            });
            let answer = world.run(Level::Strict, &phase);
            assert_eq!(answer.exit, Some(exit), "{whom:?} {script}: {answer:?}");
        }
    }
}

/// Printed, and bounded loosely: the machine of a test is not the one that is measured.
#[test]
fn a_sandbox_starts_at_once() {
    let world = World::new(Whom::SeatOfRoot);
    let starts = world
        .ask("measure", Level::Strict, None, Then::Wait)
        .start_ms;
    let (middle, slow) = (starts[starts.len() / 2], starts[starts.len() * 95 / 100]);
    println!(
        "{} starts: median {middle:.1} ms, p95 {slow:.1} ms",
        starts.len()
    );
    assert!(starts.len() == 50 && slow < 2000.0, "{starts:?}");
}

/// Kills a process by its group, in every version of the interface that this machine has.
#[test]
fn a_group_that_is_struck_becomes_empty_and_goes() {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mut tried = 0;
    for mount in mounts.lines() {
        let words: Vec<&str> = mount.split(' ').collect();
        let version = match (words[2], words[3]) {
            ("cgroup2", _) => Version::Two,
            ("cgroup", options) if options.split(',').any(|option| option == "pids") => {
                Version::One
            }
            _ => continue,
        };
        let name = format!("statehouse-test-strike-{}", std::process::id());
        let directory = Path::new(words[1]).join(name);
        fs::create_dir(&directory).unwrap();
        fs::create_dir(directory.join("below")).unwrap();
        let group = Group {
            version,
            directories: vec![directory.clone()],
        };
        let mut child = Command::new("/bin/sleep").arg("60").spawn().unwrap();
        group.below("below").admit(child.id()).unwrap();
        // Where the kernel kills the group at once, nobody may be left to count.
        group.strike().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        until(|| group.strike().unwrap() == 0, "the group is never empty");
        group.remove().unwrap();
        assert!(!directory.exists());
        tried += 1;
    }
    assert!(tried > 0, "no control groups are mounted");
}
