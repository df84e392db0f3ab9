//! A machine with things worth stealing: what the attacks are let loose on, and the two ways of running them.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use fs_err as fs;
use serde::Deserialize;
use serde_json::json;
use statehouse_runner::sandbox::cgroup::{self, Group};
use statehouse_runner::sandbox::{
    Bind, Exit, Inside, Level, Limits, Phase, Seat, Settings, Users, prepare,
};

pub(crate) const BUBBLEWRAP: &str = "/usr/bin/bwrap";
const PROGRAM: &str = env!("CARGO_BIN_EXE_statehouse-sandbox");
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile/attack.c");

/// Who runs the phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// The user of a seat that root prepared.
    SeatOfRoot,
    /// Somebody who prepares a seat without any privilege, in a control group that was delegated.
    Ordinary,
}

pub(crate) const EVERYBODY: [Whom; 2] = [Whom::SeatOfRoot, Whom::Ordinary];

/// Worlds of this process.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Nobody else's on this machine: another for each process that tests, and for each world in it.
fn fresh_uid() -> u32 {
    200_000 + (std::process::id() % 10_000) * 100 + COUNT.fetch_add(1, Ordering::Relaxed)
}

/// What is done with a phase that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Wait,
    /// Interrupts it so often, each time after a line was said.
    Interrupt(u32),
    /// Lets go of it, after a line was said.
    Drop,
}

/// What the program answers.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub seat: Option<Seat>,
    pub exit: Option<Exit>,
    pub error: Option<String>,
    pub output: String,
    /// Shown when a test fails.
    #[allow(dead_code, reason = "read by Debug")]
    pub errors: String,
    pub start_ms: Vec<f64>,
}

pub(crate) struct World {
    pub whom: Whom,
    pub place: tempfile::TempDir,
    pub settings: Settings,
    pub seat: Seat,
    pub environment: Vec<(String, String)>,
    parent: Group,
    victim: Option<Child>,
    /// Open, and inherited by whatever is started.
    leak: fs::File,
}

impl World {
    pub(crate) fn new(whom: Whom) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests start runners of other users: run them as root"
        );
        assert!(
            Path::new(BUBBLEWRAP).exists(),
            "no {BUBBLEWRAP}: ./dev test installs it"
        );
        let place = tempfile::tempdir().unwrap();
        let root = place.path().to_path_buf();
        open_to_all(&root);
        let uid = fresh_uid();
        furnish(&root, uid);
        let name = format!("statehouse-test-{uid}");
        let parent = cgroup::find(Some(Path::new(&name)), true).unwrap();
        parent.make("server", 4 << 30, 4096).unwrap();
        let settings = settings(&root, whom, uid, &name);
        let leak = fs::File::open(root.join("secrets/data/state")).unwrap();
        rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
        let mut world = Self {
            whom,
            seat: Seat {
                slot: 0,
                uid,
                gid: uid,
                directory: root.clone(),
                group: None,
            },
            settings,
            environment: Vec::new(),
            parent,
            victim: None,
            leak,
            place,
        };
        world.seat = world.take_seat();
        // Before, it would have been taken for what an earlier runner left.
        let victim = Command::new("/bin/sleep")
            .arg("600")
            .env("SECRET", "of the victim")
            .uid(uid)
            .gid(uid)
            .spawn();
        world.victim = Some(victim.unwrap());
        world.environment = world.surroundings(&root);
        assert!(
            world
                .bare(uid, "$ATTACK share-memory $SHARED")
                .status
                .success()
        );
        world
    }

    fn take_seat(&self) -> Seat {
        if self.whom == Whom::SeatOfRoot {
            return prepare(&self.settings, 0).unwrap();
        }
        for directory in &self.parent.directories {
            for file in [
                "",
                "cgroup.procs",
                "tasks",
                "cgroup.subtree_control",
                "server/cgroup.procs",
            ] {
                let path = directory.join(file);
                if path.exists() {
                    fs::os::unix::fs::chown(path, Some(self.seat.uid), Some(self.seat.gid))
                        .unwrap();
                }
            }
        }
        let answer = self.ask("seat", Level::Strict, None, Then::Wait);
        answer.seat.unwrap_or_else(|| panic!("{:?}", answer.error))
    }

    fn surroundings(&self, root: &Path) -> Vec<(String, String)> {
        let (tcp, udp) = listen(root);
        let door = self.seat.group.as_ref().unwrap().directories[0].join("runner/cgroup.procs");
        let pairs = [
            ("PATH", "/usr/bin:/bin:/usr/sbin:/sbin".into()),
            ("SECRETS", root.join("secrets").display().to_string()),
            ("OUTSIDE", root.join("outside").display().to_string()),
            (
                "SOCKET",
                root.join("outside/docker.sock").display().to_string(),
            ),
            ("ABSTRACT", abstract_name(root)),
            ("TCP", tcp.to_string()),
            ("UDP", udp.to_string()),
            ("VICTIM", self.victim.as_ref().unwrap().id().to_string()),
            ("DOOR", door.display().to_string()),
            (
                "LEAK",
                std::os::fd::AsRawFd::as_raw_fd(&self.leak).to_string(),
            ),
            ("SHARED", self.seat.uid.to_string()),
        ];
        pairs
            .map(|(name, value): (&str, String)| (name.to_owned(), value))
            .to_vec()
    }

    /// A shell that attacks, at a level. The paths are those that it finds there.
    pub(crate) fn phase(&self, level: Level, script: &str) -> Phase {
        let root = self.place.path();
        let bind = |name: &str| Bind {
            source: root.join(name),
            target: Path::new("/").join(name),
        };
        let mut phase = Phase::new("/bin/sh", self.seat.work());
        phase.arguments = vec!["-c".into(), script.into()];
        phase.read = vec![bind("attack"), bind("config"), bind("tools")];
        phase.write = vec![bind("cache")];
        phase.environment = self.environment.clone();
        let own = Bind {
            source: self.settings.inside.program.clone(),
            target: "/statehouse".into(),
        };
        let temporary = if level == Level::Strict {
            PathBuf::from("/tmp")
        } else {
            self.seat.work()
        };
        let paths = [
            ("ATTACK", phase.read[0].place(level)),
            ("CONFIG", phase.read[1].place(level)),
            ("TOOLS", phase.read[2].place(level)),
            ("CACHE", phase.write[0].place(level)),
            ("SELF", own.place(level)),
            ("TEMPORARY", &temporary),
        ];
        let mut named: Vec<_> = paths
            .map(|(name, path)| (name.to_owned(), path.display().to_string()))
            .to_vec();
        named.push((
            "WORK".into(),
            phase.work_bind().place(level).display().to_string(),
        ));
        phase.environment.extend(named);
        phase.limits = limits(level);
        phase
    }

    /// Runs a phase as the user of the seat.
    pub(crate) fn run(&self, level: Level, phase: &Phase) -> Answer {
        self.ask("phase", level, Some(phase), Then::Wait)
    }

    /// Has the program do something, as whoever does it, and reads what it answers.
    pub(crate) fn ask(
        &self,
        task: &str,
        level: Level,
        phase: Option<&Phase>,
        then: Then,
    ) -> Answer {
        let output = self
            .start(task, level, phase, then)
            .wait_with_output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Starts the program, in the control group that it belongs to.
    pub(crate) fn start(
        &self,
        task: &str,
        level: Level,
        phase: Option<&Phase>,
        then: Then,
    ) -> Child {
        let settings = Settings {
            level,
            ..self.settings.clone()
        };
        let interrupts = if let Then::Interrupt(times) = then {
            times
        } else {
            0
        };
        let request = json!({
            "settings": settings,
            "slot": 0,
            "seat": (task != "seat").then_some(&self.seat),
            "phase": phase,
            "interrupts": interrupts,
            "dropped": then == Then::Drop,
        });
        let mut child = Command::new(&self.settings.inside.program)
            .arg(task)
            .env("SECRET_OF_THE_SERVER", "secret")
            .uid(self.seat.uid)
            .gid(self.seat.gid)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        if self.whom == Whom::SeatOfRoot {
            self.seat.admit(child.id()).unwrap();
        } else {
            self.parent.below("server").admit(child.id()).unwrap();
        }
        let mut input = child.stdin.take().unwrap();
        input.write_all(request.to_string().as_bytes()).unwrap();
        child
    }

    /// Runs a shell with nothing around it, as a user of the machine.
    pub(crate) fn bare(&self, uid: u32, script: &str) -> Output {
        let phase = self.phase(Level::Process, script);
        Command::new(phase.program)
            .args(phase.arguments)
            .envs(phase.environment)
            .env("SECRET_OF_THE_SERVER", "secret")
            .current_dir(self.place.path())
            .uid(uid)
            .gid(uid)
            .output()
            .unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.bare(self.seat.uid, "$ATTACK unshare-memory $SHARED");
        let victim = self
            .victim
            .as_mut()
            .map(|victim| (victim.kill(), victim.wait()));
        let ended = (victim, self.seat.clear(), self.parent.remove());
        // One failure is told at a time.
        let clean = matches!(ended, (Some((Ok(()), Ok(_))), Ok(()), Ok(())));
        assert!(clean || thread::panicking(), "{ended:?}");
    }
}

fn settings(root: &Path, whom: Whom, uid: u32, cgroup: &str) -> Settings {
    let seats = root.join("seats");
    if whom == Whom::Ordinary {
        fs::create_dir(&seats).unwrap();
        fs::os::unix::fs::chown(&seats, Some(uid), Some(uid)).unwrap();
    }
    Settings {
        level: Level::Strict,
        bubblewrap: BUBBLEWRAP.into(),
        inside: Inside {
            program: root.join("statehouse-sandbox"),
            arguments: vec!["inside".into()],
        },
        seats,
        users: Some(Users {
            uid_first: uid,
            gid_first: uid,
        }),
        cgroup: Some(cgroup.into()),
        memory_bytes_max: 2 << 30,
        processes_max: 1000,
        forbidden: ["data", "keys", "anchors"]
            .map(|name| root.join("secrets").join(name))
            .to_vec(),
    }
}

/// Little in the sandbox; without it enough for every attack.
fn limits(level: Level) -> Limits {
    let little = Limits {
        memory_bytes: 128 << 20,
        processes: 64,
        cpu_seconds: 1,
        wall: Duration::from_secs(20),
        files: 64,
        file_bytes: 16 << 20,
        temporary_bytes: 16 << 20,
    };
    if level == Level::Strict {
        return little;
    }
    Limits {
        memory_bytes: 1 << 30,
        processes: 900,
        cpu_seconds: 60,
        files: 1024,
        file_bytes: 1 << 30,
        ..little
    }
}

pub(crate) fn open_to_all(directory: &Path) {
    fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Everything belongs to the attacker: what stops an attack is the sandbox, and never the owner of a file.
fn furnish(root: &Path, uid: u32) {
    for directory in [
        "secrets",
        "secrets/data",
        "secrets/keys",
        "secrets/anchors",
        "secrets/other-run",
        "outside",
        "config",
        "tools",
        "cache",
    ] {
        fs::create_dir(root.join(directory)).unwrap();
    }
    for file in [
        "secrets/data/state",
        "secrets/keys/root",
        "secrets/anchors/head",
        "secrets/other-run/plan",
        "config/file",
        "tools/terraform",
    ] {
        fs::write(root.join(file), "content\n").unwrap();
    }
    fs::copy(PROGRAM, root.join("statehouse-sandbox")).unwrap();
    let attack = root.join("attack");
    compile(&attack, &[]);
    compile(
        &root.join("tools/forced.so"),
        &["-DFORCED", "-shared", "-fPIC"],
    );
    let setuid = root.join("tools/is-root");
    fs::copy(&attack, &setuid).unwrap();
    let node = rustix::fs::makedev(1, 5);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("cache/device"),
        rustix::fs::FileType::CharacterDevice,
        0o666.into(),
        node,
    )
    .unwrap();
    let everything = Command::new("chown")
        .arg("-R")
        .arg(format!("{uid}:{uid}"))
        .arg(root)
        .status();
    assert!(everything.unwrap().success());
    // But for what the seats are in: who could change that, could put others in their place.
    fs::os::unix::fs::chown(root, Some(0), Some(0)).unwrap();
    fs::os::unix::fs::chown(&setuid, Some(0), Some(0)).unwrap();
    fs::set_permissions(&setuid, PermissionsExt::from_mode(0o4755)).unwrap();
}

fn compile(into: &Path, how: &[&str]) {
    let flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-o"];
    let mut compiler = Command::new("gcc");
    compiler
        .args(flags)
        .args([into, Path::new(SOURCE)])
        .args(how)
        .arg("-lpthread");
    assert!(
        compiler.status().unwrap().success(),
        "{SOURCE} does not compile"
    );
}

fn abstract_name(root: &Path) -> String {
    format!("@statehouse-test{}", root.display())
}

/// Services of the machine: each answers whoever says something.
fn listen(root: &Path) -> (u16, u16) {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ports = (
        tcp.local_addr().unwrap().port(),
        udp.local_addr().unwrap().port(),
    );
    let docker = UnixListener::bind(root.join("outside/docker.sock")).unwrap();
    fs::set_permissions(
        root.join("outside/docker.sock"),
        PermissionsExt::from_mode(0o666),
    )
    .unwrap();
    let name = SocketAddr::from_abstract_name(&abstract_name(root)[1..]).unwrap();
    let hidden = UnixListener::bind_addr(&name).unwrap();
    thread::spawn(move || tcp.incoming().flatten().for_each(pong));
    thread::spawn(move || docker.incoming().flatten().for_each(pong));
    thread::spawn(move || hidden.incoming().flatten().for_each(pong));
    thread::spawn(move || {
        while let Ok((_, from)) = udp.recv_from(&mut [0; 16]) {
            let _ = udp.send_to(b"pong", from);
        }
    });
    ports
}

fn pong(mut stream: impl Read + Write) {
    let _ = stream.read(&mut [0; 16]);
    let _ = stream.write_all(b"pong");
}
