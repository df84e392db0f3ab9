//! Running the tests of groups, one after the other, and keeping what came of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::Value;

use super::layout::Group;
use super::tree::{Tree, test_names};
use super::{Lines, Options, Outcome, Report, Test, data};
use crate::engine::{Diagnostic, Document, Limits, Prepared, RuleInfo, Source};
use crate::load::{Program, load_as};

/// Words of a rule that is to become a test.
const TO_DO: &str = "todo_test_";

/// One run of tests.
pub(super) struct Session<'t> {
    pub(super) tree: &'t Tree,
    pub(super) options: &'t Options,
    tests: Vec<Test>,
    lines: Lines,
    notes: BTreeSet<String>,
}

impl<'t> Session<'t> {
    pub(super) fn new(tree: &'t Tree, options: &'t Options) -> Session<'t> {
        Session {
            tree,
            options,
            tests: Vec::new(),
            lines: Lines::new(),
            notes: tree.notes.iter().cloned().collect(),
        }
    }

    pub(super) fn report(self) -> Report {
        Report::of(
            self.tests,
            self.options.coverage.then_some(self.lines),
            self.notes,
        )
    }

    /// Whether a test is wanted.
    pub(super) fn is_wanted(&self, name: &str) -> bool {
        self.options
            .only
            .as_ref()
            .is_none_or(|only| name.contains(only.as_str()))
    }

    pub(super) fn add(&mut self, test: Test) {
        self.tests.push(test);
    }

    /// Loads files together, with the data that they need.
    pub(super) fn prepare(&mut self, group: &Group) -> Result<(Program, Prepared), String> {
        let tree = self.tree;
        let modules = group
            .modules
            .iter()
            .filter_map(|place| tree.modules.get(*place));
        let sources: Vec<Source> = modules
            .map(|it| Source {
                path: it.path.clone(),
                text: it.text.clone(),
            })
            .collect();
        let program = load_as(&sources, self.options.version).map_err(|wrong| told(&wrong))?;
        let data = data::of(self.tree, group, &mut self.notes);
        let limits = Limits {
            wall: self.options.wall,
            impure: true,
            coverage: self.options.coverage,
            ..Limits::default()
        };
        let prepared = program
            .prepare(data, limits)
            .map_err(|error| error.to_string())?;
        Ok((program, prepared))
    }

    /// Runs the tests of a group.
    pub(super) fn group(&mut self, group: &Group) {
        match self.prepare(group) {
            Ok((program, prepared)) => self.loaded(group, &program, &prepared),
            Err(why) => self.unloaded(group, &why),
        }
    }

    fn loaded(&mut self, group: &Group, program: &Program, prepared: &Prepared) {
        let tree = self.tree;
        let files: BTreeSet<&str> = group
            .tests
            .iter()
            .filter_map(|place| Some(tree.modules.get(*place)?.path.as_str()))
            .collect();
        let mut rules: BTreeMap<&str, &RuleInfo> = BTreeMap::new();
        for rule in program.rules() {
            let is_test = rule.name.starts_with("test_") || rule.name.starts_with(TO_DO);
            if is_test && rule.arity.is_none() && files.contains(rule.file.as_str()) {
                rules.entry(&rule.path).or_insert(rule);
            }
        }
        for (path, rule) in rules {
            if !self.is_wanted(path) {
                continue;
            }
            let mut test = Test {
                name: path.to_owned(),
                file: rule.file.clone(),
                line: rule.line,
                outcome: Outcome::Skipped,
                message: String::new(),
                prints: Vec::new(),
                time_ms: 0,
            };
            if !rule.name.starts_with(TO_DO) {
                let mut prepared = prepared.clone();
                let start = Instant::now();
                (test.outcome, test.message) = judged(prepared.eval(path));
                test.time_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                if test.outcome != Outcome::Passed {
                    test.prints = prepared.prints();
                }
                self.cover(&prepared);
            }
            self.tests.push(test);
        }
    }

    /// Every test of a group that cannot be loaded is an error, and so counted.
    fn unloaded(&mut self, group: &Group, why: &str) {
        for place in &group.tests {
            let Some(module) = self.tree.modules.get(*place) else {
                continue;
            };
            let mut names = BTreeSet::new();
            for (line, name) in test_names(&module.text) {
                let name = format!("data.{}.{name}", module.package);
                if self.is_wanted(&name) && names.insert(name.clone()) {
                    self.tests.push(Test {
                        name,
                        file: module.path.clone(),
                        line,
                        outcome: Outcome::Error,
                        message: why.to_owned(),
                        prints: Vec::new(),
                        time_ms: 0,
                    });
                }
            }
        }
    }

    /// Adds the lines that an evaluation went through.
    pub(super) fn cover(&mut self, prepared: &Prepared) {
        if !self.options.coverage {
            return;
        }
        for file in prepared.coverage() {
            let (covered, possible) = self.lines.entry(file.file).or_default();
            possible.extend(&file.covered);
            possible.extend(&file.not_covered);
            covered.extend(file.covered);
        }
    }
}

/// What a value means for a test.
fn judged(value: Result<Option<Value>, crate::engine::EvalError>) -> (Outcome, String) {
    match value {
        Err(error) => (Outcome::Error, error.to_string()),
        Ok(None) => (
            Outcome::Failed,
            "it is undefined: one of its conditions does not hold".to_owned(),
        ),
        Ok(Some(Value::Bool(false))) => (Outcome::Failed, "it is false".to_owned()),
        // A test with cases: each is true, or the test is not.
        Ok(Some(Value::Object(cases))) => {
            let wrong = cases
                .iter()
                .find(|(_, value)| **value == Value::Bool(false));
            wrong.map_or((Outcome::Passed, String::new()), |(case, _)| {
                (Outcome::Failed, format!("its case {case:?} is false"))
            })
        }
        Ok(Some(_)) => (Outcome::Passed, String::new()),
    }
}

/// The first of all that is wrong; a person corrects one after the other.
fn told(wrong: &[Diagnostic]) -> String {
    let first = wrong.first().map(ToString::to_string).unwrap_or_default();
    match wrong.len() {
        0 | 1 => first,
        more => format!("{first} (and {} more)", more - 1),
    }
}

/// A document that nobody gave.
pub(super) fn document(value: Value) -> Document {
    Document::from_value(value)
}
