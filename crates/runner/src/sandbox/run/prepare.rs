//! From a phase to the words and files that start it. Everything that can be refused is refused here.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use fs_err as fs;

use super::super::arguments::{Plan, bubblewrap};
use super::super::cgroup::Group;
use super::super::error::{Error, Layer, Missing};
use super::super::inside::spec::{Command, Confine, Spec};
use super::super::phase::{Bind, Egress, Network, Phase};
use super::super::seat::Seat;
use super::super::settings::{Level, Settings};
use super::super::{EGRESS, WORK, reach, root};

/// More than a tool ever asks on standard input.
const INPUT_BYTES_MAX: usize = 1 << 20;

/// Phases of this process, each with files and a control group of its own.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// What it takes to start.
pub(super) struct Prepared {
    /// The arguments of our own binary.
    pub(super) words: Vec<String>,
    /// Where it starts.
    pub(super) directory: PathBuf,
    /// The line that is written to it.
    pub(super) spec: Vec<u8>,
    /// The phase's control group.
    pub(super) group: Option<Group>,
    /// The phase's small files.
    pub(super) place: PathBuf,
}

pub(super) fn prepare(settings: &Settings, seat: &Seat, phase: &Phase) -> Result<Prepared, Error> {
    if seat.uid == 0 || seat.uid != rustix::process::geteuid().as_raw() {
        let words = format!(
            "the seat is that of uid {}, who starts its phases, and root starts none",
            seat.uid
        );
        return Err(Error::Refused(words));
    }
    let work = reach::source(&phase.work, &settings.forbidden)?;
    reach::below(&phase.directory)?;
    if let Network::Egress(egress) = &phase.network {
        reach::inner_addresses(egress)?;
    }
    if phase.input.len() > INPUT_BYTES_MAX {
        return Err(Error::Refused(format!(
            "more than {INPUT_BYTES_MAX} bytes for standard input"
        )));
    }
    let mut spec =
        serde_json::to_vec(&spec(settings, seat, phase)?).map_err(std::io::Error::other)?;
    spec.push(b'\n');
    let name = format!(
        "phase-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let place = seat.directory.join(&name);
    let plan = match settings.level {
        Level::Strict => Some(plan(settings, phase, &work, &place)?),
        Level::Process => None,
    };
    let directory = match settings.level {
        Level::Strict => PathBuf::from("/"),
        Level::Process => work.join(&phase.directory),
    };
    let made = std::fs::DirBuilder::new().mode(0o700).create(&place);
    made.map_err(|error| {
        std::io::Error::new(error.kind(), format!("making {}: {error}", place.display()))
    })?;
    if plan.is_some() {
        for (name, content) in root::small_files(&phase.network) {
            fs::write(place.join(name), content)?;
        }
    }
    let group = group(settings, seat, phase, &name)?;
    let words = words(settings, plan.as_ref(), group.as_ref());
    Ok(Prepared {
        words,
        directory,
        spec,
        group,
        place,
    })
}

fn group(
    settings: &Settings,
    seat: &Seat,
    phase: &Phase,
    name: &str,
) -> Result<Option<Group>, Error> {
    let Some(parent) = &seat.group else {
        if settings.level == Level::Process {
            return Ok(None);
        }
        let what_next = "prepare the seat at the level `strict`";
        return Err(Missing::new(Layer::ControlGroups, "the seat has none", what_next).into());
    };
    let group = parent.make(name, phase.limits.memory_bytes, phase.limits.processes)?;
    group.fall_together()?;
    Ok(Some(group))
}

/// `inside launch DOOR… -- PROGRAM ARGUMENT…`, the program being bubblewrap or, without namespaces, the next step.
fn words(settings: &Settings, plan: Option<&Plan>, group: Option<&Group>) -> Vec<String> {
    let inside = &settings.inside;
    let mut words = inside.arguments.clone();
    words.push(String::from("launch"));
    let doors = group.map(Group::doors).unwrap_or_default();
    words.extend(doors.iter().map(|door| door.to_string_lossy().into_owned()));
    words.push(String::from("--"));
    if let Some(plan) = plan {
        words.push(settings.bubblewrap.to_string_lossy().into_owned());
        words.extend(bubblewrap(plan));
    } else {
        words.push(inside.program.to_string_lossy().into_owned());
        words.extend(again(settings, "outer"));
    }
    words
}

fn again(settings: &Settings, step: &str) -> Vec<String> {
    let mut words = settings.inside.arguments.clone();
    words.push(step.to_owned());
    words
}

fn plan(settings: &Settings, phase: &Phase, work: &Path, place: &Path) -> Result<Plan, Error> {
    let closed = &settings.forbidden;
    let root = root::look()?;
    for entry in &root {
        if let root::Entry::Shown(path) = entry {
            reach::source(path, closed)?;
        }
    }
    let egress = match &phase.network {
        Network::None => None,
        Network::Egress(egress) => Some(reach::source(directory_of(egress)?, closed)?),
    };
    let plan = Plan {
        root,
        small_files: root::small_files(&phase.network)
            .into_iter()
            .map(|(name, _)| (place.join(name), name.to_owned()))
            .collect(),
        program: reach::source(&settings.inside.program, closed)?,
        arguments: again(settings, "outer"),
        work: work.to_path_buf(),
        work_writable: phase.work_writable,
        directory: phase.directory.clone(),
        read: resolve(&phase.read, closed)?,
        write: resolve(&phase.write, closed)?,
        egress,
        temporary_bytes: phase.limits.temporary_bytes,
    };
    all_text(&plan)?;
    Ok(plan)
}

fn resolve(binds: &[Bind], forbidden: &[PathBuf]) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
    let resolved = binds.iter().map(|bind| {
        reach::target(&bind.target)?;
        Ok((reach::source(&bind.source, forbidden)?, bind.target.clone()))
    });
    resolved.collect()
}

fn directory_of(egress: &Egress) -> Result<&Path, Error> {
    egress
        .socket
        .parent()
        .ok_or_else(|| Error::Refused(String::from("the socket to the network is in no directory")))
}

/// A path that is no text could not be said to bubblewrap as it is.
fn all_text(plan: &Plan) -> Result<(), Error> {
    let binds = plan.read.iter().chain(&plan.write);
    let mut paths = binds.flat_map(|(source, target)| [source, target]).chain([
        &plan.work,
        &plan.directory,
        &plan.program,
    ]);
    let other = paths.find(|path| path.to_str().is_none());
    other.map_or(Ok(()), |path| {
        Err(Error::Refused(format!(
            "the path {} is not text",
            path.display()
        )))
    })
}

fn spec(settings: &Settings, seat: &Seat, phase: &Phase) -> Result<Spec, Error> {
    let strict = settings.level == Level::Strict;
    let egress = match &phase.network {
        Network::None => None,
        Network::Egress(egress) if strict => {
            let name = egress.socket.file_name().unwrap_or_default();
            Some(Egress {
                socket: Path::new(EGRESS).join(name),
                ..egress.clone()
            })
        }
        Network::Egress(egress) => Some(egress.clone()),
    };
    if !phase.program.is_absolute() {
        return Err(Error::Refused(format!(
            "the program {} has no absolute path",
            phase.program.display()
        )));
    }
    Ok(Spec {
        again: settings.inside.arguments.clone(),
        command: Command {
            program: phase.program.clone(),
            arguments: phase.arguments.clone(),
            environment: phase.environment.clone(),
            cpu_seconds: phase.limits.cpu_seconds,
            files: phase.limits.files,
            file_bytes: phase.limits.file_bytes,
            data_bytes: seat.group.is_none().then_some(phase.limits.memory_bytes),
            confine: strict.then(|| confine(phase)),
        },
        input: phase.input.clone(),
        egress,
    })
}

fn confine(phase: &Phase) -> Confine {
    let work = phase.work_writable.then(|| PathBuf::from(WORK));
    let binds = phase.write.iter().map(|bind| bind.target.clone());
    let ports = match &phase.network {
        Network::None => Vec::new(),
        Network::Egress(egress) => egress
            .listen
            .iter()
            .map(|listen| listen.address.port())
            .collect(),
    };
    Confine {
        writable: work
            .into_iter()
            .chain(binds)
            .chain([PathBuf::from("/tmp")])
            .collect(),
        ports,
    }
}
