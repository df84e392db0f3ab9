//! Values that cannot be redacted, because they occur in every log.
//!
//! A value is weak if it is shorter than six bytes; if it is one of the words below, in any case; if it is the name of a region or zone of a cloud;
//! or if it says too little: its bytes, counted by how often each occurs (Shannon's measure over the value itself), hold less than [`BITS_MIN`] bits.
//! `aaaaaaaa`, `10000000` and `abababab` do; six random digits have fifteen.

use serde_json::Value;

use crate::literal;

/// What stands in the place of a value that is taken out.
pub const MARK: &[u8] = b"(sensitive)";

/// What is shorter is found by chance.
pub const VALUE_BYTES_MIN: usize = 6;

/// Below it a value is a pattern.
const BITS_MIN: f64 = 10.0;

/// Words that logs, configurations and providers are full of, of six letters and more: literals and settings of terraform and its providers, words for
/// environments, and what is written where no secret was thought of.
const COMMON: &[&str] = &[
    "absent",
    "active",
    "address",
    "administrator",
    "allowed",
    "always",
    "amazon",
    "apply complete",
    "arm64",
    "automatic",
    "backend",
    "balanced",
    "basic",
    "bucket",
    "changed",
    "changeme",
    "cluster",
    "complete",
    "config",
    "configuration",
    "console",
    "create",
    "created",
    "creating",
    "custom",
    "database",
    "debian",
    "default",
    "delete",
    "deleted",
    "denied",
    "deployment",
    "destroy",
    "destroyed",
    "develop",
    "developer",
    "development",
    "disable",
    "disabled",
    "docker",
    "domain",
    "dynamic",
    "element",
    "enable",
    "enabled",
    "encrypted",
    "endpoint",
    "enforced",
    "environment",
    "example",
    "example.com",
    "existing",
    "external",
    "failed",
    "false",
    "fargate",
    "global",
    "google",
    "group",
    "hashicorp",
    "hidden",
    "higher",
    "implicit",
    "import",
    "inactive",
    "inbound",
    "inherit",
    "instance",
    "integration",
    "internal",
    "invalid",
    "json",
    "kubernetes",
    "latest",
    "legacy",
    "limited",
    "linux",
    "localhost",
    "location",
    "manual",
    "master",
    "memory",
    "message",
    "metadata",
    "microsoft",
    "missing",
    "modify",
    "module",
    "monitoring",
    "mongodb",
    "multiple",
    "my-secret",
    "network",
    "nothing",
    "number",
    "object",
    "online",
    "optional",
    "outbound",
    "output",
    "parameter",
    "passwd",
    "password",
    "pending",
    "policy",
    "postgres",
    "postgresql",
    "premium",
    "primary",
    "private",
    "prod-eu",
    "prod-us",
    "production",
    "project",
    "provider",
    "public",
    "random",
    "readonly",
    "redacted",
    "region",
    "registry",
    "release",
    "replica",
    "required",
    "resource",
    "result",
    "running",
    "sandbox",
    "secondary",
    "secret",
    "security",
    "sensitive",
    "server",
    "service",
    "shared",
    "simple",
    "single",
    "source",
    "staging",
    "standard",
    "started",
    "static",
    "status",
    "stopped",
    "storage",
    "string",
    "subnet",
    "success",
    "system",
    "target",
    "terraform",
    "testing",
    "timeout",
    "tofu",
    "ubuntu",
    "unknown",
    "unlimited",
    "update",
    "updated",
    "username",
    "version",
    "volume",
    "windows",
    "workspace",
    "http://",
    "https://",
    "127.0.0.1",
    "0.0.0.0",
    "0.0.0.0/0",
    "10.0.0.0",
    "10.0.0.0/8",
    "10.0.0.0/16",
    "192.168.0.1",
    "x86_64",
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "abcdef",
    "qwerty",
    "letmein",
    "-----begin",
    "application/json",
    "us-standard",
];

/// The beginnings of names of regions: AWS, then Google, then Azure's by geography.
const REGION_FRONTS: &[&str] = &[
    "af",
    "ap",
    "ca",
    "cn",
    "eu",
    "il",
    "me",
    "mx",
    "sa",
    "us",
    "us-gov",
    "us-iso",
    "us-isob",
    "africa",
    "asia",
    "australia",
    "europe",
    "me",
    "northamerica",
    "southamerica",
];

/// The middles.
const REGION_SIDES: &[&str] = &[
    "central",
    "east",
    "north",
    "northeast",
    "northwest",
    "south",
    "southeast",
    "southwest",
    "west",
];

/// Regions without a form.
const REGIONS: &[&str] = &[
    "australiaeast",
    "australiasoutheast",
    "brazilsouth",
    "canadacentral",
    "canadaeast",
    "centralindia",
    "centralus",
    "eastasia",
    "eastus",
    "eastus2",
    "francecentral",
    "germanywestcentral",
    "israelcentral",
    "italynorth",
    "japaneast",
    "japanwest",
    "koreacentral",
    "northcentralus",
    "northeurope",
    "norwayeast",
    "polandcentral",
    "qatarcentral",
    "southafricanorth",
    "southcentralus",
    "southeastasia",
    "southindia",
    "spaincentral",
    "swedencentral",
    "switzerlandnorth",
    "uaenorth",
    "uksouth",
    "ukwest",
    "westcentralus",
    "westeurope",
    "westus",
    "westus2",
    "westus3",
];

/// Why a value cannot be redacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    /// Too short.
    #[error("it is shorter than {VALUE_BYTES_MIN} bytes, and would be found where it is not")]
    Short,
    /// A word.
    #[error("it is a word that occurs in most logs")]
    Common,
    /// A region or zone.
    #[error("it is the name of a region of a cloud")]
    Region,
    /// A pattern.
    #[error("it says too little: it is made of a few characters that repeat")]
    Repeated,
}

/// Says whether a value can be taken out of a log, and if not, why.
pub fn check(value: &str) -> Result<(), Weak> {
    let value = value.trim();
    if value.len() < VALUE_BYTES_MIN {
        return Err(Weak::Short);
    }
    let lower = value.to_lowercase();
    let mark = std::str::from_utf8(MARK).unwrap_or_default();
    if COMMON.contains(&lower.as_str()) || mark.contains(&lower) {
        return Err(Weak::Common);
    }
    if is_region(&lower) {
        return Err(Weak::Region);
    }
    if bits(value.as_bytes()) < BITS_MIN {
        return Err(Weak::Repeated);
    }
    Ok(())
}

/// What is to be taken out of a log for a value, without what is weak. Of a structure, which a program takes apart before it writes it,
/// that is every string and number in it; of a text that is JSON, the text as well. A literal of HCL itself is shown to nobody.
pub fn parts(value: &str, hcl: bool) -> Vec<String> {
    let mut parts = Vec::new();
    let structure = if hcl {
        literal::to_json(value).ok()
    } else {
        let read = serde_json::from_str::<Value>(value).ok();
        read.filter(|read| read.is_object() || read.is_array())
    };
    if !hcl || structure.is_none() {
        parts.push(value.to_owned());
    }
    if let Some(structure) = structure {
        leaves(structure, &mut parts);
    }
    parts.retain(|part| check(part).is_ok());
    parts
}

fn leaves(value: Value, found: &mut Vec<String>) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => {
            let text = number.to_string();
            // Terraform knows no difference between whole numbers and others.
            found.push(text.strip_suffix(".0").unwrap_or(&text).to_owned());
        }
        Value::String(text) => found.push(text),
        Value::Array(items) => items.into_iter().for_each(|item| leaves(item, found)),
        Value::Object(members) => members
            .into_iter()
            .for_each(|(_, item)| leaves(item, found)),
    }
}

/// `us-east-1`, `us-east-1a`, `europe-west4`, `europe-west4-b`, `westeurope`.
fn is_region(value: &str) -> bool {
    if REGIONS.contains(&value) {
        return true;
    }
    let zone = |text: &str| text.len() <= 1 && text.bytes().all(|byte| byte.is_ascii_lowercase());
    REGION_FRONTS.iter().any(|front| {
        let rest = value
            .strip_prefix(front)
            .and_then(|rest| rest.strip_prefix('-'));
        let Some(rest) = rest else {
            return false;
        };
        let letters = rest.trim_start_matches(|char: char| char.is_ascii_lowercase());
        let side = rest.strip_suffix(letters).unwrap_or_default();
        let number = letters.strip_prefix('-').unwrap_or(letters);
        let after = number.trim_start_matches(|char: char| char.is_ascii_digit());
        let numbered = (1..=2).contains(&(number.len() - after.len()));
        let after = after.strip_prefix('-').unwrap_or(after);
        REGION_SIDES.contains(&side) && numbered && zone(after)
    })
}

/// What the value holds, if each of its bytes is as likely as it is frequent in it.
fn bits(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let whole = f64::from(u32::try_from(value.len()).unwrap_or(u32::MAX));
    let of = |count: &u32| {
        let count = f64::from(*count);
        count * (whole / count).log2()
    };
    counts.iter().filter(|count| **count > 0).map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_structure_are_what_a_program_writes_of_it() {
        let check = |value: &str, hcl: bool, expected: &[&str]| {
            assert_eq!(parts(value, hcl), expected, "{value}");
        };
        check("\"hunter2\\nhunter3\"", true, &["hunter2\nhunter3"]);
        check(
            "{ user = \"admin\", key = [\"s3cr3t-1\", { pin = 948271635 }] }",
            true,
            &["s3cr3t-1", "948271635"],
        );
        check("9.48271635e8", true, &["948271635"]);
        check("[\"abc\", true, null, 5]", true, &[]);
        check("true", true, &[]);
        check("hunter2hunter2", false, &["hunter2hunter2"]);
        check("948271635", false, &["948271635"]);
        let json = "{\"key\": \"s3cr3t-1\"}";
        check(json, false, &[json, "s3cr3t-1"]);
        check("{ not = literal() }", true, &["{ not = literal() }"]);
    }
}
