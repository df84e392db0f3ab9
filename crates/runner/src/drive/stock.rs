//! What is kept where runners work: terraform and `OpenTofu` in their versions, and packages of providers.
//!
//! Who starts runners looks at it, for all of them. A runner lives for one job, and to read hundreds of megabytes for each of them would take
//! longer than most jobs; nor would one runner be told a digest that another one made. No run can write here, so that a digest holds for as long
//! as the kernel says that a file is the one that was read: the same inode of the same length, not written to nor otherwise changed since
//! (`st_ctime`, which no program can set).

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use statehouse_terraform::configuration::Tool as Program;

use super::digest;
use crate::control::Tool;

/// Digests that are kept; a mirror holds some files for each version of a provider.
const KNOWN_MAX: usize = 10_000;
/// What a tool may write of itself, and how long it may take: it takes a tenth of a second, and the first start off a slow disk some.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest version of a tool: those of builds carry a commit.
const VERSION_BYTES_MAX: usize = 128;
/// The oldest `OpenTofu` that runs use: from here on it reads `.tofu` files, and the server reads a configuration as it does.
const TOFU_MIN: [u32; 2] = [1, 8];
/// A file that was changed so shortly ago may be changed again without the kernel's times telling: its clock ticks a hundred times a second,
/// that of some file systems every two seconds.
const SETTLED: Duration = Duration::from_secs(3);

/// Tools and providers.
pub struct Stock {
    tools: Option<PathBuf>,
    path: String,
    digests: Mutex<HashMap<Stamp, String>>,
    /// What tools said of themselves, by their digests.
    said: Mutex<HashMap<String, Said>>,
}

/// By what the kernel tells a file from every other, and from what it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            length: found.len(),
            written: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Whether a change from now on will be seen by it.
    fn is_settled(&self, now: SystemTime) -> bool {
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        let changed = u64::try_from(self.changed.0).unwrap_or(u64::MAX);
        since.is_ok_and(|since| since > Duration::from_secs(changed).saturating_add(SETTLED))
    }
}

/// What a binary says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    title: String,
    version: String,
}

/// What a tool calls itself.
fn title(program: Program) -> &'static str {
    match program {
        Program::Terraform => "Terraform",
        Program::OpenTofu => "OpenTofu",
    }
}

/// Where a version of a tool is in a folder of tools.
fn place_of(program: Program, tools: &Path, version: &str) -> PathBuf {
    let name = program.name();
    tools.join(format!("{name}_{version}")).join(name)
}

/// Refuses a binary that is another tool, or one that reads a configuration otherwise than a runner does.
fn require(program: Program, path: &Path, said: &Said) -> Result<(), String> {
    let (name, wanted, path) = (program.name(), title(program), path.display());
    let Said { title, version } = said;
    if title != wanted {
        return Err(format!(
            "{path} says that it is {title} {version}: put {wanted} there, or do not call it `{name}`"
        ));
    }
    let is_old = || minor(version).is_none_or(|minor| minor < TOFU_MIN);
    if program == Program::OpenTofu && is_old() {
        let [major, minor] = TOFU_MIN;
        return Err(format!(
            "{path} is {title} {version}, which reads no `.tofu` files; runs use {major}.{minor} or newer"
        ));
    }
    Ok(())
}

impl Stock {
    /// Tools are in a folder, each as `terraform_VERSION/terraform` or `tofu_VERSION/tofu`, or on a search path.
    pub fn new(tools: Option<PathBuf>, path: String) -> Self {
        Self {
            tools,
            path,
            digests: Mutex::default(),
            said: Mutex::default(),
        }
    }

    /// Finds a tool, `terraform` or `tofu`, of a version: in the folder of tools, or on the search path. Where no version is asked for, it is
    /// the one on the search path, or else the newest of the folder. It is asked what it is, as the user (and group) given, who must be no runner's:
    /// what it says is told to all of them.
    ///
    /// # Errors
    ///
    /// When there is none, it cannot be read, or it is something else than it is called: in words for who wants it.
    pub fn tool(
        &self,
        name: &str,
        version: &str,
        user: Option<(u32, u32)>,
    ) -> Result<(PathBuf, Tool), String> {
        let program =
            Program::called(name).ok_or("runs use `terraform` or `tofu`, and nothing else")?;
        let exact = Some(version).filter(|version| !version.is_empty() && *version != "latest");
        if exact.is_some_and(|version| !is_version(version)) {
            return Err(format!(
                "the workspace wants a version of {name} that is none; its `terraform-version` is `latest`, or `1.11.4`, for instance"
            ));
        }
        let (path, version) = self.find(program, exact)?;
        let file = fs::File::open(&path).map_err(words)?;
        let digest = self.digest(file.into()).map_err(words)?;
        let said = self.said_of(&path, &digest, user)?;
        require(program, &path, &said)?;
        if let Some(version) = version.filter(|version| *version != said.version) {
            return Err(format!(
                "the workspace wants {name} {version}, and {} is {}; put {version} into the folder of tools (`runs.tools`), \
                 or set the `terraform-version` of the workspace to `latest`",
                path.display(),
                said.version
            ));
        }
        let tool = Tool {
            name: name.to_owned(),
            version: said.version,
            digest,
        };
        Ok((path, tool))
    }

    /// Where a tool is, and which version it must be.
    fn find(
        &self,
        program: Program,
        exact: Option<&str>,
    ) -> Result<(PathBuf, Option<String>), String> {
        let version = exact.map(str::to_owned);
        if let (Some(tools), Some(exact)) = (&self.tools, exact) {
            let path = place_of(program, tools, exact);
            if path.is_file() {
                return Ok((path, version));
            }
        }
        let there = self
            .path
            .split(':')
            .map(|folder| Path::new(folder).join(program.name()))
            .find(|path| path.is_file());
        if let Some(path) = there {
            return Ok((fs::canonicalize(path).map_err(words)?, version));
        }
        if let (Some(tools), None) = (&self.tools, exact)
            && let Some(newest) = newest(tools, program).map_err(words)?
        {
            return Ok((place_of(program, tools, &newest), Some(newest)));
        }
        Err(self.missing(program, exact))
    }

    /// That there is no such tool, where it was looked for, and what to do.
    fn missing(&self, program: Program, exact: Option<&str>) -> String {
        let name = program.name();
        let folder = match &self.tools {
            Some(tools) => {
                let path = place_of(program, tools, exact.unwrap_or("VERSION"));
                format!("as `{}` in the folder `runs.tools`", path.display())
            }
            None => "in the folder `runs.tools`, which is not set".to_owned(),
        };
        let places =
            format!("{folder}, and then as `{name}` on the search path of the server or agent");
        match exact {
            Some(exact) => format!(
                "there is no {name} {exact} here, which the `terraform-version` of the workspace asks for: \
                 set that to `latest`, or to a version of {name} that is here, or put {exact} there; it is looked for {places}"
            ),
            None => format!("there is no {name} here: put one there; it is looked for {places}"),
        }
    }

    /// The digest of a package below a folder of packages that no run can write.
    ///
    /// # Errors
    ///
    /// When there is no such package, or it holds what no package holds: in words for who wants it.
    pub fn package(&self, folder: &Path, path: &Path) -> Result<String, String> {
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        let is_below = path.components().next().is_some() && path.components().all(plain);
        if !is_below {
            return Err(format!("{} is in no folder of providers", path.display()));
        }
        let folder = fs::canonicalize(folder).map_err(words)?;
        digest::package(&folder, path, |file| self.digest(file)).map_err(words)
    }

    /// SHA-256 of a file, in hex.
    fn digest(&self, file: File) -> io::Result<String> {
        let stamp = Stamp::of(&file.metadata()?);
        if let Some(digest) = held(&self.digests).get(&stamp) {
            return Ok(digest.clone());
        }
        let digest = digest::of(&file)?;
        if Stamp::of(&file.metadata()?) == stamp && stamp.is_settled(now()) {
            let mut digests = held(&self.digests);
            if digests.len() >= KNOWN_MAX {
                let any = digests.keys().next().copied();
                any.and_then(|any| digests.remove(&any));
            }
            digests.insert(stamp, digest.clone());
        }
        Ok(digest)
    }

    /// What a binary says of itself. It is the operator's own binary, asked outside of any sandbox.
    fn said_of(&self, path: &Path, digest: &str, user: Option<(u32, u32)>) -> Result<Said, String> {
        if let Some(said) = held(&self.said).get(digest) {
            return Ok(said.clone());
        }
        let mut command = Command::new(path);
        // With `-json` both tools call their version `terraform_version`, and only in clear do they say which of them they are.
        command
            .arg("version")
            .env_clear()
            .env("CHECKPOINT_DISABLE", "1")
            .current_dir("/");
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        let output = answer(command, ANSWER_TIME_MAX)
            .map_err(|why| format!("asking {} what it is: {why}", path.display()))?;
        let said =
            said(&output).ok_or_else(|| format!("{} does not say what it is", path.display()))?;
        held(&self.said).insert(digest.to_owned(), said.clone());
        Ok(said)
    }
}

/// What a command writes before it ends, or its time is over.
fn answer(mut command: Command, time_max: Duration) -> Result<Vec<u8>, String> {
    let words = |error: io::Error| error.to_string();
    let started = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = started.map_err(words)?;
    let output = child.stdout.take().ok_or("it has no output")?;
    let (sender, read) = mpsc::channel();
    // Where the time is over it is not waited for: what the command started may hold its output open.
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let whole = output.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes);
        // Nobody waits any more where the time is over.
        sender.send(whole.map(|_| bytes)).ok();
    });
    let answer = read.recv_timeout(time_max);
    // It may have ended by itself.
    child.kill().ok();
    child.wait().map_err(words)?;
    match answer {
        Ok(bytes) => bytes.map_err(words),
        Err(_) => Err(format!("no answer in {} s", time_max.as_secs_f32())),
    }
}

/// Reads a title and a version off the first line that a tool writes of itself.
fn said(output: &[u8]) -> Option<Said> {
    let text = std::str::from_utf8(output).ok()?;
    let (title, version) = text.lines().next()?.split_once(" v")?;
    is_version(version).then(|| Said {
        title: title.to_owned(),
        version: version.to_owned(),
    })
}

/// Nothing is half done while it is held.
fn held<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
fn words(error: io::Error) -> String {
    error.to_string()
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is held against the kernel's times of files, which are of this clock"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// The newest release of a tool in a folder of tools.
fn newest(tools: &Path, program: Program) -> io::Result<Option<String>> {
    let mut found = None;
    for entry in fs::read_dir(tools)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let version = name
            .strip_prefix(program.name())
            .and_then(|rest| rest.strip_prefix('_'));
        if let Some(version) = version
            && let Some(release) = release(version)
            && place_of(program, tools, version).is_file()
        {
            found = found.max(Some((release, version.to_owned())));
        }
    }
    Ok(found.map(|(_, version)| version))
}

/// Whether a text may be a version. It is a part of a path, and what a runner asks for is a stranger's word.
fn is_version(text: &str) -> bool {
    let fits = |letter: u8| letter.is_ascii_alphanumeric() || b".-+".contains(&letter);
    text.starts_with(|letter: char| letter.is_ascii_digit())
        && text.len() <= VERSION_BYTES_MAX
        && text.bytes().all(fits)
}

/// The first two numbers of a version.
fn minor(version: &str) -> Option<[u32; 2]> {
    let mut numbers = version.split('.').map(|part| part.parse().ok());
    Some([numbers.next()??, numbers.next()??])
}

/// The numbers of a release; of what comes before one there are none.
fn release(version: &str) -> Option<[u32; 3]> {
    let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn stock(place: &Path) -> Stock {
        Stock::new(None, place.join("bin").display().to_string())
    }

    fn known(stock: &Stock) -> usize {
        held(&stock.digests).len()
    }

    /// A program that says this of itself, and that it was asked. What real tools say is tried by starting them, elsewhere.
    fn put(path: &Path, said: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let script =
            format!("#!/bin/sh\necho >> \"$0.asked\"\necho '{said}'\necho on linux_amd64\n");
        fs::write(path, script).unwrap();
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_newest_of_a_folder_is_its_highest_release() {
        let tools = tempfile::tempdir().unwrap();
        for version in ["1.9.8", "1.11.4", "1.12.0-beta1", "1.13.0", "1.2"] {
            let folder = tools.path().join(format!("terraform_{version}"));
            fs::create_dir(&folder).unwrap();
            if version != "1.13.0" {
                fs::write(folder.join("terraform"), "").unwrap();
            }
        }
        fs::write(tools.path().join("terraform_1.99.0"), "").unwrap();
        put(&tools.path().join("tofu_1.98.0/tofu"), "");
        let newest_of = |program| newest(tools.path(), program).unwrap();
        assert_eq!(newest_of(Program::Terraform).unwrap(), "1.11.4");
        assert_eq!(newest_of(Program::OpenTofu).unwrap(), "1.98.0");
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(newest(empty.path(), Program::OpenTofu).unwrap(), None);
    }

    #[test]
    fn each_tool_is_found_under_its_name_and_in_its_version_or_named_as_missing() {
        let place = tempfile::tempdir().unwrap();
        let tools = place.path().join("tools");
        let path = place.path().join("bin").display().to_string();
        let stock = Stock::new(Some(tools.clone()), path);
        let found = |name: &str, version: &str| {
            let (path, tool) = stock.tool(name, version, None)?;
            assert_eq!(tool.name, name);
            let path = path.strip_prefix(place.path()).unwrap().to_owned();
            Ok::<_, String>((path.display().to_string(), tool.version))
        };
        fs::create_dir(&tools).unwrap();
        put(&place.path().join("bin/terraform"), "Terraform v1.11.4");
        let missing = found("tofu", "").unwrap_err();
        assert!(missing.contains("there is no tofu here"), "{missing}");
        let missing = found("tofu", "1.9.0").unwrap_err();
        assert!(missing.contains("there is no tofu 1.9.0 here"), "{missing}");
        for words in [
            "`terraform-version`",
            "`latest`",
            "tofu_1.9.0/tofu`",
            "`runs.tools`",
            "search path",
        ] {
            assert!(missing.contains(words), "{words}: {missing}");
        }
        let nowhere = Stock::new(None, String::new());
        let missing = nowhere.tool("tofu", "1.9.0", None).unwrap_err();
        assert!(
            missing.contains("`runs.tools`, which is not set"),
            "{missing}"
        );
        for version in ["1.9.0", "1.10.1"] {
            let path = tools.join(format!("tofu_{version}/tofu"));
            put(&path, &format!("OpenTofu v{version}"));
        }
        let is = |path: &str, version: &str| Ok((path.to_owned(), version.to_owned()));
        assert_eq!(found("tofu", "1.9.0"), is("tools/tofu_1.9.0/tofu", "1.9.0"));
        for any in ["", "latest"] {
            assert_eq!(found("tofu", any), is("tools/tofu_1.10.1/tofu", "1.10.1"));
            assert_eq!(found("terraform", any), is("bin/terraform", "1.11.4"));
        }
        put(&place.path().join("bin/tofu"), "OpenTofu v1.11.0-rc1");
        assert_eq!(found("tofu", "latest"), is("bin/tofu", "1.11.0-rc1"));
        assert_eq!(found("tofu", "1.11.0-rc1"), is("bin/tofu", "1.11.0-rc1"));
        for name in ["", "pulumi", "terraform/../tofu", "Tofu"] {
            assert!(found(name, "").is_err(), "{name}");
        }
    }

    #[test]
    fn a_binary_that_is_something_else_than_it_is_called_is_refused_and_named() {
        let place = tempfile::tempdir().unwrap();
        let tools = place.path().join("tools");
        let path = place.path().join("bin").display().to_string();
        let stock = Stock::new(Some(tools.clone()), path);
        let on_path = |name: &str| place.path().join("bin").join(name);
        for (name, said, words) in [
            (
                "tofu",
                "Terraform v1.11.4",
                "is Terraform 1.11.4: put OpenTofu there",
            ),
            (
                "terraform",
                "OpenTofu v1.9.0",
                "is OpenTofu 1.9.0: put Terraform there",
            ),
            ("tofu", "opentofu v1.9.0", "is opentofu 1.9.0"),
            ("tofu", "OpenTofu v1.7.10", "runs use 1.8 or newer"),
            ("tofu", "OpenTofu v1", "runs use 1.8 or newer"),
            ("tofu", "OpenTofu", "does not say what it is"),
            ("tofu", "OpenTofu v1.9.0 or so", "does not say what it is"),
            ("tofu", "", "does not say what it is"),
        ] {
            put(&on_path(name), said);
            let refused = stock.tool(name, "", None).unwrap_err();
            assert!(refused.contains(words), "{said}: {refused}");
        }
        // The name of a folder makes no version, and no tool.
        put(&tools.join("tofu_1.9.0/tofu"), "OpenTofu v1.9.1");
        let refused = stock.tool("tofu", "1.9.0", None).unwrap_err();
        assert!(refused.contains("wants tofu 1.9.0, and"), "{refused}");
        put(&tools.join("terraform_1.9.0/terraform"), "OpenTofu v1.9.0");
        assert!(stock.tool("terraform", "1.9.0", None).is_err());
    }

    #[test]
    fn a_version_that_is_a_path_starts_nothing() {
        let place = tempfile::tempdir().unwrap();
        let tools = place.path().join("tools");
        put(&tools.join("tofu_1.9.0/tofu"), "OpenTofu v1.9.0");
        let elsewhere = place.path().join("seat/tofu");
        put(&elsewhere, "OpenTofu v1.9.0");
        let stock = Stock::new(Some(tools), String::new());
        stock.tool("tofu", "1.9.0", None).unwrap();
        for version in ["1.9.0/../../seat", "../seat", "/etc", "..", "1.9.0\n", "v1"] {
            let refused = stock.tool("tofu", version, None).unwrap_err();
            assert!(refused.contains("that is none"), "{version}: {refused}");
        }
        assert!(!elsewhere.with_extension("asked").exists());
    }

    #[test]
    fn a_package_that_changed_has_another_digest_although_the_one_before_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let stock = stock(place.path());
        let file = place.path().join("mirror/null/provider");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "one").unwrap();
        let mirror = place.path().join("mirror");
        let digest = || stock.package(&mirror, Path::new("null")).unwrap();
        let one = digest();
        assert_eq!(known(&stock), 0, "it was written just now");
        std::thread::sleep(SETTLED + Duration::from_secs(1));
        assert_eq!((digest(), digest()), (one.clone(), one.clone()));
        assert_eq!(known(&stock), 1);
        // As long, and as old, as it was.
        let written = fs::metadata(&file).unwrap().modified().unwrap();
        let changed = fs::File::options().write(true).open(&file).unwrap();
        io::Write::write_all(&mut &changed, b"two").unwrap();
        changed.set_modified(written).unwrap();
        assert_ne!(digest(), one);
        // Another in its place.
        fs::write(file.with_extension("new"), "one").unwrap();
        fs::rename(file.with_extension("new"), &file).unwrap();
        assert_eq!(digest(), one);
    }

    #[test]
    fn nothing_beside_the_mirror_has_a_digest() {
        let place = tempfile::tempdir().unwrap();
        let stock = stock(place.path());
        fs::create_dir_all(place.path().join("mirror/null")).unwrap();
        fs::create_dir_all(place.path().join("secret")).unwrap();
        fs::write(place.path().join("secret/key"), "key").unwrap();
        let link = place.path().join("mirror/link");
        fs::os::unix::fs::symlink(place.path().join("secret"), link).unwrap();
        let mirror = place.path().join("mirror");
        stock.package(&mirror, Path::new("null")).unwrap();
        let secret = place.path().join("secret");
        for path in [
            "../secret",
            "null/../../secret",
            "link",
            "none",
            ".",
            "/etc",
        ] {
            assert!(stock.package(&mirror, Path::new(path)).is_err(), "{path}");
        }
        assert!(stock.package(&mirror, &secret).is_err());
    }

    #[test]
    fn a_tool_is_asked_what_it_is_once_for_what_it_is() {
        let place = tempfile::tempdir().unwrap();
        let stock = stock(place.path());
        let path = place.path().join("bin/terraform");
        let asked = place.path().join("bin/terraform.asked");
        put(&path, "Terraform v1.2.3");
        let (_, tool) = stock.tool("terraform", "", None).unwrap();
        assert_eq!(stock.tool("terraform", "1.2.3", None).unwrap().1, tool);
        assert_eq!(fs::read_to_string(&asked).unwrap(), "\n");
        let refused = stock.tool("terraform", "1.2.4", None).unwrap_err();
        assert!(refused.contains("is 1.2.3; put 1.2.4 into"), "{refused}");
        put(&path, "Terraform v1.2.4");
        let (_, other) = stock.tool("terraform", "1.2.4", None).unwrap();
        assert_ne!(other.digest, tool.digest);
    }
    #[test]
    fn a_tool_that_never_answers_is_left_when_its_time_is_over() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("bin/terraform");
        let says = |script: &str| {
            put(&path, "");
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            let begun = std::time::Instant::now();
            let answer = answer(Command::new(&path), Duration::from_millis(300));
            (answer, begun.elapsed() < Duration::from_mins(1))
        };
        let never = Err("no answer in 0.3 s".to_owned());
        assert_eq!(says("exec sleep 100"), (never.clone(), true));
        // Nor is one waited for that it started, and that holds its output.
        assert_eq!(says("sleep 100 & sleep 100"), (never.clone(), true));
        assert_eq!(says("while :; do :; done"), (never, true));
        let (endless, in_time) = says("exec yes");
        let is_cut = endless.is_ok_and(|said| said.len() as u64 == ANSWER_BYTES_MAX);
        assert!(is_cut && in_time);
    }
}
