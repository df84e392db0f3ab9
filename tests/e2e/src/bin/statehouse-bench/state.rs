//! States as terraform writes them, a different one each time.
//!
//! A state has the shape, indentation and attribute lengths of an AWS stack: four kinds of resources whose ids, ARNs, keys and
//! hashes are random, among texts that repeat as they do in real states. Each further state of a workspace has the next serial
//! and a tenth of its resources made anew, so that no two uploads are alike. `resources.txt` holds the shapes; in it `@i` is the id
//! of the resource, `@n` its number, and `@x8`, `@d3`, `@b64`, `@u` are random hex, digits, Base64 and a UUID.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use statehouse_e2e::random::Random;
/// The size that the goals are stated for.
pub(crate) use statehouse_e2e::states::USUAL_BYTES as SIZE;
use statehouse_e2e::states::lineage;

const SHAPES: &str = include_str!("resources.txt");
/// What is around the resources: head, outputs, tail.
const FRAME: usize = 400;
/// Without 0, which no number begins with.
const DIGITS: [char; 9] = ['1', '2', '3', '4', '5', '6', '7', '8', '9'];

/// Serials only grow, over every run against the same workspaces.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// The states of one workspace, one after the other.
pub(crate) struct States {
    random: Random,
    lineage: String,
    resources: Vec<String>,
    size: usize,
}

impl States {
    /// States of about `size` bytes for the workspace number `workspace`, always of the same lineage.
    pub(crate) fn new(workspace: u64, size: usize) -> Self {
        let lineage = lineage(&mut Random::new(workspace));
        let random = Random::new(workspace << 32 | SERIAL.fetch_add(1, Ordering::Relaxed));
        let mut states = Self {
            random,
            lineage,
            resources: Vec::new(),
            size,
        };
        let mut length = FRAME;
        loop {
            let resource = states.resource(states.resources.len());
            length += resource.len() + 2;
            if length > size {
                return states;
            }
            states.resources.push(resource);
        }
    }

    /// The next state: a higher serial, a tenth of the resources made anew.
    pub(crate) fn next_state(&mut self) -> Vec<u8> {
        let count = self.resources.len();
        for _ in 0..count.div_ceil(10) {
            let number = self.random.below(count);
            let anew = self.resource(number);
            if let Some(resource) = self.resources.get_mut(number) {
                *resource = anew;
            }
        }
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let mut text = String::with_capacity(self.size + FRAME);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{{\n  \"version\": 4,\n  \"terraform_version\": \"1.11.4\",\n  \"serial\": {serial},\n  \"lineage\": \"{}\",\n  \
             \"outputs\": {{\n    \"cluster\": {{\n      \"value\": \"{}\",\n      \"type\": \"string\"\n    }}\n  }},\n  \"resources\": [\n",
            self.lineage,
            self.random.hex(40),
        );
        text.push_str(&self.resources.join(",\n"));
        text.push_str("\n  ],\n  \"check_results\": null\n}\n");
        text.into_bytes()
    }

    fn resource(&mut self, number: usize) -> String {
        let shapes = SHAPES.split("---\n").count();
        let shape = SHAPES
            .split("---\n")
            .nth(number % shapes)
            .unwrap_or_default()
            .trim_end();
        let id = self.random.hex(17);
        let mut pieces = shape.split('@');
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let kind = piece.chars().next().unwrap_or('@');
            let rest = piece.get(1..).unwrap_or_default();
            let digits = rest.len()
                - rest
                    .trim_start_matches(|letter: char| letter.is_ascii_digit())
                    .len();
            let (length, rest) = rest.split_at(digits);
            let length = length.parse().unwrap_or(0);
            match kind {
                'i' => text.push_str(&id),
                'n' => text.extend(format!("{number:06}").chars()),
                'u' => text.push_str(&lineage(&mut self.random)),
                'd' => text.extend((0..length).map(|_| *self.random.pick(&DIGITS))),
                'b' => text.push_str(&self.random.word(length)),
                _ => text.push_str(&self.random.hex(length)),
            }
            text.push_str(rest);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        missing_docs
    )]

    use super::*;

    #[test]
    fn every_state_is_json_of_the_asked_size_with_a_growing_serial() {
        let mut states = States::new(7, SIZE);
        let mut before = None;
        for _ in 0..3 {
            let bytes = states.next_state();
            let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert!(
                (SIZE - 2048..=SIZE).contains(&bytes.len()),
                "{}",
                bytes.len()
            );
            let (serial, lineage) = (json["serial"].as_u64().unwrap(), json["lineage"].clone());
            if let Some((serial_before, lineage_before)) = before.replace((serial, lineage.clone()))
            {
                assert!(serial > serial_before);
                assert_eq!(lineage, lineage_before);
            }
        }
    }
}
