//! References with several steps that are not constant, taken in parts.
//!
//! `plan.made[type][i]` becomes `part := plan.made[type]` and `part[i]`: the same, and ten times as fast, because the engine looks up
//! each part of such a reference anew from its beginning. Only where every part must be defined for the statement to hold: not under
//! `not`, and not in the conditions of what a statement contains, which are bodies of their own.

use super::{
    ast::{Kind, Line, Place, Statement, Term},
    names::Names,
};

/// Takes references apart; the parts are put before the statement.
pub(crate) struct Splitter<'a> {
    pub(crate) names: &'a Names,
    /// Variables made up in this rule.
    pub(crate) count: usize,
}

impl Splitter<'_> {
    pub(crate) fn statement(&mut self, statement: &mut Statement, before: &mut Vec<Statement>) {
        let with = statement.with.clone();
        let first = before.len();
        match &mut statement.kind {
            Line::Is(term) => self.term(term, before),
            Line::SomeIn { collection, .. } => self.term(collection, before),
            Line::Every { domain, .. } => self.term(domain, before),
            Line::Not(_) | Line::Some(_) => {}
        }
        for part in before.iter_mut().skip(first) {
            part.with.clone_from(&with);
        }
    }

    fn term(&mut self, term: &mut Term, before: &mut Vec<Statement>) {
        match &mut term.kind {
            Kind::Ref(head, steps) => {
                self.term(head, before);
                for it in steps {
                    self.term(it, before);
                }
                self.reference(term, before);
            }
            Kind::Call(_, args) => args.iter_mut().for_each(|it| self.term(it, before)),
            Kind::Array(items) | Kind::Set(items) => {
                for it in items {
                    self.term(it, before);
                }
            }
            Kind::Object(members) => {
                for (key, value) in members {
                    self.term(key, before);
                    self.term(value, before);
                }
            }
            Kind::Binary(_, sides) | Kind::Unify(sides) | Kind::Assign(sides) => {
                self.term(&mut sides.0, before);
                self.term(&mut sides.1, before);
            }
            _ => {}
        }
    }

    fn reference(&mut self, term: &mut Term, before: &mut Vec<Statement>) {
        loop {
            let Kind::Ref(head, steps) = &mut term.kind else {
                return;
            };
            let is_dynamic = |it: &Term| !matches!(it.kind, Kind::Text(_) | Kind::Number(_));
            let mut dynamic = steps
                .iter()
                .enumerate()
                .filter(|(_, it)| is_dynamic(it))
                .map(|(index, _)| index);
            let (Some(first), Some(_)) = (dynamic.next(), dynamic.next()) else {
                return;
            };
            if matches!(&head.kind, Kind::Var(root) if root == "data")
                && !self.is_rule(steps.get(..first).unwrap_or_default())
            {
                return;
            }
            let rest = steps.split_off(first + 1);
            let at: Place = term.at;
            self.count += 1;
            let part = Term::var(at, format!("part__{}", self.count));
            let prefix = std::mem::replace(&mut term.kind, Kind::Ref(Box::new(part.clone()), rest));
            let assign = Kind::Assign(Box::new((part, Term::new(at, prefix))));
            before.push(Statement::new(at, Line::Is(Term::new(at, assign))));
        }
    }

    /// Whether these steps lead to a rule, or into one.
    fn is_rule(&self, steps: &[Term]) -> bool {
        let mut path = Vec::new();
        for step in steps {
            let Kind::Text(word) = &step.kind else {
                return false;
            };
            path.push(word.clone());
            if self.names.rules.contains(&path) {
                return true;
            }
        }
        false
    }
}
