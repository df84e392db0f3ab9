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

/// Steps of looking for what references reach: a library of hundreds of rules takes some thousands.
const WORK_MAX: usize = 4_000_000;

/// The first rule of each circle; `None` where there are too many references to say.
pub(crate) fn circles(modules: &[Module]) -> Option<Vec<Circle>> {
    let mut tree = Tree::default();
    tree.nodes.push(Node::default());
    for module in modules {
        for rule in &module.rules {
            let node = tree.enter(head_of(module, rule));
            let rules = node.rule.get_or_insert_with(|| Named {
                file: module.file.clone(),
                at: rule.at,
                name: path_of(&module.package, rule).join("."),
                references: BTreeSet::new(),
            });
            references(rule, &mut rules.references);
        }
    }
    let edges = tree.edges()?;
    let mut state = vec![0_u8; edges.len()];
    let mut found = Vec::new();
    for start in 0..edges.len() {
        let Some(way) = walk(start, &edges, &mut state) else {
            continue;
        };
        let way: Vec<&Named> = way.iter().filter_map(|it| tree.rule(*it)).collect();
        if let Some(first) = way.first() {
            found.push(Circle {
                file: first.file.clone(),
                at: first.at,
                rule: first.name.clone(),
                way: way.iter().map(|it| it.name.clone()).collect(),
            });
        }
    }
    Some(found)
}

/// The heads of all rules as a tree of steps.
#[derive(Default)]
struct Tree {
    nodes: Vec<Node>,
}

#[derive(Default)]
struct Node {
    children: BTreeMap<Step, usize>,
    rule: Option<Named>,
}

struct Named {
    file: String,
    at: Place,
    name: String,
    references: BTreeSet<Vec<Step>>,
}

impl Tree {
    fn enter(&mut self, head: Vec<Step>) -> &mut Node {
        let mut at = 0;
        for step in head {
            let next = self.nodes.len();
            at = match self
                .nodes
                .get_mut(at)
                .map(|it| *it.children.entry(step).or_insert(next))
            {
                Some(known) if known < next => known,
                _ => {
                    self.nodes.push(Node::default());
                    next
                }
            };
        }
        #[allow(
            clippy::indexing_slicing,
            reason = "every index that is entered is that of a node"
        )]
        &mut self.nodes[at]
    }

    /// Each node twice: as its rule (2n), and as all that is below it (2n + 1).
    fn edges(&self) -> Option<Vec<Vec<usize>>> {
        let mut work = 0;
        let mut edges = Vec::with_capacity(self.nodes.len() * 2);
        for (index, node) in self.nodes.iter().enumerate() {
            let mut reached = BTreeSet::new();
            for reference in node.rule.iter().flat_map(|it| &it.references) {
                self.reach(0, reference, &mut reached, &mut work)?;
            }
            edges.push(reached.into_iter().collect());
            let own = node.rule.iter().map(|_| index * 2);
            edges.push(
                own.chain(node.children.values().map(|it| it * 2 + 1))
                    .collect(),
            );
        }
        Some(edges)
    }

    /// Rules on the way of a reference, and all that is below its end.
    fn reach(
        &self,
        at: usize,
        rest: &[Step],
        reached: &mut BTreeSet<usize>,
        work: &mut usize,
    ) -> Option<()> {
        *work += 1;
        if *work > WORK_MAX {
            return None;
        }
        let node = self.nodes.get(at)?;
        let Some((step, rest)) = rest.split_first() else {
            reached.insert(at * 2 + 1);
            return Some(());
        };
        if node.rule.is_some() {
            reached.insert(at * 2);
        }
        if step.is_none() {
            for child in node.children.values() {
                self.reach(*child, rest, reached, work)?;
            }
            return Some(());
        }
        for child in [node.children.get(step), node.children.get(&None)]
            .into_iter()
            .flatten()
        {
            self.reach(*child, rest, reached, work)?;
        }
        Some(())
    }

    fn rule(&self, node: usize) -> Option<&Named> {
        if node % 2 == 1 {
            return None;
        }
        self.nodes.get(node / 2)?.rule.as_ref()
    }
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
