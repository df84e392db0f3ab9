//! Plans as `show -json` writes them, as large as is asked: an AWS stack that repeats, 820 bytes for each resource.
//!
//! Names, ids and sizes differ from resource to resource, types and tags repeat as they do in real plans, and nearly all of them are as
//! policies want them. What is planned stands in them once, among the changes alone, or twice, as terraform writes it.

use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value, json};
use statehouse_e2e::random::Random;

use crate::Result;

/// What a resource takes in the text, about.
#[cfg(test)]
const BYTES: usize = 820;
/// What its attributes take at least where they stand once, and where they stand twice.
const ROOM: [usize; 2] = [545, 160];
/// One resource of so many lacks a tag.
const AGAINST: usize = 67;
const PROVIDER: &str = "registry.terraform.io/hashicorp/aws";
const SIZES: [&str; 6] = [
    "t3.micro",
    "t3.large",
    "m6i.large",
    "m6i.2xlarge",
    "c6i.xlarge",
    "r6i.large",
];

/// Where a plan says what will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    let region = json!({"aws": {"name": "aws", "full_name": PROVIDER, "version_constraint": "6.2.0", "expressions": {"region": {"constant_value": "eu-west-1"}}}});
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
        "after_unknown": {"id": true},
        "before_sensitive": false,
        "after_sensitive": {},
    });
    change.insert("change".to_owned(), what);
    Value::Object(change)
}

/// The type of a resource and what it holds, the same each time it is asked.
fn values(number: usize, told: Told) -> (&'static str, Value) {
    let mut random = Random::new(number as u64);
    let gb = 20 + random.below(80);
    let key = format!("alias/{}", random.hex(8));
    let (kind, mut values) = match number % 11 {
        0..=3 => (
            "aws_instance",
            json!({"ami": format!("ami-{}", random.hex(17)), "instance_type": random.pick(&SIZES), "root_block_device": [{"encrypted": true, "volume_size": gb, "volume_type": "gp3"}]}),
        ),
        4 => (
            "aws_ebs_volume",
            json!({"encrypted": true, "size": gb, "type": "gp3"}),
        ),
        5 => (
            "aws_sns_topic",
            json!({"kms_master_key_id": key, "name": format!("topic-{number}")}),
        ),
        6 => (
            "aws_security_group",
            json!({"name": format!("sg-{number}"), "ingress": [{"cidr_blocks": ["10.0.0.0/8"], "from_port": 443, "protocol": "tcp", "to_port": 443}]}),
        ),
        7 => (
            "aws_lambda_function",
            json!({"function_name": format!("fn-{number}"), "memory_size": 512, "runtime": "python3.13"}),
        ),
        8 => (
            "aws_db_instance",
            json!({"allocated_storage": gb, "backup_retention_period": 14, "deletion_protection": true, "engine": "postgres", "instance_class": "db.m6g.large", "multi_az": number.is_multiple_of(2), "storage_encrypted": true}),
        ),
        9 => (
            "aws_iam_role",
            json!({"name": format!("role-{}", random.hex(8)), "path": "/"}),
        ),
        _ => (
            "aws_sqs_queue",
            json!({"kms_master_key_id": key, "name": format!("queue-{number}")}),
        ),
    };
    let Some(members) = values.as_object_mut() else {
        return (kind, values);
    };
    let mut tags = Map::from_iter([("environment".to_owned(), json!("prod"))]);
    // One in so many is against a policy, as in a house that has policies.
    if number % AGAINST != AGAINST - 1 {
        tags.insert("owner".to_owned(), json!(format!("t{}", number % 40)));
    }
    members.insert("tags".to_owned(), tags.into());
    if told == Told::Once && kind == "aws_instance" {
        let options = json!([{"http_tokens": "required"}]);
        members.insert("metadata_options".to_owned(), options);
    }
    let [once, twice] = ROOM;
    let room = if told == Told::Once { once } else { twice };
    let length = Value::Object(members.clone()).to_string().len();
    if let Some(missing) = room.checked_sub(length + r#","description":"""#.len()) {
        members.insert("description".to_owned(), json!(random.hex(missing)));
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
            assert!((each - BYTES as f64).abs() < 40.0, "{told:?}: {each}");
        }
    }
}
