//! What a plan and an apply begin with: the configuration unpacked and held against its digest, the tool found, a way out made, and
//! `terraform init` done without any secret.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use fs_err as fs;
use rustix::fs::FileType;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::backend::{self, Backend};
use super::layout::{LOCK_FILE, Layout, backend_files};
use super::log::Log;
use super::phase::{Command, Room};
use super::place::Place;
use super::stop::Stop;
use super::tool::{self, Found};
use super::{Trouble, carried, elsewhere, kept, providers, witness};
use crate::control::{Ask, Connection, Control, ControlError, Told, Variable, Work};
use crate::egress::{self, AllowList, Limits, System, Upstream};
use crate::sandbox::{Exit, Network, within};
use crate::slug;
use crate::way_out;
use statehouse_terraform::configuration::{self, Configuration};
use statehouse_terraform::lock_file::{self, Locked};
use statehouse_terraform::slug::Limits as SlugLimits;

/// Events of connections that wait to be told.
const EVENTS: usize = 256;
/// As many of them are told at once, which is as many as the server takes.
const EVENTS_AT_ONCE: usize = 64;
/// Connections of a job of which the server is told: thousands of ends are those of a scan.
const TOLD_MAX: usize = 1000;
/// Connections of the tool to the state backend that wait.
const CONNECTIONS: usize = 16;

/// What stands for the runner's backend where only its place is looked at; no tool has one of that kind.
const OURS: &str = "statehouse-runner";

/// Longest dependency lock file, in bytes: some hundred for each provider.
const LOCK_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Files and folders in a root module, and the longest file of it.
const NAMES_MAX: usize = 100_000;
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Everything that is there before terraform plans or applies.
pub(crate) struct Ready {
    pub(crate) layout: Layout,
    pub(crate) tool: Found,
    pub(crate) environment: BTreeMap<String, String>,
    /// The type of the backend that the configuration has for itself.
    pub(crate) backend: Option<String>,
    /// The state that is planned on, or applied to.
    pub(crate) state: Option<Bytes>,
    /// Why an apply must not begin, where the ledger has a newer state than the plan was made on.
    pub(crate) moved: Option<String>,
    pub(crate) network: Network,
    /// The proxy of the operator's that connections leave through.
    upstream: Option<Arc<Upstream>>,
}

/// The way out of a job's sandboxes, while it is open.
pub(crate) struct Open {
    stop: Option<oneshot::Sender<()>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Open {
    pub(crate) async fn close(mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
        for task in self.tasks {
            task.await.ok();
        }
    }
}

/// Fetches and unpacks the configuration, and writes beside it what makes terraform behave.
pub(crate) async fn ready(
    control: &Arc<dyn Control>,
    place: &Place,
    work: &Work,
) -> Result<Ready, Trouble> {
    let mut layout = Layout::new(&place.seat.directory, &work.working_directory)?;
    let archive = kept(control, Ask::Configuration, "configuration").await?;
    let archive = archive.bytes;
    let (to, wanted) = (layout.work(), work.configuration.clone());
    let unpacked = tokio::task::spawn_blocking(move || unpack(&archive, &to, &wanted)).await;
    unpacked.map_err(|error| Trouble::failed("runner", error.to_string()))??;
    layout.settle()?;
    let (state, moved) = state(control, work).await?;
    let tool = tool::find(control, &work.tool, &work.tool_version).await?;
    let trusted = said(control, Ask::Authorities).await?;
    let environment = layout.put_conf(place, trusted.as_deref())?;
    let upstream = upstream(control).await?;
    let backend = backend_of(&layout, tool.reads)?;
    match &backend {
        Some(kind) => elsewhere::refuse(kind)?,
        None => layout.put_backend(&Backend::block(&work.spool_key), tool.reads)?,
    }
    Ok(Ready {
        layout,
        tool,
        environment,
        backend,
        state,
        moved,
        network: Network::None,
        upstream,
    })
}

/// What whoever started the runner says, if anything.
async fn said(control: &Arc<dyn Control>, ask: Ask) -> Result<Option<Bytes>, Trouble> {
    let answer = control.ask(ask, Bytes::new()).await?;
    match answer.told {
        Told::Bytes => Ok(Some(answer.bytes)),
        Told::Nothing => Ok(None),
        // What else it is stays unsaid: there may be a password in it.
        _ => Err(ControlError::Odd("neither bytes nor nothing".to_owned()).into()),
    }
}

async fn upstream(control: &Arc<dyn Control>) -> Result<Option<Arc<Upstream>>, Trouble> {
    let Some(told) = said(control, Ask::Proxy).await? else {
        return Ok(None);
    };
    let upstream = Upstream::told(&told);
    let upstream =
        upstream.map_err(|why| Trouble::failed("egress", format!("the proxy: {why}")))?;
    Ok(Some(Arc::new(upstream)))
}

/// The state. The server held it against the ledger before it gave it, and so does the runner.
async fn state(
    control: &Arc<dyn Control>,
    work: &Work,
) -> Result<(Option<Bytes>, Option<String>), Trouble> {
    let answer = kept(control, Ask::State, "state").await?;
    let witness = witness::look(control, work).await?;
    let moved = witness.check(work, &answer)?;
    let is_there = !matches!(answer.told, Told::Nothing);
    Ok((is_there.then_some(answer.bytes), moved))
}

fn unpack(archive: &Bytes, to: &Path, wanted: &str) -> Result<(), Trouble> {
    let contents = slug::unpack(&archive[..], to, &SlugLimits::default())
        .map_err(|error| Trouble::failed("configuration", error.to_string()))?;
    let found = hex::encode(contents.digest);
    if found == wanted {
        return Ok(());
    }
    Err(Trouble::Refused {
        what: "configuration".to_owned(),
        why: format!("the configuration has the digest {found}, and {wanted} was uploaded"),
    })
}

/// The backend of the configuration's own; a `cloud` block, and `remote`, mean this server.
fn backend_of(layout: &Layout, tool: configuration::Tool) -> Result<Option<String>, Trouble> {
    let tree = fs::canonicalize(layout.work()).map_err(Trouble::disk)?;
    let files = files_of(&tree, &layout.module)?;
    let files: BTreeMap<&str, &[u8]> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    only_runners_name_theirs(&files)?;
    let read = read(files.clone(), tool)?;
    nothing_counts_after_ours(files, tool)?;
    Ok(match read.backend {
        configuration::Backend::None | configuration::Backend::Cloud => None,
        configuration::Backend::Kind(kind) if kind == "remote" => None,
        configuration::Backend::Kind(kind) => Some(kind),
    })
}

/// Files by their names.
type Files = Vec<(String, Vec<u8>)>;

/// What of a folder of the tree a tool may read as a part of a module.
pub(crate) fn files_of(tree: &Path, folder: &Path) -> Result<Files, Trouble> {
    let mut files = Files::new();
    for (name, kind) in within::list(tree, folder, NAMES_MAX).map_err(Trouble::disk)? {
        let name = name.to_string_lossy().into_owned();
        if !is_read(&name) || kind == FileType::Directory {
            continue;
        }
        let path = folder.join(&name);
        // Terraform follows links; what it would read through one must be seen here, too.
        let real = match kind {
            FileType::Symlink => linked(tree, &path)?,
            _ => path,
        };
        let bytes = within::read(tree, &real, FILE_BYTES_MAX).map_err(Trouble::disk)?;
        files.push((name, bytes));
    }
    Ok(files)
}

fn read(files: BTreeMap<&str, &[u8]>, tool: configuration::Tool) -> Result<Configuration, Trouble> {
    configuration::read(files, tool)
        .map_err(|error| Trouble::failed("configuration", error.to_string()))
}

/// Refuses a configuration that has a file of the runner's: what it says would be written over.
fn only_runners_name_theirs(files: &BTreeMap<&str, &[u8]>) -> Result<(), Trouble> {
    let mut names = backend_files(configuration::Tool::OpenTofu).iter();
    let Some(name) = names.find(|&&name| files.contains_key(name)) else {
        return Ok(());
    };
    let words = format!(
        "the configuration has a file `{name}`, which is the runner's: give it another name"
    );
    Err(Trouble::failed("configuration", words))
}

/// Refuses a configuration in which the runner's backend would not count once its files are there: which is the last one, or read in the
/// place of another, is for the rules of the tool.
fn nothing_counts_after_ours(
    files: BTreeMap<&str, &[u8]>,
    tool: configuration::Tool,
) -> Result<(), Trouble> {
    let ours = json!({ "terraform": { "backend": { OURS: {} } } }).to_string();
    let mut files: BTreeMap<&str, &[u8]> = files;
    for &name in backend_files(tool) {
        files.insert(name, ours.as_bytes());
    }
    let found = read(files, tool)?.backend;
    if found == configuration::Backend::Kind(OURS.to_owned()) {
        return Ok(());
    }
    let name = backend_files(tool).last().copied().unwrap_or_default();
    let words = format!(
        "an override file of the configuration would go over the backend of the run: give it a name that comes before `{name}`"
    );
    Err(Trouble::failed("configuration", words))
}

/// Whether a tool may read a file of this name as a part of a module. It leaves hidden ones.
fn is_read(name: &str) -> bool {
    let plain = Path::new(name.strip_suffix(".json").unwrap_or(name));
    let end = plain.extension().and_then(OsStr::to_str);
    !name.starts_with('.') && matches!(end, Some("tf" | "tofu"))
}

/// Where in the configuration a link leads.
fn linked(tree: &Path, path: &Path) -> Result<PathBuf, Trouble> {
    let real = fs::canonicalize(tree.join(path)).ok();
    let inside = real.and_then(|real| Some(real.strip_prefix(tree).ok()?.to_owned()));
    inside.ok_or_else(|| {
        let words = format!(
            "{} is a link that leads to nothing in the configuration",
            path.display()
        );
        Trouble::failed("configuration", words)
    })
}

impl Ready {
    pub(crate) fn room<'a>(&'a self, place: &'a Place) -> Room<'a> {
        Room {
            place,
            layout: &self.layout,
            tool: &self.tool,
            environment: self.environment.clone(),
        }
    }

    /// Opens the way out, with the backend behind it.
    pub(crate) fn open(
        &mut self,
        control: &Arc<dyn Control>,
        place: &Place,
        log: &Log,
        backend: Arc<Backend>,
    ) -> Result<Open, Trouble> {
        let odd = |error: String| Trouble::failed("egress", error);
        let rules = place.egress.iter().map(String::as_str);
        let allow = AllowList::parse(rules).map_err(|error| odd(error.to_string()))?;
        let socket = self.layout.sockets().join("way-out");
        fs::remove_file(&socket).ok();
        let listener = UnixListener::bind(&socket).map_err(Trouble::disk)?;
        let state = backend::ADDRESS.parse().ok();
        let spec = way_out::spec(socket, state, &allow).map_err(odd)?;
        self.environment.extend(egress::relay::environment(&spec));
        self.network = Network::Egress(way_out::shown(&spec));
        let (events, told) = mpsc::channel::<egress::Event>(EVENTS);
        let (connections, mut carried) = mpsc::channel(CONNECTIONS);
        let egress = egress::Egress {
            allow,
            limits: Limits::default(),
            network: Arc::new(System),
            upstream: self.upstream.clone(),
            clock: Arc::new(now),
            events,
            state: Some(connections),
        };
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(egress::serve(listener, egress, async {
            stopped.await.ok();
        }));
        let telling = tokio::spawn(tell(told, control.clone(), log.clone()));
        let states = tokio::spawn(async move {
            while let Some(stream) = carried.recv().await {
                tokio::spawn(backend.clone().serve(stream));
            }
        });
        Ok(Open {
            stop: Some(stop),
            tasks: vec![serving, telling, states],
        })
    }

    /// `terraform init`: the only phase that installs, and it has no secrets. What the plugin cache has it does not fetch.
    pub(crate) async fn install(
        &self,
        control: &Arc<dyn Control>,
        place: &Place,
        log: &Log,
        stop: &Stop,
    ) -> Result<(), Trouble> {
        let mut command = Command::new(&["init", "-input=false", "-no-color"]);
        if self.backend.is_some() {
            command.arguments.push("-backend=false".to_owned());
        }
        if providers::are_brought(&self.layout) {
            return self.init(place, command, log, stop).await;
        }
        let locked = locked(self.lock_file_text()?.as_deref());
        providers::take_cached(control, place, &self.layout, &locked).await?;
        self.init(place, command, log, stop).await?;
        providers::cache(control, place, &self.layout).await
    }

    /// Holds a plan file against the configuration that is here. A plan is of what `which` says.
    pub(crate) async fn carries(&self, plan: &Bytes, which: carried::Which) -> Result<(), Trouble> {
        let (layout, plan) = (self.layout.clone(), plan.clone());
        let tool = self.tool.reads;
        let check = move || carried::check(&layout, tool, (&plan, which));
        let checked = tokio::task::spawn_blocking(check).await;
        checked.map_err(|error| Trouble::failed("runner", error.to_string()))?
    }

    /// A backend of the configuration's own may want secrets: it is prepared when nothing is installed any more and nobody's program is
    /// started. The variables are written last.
    pub(crate) async fn prepare(
        &self,
        place: &Place,
        work: &Work,
        log: &Log,
        stop: &Stop,
    ) -> Result<(), Trouble> {
        if self.backend.is_some() {
            let arguments = [
                "init",
                "-input=false",
                "-no-color",
                "-get=false",
                "-reconfigure",
            ];
            let mut command = Command::new(&arguments);
            command.environment = environment(&work.variables);
            self.init(place, command, log, stop).await?;
        }
        self.layout.put_variables(&work.variables)
    }

    /// Turns from a backend of the configuration's own, if it has one, to the runner's: what is shown then needs none of its credentials.
    pub(crate) async fn leave(
        &self,
        place: &Place,
        work: &Work,
        stop: &Stop,
    ) -> Result<(), Trouble> {
        if self.backend.is_none() {
            return Ok(());
        }
        self.layout
            .put_backend(&Backend::block(&work.spool_key), self.tool.reads)?;
        let arguments = [
            "init",
            "-input=false",
            "-no-color",
            "-get=false",
            "-reconfigure",
        ];
        let mut command = Command::new(&arguments);
        command.network = self.network.clone();
        command.writes_work = true;
        self.room(place).run(command, stop).await?;
        Ok(())
    }

    /// Turns back to the backend of the configuration's own, before it is prepared.
    pub(crate) fn come_back(&self) -> Result<(), Trouble> {
        if self.backend.is_none() {
            return Ok(());
        }
        // A file that says nothing overrides nothing.
        self.layout.put_backend(&json!({}), self.tool.reads)
    }

    async fn init<'a>(
        &self,
        place: &Place,
        mut command: Command<'a>,
        log: &'a Log,
        stop: &Stop,
    ) -> Result<(), Trouble> {
        command.network = self.network.clone();
        command.writes_work = true;
        command.log = Some(log);
        let done = self.room(place).run(command, stop).await?;
        if done.exit == Exit::Code(0) {
            return Ok(());
        }
        Err(self.room(place).trouble("init", done.exit, stop))
    }

    /// The digest of the dependency lock file that init used, or made.
    pub(crate) fn lock_file(&self) -> Result<Option<String>, Trouble> {
        let text = self.lock_file_text()?;
        Ok(text.map(|text| hex::encode(Sha256::digest(text))))
    }

    /// The dependency lock file of the root module.
    pub(crate) fn lock_file_text(&self) -> Result<Option<Vec<u8>>, Trouble> {
        let path = self.layout.module.join(LOCK_FILE);
        match within::read(&self.layout.work(), &path, LOCK_FILE_BYTES_MAX) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Trouble::disk(error)),
        }
    }
}

/// The providers that a dependency lock file names. Where it is none terraform says so.
pub(crate) fn locked(text: Option<&[u8]>) -> Vec<Locked> {
    let text = text.and_then(|text| std::str::from_utf8(text).ok());
    text.map(lock_file::locked).unwrap_or_default()
}

/// Tells of connections: in the log of those that were not made, and the server of each that has another end than those before.
async fn tell(mut events: mpsc::Receiver<egress::Event>, control: Arc<dyn Control>, log: Log) {
    let (mut some, mut told) = (Vec::new(), HashSet::new());
    while events.recv_many(&mut some, EVENTS_AT_ONCE).await > 0 {
        let mut connections = Vec::new();
        for event in some.drain(..) {
            if let Some(words) = way_out::refused(&event) {
                log.line(&words).await;
            }
            let is_new = |each: &Connection| told.len() < TOLD_MAX && told.insert(each.clone());
            // Whoever wrote the configuration chooses names and addresses, and may have made them of a secret.
            let clean = |mut each: Connection| {
                each.to = log.without_secrets(&each.to);
                each.why = each.why.map(|why| log.without_secrets(&why));
                each
            };
            connections.extend(way_out::told(&event).map(clean).filter(is_new));
        }
        if !connections.is_empty() {
            // A server that does not take it has ended the run, or is away; the run itself finds that out.
            let ask = Ask::Connected { connections };
            control.ask(ask, Bytes::new()).await.ok();
        }
    }
}

/// The variables of the environment, for the phases that get secrets.
pub(crate) fn environment(variables: &[Variable]) -> BTreeMap<String, String> {
    let environment = variables.iter().filter(|each| each.environment);
    environment
        .map(|each| (each.key.clone(), each.value.clone()))
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a runner is a process of its own, and this is its clock"
)]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use statehouse_terraform::configuration::Tool;

    const S3: &str = "terraform {\n  backend \"s3\" {}\n}\n";
    const CLOUD: &str = "terraform {\n  cloud {}\n}\n";

    /// The backend of a configuration of these files, or why it is refused.
    fn of(tool: Tool, files: &[(&str, &str)]) -> Result<Option<String>, String> {
        let place = tempfile::tempdir().unwrap();
        let mut layout = Layout::new(place.path(), "").unwrap();
        fs::create_dir(layout.work()).unwrap();
        layout.settle().unwrap();
        for (name, text) in files {
            fs::write(layout.work().join(name), text).unwrap();
        }
        match backend_of(&layout, tool) {
            Ok(backend) => Ok(backend),
            Err(Trouble::Failed { words, .. }) => Err(words),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_tool_has_the_backend_of_the_files_that_it_reads() {
        let s3 = Ok(Some("s3".to_owned()));
        let both = [("main.tf", S3), ("main.tofu", "")];
        assert_eq!(of(Tool::Terraform, &both), s3);
        assert_eq!(of(Tool::OpenTofu, &both), Ok(None));
        let other = [("main.tf", ""), ("main.tofu", S3)];
        assert_eq!(of(Tool::Terraform, &other), Ok(None));
        assert_eq!(of(Tool::OpenTofu, &other), s3);
    }

    #[test]
    fn no_file_of_a_configuration_counts_in_the_place_of_the_runners_backend() {
        for name in [
            "zz_statehouse_backend_override.tf.json",
            "zz_statehouse_backend_override.tofu.json",
        ] {
            for tool in [Tool::Terraform, Tool::OpenTofu] {
                let refused = of(tool, &[("main.tf", ""), (name, "{}")]).unwrap_err();
                assert!(refused.contains(name), "{refused}");
            }
        }
        for (name, terraform_takes, tofu_takes) in [
            ("override.tf", true, true),
            ("zz_override.tofu", true, true),
            // What is read before ours is overridden by it.
            ("zz_statehouse_backend_override.tf", true, true),
            ("zz_statehouse_backend_override.tofu", true, true),
            ("zz_statehouse_backend_overrides.tf", true, true),
            // What is read after ours would override it.
            ("zzz_override.tf", false, false),
            ("zzz_override.tofu", true, false),
            (
                "zz_statehouse_backend_override.tfx_override.tf",
                false,
                true,
            ),
            (
                "zz_statehouse_backend_override.tofu.x_override.tofu",
                true,
                false,
            ),
        ] {
            for (tool, takes) in [
                (Tool::Terraform, terraform_takes),
                (Tool::OpenTofu, tofu_takes),
            ] {
                let found = of(tool, &[("main.tf", ""), (name, CLOUD)]);
                assert_eq!(found.is_ok(), takes, "{name} {tool:?}: {found:?}");
            }
        }
        // One that says nothing of a backend may stand anywhere.
        let harmless = [("main.tf", S3), ("zzz_override.tf", "locals {}\n")];
        assert_eq!(of(Tool::OpenTofu, &harmless), Ok(Some("s3".to_owned())));
    }

    #[test]
    fn a_backend_behind_a_link_is_seen_and_a_link_that_leads_out_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let mut layout = Layout::new(place.path(), "live").unwrap();
        let tree = layout.work();
        fs::create_dir_all(tree.join("real")).unwrap();
        fs::os::unix::fs::symlink("real", tree.join("live")).unwrap();
        layout.settle().unwrap();
        assert_eq!(layout.module, Path::new("real"));
        fs::write(tree.join("real/main.tf"), "").unwrap();
        fs::os::unix::fs::symlink("nobody@nowhere", tree.join("real/.#main.tf")).unwrap();
        let backend_of = |layout: &Layout| backend_of(layout, configuration::Tool::Terraform);
        assert_eq!(backend_of(&layout).unwrap(), None);
        fs::write(tree.join("common.tf"), S3).unwrap();
        fs::os::unix::fs::symlink("../common.tf", tree.join("real/common.tf")).unwrap();
        assert_eq!(backend_of(&layout).unwrap().as_deref(), Some("s3"));
        for target in ["/etc/passwd", "../none.tf"] {
            let link = tree.join("real/out.tf.json");
            fs::os::unix::fs::symlink(target, &link).unwrap();
            assert!(backend_of(&layout).is_err(), "{target}");
            fs::remove_file(link).unwrap();
        }
    }
}
