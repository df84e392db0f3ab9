//! The last step: this process restricts itself, says that it begins, and becomes the command.

use std::convert::Infallible;
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;

use rustix::fs::{Access, access};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::set_no_new_privs;

use super::spec::Command;
use super::{MARK, close_others, confine, filter};

/// The kernel takes two megabytes of arguments and environment; as JSON they are longer.
const COMMAND_BYTES_MAX: u64 = 16 << 20;

pub(super) fn run() -> Result<Infallible, String> {
    let command = read().map_err(|error| format!("reading the command: {error}"))?;
    // Said before the restrictions: afterwards one could not tell what is missing from what is closed.
    let program = command.program.display();
    access(&command.program, Access::EXEC_OK)
        .map_err(|error| format!("starting {program}: {error}"))?;
    close_others()?;
    limit(&command)?;
    set_no_new_privs(true).map_err(|error| format!("giving up new privileges: {error}"))?;
    if let Some(allowed) = &command.confine {
        confine::restrict(allowed)?;
        filter::apply()?;
    }
    let mut output = io::stdout();
    let said = output
        .write_all(MARK.as_bytes())
        .and_then(|()| output.flush());
    said.map_err(|error| format!("saying that it begins: {error}"))?;
    let error = std::process::Command::new(&command.program)
        .args(&command.arguments)
        .env_clear()
        .envs(
            command
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .exec();
    Err(format!("starting {program}: {error}"))
}

/// Reads what is meant for this step and not a byte more: the rest of standard input is the command's.
fn read() -> io::Result<Command> {
    let mut length = [0; 8];
    read_exact(&mut length)?;
    let length = u64::from_be_bytes(length);
    if length > COMMAND_BYTES_MAX {
        let words = format!("{length} bytes, of {COMMAND_BYTES_MAX} at most");
        return Err(io::Error::new(ErrorKind::InvalidData, words));
    }
    let mut text = vec![0; usize::try_from(length).unwrap_or_default()];
    read_exact(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// The standard library would read ahead.
fn read_exact(mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        let count = rustix::io::read(io::stdin().as_fd(), &mut *buffer)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        buffer = buffer.get_mut(count..).unwrap_or_default();
    }
    Ok(())
}

fn limit(command: &Command) -> Result<(), String> {
    // A core file would hold the secrets of the environment.
    let limits = [
        (Resource::Core, Some(0)),
        (Resource::Cpu, Some(command.cpu_seconds)),
        (Resource::Nofile, Some(command.files)),
        (Resource::Fsize, Some(command.file_bytes)),
        (Resource::Data, command.data_bytes),
    ];
    for (resource, wanted) in limits {
        let Some(wanted) = wanted else { continue };
        // What is lower already stays so: an unprivileged process could not raise it.
        let most = getrlimit(resource)
            .maximum
            .map_or(wanted, |most| most.min(wanted));
        let new = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, new)
            .map_err(|error| format!("setting the limit {resource:?}: {error}"))?;
    }
    Ok(())
}
