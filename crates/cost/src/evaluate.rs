//! Expressions of the mapping, evaluated.
//!
//! Every expression has a value: what does not go (a text times a number, a division by zero, a number beyond 28 digits) is unset, and
//! what depends on an unknown is unknown. An amount that is unset or unknown becomes "depends on usage", never zero. Beside the value
//! it is noted which usage was asked for and which attributes are known only after apply, so that an estimate can say why.

use std::rc::Rc;

use rust_decimal::Decimal;

use crate::mapping::Mapping;
use crate::mapping::body::{Piece, Text};
use crate::mapping::expression::{Expression, Function, Operator, Over};
use crate::mapping::names::Name;
use crate::usage::Usage;
use crate::value::Value;
use crate::world::World;

/// A list grows to this at most: more items than a plan can have are a mistake of the mapping.
const ITEMS_MAX: usize = 100_000;

/// What was asked for on the way to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Usage counts in it.
    pub(crate) usage: bool,
    /// Usage keys that nobody gave.
    pub(crate) missing: Vec<String>,
    /// Attributes that are known after apply.
    pub(crate) unknown: Vec<String>,
}

impl Asked {
    fn add(&mut self, other: &Self) {
        self.usage |= other.usage;
        for (all, new) in [
            (&mut self.missing, &other.missing),
            (&mut self.unknown, &other.unknown),
        ] {
            for item in new {
                if !all.contains(item) {
                    all.push(item.clone());
                }
            }
        }
    }
}

struct Bound {
    name: Name,
    value: Value,
    asked: Option<Rc<Asked>>,
}

/// Evaluates what belongs to one resource.
pub(crate) struct Evaluator<'a, 'p, 't> {
    pub(crate) mapping: &'a Mapping,
    pub(crate) world: &'a World<'p, 't>,
    pub(crate) usage: &'a Usage,
    pub(crate) at: usize,
    pub(crate) subject: Value,
    scope: Vec<Bound>,
    asked: Asked,
}

impl<'a, 'p, 't> Evaluator<'a, 'p, 't> {
    pub(crate) fn new(
        mapping: &'a Mapping,
        world: &'a World<'p, 't>,
        usage: &'a Usage,
        at: usize,
    ) -> Self {
        Self {
            mapping,
            world,
            usage,
            at,
            subject: Value::Resource(at),
            scope: Vec::with_capacity(32),
            asked: Asked::default(),
        }
    }

    /// How much is in scope, to take it back to.
    pub(crate) fn mark(&self) -> usize {
        self.scope.len()
    }

    pub(crate) fn reset(&mut self, mark: usize) {
        self.scope.truncate(mark);
    }

    pub(crate) fn bind(&mut self, name: Name, value: Value) {
        self.scope.push(Bound {
            name,
            value,
            asked: None,
        });
    }

    /// Evaluates and binds: what was asked for on the way counts wherever the name is used.
    pub(crate) fn bind_expression(&mut self, name: Name, expression: &Expression) {
        let (value, asked) = self.noted(expression);
        self.bind_noted(name, value, asked);
    }

    /// Binds a value with what was asked for on the way to it.
    pub(crate) fn bind_noted(&mut self, name: Name, value: Value, asked: Asked) {
        let asked = (asked != Asked::default()).then(|| Rc::new(asked));
        self.scope.push(Bound { name, value, asked });
    }

    /// The value, and what was asked for on the way.
    pub(crate) fn noted(&mut self, expression: &Expression) -> (Value, Asked) {
        let outer = std::mem::take(&mut self.asked);
        let value = self.value(expression);
        let asked = std::mem::replace(&mut self.asked, outer);
        (value, asked)
    }

    pub(crate) fn is_true(&mut self, expression: &Expression) -> bool {
        self.value(expression).is_true()
    }

    pub(crate) fn text(&mut self, text: &Text) -> String {
        let mut whole = String::new();
        for piece in text {
            match piece {
                Piece::Literal(literal) => whole.push_str(literal),
                Piece::Value(expression) => whole.push_str(&self.value(expression).to_string()),
            }
        }
        whole
    }

    /// A text, and what was asked for on the way.
    pub(crate) fn noted_text(&mut self, text: &Text) -> (String, Asked) {
        let outer = std::mem::take(&mut self.asked);
        let whole = self.text(text);
        (whole, std::mem::replace(&mut self.asked, outer))
    }

    fn look_up(&mut self, name: Name) -> Value {
        let Some(bound) = self.scope.iter().rev().find(|bound| bound.name == name) else {
            return Value::Null;
        };
        if name == self.mapping.known.usage {
            self.asked.usage = true;
        }
        if let Some(asked) = &bound.asked {
            self.asked.add(asked);
        }
        bound.value.clone()
    }

    /// Evaluates an expression.
    pub(crate) fn value(&mut self, expression: &Expression) -> Value {
        match expression {
            Expression::Null => Value::Null,
            Expression::Bool(yes) => Value::Bool(*yes),
            Expression::Number(number) => Value::Number(*number),
            Expression::Text(text) => Value::Text(text.clone()),
            Expression::Subject => self.subject.clone(),
            Expression::Variable(name) => self.look_up(*name),
            Expression::Member(of, name) => self.member(of, name),
            Expression::Index(of, index) => self.index(of, index),
            Expression::List(items) => {
                Value::list(items.iter().map(|item| self.value(item)).collect())
            }
            Expression::If(parts) => {
                let [condition, yes, no] = &**parts;
                if self.is_true(condition) {
                    self.value(yes)
                } else {
                    self.value(no)
                }
            }
            Expression::And(parts) => {
                let [one, other] = &**parts;
                Value::Bool(self.is_true(one) && self.is_true(other))
            }
            Expression::Or(parts) => {
                let [one, other] = &**parts;
                let value = self.value(one);
                if value.is_true() {
                    value
                } else {
                    self.value(other)
                }
            }
            Expression::Not(of) => Value::Bool(!self.is_true(of)),
            Expression::Default(parts) => self.default(parts),
            Expression::In(parts) => self.contains(parts),
            Expression::Matches(of, pattern) => {
                let value = self.value(of);
                Value::Bool(value.as_text().is_some_and(|text| pattern.is_match(text)))
            }
            Expression::Find(of, pattern, group) => {
                let value = self.value(of);
                let found = value.as_text().and_then(|text| {
                    pattern
                        .captures(text)?
                        .get(*group)
                        .map(|found| found.as_str().to_owned())
                });
                found.map_or(Value::Null, |text| Value::text(&text))
            }
            Expression::Binary(operator, parts) => self.binary(*operator, parts),
            Expression::Each(over, parts) => self.each(*over, parts),
            Expression::Call(function, arguments) => self.call(*function, arguments),
        }
    }

    fn member(&mut self, of: &Expression, name: &str) -> Value {
        let (holder, mut asked) = self.noted(of);
        let value = match &holder {
            Value::Resource(at) => self.world.attribute(*at, name),
            other => other.get(name),
        };
        // A key of the usage that nobody gave is named in full: of what it is in, and itself.
        if asked.usage && value == Value::Null && !matches!(holder, Value::Resource(_)) {
            let outer = asked.missing.pop().map(|outer| outer + ".");
            asked.missing.push(outer.unwrap_or_default() + name);
        }
        if value == Value::Unknown && !asked.unknown.iter().any(|key| key == name) {
            asked.unknown.push(name.to_owned());
        }
        self.asked.add(&asked);
        value
    }

    fn index(&mut self, of: &Expression, index: &Expression) -> Value {
        let holder = self.value(of);
        match self.value(index) {
            Value::Number(place) => holder.at(place),
            Value::Text(name) => match holder {
                Value::Resource(at) => self.world.attribute(at, &name),
                other => other.get(&name),
            },
            _ => Value::Null,
        }
    }

    fn default(&mut self, parts: &[Expression; 2]) -> Value {
        let [wanted, otherwise] = parts;
        let (value, asked) = self.noted(wanted);
        let empty = match &value {
            Value::Null | Value::Unknown => true,
            Value::Text(text) => text.is_empty(),
            Value::List(items) => items.is_empty(),
            _ => false,
        };
        if !empty {
            self.asked.add(&asked);
            return value;
        }
        let value = self.value(otherwise);
        // A default answers what was missing; that usage could have said it counts all the same.
        self.asked.usage |= asked.usage;
        if !value.is_known() {
            self.asked.add(&asked);
        }
        value
    }

    fn contains(&mut self, parts: &[Expression; 2]) -> Value {
        let [item, all] = parts;
        let (item, all) = (self.value(item), self.value(all));
        Value::Bool(match &all {
            Value::List(items) => items.iter().any(|one| one.is_same(&item)),
            Value::Map(members) => {
                let name = item.to_string();
                members.iter().any(|(key, _)| **key == *name)
            }
            Value::Text(text) => item.as_text().is_some_and(|part| text.contains(part)),
            _ => false,
        })
    }

    fn binary(&mut self, operator: Operator, parts: &[Expression; 2]) -> Value {
        let [one, other] = parts;
        let (one, other) = (self.value(one), self.value(other));
        match operator {
            Operator::Equal => return Value::Bool(one.is_same(&other)),
            Operator::Unequal => return Value::Bool(!one.is_same(&other)),
            Operator::Join => return Value::text(&format!("{one}{other}")),
            _ => {}
        }
        let (a, b) = (one.number(), other.number());
        if let Some(ordering) = operator.ordering() {
            return Value::Bool(matches!((a, b), (Some(a), Some(b)) if ordering(a, b)));
        }
        let zero = |number: Option<Decimal>| number.is_some_and(|number| number.is_zero());
        // Nothing of anything is nothing, however much that is.
        if operator == Operator::Multiply && (zero(a) || zero(b)) {
            return Value::Number(Decimal::ZERO);
        }
        let (Some(a), Some(b)) = (a, b) else {
            return if one == Value::Unknown || other == Value::Unknown {
                Value::Unknown
            } else {
                Value::Null
            };
        };
        let result = match operator {
            Operator::Add => a.checked_add(b),
            Operator::Subtract => a.checked_sub(b),
            Operator::Multiply => a.checked_mul(b),
            Operator::Divide => a.checked_div(b),
            _ => a.checked_rem(b),
        };
        result.map_or(Value::Null, Value::Number)
    }

    fn each(&mut self, over: Over, parts: &[Expression; 2]) -> Value {
        let [list, expression] = parts;
        let list = match self.value(list) {
            Value::List(items) => items,
            Value::Null | Value::Unknown => Rc::from([]),
            one => Rc::from([one]),
        };
        let mark = self.mark();
        let mut results = Vec::with_capacity(list.len());
        for item in list.iter().take(ITEMS_MAX) {
            self.bind(self.mapping.known.it, item.clone());
            results.push(self.value(expression));
            self.reset(mark);
        }
        let mut chosen = list
            .iter()
            .zip(&results)
            .filter(|(_, result)| result.is_true());
        match over {
            Over::Map => Value::list(results),
            Over::Filter => Value::list(chosen.map(|(item, _)| item.clone()).collect()),
            Over::First => chosen.next().map_or(Value::Null, |(item, _)| item.clone()),
            Over::Any => Value::Bool(chosen.next().is_some()),
            Over::Count => Value::Number(chosen.count().into()),
            Over::Sum => sum(&results),
        }
    }

    fn resource(&mut self, expression: &Expression) -> Option<usize> {
        match self.value(expression) {
            Value::Resource(at) => Some(at),
            _ => None,
        }
    }

    /// A literal text: names of attributes and types are written, not computed.
    fn literal(&mut self, expression: Option<&Expression>) -> String {
        expression.map_or_else(String::new, |expression| self.value(expression).to_string())
    }

    fn call(&mut self, function: Function, arguments: &[Expression]) -> Value {
        let [first, rest @ ..] = arguments else {
            return Value::Null;
        };
        match function {
            Function::Ref => self.reference(first, rest),
            Function::Refs => {
                let kind = self.literal(Some(first));
                let path = self.literal(rest.first());
                let from = match self.subject {
                    Value::Resource(at) => at,
                    _ => self.at,
                };
                resources(&self.world.referring(from, &kind, &path))
            }
            Function::RefsTo => {
                let Some(to) = self.resource(first) else {
                    return Value::list(Vec::new());
                };
                let kind = self.literal(rest.first());
                let path = self.literal(rest.get(1));
                resources(&self.world.referring(to, &kind, &path))
            }
            Function::RefCount => {
                let path = self.literal(Some(first));
                Value::Number(self.world.reference_count(self.at, &path).into())
            }
            Function::AllOf => {
                let kind = self.literal(Some(first));
                resources(self.world.all_of(&kind))
            }
            Function::AddressOf => self
                .resource(first)
                .map_or(Value::Null, |at| Value::text(self.world.address(at))),
            Function::UsageOf => self.resource(first).map_or(Value::Null, |at| {
                self.asked.usage = true;
                self.usage.of(self.world.address(at), self.world.kind(at))
            }),
            Function::SizeOf => self
                .resource(first)
                .map_or(Value::Null, |at| self.world.size_of(at, 0)),
            Function::Provider => {
                let attribute = self.literal(Some(first));
                self.world.provider(self.at, &attribute)
            }
            Function::Place => {
                let parents: Vec<String> = arguments
                    .iter()
                    .map(|one| self.literal(Some(one)))
                    .collect();
                let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
                let place = self.world.location(self.at, &parents, 0);
                place.map_or(Value::Null, |place| Value::text(&place))
            }
            Function::Table => {
                let table = self.literal(Some(first));
                let key = rest.first().map_or(Value::Null, |key| self.value(key));
                if key.is_known()
                    && let Some(found) = self.mapping.table(&table, &key.to_string())
                {
                    return Value::Text(found);
                }
                rest.get(1)
                    .map_or(Value::Null, |otherwise| self.value(otherwise))
            }
            Function::By => self.by(first, rest),
            _ => {
                let values: Vec<Value> = arguments.iter().map(|one| self.value(one)).collect();
                pure(function, &values)
            }
        }
    }

    /// The item of a list, or the resource, that has a value by a name.
    fn by(&mut self, list: &Expression, rest: &[Expression]) -> Value {
        let list = self.value(list);
        let name = self.literal(rest.first());
        let wanted = rest.get(1).map_or(Value::Null, |value| self.value(value));
        let has = |item: &&Value| match item {
            Value::Resource(at) => self.world.attribute(*at, &name).is_same(&wanted),
            item => item.get(&name).is_same(&wanted),
        };
        list.items().iter().find(has).cloned().unwrap_or_default()
    }

    fn reference(&mut self, first: &Expression, rest: &[Expression]) -> Value {
        let (from, path, kinds) = match self.value(first) {
            Value::Text(path) => {
                let from = match self.subject {
                    Value::Resource(at) => at,
                    _ => self.at,
                };
                (from, path.to_string(), rest)
            }
            Value::Resource(from) => (
                from,
                self.literal(rest.first()),
                rest.get(1..).unwrap_or_default(),
            ),
            _ => return Value::Null,
        };
        let kinds: Vec<String> = kinds.iter().map(|kind| self.literal(Some(kind))).collect();
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        self.world
            .reference(from, &path, &kinds)
            .map_or(Value::Null, Value::Resource)
    }
}

impl Operator {
    fn ordering(self) -> Option<fn(Decimal, Decimal) -> bool> {
        match self {
            Self::Less => Some(|a, b| a < b),
            Self::LessOrEqual => Some(|a, b| a <= b),
            Self::More => Some(|a, b| a > b),
            Self::MoreOrEqual => Some(|a, b| a >= b),
            _ => None,
        }
    }
}

fn resources(all: &[usize]) -> Value {
    Value::list(all.iter().copied().map(Value::Resource).collect())
}

/// The sum of all, if all are numbers.
fn sum(values: &[Value]) -> Value {
    values
        .iter()
        .try_fold(Decimal::ZERO, |sum, value| sum.checked_add(value.number()?))
        .map_or(Value::Null, Value::Number)
}

/// Functions of their arguments alone.
fn pure(function: Function, values: &[Value]) -> Value {
    let (first, rest) = values.split_first().unwrap_or((&Value::Null, &[]));
    match function {
        Function::Absent => Value::Bool(!first.is_known() || first.as_text() == Some("")),
        Function::Known => Value::Bool(first.is_known()),
        Function::Unknown => Value::Bool(*first == Value::Unknown),
        Function::Num => match first {
            Value::Unknown => Value::Unknown,
            other => other.number().map_or(Value::Null, Value::Number),
        },
        Function::Str => Value::text(&first.to_string()),
        Function::Ceil => rounded(first, Decimal::ceil),
        Function::Floor => rounded(first, Decimal::floor),
        Function::Min => extreme(values, |a, b| a < b),
        Function::Max => extreme(values, |a, b| a > b),
        Function::SumOf => sum(first.items()),
        Function::FirstOf => first.items().first().cloned().unwrap_or_default(),
        Function::Len => match first {
            Value::List(items) => Value::Number(items.len().into()),
            Value::Map(members) => Value::Number(members.len().into()),
            Value::Text(text) => Value::Number(text.len().into()),
            Value::Unknown => Value::Unknown,
            _ => Value::Number(Decimal::ZERO),
        },
        Function::Pick => pick(first, rest),
        Function::Merge | Function::Entries | Function::Distinct | Function::Concat => {
            of_lists(function, values)
        }
        _ => of_texts(function, first, rest),
    }
}

fn rounded(value: &Value, how: fn(&Decimal) -> Decimal) -> Value {
    match value {
        Value::Unknown => Value::Unknown,
        other => other
            .number()
            .map_or(Value::Null, |number| Value::Number(how(&number))),
    }
}

/// The least or the most, if all are numbers: of a list, or of the arguments.
fn extreme(values: &[Value], better: fn(Decimal, Decimal) -> bool) -> Value {
    let all: &[Value] = match values {
        [Value::List(items)] => items,
        _ => values,
    };
    let mut best: Option<Decimal> = None;
    for value in all {
        let Some(number) = value.number() else {
            return if *value == Value::Unknown {
                Value::Unknown
            } else {
                Value::Null
            };
        };
        if best.is_none_or(|best| better(number, best)) {
            best = Some(number);
        }
    }
    best.map_or(Value::Null, Value::Number)
}

fn pick(key: &Value, rest: &[Value]) -> Value {
    let mut pairs = rest.chunks_exact(2);
    for pair in &mut pairs {
        if let [wanted, value] = pair
            && wanted.is_same(key)
        {
            return value.clone();
        }
    }
    pairs.remainder().first().cloned().unwrap_or_default()
}

fn of_lists(function: Function, values: &[Value]) -> Value {
    let (first, rest) = values.split_first().unwrap_or((&Value::Null, &[]));
    match function {
        Function::Merge => merge(first, rest.first().unwrap_or(&Value::Null)),
        Function::Entries => {
            let entry = |(name, value): &(Rc<str>, Value)| {
                Value::Map(Rc::from([
                    (Rc::from("key"), Value::Text(name.clone())),
                    (Rc::from("value"), value.clone()),
                ]))
            };
            Value::list(first.members().iter().map(entry).collect())
        }
        Function::Distinct => {
            let mut seen: Vec<Value> = Vec::new();
            for item in first.items() {
                if !seen.contains(item) {
                    seen.push(item.clone());
                }
            }
            Value::list(seen)
        }
        _ => {
            let mut all = Vec::new();
            for value in values {
                match value {
                    Value::List(items) => all.extend(items.iter().take(ITEMS_MAX).cloned()),
                    Value::Null | Value::Unknown => {}
                    one => all.push(one.clone()),
                }
            }
            Value::list(all)
        }
    }
}

/// What one says, and what another says where it is silent.
fn merge(one: &Value, other: &Value) -> Value {
    let single = |value: &Value| match value {
        Value::List(items) => items.first().cloned().unwrap_or_default(),
        value => value.clone(),
    };
    let (one, other) = (single(one), single(other));
    let mut merged: Vec<(Rc<str>, Value)> = other.members().to_vec();
    for (name, value) in one.members() {
        let silent = match value {
            Value::Null | Value::Unknown => true,
            Value::Text(text) => text.is_empty(),
            Value::List(items) => items.is_empty(),
            _ => false,
        };
        match merged.iter_mut().find(|(key, _)| key == name) {
            Some((_, known)) if !silent => *known = value.clone(),
            Some(_) => {}
            None => merged.push((name.clone(), value.clone())),
        }
    }
    Value::Map(merged.into())
}

fn of_texts(function: Function, first: &Value, rest: &[Value]) -> Value {
    let second = rest.first().map(Value::to_string).unwrap_or_default();
    if let Function::Join = function {
        let texts: Vec<String> = first.items().iter().map(Value::to_string).collect();
        return Value::text(&texts.join(&second));
    }
    if let Function::Starts | Function::Ends = function {
        let text = first.as_text().unwrap_or_default();
        return Value::Bool(match function {
            Function::Starts => text.starts_with(&second),
            _ => text.ends_with(&second),
        });
    }
    if !first.is_known() {
        return first.clone();
    }
    let text = first.to_string();
    match function {
        Function::Lower => Value::text(&text.to_lowercase()),
        Function::Upper => Value::text(&text.to_uppercase()),
        Function::Title => Value::text(&title(&text)),
        Function::Replace => {
            let with = rest.get(1).map(Value::to_string).unwrap_or_default();
            Value::text(&text.replace(&second, &with))
        }
        Function::Split => {
            let parts: Vec<Value> = text.split(&second).map(Value::text).collect();
            match rest.get(1).and_then(Value::number) {
                Some(place) => Value::list(parts).at(place),
                None => Value::list(parts),
            }
        }
        _ => Value::Null,
    }
}

/// Each word with a capital and small letters behind it.
fn title(text: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_uppercase().to_string());
        first.unwrap_or_default() + &letters.as_str().to_lowercase()
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
