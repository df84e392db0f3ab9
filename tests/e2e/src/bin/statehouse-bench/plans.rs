//! Plans as `show -json` writes them, as large as is asked: an AWS stack that repeats, 820 bytes for each resource.
//!
//! Names, ids and sizes differ from resource to resource, types and tags repeat as they do in real plans. What is planned stands in
//! them once, among the changes alone, or twice, as terraform writes it.

use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value, json};
use statehouse_e2e::random::Random;

use crate::Result;

/// What a resource takes in the text.
const BYTES: usize = 820;
const PROVIDER: &str = "registry.terraform.io/hashicorp/aws";
const SIZES: [&str; 6] = [
    "t3.micro",
    "t3.large",
    "m5.large",
    "m5.2xlarge",
    "c5.xlarge",
    "r5.large",
];

/// Where a plan says what will be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Among its changes alone.
    Once,
    /// Among its planned values, too.
    Twice,
}

/// Writes a plan that creates so many resources.
pub(crate) fn write(path: &Path, resources: usize, told: Told) -> Result<()> {
    let mut to = BufWriter::new(fs_err::File::create(path)?);
    to.write_all(br#"{"format_version":"1.2","terraform_version":"1.11.4","#)?;
    if told == Told::Twice {
        to.write_all(br#""planned_values":{"root_module":{"resources":["#)?;
        each(&mut to, resources, |number| planned(number, told))?;
        to.write_all(b"]}},")?;
    }
    to.write_all(br#""resource_changes":["#)?;
    each(&mut to, resources, |number| change(number, told))?;
    let region = json!({"aws": {"name": "aws", "full_name": PROVIDER, "expressions": {"region": {"constant_value": "eu-west-1"}}}});
    write!(
        to,
        r#"],"configuration":{{"provider_config":{region},"root_module":{{}}}},"timestamp":"2026-08-21T00:00:00Z","applyable":true,"complete":true,"errored":false}}"#
    )?;
    Ok(to.flush()?)
}

fn each(to: &mut impl Write, count: usize, of: impl Fn(usize) -> Value) -> Result<()> {
    for number in 0..count {
        if number > 0 {
            to.write_all(b",")?;
        }
        serde_json::to_writer(&mut *to, &of(number))?;
    }
    Ok(())
}

fn head(kind: &str, number: usize) -> Map<String, Value> {
    let name = format!("r{number}");
    let head = json!({
        "address": format!("{kind}.{name}"),
        "mode": "managed",
        "type": kind,
        "name": name,
        "provider_name": PROVIDER,
    });
    match head {
        Value::Object(head) => head,
        _ => Map::new(),
    }
}

fn planned(number: usize, told: Told) -> Value {
    let (kind, values) = values(number, told);
    let mut planned = head(kind, number);
    planned.insert("schema_version".to_owned(), json!(1));
    planned.insert("values".to_owned(), values);
    planned.insert("sensitive_values".to_owned(), json!({}));
    Value::Object(planned)
}

fn change(number: usize, told: Told) -> Value {
    let (kind, values) = values(number, told);
    let mut change = head(kind, number);
    let what = json!({
        "actions": ["create"],
        "before": null,
        "after": values,
        "after_unknown": {"arn": true, "id": true},
        "before_sensitive": false,
        "after_sensitive": {},
    });
    change.insert("change".to_owned(), what);
    Value::Object(change)
}

/// The type of a resource and what it holds, the same each time it is asked.
fn values(number: usize, told: Told) -> (&'static str, Value) {
    let mut random = Random::new(number as u64);
    let tags = json!({"Name": format!("node-{number:06}"), "Team": format!("t{}", number % 40)});
    let gb = 20 + random.below(80);
    let (kind, mut values) = match number % 11 {
        0..=3 => (
            "aws_instance",
            json!({"ami": format!("ami-{}", random.hex(17)), "instance_type": random.pick(&SIZES), "root_block_device": [{"volume_size": gb, "volume_type": "gp3"}]}),
        ),
        4 => (
            "aws_ebs_volume",
            json!({"availability_zone": "eu-west-1a", "size": gb, "type": "gp3", "encrypted": true}),
        ),
        5 => (
            "aws_s3_bucket",
            json!({"bucket": format!("bucket-{}", random.hex(12))}),
        ),
        6 => (
            "aws_security_group",
            json!({"name": format!("sg-{number}"), "ingress": [{"from_port": 443, "to_port": 443, "protocol": "tcp", "cidr_blocks": ["10.0.0.0/8"]}]}),
        ),
        7 => (
            "aws_lambda_function",
            json!({"function_name": format!("fn-{number}"), "memory_size": 512, "runtime": "python3.12"}),
        ),
        8 => (
            "aws_db_instance",
            json!({"engine": "postgres", "instance_class": "db.m5.large", "allocated_storage": gb, "multi_az": number.is_multiple_of(2)}),
        ),
        9 => (
            "aws_iam_role",
            json!({"name": format!("role-{}", random.hex(8)), "path": "/"}),
        ),
        _ => (
            "aws_sqs_queue",
            json!({"name": format!("queue-{number}"), "fifo_queue": false}),
        ),
    };
    // Twice what is around the values, and the values; or both once.
    let room = match told {
        Told::Once => BYTES - 330,
        Told::Twice => BYTES / 2 - 250,
    };
    if let Some(members) = values.as_object_mut() {
        members.insert("tags".to_owned(), tags);
        let length = Value::Object(members.clone()).to_string().len();
        let note = random.hex(room.saturating_sub(length + 16));
        members.insert("description".to_owned(), json!(note));
    }
    (kind, values)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_precision_loss,
        missing_docs
    )]

    use super::*;

    #[test]
    fn a_plan_is_json_of_about_the_size_that_is_stated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        for told in [Told::Once, Told::Twice] {
            write(&path, 220, told).unwrap();
            let text = fs_err::read(&path).unwrap();
            let plan: Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(plan["resource_changes"].as_array().unwrap().len(), 220);
            let each = text.len() as f64 / 220.0;
            assert!((each - BYTES as f64).abs() < 40.0, "{each}");
        }
    }
}
