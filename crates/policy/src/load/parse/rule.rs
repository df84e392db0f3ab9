//! Rules: heads, bodies, `else`, and what version 0 writes differently.

use super::{Dialect, Parser, Read};
use crate::load::{
    ast::{Module, Otherwise, Place, Rule, Statement, Term},
    lexer::TokenKind,
};

/// Steps of a head: whether each was written in brackets.
struct Head {
    rule: Rule,
    bracketed: bool,
}

impl Parser<'_> {
    /// A rule, or several where bodies stand in a chain.
    pub(super) fn rules(&mut self, module: &mut Module) -> Read<()> {
        let at = self.at();
        let mut annotations = Vec::new();
        let above = |line: u32| {
            line < at.line && line > module.rules.last().map_or(module.at.line, |it| it.at.line)
        };
        module.annotations.retain(|it| {
            let mine = above(it.line);
            if mine {
                annotations.push(it.clone());
            }
            !mine
        });
        if self.take_keyword("default") {
            let mut rule = self.default_rule(at)?;
            rule.annotations = annotations;
            module.rules.push(rule);
            return Ok(());
        }
        let Head {
            mut rule,
            bracketed,
        } = self.head(at)?;
        rule.annotations = annotations;
        let with_if = self.take_keyword("if");
        if with_if {
            rule.body = Some(self.if_body()?);
        } else if self.is("{") && self.dialect == Dialect::V0 {
            rule.body = Some(self.body()?);
        }
        self.name_kind(&mut rule, bracketed, with_if)?;
        self.otherwise(&mut rule)?;
        let head = rule.clone();
        module.rules.push(rule);
        while self.is("{") && self.dialect == Dialect::V0 && head.body.is_some() {
            let at = self.at();
            let body = Some(self.body()?);
            let mut next = Rule {
                at,
                body,
                otherwise: Vec::new(),
                annotations: Vec::new(),
                ..head.clone()
            };
            self.otherwise(&mut next)?;
            module.rules.push(next);
        }
        if !(self.token().fresh || self.take(";") || self.token().kind == TokenKind::End) {
            return self.fail(
                format!("{} does not continue the rule before it", self.here()),
                "begin a new line, or write `if` before a body",
            );
        }
        Ok(())
    }

    fn default_rule(&mut self, at: Place) -> Read<Rule> {
        let Head { mut rule, .. } = self.head(at)?;
        rule.default = true;
        if rule.value.is_none() {
            return self.fail("a default has a value", "write `default name := value`");
        }
        Ok(rule)
    }

    /// Name, steps, arguments, `contains`, value.
    fn head(&mut self, at: Place) -> Read<Head> {
        let name = match self.word() {
            Some(word) if self.can_be_named(word) => word.to_owned(),
            _ => {
                return self.fail(
                    format!("a rule is missing; {} stands there", self.here()),
                    "begin a rule with its name",
                );
            }
        };
        self.step();
        let mut rule = Rule {
            at,
            default: false,
            name,
            steps: Vec::new(),
            args: None,
            contains: None,
            value: None,
            body: None,
            otherwise: Vec::new(),
            annotations: Vec::new(),
        };
        let mut bracketed = false;
        loop {
            if self.joins(".") {
                self.step();
                let at = self.at();
                let word = self.any_word("the name after the dot")?;
                rule.steps.push(Term::text(at, word));
                bracketed = false;
            } else if self.joins("[") {
                self.step();
                rule.steps.push(self.member(true)?);
                self.expect("]", "after a rule's key")?;
                bracketed = true;
            } else if self.joins("(") && rule.args.is_none() {
                self.step();
                rule.args = Some(self.list(")")?);
            } else {
                break;
            }
        }
        if self.is_keyword("contains") {
            self.step();
            rule.contains = Some(self.member(false)?);
        } else if self.take(":=") || self.take("=") {
            rule.value = Some(self.member(false)?);
        }
        Ok(Head { rule, bracketed })
    }

    fn can_be_named(&self, word: &str) -> bool {
        let keyword = super::KEYWORDS.contains(&word) || self.is_later(word);
        !keyword || self.continues() || (word == "contains" && self.called())
    }

    /// After `if`: a body, or one statement.
    fn if_body(&mut self) -> Read<Vec<Statement>> {
        if self.is("{") {
            let before = self.index;
            let read = self.body();
            if read.is_ok()
                && (self.token().fresh
                    || self.token().kind == TokenKind::End
                    || self.is_keyword("else")
                    || self.is(";"))
            {
                return read;
            }
            // What stands there may be a set or an object that a statement begins with.
            let after = self.index;
            self.index = before;
            if let Ok(statement) = self.statement() {
                return Ok(vec![statement]);
            }
            self.index = after;
            return read;
        }
        Ok(vec![self.statement()?])
    }

    /// What kind of rule `p[x]` is: with `if` an object whose values are true, without it a set.
    fn name_kind(&mut self, rule: &mut Rule, bracketed: bool, with_if: bool) -> Read<()> {
        let bare = rule.args.is_none() && rule.contains.is_none() && rule.value.is_none();
        if !bare {
            return Ok(());
        }
        if bracketed && rule.steps.len() == 1 && !with_if {
            if self.dialect == Dialect::V1 {
                return self.fail(
                    "a set wants `contains` before what is in it",
                    "write `name contains x if { … }`",
                );
            }
            rule.contains = rule.steps.pop();
            return Ok(());
        }
        if rule.body.is_none() {
            return self.fail(
                format!(
                    "rule {} has no value and no body; {} stands there",
                    rule.name,
                    self.here()
                ),
                "write `:= value`, or `if` and a body",
            );
        }
        Ok(())
    }

    fn otherwise(&mut self, rule: &mut Rule) -> Read<()> {
        while self.is_keyword("else") {
            let at = self.at();
            self.step();
            let value = if self.take(":=") || self.take("=") {
                Some(self.member(false)?)
            } else {
                None
            };
            let body = if self.take_keyword("if") {
                Some(self.if_body()?)
            } else if self.is("{") && self.dialect == Dialect::V0 {
                Some(self.body()?)
            } else {
                None
            };
            if value.is_none() && body.is_none() {
                return self.fail(
                    "an else has a value, a body, or both",
                    "write `else := value if { … }`",
                );
            }
            rule.otherwise.push(Otherwise { at, value, body });
        }
        Ok(())
    }
}
