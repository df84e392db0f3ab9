//! States shaped like those that terraform writes: version 4, resources with attributes, outputs.
//!
//! Two states are never the same: ids, addresses and keys come from the generator. They compress
//! about as well as real ones do.

use serde_json::{Value, json};

use crate::random::Random;

/// Bytes of the state that the benchmark and most tests write: 64 KiB.
pub const USUAL_BYTES: usize = 64 * 1024;

/// What a state shall be.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// Its lineage.
    pub lineage: &'a str,
    /// Its serial.
    pub serial: u64,
    /// About how many bytes it has.
    pub bytes: usize,
    /// Texts to put into it: attributes, outputs, tags, private data, keys of instances, in turns.
    pub secrets: &'a [String],
}

/// A lineage: a UUID, as terraform makes them.
pub fn lineage(random: &mut Random) -> String {
    let mut part = |digits| random.hex(digits);
    format!(
        "{}-{}-4{}-a{}-{}",
        part(8),
        part(4),
        part(3),
        part(3),
        part(12)
    )
}

/// A state that can be read.
pub fn plain(random: &mut Random, wish: &Wish<'_>) -> Vec<u8> {
    let mut secrets = wish.secrets.iter().enumerate();
    let mut outputs = serde_json::Map::new();
    let mut resources = Vec::new();
    let mut bytes = 400;
    while bytes < wish.bytes || secrets.len() > 0 {
        let mut next = resource(random, resources.len());
        if let Some((index, secret)) = secrets.next() {
            let instance = &mut next["instances"][0];
            let place = match index % 5 {
                0 => &mut instance["attributes"]["password"],
                1 => &mut outputs.entry(format!("secret_{index}")).or_insert_with(
                    || json!({ "value": null, "type": "string", "sensitive": true }),
                )["value"],
                2 => &mut instance["attributes"]["tags"]["Secret"],
                3 => &mut instance["private"],
                _ => &mut instance["index_key"],
            };
            *place = Value::from(secret.as_str());
        }
        bytes += next.to_string().len() + 1;
        resources.push(next);
    }
    outputs.insert(
        "region".to_owned(),
        json!({ "value": "eu-central-1", "type": "string" }),
    );
    let state = json!({
        "version": 4,
        "terraform_version": "1.11.4",
        "serial": wish.serial,
        "lineage": wish.lineage,
        "outputs": outputs,
        "resources": resources,
        "check_results": null,
    });
    state.to_string().into_bytes()
}

/// A state that the client encrypted, in the form of `OpenTofu`. The texts in it stand as they are:
/// what the client's own encryption hides is not the question here.
pub fn opaque(random: &mut Random, wish: &Wish<'_>) -> Vec<u8> {
    let cipher = format!("{}{}", wish.secrets.concat(), random.word(wish.bytes));
    let state = json!({
        "serial": wish.serial,
        "lineage": wish.lineage,
        "meta": { "key_provider.pbkdf2.mine": random.word(60) },
        "encrypted_data": cipher,
        "encryption_version": "v0",
    });
    state.to_string().into_bytes()
}

fn resource(random: &mut Random, index: usize) -> Value {
    let id = format!("i-0{}", random.hex(16));
    let address = format!(
        "10.{}.{}.{}",
        random.below(256),
        random.below(256),
        random.below(256)
    );
    json!({
        "mode": "managed",
        "type": "aws_instance",
        "name": format!("node_{index}"),
        "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
        "instances": [{
            "schema_version": 1,
            "attributes": {
                "ami": format!("ami-0{}", random.hex(16)),
                "arn": format!("arn:aws:ec2:eu-central-1:{:012}:instance/{id}", random.below(999_999_999)),
                "associate_public_ip_address": false,
                "availability_zone": random.pick(&["eu-central-1a", "eu-central-1b", "eu-central-1c"]),
                "ebs_optimized": true,
                "id": id,
                "instance_type": random.pick(&["m7i.large", "m7i.xlarge", "c7g.2xlarge", "t4g.small"]),
                "ipv6_addresses": [],
                "private_dns": format!("ip-{}.eu-central-1.compute.internal", address.replace('.', "-")),
                "private_ip": address,
                "subnet_id": format!("subnet-0{}", random.hex(16)),
                "tags": { "Name": format!("node-{index}"), "Environment": random.pick(&["prod", "stage"]) },
                "user_data_base64": random.word(200),
                "vpc_security_group_ids": [format!("sg-0{}", random.hex(16))],
            },
            "sensitive_attributes": [],
            "private": random.word(80),
        }],
    })
}
