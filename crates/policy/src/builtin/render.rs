//! `strings.render_template`: the part of Go's templates that policies use.
//!
//! Fields (`{{.a.b}}`), variables, `range` with index and value, `if`, `else`, `end`, and `{{- -}}` trimming. A field that is not
//! there is written `<undefined>`, as the reference implementation does. Functions and nested templates are refused by name.

use std::collections::BTreeMap;

use regorus::Value;

use super::{Answer, Args, Builtin, Failure, text};

pub(super) const ALL: [Builtin; 1] = [("strings.render_template", 2, render)];

/// Bytes of a rendered text.
const TEXT_BYTES_MAX: usize = 8 << 20;
/// Blocks within blocks.
const DEPTH_MAX: usize = 32;

#[derive(Debug, Clone)]
enum Node {
    Text(String),
    Show(Expression),
    Range {
        index: Option<String>,
        item: Option<String>,
        of: Expression,
        body: Vec<Node>,
        empty: Vec<Node>,
    },
    If {
        condition: Expression,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
}

/// A variable or the current value, and fields of it.
#[derive(Debug, Clone)]
struct Expression {
    variable: Option<String>,
    fields: Vec<String>,
}

fn render(args: &Args<'_>) -> Answer {
    let pieces = pieces(args, args.text(0)?)?;
    let mut rest = pieces.as_slice();
    let (nodes, ended_by) = block(args, &mut rest, 0)?;
    if ended_by.is_some() {
        return args.fail("an end or else closes nothing");
    }
    args.object(1)?;
    let mut renderer = Renderer {
        root: args.any(1),
        variables: BTreeMap::new(),
        out: String::new(),
    };
    renderer.nodes(args, &nodes, args.any(1))?;
    Ok(Value::from(renderer.out))
}

enum Piece {
    Text(String),
    Action(String),
}

fn pieces(args: &Args<'_>, mut rest: &str) -> Result<Vec<Piece>, Failure> {
    let mut pieces = Vec::new();
    let mut trim = false;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((action, after)) = after.split_once("}}") else {
            return args.fail("an action does not end with }}");
        };
        let before = if trim { before.trim_start() } else { before };
        let before = if action.starts_with("- ") {
            before.trim_end()
        } else {
            before
        };
        pieces.push(Piece::Text(before.to_owned()));
        trim = action.ends_with(" -");
        let action = action
            .trim_start_matches("- ")
            .trim_end_matches(" -")
            .trim();
        if !action.starts_with("/*") {
            pieces.push(Piece::Action(action.to_owned()));
        }
        rest = after;
    }
    pieces.push(Piece::Text(
        if trim { rest.trim_start() } else { rest }.to_owned(),
    ));
    Ok(pieces)
}

/// Nodes up to what ends them: `end`, `else`, or nothing.
fn block(
    args: &Args<'_>,
    rest: &mut &[Piece],
    depth: usize,
) -> Result<(Vec<Node>, Option<&'static str>), Failure> {
    if depth > DEPTH_MAX {
        return args.fail("blocks stand too deep in each other");
    }
    let mut nodes = Vec::new();
    while let Some((piece, after)) = rest.split_first() {
        *rest = after;
        let action = match piece {
            Piece::Text(text) => {
                nodes.push(Node::Text(text.clone()));
                continue;
            }
            Piece::Action(action) => action.as_str(),
        };
        match action
            .split_once(char::is_whitespace)
            .map_or((action, ""), |(word, rest)| (word, rest.trim()))
        {
            ("end", "") => return Ok((nodes, Some("end"))),
            ("else", "") => return Ok((nodes, Some("else"))),
            ("range", of) => nodes.push(range(args, of, rest, depth)?),
            ("if", condition) => {
                let condition = expression(args, condition)?;
                let (then, otherwise) = branches(args, rest, depth)?;
                nodes.push(Node::If {
                    condition,
                    then,
                    otherwise,
                });
            }
            _ => nodes.push(Node::Show(expression(args, action)?)),
        }
    }
    Ok((nodes, None))
}

fn branches(
    args: &Args<'_>,
    rest: &mut &[Piece],
    depth: usize,
) -> Result<(Vec<Node>, Vec<Node>), Failure> {
    let (first, ended_by) = block(args, rest, depth + 1)?;
    let second = match ended_by {
        Some("else") => {
            let (second, ended_by) = block(args, rest, depth + 1)?;
            if ended_by != Some("end") {
                return args.fail("an else has no end");
            }
            second
        }
        Some(_) => Vec::new(),
        None => return args.fail("a block has no end"),
    };
    Ok((first, second))
}

fn range(
    args: &Args<'_>,
    header: &str,
    rest: &mut &[Piece],
    depth: usize,
) -> Result<Node, Failure> {
    let (names, of) = match header.split_once(":=") {
        Some((names, of)) => (names.split(',').map(str::trim).collect(), of.trim()),
        None => (Vec::new(), header),
    };
    let name = |it: &&str| it.strip_prefix('$').map(str::to_owned);
    let (index, item) = match names.as_slice() {
        [] => (None, None),
        [item] => (None, name(item)),
        [index, item] => (name(index), name(item)),
        _ => return args.fail("range takes one or two variables"),
    };
    let of = expression(args, of)?;
    let (body, empty) = branches(args, rest, depth)?;
    Ok(Node::Range {
        index,
        item,
        of,
        body,
        empty,
    })
}

fn expression(args: &Args<'_>, text: &str) -> Result<Expression, Failure> {
    let (variable, fields) = match text.strip_prefix('$') {
        Some(rest) => {
            let (name, fields) = rest.split_once('.').unwrap_or((rest, ""));
            (Some(name.to_owned()), fields)
        }
        None => match text.strip_prefix('.') {
            Some(fields) => (None, fields),
            None => {
                return args.fail(format!(
                    "{text:?} is no field and no variable; functions are not offered"
                ));
            }
        },
    };
    let fields: Vec<String> = fields
        .split('.')
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect();
    let plain = |it: &String| {
        it.chars()
            .all(|letter| letter.is_alphanumeric() || letter == '_')
    };
    if !(fields.iter().all(plain) && variable.iter().all(plain)) {
        return args.fail(format!(
            "{text:?} is no field and no variable; functions are not offered"
        ));
    }
    Ok(Expression { variable, fields })
}

struct Renderer<'a> {
    root: &'a Value,
    variables: BTreeMap<String, Value>,
    out: String,
}

impl Renderer<'_> {
    fn nodes(&mut self, args: &Args<'_>, nodes: &[Node], current: &Value) -> Result<(), Failure> {
        for node in nodes {
            if self.out.len() > TEXT_BYTES_MAX {
                return args.fail("the text becomes too large");
            }
            match node {
                Node::Text(it) => self.out.push_str(it),
                Node::Show(it) => match self.value(it, current) {
                    Value::Undefined => self.out.push_str("<undefined>"),
                    value => text::show(&value, true, &mut self.out),
                },
                Node::If {
                    condition,
                    then,
                    otherwise,
                } => {
                    let nodes = if is_true(&self.value(condition, current)) {
                        then
                    } else {
                        otherwise
                    };
                    self.nodes(args, nodes, current)?;
                }
                Node::Range {
                    index,
                    item,
                    of,
                    body,
                    empty,
                } => {
                    let entries = entries(&self.value(of, current));
                    if entries.is_empty() {
                        self.nodes(args, empty, current)?;
                    }
                    for (key, value) in entries {
                        let bound = [(index, key), (item, value.clone())];
                        let named = bound
                            .into_iter()
                            .filter_map(|(name, it)| Some((name.clone()?, it)));
                        self.variables.extend(named);
                        self.nodes(args, body, &value)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn value(&self, expression: &Expression, current: &Value) -> Value {
        let from = match &expression.variable {
            None => current.clone(),
            Some(name) if name.is_empty() => self.root.clone(),
            Some(name) => self
                .variables
                .get(name)
                .cloned()
                .unwrap_or(Value::Undefined),
        };
        expression
            .fields
            .iter()
            .fold(from, |value, field| match &value {
                Value::Object(members) => members
                    .get(&Value::from(field.as_str()))
                    .cloned()
                    .unwrap_or(Value::Undefined),
                _ => Value::Undefined,
            })
    }
}

fn entries(value: &Value) -> Vec<(Value, Value)> {
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, it)| (Value::from(index), it.clone()))
            .collect(),
        Value::Set(items) => items
            .iter_sorted()
            .enumerate()
            .map(|(index, it)| (Value::from(index), it.clone()))
            .collect(),
        Value::Object(members) => members
            .iter_sorted()
            .map(|(key, it)| (key.clone(), it.clone()))
            .collect(),
        _ => Vec::new(),
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null | Value::Undefined => false,
        Value::Bool(it) => *it,
        Value::Number(_) => *value != Value::from(0_u64),
        Value::String(it) => !it.is_empty(),
        Value::Array(it) => !it.is_empty(),
        Value::Set(it) => !it.is_empty(),
        Value::Object(it) => !it.is_empty(),
    }
}
