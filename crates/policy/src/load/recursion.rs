//! Rules that depend on themselves, found before anything is evaluated.
//!
//! A rule depends on every rule that a reference in it can reach: a step that is not constant reaches all. The engine would abort the
//! process on a function that calls itself without end; here it is refused with the way round.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ast::{Kind, Line, Module, Place, Rule, Statement, Term},
    names::path_of,
};

/// A rule that depends on itself: where, and through which.
pub(crate) struct Circle {
    pub(crate) file: String,
    pub(crate) at: Place,
    pub(crate) rule: String,
    pub(crate) way: Vec<String>,
}

/// A step of a reference: constant or not.
type Step = Option<String>;

/// The first rule of each circle.
pub(crate) fn circles(modules: &[Module]) -> Vec<Circle> {
    let mut nodes: BTreeMap<Vec<Step>, Node> = BTreeMap::new();
    for module in modules {
        for rule in &module.rules {
            let node = nodes.entry(head_of(module, rule)).or_insert_with(|| Node {
                file: module.file.clone(),
                at: rule.at,
                name: path_of(&module.package, rule).join("."),
                references: BTreeSet::new(),
            });
            references(rule, &mut node.references);
        }
    }
    let heads: Vec<&Vec<Step>> = nodes.keys().collect();
    let edges: Vec<Vec<usize>> = nodes
        .values()
        .map(|node| reached(&heads, &node.references))
        .collect();
    let nodes: Vec<&Node> = nodes.values().collect();
    let mut state = vec![0_u8; nodes.len()];
    let mut found = Vec::new();
    for start in 0..nodes.len() {
        if let Some(way) = walk(start, &edges, &mut state) {
            let Some(first) = way.first().and_then(|it| nodes.get(*it)) else {
                continue;
            };
            found.push(Circle {
                file: first.file.clone(),
                at: first.at,
                rule: first.name.clone(),
                way: way
                    .iter()
                    .filter_map(|it| nodes.get(*it))
                    .map(|it| it.name.clone())
                    .collect(),
            });
        }
    }
    found
}

struct Node {
    file: String,
    at: Place,
    name: String,
    references: BTreeSet<Vec<Step>>,
}

fn head_of(module: &Module, rule: &Rule) -> Vec<Step> {
    let mut head: Vec<Step> = module.package.iter().cloned().map(Some).collect();
    head.push(Some(rule.name.clone()));
    head.extend(rule.steps.iter().map(step_of));
    head
}

fn step_of(step: &Term) -> Step {
    match &step.kind {
        Kind::Text(word) => Some(word.clone()),
        Kind::Number(number) => Some(number.clone()),
        _ => None,
    }
}

/// Rules that these references can reach: one is a beginning of the other, step by step.
fn reached(heads: &[&Vec<Step>], references: &BTreeSet<Vec<Step>>) -> Vec<usize> {
    let mut found = BTreeSet::new();
    for reference in references {
        let constant: Vec<Step> = reference
            .iter()
            .take_while(|step| step.is_some())
            .cloned()
            .collect();
        let begins = |head: &&Vec<Step>| {
            head.iter()
                .zip(&constant)
                .all(|(a, b)| a.is_none() || a == b)
        };
        for (index, head) in heads.iter().enumerate().filter(|(_, head)| begins(head)) {
            if head
                .iter()
                .zip(reference)
                .all(|(a, b)| a.is_none() || b.is_none() || a == b)
            {
                found.insert(index);
            }
        }
    }
    found.into_iter().collect()
}

/// The way from a rule back to one on the way, without recursion: what is checked may be deep.
fn walk(start: usize, edges: &[Vec<usize>], state: &mut [u8]) -> Option<Vec<usize>> {
    let mut way: Vec<(usize, usize)> = Vec::new();
    enter(start, state, &mut way);
    while let Some((node, next)) = way.last_mut() {
        let Some(target) = edges.get(*node).and_then(|it| it.get(*next)).copied() else {
            if let Some(it) = state.get_mut(*node) {
                *it = 2;
            }
            way.pop();
            continue;
        };
        *next += 1;
        match state.get(target) {
            Some(0) => enter(target, state, &mut way),
            Some(1) => {
                let circle: Vec<usize> = way
                    .iter()
                    .map(|(node, _)| *node)
                    .skip_while(|it| *it != target)
                    .chain([target])
                    .collect();
                for (node, _) in way {
                    if let Some(it) = state.get_mut(node) {
                        *it = 2;
                    }
                }
                return Some(circle);
            }
            _ => {}
        }
    }
    None
}

fn enter(node: usize, state: &mut [u8], way: &mut Vec<(usize, usize)>) {
    if let Some(it) = state.get_mut(node).filter(|it| **it == 0) {
        *it = 1;
        way.push((node, 0));
    }
}

fn references(rule: &Rule, found: &mut BTreeSet<Vec<Step>>) {
    let terms = rule
        .steps
        .iter()
        .chain(rule.args.iter().flatten())
        .chain(&rule.contains)
        .chain(&rule.value);
    terms.for_each(|it| of_term(it, found));
    rule.body
        .iter()
        .flatten()
        .for_each(|it| of_statement(it, found));
    for other in &rule.otherwise {
        other.value.iter().for_each(|it| of_term(it, found));
        other
            .body
            .iter()
            .flatten()
            .for_each(|it| of_statement(it, found));
    }
}

fn of_statement(statement: &Statement, found: &mut BTreeSet<Vec<Step>>) {
    match &statement.kind {
        Line::Is(term) | Line::Not(term) => of_term(term, found),
        Line::Some(_) => {}
        Line::SomeIn {
            key,
            value,
            collection,
        } => key
            .iter()
            .chain([value, collection])
            .for_each(|it| of_term(it, found)),
        Line::Every { domain, body, .. } => {
            of_term(domain, found);
            for it in body {
                of_statement(it, found);
            }
        }
    }
    // What is replaced is not evaluated; what replaces it is.
    statement
        .with
        .iter()
        .for_each(|(_, value)| of_term(value, found));
}

fn of_term(term: &Term, found: &mut BTreeSet<Vec<Step>>) {
    match &term.kind {
        Kind::Ref(head, steps) => {
            if matches!(&head.kind, Kind::Var(root) if root == "data") {
                found.insert(steps.iter().map(step_of).collect());
            } else {
                of_term(head, found);
            }
            for it in steps {
                of_term(it, found);
            }
        }
        Kind::Var(name) if name == "data" => {
            found.insert(Vec::new());
        }
        Kind::Call(function, args) => {
            of_term(function, found);
            for it in args {
                of_term(it, found);
            }
        }
        Kind::Array(items) | Kind::Set(items) => items.iter().for_each(|it| of_term(it, found)),
        Kind::Object(members) => members
            .iter()
            .flat_map(|(key, value)| [key, value])
            .for_each(|it| of_term(it, found)),
        Kind::ArrayOf(head, body) | Kind::SetOf(head, body) => {
            of_term(head, found);
            for it in body {
                of_statement(it, found);
            }
        }
        Kind::ObjectOf(pair, body) => {
            of_term(&pair.0, found);
            of_term(&pair.1, found);
            for it in body {
                of_statement(it, found);
            }
        }
        Kind::Binary(_, sides)
        | Kind::Unify(sides)
        | Kind::Returns(sides)
        | Kind::Assign(sides)
        | Kind::Member(None, sides) => {
            of_term(&sides.0, found);
            of_term(&sides.1, found);
        }
        Kind::Member(Some(key), sides) => [key.as_ref(), &sides.0, &sides.1]
            .into_iter()
            .for_each(|it| of_term(it, found)),
        Kind::Minus(inner) => of_term(inner, found),
        _ => {}
    }
}
