//! States for tests, made by a small generator: no file, no chance that is not repeatable.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::fmt::Write;

use crate::content::Content;

/// Reads a state that must be readable.
pub(crate) fn content(text: &str) -> Content<'_> {
    match Content::read(text.as_bytes()) {
        Ok(content) => content,
        Err(error) => panic!("{error}: {text}"),
    }
}

/// A state with these outputs and resources.
pub(crate) fn state(serial: u64, outputs: &str, resources: &[String]) -> String {
    format!(
        r#"{{"version":4,"terraform_version":"1.11.4","serial":{serial},"lineage":"l","outputs":{{{outputs}}},"resources":[{}],"check_results":null}}"#,
        resources.join(",")
    )
}

/// A managed resource of the root module with these instances.
pub(crate) fn resource(kind: &str, name: &str, instances: &[String]) -> String {
    format!(
        r#"{{"mode":"managed","type":"{kind}","name":"{name}","provider":"provider[\"registry.terraform.io/hashicorp/aws\"]","instances":[{}]}}"#,
        instances.join(",")
    )
}

/// An instance with these attributes, and these fields before them.
pub(crate) fn instance(fields: &str, attributes: &str) -> String {
    let comma = if fields.is_empty() { "" } else { "," };
    format!(r#"{{{fields}{comma}"schema_version":0,"attributes":{attributes}}}"#)
}

/// One resource `aws_x.a` with one instance with these attributes.
pub(crate) fn only(attributes: &str) -> String {
    state(
        1,
        "",
        &[resource("aws_x", "a", &[instance("", attributes)])],
    )
}

/// The same with marks.
pub(crate) fn marked(attributes: &str, marks: &str) -> String {
    let fields = format!(r#""sensitive_attributes":{marks}"#);
    state(
        1,
        "",
        &[resource("aws_x", "a", &[instance(&fields, attributes)])],
    )
}

/// Numbers in a row that looks like chance and is always the same (`SplitMix64`).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (number ^ (number >> 31)) % end
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    /// Some value. Each text and number holds `canary`.
    pub(crate) fn value(&mut self, depth: u64, canary: &str) -> String {
        match self.below(if depth > 3 { 4 } else { 7 }) {
            0 => self.pick(&["null", "true", "false"]).to_owned(),
            1 => format!(
                "\"{}{canary}\"",
                self.pick(&["", "a", "é\\n", "{", "\\u0041"])
            ),
            2 => format!("{canary}{}", self.below(3)),
            3 => self.pick(&["[]", "{}"]).to_owned(),
            4 => {
                let elements: Vec<_> = (0..self.below(4))
                    .map(|_| self.value(depth + 1, canary))
                    .collect();
                format!("[{}]", elements.join(","))
            }
            _ => self.object(depth + 1, canary),
        }
    }

    /// Some object.
    pub(crate) fn object(&mut self, depth: u64, canary: &str) -> String {
        let keys = ["a", "b", "c.d", "value", "type", "name", "tags", "x\\\"y"];
        let mut out = String::from("{");
        let start = self.below(keys.len() as u64);
        for index in 0..self.below(5) {
            let key = keys[usize::try_from((start + index) % keys.len() as u64).unwrap()];
            let comma = if index > 0 { "," } else { "" };
            write!(out, "{comma}\"{key}\":{}", self.value(depth + 1, canary)).unwrap();
        }
        out.push('}');
        out
    }

    /// Some state of up to a dozen instances, whose identifiers tell them apart by `names`.
    pub(crate) fn state(&mut self, canary: &str) -> String {
        let mut resources = Vec::new();
        for name in ["a", "b", "c", "d"] {
            let mut instances = Vec::new();
            for key in 0..self.below(4) {
                let mut fields = format!("\"index_key\":{key}");
                if self.below(4) == 0 {
                    fields.push_str(",\"status\":\"tainted\"");
                }
                if self.below(4) == 0 {
                    fields.push_str(",\"private\":\"bnVsbA==\"");
                }
                let attributes = format!(
                    "{{\"id\":\"i-{}\",\"v\":{}}}",
                    self.below(9),
                    self.object(0, canary)
                );
                instances.push(instance(&fields, &attributes));
            }
            resources.push(resource("aws_x", name, &instances));
        }
        let outputs = format!(
            "\"o{}\":{{\"value\":{},\"type\":\"dynamic\"}}",
            self.below(3),
            self.value(0, canary)
        );
        let serial = self.below(3);
        state(serial, &outputs, &resources)
    }
}
