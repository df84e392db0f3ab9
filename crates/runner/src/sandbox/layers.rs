//! Which layers this machine has, found out by using them, as the user that will.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::ID_INSIDE;
use super::cgroup::{self, Version};
use super::error::{Layer, Missing};
use super::inside::Found;
use super::settings::{Level, Settings};

/// The first release with `--disable-userns`, and what Debian 12 has.
const BUBBLEWRAP_MIN: (u32, u32) = (0, 8);

/// Each namespace with the words that make it; all of them need the first.
const NAMESPACES: [(Layer, &[&str]); 6] = [
    (Layer::UserNamespace, &["--disable-userns"]),
    (Layer::MountNamespace, &["--tmpfs", "/dev"]),
    (Layer::PidNamespace, &["--unshare-pid", "--proc", "/proc"]),
    (Layer::NetworkNamespace, &["--unshare-net"]),
    (Layer::IpcNamespace, &["--unshare-ipc"]),
    (
        Layer::UtsNamespace,
        &["--unshare-uts", "--hostname", "statehouse"],
    ),
];

/// What there is. Recorded with a run, and shown with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layers {
    /// What was asked for.
    pub level: Level,
    /// What bubblewrap calls itself.
    pub bubblewrap: Option<String>,
    /// The version of Landlock.
    pub landlock: Option<i32>,
    /// Which control groups limit memory and processes.
    pub control_groups: Option<Version>,
    /// What is not there. Empty under [`Level::Strict`].
    pub missing: Vec<Missing>,
}

/// Looks for every layer.
///
/// # Errors
///
/// Under [`Level::Strict`], the first layer that is not there.
pub fn probe(settings: &Settings) -> Result<Layers, Missing> {
    let mut layers = Layers {
        level: settings.level,
        bubblewrap: None,
        landlock: None,
        control_groups: None,
        missing: Vec::new(),
    };
    if rustix::process::geteuid().is_root() && settings.users.is_none() {
        layers.missing.push(Missing::new(
            Layer::User,
            "the server runs as root, and no users are set for runners",
            "set the first of a range of user and group ids that nobody else uses",
        ));
    }
    match bubblewrap(settings) {
        Ok(version) => layers.bubblewrap = Some(version),
        Err(missing) => layers.missing.push(missing),
    }
    if layers.bubblewrap.is_some() {
        layers.missing.extend(
            NAMESPACES
                .iter()
                .filter_map(|(layer, words)| namespace(settings, *layer, words).err()),
        );
    }
    match kernel(settings) {
        Ok(found) => {
            layers.landlock = found.landlock.as_ref().ok().copied();
            let what_next = "boot a kernel with it: Linux 5.19 or newer, with `landlock` in `lsm=`";
            let landlock = found
                .landlock
                .err()
                .map(|why| Missing::new(Layer::Landlock, why, what_next));
            let what_next = "boot a kernel with CONFIG_SECCOMP_FILTER";
            let seccomp = found
                .seccomp
                .err()
                .map(|why| Missing::new(Layer::Seccomp, why, what_next));
            layers.missing.extend(landlock.into_iter().chain(seccomp));
        }
        Err(missing) => layers.missing.push(missing),
    }
    match cgroup::find(
        settings.cgroup.as_deref(),
        rustix::process::geteuid().is_root(),
    ) {
        Ok(group) => layers.control_groups = Some(group.version),
        Err(missing) => layers.missing.push(missing),
    }
    match layers.missing.first() {
        Some(missing) if settings.level == Level::Strict => Err(missing.clone()),
        _ => Ok(layers),
    }
}

/// A command as the user of the first seat, with nothing of our environment.
fn command(settings: &Settings, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null()).current_dir("/");
    if let (true, Some(users)) = (rustix::process::geteuid().is_root(), settings.users) {
        command.uid(users.uid_first).gid(users.gid_first);
    }
    command
}

fn bubblewrap(settings: &Settings) -> Result<String, Missing> {
    let missing = |why: String| {
        let what_next = "install bubblewrap 0.8 or newer (`apt-get install bubblewrap`)";
        Missing::new(Layer::Bubblewrap, why, what_next)
    };
    let path = settings.bubblewrap.display();
    let output = command(settings, &settings.bubblewrap)
        .arg("--version")
        .output();
    let output = output.map_err(|error| missing(format!("{path} does not start: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut numbers = text
        .rsplit(' ')
        .next()
        .unwrap_or_default()
        .split('.')
        .map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= BUBBLEWRAP_MIN => Ok(text),
        _ => Err(missing(format!("{path} says that it is {text:?}"))),
    }
}

fn namespace(settings: &Settings, layer: Layer, words: &[&str]) -> Result<(), Missing> {
    let id = ID_INSIDE.to_string();
    let output = command(settings, &settings.bubblewrap)
        .args([
            "--unshare-user",
            "--uid",
            &id,
            "--gid",
            &id,
            "--ro-bind",
            "/",
            "/",
        ])
        .args(words)
        .args(["--", &settings.inside.program.to_string_lossy()])
        .args(&settings.inside.arguments)
        .arg("nothing")
        .output();
    said(output).map(|_| ()).map_err(|why| {
        let what_next = "let ordinary users make namespaces: `sysctl user.max_user_namespaces`, \
            `kernel.unprivileged_userns_clone=1` on Debian, `kernel.apparmor_restrict_unprivileged_userns=0` or a profile for \
            bwrap on Ubuntu; in a container, allow them in its seccomp profile";
        Missing::new(layer, why, what_next)
    })
}

fn kernel(settings: &Settings) -> Result<Found, Missing> {
    let output = command(settings, &settings.inside.program)
        .args(&settings.inside.arguments)
        .arg("probe")
        .output();
    let read = said(output)
        .and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
    read.map_err(|why| {
        let what_next = format!(
            "make {} executable for the users of runners",
            settings.inside.program.display()
        );
        Missing::new(Layer::Landlock, why, what_next)
    })
}

fn said(output: io::Result<Output>) -> Result<String, String> {
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{} ({})", words, output.status))
}
