//! Expressions of the mapping, evaluated.
//!
//! Every expression has a value: what does not go (a text times a number, a division by zero, a number beyond 28 digits) is unset, and
//! what depends on an unknown is unknown, through defaults, conditions, comparisons and lists: only what comes out the same whatever it
//! will be (`false and …`, `0 * …`, both sides of a choice alike) is known. An amount that is unset becomes "depends on usage", one that
//! is unknown "known after apply", never zero. Beside the value it is noted which usage was asked for and which attributes are known
//! only after apply, so that an estimate can say why.

use std::rc::Rc;

use rust_decimal::Decimal;

use crate::functions::{pure, same, sum};
use crate::mapping::Mapping;
use crate::mapping::body::{Piece, Text};
use crate::mapping::expression::{Expression, Function, Operator, Over};
use crate::mapping::names::Name;
use crate::usage::Usage;
use crate::value::Value;
use crate::world::World;

/// A list grows to this at most: more items than a plan can have are a mistake of the mapping.
pub(crate) const ITEMS_MAX: usize = 100_000;
/// What stands in a text in the place of what is known after apply.
const LATER: &str = "known after apply";

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
    /// Something that is known after apply, and nothing else.
    pub(crate) fn later(name: &str) -> Self {
        Self {
            unknown: vec![name.to_owned()],
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
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
    /// A limit that was met, in words: what was evaluated is not all there is.
    cut: Option<String>,
}

/// A text, and what of it is known after apply, if anything is.
#[derive(Clone, Default)]
pub(crate) struct Written {
    pub(crate) text: String,
    pub(crate) later: Option<Asked>,
    /// What of it is left to the provider: nothing stands in its place.
    pub(crate) left: Option<Asked>,
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
            cut: None,
        }
    }

    /// The limit that was met on the way, if one was.
    pub(crate) fn take_cut(&mut self) -> Option<String> {
        let of_world = self.world.take_cut();
        self.cut.take().or(of_world)
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

    /// The value, and what was asked for on the way. What is known after apply counts only where the value depends on it.
    pub(crate) fn noted(&mut self, expression: &Expression) -> (Value, Asked) {
        let outer = std::mem::take(&mut self.asked);
        let value = self.value(expression);
        let mut asked = std::mem::replace(&mut self.asked, outer);
        // What came to nothing may have done so for want of it.
        if !asked.unknown.is_empty() && value != Value::Null && !value.has_later() {
            asked.unknown.clear();
        }
        (value, asked)
    }

    /// Writes a text.
    pub(crate) fn text(&mut self, text: &Text) -> Written {
        let mut whole = String::new();
        let (mut later, mut left): (Option<Asked>, Option<Asked>) = (None, None);
        for piece in text {
            match piece {
                Piece::Literal(literal) => whole.push_str(literal),
                Piece::Value(expression) => {
                    let (value, asked) = self.noted(expression);
                    match value {
                        Value::Unknown => {
                            whole.push_str(LATER);
                            later.get_or_insert_default().add(&asked);
                        }
                        Value::Null | Value::Left if !asked.unknown.is_empty() => {
                            left.get_or_insert_default().add(&asked);
                        }
                        value => whole.push_str(&value.to_string()),
                    }
                }
            }
        }
        Written {
            text: whole,
            later,
            left,
        }
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
            Expression::If(parts) => self.choice(parts),
            Expression::And(parts) => self.both(parts),
            Expression::Or(parts) => self.either(parts),
            Expression::Not(of) => truth(self.value(of).truth().map(|yes| !yes)),
            Expression::Default(parts) => self.default(parts),
            Expression::In(parts) => self.contains(parts),
            Expression::Matches(of, pattern) => match self.value(of) {
                Value::Unknown => Value::Unknown,
                Value::Text(text) => Value::Bool(pattern.is_match(&text)),
                _ => Value::Bool(false),
            },
            Expression::Find(of, pattern, group) => match self.value(of) {
                later @ (Value::Unknown | Value::Left) => later,
                Value::Text(text) => {
                    let found = pattern.captures(&text).and_then(|found| found.get(*group));
                    found.map_or(Value::Null, |found| Value::text(found.as_str()))
                }
                _ => Value::Null,
            },
            Expression::Binary(operator, parts) => self.binary(*operator, parts),
            Expression::Each(over, parts) => self.each(*over, parts),
            Expression::Call(function, arguments) => self.call(*function, arguments),
        }
    }

    /// One of two. Where it is not known which, it is neither, unless both are the same.
    fn choice(&mut self, parts: &[Expression; 3]) -> Value {
        let [condition, yes, no] = parts;
        match self.value(condition).truth() {
            Some(true) => self.value(yes),
            Some(false) => self.value(no),
            None => {
                let (yes, no) = (self.value(yes), self.value(no));
                if yes == no { yes } else { Value::Unknown }
            }
        }
    }

    fn both(&mut self, parts: &[Expression; 2]) -> Value {
        let [one, other] = parts;
        let one = self.value(one).truth();
        if one == Some(false) {
            return Value::Bool(false);
        }
        match (one, self.value(other).truth()) {
            (_, Some(false)) => Value::Bool(false),
            (Some(_), Some(_)) => Value::Bool(true),
            _ => Value::Unknown,
        }
    }

    /// The first that holds, or the second.
    fn either(&mut self, parts: &[Expression; 2]) -> Value {
        let [one, other] = parts;
        let value = self.value(one);
        match value.truth() {
            Some(true) => value,
            Some(false) => self.value(other),
            None if self.value(other).truth() == Some(true) => Value::Bool(true),
            None => Value::Unknown,
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
        // Of what is unknown as a whole, the whole is named.
        if !matches!(holder, Value::Unknown | Value::Left) {
            asked.unknown.clear();
            if value.has_later() {
                asked.unknown.push(name.to_owned());
            }
        }
        self.asked.add(&asked);
        value
    }

    fn index(&mut self, of: &Expression, index: &Expression) -> Value {
        let holder = self.value(of);
        match (self.value(index), holder) {
            (Value::Number(place), holder) => holder.at(place),
            (Value::Text(name), Value::Resource(at)) => {
                let value = self.world.attribute(at, &name);
                self.later(value, &name)
            }
            (Value::Text(name), holder) => holder.get(&name),
            (Value::Unknown, _) => Value::Unknown,
            _ => Value::Null,
        }
    }

    /// A value that the plan says; named, where anything of it is known after apply.
    fn later(&mut self, value: Value, name: &str) -> Value {
        if value.has_later() {
            self.asked.add(&Asked::later(name));
        }
        value
    }

    fn default(&mut self, parts: &[Expression; 2]) -> Value {
        let [wanted, otherwise] = parts;
        let (value, asked) = self.noted(wanted);
        if !value.is_silent() {
            self.asked.add(&asked);
            return value;
        }
        let otherwise = self.value(otherwise);
        // A default answers what was missing; that usage could have said it counts all the same.
        self.asked.usage |= asked.usage;
        if !otherwise.is_known() {
            self.asked.add(&asked);
        }
        // What nothing answers is left to the provider still.
        if otherwise == Value::Null && value == Value::Left {
            return value;
        }
        otherwise
    }

    fn contains(&mut self, parts: &[Expression; 2]) -> Value {
        let [item, all] = parts;
        let (item, all) = (self.value(item), self.value(all));
        match &all {
            Value::List(items) => any(items.iter().map(|one| same(one, &item))),
            Value::Unknown => Value::Unknown,
            Value::Map(members) if members.is_empty() => Value::Bool(false),
            Value::Map(_) | Value::Text(_) if item == Value::Unknown => Value::Unknown,
            Value::Map(members) => {
                let name = item.to_string();
                Value::Bool(members.iter().any(|(key, _)| **key == *name))
            }
            Value::Text(text) => {
                Value::Bool(item.as_text().is_some_and(|part| text.contains(part)))
            }
            _ => Value::Bool(false),
        }
    }

    fn binary(&mut self, operator: Operator, parts: &[Expression; 2]) -> Value {
        let [one, other] = parts;
        let (one, other) = (self.value(one), self.value(other));
        match operator {
            Operator::Equal => return truth(same(&one, &other)),
            Operator::Unequal => return truth(same(&one, &other).map(|yes| !yes)),
            Operator::Join if one == Value::Unknown || other == Value::Unknown => {
                return Value::Unknown;
            }
            Operator::Join => return Value::text(&format!("{one}{other}")),
            _ => {}
        }
        let (a, b) = (one.number(), other.number());
        if let Some(ordering) = operator.ordering() {
            let is_no_number = |value: &Value, number: Option<Decimal>| {
                number.is_none() && value.later_number() != Some(Value::Unknown)
            };
            return match (a, b) {
                (Some(a), Some(b)) => Value::Bool(ordering(a, b)),
                // What is no number is in no order with anything.
                _ if is_no_number(&one, a) || is_no_number(&other, b) => Value::Bool(false),
                _ => Value::Unknown,
            };
        }
        let zero = |number: Option<Decimal>| number.is_some_and(|number| number.is_zero());
        // Nothing of anything is nothing, however much that is.
        if operator == Operator::Multiply && (zero(a) || zero(b)) {
            return Value::Number(Decimal::ZERO);
        }
        let (Some(a), Some(b)) = (a, b) else {
            return Value::later_of([&one, &other]).unwrap_or_default();
        };
        let result = match operator {
            Operator::Add => a.checked_add(b),
            Operator::Subtract => a.checked_sub(b),
            Operator::Multiply => a.checked_mul(b),
            Operator::Divide => a.checked_div(b),
            _ => a.checked_rem(b),
        };
        let by_zero = b.is_zero() && matches!(operator, Operator::Divide | Operator::Remainder);
        if result.is_none() && !by_zero {
            self.cut = Some("an amount is larger than can be reckoned with".to_owned());
        }
        result.map_or(Value::Null, Value::Number)
    }

    fn each(&mut self, over: Over, parts: &[Expression; 2]) -> Value {
        let [list, expression] = parts;
        let list = match self.value(list) {
            Value::List(items) => items,
            Value::Unknown => return Value::Unknown,
            Value::Left if !matches!(over, Over::Any) => return Value::Left,
            Value::Null | Value::Left => Rc::from([]),
            one => Rc::from([one]),
        };
        self.count(list.len());
        let mark = self.mark();
        let mut results = Vec::with_capacity(list.len());
        for item in list.iter().take(ITEMS_MAX) {
            self.bind(self.mapping.known.it, item.clone());
            results.push(self.value(expression));
            self.reset(mark);
        }
        let found = || list.iter().zip(results.iter().map(Value::truth));
        let chosen = || found().filter(|(_, holds)| *holds == Some(true));
        let is_open = || found().any(|(_, holds)| holds.is_none());
        match over {
            Over::Sum => sum(&results),
            Over::Any => any(found().map(|(_, holds)| holds)),
            Over::First => match found().find(|(_, holds)| *holds != Some(false)) {
                Some((item, Some(_))) => item.clone(),
                Some(_) => Value::Unknown,
                None => Value::Null,
            },
            // Which items they are, and how many, depends on each.
            Over::Filter | Over::Count if is_open() => Value::Unknown,
            Over::Filter => Value::list(chosen().map(|(item, _)| item.clone()).collect()),
            Over::Count => Value::Number(chosen().count().into()),
            Over::Map => Value::list(results),
        }
    }

    /// Notes a list that is too long to be gone through to its end.
    fn count(&mut self, items: usize) {
        if items > ITEMS_MAX {
            self.cut = Some(format!("a list has more than {ITEMS_MAX} items"));
        }
    }

    /// A resource, or what stands for none: unset, or unknown.
    fn resource(&mut self, expression: &Expression) -> Result<usize, Value> {
        match self.value(expression) {
            Value::Resource(at) => Ok(at),
            Value::Unknown => Err(Value::Unknown),
            _ => Err(Value::Null),
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
            Function::RefCount => {
                let path = self.literal(Some(first));
                let count = self.world.reference_count(self.at, &path);
                self.later(count, &path)
            }
            Function::AllOf => {
                let kind = self.literal(Some(first));
                resources(self.world.all_of(&kind))
            }
            Function::AddressOf | Function::UsageOf | Function::SizeOf | Function::RefsTo => {
                match self.resource(first) {
                    Ok(at) => self.of_resource(function, at, rest),
                    Err(none) => none,
                }
            }
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
                self.later(place, "location")
            }
            Function::Table => self.row(first, rest),
            Function::By => self.by(first, rest),
            _ => {
                let values: Vec<Value> = arguments.iter().map(|one| self.value(one)).collect();
                if function == Function::Concat {
                    self.count(values.iter().map(|value| value.items().len()).sum());
                }
                pure(function, &values)
            }
        }
    }

    /// What there is to say of a resource.
    fn of_resource(&mut self, function: Function, at: usize, rest: &[Expression]) -> Value {
        match function {
            Function::AddressOf => Value::text(self.world.address(at)),
            Function::UsageOf => {
                self.asked.usage = true;
                self.usage.of(self.world.address(at), self.world.kind(at))
            }
            Function::SizeOf => self.later(self.world.size_of(at, 0), "its size"),
            _ => {
                let kind = self.literal(rest.first());
                let path = self.literal(rest.get(1));
                resources(&self.world.referring(at, &kind, &path))
            }
        }
    }

    /// A row of a table.
    fn row(&mut self, table: &Expression, rest: &[Expression]) -> Value {
        let table = self.literal(Some(table));
        let key = rest.first().map_or(Value::Null, |key| self.value(key));
        if key == Value::Unknown {
            return key;
        }
        if key.is_known()
            && let Some(found) = self.mapping.table(&table, &key.to_string())
        {
            return Value::Text(found);
        }
        let otherwise = rest.get(1);
        otherwise.map_or(Value::Null, |otherwise| self.value(otherwise))
    }

    /// The item of a list, or the resource, that has a value by a name.
    fn by(&mut self, list: &Expression, rest: &[Expression]) -> Value {
        let list = self.value(list);
        let name = self.literal(rest.first());
        let wanted = rest.get(1).map_or(Value::Null, |value| self.value(value));
        if list == Value::Unknown {
            return list;
        }
        let has = |item: &Value| match item {
            Value::Resource(at) => same(&self.world.attribute(*at, &name), &wanted),
            item => same(&item.get(&name), &wanted),
        };
        let mut items = list.items().iter().map(|item| (item, has(item)));
        match items.find(|(_, has)| *has != Some(false)) {
            Some((item, Some(_))) => item.clone(),
            Some(_) => self.later(Value::Unknown, &name),
            None => Value::Null,
        }
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
            Value::Unknown => return Value::Unknown,
            _ => return Value::Null,
        };
        let kinds: Vec<String> = kinds.iter().map(|kind| self.literal(Some(kind))).collect();
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        match self.world.reference(from, &path, &kinds) {
            Some(at) => Value::Resource(at),
            None if self.world.is_reference_unknown(from, &path) => {
                self.later(Value::Unknown, &path)
            }
            None => Value::Null,
        }
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

/// Whether, as a value.
fn truth(known: Option<bool>) -> Value {
    known.map_or(Value::Unknown, Value::Bool)
}

/// Whether any holds: one that does is enough, one that is not known leaves it open.
fn any(all: impl Iterator<Item = Option<bool>>) -> Value {
    let mut is_open = false;
    for one in all {
        match one {
            Some(true) => return Value::Bool(true),
            Some(false) => {}
            None => is_open = true,
        }
    }
    truth((!is_open).then_some(false))
}

fn resources(all: &[usize]) -> Value {
    Value::list(all.iter().copied().map(Value::Resource).collect())
}
