//! What is written so that the engine evaluates exactly what the reference implementation would.
//!
//! After names are resolved, bodies are rewritten in place:
//!
//! - Under `not`, what the reference implementation evaluates before the negation is evaluated before it: `not f(input.a)` is
//!   undefined, not true, where `input.a` is.
//! - Two literals made equal become their parts made equal.
//! - Operators written as calls (`plus(1, 2)`) become operators.
//! - Literals that are constant and large or deep become constants of the program: the engine's parser takes twice as long for each
//!   level of them, and its evaluator builds them anew each time.

use regorus::Value;

use super::{
    ast::{Kind, Line, Operator, Otherwise, Rule, Statement, Term},
    constant::Constants,
    names::Names,
    signatures::OPERATORS,
    split::Splitter,
};

/// Levels of a constant literal that are left to the engine's parser.
const LITERAL_DEPTH_MAX: usize = 2;
/// Terms in a constant literal that are left to the engine.
const LITERAL_SIZE_MAX: usize = 48;

/// What the functions answer that depend on where they are called.
pub(crate) struct Metadata<'a> {
    pub(crate) rule: &'a dyn Fn() -> Value,
    pub(crate) chain: &'a dyn Fn() -> Value,
}

/// Rewrites a rule; what it made constant is put into the constants.
pub(crate) fn rule(
    rule: &mut Rule,
    names: &Names,
    constants: &mut Constants,
    metadata: Metadata<'_>,
) {
    let mut rewriter = Rewriter {
        kept: Some((constants, metadata)),
        splitter: Splitter { names, count: 0 },
        count: 0,
    };
    if rule.default {
        return;
    }
    for term in rule
        .steps
        .iter_mut()
        .chain(&mut rule.contains)
        .chain(&mut rule.value)
    {
        rewriter.term(term);
    }
    if let Some(body) = &mut rule.body {
        rewriter.body(body);
    }
    for Otherwise { value, body, .. } in &mut rule.otherwise {
        if let Some(value) = value {
            rewriter.term(value);
        }
        if let Some(body) = body {
            rewriter.body(body);
        }
    }
}

/// Rewrites a question.
pub(crate) fn query(body: &mut Vec<Statement>, names: &Names) {
    Rewriter {
        kept: None,
        splitter: Splitter { names, count: 0 },
        count: 0,
    }
    .body(body);
}

struct Rewriter<'a> {
    /// The program's constants and the rule's annotations; a question has neither.
    kept: Option<(&'a mut Constants, Metadata<'a>)>,
    splitter: Splitter<'a>,
    /// Variables made up in this rule.
    count: usize,
}

impl Rewriter<'_> {
    fn body(&mut self, body: &mut Vec<Statement>) {
        let mut rewritten = Vec::with_capacity(body.len());
        declare_first(body);
        for mut statement in std::mem::take(body) {
            self.line(&mut statement);
            for (_, value) in &mut statement.with {
                self.term(value);
            }
            if self.kept.is_some() {
                self.splitter.statement(&mut statement, &mut rewritten);
            }
            walked(&mut statement);
            match statement.kind {
                Line::Is(Term {
                    kind: Kind::Unify(_) | Kind::Assign(_),
                    ..
                }) => take_apart(statement, &mut rewritten),
                Line::Not(_) => {
                    self.before_not(&mut statement, &mut rewritten);
                    rewritten.push(statement);
                }
                _ => rewritten.push(statement),
            }
        }
        *body = rewritten;
    }

    fn line(&mut self, statement: &mut Statement) {
        match &mut statement.kind {
            Line::Is(term) | Line::Not(term) => self.term(term),
            Line::Some(_) => {}
            Line::SomeIn {
                key,
                value,
                collection,
            } => {
                for term in key.iter_mut().chain([value, collection]) {
                    self.term(term);
                }
            }
            Line::Every { domain, body, .. } => {
                self.term(domain);
                self.body(body);
            }
        }
    }

    fn term(&mut self, term: &mut Term) {
        if let Some(index) = self.constant(term) {
            term.kind = Kind::Constant(index);
            return;
        }
        match &mut term.kind {
            Kind::Ref(head, steps) => {
                self.term(head);
                for it in steps {
                    self.term(it);
                }
            }
            Kind::Call(function, args) => {
                if let Some(index) = self.annotations(function) {
                    term.kind = Kind::Constant(index);
                    return;
                }
                for it in args.iter_mut() {
                    self.term(it);
                }
                if let (Kind::Var(name), [left, right]) = (&function.kind, args.as_slice()) {
                    let sides = || Box::new((left.clone(), right.clone()));
                    if let Some((_, operator)) = OPERATORS.iter().find(|(it, _)| it == name) {
                        term.kind = Kind::Binary(*operator, sides());
                    } else if matches!(name.as_str(), "eq" | "assign") {
                        term.kind = Kind::Unify(sides());
                    }
                }
            }
            Kind::Array(items) | Kind::Set(items) => items.iter_mut().for_each(|it| self.term(it)),
            Kind::Object(members) => {
                for (key, value) in members {
                    self.term(key);
                    self.term(value);
                }
            }
            Kind::ArrayOf(head, body) | Kind::SetOf(head, body) => {
                self.term(head);
                self.body(body);
            }
            Kind::ObjectOf(pair, body) => {
                self.term(&mut pair.0);
                self.term(&mut pair.1);
                self.body(body);
            }
            Kind::Binary(_, sides)
            | Kind::Unify(sides)
            | Kind::Assign(sides)
            | Kind::Returns(sides) => {
                self.term(&mut sides.0);
                self.term(&mut sides.1);
            }
            Kind::Member(key, sides) => {
                if let Some(key) = key {
                    self.term(key);
                }
                self.term(&mut sides.0);
                self.term(&mut sides.1);
            }
            Kind::Minus(inner) => self.term(inner),
            Kind::Null
            | Kind::Bool(_)
            | Kind::Number(_)
            | Kind::Text(_)
            | Kind::Var(_)
            | Kind::Constant(_)
            | Kind::Template(_) => {}
        }
    }

    fn annotations(&mut self, function: &Term) -> Option<usize> {
        let (constants, metadata) = self.kept.as_mut()?;
        let value = match function.words()?.as_slice() {
            ["rego", "metadata", "rule"] => (metadata.rule)(),
            ["rego", "metadata", "chain"] => (metadata.chain)(),
            _ => return None,
        };
        Some(constants.add_value(value))
    }

    fn constant(&mut self, term: &Term) -> Option<usize> {
        let (constants, _) = self.kept.as_mut()?;
        let (depth, size) = measure(term)?;
        (depth > LITERAL_DEPTH_MAX || size > LITERAL_SIZE_MAX)
            .then(|| constants.add(term))
            .flatten()
    }

    /// Operands under `not` that are evaluated before it.
    fn before_not(&mut self, statement: &mut Statement, before: &mut Vec<Statement>) {
        let Line::Not(term) = &mut statement.kind else {
            return;
        };
        let mut operands: Vec<(&mut Term, bool)> = Vec::new();
        match &mut term.kind {
            Kind::Call(_, args) => operands.extend(args.iter_mut().map(|it| (it, true))),
            Kind::Returns(sides) => {
                if let Kind::Call(_, args) = &mut sides.1.kind {
                    operands.extend(args.iter_mut().map(|it| (it, true)));
                }
            }
            Kind::Binary(operator, sides) => {
                let refs = *operator != Operator::Equal;
                let (left, right) = sides.as_mut();
                operands.extend([(left, refs), (right, refs)]);
            }
            Kind::Unify(sides) => {
                let (left, right) = sides.as_mut();
                operands.extend([(left, false), (right, false)]);
            }
            Kind::Member(key, sides) => {
                let (value, collection) = sides.as_mut();
                operands.extend(key.iter_mut().map(|it| (it.as_mut(), true)));
                operands.extend([(value, true), (collection, true)]);
            }
            _ => {}
        }
        for (operand, refs) in operands {
            let hoisted = match &operand.kind {
                Kind::Ref(..) => refs,
                Kind::Call(..) | Kind::Binary(..) | Kind::Member(..) | Kind::Minus(_) => true,
                Kind::Array(_) | Kind::Set(_) | Kind::Object(_) => has_reference(operand),
                Kind::Var(name) => refs && matches!(name.as_str(), "input" | "data"),
                _ => false,
            };
            if hoisted {
                self.count += 1;
                let variable = Term::var(operand.at, format!("before__{}", self.count));
                let value = std::mem::replace(operand, variable.clone());
                let assign = Term::new(variable.at, Kind::Assign(Box::new((variable, value))));
                let mut line = Statement::new(statement.at, Line::Is(assign));
                line.with.clone_from(&statement.with);
                before.push(line);
            }
        }
    }
}

/// Puts `some` before everything else: after a statement that iterates the engine takes it for a second declaration.
fn declare_first(body: &mut [Statement]) {
    let Some(at) = body.first().map(|it| it.at) else {
        return;
    };
    for statement in body
        .iter_mut()
        .filter(|it| matches!(it.kind, Line::Some(_)))
    {
        statement.at = at;
    }
    body.sort_by_key(|it| !matches!(it.kind, Line::Some(_)));
}

/// `[path, value] := walk(x)` is `walk(x, [path, value])`, the only form in which the engine finds all of them.
fn walked(statement: &mut Statement) {
    let Line::Is(term) = &mut statement.kind else {
        return;
    };
    let (Kind::Unify(sides) | Kind::Assign(sides)) = &mut term.kind else {
        return;
    };
    let (left, right) = sides.as_mut();
    let is_walk = |it: &Term| matches!(&it.kind, Kind::Call(function, args) if args.len() == 1 && matches!(&function.kind, Kind::Var(name) if name == "walk"));
    let (pattern, call) = match (is_walk(left), is_walk(right)) {
        (_, true) => (left, right),
        (true, _) => (right, left),
        _ => return,
    };
    if let Kind::Call(_, args) = &mut call.kind {
        args.push(pattern.clone());
        term.kind = call.kind.clone();
    }
}

/// Whether a literal refers to anything that may be undefined.
fn has_reference(term: &Term) -> bool {
    match &term.kind {
        Kind::Ref(..) | Kind::Call(..) | Kind::Binary(..) => true,
        Kind::Array(items) | Kind::Set(items) => items.iter().any(has_reference),
        Kind::Object(members) => members
            .iter()
            .any(|(key, value)| has_reference(key) || has_reference(value)),
        _ => false,
    }
}

/// Levels and terms of a literal that is constant.
fn measure(term: &Term) -> Option<(usize, usize)> {
    let mut depth = 0;
    let mut size = 1;
    let mut add = |(inner, count): (usize, usize)| {
        depth = depth.max(inner);
        size += count;
    };
    match &term.kind {
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => return Some((0, 1)),
        Kind::Array(items) | Kind::Set(items) => {
            for item in items {
                add(measure(item)?);
            }
        }
        Kind::Object(members) => {
            for (key, value) in members {
                add(measure(key)?);
                add(measure(value)?);
            }
        }
        _ => return None,
    }
    Some((depth + 1, size))
}

/// Makes the parts of two literals equal instead of the literals.
fn take_apart(statement: Statement, rewritten: &mut Vec<Statement>) {
    let Line::Is(Term { at, kind }) = &statement.kind else {
        return rewritten.push(statement);
    };
    let (sides, declares) = match kind {
        Kind::Unify(sides) => (sides, false),
        Kind::Assign(sides) => (sides, true),
        _ => return rewritten.push(statement),
    };
    let Some(pairs) = pairs(&sides.0, &sides.1) else {
        return rewritten.push(statement);
    };
    let line = |kind| Statement {
        at: statement.at,
        kind: Line::Is(Term::new(*at, kind)),
        with: statement.with.clone(),
    };
    let Some(pairs) = pairs else {
        return rewritten.push(line(Kind::Bool(false)));
    };
    if pairs.is_empty() {
        rewritten.push(line(Kind::Bool(true)));
    }
    for pair in pairs {
        let pair = Box::new(pair);
        take_apart(
            line(if declares {
                Kind::Assign(pair)
            } else {
                Kind::Unify(pair)
            }),
            rewritten,
        );
    }
}

/// The parts that must be equal for two literals to be; `Some(None)` where they never are.
#[allow(
    clippy::option_option,
    reason = "not literals, never equal, equal if these are: three answers"
)]
fn pairs(left: &Term, right: &Term) -> Option<Option<Vec<(Term, Term)>>> {
    match (&left.kind, &right.kind) {
        (Kind::Array(left), Kind::Array(right)) => {
            let pairs = || left.iter().cloned().zip(right.iter().cloned()).collect();
            Some((left.len() == right.len()).then(pairs))
        }
        (Kind::Object(left), Kind::Object(right)) => {
            let constant = |members: &[(Term, Term)]| {
                members
                    .iter()
                    .all(|(key, _)| matches!(key.kind, Kind::Text(_)))
                    && {
                        let mut keys: Vec<_> = members
                            .iter()
                            .filter_map(|(key, _)| key.words_of_text())
                            .collect();
                        keys.sort_unstable();
                        keys.windows(2).all(|pair| pair.first() != pair.last())
                    }
            };
            if !(constant(left) && constant(right)) {
                return None;
            }
            if left.len() != right.len() {
                return Some(None);
            }
            let mut pairs = Vec::new();
            for (key, value) in left {
                let Some((_, other)) = right.iter().find(|(it, _)| it.kind == key.kind) else {
                    return Some(None);
                };
                pairs.push((value.clone(), other.clone()));
            }
            Some(Some(pairs))
        }
        _ => None,
    }
}

impl Term {
    fn words_of_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }
}
