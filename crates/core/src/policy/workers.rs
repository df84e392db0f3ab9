//! Workers of the crate `policy`, as what judges here: each evaluation in a process of its own.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value};
use statehouse_policy::assess::{self, Request};
use statehouse_policy::bundle::{Bundle, Digest, Limits};
use statehouse_policy::input::{self, Input, Text};
use statehouse_policy::library;
use statehouse_policy::manifest::{self, Level};
use statehouse_policy::verdict;
use statehouse_policy::worker::{Settings, Unchecked, Workers};

use super::judge::{
    Checked, Judge, Judging, Message, Outcome, PolicyResult, Question, Said, Set, Stage,
};
use super::{Enforcement, PolicyView};
use crate::document::Document;
use crate::unsaid::Unsaid;

/// What judges by workers.
pub struct ByWorkers(Arc<Workers>);

impl ByWorkers {
    /// Starts the first of them.
    pub fn new(settings: Settings) -> Self {
        Self(Workers::new(settings))
    }
}

impl Judge for ByWorkers {
    fn check<'a>(
        &'a self,
        archive: Bytes,
        parameters: &'a Map<String, Value>,
    ) -> Judging<'a, Checked> {
        let (workers, parameters) = (self.0.clone(), values(parameters));
        Box::pin(async move {
            let check = move || check(&workers, &archive, parameters);
            let checked = tokio::task::spawn_blocking(check).await;
            checked.map_err(|error| Unsaid::Unanswered(words(error)))?
        })
    }

    fn assess(&self, question: Question) -> Judging<'_, Vec<Said>> {
        Box::pin(async move {
            let count = question.sets.len();
            let asked = tokio::task::spawn_blocking(move || request(question)).await;
            let request = asked.map_err(|error| Unsaid::Unanswered(words(error)))??;
            let assessed = self.0.assess(Arc::new(request)).await;
            if let Some(why) = assessed.unanswered {
                return Err(Unsaid::Unanswered(why));
            }
            let mut verdicts: BTreeMap<String, verdict::Verdict> = BTreeMap::new();
            for verdict in assessed.verdicts {
                verdicts.insert(verdict.set.clone(), verdict);
            }
            let missing = || "not every policy set was answered for".to_owned().into();
            (0..count)
                .map(|at| verdicts.remove(&name(at)).map(said).ok_or_else(missing))
                .collect()
        })
    }
}

/// What a set is called in a question: its own name may be there twice.
fn name(at: usize) -> String {
    format!("set-{at}")
}

fn words(error: impl Display) -> String {
    error.to_string()
}

fn values(parameters: &Map<String, Value>) -> BTreeMap<String, Value> {
    let each = parameters.iter();
    each.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn check(
    workers: &Workers,
    archive: &[u8],
    parameters: BTreeMap<String, Value>,
) -> Result<Checked, Unsaid> {
    let sent = Bundle::read_archive(archive, &Limits::default()).map_err(words)?;
    let bundle = Arc::new(manifest::expand(sent, library::files).map_err(words)?);
    let set = assess::Set::new(&name(0), bundle.clone(), parameters).map_err(words)?;
    workers.check(&set).map_err(unchecked)?;
    if let Some(policy) = set
        .manifest
        .policies
        .iter()
        .find(|each| !Stage::is_ever(each.entity))
    {
        return Err(format!(
            "the policy {:?} judges what is a {} and would never be asked; leave it out",
            policy.name,
            policy.entity.as_str()
        )
        .into());
    }
    let policies = set.manifest.policies.iter().map(|policy| PolicyView {
        name: policy.name.clone(),
        title: policy.title.clone(),
        entity: policy.entity.as_str().to_owned(),
        level: policy.level.to_string(),
    });
    Ok(Checked {
        digest: bundle.digest().0,
        policies: policies.collect(),
        archive: packed(&bundle).map_err(words)?,
    })
}

/// Everything that is wrong with a set, a line each; or that nobody looked.
fn unchecked(why: Unchecked) -> Unsaid {
    match why {
        Unchecked::Unanswered(why) => Unsaid::Unanswered(why),
        Unchecked::Wrong(wrong) => {
            let lines: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            Unsaid::Impossible(lines.join("\n"))
        }
    }
}

/// A bundle as an archive, the same for the same bundle.
///
/// # Errors
///
/// When an archive cannot hold it.
pub fn packed(bundle: &Bundle) -> std::io::Result<Bytes> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (path, text) in bundle.files() {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        archive.append_data(&mut header, path, text.as_bytes())?;
    }
    let mut bytes = archive.into_inner()?.finish()?;
    bytes.flush()?;
    Ok(bytes.into())
}

fn request(question: Question) -> Result<Request, String> {
    let mut sets = Vec::new();
    for (at, set) in question.sets.iter().enumerate() {
        sets.push(set_of(at, set)?);
    }
    let text = |document: Document| {
        let digest = Digest(document.digest());
        Text::kept(Arc::new(document), digest)
    };
    let documents = question.documents.into_iter();
    let documents = documents.map(|(part, document)| (part, text(document)));
    let context = input::Context {
        stage: match question.stage {
            Stage::Plan => input::Stage::Plan,
            Stage::Apply => input::Stage::Apply,
            Stage::Applied => input::Stage::Applied,
            Stage::Saved => input::Stage::Saved,
        },
        timestamp_ns: question.now.saturating_mul(1000),
        ..question.facts
    };
    Ok(Request {
        sets,
        entities: question.stage.entities().to_vec(),
        input: Input {
            documents: documents.collect(),
            context,
            data: BTreeMap::new(),
        },
    })
}

fn set_of(at: usize, set: &Set) -> Result<assess::Set, String> {
    let named = |error: String| format!("the policy set `{}`: {error}", set.name);
    let bundle = Bundle::read_archive(&set.archive[..], &Limits::default());
    let bundle = bundle.map_err(|error| named(error.to_string()))?;
    let made = assess::Set::new(&name(at), Arc::new(bundle), values(&set.parameters));
    let made = made.map_err(|error| named(error.to_string()))?;
    let exceptions = set.exceptions.iter().map(|each| assess::Exception {
        policy: each.policy.clone(),
        address: each.address.clone(),
        until_us: each.until,
        reason: each.reason.clone(),
    });
    Ok(assess::Set {
        level_max: match set.enforcement {
            Enforcement::Advisory => Level::Advisory,
            Enforcement::SoftMandatory => Level::SoftMandatory,
            Enforcement::HardMandatory => Level::HardMandatory,
        },
        exceptions: exceptions.collect(),
        ..made
    })
}

fn said(verdict: verdict::Verdict) -> Said {
    Said {
        outcome: match verdict.summary {
            verdict::Summary::Passed => Outcome::Passed,
            verdict::Summary::Advised => Outcome::Advised,
            verdict::Summary::SoftFailed => Outcome::SoftFailed,
            verdict::Summary::HardFailed => Outcome::HardFailed,
        },
        input: verdict.input.0,
        engine: verdict.engine,
        results: verdict.results.into_iter().map(result).collect(),
    }
}

fn result(result: verdict::PolicyResult) -> PolicyResult {
    let is_excepted =
        !result.messages.is_empty() && result.messages.iter().all(|each| each.excepted.is_some());
    let outcome = match result.outcome {
        verdict::Outcome::Passed => "passed",
        verdict::Outcome::Failed if is_excepted => "excepted",
        verdict::Outcome::Failed => "failed",
        verdict::Outcome::Error => "errored",
    };
    let mut messages: Vec<Message> = result.messages.into_iter().map(message).collect();
    if result.messages_left_out > 0 {
        messages.push(Message {
            text: format!("{} more are left out", result.messages_left_out),
            address: None,
        });
    }
    PolicyResult {
        policy: result.policy,
        title: result.title,
        level: result.level.to_string(),
        outcome: outcome.to_owned(),
        messages,
    }
}

fn message(message: verdict::Message) -> Message {
    Message {
        text: match message.excepted {
            Some(why) => format!("{} ({why})", message.text),
            None => message.text,
        },
        address: message.address,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_bundle_is_packed_the_same_each_time_and_read_as_it_was() {
        let files = [
            (
                "policy.rego",
                "package a\n\ndeny contains \"no\" if false\n",
            ),
            ("data.json", "{\"regions\": [\"eu-central-1\"]}"),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        let bundle = Bundle::from_files(files, &Limits::default()).unwrap();
        let archive = packed(&bundle).unwrap();
        assert_eq!(packed(&bundle).unwrap(), archive);
        let read = Bundle::read_archive(&archive[..], &Limits::default()).unwrap();
        assert_eq!(read.digest(), bundle.digest());
    }
}
