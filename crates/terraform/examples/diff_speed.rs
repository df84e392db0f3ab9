//! How fast two large states are compared, and how much memory that takes.
//!
//! Makes two states of 50 MB each (or as many as the first argument says) in the shape that terraform writes, five types of AWS
//! resources in modules with `for_each` keys, and compares them where a little, every instance, only the spelling, every address,
//! and everything differs. Prints the processor time of the median of three runs (another program's share of a busy
//! machine does not count) and the highest memory above the inputs, as Linux counts it. The listing
//! for searches and a step of a history are timed on the same states.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "an example reads the kernel's own files, says what it finds, and spells a state in one place"
)]

use std::fmt::Write;

use statehouse_terraform::content::Content;
use statehouse_terraform::diff::{Limits, Side, diff};
use statehouse_terraform::history::{Blame, History};
use statehouse_terraform::rollback::{Preview, restated};
use statehouse_terraform::search::Listing;

/// How a state is made.
#[derive(Clone, Copy, Default)]
struct Shape {
    bytes: usize,
    /// One in so many instances has another size; 0 for none.
    changed_every: u64,
    /// No blanks, and keys the other way round.
    respelled: bool,
    module: &'static str,
    /// Added to every identifier.
    salt: u64,
}

fn main() {
    let megabytes = std::env::args()
        .nth(1)
        .map_or(50, |number| number.parse().unwrap());
    let base = Shape {
        bytes: megabytes << 20,
        module: "net",
        ..Shape::default()
    };
    let first = state(base);
    let cases = [
        (
            "1 in 100 changed",
            Shape {
                changed_every: 100,
                ..base
            },
        ),
        (
            "every instance changed",
            Shape {
                changed_every: 1,
                ..base
            },
        ),
        (
            "only spelled otherwise",
            Shape {
                respelled: true,
                ..base
            },
        ),
        (
            "every instance moved",
            Shape {
                module: "core",
                ..base
            },
        ),
        (
            "nothing in common",
            Shape {
                module: "core",
                salt: 7,
                ..base
            },
        ),
    ];
    println!("state: {} MB", first.len() >> 20);
    for (name, shape) in cases {
        let second = state(shape);
        let mut words = String::new();
        let (ms, mb) = measure(|| {
            let (old, new) = (read(&first), read(&second));
            let found = diff(Side::of(&old), Side::of(&new), Limits::default());
            words = format!(
                "{:?}, {} KB of JSON",
                found.totals,
                serde_json::to_vec(&found).unwrap().len() >> 10
            );
        });
        println!(
            "diff, {name}: {ms} ms, {mb} MB above two inputs of {} MB\n    {words}",
            (first.len() + second.len()) >> 20
        );
    }
    let (ms, mb) = measure(|| drop(read(&first)));
    println!("read: {ms} ms, {mb} MB");
    let (ms, mb) = measure(|| assert!(Listing::of(Side::of(&read(&first))).left_out() == 0));
    println!("listing: {ms} ms, {mb} MB");
    let second = state(cases[1].1);
    let (ms, mb) = measure(|| {
        Preview::of(Side::of(&read(&first)), Side::of(&read(&second)));
    });
    println!("preview, every instance changed: {ms} ms, {mb} MB");
    let (ms, mb) = measure(|| {
        assert!(restated(first.as_bytes(), 12).is_ok());
    });
    println!("restated: {ms} ms, {mb} MB");
    let (old, new) = (read(&first), read(&second));
    let subject: statehouse_terraform::address::Subject = old.instances()
        [old.instances().len() / 2]
        .address()
        .parse()
        .unwrap();
    let (ms, mb) = measure(|| {
        let mut history = History::of(subject.clone());
        let mut blame = Blame::of(&subject);
        for (version, content) in [(1, &old), (2, &new)] {
            history.see(version, Side::of(content));
            blame.see(version, Side::of(content));
        }
        assert_eq!(history.tell().points.len(), 2);
        assert!(blame.tell().lines.iter().any(|line| line.version == 2));
    });
    println!("history and blame of two versions already read: {ms} ms, {mb} MB");
}

fn read(text: &str) -> Content<'_> {
    Content::read(text.as_bytes()).unwrap()
}

/// Median milliseconds on the processor of three runs, and the highest memory of one above what there was before.
fn measure(mut run: impl FnMut()) -> (u64, u64) {
    let (mut times, mut highest) = (Vec::new(), 0);
    for _ in 0..3 {
        // Resets the highest mark of this process.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let before = memory_kb("VmRSS:");
        let started = processor_ns();
        run();
        times.push((processor_ns() - started) / 1_000_000);
        highest = highest.max(memory_kb("VmHWM:").saturating_sub(before));
    }
    times.sort_unstable();
    (times[1], highest >> 10)
}

/// Nanoseconds that this thread ran.
fn processor_ns() -> u64 {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    counted.split_whitespace().next().unwrap().parse().unwrap()
}

fn memory_kb(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A state of at least so many bytes.
fn state(shape: Shape) -> String {
    let mut resources = Vec::new();
    let (mut bytes, mut number) = (0, 0);
    while bytes < shape.bytes {
        let mut instances = Vec::new();
        for key in 0..20 {
            instances.push(instance(shape, number, key));
            number += 1;
        }
        let kind = KINDS[resources.len() % KINDS.len()];
        let resource = object(
            shape,
            3,
            &[
                (
                    "module",
                    format!(
                        "\"module.{}[\\\"zone {}\\\"]\"",
                        shape.module,
                        resources.len() / 50
                    ),
                ),
                ("mode", "\"managed\"".to_owned()),
                ("type", format!("\"{kind}\"")),
                ("name", format!("\"r{:06}\"", resources.len())),
                (
                    "provider",
                    r#""provider[\"registry.terraform.io/hashicorp/aws\"]""#.to_owned(),
                ),
                ("instances", list(shape, 4, &instances)),
            ],
        );
        bytes += resource.len();
        resources.push(resource);
    }
    object(
        shape,
        1,
        &[
            ("version", "4".to_owned()),
            ("terraform_version", "\"1.11.4\"".to_owned()),
            ("serial", "7".to_owned()),
            (
                "lineage",
                "\"9c0210eb-31f9-1374-c2d5-f0092457c12a\"".to_owned(),
            ),
            ("outputs", "{}".to_owned()),
            ("resources", list(shape, 2, &resources)),
            ("check_results", "null".to_owned()),
        ],
    )
}

const KINDS: [&str; 5] = [
    "aws_ebs_volume",
    "aws_iam_role",
    "aws_s3_bucket",
    "aws_security_group",
    "aws_sqs_queue",
];

fn instance(shape: Shape, number: u64, key: u64) -> String {
    let id = (number + shape.salt * 1_000_003).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let changed = shape.changed_every > 0 && number.is_multiple_of(shape.changed_every);
    let tags = object(
        shape,
        7,
        &[
            ("Name", format!("\"item {number}\"")),
            ("env", "\"prod\"".to_owned()),
            ("owner", "\"platform\"".to_owned()),
        ],
    );
    let blocks = list(
        shape,
        9,
        &["\"10.0.0.0/24\"".to_owned(), "\"10.0.1.0/24\"".to_owned()],
    );
    let rule = object(
        shape,
        8,
        &[
            ("cidr_blocks", blocks),
            ("description", "\"\"".to_owned()),
            ("from_port", "443".to_owned()),
            ("protocol", "\"tcp\"".to_owned()),
            ("to_port", "443".to_owned()),
        ],
    );
    let policy = r#""{\"Statement\":[{\"Action\":\"sts:AssumeRole\",\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"lambda.amazonaws.com\"}}],\"Version\":\"2012-10-17\"}""#;
    let attributes = object(
        shape,
        6,
        &[
            (
                "arn",
                format!("\"arn:aws:ec2:eu-west-1:123456789012:thing/{id:016x}\""),
            ),
            ("assume_role_policy", policy.to_owned()),
            ("availability_zone", "\"eu-west-1a\"".to_owned()),
            ("encrypted", "false".to_owned()),
            ("id", format!("\"thing-{id:016x}\"")),
            ("ingress", list(shape, 7, &[rule])),
            ("iops", "0".to_owned()),
            ("kms_key_id", "\"\"".to_owned()),
            ("master_password", format!("\"p{id:x}\"")),
            ("size", if changed { "11" } else { "10" }.to_owned()),
            ("tags", tags.clone()),
            ("tags_all", tags),
            ("timeouts", "null".to_owned()),
            ("type", "\"gp2\"".to_owned()),
        ],
    );
    let step = object(
        shape,
        8,
        &[
            ("type", "\"get_attr\"".to_owned()),
            ("value", "\"kms_key_id\"".to_owned()),
        ],
    );
    object(
        shape,
        5,
        &[
            ("index_key", key.to_string()),
            ("schema_version", "0".to_owned()),
            ("attributes", attributes),
            (
                "sensitive_attributes",
                list(shape, 6, &[list(shape, 7, &[step])]),
            ),
            (
                "private",
                "\"eyJlMmJmYjczMC1lY2FhLTExZTYtOGY4OC0zNDM2M2JjN2M0YzAiOnt9fQ==\"".to_owned(),
            ),
            (
                "dependencies",
                list(shape, 6, &["\"module.net.aws_vpc.main\"".to_owned()]),
            ),
        ],
    )
}

fn object(shape: Shape, depth: usize, members: &[(&str, String)]) -> String {
    let colon = if shape.respelled { ":" } else { ": " };
    let mut members: Vec<String> = members
        .iter()
        .map(|(key, value)| format!("\"{key}\"{colon}{value}"))
        .collect();
    if shape.respelled {
        members.reverse();
    }
    format!("{{{}}}", joined(shape, depth, &members))
}

fn list(shape: Shape, depth: usize, elements: &[String]) -> String {
    format!("[{}]", joined(shape, depth, elements))
}

fn joined(shape: Shape, depth: usize, parts: &[String]) -> String {
    if shape.respelled {
        return parts.join(",");
    }
    let mut out = String::new();
    for (index, part) in parts.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write!(out, "{comma}\n{}{part}", "  ".repeat(depth)).unwrap();
    }
    write!(out, "\n{}", "  ".repeat(depth - 1)).unwrap();
    out
}
