//! Resources that are found among those of ten thousand states.
//!
//! Each question is another one, so that nothing is answered from memory of the last answer. The first one makes the index, and
//! is told apart.

use std::fmt::Write;
use std::time::Instant;

use crate::client::Client;
use crate::house::ORGANIZATION;
use crate::report::{Goal, Section, number};
use crate::server::{Server, Settings};
use crate::stats::{median, percentile};
use crate::{Plan, Result, busy, process};

/// Resources of each state.
const EACH: usize = 100;
/// Questions of each kind.
const ASKED: usize = 40;

/// A kind of question: its name, and the query of its question of that number.
type Question = (&'static str, fn(usize) -> String);

const QUESTIONS: [Question; 8] = [
    ("a type", |asked| {
        format!("filter%5Btype%5D={}", kind(asked))
    }),
    ("one id", |asked| {
        format!("filter%5Bid%5D={}", id(asked * 97, asked % EACH))
    }),
    ("a word of one in a hundred", |asked| {
        format!("q=key-{}%22", asked % EACH)
    }),
    ("a word of one workspace", |asked| {
        format!("q=owner-{}", asked * 13)
    }),
    ("a word of none", |asked| format!("q=nothing-{asked}")),
    ("a tag and a type", |asked| {
        format!(
            "filter%5Btag%5D=env%3Dprod&filter%5Btype%5D={}",
            kind(asked)
        )
    }),
    ("what depends on one", |asked| {
        format!(
            "filter%5Bdepends-on%5D=module.net.aws_subnet.s{}",
            asked % 10
        )
    }),
    ("a module, the last page", |asked| {
        format!(
            "filter%5Bmodule%5D=module.service&page%5Bnumber%5D={}&page%5Bsize%5D=100",
            100 - asked % 10
        )
    }),
];

/// The slowest kind of question counts.
#[expect(clippy::cast_precision_loss, reason = "sizes are less than 2^52 bytes")]
pub(crate) fn search(plan: &Plan) -> Result<Section> {
    let folder = plan.folder()?;
    let workspaces = plan.workspaces.max(1);
    let site = busy::seed(&folder.path().join("site"), workspaces, workspaces, hundred)?;
    let server = Server::start(&plan.tools, &site, Settings::default())?;
    let mut client = Client::connect(&server.target)?;
    let (before, began) = (process::cpu_s(server.pid())?, Instant::now());
    ask(&mut client, "q=first")?;
    let (cpu_s, first_s) = (
        process::cpu_s(server.pid())? - before,
        began.elapsed().as_secs_f64(),
    );
    let mut times = Vec::new();
    for (name, query) in QUESTIONS {
        let mut times_ms = Vec::with_capacity(ASKED);
        for asked in 0..ASKED {
            let query = query(asked);
            let began = Instant::now();
            ask(&mut client, &query)?;
            times_ms.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        times.push((name, median(&times_ms), percentile(&times_ms, 0.95)));
    }
    times.sort_by(|one, other| other.2.total_cmp(&one.2));
    let mut section = Section::new("Search over all resources, on SQLite");
    if let Some((name, _, p95_ms)) = times.first() {
        let what = format!(
            "slowest p95 of {} kinds of questions ({name}), {} resources in {workspaces} states",
            times.len(),
            workspaces * EACH,
        );
        section.line(&what, Goal::AtMost(50.0), " ms", &[*p95_ms]);
    }
    let words = times
        .iter()
        .map(|(name, p50_ms, p95_ms)| format!("{name} {}, {}", number(*p50_ms), number(*p95_ms)));
    section.note(format!(
        "p50 and p95 in ms of {ASKED} questions each: {}.",
        words.collect::<Vec<_>>().join("; ")
    ));
    section.note(format!(
        "The first question, which makes the index: {} s, {} s of CPU; resident {} MB after all.",
        number(first_s),
        number(cpu_s),
        number(process::memory_bytes(server.pid(), "VmRSS")? as f64 / 1e6),
    ));
    Ok(section)
}

fn ask(client: &mut Client, query: &str) -> Result<()> {
    let address = format!("/api/v2/organizations/{ORGANIZATION}/resources?{query}");
    client.expect_ok("GET", &address, None, &[])?;
    Ok(())
}

fn kind(number: usize) -> &'static str {
    const KINDS: [&str; 5] = [
        "aws_instance",
        "aws_iam_role",
        "aws_s3_bucket",
        "aws_security_group",
        "aws_sqs_queue",
    ];
    KINDS.get(number % KINDS.len()).copied().unwrap_or_default()
}

fn id(workspace: usize, resource: usize) -> String {
    let number = (workspace * EACH + resource) as u64;
    format!("i-{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A state with a hundred resources in ten groups.
fn hundred(workspace: usize, serial: usize) -> Vec<u8> {
    let mut resources = String::new();
    for group in 0..EACH / 10 {
        let mut instances = String::new();
        for key in group * 10..group * 10 + 10 {
            let comma = if key % 10 > 0 { "," } else { "" };
            // Writing to a String cannot fail, here and below.
            let _ = write!(
                instances,
                r#"{comma}{{"index_key":"key-{key}","schema_version":0,"attributes":{{"arn":"arn:aws:x:eu-central-1:123456789012:{key}","id":"{}","tags":{{"Name":"item {key}","env":"{}","owner":"owner-{workspace}"}}}},"sensitive_attributes":[],"dependencies":["module.net.aws_subnet.s{group}"]}}"#,
                id(workspace, key),
                if workspace.is_multiple_of(2) {
                    "prod"
                } else {
                    "stage"
                },
            );
        }
        let comma = if group > 0 { "," } else { "" };
        let _ = write!(
            resources,
            r#"{comma}{{"module":"module.service","mode":"managed","type":"{}","name":"r{group}","provider":"provider[\"registry.terraform.io/hashicorp/aws\"]","instances":[{instances}]}}"#,
            kind(group),
        );
    }
    format!(
        r#"{{"version":4,"terraform_version":"1.11.4","serial":{serial},"lineage":"00000000-0000-4000-a000-{workspace:012}","outputs":{{}},"resources":[{resources}],"check_results":null}}"#
    )
    .into_bytes()
}
