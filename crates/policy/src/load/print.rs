//! The tree as text for the engine, in version 1 of the language.
//!
//! Every statement stands on the line on which its author wrote it, so that lines in the engine's messages and in its coverage are
//! those of the source. Words that are keywords are written in brackets, functions named by one get another name, and a rule whose
//! first word is one moves into a package of that name: the documents are the same.

mod calls;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{
    ast::{Kind, Line, Module, Operator, Place, Rule, Statement, Term},
    names::{self, Names, Path},
    signatures,
};

/// The package of functions that stand for builtins which `with` replaces.
pub(crate) const STAND_INS: &str = "statehouse_stand_ins";
/// How variables begin that are made up for what a question leaves out.
pub(crate) const MADE_UP: &str = "before__";
/// The function that gives a constant of the program.
pub(crate) const CONSTANT: &str = "statehouse.constant";
/// The functions that build literals; how many terms follows the name.
pub(crate) const ARRAY: &str = "statehouse.array_";
/// See [`ARRAY`].
pub(crate) const SET: &str = "statehouse.set_";
/// See [`ARRAY`].
pub(crate) const OBJECT: &str = "statehouse.object_";
/// The function that writes what a format has no verbs for.
pub(crate) const EXTRA: &str = "statehouse.extra";
/// The function that gives back patches that can be applied.
pub(crate) const PATCHES: &str = "statehouse.patches";
/// Literals within literals that the engine's parser is given: each level doubles its time.
const LITERAL_DEPTH_MAX: usize = 4;

/// What the engine cannot be given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unwritable {
    pub(crate) at: Place,
    pub(crate) message: String,
    pub(crate) next: &'static str,
}

/// What writing needs to know of the program.
pub(crate) struct Setting<'a> {
    pub(crate) names: &'a Names,
    /// Builtins that are called through a stand-in.
    pub(crate) mocked: &'a BTreeSet<String>,
}

/// A file for the engine.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) file: String,
    pub(crate) text: String,
}

/// A file's rules as files for the engine: one, and one for each package that rules are moved to.
pub(crate) fn module(
    module: &Module,
    setting: &Setting<'_>,
    literals: &mut BTreeSet<String>,
) -> Result<Vec<Text>, Unwritable> {
    let mut printers: BTreeMap<Path, Printer<'_>> = BTreeMap::new();
    printers.insert(
        module.package.clone(),
        Printer::new(&module.package, setting),
    );
    for rule in &module.rules {
        let (package, name, steps) = home(&module.package, rule)?;
        let printer = printers
            .entry(package.clone())
            .or_insert_with(|| Printer::new(&package, setting));
        printer.rule(rule, &name, steps);
    }
    let mut texts = Vec::new();
    for (_, mut printer) in printers {
        literals.append(&mut printer.literals);
        texts.push(Text {
            file: module.file.clone(),
            text: printer.out,
        });
    }
    Ok(texts)
}

/// A question for the engine.
pub(crate) fn query(
    body: &[Statement],
    setting: &Setting<'_>,
    literals: &mut BTreeSet<String>,
) -> String {
    let mut printer = Printer::new(&[], setting);
    printer.out.clear();
    printer.line = u32::MAX;
    printer.statements(body);
    literals.append(&mut printer.literals);
    printer.out
}

/// Functions that stand for builtins, so that `with` can replace those which the engine does not know as its own.
pub(crate) fn stand_ins(mocked: &BTreeSet<String>) -> Option<Text> {
    let mut text = format!("package {STAND_INS}\n");
    let mut any = false;
    for name in mocked {
        let Some(arity) = signatures::arity(name).filter(|it| *it > 0) else {
            continue;
        };
        let args = (0..arity)
            .map(|it| format!("a{it}"))
            .collect::<Vec<_>>()
            .join(", ");
        let _ = writeln!(text, "{}({args}) := {name}({args})", stand_in(name));
        any = true;
    }
    any.then(|| Text {
        file: STAND_INS.to_owned(),
        text,
    })
}

fn stand_in(name: &str) -> String {
    format!("for_{}", name.replace('.', "_"))
}

/// Where the rule is written: a package, a name, and the steps left.
fn home<'a>(package: &[String], rule: &'a Rule) -> Result<(Path, String, &'a [Term]), Unwritable> {
    if rule.args.is_some() {
        return Ok((package.to_vec(), names::plain(&rule.name), &rule.steps));
    }
    let mut package = package.to_vec();
    let mut name = rule.name.clone();
    let mut steps = rule.steps.as_slice();
    while !names::is_plain(&name) {
        let Some((
            Term {
                kind: Kind::Text(next),
                ..
            },
            rest,
        )) = steps.split_first()
        else {
            return Err(Unwritable {
                at: rule.at,
                message: format!("`{name}` is a keyword, and no rule's name"),
                next: "give the rule another name",
            });
        };
        package.push(name);
        name = next.clone();
        steps = rest;
    }
    Ok((package, name, steps))
}

/// Strength of an operator: a weaker one inside a stronger one wants parentheses.
fn strength(operator: Operator) -> usize {
    match operator {
        Operator::Or => 1,
        Operator::And => 2,
        Operator::Add | Operator::Subtract => 3,
        Operator::Multiply | Operator::Divide | Operator::Remainder => 4,
        _ => 0,
    }
}

struct Printer<'a> {
    out: String,
    line: u32,
    package: Path,
    setting: &'a Setting<'a>,
    /// Literals around the one that is written.
    depth: usize,
    literals: BTreeSet<String>,
}

impl<'a> Printer<'a> {
    fn new(package: &[String], setting: &'a Setting<'a>) -> Self {
        let mut out = "package ".to_owned();
        write_path(&mut out, package);
        Self {
            out,
            line: 1,
            package: package.to_vec(),
            setting,
            depth: 0,
            literals: BTreeSet::new(),
        }
    }

    fn word(&mut self, word: &str) {
        self.out.push_str(word);
    }

    /// Goes to the line on which this stood; whether it went to another.
    fn reach(&mut self, at: Place) -> bool {
        let moved = self.line < at.line;
        while self.line < at.line {
            self.out.push('\n');
            self.line += 1;
        }
        moved
    }

    fn rule(&mut self, rule: &Rule, name: &str, steps: &[Term]) {
        if !self.reach(rule.at) {
            self.out.push('\n');
            self.line += 1;
        }
        if rule.default {
            self.word("default ");
        }
        let function = rule.args.is_some();
        self.word(name);
        for step in steps {
            match &step.kind {
                Kind::Text(word) if function => {
                    self.word(".");
                    self.word(&names::plain(word));
                }
                _ => self.step(step),
            }
        }
        if let Some(args) = &rule.args {
            self.list("(", args, ")");
        }
        if let Some(member) = &rule.contains {
            self.word(" contains ");
            self.term(member);
        }
        if let Some(value) = &rule.value {
            self.word(" := ");
            self.term(value);
        }
        self.conditions(rule.body.as_deref());
        for other in &rule.otherwise {
            self.word(" else");
            if let Some(value) = &other.value {
                self.word(" := ");
                self.term(value);
            }
            self.conditions(other.body.as_deref());
        }
    }

    fn conditions(&mut self, body: Option<&[Statement]>) {
        if let Some(body) = body {
            self.word(" if {");
            if body.is_empty() {
                self.word(" true");
            } else {
                self.word(" ");
                self.statements(body);
            }
            self.word(" }");
        }
    }

    fn statements(&mut self, body: &[Statement]) {
        for (index, statement) in body.iter().enumerate() {
            // What begins with a parenthesis would be the arguments of what ends on the line before.
            if index > 0 {
                self.word(";");
            }
            let moved = self.reach(statement.at);
            if index > 0 && !moved {
                self.word(" ");
            }
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            Line::Is(term) => self.expression(term),
            Line::Not(term) => {
                self.word("not ");
                self.expression(term);
            }
            Line::Some(variables) => {
                self.word("some ");
                let names: Vec<&str> = variables.iter().map(|(_, name)| name.as_str()).collect();
                self.word(&names.join(", "));
            }
            Line::SomeIn {
                key,
                value,
                collection,
            } => {
                self.word("some ");
                if let Some(key) = key {
                    self.term(key);
                    self.word(", ");
                }
                self.term(value);
                self.word(" in ");
                self.operand(collection, 1);
            }
            Line::Every {
                key,
                value,
                domain,
                body,
            } => {
                self.word("every ");
                if let Some(key) = key {
                    self.word(key);
                    self.word(", ");
                }
                self.word(value);
                self.word(" in ");
                self.operand(domain, 1);
                self.word(" { ");
                self.statements(body);
                self.word(" }");
            }
        }
        for (target, value) in &statement.with {
            self.word(" with ");
            self.target(target);
            self.word(" as ");
            self.replacement(value);
        }
    }

    fn expression(&mut self, term: &Term) {
        let (sides, sign) = match &term.kind {
            Kind::Unify(sides) | Kind::Returns(sides) => (sides, " = "),
            Kind::Assign(sides) => (sides, " := "),
            _ => return self.term(term),
        };
        self.term(&sides.0);
        self.word(sign);
        self.term(&sides.1);
    }

    /// A term that is part of a stronger operator.
    fn operand(&mut self, term: &Term, least: usize) {
        match &term.kind {
            Kind::Binary(operator, _) if strength(*operator) < least => {
                self.word("(");
                self.term(term);
                self.word(")");
            }
            _ => self.term(term),
        }
    }

    fn term(&mut self, term: &Term) {
        match &term.kind {
            Kind::Null => self.word("null"),
            Kind::Bool(true) => self.word("true"),
            Kind::Bool(false) => self.word("false"),
            Kind::Number(number) => self.word(number),
            Kind::Text(text) => self.text(text),
            Kind::Var(name) => self.word(name),
            Kind::Constant(index) => {
                let _ = write!(self.out, "{CONSTANT}({index})");
            }
            Kind::Ref(head, steps) => self.reference(head, steps),
            Kind::Call(function, args) => self.call(function, args),
            Kind::Array(items) => self.literal(ARRAY, "[", items.iter(), "]"),
            Kind::Set(items) if items.is_empty() => self.word("set()"),
            Kind::Set(items) => self.literal(SET, "{", items.iter(), "}"),
            Kind::Object(members) => self.object(members),
            Kind::ArrayOf(head, body) => self.comprehension("[", &[head], body, "]"),
            Kind::SetOf(head, body) => self.comprehension("{", &[head], body, "}"),
            Kind::ObjectOf(pair, body) => self.comprehension("{", &[&pair.0, &pair.1], body, "}"),
            Kind::Binary(operator, sides) => {
                let own = strength(*operator);
                self.operand(&sides.0, own.max(1));
                self.word(" ");
                self.word(operator.sign());
                self.word(" ");
                self.operand(&sides.1, own + 1);
            }
            Kind::Member(key, sides) => {
                self.word("(");
                if let Some(key) = key {
                    self.operand(key, 1);
                    self.word(", ");
                }
                self.operand(&sides.0, 1);
                self.word(" in ");
                self.operand(&sides.1, 1);
                self.word(")");
            }
            Kind::Minus(inner) => {
                self.word("(0 - ");
                self.operand(inner, 4);
                self.word(")");
            }
            Kind::Unify(_) | Kind::Assign(_) | Kind::Returns(_) => self.expression(term),
            Kind::Template(_) => self.word("\"\""),
        }
    }

    fn text(&mut self, text: &str) {
        write_text(&mut self.out, text);
    }

    fn step(&mut self, step: &Term) {
        if let Kind::Text(word) = &step.kind {
            return write_step(&mut self.out, word);
        }
        self.word("[");
        let depth = std::mem::take(&mut self.depth);
        self.term(step);
        self.depth = depth;
        self.word("]");
    }

    fn reference(&mut self, head: &Term, steps: &[Term]) {
        let mut steps = steps;
        let own = matches!(&head.kind, Kind::Var(root) if root == "data")
            .then(|| self.own_rule(steps))
            .flatten();
        match own {
            Some((name, rest)) => {
                self.word(name);
                steps = rest;
            }
            None if matches!(
                head.kind,
                Kind::Binary(..) | Kind::Member(..) | Kind::Minus(_)
            ) =>
            {
                self.word("(");
                self.term(head);
                self.word(")");
            }
            None => self.term(head),
        }
        for step in steps {
            self.step(step);
        }
    }

    /// A rule of the package that is written: its name, and the steps after it.
    fn own_rule<'b>(&self, steps: &'b [Term]) -> Option<(&'b str, &'b [Term])> {
        let (inside, rest) = steps.split_at_checked(self.package.len())?;
        let same = inside
            .iter()
            .zip(&self.package)
            .all(|(step, word)| matches!(&step.kind, Kind::Text(it) if it == word));
        let (
            Term {
                kind: Kind::Text(name),
                ..
            },
            rest,
        ) = rest.split_first()?
        else {
            return None;
        };
        (same && names::is_plain(name) && self.setting.names.has(&self.package, name))
            .then_some((name.as_str(), rest))
    }

    fn call(&mut self, function: &Term, args: &[Term]) {
        if self.differs(function, args) {
            return;
        }
        self.function(function, false);
        let depth = std::mem::take(&mut self.depth);
        self.list("(", args, ")");
        self.depth = depth;
    }

    /// A function where it is called, or where it is named by `with`.
    fn function(&mut self, function: &Term, named: bool) {
        let Some(words) = function.words() else {
            return self.term(function);
        };
        if let Some(("data", path)) = words.split_first().map(|(root, path)| (*root, path)) {
            let path: Path = path.iter().map(|it| (*it).to_owned()).collect();
            let package = (1..path.len()).rev().find(|length| {
                let (package, rest) = path.split_at(*length);
                rest.first()
                    .is_some_and(|word| self.setting.names.has(package, word))
            });
            self.word("data");
            for (index, word) in path.iter().enumerate() {
                if package.is_some_and(|length| index >= length) {
                    self.word(".");
                    self.word(&names::plain(word));
                } else {
                    write_step(&mut self.out, word);
                }
            }
            return;
        }
        let name = words.join(".");
        let stands_in = self.setting.mocked.contains(&name)
            && signatures::arity(&name).is_some_and(|it| it > 0);
        if stands_in && (named || name != "walk") {
            let _ = write!(self.out, "data.{STAND_INS}.{}", stand_in(&name));
        } else {
            self.word(&name);
        }
    }

    /// What `with` replaces: always by its full path.
    fn target(&mut self, target: &Term) {
        if self.is_function(target) {
            return self.function(target, true);
        }
        match &target.kind {
            Kind::Ref(head, steps) => {
                self.term(head);
                for step in steps {
                    self.step(step);
                }
            }
            _ => self.term(target),
        }
    }

    fn replacement(&mut self, value: &Term) {
        if self.is_function(value) {
            return self.function(value, true);
        }
        match &value.kind {
            Kind::Member(..) | Kind::Binary(..) => {
                self.word("(");
                self.term(value);
                self.word(")");
            }
            _ => self.term(value),
        }
    }

    fn is_function(&self, term: &Term) -> bool {
        let Some(words) = term.words() else {
            return false;
        };
        match words.split_first() {
            Some((&"data", path)) => {
                let path: Path = path.iter().map(|it| (*it).to_owned()).collect();
                self.setting.names.functions.contains_key(&path)
            }
            _ => self.setting.mocked.contains(&words.join(".")),
        }
    }

    fn list(&mut self, open: &str, items: &[Term], close: &str) {
        self.word(open);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.word(", ");
            }
            self.term(item);
        }
        self.word(close);
    }

    /// A literal, or, where literals stand deep in each other, the call that builds it.
    fn literal<'t>(
        &mut self,
        name: &str,
        open: &str,
        items: impl ExactSizeIterator<Item = &'t Term>,
        close: &str,
    ) {
        let count = items.len();
        let called = self.depth >= LITERAL_DEPTH_MAX && (1..=usize::from(u8::MAX)).contains(&count);
        if called {
            let function = format!("{name}{count}");
            self.word(&function);
            self.word("(");
            self.literals.insert(function);
        } else {
            self.word(open);
        }
        self.depth += 1;
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.word(", ");
            }
            self.term(item);
        }
        self.depth -= 1;
        self.word(if called { ")" } else { close });
    }

    fn object(&mut self, members: &[(Term, Term)]) {
        let count = members.len() * 2;
        if self.depth >= LITERAL_DEPTH_MAX && (1..=usize::from(u8::MAX)).contains(&count) {
            let terms: Vec<&Term> = members
                .iter()
                .flat_map(|(key, value)| [key, value])
                .collect();
            return self.literal(OBJECT, "", terms.into_iter(), "");
        }
        self.word("{");
        self.depth += 1;
        for (index, (key, value)) in members.iter().enumerate() {
            if index > 0 {
                self.word(", ");
            }
            self.term(key);
            self.word(": ");
            self.term(value);
        }
        self.depth -= 1;
        self.word("}");
    }

    fn comprehension(&mut self, open: &str, head: &[&Term], body: &[Statement], close: &str) {
        self.word(open);
        self.depth += 1;
        for (index, term) in head.iter().enumerate() {
            if index > 0 {
                self.word(": ");
            }
            self.head_of(term);
        }
        self.word(" | ");
        self.statements(body);
        self.depth -= 1;
        self.word(close);
    }

    /// What a comprehension gathers; operators there want parentheses.
    fn head_of(&mut self, term: &Term) {
        if let Kind::Binary(..) = term.kind {
            self.word("(");
            self.term(term);
            self.word(")");
        } else {
            self.term(term);
        }
    }
}

fn write_path(out: &mut String, path: &[String]) {
    let mut words = path.iter();
    if let Some(first) = words.next() {
        out.push_str(first);
    }
    for word in words {
        write_step(out, word);
    }
}

fn write_step(out: &mut String, word: &str) {
    if names::is_plain(word) {
        out.push('.');
        out.push_str(word);
    } else {
        out.push('[');
        write_text(out, word);
        out.push(']');
    }
}

fn write_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::Value::from(text).to_string());
}
