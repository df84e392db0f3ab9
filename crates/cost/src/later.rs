//! What is known after apply, and whether anybody but the provider will say it.
//!
//! A plan marks an attribute as known after apply for one of two reasons: the configuration sets it to something that does not exist
//! yet, or nobody sets it and the provider will fill it in. The first is unknown and stays so, whatever a mapping has by default. The
//! second is what a default of the mapping is for, and is unknown where there is none. The configuration tells which it is. Where it
//! says nothing of a resource, what is marked is unknown. A block that `dynamic` writes is in no configuration: what is marked in it is
//! unknown where something in its module is made of what is known after apply and may be a size (`World::may_hide_later`).

use std::rc::Rc;

use crate::plan::without_instances;
use crate::value::Value;
use crate::world::World;

/// How many inputs and outputs of modules an expression is followed through.
const HOPS_MAX: usize = 32;

/// The key of a constant in an expression of the configuration.
const CONSTANT: &str = "constant_value";
/// The key of what an expression refers to.
pub(crate) const REFERENCES: &str = "references";

/// Puts what is known after apply into a value.
pub(crate) fn with_unknown(value: Value, unknown: &Value) -> Value {
    match (value, unknown) {
        (Value::Null, Value::Bool(true)) => Value::Unknown,
        (Value::Null, Value::Left) => Value::Left,
        (Value::Map(members), Value::Map(marks)) => {
            let mut merged: Vec<_> = members
                .iter()
                .map(|(name, value)| {
                    let mark = unknown.get(name);
                    (name.clone(), with_unknown(value.clone(), &mark))
                })
                .collect();
            let missing = |name: &str| !members.iter().any(|(key, _)| &**key == name);
            for (name, mark) in marks.iter().filter(|(name, _)| missing(name)) {
                if matches!(mark, Value::Bool(true) | Value::Left) {
                    merged.push((name.clone(), with_unknown(Value::Null, mark)));
                }
            }
            Value::Map(merged.into())
        }
        (Value::List(items), Value::List(marks)) => Value::list(
            items
                .iter()
                .enumerate()
                .map(|(at, item)| match marks.get(at) {
                    Some(mark) => with_unknown(item.clone(), mark),
                    None => item.clone(),
                })
                .collect(),
        ),
        (value, _) => value,
    }
}

/// Whether a mark says that anything is known after apply.
pub(crate) fn marks_any(mark: &Value) -> bool {
    match mark {
        Value::Bool(yes) => *yes,
        Value::List(marks) => marks.iter().any(marks_any),
        Value::Map(marks) => marks.iter().any(|(_, mark)| marks_any(mark)),
        _ => false,
    }
}

/// Whether the configuration says what an expression is by a constant or by references, not by what it holds.
fn is_leaf(expression: &Value) -> bool {
    let members = expression.members();
    let named = |wanted: &str| members.iter().any(|(name, _)| &**name == wanted);
    matches!(expression, Value::Map(_))
        && (members.is_empty() || named(CONSTANT) || named(REFERENCES))
}

/// A resource, as the configuration has it.
pub(crate) struct Configured<'w, 'p, 't> {
    pub(crate) world: &'w World<'p, 't>,
    /// The module that it is in, without instances.
    pub(crate) module: String,
    /// What its instances are made of, where it is told.
    pub(crate) repeated: Option<Value>,
}

impl Configured<'_, '_, '_> {
    /// The mark, with `Left` in the place of what nobody but the provider says. `said` is what the configuration says there: of a list
    /// of blocks, each.
    pub(crate) fn marked(&self, mark: &Value, said: &[Value]) -> Value {
        self.marked_of(mark, said, true)
    }

    /// The same; whether it is of one block, or which of several it is of is not told.
    fn marked_of(&self, mark: &Value, said: &[Value], is_one: bool) -> Value {
        match mark {
            Value::Bool(true) if !said.iter().any(|one| self.is_set(one, is_one)) => Value::Left,
            Value::Map(marks) if !is_open(said) => {
                let one = |(name, mark): &(Rc<str>, Value)| {
                    let inner = said.iter().map(|one| below(one, name));
                    let inner: Vec<Value> = inner.filter(|one| *one != Value::Null).collect();
                    (name.clone(), self.marked_of(mark, &inner, is_one))
                };
                Value::Map(marks.iter().map(one).collect())
            }
            Value::List(marks) if !is_open(said) => {
                let items: Vec<Value> = said.iter().flat_map(each).collect();
                // There are more than the configuration names: `dynamic` writes them.
                if items.len() < marks.len() {
                    return self.hidden(mark);
                }
                let is_one = is_one && items.len() == 1;
                let one = |mark: &Value| self.marked_of(mark, &items, is_one);
                Value::list(marks.iter().map(one).collect())
            }
            // `dynamic` writes all of it.
            Value::Map(_) | Value::List(_) if said.is_empty() => self.hidden(mark),
            other => other.clone(),
        }
    }

    /// A mark of what the configuration does not tell.
    fn hidden(&self, mark: &Value) -> Value {
        if self.world.may_hide_later(&self.module) {
            return mark.clone();
        }
        left(mark)
    }

    /// Whether what the configuration says may be what is known after apply. What is made of constants and input variables is known
    /// while planning: where an attribute is unknown all the same, they left it unset. Of several blocks, a constant is another one's.
    fn is_set(&self, said: &Value, is_one: bool) -> bool {
        if !is_leaf(said) {
            let is_block = matches!(said, Value::List(_) | Value::Map(_));
            return is_block || is_one && *said != Value::Null;
        }
        let references = said.get(REFERENCES);
        if references == Value::Null {
            // A call of a function alone stands there as nothing at all, and may be `timestamp()`.
            return said.members().is_empty() || is_one && said.get(CONSTANT) != Value::Null;
        }
        refers_to_later(
            self.world,
            &self.module,
            &references,
            self.repeated.as_ref(),
            0,
        )
    }
}

/// The mark of what is left to the provider as a whole.
fn left(mark: &Value) -> Value {
    match mark {
        Value::Bool(true) => Value::Left,
        Value::List(marks) => Value::list(marks.iter().map(left).collect()),
        Value::Map(marks) => {
            let one = |(name, mark): &(Rc<str>, Value)| (name.clone(), left(mark));
            Value::Map(marks.iter().map(one).collect())
        }
        other => other.clone(),
    }
}

/// What the configuration says of something is not told in full.
fn is_open(said: &[Value]) -> bool {
    let not_told = |one: &Value| is_leaf(one) && one.get(CONSTANT) == Value::Null;
    said.is_empty() || said.iter().any(not_told)
}

/// What an expression says of a member.
fn below(expression: &Value, name: &str) -> Value {
    if is_leaf(expression) {
        return expression.get(CONSTANT).get(name);
    }
    expression.get(name)
}

/// The items of a list of blocks, or of a constant.
fn each(expression: &Value) -> Vec<Value> {
    let held = if is_leaf(expression) {
        expression.get(CONSTANT)
    } else {
        expression.clone()
    };
    // A block that says nothing is not to be taken for an expression that is not told.
    let silent = || Value::Map(Rc::from([(Rc::from(""), Value::Null)]));
    let item = |item: &Value| match item {
        Value::Map(members) if members.is_empty() => silent(),
        item => item.clone(),
    };
    match held {
        Value::List(items) => items.iter().map(item).collect(),
        one => vec![one],
    }
}

/// Whether anything that is referred to may be known after apply only. `repeated` is what instances are made of, where it is told.
fn refers_to_later(
    world: &World<'_, '_>,
    module: &str,
    references: &Value,
    repeated: Option<&Value>,
    hops: usize,
) -> bool {
    if hops > HOPS_MAX {
        return true;
    }
    let texts = references.items().iter().filter_map(Value::as_text);
    let texts: Vec<String> = texts.map(without_instances).collect();
    texts.iter().any(|reference| {
        let mut steps = reference.splitn(4, '.');
        match (steps.next(), steps.next(), steps.next()) {
            (Some("path" | "terraform" | "count" | "self"), ..)
            | (Some("each"), Some("key"), _) => false,
            (Some("each"), ..) => repeated.is_none_or(|repeated| {
                let of = repeated.get(REFERENCES);
                of != Value::Null && refers_to_later(world, module, &of, None, hops + 1)
            }),
            (Some("var"), Some(name), _) => is_input_later(world, module, name, hops + 1),
            (Some("module"), Some(name), Some(output)) => {
                let (inner, expression) = world.output(module, name, output);
                let of = expression.get(REFERENCES);
                if of == Value::Null {
                    return expression.get(CONSTANT) == Value::Null;
                }
                refers_to_later(world, &inner, &of, None, hops + 1)
            }
            // Behind each reference stand the shorter forms of it, which say nothing more.
            (Some("module"), Some(name), None) => {
                let longer = format!("module.{name}.");
                !texts.iter().any(|text| text.starts_with(&longer))
            }
            _ => true,
        }
    })
}

/// Whether an input of a module may be known after apply.
pub(crate) fn is_later_input(world: &World<'_, '_>, module: &str, name: &str) -> bool {
    is_input_later(world, module, name, 0)
}

fn is_input_later(world: &World<'_, '_>, module: &str, name: &str, hops: usize) -> bool {
    world.is_later_input(module, name, || {
        let Some(input) = world.input(module, name) else {
            return false;
        };
        let of = input.expression.get(REFERENCES);
        if of == Value::Null {
            // Nothing at all is a call of a function; what is not given has its default.
            return is_leaf(&input.expression) && input.expression.members().is_empty();
        }
        refers_to_later(world, &input.module, &of, input.repeated.as_ref(), hops)
    })
}

/// What an input of a module is given.
pub(crate) struct Input {
    pub(crate) expression: Value,
    /// The module that gives it.
    pub(crate) module: String,
    /// What instances of the module are made of, where it is told.
    pub(crate) repeated: Option<Value>,
}
