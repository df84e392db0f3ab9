//! What a resource or a template consists of, compiled.

use rust_decimal::Decimal;

use super::MappingError;
use super::compile::Compiler;
use super::expression::Expression;
use super::names::Name;
use super::tree::{Node, pairs, split};
use crate::value::decimal;

/// A text with expressions in it.
pub(crate) type Text = Vec<Piece>;

#[derive(Debug)]
pub(crate) enum Piece {
    Literal(String),
    Value(Expression),
}

/// What is asked and defined before what it holds.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) on: Option<Expression>,
    pub(crate) each: Option<Expression>,
    pub(crate) lets: Vec<(Name, Expression)>,
    pub(crate) when: Option<Expression>,
    /// Attributes that tell prices apart which the texts do not.
    pub(crate) dims: Vec<(String, Text)>,
    /// Another type whose prices count where this one has none.
    pub(crate) as_type: Option<String>,
}

/// A resource or a template.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) head: Head,
    pub(crate) unsupported: Option<Expression>,
    pub(crate) region: Option<Expression>,
    pub(crate) items: Vec<Item>,
}

#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) head: Head,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Component(Box<Component>),
    /// A sub-resource, with its name.
    Part(Text, Vec<Item>),
    Group(Vec<Item>),
    Use(String, Vec<(Name, Expression)>),
}

/// One line of an estimate.
#[derive(Debug)]
pub(crate) struct Component {
    pub(crate) name: Text,
    pub(crate) unit: Text,
    pub(crate) quantity: Expression,
    pub(crate) steps: Vec<Step>,
    /// Every step is listed where the quantity is not known, not only the first.
    pub(crate) every: bool,
    pub(crate) price: Option<Query>,
    /// The share of a product's price that is paid.
    pub(crate) factor: Option<Expression>,
    /// A price that the line names itself.
    pub(crate) rate: Option<Expression>,
    pub(crate) region: Option<Text>,
}

/// A step of a quantity that is paid in steps.
#[derive(Debug)]
pub(crate) struct Step {
    /// What the name of the component says, or nothing for a step that is free.
    pub(crate) name: Option<String>,
    /// How much it takes; the last takes what is left.
    pub(crate) width: Option<Decimal>,
}

/// How a product of a catalogue is found.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) service: String,
    pub(crate) family: Option<String>,
    pub(crate) attributes: Vec<(String, Text)>,
}

impl Compiler<'_> {
    /// Compiles what a resource or a template holds.
    pub(crate) fn body(&mut self, node: &Node) -> Result<Body, MappingError> {
        let mut body = Body::default();
        for child in &node.children {
            match child.word.as_str() {
                "unsupported" => body.unsupported = Some(self.expression(child, &child.rest)?),
                "region" => body.region = Some(self.expression(child, &child.rest)?),
                "takes" => {}
                _ => {
                    if !self.head(&mut body.head, child)? {
                        body.items.push(self.item(child)?);
                    }
                }
            }
        }
        Ok(body)
    }

    /// Reads a line of a head; whether it is one.
    fn head(&mut self, head: &mut Head, node: &Node) -> Result<bool, MappingError> {
        match node.word.as_str() {
            "let" => {
                for (name, value) in pairs(self.file, node)? {
                    let expression = self.expression(node, value)?;
                    head.lets.push((self.define(name), expression));
                }
            }
            "dims" => {
                for (name, value) in pairs(self.file, node)? {
                    head.dims.push((name.to_owned(), self.text(node, value)?));
                }
            }
            "when" => head.when = Some(self.expression(node, &node.rest)?),
            "on" => head.on = Some(self.expression(node, &node.rest)?),
            "each" => {
                head.each = Some(self.expression(node, &node.rest)?);
                self.define("it");
                self.define("i");
            }
            "as" => head.as_type = Some(node.rest.clone()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn item(&mut self, node: &Node) -> Result<Item, MappingError> {
        let mark = self.mark();
        let item = match node.word.as_str() {
            "-" => self.component(node),
            "part" | "group" => self.holder(node),
            "use" => self.use_of(node),
            word => Err(self.refuse(
                node,
                &format!("{word:?} is no word of a mapping (known are -, part, group, use, let, dims, when, each, on, as, region, unsupported)"),
            )),
        };
        self.reset(mark);
        item
    }

    fn holder(&mut self, node: &Node) -> Result<Item, MappingError> {
        let mut head = Head::default();
        let mut items = Vec::new();
        for child in &node.children {
            if !self.head(&mut head, child)? {
                items.push(self.item(child)?);
            }
        }
        let kind = if node.word == "part" {
            Kind::Part(self.text(node, &node.rest)?, items)
        } else {
            Kind::Group(items)
        };
        Ok(Item { head, kind })
    }

    fn use_of(&mut self, node: &Node) -> Result<Item, MappingError> {
        let mut head = Head::default();
        let mut with = Vec::new();
        let mut given = Vec::new();
        for child in &node.children {
            if child.word == "with" {
                for (name, value) in pairs(self.file, child)? {
                    let expression = self.expression(child, value)?;
                    given.push(name.to_owned());
                    with.push((self.number(name), expression));
                }
            } else if !self.head(&mut head, child)? {
                return Err(
                    self.refuse(child, &format!("{:?} has no place below `use`", child.word))
                );
            }
        }
        let Some(takes) = self.takes(&node.rest) else {
            return Err(self.refuse(node, &format!("there is no template {}", node.rest)));
        };
        for name in takes {
            if !given.contains(&name) && !self.is_defined(&name) {
                return Err(self.refuse(
                    node,
                    &format!(
                        "the template {} needs {name}: give it in a line `with {name} = …`",
                        node.rest
                    ),
                ));
            }
        }
        Ok(Item {
            head,
            kind: Kind::Use(node.rest.clone(), with),
        })
    }

    fn component(&mut self, node: &Node) -> Result<Item, MappingError> {
        let mut head = Head::default();
        let (mut steps, mut every, mut price, mut factor, mut rate, mut region) =
            (Vec::new(), false, None, None, None, None);
        for child in &node.children {
            match child.word.as_str() {
                "steps" => {
                    steps = self.steps(child)?;
                    self.define("tier");
                }
                "every" => every = true,
                "price" => price = Some(self.query(child)?),
                "factor" => factor = Some(self.expression(child, &child.rest)?),
                "rate" => rate = Some(self.expression(child, &child.rest)?),
                "region" => region = Some(self.text(child, &child.rest)?),
                _ if self.head(&mut head, child)? => {}
                word => {
                    return Err(
                        self.refuse(child, &format!("{word:?} has no place below a component"))
                    );
                }
            }
        }
        let fields: Vec<&str> = node.rest.split(" | ").map(str::trim).collect();
        let [name, unit, quantity, conditions @ ..] = &*fields else {
            return Err(self.refuse(
                node,
                "a component is `- name | unit | quantity`, and a condition where it has one",
            ));
        };
        match conditions {
            [] => {}
            [when] if head.when.is_none() => head.when = Some(self.expression(node, when)?),
            _ => return Err(self.refuse(node, "a component has one condition at most")),
        }
        let component = Component {
            name: self.text(node, name)?,
            unit: self.text(node, unit)?,
            quantity: self.expression(node, quantity)?,
            steps,
            every,
            price,
            factor,
            rate,
            region,
        };
        Ok(Item {
            head,
            kind: Kind::Component(Box::new(component)),
        })
    }

    fn steps(&self, node: &Node) -> Result<Vec<Step>, MappingError> {
        let mut steps = Vec::new();
        for step in node.rest.split(", ") {
            let (name, width) = match step.split_once('=') {
                Some((name, width)) => {
                    let number = decimal(width)
                        .filter(|width| width.is_sign_positive() && !width.is_zero())
                        .ok_or_else(|| {
                            self.refuse(node, &format!("{width:?} is no width of a step"))
                        })?;
                    (name, Some(number))
                }
                None => (step, None),
            };
            let name = (name.trim() != "-").then(|| name.trim().to_owned());
            steps.push(Step { name, width });
        }
        let last = steps.len().saturating_sub(1);
        let open = |(at, step): (usize, &Step)| step.width.is_none() && at != last;
        if steps.iter().enumerate().any(open) {
            return Err(self.refuse(
                node,
                "only the last step has no width: the others are `name=width`",
            ));
        }
        Ok(steps)
    }

    fn query(&self, node: &Node) -> Result<Query, MappingError> {
        let mut query = Query {
            service: String::new(),
            family: None,
            attributes: Vec::new(),
        };
        for (name, value) in pairs(self.file, node)? {
            match name {
                "service" => value.clone_into(&mut query.service),
                "family" => query.family = Some(value.to_owned()),
                _ => query
                    .attributes
                    .push((name.to_owned(), self.text(node, value)?)),
            }
        }
        if query.service.is_empty() {
            return Err(self.refuse(node, "a price names its service: `price service=…`"));
        }
        Ok(query)
    }

    /// Reads a text with expressions between braces.
    pub(crate) fn text(&self, node: &Node, text: &str) -> Result<Text, MappingError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((inner, behind)) = after.split_once('}') else {
                return Err(self.refuse(node, &format!("a brace is not closed in {text:?}")));
            };
            if !before.is_empty() {
                pieces.push(Piece::Literal(before.to_owned()));
            }
            pieces.push(Piece::Value(self.expression(node, inner)?));
            rest = behind;
        }
        if !rest.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Ok(pieces)
    }
}

/// The names of a list: `a, b`.
pub(crate) fn names(text: &str) -> Vec<String> {
    split(text, ',').into_iter().map(str::to_owned).collect()
}
