//! The worker's own side: it gives up everything, says so, reads one order, carries it out, and ends.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use statehouse_confined::{begin, document, order, say, watch};

use super::{Order, Word};
use crate::assess::task::{Event, Task, TaskSet, Usage};
use crate::assess::{check, evaluate};
use crate::engine::Document;
use crate::input::{Parsed, Part, no_text, read};

/// What a worker answers when it cannot go on, as `env` and `timeout` do.
const FAILED: u8 = 125;

/// One evaluation. The binary calls this for its hidden subcommand before it has opened or started anything, and exits with the answer.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if standard error is closed.
            let _ = writeln!(io::stderr(), "statehouse policy worker: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn run() -> Result<(), String> {
    begin()?;
    match order::<Order<Task, TaskSet>>()? {
        Order::Check(set) => {
            watch()?;
            say(&Word::Checked(check::check(&set)))
        }
        Order::Evaluate(task) => {
            let documents =
                documents(&task).map_err(|error| format!("reading a document: {error}"))?;
            watch()?;
            carry_out(&task, documents)
        }
    }
}

/// Reads each document and makes values of it before the next one comes, so that only one text is there at a time.
fn documents(task: &Task) -> io::Result<Result<BTreeMap<Part, Document>, String>> {
    let mut documents = Ok(BTreeMap::new());
    for (part, bytes) in &task.documents {
        let text = document(*bytes)?;
        let Ok(read_so_far) = &mut documents else {
            continue;
        };
        let text = String::from_utf8(text).map_err(|error| no_text(*part, &error));
        match text.and_then(|text| read(*part, &text)) {
            Ok(document) => {
                read_so_far.insert(*part, document);
            }
            Err(error) => documents = Err(error.to_string()),
        }
    }
    Ok(documents)
}

fn carry_out(
    task: &Task,
    documents: Result<BTreeMap<Part, Document>, String>,
) -> Result<(), String> {
    let failed = Mutex::new(None);
    let hear = |event| {
        if let Err(error) = say(&Word::Event(event)) {
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    };
    match documents {
        Ok(documents) => {
            let parsed = Parsed::of(documents, task.context.clone());
            evaluate::evaluate(task, &parsed, &hear);
        }
        Err(message) => hear(Event::Unreadable { message }),
    }
    hear(Event::Ended(usage()));
    failed
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .map_or(Ok(()), Err)
}

fn usage() -> Usage {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return Usage::default();
    };
    let cpu = usage.user_time() + usage.system_time();
    Usage {
        cpu_ms: u64::try_from(cpu.num_milliseconds()).unwrap_or_default(),
        memory_bytes_max: u64::try_from(usage.max_rss()).unwrap_or_default() << 10,
    }
}
