//! What becomes of workers that is nothing that a policy did: too much to do, somebody who ends them, documents that are no longer what they were.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use statehouse_confined::Pour;
use statehouse_policy::assess::{Request, Set};
use statehouse_policy::bundle::{self, Bundle, Digest};
use statehouse_policy::input::{Input, Part, Text};
use statehouse_policy::manifest::{Entity, Values};
use statehouse_policy::verdict::{Summary, Verdict};
use statehouse_policy::worker::{Assessed, Canceled, Limits, Settings, Workers};

const PLAN: &str = r#"{"format_version": "1.2", "resource_changes": []}"#;
/// Takes some tenths of a second of the processor, and has nothing against a plan.
const BUSY: &str = "package p\nimport rego.v1\ndeny contains x if { some x in numbers.range(1, 500); some y in numbers.range(1, 500); x + y < 0 }\n";
const LOOPS: &str = "package p\nimport rego.v1\ndeny contains x if { some x in numbers.range(1, 100000); some y in numbers.range(1, 100000); x + y < 0 }\n";

/// Found is something of the plan's own document, of which nothing is there any more where that is in the place of the input.
const OF_ANOTHER: &str = r#"package p
import rego.v1
found contains "no" if { input.resource_changes; some x in numbers.range(1, 500); some y in numbers.range(1, 500); x + y == 1000 }
deny contains msg if { msg := found[_] with input as input.plan }
"#;

/// Tests look for the children of this process, so one is at it at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn settings(set_wall: Duration, wall: Duration) -> Settings {
    let limits = Limits {
        wall,
        set_wall,
        cpu: Duration::from_mins(1),
        ..Limits::default()
    };
    Settings {
        limits,
        ..Settings::new(env!("CARGO_BIN_EXE_statehouse-policy").into(), ["worker"])
    }
}

fn asked(policy: &str) -> Request {
    let files = [("p.rego".to_owned(), policy.as_bytes().to_vec())];
    let bundle = Bundle::from_files(files, &bundle::Limits::default()).unwrap();
    Request {
        sets: vec![Set::new("set", Arc::new(bundle), Values::new()).unwrap()],
        entities: vec![Entity::Plan],
        input: Input {
            documents: BTreeMap::from([(Part::Plan, PLAN.into())]),
            ..Input::default()
        },
    }
}

fn words(verdict: &Verdict) -> String {
    let messages = verdict.results.iter().flat_map(|it| &it.messages);
    messages.map(|it| it.text.as_str()).collect()
}

/// The spare worker: the only child.
fn spare() -> Pid {
    let own = std::process::id().to_string();
    let is_own = |pid: i32| {
        let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let parent = stat
            .rsplit_once(')')?
            .1
            .split_whitespace()
            .nth(1)?
            .to_owned();
        (parent == own).then_some(pid)
    };
    let entries = fs_err::read_dir("/proc").unwrap().flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Pid::from_raw(pids.find_map(is_own).unwrap()).unwrap()
}

/// Asks, and keeps the worker from the processor for so long meanwhile.
fn starved(workers: &Workers, policy: &str, kept: Duration) -> Assessed {
    let pid = spare();
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(150));
            kill_process(pid, Signal::STOP).unwrap();
            thread::sleep(kept);
            // It was ended where it had no more time.
            kill_process(pid, Signal::CONT).ok();
        });
        workers.assess_blocking(&asked(policy), &Canceled::default())
    })
}

#[test]
fn a_policy_is_not_blamed_for_a_processor_that_others_had() {
    let _alone = alone();
    let own = Duration::from_secs(3);
    let workers = Workers::new(settings(own, Duration::from_mins(2)));
    let began = Instant::now();
    let assessed = starved(&workers, BUSY, own + Duration::from_secs(1));
    let verdict = &assessed.verdicts[0];
    assert_eq!(verdict.summary, Summary::Passed, "{verdict:?}");
    assert_eq!(assessed.unanswered, None);
    assert!(
        began.elapsed() > own,
        "it was kept from it for longer than it may take"
    );
    // What it takes itself counts.
    let workers = Workers::new(settings(Duration::from_millis(300), Duration::from_mins(2)));
    let assessed = workers.assess_blocking(&asked(LOOPS), &Canceled::default());
    assert_eq!(assessed.unanswered, None);
    assert_eq!(assessed.verdicts[0].summary, Summary::HardFailed);
    assert!(
        words(&assessed.verdicts[0]).contains("time limit"),
        "{assessed:?}"
    );
}

#[test]
fn what_is_asked_again_is_asked_of_the_same_input() {
    let _alone = alone();
    let own = Duration::from_secs(3);
    let workers = Workers::new(settings(own, Duration::from_mins(2)));
    let began = Instant::now();
    let assessed = starved(&workers, OF_ANOTHER, own + Duration::from_secs(1));
    assert!(
        began.elapsed() > own,
        "it was kept from it for longer than it may take"
    );
    assert_eq!(assessed.unanswered, None);
    let verdict = &assessed.verdicts[0];
    assert_eq!(verdict.summary, Summary::HardFailed, "{verdict:?}");
    assert!(words(verdict).starts_with("no"), "{verdict:?}");
}

#[test]
fn what_is_not_done_in_time_for_want_of_a_processor_is_no_answer() {
    let _alone = alone();
    let wall = Duration::from_secs(2);
    let workers = Workers::new(settings(Duration::from_mins(1), wall));
    let assessed = starved(&workers, LOOPS, wall + Duration::from_secs(1));
    let why = assessed.unanswered.clone().unwrap();
    assert!(why.contains("not given the time"), "{why}");
    // Who takes it for one all the same finds everything against it.
    assert_eq!(assessed.verdicts[0].summary, Summary::HardFailed);
}

#[test]
fn a_process_that_loops_is_ended_by_what_it_took_and_that_counts() {
    let _alone = alone();
    let mut of = settings(Duration::from_mins(5), Duration::from_mins(5));
    of.limits.cpu = Duration::from_secs(2);
    let workers = Workers::new(of);
    let assessed = workers.assess_blocking(&asked(LOOPS), &Canceled::default());
    assert_eq!(assessed.unanswered, None);
    let said = words(&assessed.verdicts[0]);
    assert!(said.contains("s of processor time"), "{said}");
}

#[test]
fn an_order_that_is_longer_than_one_may_be_is_against_it_and_no_load() {
    let _alone = alone();
    let workers = Workers::new(settings(Duration::from_secs(20), Duration::from_mins(2)));
    let mut asked = asked("package p\nimport rego.v1\ndeny contains \"no\" if false\n");
    asked.input.context.workspace.name = "x".repeat(129 << 20);
    let assessed = workers.assess_blocking(&asked, &Canceled::default());
    assert_eq!(assessed.unanswered, None, "who asks again hears the same");
    assert_eq!(assessed.verdicts[0].summary, Summary::HardFailed);
    assert!(
        words(&assessed.verdicts[0]).contains("bytes"),
        "{:?}",
        assessed.verdicts[0]
    );
}

/// A plan that turns out to be altered when most of it was opened.
struct Altered;

impl Pour for Altered {
    fn bytes(&self) -> u64 {
        PLAN.len() as u64
    }

    fn pour(&self, sink: &mut dyn Write) -> std::io::Result<()> {
        let (last, most) = PLAN.as_bytes().split_last().unwrap();
        assert_eq!(*last, b'}');
        sink.write_all(most)?;
        sink.flush()?;
        Err(std::io::Error::other("these bytes were altered"))
    }
}

#[test]
fn what_is_altered_on_its_way_is_judged_by_nobody() {
    let _alone = alone();
    let workers = Workers::new(settings(Duration::from_secs(20), Duration::from_mins(2)));
    let mut asked = asked("package p\nimport rego.v1\ndeny contains \"no\" if false\n");
    let altered = Text::kept(Arc::new(Altered), Digest([0; 32]));
    asked.input.documents.insert(Part::Plan, altered);
    let assessed = workers.assess_blocking(&asked, &Canceled::default());
    assert!(assessed.unanswered.unwrap().contains("altered"));
    assert_eq!(assessed.verdicts[0].summary, Summary::HardFailed);
    assert_eq!(assessed.workers, 1, "nobody tries it again");
}
