//! Evaluating a task: which programs there are, what each is asked, and what was answered, as events.
//!
//! Policies of a set that load the same files and read the same view are one program with one input, and all of them are asked
//! together: what they share (the library's index of a plan, say) is then found out once. Where that fails, which may be for want of
//! time, they are asked in some parts; and each of a part that fails for itself, so that an error of one is no error of the others.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;

use super::Exception;
use super::asked::{Asked, Held, answers, asked_of, in_turn, queries};
use super::check::wrong;
use super::task::{Answer, Event, Found, Rego, Said, Task, TaskPolicy, TaskSet};
use crate::engine::{self, Diagnostic, Document, EvalError, Prepared, Program, Source};
use crate::input::Parsed;
use crate::manifest::{Dialect, Entity};
use crate::verdict::Location;

/// The engine goes down a level for each level of an expression; what needs more than this is refused when it is loaded.
const STACK_BYTES: usize = 64 << 20;

/// Parts in which policies are asked that could not be asked together. What would take some times as long as a set may is then answered;
/// and if it is one of them that does not come back, two parts' time and its own are all that it takes.
const PARTS: usize = 4;

/// Hears what happens, from several threads.
pub(crate) type Hear<'a> = &'a (dyn Fn(Event) + Sync);

/// Questions for another engine: a program as its authors wrote it, and what it is asked under which documents.
pub(crate) struct Questions<'a> {
    pub(crate) sources: &'a [Source],
    pub(crate) rego: Rego,
    pub(crate) data: &'a Document,
    pub(crate) input: &'a Document,
    pub(crate) queries: Vec<&'a str>,
}

/// Another engine: an answer for each question, or why there is none.
pub(crate) type Ask<'a> = &'a (dyn Fn(&Questions<'_>) -> Result<Vec<Found>, String> + Sync);

/// Evaluates all of it.
pub(crate) fn evaluate(task: &Task, parsed: &Parsed, hear: Hear<'_>) {
    run(task, parsed, hear, None);
}

/// Has all of it evaluated by another engine. What the policies ask is found out by our own.
pub(crate) fn evaluate_with(task: &Task, parsed: &Parsed, hear: Hear<'_>, ask: Ask<'_>) {
    run(task, parsed, hear, Some(ask));
}

fn run(task: &Task, parsed: &Parsed, hear: Hear<'_>, other: Option<Ask<'_>>) {
    let jobs: Vec<Job<'_>> = task
        .sets
        .iter()
        .enumerate()
        .flat_map(|(at, set)| jobs(task, at, set))
        .collect();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            job.run(parsed, hear, other);
        }
    };
    thread::scope(|scope| {
        for _ in 0..task.threads.clamp(1, jobs.len().max(1)) {
            let named = thread::Builder::new().stack_size(STACK_BYTES);
            if named.spawn_scoped(scope, work).is_err() {
                // Whoever is there already does it; if nobody is, nothing is said, and that is an error of every policy.
                break;
            }
        }
    });
}

/// Policies that are one program with one input.
struct Job<'a> {
    task: &'a Task,
    at: usize,
    set: &'a TaskSet,
    policies: Vec<&'a TaskPolicy>,
}

/// The views that differ from the native document.
fn view_of(policy: &TaskPolicy) -> Option<Entity> {
    (policy.dialect == Dialect::Harness).then_some(policy.entity)
}

fn jobs<'a>(task: &'a Task, at: usize, set: &'a TaskSet) -> Vec<Job<'a>> {
    let mut groups: BTreeMap<_, Vec<&TaskPolicy>> = BTreeMap::new();
    for policy in &set.policies {
        groups
            .entry((&policy.files, view_of(policy)))
            .or_default()
            .push(policy);
    }
    let job = |policies| Job {
        task,
        at,
        set,
        policies,
    };
    groups.into_values().map(job).collect()
}

impl Job<'_> {
    fn run(&self, parsed: &Parsed, hear: Hear<'_>, other: Option<Ask<'_>>) {
        let ran = catch_unwind(AssertUnwindSafe(|| self.answer(parsed, hear, other)));
        let message = match ran {
            Ok(Ok(())) => return,
            Ok(Err((message, location))) => return self.fail(hear, &message, location),
            Err(_) => {
                "the engine failed in the middle of it; this is a fault of ours, not of the policy"
            }
        };
        self.fail(hear, message, None);
    }

    /// Whoever has said something already is not asked again.
    fn fail(&self, hear: Hear<'_>, message: &str, location: Option<Location>) {
        for policy in &self.policies {
            let said = Said::Failed {
                message: message.to_owned(),
                location: location.clone(),
            };
            hear(Event::Said {
                set: self.at,
                policy: policy.index,
                said,
            });
        }
    }

    fn answer(&self, parsed: &Parsed, hear: Hear<'_>, other: Option<Ask<'_>>) -> Result<(), Why> {
        hear(Event::Begun {
            set: self.at,
            policies: self.policies.iter().map(|it| it.index).collect(),
            location: None,
        });
        let first = self
            .policies
            .first()
            .ok_or_else(|| (String::from("there is nothing to ask"), None))?;
        let sources = sources(self.set, &first.files);
        let program = load(self.set, &first.files).map_err(why)?;
        let data = data_of(&self.task.data, self.set).map_err(|message| (message, None))?;
        let input = parsed.view(first.dialect, first.entity);
        let excepted: Vec<Exception> = serde_json::from_value(self.set.exceptions.clone())
            .map_err(|error| (format!("the exceptions of the set: {error}"), None))?;
        let mut asked = Vec::new();
        for policy in &self.policies {
            if parsed.has(policy.entity) {
                let mut of = asked_of(policy, &program);
                of.excepted = (excepted.clone(), self.task.context.timestamp_ns);
                asked.push(of);
            } else {
                let message = format!("there is no {:?} to judge", policy.entity).to_lowercase();
                let said = Said::Failed {
                    message,
                    location: None,
                };
                hear(Event::Said {
                    set: self.at,
                    policy: policy.index,
                    said,
                });
            }
        }
        if let Some(ask) = other {
            let questions = Questions {
                sources: &sources,
                rego: self.set.rego,
                data: &data,
                input: &input,
                queries: queries(&asked),
            };
            self.have_asked(hear, &asked, questions, ask);
            return Ok(());
        }
        let prepared = program.prepare(data, self.limits());
        let mut prepared = prepared.map_err(|error: EvalError| (error.to_string(), None))?;
        prepared.set_input(input);
        if self.task.singly {
            self.ask_each(hear, &mut prepared, &asked);
        } else if !self.ask_together(hear, &mut prepared, &asked) {
            for part in asked.chunks(asked.len().div_ceil(PARTS).max(1)) {
                hear(Event::Begun {
                    set: self.at,
                    policies: part.iter().map(|it| it.policy.index).collect(),
                    location: None,
                });
                if !self.ask_together(hear, &mut prepared, part) {
                    self.ask_each(hear, &mut prepared, part);
                }
            }
        }
        Ok(())
    }

    /// Asks them in one, and says whether that went well.
    fn ask_together(&self, hear: Hear<'_>, prepared: &mut Prepared, asked: &[Asked<'_>]) -> bool {
        let answers = together(prepared, asked);
        let is_answered = answers.is_some();
        self.say_all(hear, asked, answers.unwrap_or_default());
        is_answered
    }

    fn ask_each(&self, hear: Hear<'_>, prepared: &mut Prepared, asked: &[Asked<'_>]) {
        for asked in asked {
            hear(Event::Begun {
                set: self.at,
                policies: vec![asked.policy.index],
                location: asked.location.clone(),
            });
            let answers = alone(prepared, asked);
            self.say(hear, asked, answers);
        }
    }

    /// All policies at once; each for itself where that fails.
    fn have_asked(&self, hear: Hear<'_>, asked: &[Asked<'_>], all: Questions<'_>, ask: Ask<'_>) {
        if let Ok(found) = ask(&all) {
            let found = found.into_iter().map(Held::Found);
            self.say_all(hear, asked, in_turn(asked, found));
            return;
        }
        for asked in asked.chunks(1) {
            let found = ask(&Questions {
                queries: queries(asked),
                ..all
            });
            match (found, asked) {
                (Ok(found), asked) => {
                    let found = found.into_iter().map(Held::Found);
                    self.say_all(hear, asked, in_turn(asked, found));
                }
                (Err(message), [asked]) => {
                    let said = Said::Failed {
                        message,
                        location: asked.location.clone(),
                    };
                    hear(Event::Said {
                        set: self.at,
                        policy: asked.policy.index,
                        said,
                    });
                }
                (Err(_), _) => {}
            }
        }
    }

    fn limits(&self) -> engine::Limits {
        engine::Limits {
            wall: self.task.wall,
            // The time of the judgement, so that it can be had again.
            now_ns: u64::try_from(self.task.context.timestamp_ns).ok(),
            ..engine::Limits::default()
        }
    }

    fn say_all(&self, hear: Hear<'_>, asked: &[Asked<'_>], answers: Vec<Vec<Answer>>) {
        for (asked, answers) in asked.iter().zip(answers) {
            self.say(hear, asked, answers);
        }
    }

    fn say(&self, hear: Hear<'_>, asked: &Asked<'_>, answers: Vec<Answer>) {
        let said = Said::Answers {
            answers,
            location: asked.location.clone(),
        };
        hear(Event::Said {
            set: self.at,
            policy: asked.policy.index,
            said,
        });
    }
}

/// Why a program cannot be asked, and where that is.
type Why = (String, Option<Location>);

fn why(diagnostics: Vec<Diagnostic>) -> Why {
    let Some(first) = diagnostics.first() else {
        return (String::from("its files cannot be loaded"), None);
    };
    let more = match diagnostics.len() {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let location = Location {
        file: first.file.clone(),
        line: first.line,
    };
    (format!("{first}{more}"), Some(location))
}

/// The files that a policy names, or all of them.
fn sources(set: &TaskSet, files: &[String]) -> Vec<Source> {
    let wanted = |path: &str| {
        let under = |file: &String| {
            let folder = file.trim_end_matches('/');
            path == file
                || path
                    .strip_prefix(folder)
                    .is_some_and(|rest| rest.starts_with('/'))
        };
        files.is_empty() || files.iter().any(under)
    };
    let sources = set.sources.iter().filter(|(path, _)| wanted(path));
    sources
        .map(|(path, text)| Source {
            path: path.clone(),
            text: text.clone(),
        })
        .collect()
}

/// Loads those.
pub(super) fn load(set: &TaskSet, files: &[String]) -> Result<Program, Vec<Diagnostic>> {
    let sources = sources(set, files);
    if sources.is_empty() {
        let words = format!(
            "none of the files of a policy is in the bundle: {}",
            files.join(", ")
        );
        return Err(vec![wrong(words, "add them, or correct `files`")]);
    }
    crate::load::load_as(&sources, set.rego.into())
}

/// What stands under `data`: the organization's documents, those of the set over them, and what is ours over both.
pub(crate) fn data_of(
    of_organization: &BTreeMap<String, Value>,
    set: &TaskSet,
) -> Result<Document, String> {
    let mut data = Document::object();
    for (name, value) in of_organization {
        data = data.with(name, Document::from_value(value.clone()));
    }
    for (path, text) in &set.data {
        let yaml = path
            .rsplit_once('.')
            .is_none_or(|(_, ending)| ending != "json");
        let read = if yaml {
            Document::from_yaml(text)
        } else {
            Document::from_json(text)
        };
        let mut document = read.map_err(|error| format!("{path}: {error}"))?;
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for part in folder.rsplit('/').filter(|part| !part.is_empty()) {
            document = Document::object().with(part, document);
        }
        data = data.merge(document);
    }
    let parameters = Document::from_value(Value::Object(set.parameters.clone()));
    let exceptions = Document::from_value(set.exceptions.clone());
    Ok(data
        .with("parameters", parameters)
        .with("exceptions", exceptions))
}

/// All questions in one, so that what they share is found out once; nothing if that fails.
fn together(prepared: &mut Prepared, asked: &[Asked<'_>]) -> Option<Vec<Vec<Answer>>> {
    if asked.len() < 2 {
        return None;
    }
    let queries = queries(asked);
    let listed = queries.iter().enumerate();
    let listed: Vec<String> = listed
        .map(|(at, query)| format!("a{at} = [x{at} | x{at} = {query}]"))
        .collect();
    let solutions = prepared.eval_bindings(&listed.join("; ")).ok()?;
    let bindings = solutions.into_iter().next()?;
    let lists: Option<Vec<&Document>> = (0..queries.len())
        .map(|at| bindings.get(&format!("a{at}")))
        .collect();
    let found = lists?.into_iter().map(|list| {
        let value = list.items().into_iter().next();
        value.map_or(Held::Found(Found::Undefined), Held::Document)
    });
    Some(in_turn(asked, found))
}

/// The questions of one policy, one by one.
fn alone(prepared: &mut Prepared, asked: &Asked<'_>) -> Vec<Answer> {
    answers(asked, &mut |query| match prepared.eval_document(query) {
        Ok(Some(value)) => Held::Document(value),
        Ok(None) => Held::Found(Found::Undefined),
        Err(error) => Held::Found(Found::Error(error.to_string())),
    })
}
