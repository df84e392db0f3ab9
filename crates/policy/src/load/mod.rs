//! The loader: what authors wrote, made into what the engine evaluates exactly.
//!
//! Files are read into trees in either version of the language ([`parse`]), every name is resolved ([`resolve`]), what the engine
//! would evaluate differently from the reference implementation is rewritten ([`rewrite`]), and the result is written for the engine
//! in one form ([`print`]). What is wrong is said here, at publish, with file, line and column: what does not parse, functions that
//! do not exist or are refused, rules that depend on themselves, terms that stand too deep in each other.
//!
//! Deliberately absent: types. A term of the wrong type is undefined when it is evaluated, as in the language without schemas.

mod ast;
mod constant;
mod lexer;
mod metadata;
mod names;
pub(crate) mod parse;
pub(crate) mod print;
mod recursion;
mod resolve;
mod rewrite;
pub(crate) mod signatures;
mod split;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::engine::{Diagnostic, RuleInfo, Source, Version};

use self::{
    ast::{Kind, Module, Place, Rule, Statement, Term},
    constant::Constants,
    lexer::Unreadable,
    metadata::Annotations,
    names::Names,
    parse::Dialect,
    print::{Setting, Text},
    resolve::Found,
};

pub(crate) use self::resolve::TEMPLATE;

/// Files in one program. A library of policies has some hundreds.
const FILES_MAX: usize = 20_000;
/// Bytes of one file; the largest rule file of the public libraries is a tenth of this.
const FILE_BYTES_MAX: usize = 4 << 20;
/// Terms within terms in what the engine's parser is given; its own limit is 32, and parentheses count.
const WRITTEN_DEPTH_MAX: usize = 26;

/// Sources that were read, checked and rewritten. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Program(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) texts: Vec<Text>,
    rules: Vec<RuleInfo>,
    names: Names,
    mocked: BTreeSet<String>,
    builtins: BTreeSet<String>,
    pub(crate) constants: Constants,
    pub(crate) literals: BTreeSet<String>,
}

/// Loads sources: as version 1 where a file parses as that, otherwise as version 0.
pub fn load(sources: &[Source]) -> Result<Program, Vec<Diagnostic>> {
    load_as(sources, Version::Either)
}

/// Loads sources in a version of the language. `import rego.v1` in a file is obeyed in any.
pub fn load_as(sources: &[Source], version: Version) -> Result<Program, Vec<Diagnostic>> {
    load_replacing(sources, version, &BTreeSet::new())
}

/// As [`load_as`]; these builtins can be replaced by `with` in questions, beside those that the sources replace.
pub fn load_replacing(
    sources: &[Source],
    version: Version,
    replaced: &BTreeSet<String>,
) -> Result<Program, Vec<Diagnostic>> {
    let mut modules = read_all(sources, version)?;
    let names = Names::collect(&modules);
    let mut found = Found {
        mocked: replaced.clone(),
        ..Found::default()
    };
    let mut wrong = Vec::new();
    for module in &mut modules {
        resolve::module(module, &names, &mut found);
        wrong.extend(refused(&module.file, &mut found));
    }
    wrong.extend(circles(&modules));
    let rules = modules
        .iter()
        .flat_map(|module| module.rules.iter().map(|rule| info(module, rule)))
        .collect();
    let mut constants = Constants::default();
    let annotations = Annotations::collect(&modules);
    for module in &mut modules {
        wrong.extend(rewritten(module, &names, &annotations, &mut constants));
    }
    let setting = Setting {
        names: &names,
        mocked: &found.mocked,
    };
    let mut literals = BTreeSet::new();
    let mut texts = Vec::new();
    for module in &modules {
        match print::module(module, &setting, &mut literals) {
            Ok(written) => texts.extend(written),
            Err(it) => wrong.push(diagnostic(&module.file, it.at, None, it.message, it.next)),
        }
    }
    texts.extend(print::stand_ins(&found.mocked));
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let builtins = found.builtins.into_keys().collect();
    Ok(Program(Arc::new(Inner {
        texts,
        rules,
        names,
        mocked: found.mocked,
        builtins,
        constants,
        literals,
    })))
}

impl Program {
    /// The packages, with dots and without `data.`.
    pub fn packages(&self) -> BTreeSet<String> {
        self.0
            .names
            .packages
            .keys()
            .map(|it| it.join("."))
            .collect()
    }

    /// Every definition of a rule; a name is there as often as it is defined.
    pub fn rules(&self) -> impl Iterator<Item = &RuleInfo> {
        self.0.rules.iter()
    }

    /// Every builtin that is called anywhere.
    pub fn builtins(&self) -> &BTreeSet<String> {
        &self.0.builtins
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// A question as it is written for the engine.
    pub(crate) fn question(&self, text: &str) -> Result<Question, Diagnostic> {
        let file = "<query>";
        let mut body = parse::query(text).map_err(|it| unreadable(file, it))?;
        let mut found = Found::default();
        resolve::query(&mut body, &self.0.names, &mut found);
        if let Some(it) = refused(file, &mut found).into_iter().next() {
            return Err(it);
        }
        if let Some(unknown) = found.mocked.iter().find(|it| !self.0.mocked.contains(*it)) {
            let message =
                format!("the question replaces {unknown}, and the program was not loaded for that");
            return Err(diagnostic(
                file,
                Place { line: 1, column: 1 },
                None,
                message,
                "load it with load_replacing",
            ));
        }
        // What a question made constant would have to outlive it: its literals stay as they are.
        let setting = Setting {
            names: &self.0.names,
            mocked: &self.0.mocked,
        };
        let mut literals = BTreeSet::new();
        rewrite::query(&mut body, &self.0.names);
        let text = print::query(&body, &setting, &mut literals);
        Ok(Question { text, literals })
    }
}

/// A question, and what it needs beside the program.
pub(crate) struct Question {
    pub(crate) text: String,
    pub(crate) literals: BTreeSet<String>,
}

fn circles(modules: &[Module]) -> Vec<Diagnostic> {
    let Some(circles) = recursion::circles(modules) else {
        let file = modules
            .first()
            .map(|it| it.file.as_str())
            .unwrap_or_default();
        let message = "the program has more references than can be checked for recursion";
        return vec![diagnostic(
            file,
            Place { line: 1, column: 1 },
            None,
            message,
            "divide the set",
        )];
    };
    let refused = circles.into_iter().map(|it| {
        let message = format!("it depends on itself: {}", it.way.join(" → "));
        diagnostic(
            &it.file,
            it.at,
            Some(it.rule),
            message,
            "Rego has no recursion; use walk, or graph.reachable",
        )
    });
    refused.collect()
}

fn diagnostic(
    file: &str,
    at: Place,
    rule: Option<String>,
    message: impl Into<String>,
    next: impl Into<String>,
) -> Diagnostic {
    Diagnostic {
        file: file.to_owned(),
        line: at.line,
        column: at.column,
        rule,
        message: message.into(),
        next: next.into(),
    }
}

fn unreadable(file: &str, it: Unreadable) -> Diagnostic {
    diagnostic(file, it.at, None, it.message, it.next)
}

fn read_all(sources: &[Source], version: Version) -> Result<Vec<Module>, Vec<Diagnostic>> {
    let start = Place { line: 1, column: 1 };
    if sources.len() > FILES_MAX {
        let message = format!(
            "{} files are more than the {FILES_MAX} that a program may have",
            sources.len()
        );
        return Err(vec![diagnostic("", start, None, message, "divide the set")]);
    }
    let mut modules = Vec::new();
    let mut wrong = Vec::new();
    for source in sources {
        if source.text.len() > FILE_BYTES_MAX {
            let message = format!(
                "the file has {} bytes, more than {FILE_BYTES_MAX}",
                source.text.len()
            );
            wrong.push(diagnostic(
                &source.path,
                start,
                None,
                message,
                "divide it, or give tables as data",
            ));
            continue;
        }
        match read(source, version) {
            Ok(module) => modules.push(module),
            Err(it) => wrong.push(unreadable(&source.path, it)),
        }
    }
    if wrong.is_empty() {
        Ok(modules)
    } else {
        Err(wrong)
    }
}

/// One file in the version asked for. Of two failures the one further on says more.
fn read(source: &Source, version: Version) -> Result<Module, Unreadable> {
    let parse = |dialect| parse::module(&source.path, &source.text, dialect);
    match version {
        Version::V0 => parse(Dialect::V0),
        Version::V1 => parse(Dialect::V1),
        Version::Either => parse(Dialect::V1).or_else(|as_v1| {
            parse(Dialect::V0).map_err(|as_v0| {
                let further = |it: &Unreadable| (it.at.line, it.at.column);
                if further(&as_v0) > further(&as_v1) {
                    as_v0
                } else {
                    as_v1
                }
            })
        }),
    }
}

/// Functions that do not exist, and those that are refused.
fn refused(file: &str, found: &mut Found) -> Vec<Diagnostic> {
    let mut wrong: Vec<Diagnostic> = found
        .unknown
        .drain(..)
        .map(|it| diagnostic(file, it.at, None, it.message, it.next))
        .collect();
    found.builtins.retain(|name, at| {
        let refused = signatures::is_refused(name);
        if refused {
            let message = format!("the builtin {name} is not offered");
            wrong.push(diagnostic(
                file,
                *at,
                None,
                message,
                "do without it: its family (graphql, providers.aws) is left out on purpose",
            ));
        }
        !refused
    });
    wrong
}

fn info(module: &Module, rule: &Rule) -> RuleInfo {
    let path = names::path_of(&module.package, rule);
    let name = path
        .iter()
        .skip(module.package.len())
        .cloned()
        .collect::<Vec<_>>()
        .join(".");
    let mut written = "data".to_owned();
    for word in &path {
        if names::is_plain(word) {
            written.push('.');
            written.push_str(word);
        } else {
            let _ = write!(written, "[{}]", serde_json::Value::from(word.as_str()));
        }
    }
    RuleInfo {
        package: module.package.join("."),
        name,
        file: module.file.clone(),
        line: rule.at.line,
        arity: rule.args.as_ref().map(Vec::len),
        path: written,
    }
}

fn rewritten(
    module: &mut Module,
    names: &Names,
    annotations: &Annotations,
    constants: &mut Constants,
) -> Vec<Diagnostic> {
    let mut wrong = Vec::new();
    let package = module.package.clone();
    for rule in &mut module.rules {
        let original = rule.clone();
        let chain = || annotations.chain(&package, &original);
        rewrite::rule(
            rule,
            names,
            constants,
            rewrite::Metadata {
                rule: &|| Annotations::rule(&original),
                chain: &chain,
            },
        );
        if depth_of_rule(rule) > WRITTEN_DEPTH_MAX {
            let name = names::path_of(&package, rule).join(".");
            let message = "terms stand too deep in each other";
            wrong.push(diagnostic(
                &module.file,
                rule.at,
                Some(name),
                message,
                "give what is inside names of its own",
            ));
        }
    }
    wrong
}

fn depth_of_rule(rule: &Rule) -> usize {
    let bodies = rule
        .body
        .iter()
        .chain(rule.otherwise.iter().filter_map(|it| it.body.as_ref()));
    let terms = rule
        .steps
        .iter()
        .chain(rule.args.iter().flatten())
        .chain(&rule.contains)
        .chain(&rule.value);
    let values = rule.otherwise.iter().filter_map(|it| it.value.as_ref());
    let deepest = bodies
        .flatten()
        .map(depth_of_statement)
        .max()
        .unwrap_or_default();
    terms
        .chain(values)
        .map(depth)
        .max()
        .unwrap_or_default()
        .max(deepest)
}

fn depth_of_statement(statement: &Statement) -> usize {
    use ast::Line;
    let own = match &statement.kind {
        Line::Is(term) | Line::Not(term) => depth(term),
        Line::Some(_) => 0,
        Line::SomeIn {
            key,
            value,
            collection,
        } => key
            .iter()
            .chain([value, collection])
            .map(depth)
            .max()
            .unwrap_or_default(),
        Line::Every { domain, body, .. } => depth(domain).max(
            body.iter()
                .map(depth_of_statement)
                .max()
                .unwrap_or_default()
                + 1,
        ),
    };
    statement
        .with
        .iter()
        .map(|(_, value)| depth(value))
        .max()
        .unwrap_or_default()
        .max(own)
}

/// Levels of what is written for a term, parentheses included.
fn depth(term: &Term) -> usize {
    let deepest =
        |items: &mut dyn Iterator<Item = &Term>| items.map(depth).max().unwrap_or_default();
    let bodied = |inner: usize, body: &[Statement]| {
        body.iter()
            .map(depth_of_statement)
            .max()
            .unwrap_or_default()
            .max(inner)
            + 1
    };
    match &term.kind {
        Kind::Ref(head, steps) => depth(head).max(deepest(&mut steps.iter()) + 1),
        Kind::Call(_, args) => deepest(&mut args.iter()) + 1,
        Kind::Array(items) | Kind::Set(items) => deepest(&mut items.iter()) + 1,
        Kind::Object(members) => {
            deepest(&mut members.iter().flat_map(|(key, value)| [key, value])) + 1
        }
        Kind::ArrayOf(head, body) | Kind::SetOf(head, body) => bodied(depth(head), body),
        Kind::ObjectOf(pair, body) => bodied(depth(&pair.0).max(depth(&pair.1)), body),
        Kind::Binary(_, sides) => match &sides.0.kind {
            // A chain is written without parentheses.
            Kind::Binary(..) => depth(&sides.0).max(depth(&sides.1) + 1),
            _ => depth(&sides.0).max(depth(&sides.1)) + 1,
        },
        Kind::Unify(sides) | Kind::Assign(sides) | Kind::Returns(sides) => {
            depth(&sides.0).max(depth(&sides.1))
        }
        Kind::Member(key, sides) => {
            key.iter()
                .map(|it| depth(it))
                .max()
                .unwrap_or_default()
                .max(depth(&sides.0))
                .max(depth(&sides.1))
                + 1
        }
        Kind::Minus(inner) => depth(inner) + 1,
        _ => 0,
    }
}
