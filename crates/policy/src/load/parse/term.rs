//! Terms, operators and the lines of a body.

use super::{Parser, Read};
use crate::load::{
    ast::{Kind, Line, Operator, Part, Place, Statement, Term},
    lexer::{Piece, TokenKind, Unreadable},
};

/// Operators by how strongly they bind, the weakest first.
const LEVELS: [&[(&str, Operator)]; 5] = [
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("|", Operator::Or)],
    &[("&", Operator::And)],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[
        ("*", Operator::Multiply),
        ("/", Operator::Divide),
        ("%", Operator::Remainder),
    ],
];

impl Parser<'_> {
    /// Statements until an end that is left standing.
    pub(super) fn statements(&mut self, ends: impl Fn(&TokenKind) -> bool) -> Read<Vec<Statement>> {
        let mut body = Vec::new();
        loop {
            while self.take(";") {}
            if ends(&self.token().kind) {
                return Ok(body);
            }
            if self.token().kind == TokenKind::End {
                return self.fail("a body does not end", "close it with }");
            }
            body.push(self.statement()?);
            if !(self.is(";") || self.token().fresh || ends(&self.token().kind)) {
                return self.fail(
                    format!("{} does not continue the statement before it", self.here()),
                    "begin a new line, or write ; between statements",
                );
            }
        }
    }

    /// `{ … }`
    pub(super) fn body(&mut self) -> Read<Vec<Statement>> {
        let at = self.at();
        self.expect("{", "before a body")?;
        let body = self.deeper(|this| this.statements(|kind| *kind == TokenKind::Sign("}")))?;
        self.expect("}", "after a body")?;
        if body.is_empty() {
            return Err(Unreadable {
                at,
                message: "a body is empty".to_owned(),
                next: "write a condition in it, or remove it",
            });
        }
        Ok(body)
    }

    pub(super) fn statement(&mut self) -> Read<Statement> {
        let at = self.at();
        let kind = if self.take_keyword("not") {
            Line::Not(self.expression()?)
        } else if self.take_keyword("some") {
            self.some()?
        } else if self.is_keyword("every") && !self.called() {
            self.step();
            self.every()?
        } else {
            Line::Is(self.expression()?)
        };
        let mut statement = Statement::new(at, kind);
        while self.take_keyword("with") {
            let target = self.term()?;
            if !self.take_keyword("as") {
                return self.fail(
                    "`as` is missing after `with` and its target",
                    "write `with input as …`",
                );
            }
            let value = self.member(false)?;
            statement.with.push((target, value));
        }
        Ok(statement)
    }

    fn some(&mut self) -> Read<Line> {
        let first = self.term()?;
        if self.take_keyword("in") {
            let collection = self.relation()?;
            return Ok(Line::SomeIn {
                key: None,
                value: first,
                collection,
            });
        }
        let mut terms = vec![first];
        while self.take(",") {
            terms.push(self.term()?);
        }
        if self.take_keyword("in") {
            let collection = self.relation()?;
            let value = terms.pop();
            return match (terms.pop(), value, terms.is_empty()) {
                (Some(key), Some(value), true) => Ok(Line::SomeIn {
                    key: Some(key),
                    value,
                    collection,
                }),
                _ => self.fail(
                    "`some … in` takes a value, or a key and a value",
                    "write `some key, value in collection`",
                ),
            };
        }
        let mut names = Vec::new();
        for term in terms {
            match term.kind {
                Kind::Var(name) => names.push((term.at, name)),
                _ => {
                    return self.fail(
                        "`some` declares names",
                        "write names, or `some … in collection`",
                    );
                }
            }
        }
        Ok(Line::Some(names))
    }

    fn every(&mut self) -> Read<Line> {
        let first = self.any_word("the name after `every`")?;
        let (key, value) = if self.take(",") {
            (Some(first), self.any_word("the value's name")?)
        } else {
            (None, first)
        };
        if !self.take_keyword("in") {
            return self.fail(
                "`in` is missing after `every` and its names",
                "write `every x in collection { … }`",
            );
        }
        let domain = self.relation()?;
        let body = self.body()?;
        Ok(Line::Every {
            key,
            value,
            domain,
            body,
        })
    }

    /// What a statement can be: an expression, or two that are made equal.
    pub(super) fn expression(&mut self) -> Read<Term> {
        let at = self.at();
        let left = self.member(true)?;
        if self.take(":=") {
            let right = self.member(true)?;
            return Ok(Term::new(at, Kind::Assign(Box::new((left, right)))));
        }
        if self.take("=") {
            let right = self.member(true)?;
            return Ok(Term::new(at, Kind::Unify(Box::new((left, right)))));
        }
        Ok(left)
    }

    /// An operation with `in` as its weakest operator. Where a comma cannot mean anything else, a key may stand before the value.
    pub(super) fn member(&mut self, keyed: bool) -> Read<Term> {
        let at = self.at();
        let mut left = self.relation()?;
        if keyed && self.is(",") {
            let before = self.index;
            self.step();
            let value = self.relation()?;
            if !self.take_keyword("in") {
                self.index = before;
                return Ok(left);
            }
            let collection = self.relation()?;
            left = Term::new(
                at,
                Kind::Member(Some(Box::new(left)), Box::new((value, collection))),
            );
        }
        while self.take_keyword("in") {
            let collection = self.relation()?;
            left = Term::new(at, Kind::Member(None, Box::new((left, collection))));
        }
        Ok(left)
    }

    fn relation(&mut self) -> Read<Term> {
        self.deeper(|this| this.level(0))
    }

    fn level(&mut self, level: usize) -> Read<Term> {
        let Some(operators) = LEVELS.get(level) else {
            return self.term();
        };
        let at = self.at();
        let mut left = self.level(level + 1)?;
        let mut count = 0;
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| self.is(sign)) {
            self.step();
            count += 1;
            if count > super::DEPTH_MAX {
                return self.fail(
                    "too many operators in one expression",
                    "give parts of it names of their own",
                );
            }
            let right = self.level(level + 1)?;
            left = Term::new(at, Kind::Binary(*operator, Box::new((left, right))));
        }
        Ok(left)
    }

    /// A term without operators, and what is looked up in it.
    pub(super) fn term(&mut self) -> Read<Term> {
        let at = self.at();
        let head = self.deeper(Self::primary)?;
        self.steps(at, head)
    }

    fn steps(&mut self, at: Place, mut head: Term) -> Read<Term> {
        let mut steps = Vec::new();
        loop {
            if self.joins(".") {
                self.step();
                let at = self.at();
                let word = self.any_word("the name after the dot")?;
                steps.push(Term::text(at, word));
            } else if self.joins("[") {
                self.step();
                steps.push(self.member(true)?);
                self.expect("]", "after what is looked up")?;
            } else if self.joins("(") && (matches!(head.kind, Kind::Var(_)) || !steps.is_empty()) {
                self.step();
                let function = with_steps(at, head, std::mem::take(&mut steps));
                let args = self.list(")")?;
                head = Term::new(at, Kind::Call(Box::new(function), args));
            } else {
                return Ok(with_steps(at, head, steps));
            }
        }
    }

    /// Terms between commas, up to a sign that is taken.
    pub(super) fn list(&mut self, end: &'static str) -> Read<Vec<Term>> {
        let mut terms = Vec::new();
        while !self.take(end) {
            terms.push(self.member(false)?);
            if !self.take(",") {
                self.expect(end, "after the last of a list")?;
                break;
            }
        }
        Ok(terms)
    }

    fn primary(&mut self) -> Read<Term> {
        let at = self.at();
        let kind = match self.token().kind.clone() {
            TokenKind::Number(number) => Kind::Number(number),
            TokenKind::Text(text) => Kind::Text(text),
            TokenKind::Template(pieces) => {
                self.step();
                return self.template(at, pieces);
            }
            TokenKind::Word(word) => self.named(word)?,
            TokenKind::Sign("-") => {
                self.step();
                return Ok(match self.term()? {
                    Term {
                        kind: Kind::Number(number),
                        ..
                    } => Term::new(at, Kind::Number(format!("-{number}"))),
                    other => Term::new(at, Kind::Minus(Box::new(other))),
                });
            }
            TokenKind::Sign("(") => {
                self.step();
                let inner = self.member(true)?;
                self.expect(")", "after an expression in parentheses")?;
                return Ok(inner);
            }
            TokenKind::Sign("[") => {
                self.step();
                return self.array(at);
            }
            TokenKind::Sign("{") => {
                self.step();
                return self.set_or_object(at);
            }
            _ => {
                return self.fail(
                    format!("a value is missing; {} stands there", self.here()),
                    "write a term",
                );
            }
        };
        self.step();
        Ok(Term::new(at, kind))
    }

    fn named(&mut self, word: String) -> Read<Kind> {
        if self.continues() {
            return Ok(Kind::Var(word));
        }
        Ok(match word.as_str() {
            "null" => Kind::Null,
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            "set" if self.called() && self.after(2).kind == TokenKind::Sign(")") => {
                self.step();
                self.step();
                Kind::Set(Vec::new())
            }
            _ if self.called() => Kind::Var(word),
            // The only keyword that cannot stand before a term, so that a variable may have its name.
            "contains" => Kind::Var(word),
            _ if super::KEYWORDS.contains(&word.as_str()) || self.is_later(&word) => {
                return self.fail(
                    format!("a value is missing; the keyword `{word}` stands there"),
                    "write a term, or another name",
                );
            }
            _ => Kind::Var(word),
        })
    }

    fn template(&mut self, at: Place, pieces: Vec<Piece>) -> Read<Term> {
        let mut parts = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) if text.is_empty() => {}
                Piece::Text(text) => parts.push(Part::Text(text)),
                Piece::Tokens(tokens) => {
                    let mut inner = Parser {
                        tokens: &tokens,
                        index: 0,
                        end: self.end.clone(),
                        depth: self.depth,
                        dialect: self.dialect,
                        later: self.later,
                    };
                    let statement = inner.deeper(Parser::statement)?;
                    if inner.token().kind != TokenKind::End {
                        return inner.fail(
                            "only one expression stands between the braces of a string",
                            "remove what follows it",
                        );
                    }
                    parts.push(Part::Value(Box::new(statement)));
                }
            }
        }
        Ok(Term::new(at, Kind::Template(parts)))
    }

    fn array(&mut self, at: Place) -> Read<Term> {
        let before = self.index;
        if !self.is("]") {
            let head = self.term()?;
            if self.take("|") {
                let body = self.statements(|kind| *kind == TokenKind::Sign("]"))?;
                self.expect("]", "after a comprehension")?;
                return Ok(Term::new(at, Kind::ArrayOf(Box::new(head), body)));
            }
            if self.is(",") || self.is("]") {
                let mut items = vec![head];
                if self.take(",") {
                    items.extend(self.list("]")?);
                } else {
                    self.step();
                }
                return Ok(Term::new(at, Kind::Array(items)));
            }
        }
        self.index = before;
        Ok(Term::new(at, Kind::Array(self.list("]")?)))
    }

    fn set_or_object(&mut self, at: Place) -> Read<Term> {
        if self.take("}") {
            return Ok(Term::new(at, Kind::Object(Vec::new())));
        }
        let before = self.index;
        let head = self.term()?;
        if self.take("|") {
            let body = self.statements(|kind| *kind == TokenKind::Sign("}"))?;
            self.expect("}", "after a comprehension")?;
            return Ok(Term::new(at, Kind::SetOf(Box::new(head), body)));
        }
        let head = if self.is(":") || self.is(",") || self.is("}") {
            head
        } else {
            self.index = before;
            self.member(false)?
        };
        if self.take(":") {
            return self.object(at, head);
        }
        let mut items = vec![head];
        if self.take(",") {
            items.extend(self.list("}")?);
        } else {
            self.expect("}", "after the last of a set")?;
        }
        Ok(Term::new(at, Kind::Set(items)))
    }

    /// After the first key and its colon.
    fn object(&mut self, at: Place, key: Term) -> Read<Term> {
        let before = self.index;
        let value = self.term()?;
        if self.take("|") {
            let body = self.statements(|kind| *kind == TokenKind::Sign("}"))?;
            self.expect("}", "after a comprehension")?;
            return Ok(Term::new(at, Kind::ObjectOf(Box::new((key, value)), body)));
        }
        let value = if self.is(",") || self.is("}") {
            value
        } else {
            self.index = before;
            self.member(false)?
        };
        let mut members = vec![(key, value)];
        while self.take(",") {
            if self.is("}") {
                break;
            }
            let key = self.member(false)?;
            self.expect(":", "after a key")?;
            members.push((key, self.member(false)?));
        }
        self.expect("}", "after the last of an object")?;
        Ok(Term::new(at, Kind::Object(members)))
    }
}

fn with_steps(at: Place, head: Term, steps: Vec<Term>) -> Term {
    if steps.is_empty() {
        return head;
    }
    Term::new(at, Kind::Ref(Box::new(head), steps))
}
