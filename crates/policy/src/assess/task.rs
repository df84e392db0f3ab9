//! What an evaluation is told and what it says: the part of a request that needs no trust, and events without any weight.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use statehouse_confined::Pour as _;

use super::{Limits, Request, Set};
use crate::engine::Version;
use crate::input::{Context, Part};
use crate::manifest::{Dialect, Entity, Entrypoint, ManifestError, Policy, Role};
use crate::verdict::Location;

/// All that is to be evaluated, but for the large documents.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) sets: Vec<TaskSet>,
    pub(crate) context: Context,
    /// Data documents of the organization.
    pub(crate) data: BTreeMap<String, Value>,
    /// Which documents come, and how long each is.
    pub(crate) documents: Vec<(Part, u64)>,
    pub(crate) wall: Duration,
    pub(crate) threads: usize,
    /// Whether each policy is asked for itself, so that one that takes the process with it is known by name.
    pub(crate) singly: bool,
}

/// A set.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TaskSet {
    /// Policies by their paths.
    pub(crate) sources: Vec<(String, String)>,
    /// Data documents by their paths.
    pub(crate) data: Vec<(String, String)>,
    /// `data.parameters`.
    pub(crate) parameters: Map<String, Value>,
    /// `data.exceptions`.
    pub(crate) exceptions: Value,
    pub(crate) rego: Rego,
    pub(crate) policies: Vec<TaskPolicy>,
}

/// The version of the language, on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Rego {
    Either,
    V0,
    V1,
}

impl From<Version> for Rego {
    fn from(version: Version) -> Rego {
        match version {
            Version::Either => Rego::Either,
            Version::V0 => Rego::V0,
            Version::V1 => Rego::V1,
        }
    }
}

impl From<Rego> for Version {
    fn from(rego: Rego) -> Version {
        match rego {
            Rego::Either => Version::Either,
            Rego::V0 => Version::V0,
            Rego::V1 => Version::V1,
        }
    }
}

/// A policy that has a part in this.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TaskPolicy {
    /// Its place in the set.
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) dialect: Dialect,
    pub(crate) entity: Entity,
    pub(crate) files: Vec<String>,
    pub(crate) packages: Vec<String>,
    pub(crate) entrypoints: Vec<Entrypoint>,
}

impl Task {
    /// What is to be told.
    ///
    /// # Errors
    ///
    /// When the parameters of a set are not what its policies declare.
    pub(crate) fn new(request: &Request, limits: &Limits) -> Result<Task, ManifestError> {
        let sets = request
            .sets
            .iter()
            .map(|set| task_set(set, &request.entities));
        let documents = request.input.documents.iter();
        Ok(Task {
            sets: sets.collect::<Result<_, _>>()?,
            context: request.input.context.clone(),
            data: request.input.data.clone(),
            documents: documents
                .map(|(part, text)| (*part, text.bytes()))
                .collect(),
            wall: limits.wall,
            threads: limits.threads,
            singly: false,
        })
    }
}

fn task_set(set: &Set, entities: &[Entity]) -> Result<TaskSet, ManifestError> {
    let owned = |(path, text): (&str, &str)| (path.to_owned(), text.to_owned());
    let policies = set.manifest.policies.iter().enumerate();
    let policies = policies.filter(|(_, policy)| entities.contains(&policy.entity));
    Ok(TaskSet {
        sources: set.bundle.policies().map(owned).collect(),
        data: set.bundle.data().map(owned).collect(),
        parameters: set.manifest.parameters()?,
        exceptions: serde_json::to_value(&set.exceptions).unwrap_or_default(),
        rego: set.manifest.version.into(),
        policies: policies
            .map(|(index, policy)| task_policy(index, policy))
            .collect(),
    })
}

/// All of a set, whatever it judges: what is looked at when it is published.
///
/// # Errors
///
/// As [`Task::new`].
pub(crate) fn whole(set: &Set) -> Result<TaskSet, ManifestError> {
    let all = [
        Entity::Workspace,
        Entity::Plan,
        Entity::Cost,
        Entity::State,
        Entity::Pipeline,
    ];
    task_set(set, &all)
}

fn task_policy(index: usize, policy: &Policy) -> TaskPolicy {
    TaskPolicy {
        index,
        name: policy.name.clone(),
        dialect: policy.dialect,
        entity: policy.entity,
        files: policy.files.clone(),
        packages: policy.packages.clone(),
        entrypoints: policy.entrypoints.clone(),
    }
}

/// Something that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    /// These policies of a set are evaluated from now on.
    Begun {
        set: usize,
        policies: Vec<usize>,
        /// Where it is written, if it is one.
        location: Option<Location>,
    },
    /// One of them is done.
    Said {
        set: usize,
        policy: usize,
        said: Said,
    },
    /// A document is none, so that nothing can be said.
    Unreadable { message: String },
    /// All is said.
    Ended(Usage),
}

/// What a policy says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Said {
    /// What was answered to each question.
    Answers {
        answers: Vec<Answer>,
        location: Option<Location>,
    },
    /// It could not be asked.
    Failed {
        message: String,
        location: Option<Location>,
    },
    /// What it judges is no part of this run.
    Absent,
}

/// An answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) query: String,
    pub(crate) role: Role,
    pub(crate) found: Found,
    /// Whether the policy itself says that it does not count.
    pub(crate) exempt: bool,
    /// How many more elements of each weight there were, together; see [`super::few`].
    #[serde(default)]
    pub(crate) left_out: u64,
}

/// What was found under a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Found {
    Value(Value),
    Undefined,
    Error(String),
}

/// What an evaluation took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time.
    pub cpu_ms: u64,
    /// The most memory that it had.
    pub memory_bytes_max: u64,
}
