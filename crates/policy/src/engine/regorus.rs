//! The engine that is built in, behind the house's own contract.
//!
//! What it promises beyond the crate it wraps: builtins that the crate lacks, errors with the codes of the reference implementation,
//! undefined as `None`, and questions that go through the same rewriting as the rules do.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, Instant};

use regorus::utils::limits::{ExecutionTimerConfig, PolicyLengthConfig};
use regorus::{QueryResult, QueryResults, Value};
use rustix::time::{ClockId, clock_gettime};

use super::{Document, Engine, EvalError, FileCoverage, Limits, NAME};
use crate::builtin;
use crate::load::{Program, print};

/// How many steps of the engine pass between two looks at the clock.
const STEPS_PER_LOOK: u32 = 2_000;

/// What is said when a question took longer than it may.
const TOO_LONG: &str = "execution exceeded time limit";

/// The engine looks at the clock on the wall. A question that had less than this of that time from the processor was kept from it, and is asked again
/// with so many times as long, so often at most: by then its process had all the time that it may have.
const ITS_OWN: f64 = 0.8;
const LONGER: u32 = 4;
const TRIES_MAX: u32 = 4;

/// A program with its data, ready to be asked. Cheap to clone.
#[derive(Clone)]
pub struct Prepared {
    /// Asked nothing itself: each question is asked of a clone. One that ended in an error may be left with what a `with` put in the place of its input.
    engine: regorus::Engine,
    input: Value,
    /// What the last clones printed, and what lines they went through where these are counted.
    prints: Vec<String>,
    lines: Option<BTreeMap<String, FileCoverage>>,
    program: Program,
    literals: BTreeSet<String>,
    /// How long a question may take.
    wall: Duration,
}

/// What a question of so long may take, in the engine's words.
fn timer(limit: Duration) -> ExecutionTimerConfig {
    ExecutionTimerConfig {
        limit,
        check_interval: NonZeroU32::new(STEPS_PER_LOOK).unwrap_or(NonZeroU32::MIN),
    }
}

/// What this thread has had of the processor.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

impl Program {
    /// Prepares the program: compiles it, puts data under `data`.
    pub fn prepare(&self, data: Document, limits: Limits) -> Result<Prepared, EvalError> {
        let mut engine = regorus::Engine::new();
        engine.set_policy_length_config(PolicyLengthConfig {
            max_col: NonZeroU32::MAX,
            max_file_bytes: NonZeroUsize::MAX,
            max_lines: NonZeroUsize::MAX,
        });
        engine.set_execution_timer_config(timer(limits.wall));
        engine.set_strict_builtin_errors(limits.strict_builtin_errors);
        engine.set_gather_prints(true);
        engine.set_enable_coverage(limits.coverage);
        let inner = self.inner();
        builtin::add_to(&mut engine, &limits).map_err(compile_error)?;
        add_constants(&mut engine, inner.constants.values.clone()).map_err(compile_error)?;
        for literal in &inner.literals {
            add_literal(&mut engine, literal).map_err(compile_error)?;
        }
        for text in &inner.texts {
            engine
                .add_policy(text.file.clone(), text.text.clone())
                .map_err(compile_error)?;
        }
        if !data.is_undefined() {
            engine.add_data(data.0).map_err(compile_error)?;
        }
        // The first question prepares the engine, and clones of it are prepared too.
        engine
            .eval_query("true".to_owned(), false)
            .map_err(compile_error)?;
        let mut prepared = Prepared {
            engine: engine.clone(),
            input: Value::Undefined,
            prints: Vec::new(),
            lines: limits.coverage.then(BTreeMap::new),
            program: self.clone(),
            literals: inner.literals.clone(),
            wall: limits.wall,
        };
        prepared.take_from(&mut engine)?;
        Ok(prepared)
    }
}

fn compile_error(error: anyhow::Error) -> EvalError {
    let read = evaluation_error(&error);
    let code = if read.code.starts_with("eval_") {
        "rego_compile_error".to_owned()
    } else {
        read.code
    };
    EvalError {
        code,
        message: read.message,
    }
}

fn add_constants(engine: &mut regorus::Engine, values: Vec<Value>) -> anyhow::Result<()> {
    let values = Arc::new(values);
    let constant = move |arguments: Vec<Value>| {
        let index = arguments
            .first()
            .and_then(|it| it.as_u64().ok())
            .and_then(|it| usize::try_from(it).ok());
        Ok(index
            .and_then(|it| values.get(it))
            .cloned()
            .unwrap_or(Value::Undefined))
    };
    engine.add_extension(print::CONSTANT.to_owned(), 1, Box::new(constant))
}

type Build = fn(Vec<Value>) -> Value;

/// A function that builds a literal of its arguments.
fn add_literal(engine: &mut regorus::Engine, name: &str) -> anyhow::Result<()> {
    let (kind, build): (_, Build) = if name.starts_with(print::ARRAY) {
        (print::ARRAY, Value::from)
    } else if name.starts_with(print::SET) {
        (print::SET, |items| {
            Value::from(items.into_iter().collect::<BTreeSet<_>>())
        })
    } else {
        (print::OBJECT, |items| {
            let pairs = items.chunks_exact(2).filter_map(|pair| match pair {
                [key, value] => Some((key.clone(), value.clone())),
                _ => None,
            });
            Value::from(pairs.collect::<BTreeMap<_, _>>())
        })
    };
    let count = name
        .strip_prefix(kind)
        .and_then(|it| it.parse::<u8>().ok())
        .unwrap_or_default();
    engine.add_extension(
        name.to_owned(),
        count,
        Box::new(move |items: Vec<Value>| Ok(build(items))),
    )
}

impl Prepared {
    /// Sets the input; without it the input is undefined.
    pub fn set_input(&mut self, input: Document) {
        self.input = input.0;
    }

    /// What is at a path, `None` where it is undefined: `data.terraform.deny`.
    pub fn eval(&mut self, path: &str) -> Result<Option<serde_json::Value>, EvalError> {
        Ok(self.eval_document(path)?.map(|it| it.to_value()))
    }

    /// As [`Prepared::eval`], as the engine holds it: a set is still one.
    pub fn eval_document(&mut self, path: &str) -> Result<Option<Document>, EvalError> {
        let results = self.ask(path)?;
        let value = results
            .into_iter()
            .next()
            .and_then(|it| it.expressions.into_iter().next())
            .map(|it| it.value);
        Ok(value
            .filter(|it| *it != Value::Undefined)
            .map(|it| Document(without_stand_ins(path, it))))
    }

    /// The variables of each answer to a question.
    pub fn eval_query(
        &mut self,
        query: &str,
    ) -> Result<Vec<BTreeMap<String, serde_json::Value>>, EvalError> {
        let answers = self.eval_bindings(query)?;
        Ok(answers
            .into_iter()
            .map(|it| {
                it.into_iter()
                    .map(|(name, it)| (name, it.to_value()))
                    .collect()
            })
            .collect())
    }

    /// As [`Prepared::eval_query`], as the engine holds them.
    pub fn eval_bindings(
        &mut self,
        query: &str,
    ) -> Result<Vec<BTreeMap<String, Document>>, EvalError> {
        Ok(self.ask(query)?.iter().map(variables).collect())
    }

    /// What lines were evaluated since the program was prepared; [`Limits::coverage`] must be on.
    pub fn coverage(&self) -> Vec<FileCoverage> {
        let mut files: Vec<FileCoverage> =
            self.lines.iter().flatten().map(|it| it.1.clone()).collect();
        for file in &mut files {
            file.not_covered.retain(|line| !file.covered.contains(line));
        }
        files
    }

    /// What `print` said since the last call: `file:line: text`.
    pub fn prints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.prints)
    }

    /// Keeps what a clone that was asked printed, and what lines it went through.
    fn take_from(&mut self, engine: &mut regorus::Engine) -> Result<(), EvalError> {
        self.prints.extend(engine.take_prints().unwrap_or_default());
        let Some(lines) = &mut self.lines else {
            return Ok(());
        };
        let report = engine.get_coverage_report();
        let report = report.map_err(|it| evaluation_error(&it))?;
        for file in report
            .files
            .into_iter()
            .filter(|it| it.path != print::STAND_INS && !it.path.starts_with('<'))
        {
            let entry = lines
                .entry(file.path.clone())
                .or_insert_with(|| FileCoverage {
                    file: file.path,
                    covered: BTreeSet::new(),
                    not_covered: BTreeSet::new(),
                });
            entry.covered.extend(file.covered);
            entry.not_covered.extend(file.not_covered);
        }
        Ok(())
    }

    fn ask(&mut self, text: &str) -> Result<Vec<QueryResult>, EvalError> {
        let question = self.program.question(text).map_err(|it| EvalError {
            code: "rego_compile_error".to_owned(),
            message: it.to_string(),
        })?;
        for literal in question.literals {
            if self.literals.insert(literal.clone()) {
                add_literal(&mut self.engine, &literal).map_err(compile_error)?;
            }
        }
        Ok(self.given_its_time(&question.text)?.result)
    }

    /// Asks a question until it is answered, or had its time from the processor: how much else there is to do is nothing that a policy did.
    ///
    /// What comes after its time is no answer, whatever it is: the engine may have passed over what was late.
    fn given_its_time(&mut self, question: &str) -> Result<QueryResults, EvalError> {
        let mut wall = self.wall;
        for tried in 1.. {
            let mut engine = self.engine.clone();
            engine.set_input(self.input.clone());
            engine.set_execution_timer_config(timer(wall));
            let (began, before) = (Instant::now(), processor_time());
            let answered = engine.eval_query(question.to_owned(), false);
            let had = processor_time().saturating_sub(before);
            let is_late = began.elapsed() >= wall;
            if !is_late || had >= self.wall.mul_f64(ITS_OWN) || tried == TRIES_MAX {
                self.take_from(&mut engine)?;
                if !is_late {
                    return answered.map_err(|it| evaluation_error(&it));
                }
                break;
            }
            wall = wall.saturating_mul(LONGER);
        }
        Err(EvalError {
            code: "eval_cancel_error".to_owned(),
            message: format!("{TOO_LONG} of {} s", self.wall.as_secs_f64()),
        })
    }
}

impl Engine for Prepared {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn eval(
        &mut self,
        paths: &[String],
        input: &Document,
    ) -> Result<Vec<Option<serde_json::Value>>, EvalError> {
        self.set_input(input.clone());
        paths.iter().map(|path| Self::eval(self, path)).collect()
    }
}

/// The variables of an answer that the question names.
fn variables(result: &QueryResult) -> BTreeMap<String, Document> {
    let Ok(bindings) = result.bindings.as_object() else {
        return BTreeMap::new();
    };
    let named = bindings.iter().filter_map(|(name, value)| {
        let name = name.as_string().ok()?;
        (!name.starts_with(print::MADE_UP)).then(|| (name.to_string(), Document(value.clone())))
    });
    named.collect()
}

/// All data has a package that nobody wrote.
fn without_stand_ins(path: &str, value: Value) -> Value {
    if path.trim() == "data" {
        Document(value).without(print::STAND_INS).0
    } else {
        value
    }
}

/// Phrases of the engine's messages, and the codes that the reference implementation has for what they say; the first that is found.
const CODES: [(&str, &str); 21] = [
    (builtin::TYPE_ERROR, "eval_type_error"),
    (builtin::VALUE_ERROR, "eval_builtin_error"),
    ("multiple outputs", "eval_conflict_error"),
    ("rule conflicts with rule", "eval_conflict_error"),
    ("generated multiple times", "eval_conflict_error"),
    ("previous value is not a", "eval_conflict_error"),
    ("exceeded memory limit", "eval_cancel_error"),
    ("recursion detected", "rego_recursion_error"),
    ("could not find function", "rego_compile_error"),
    ("unsafe", "rego_unsafe_var_error"),
    ("undefined var", "rego_unsafe_var_error"),
    ("destructuring", "rego_compile_error"),
    ("expecting", "rego_compile_error"),
    ("internal error", "eval_internal_error"),
    ("step must be", "eval_builtin_error"),
    ("expects", "eval_type_error"),
    ("must be", "eval_type_error"),
    ("requires", "eval_type_error"),
    ("is not an object", "eval_type_error"),
    ("nesting too deep", "rego_compile_error"),
    ("undefined rule", "rego_compile_error"),
];

/// The engine's message: a drawing of the source, then `error: …`. What is kept is the place and the last line.
pub(crate) fn evaluation_error(error: &anyhow::Error) -> EvalError {
    let text = format!("{error:#}");
    let place = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("--> "))
        .unwrap_or_default();
    let said = match text.rfind("error: ") {
        Some(at) => text.get(at + "error: ".len()..).unwrap_or_default(),
        None => &text,
    };
    // What is left are builtins that cannot use what they are given.
    let code = CODES
        .iter()
        .find(|(phrase, _)| text.contains(phrase))
        .map_or("eval_builtin_error", |(_, code)| code);
    let said = said
        .trim()
        .replace(builtin::TYPE_ERROR, "")
        .replace(builtin::VALUE_ERROR, "");
    let message = if place.is_empty() {
        said
    } else {
        format!("{place}: {said}")
    };
    EvalError {
        code: code.to_owned(),
        message,
    }
}
