//! Workers as they are: processes of the crate's own binary with policies in them that nobody would want, and programs that only
//! pretend to be workers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    missing_docs
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use statehouse_policy::assess::{self, Request, Set, assess};
use statehouse_policy::bundle::{self, Bundle};
use statehouse_policy::engine::Diagnostic;
use statehouse_policy::input::{Input, Part};
use statehouse_policy::manifest::{Entity, Values};
use statehouse_policy::verdict::{Outcome, Summary, Verdict};
use statehouse_policy::worker::{Assessed, Canceled, Limits, Settings, Unchecked, Workers};

const PLAN: &str = r#"{"format_version": "1.2", "resource_changes": [{"address": "aws_s3_bucket.a", "type": "aws_s3_bucket"}]}"#;
const FINE: &str =
    "package fine\nimport rego.v1\ndeny contains r.address if some r in input.resource_changes\n";

/// Tests count the children of this process, so one is at it at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Processes whose parent is this one, dead ones that nobody waited for included.
fn children() -> Vec<i32> {
    let own = std::process::id();
    let parent = |pid: i32| {
        let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?
            .1
            .split_whitespace()
            .nth(1)?
            .parse::<u32>()
            .ok()
    };
    let entries = fs_err::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent(*pid) == Some(own)).collect()
}

fn small() -> Limits {
    Limits {
        wall: Duration::from_secs(20),
        set_wall: Duration::from_millis(300),
        cpu: Duration::from_secs(3),
        memory_bytes: 512 << 20,
        ..Limits::default()
    }
}

fn real() -> Settings {
    Settings {
        limits: small(),
        ..Settings::new(env!("CARGO_BIN_EXE_statehouse-policy").into(), ["worker"])
    }
}

/// A program that says this, byte for byte, and then does that.
fn pretender(words: &[&str], then: &str) -> Settings {
    let mut script = String::new();
    for word in words {
        let length = u32::try_from(word.len()).unwrap().to_be_bytes();
        script.push_str("printf '");
        for byte in length.iter().chain(word.as_bytes()) {
            write!(script, "\\{byte:03o}").unwrap();
        }
        script.push_str("'\n");
    }
    script.push_str(then);
    let limits = Limits {
        wall: Duration::from_secs(3),
        ..small()
    };
    Settings {
        limits,
        ..Settings::new("/bin/sh".into(), ["-c", &script])
    }
}

const READY: &str = r#"{"landlock":{"Ok":7},"seccomp":{"Ok":null}}"#;

fn set(files: &[(&str, &str)]) -> Set {
    let files = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
    let bundle = Bundle::from_files(files, &bundle::Limits::default()).unwrap();
    Set::new("set", Arc::new(bundle), Values::new()).unwrap()
}

fn request(sets: Vec<Set>) -> Request {
    Request {
        sets,
        entities: vec![Entity::Plan],
        input: Input {
            documents: BTreeMap::from([(Part::Plan, PLAN.into())]),
            ..Input::default()
        },
    }
}

fn policy(text: &str) -> Request {
    request(vec![set(&[("p.rego", text)])])
}

fn ask(workers: &Workers, request: &Request) -> Assessed {
    workers.assess_blocking(request, &Canceled::default())
}

fn words(verdict: &Verdict) -> &str {
    &verdict.results[0].messages[0].text
}

/// Rules that no server should meet, each with what its author is told.
const HOSTILE: [(&str, &str, &str); 13] = [
    (
        "loops",
        "deny contains x if { some x in numbers.range(1, 3000); some y in numbers.range(1, 3000); some z in numbers.range(1, 3000); x + y + z < 0 }",
        "",
    ),
    ("recurses", "f(n) := f(n + 1)\ndeny contains f(1)", ""),
    (
        "recurses around",
        "f(n) := g(n)\ng(n) := f(n)\ndeny contains f(1)",
        "",
    ),
    (
        "eats a string",
        "deny contains concat(\"\", [x | some i in numbers.range(1, 400); x := concat(\"\", [y | some j in numbers.range(1, 9000); y := sprintf(\"%d%d%s\", [i, j, \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"])])])",
        "",
    ),
    (
        "eats a width",
        "deny contains sprintf(\"%999999999d\", [1])",
        "",
    ),
    (
        "eats a range",
        "deny contains x if { x := count(numbers.range(1, 2000000000)) }",
        "",
    ),
    (
        "shifts",
        "deny contains x if { x := bits.lsh(1, 2000000000) }",
        "",
    ),
    (
        "panics",
        "deny contains x if { x := strings.count(\"abc\", \"\") }",
        "",
    ),
    (
        "calls out",
        "deny contains x if { x := http.send({\"method\": \"get\", \"url\": \"http://127.0.0.1:1\"}).body }",
        "http.send",
    ),
    ("does not parse", "deny contains if {{{", "p.rego:3"),
    (
        "is odd",
        "deny := {\"a\": {\"b\": 1}}",
        "an object without `msg`",
    ),
    (
        "contradicts itself",
        "deny := 1 if true\ndeny := 2 if true",
        "",
    ),
    (
        "is undefined",
        "deny := [\"x\"] if input.nowhere",
        "undefined",
    ),
];

fn hostile(at: usize) -> (&'static str, Request, &'static str) {
    let (name, rule, words) = HOSTILE[at % HOSTILE.len()];
    (
        name,
        policy(&format!("package p\nimport rego.v1\n{rule}\n")),
        words,
    )
}

#[test]
fn a_worker_answers_as_this_process_does() {
    let _alone = alone();
    let workers = Workers::new(real());
    let asked = request(vec![
        set(&[("fine.rego", FINE)]),
        Set {
            name: "other".into(),
            ..set(&[("fine.rego", FINE)])
        },
    ]);
    let here = assess(&asked, &assess::Limits::default());
    let there = ask(&workers, &asked);
    assert_eq!(there.verdicts, here);
    assert_eq!(
        (there.workers, there.verdicts[0].summary),
        (1, Summary::HardFailed)
    );
    assert_eq!(words(&there.verdicts[0]), "aws_s3_bucket.a");
    let bytes = |verdicts: &[Verdict]| verdicts.iter().map(Verdict::to_bytes).collect::<Vec<_>>();
    assert_eq!(
        bytes(&there.verdicts),
        bytes(&ask(&workers, &asked).verdicts)
    );
    let usage = there.usage.unwrap();
    assert!(usage.memory_bytes_max > 1 << 20, "{usage:?}");
}

#[test]
fn every_hostile_policy_fails_closed_and_the_next_evaluation_is_unharmed() {
    let _alone = alone();
    let workers = Workers::new(real());
    for at in 0..HOSTILE.len() {
        let (name, asked, told) = hostile(at);
        let began = Instant::now();
        let verdict = ask(&workers, &asked).verdicts.remove(0);
        let took = began.elapsed();
        assert!(took < Duration::from_secs(20), "{name} took {took:?}");
        assert_eq!(verdict.summary, Summary::HardFailed, "{name}: {verdict:?}");
        assert!(
            words(&verdict).contains(told),
            "{name}: {}",
            words(&verdict)
        );
        println!("{name}: {took:?}: {}", words(&verdict));
        let fine = ask(&workers, &policy(FINE)).verdicts.remove(0);
        assert_eq!(words(&fine), "aws_s3_bucket.a", "after {name}: {fine:?}");
    }
    drop(workers);
    assert!(children().is_empty(), "{:?}", children());
}

#[test]
fn data_and_sources_that_are_bombs_end_their_worker_only() {
    let _alone = alone();
    let workers = Workers::new(real());
    let mut yaml = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let refers = format!("*a{},", level - 1).repeat(10);
        writeln!(
            yaml,
            "a{level}: &a{level} [{}]",
            refers.trim_end_matches(',')
        )
        .unwrap();
    }
    let nested = format!(
        "package p\nimport rego.v1\ndeny contains {}1{}\n",
        "[".repeat(64),
        "]".repeat(64)
    );
    let objects = format!(
        "package p\nimport rego.v1\ndeny contains {}1{}\n",
        "{\"a\": ".repeat(30),
        "}".repeat(30)
    );
    let long = format!(
        "package p\nimport rego.v1\ndeny contains \"{}\"\n",
        "x".repeat(1_000_000)
    );
    let parens = format!(
        "package p\nimport rego.v1\ndeny contains x if x := {}1{}\n",
        "(".repeat(10_000),
        ")".repeat(10_000)
    );
    for files in [
        vec![("fine.rego", FINE), ("data.yaml", yaml.as_str())],
        vec![("p.rego", nested.as_str())],
        vec![("p.rego", objects.as_str())],
        vec![("p.rego", long.as_str())],
        vec![("p.rego", parens.as_str())],
    ] {
        let began = Instant::now();
        let verdict = ask(&workers, &request(vec![set(&files)]))
            .verdicts
            .remove(0);
        assert!(
            verdict.summary.blocks() && began.elapsed() < Duration::from_secs(20),
            "{verdict:?}"
        );
        let text: String = words(&verdict).chars().take(200).collect();
        println!("{}: {:?}: {text}", files[0].0, began.elapsed());
    }
    let plan = format!("{}1{}", "[".repeat(2_000_000), "]".repeat(2_000_000));
    let mut asked = policy(FINE);
    asked.input.documents.insert(Part::Plan, plan.into());
    let verdict = ask(&workers, &asked).verdicts.remove(0);
    assert!(
        words(&verdict).contains("the plan cannot be read"),
        "{verdict:?}"
    );
}

#[test]
fn the_policy_that_takes_the_worker_with_it_is_named_and_the_others_have_their_answers() {
    let _alone = alone();
    let workers = Workers::new(real());
    let manifest = "[[policy]]\nname = \"a\"\nentrypoints = [\"data.fine.deny\"]\n\
                    [[policy]]\nname = \"b\"\nentrypoints = [\"data.bomb.deny\"]\n\
                    [[policy]]\nname = \"c\"\nentrypoints = [\"data.fine.deny\"]\n";
    let bomb = "package bomb\nimport rego.v1\ndeny contains sprintf(\"%999999999d\", [1])\n";
    let files = [
        ("statehouse.toml", manifest),
        ("fine.rego", FINE),
        ("bomb.rego", bomb),
    ];
    let assessed = ask(
        &workers,
        &request(vec![
            set(&files),
            Set {
                name: "other".into(),
                ..set(&[("fine.rego", FINE)])
            },
        ]),
    );
    let ended = |verdict: &Verdict| {
        verdict
            .results
            .iter()
            .map(|it| (it.policy.clone(), it.outcome))
            .collect::<Vec<_>>()
    };
    let wanted = [
        ("a", Outcome::Failed),
        ("b", Outcome::Error),
        ("c", Outcome::Failed),
    ];
    assert_eq!(
        ended(&assessed.verdicts[1]),
        wanted.map(|(name, outcome)| (name.to_owned(), outcome)),
        "{assessed:?}"
    );
    assert_eq!(assessed.verdicts[0].results[0].outcome, Outcome::Failed);
    assert!(assessed.workers <= 3, "{assessed:?}");
}

/// In a soak there are ten thousand of them, which takes minutes.
#[test]
fn hundreds_of_hostile_evaluations_leave_nothing_behind() {
    #[expect(
        clippy::disallowed_methods,
        reason = "how large a proof is, the one who runs it says"
    )]
    let is_soak = std::env::var_os("STATEHOUSE_TEST_SCALE").is_some();
    hostile_in_a_row(if is_soak { 10_000 } else { 200 });
}

fn hostile_in_a_row(count: usize) {
    let _alone = alone();
    let limits = Limits {
        wall: Duration::from_secs(5),
        set_wall: Duration::from_millis(50),
        cpu: Duration::from_secs(1),
        memory_bytes: 256 << 20,
        ..small()
    };
    let workers = Workers::new(Settings { limits, ..real() });
    let began = Instant::now();
    for at in 0..count {
        let (name, asked, _) = hostile(at);
        let verdict = ask(&workers, &asked).verdicts.remove(0);
        assert!(verdict.summary.blocks(), "{at}, {name}: {verdict:?}");
        // The spare, and nothing else.
        assert!(children().len() <= 1, "{at}, {name}: {:?}", children());
    }
    println!("{count} hostile evaluations in {:?}", began.elapsed());
    let fine = ask(&workers, &policy(FINE)).verdicts.remove(0);
    assert_eq!(words(&fine), "aws_s3_bucket.a");
    drop(workers);
    assert!(children().is_empty(), "{:?}", children());
    let open = fs_err::read_dir("/proc/self/fd").unwrap().count();
    assert!(open < 40, "{open} open files");
}

#[test]
fn a_worker_that_is_killed_is_an_error_and_a_spare_that_is_killed_is_replaced() {
    let _alone = alone();
    let workers = Workers::new(real());
    let spare = children();
    assert_eq!(spare.len(), 1);
    kill(spare[0]);
    let fine = ask(&workers, &policy(FINE)).verdicts.remove(0);
    assert_eq!(words(&fine), "aws_s3_bucket.a");
    // Whatever is started is killed, for as long as there is anything to judge.
    let done = Arc::new(Mutex::new(false));
    let over = Arc::clone(&done);
    let killing = thread::spawn(move || {
        while !*over.lock().unwrap() {
            children().into_iter().for_each(kill);
            thread::sleep(Duration::from_millis(20));
        }
    });
    let asked = policy(
        "package p\nimport rego.v1\ndeny contains x if { some x in numbers.range(1, 3000); some y in numbers.range(1, 30000); x + y < 0 }\n",
    );
    let verdict = ask(&workers, &asked).verdicts.remove(0);
    *done.lock().unwrap() = true;
    killing.join().unwrap();
    assert_eq!(verdict.summary, Summary::HardFailed, "{verdict:?}");
    let fine = ask(&workers, &policy(FINE)).verdicts.remove(0);
    assert_eq!(words(&fine), "aws_s3_bucket.a");
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    // It may be gone already.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

#[test]
fn whatever_else_a_worker_says_fails_closed() {
    let _alone = alone();
    let ended = r#"{"Event":{"Ended":{"cpu_ms":1,"memory_bytes_max":1}}}"#;
    let said = |set: usize, policy: usize| {
        format!(
            r#"{{"Event":{{"Said":{{"set":{set},"policy":{policy},"said":{{"Answers":{{"answers":[{{"query":"q","role":"deny","found":{{"Value":[]}},"exempt":false}}],"location":null}}}}}}}}}}"#
        )
    };
    let elsewhere = [said(7, 0), said(0, 7), said(usize::MAX, usize::MAX)];
    let elsewhere: Vec<&str> = [READY]
        .into_iter()
        .chain(elsewhere.iter().map(String::as_str))
        .chain([ended])
        .collect();
    let open = r#"{"landlock":{"Err":"Landlock is not in this kernel"},"seccomp":{"Ok":null}}"#;
    for (settings, told) in [
        (
            Settings::new("/nowhere/statehouse".into(), ["worker"]),
            "/nowhere/statehouse",
        ),
        (
            pretender(&[], "echo 'no such command' >&2; exit 3"),
            "no such command",
        ),
        (pretender(&[], "exec sleep 60"), "not given the time"),
        (
            pretender(&[], "exec cat /dev/zero"),
            "does not say that it is ready",
        ),
        (pretender(&["{}"], ""), "does not say that it is ready"),
        (
            pretender(&[open], "exec sleep 60"),
            "Landlock is not in this kernel",
        ),
        (
            pretender(&[READY], "exec cat /dev/zero"),
            "nobody understands",
        ),
        (pretender(&[READY], "exec yes"), "a frame of"),
        (pretender(&[READY, "[1,"], ""), "nobody understands"),
        (pretender(&[READY, ended], ""), "was not evaluated"),
        (pretender(&elsewhere, ""), "was not evaluated"),
        (pretender(&[READY], "exit 0"), "ended by itself"),
        (pretender(&[READY], "kill -9 $$"), "killed from outside"),
        (pretender(&[READY], "exec sleep 60"), "not given the time"),
    ] {
        let workers = Workers::new(settings);
        let began = Instant::now();
        let assessed = ask(&workers, &policy(FINE));
        let verdict = &assessed.verdicts[0];
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{told}: {:?}",
            began.elapsed()
        );
        assert_eq!(
            (verdict.summary, verdict.results[0].outcome),
            (Summary::HardFailed, Outcome::Error)
        );
        assert!(words(verdict).contains(told), "{told}: {}", words(verdict));
        drop(workers);
        assert!(children().is_empty(), "{told}: {:?}", children());
    }
}

#[test]
fn a_worker_that_talks_without_end_is_stopped() {
    let _alone = alone();
    let begun = r#"{"Event":{"Begun":{"set":0,"policies":[]}}}"#;
    let mut frame = String::new();
    for byte in u32::try_from(begun.len())
        .unwrap()
        .to_be_bytes()
        .iter()
        .chain(begun.as_bytes())
    {
        write!(frame, "\\{byte:03o}").unwrap();
    }
    let mut settings = pretender(&[READY], &format!("while :; do printf '{frame}'; done"));
    settings.limits.output_bytes_max = 100_000;
    let workers = Workers::new(settings);
    let verdict = ask(&workers, &policy(FINE)).verdicts.remove(0);
    assert!(
        words(&verdict).contains("more than 100000 bytes"),
        "{verdict:?}"
    );
    drop(workers);
    assert!(children().is_empty(), "{:?}", children());
}

#[test]
fn what_is_too_large_is_not_evaluated() {
    let _alone = alone();
    let mut settings = real();
    settings.limits.input_bytes_max = 10;
    let verdict = ask(&Workers::new(settings), &policy(FINE))
        .verdicts
        .remove(0);
    assert!(
        verdict.summary.blocks() && words(&verdict).contains("10 are the most"),
        "{verdict:?}"
    );
}

#[test]
fn a_caller_that_goes_away_takes_the_worker_with_it() {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut settings = real();
    settings.limits.set_wall = Duration::from_mins(1);
    settings.limits.cpu = Duration::from_mins(1);
    settings.limits.wall = Duration::from_mins(1);
    // With one place only, whoever comes next waits until the first has ended.
    settings.parallel_max = 1;
    let workers = Workers::new(settings);
    let (_, asked, _) = hostile(0);
    let began = Instant::now();
    let fine = runtime.block_on(async {
        let waiting = workers.assess(Arc::new(asked));
        let waited = tokio::time::timeout(Duration::from_millis(500), waiting).await;
        assert!(waited.is_err());
        workers
            .assess(Arc::new(policy(FINE)))
            .await
            .verdicts
            .remove(0)
    });
    assert_eq!(words(&fine), "aws_s3_bucket.a");
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    drop(workers);
    assert!(children().is_empty(), "{:?}", children());
}

#[test]
fn who_waits_in_turn_is_evaluated_however_long_that_took() {
    let _alone = alone();
    let mut settings = real();
    settings.limits.set_wall = Duration::from_secs(1);
    settings.limits.wall = Duration::from_secs(1);
    settings.parallel_max = 1;
    let workers = Workers::new(settings);
    let (began, canceled) = (Instant::now(), Canceled::default());
    let fine = std::thread::scope(|scope| {
        for _ in 0..3 {
            let (_, looping, _) = hostile(0);
            let (workers, canceled) = (&workers, &canceled);
            scope.spawn(move || workers.assess_blocking(&looping, canceled));
        }
        // They have their numbers by then, and this one the next.
        std::thread::sleep(Duration::from_millis(300));
        workers.assess_blocking(&policy(FINE), &canceled)
    });
    assert_eq!(words(&fine.verdicts[0]), "aws_s3_bucket.a");
    assert!(began.elapsed() > Duration::from_secs(2), "it waited");
    // Whoever goes away while it waits holds up nobody who comes after.
    canceled.cancel();
    workers.assess_blocking(&policy(FINE), &canceled);
    let last = workers.assess_blocking(&policy(FINE), &Canceled::default());
    assert_eq!(words(&last.verdicts[0]), "aws_s3_bucket.a");
    drop(workers);
    assert!(children().is_empty(), "{:?}", children());
}

fn wrong_of(unchecked: Unchecked) -> Vec<Diagnostic> {
    match unchecked {
        Unchecked::Wrong(wrong) => wrong,
        Unchecked::Unanswered(why) => panic!("nobody looked: {why}"),
    }
}

#[test]
fn a_set_is_looked_at_in_a_worker_too() {
    let _alone = alone();
    let workers = Workers::new(real());
    let described = workers.check(&set(&[("fine.rego", FINE)])).unwrap();
    assert_eq!(described[0].entrypoints[0].query, "data.fine.deny");
    let wrong = workers.check(&set(&[("p.rego", "package p\n\ndeny contains if if\n")]));
    let wrong = wrong_of(wrong.unwrap_err());
    assert_eq!(
        (wrong[0].file.as_str(), wrong[0].line),
        ("p.rego", 3),
        "{wrong:?}"
    );
    let parens = format!(
        "package p\nimport rego.v1\ndeny contains x if x := {}1{}\n",
        "(".repeat(10_000),
        ")".repeat(10_000)
    );
    let wrong = workers.check(&set(&[("p.rego", parens.as_str())]));
    assert!(!wrong_of(wrong.unwrap_err()).is_empty());
    drop(workers);
    assert!(children().is_empty(), "{:?}", children());
}

/// What a worker finds of the machine: the test's own policy cannot ask, so the kernel is asked about the worker.
#[test]
fn a_worker_has_nothing() {
    let _alone = alone();
    let workers = Workers::new(real());
    let pid = children()[0];
    let read = |name: &str| fs_err::read_to_string(format!("/proc/{pid}/{name}"));
    let began = Instant::now();
    // It says nothing until it is asked; what it gave up can be seen from outside.
    loop {
        let status = read("status").unwrap();
        let has = |line: &str| {
            status
                .lines()
                .any(|it| it.split_whitespace().collect::<Vec<_>>().join(" ") == line)
        };
        if has("Seccomp: 2") && has("NoNewPrivs: 1") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{status}");
        thread::sleep(Duration::from_millis(10));
    }
    let environment = fs_err::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    assert!(environment.iter().all(|byte| *byte == 0), "{environment:?}");
    let open = fs_err::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    assert_eq!(open, 3);
    let limits = read("limits").unwrap();
    let limit = |name: &str| {
        limits
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap()
            .to_owned()
    };
    for (name, value) in [
        ("Max core file size", "0"),
        ("Max file size", "0"),
        ("Max open files", "3"),
    ] {
        assert_eq!(
            limit(name)
                .trim_start_matches(name)
                .split_whitespace()
                .next(),
            Some(value)
        );
    }
    drop(workers);
}
