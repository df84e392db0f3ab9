//! Tokens into a tree, for both versions of the language.
//!
//! [`module`] reads a file, [`query`] a question. What version 0 writes differently (bodies without `if`, sets without `contains`,
//! bodies in a chain) is the same tree afterwards. Keywords are names where they begin or continue a reference, as in the newest
//! version of the language; imports may stand after rules, as the reference implementation allows.
//!
//! Deliberately absent: what names mean, see [`super::resolve`].

mod rule;
mod term;

use super::{
    ast::{Annotation, Import, Module, Place, Statement},
    lexer::{self, Token, TokenKind, Unreadable},
};

/// Terms within terms. The reader is recursive, and so is what comes after it; nobody writes half of this by hand.
const DEPTH_MAX: usize = 96;

/// How a file without `import rego.v1` is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    V0,
    V1,
}

type Read<T> = Result<T, Unreadable>;

/// Reads a file in one version; `import rego.v1` in it makes it the other.
pub(crate) fn module(file: &str, text: &str, dialect: Dialect) -> Read<Module> {
    let read = lexer::read(text)?;
    let mut parser = Parser::new(&read.tokens, dialect);
    parser.module(file, read.annotations)
}

/// Reads a question: statements without braces.
pub(crate) fn query(text: &str) -> Read<Vec<Statement>> {
    let read = lexer::read(text)?;
    let mut parser = Parser::new(&read.tokens, Dialect::V1);
    let body = parser.statements(|kind| *kind == TokenKind::End)?;
    Ok(body)
}

/// Words that are keywords in every version.
const KEYWORDS: [&str; 11] = [
    "as", "default", "else", "false", "import", "not", "null", "package", "some", "true", "with",
];
/// Words that became keywords, each on its own.
const LATER: [&str; 4] = ["contains", "every", "if", "in"];

struct Parser<'a> {
    tokens: &'a [Token],
    index: usize,
    dialect: Dialect,
    /// Which of [`LATER`] are keywords here.
    later: [bool; 4],
    depth: usize,
    end: Token,
}

impl<'a> Parser<'a> {
    fn new(tokens: &'a [Token], dialect: Dialect) -> Self {
        let at = tokens.last().map(|it| it.at).unwrap_or_default();
        let end = Token {
            at,
            kind: TokenKind::End,
            spaced: true,
            fresh: true,
        };
        Self {
            tokens,
            index: 0,
            dialect,
            later: [dialect == Dialect::V1; 4],
            depth: 0,
            end,
        }
    }

    fn token(&self) -> &Token {
        self.tokens.get(self.index).unwrap_or(&self.end)
    }

    fn after(&self, count: usize) -> &Token {
        self.tokens.get(self.index + count).unwrap_or(&self.end)
    }

    fn at(&self) -> Place {
        self.token().at
    }

    fn step(&mut self) {
        self.index += 1;
    }

    fn is(&self, sign: &str) -> bool {
        matches!(&self.token().kind, TokenKind::Sign(it) if *it == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        if found {
            self.step();
        }
        found
    }

    /// Whether this sign stands here, with no white space before it.
    fn joins(&self, sign: &str) -> bool {
        self.is(sign) && !self.token().spaced
    }

    /// Whether what follows the word here makes it a name: `else.a`, `as[…]`.
    fn continues(&self) -> bool {
        let next = self.after(1);
        !next.spaced && matches!(next.kind, TokenKind::Sign("." | "["))
    }

    fn word(&self) -> Option<&str> {
        match &self.token().kind {
            TokenKind::Word(word) => Some(word),
            _ => None,
        }
    }

    fn is_later(&self, word: &str) -> bool {
        LATER
            .iter()
            .zip(self.later)
            .any(|(it, on)| on && *it == word)
    }

    /// Whether the keyword stands here, as one.
    fn is_keyword(&self, keyword: &str) -> bool {
        self.word() == Some(keyword)
            && (KEYWORDS.contains(&keyword) || self.is_later(keyword))
            && !(self.joined_dot() || keyword == "contains" && self.called())
    }

    fn joined_dot(&self) -> bool {
        let next = self.after(1);
        !next.spaced && next.kind == TokenKind::Sign(".")
    }

    fn called(&self) -> bool {
        let next = self.after(1);
        !next.spaced && next.kind == TokenKind::Sign("(")
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.is_keyword(keyword);
        if found {
            self.step();
        }
        found
    }

    fn fail<T>(&self, message: impl Into<String>, next: &'static str) -> Read<T> {
        Err(Unreadable {
            at: self.at(),
            message: message.into(),
            next,
        })
    }

    /// What stands here, for a message.
    fn here(&self) -> String {
        match &self.token().kind {
            TokenKind::Word(word) => format!("`{word}`"),
            TokenKind::Number(number) => number.clone(),
            TokenKind::Text(_) | TokenKind::Template(_) => "a string".to_owned(),
            TokenKind::Sign(sign) => format!("`{sign}`"),
            TokenKind::End => "the end".to_owned(),
        }
    }

    fn expect(&mut self, sign: &'static str, where_: &str) -> Read<()> {
        if self.take(sign) {
            return Ok(());
        }
        self.fail(
            format!("`{sign}` is missing {where_}; {} stands there", self.here()),
            "write it, or close what is open before it",
        )
    }

    fn any_word(&mut self, what: &str) -> Read<String> {
        let Some(word) = self.word().map(str::to_owned) else {
            return self.fail(
                format!("{what} is missing; {} stands there", self.here()),
                "write a name",
            );
        };
        self.step();
        Ok(word)
    }

    fn module(&mut self, file: &str, annotations: Vec<Annotation>) -> Read<Module> {
        let at = self.at();
        if self.word() != Some("package") {
            return self.fail(
                "a file begins with its package",
                "write `package` and a name on the first line",
            );
        }
        self.step();
        let package = self.constant_path()?;
        let mut module = Module {
            file: file.to_owned(),
            at,
            package,
            imports: Vec::new(),
            rules: Vec::new(),
            annotations,
        };
        self.find_imports();
        while self.token().kind != TokenKind::End {
            if self.is_keyword("import") {
                let import = self.import()?;
                module.imports.extend(import);
            } else {
                self.rules(&mut module)?;
            }
        }
        Ok(module)
    }

    /// Keywords are wanted by imports that may stand anywhere; they are looked for before the first rule is read.
    fn find_imports(&mut self) {
        let words: Vec<Option<&str>> = self
            .tokens
            .iter()
            .map(|it| match &it.kind {
                TokenKind::Word(word) => Some(word.as_str()),
                TokenKind::Sign(".") => Some("."),
                _ => None,
            })
            .collect();
        for window in words.windows(6) {
            match window {
                [Some("import"), Some("rego"), Some("."), Some("v1"), ..] => {
                    self.later = [true; 4];
                    self.dialect = Dialect::V1;
                }
                [
                    Some("import"),
                    Some("future"),
                    Some("."),
                    Some("keywords"),
                    Some("."),
                    Some(word),
                ] => {
                    for (later, on) in LATER.iter().zip(self.later.iter_mut()) {
                        *on |= later == word || (*word == "every" && *later == "in");
                    }
                }
                [
                    Some("import"),
                    Some("future"),
                    Some("."),
                    Some("keywords"),
                    ..,
                ] => self.later = [true; 4],
                _ => {}
            }
        }
    }

    fn import(&mut self) -> Read<Option<Import>> {
        let at = self.at();
        self.step();
        let path = self.constant_path()?;
        let mut alias = path.last().cloned().unwrap_or_default();
        if self.is_keyword("as") {
            self.step();
            alias = self.any_word("the name after `as`")?;
        }
        match path.first().map(String::as_str) {
            Some("data" | "input") => Ok(
                (path.len() > 1 || alias != path.concat()).then_some(Import { at, path, alias })
            ),
            Some("rego" | "future") => Ok(None),
            _ => Err(Unreadable {
                at,
                message: "an import begins with data, input, rego or future".to_owned(),
                next: "write `import data.` before the package's name",
            }),
        }
    }

    /// `a.b["c"]`: names and strings only.
    fn constant_path(&mut self) -> Read<Vec<String>> {
        let mut path = vec![self.any_word("a name")?];
        loop {
            if self.joins(".") {
                self.step();
                path.push(self.any_word("the name after the dot")?);
            } else if self.joins("[") {
                self.step();
                let TokenKind::Text(text) = self.token().kind.clone() else {
                    return self.fail(
                        "a path has only names and strings",
                        "write the string in quotes",
                    );
                };
                self.step();
                path.push(text);
                self.expect("]", "after the string")?;
            } else {
                return Ok(path);
            }
        }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.fail(
                "terms stand too deep in each other",
                "give what is inside names of its own",
            );
        }
        let result = read(self);
        self.depth -= 1;
        result
    }
}
