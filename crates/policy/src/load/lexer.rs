//! Text into tokens.
//!
//! Tokens know their place, whether white space came before them and whether a line began, because Rego's grammar asks for all
//! three: `a [b]` is not `a[b]`, and a line ends a statement. A string with expressions is kept as text and place; the parser reads
//! what is inside its braces with a lexer of its own.
//!
//! Deliberately absent: keywords. Whether `if` is one depends on the version and the imports, which the parser knows.

use super::ast::{Annotation, Place};

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) at: Place,
    pub(crate) kind: TokenKind,
    /// White space or a comment came before it.
    pub(crate) spaced: bool,
    /// It is the first on its line.
    pub(crate) fresh: bool,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenKind {
    Word(String),
    Number(String),
    Text(String),
    /// Pieces of a string with expressions: text, or the tokens between braces.
    Template(Vec<Piece>),
    Sign(&'static str),
    End,
}

/// A piece of a string with expressions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    Text(String),
    Tokens(Vec<Token>),
}

/// What cannot be read, and where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unreadable {
    pub(crate) at: Place,
    pub(crate) message: String,
    pub(crate) next: &'static str,
}

/// Strings with expressions within each other: nobody needs more, and the reader is recursive.
const TEMPLATE_DEPTH_MAX: usize = 8;
/// Longest signs first.
const SIGNS: [&str; 27] = [
    ":=", "==", "!=", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "%", "&", "|", "(", ")", "[",
    "]", "{", "}", ",", ";", ":", ".", "$", "!",
];

/// A file's tokens and the annotations between them.
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<Token>,
    pub(crate) annotations: Vec<Annotation>,
}

/// Reads a whole file.
pub(crate) fn read(text: &str) -> Result<Tokens, Unreadable> {
    let mut lexer = Lexer {
        rest: text,
        at: Place { line: 1, column: 1 },
        comments: Vec::new(),
    };
    let mut tokens = Vec::new();
    let mut last_line = 0;
    loop {
        let token = lexer.token(last_line, 0)?;
        last_line = token.at.line;
        let ended = token.kind == TokenKind::End;
        tokens.push(token);
        if ended {
            break;
        }
    }
    Ok(Tokens {
        tokens,
        annotations: annotations(&lexer.comments),
    })
}

/// Blocks of comments that begin with `# METADATA`, each until a line without a comment.
fn annotations(comments: &[(u32, &str)]) -> Vec<Annotation> {
    let mut found: Vec<Annotation> = Vec::new();
    let mut last = None;
    for (line, text) in comments {
        let follows = last == Some(line.saturating_sub(1));
        if text.trim() == "METADATA" {
            found.push(Annotation {
                line: *line,
                yaml: String::new(),
            });
            last = Some(*line);
        } else if let Some(open) = found.last_mut().filter(|_| follows) {
            open.yaml.push_str(text.strip_prefix(' ').unwrap_or(text));
            open.yaml.push('\n');
            last = Some(*line);
        }
    }
    found
}

fn fail<T>(at: Place, message: impl Into<String>, next: &'static str) -> Result<T, Unreadable> {
    Err(Unreadable {
        at,
        message: message.into(),
        next,
    })
}

struct Lexer<'a> {
    rest: &'a str,
    at: Place,
    comments: Vec<(u32, &'a str)>,
}

impl<'a> Lexer<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn step(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next()?;
        self.rest = chars.as_str();
        if next == '\n' {
            self.at.line = self.at.line.saturating_add(1);
            self.at.column = 1;
        } else {
            self.at.column = self.at.column.saturating_add(1);
        }
        Some(next)
    }

    fn take_while(&mut self, mut keep: impl FnMut(char) -> bool) -> &'a str {
        let from = self.rest;
        while self.peek().is_some_and(&mut keep) {
            self.step();
        }
        from.get(..from.len() - self.rest.len()).unwrap_or_default()
    }

    fn skip(&mut self) -> bool {
        let before = self.rest.len();
        loop {
            self.take_while(char::is_whitespace);
            if self.rest.starts_with('\u{feff}') {
                self.step();
            } else if self.peek() == Some('#') {
                let line = self.at.line;
                self.step();
                let comment = self.take_while(|it| it != '\n');
                self.comments.push((line, comment.trim_end_matches('\r')));
            } else {
                break;
            }
        }
        before != self.rest.len()
    }

    fn token(&mut self, last_line: u32, depth: usize) -> Result<Token, Unreadable> {
        let spaced = self.skip();
        let at = self.at;
        let fresh = at.line != last_line;
        let kind = match self.peek() {
            None => TokenKind::End,
            Some(it) if it.is_ascii_alphabetic() || it == '_' => TokenKind::Word(
                self.take_while(|it| it.is_ascii_alphanumeric() || it == '_')
                    .to_owned(),
            ),
            Some(it) if it.is_ascii_digit() => self.number(at)?,
            Some('"') => {
                self.step();
                TokenKind::Text(self.string(at)?)
            }
            Some('`') => {
                self.step();
                TokenKind::Text(self.raw(at)?)
            }
            Some('$') if self.rest.starts_with("$\"") || self.rest.starts_with("$`") => {
                self.template(at, depth)?
            }
            Some(other) => match SIGNS.iter().find(|sign| self.rest.starts_with(**sign)) {
                Some(sign) => {
                    sign.chars().for_each(|_| {
                        self.step();
                    });
                    TokenKind::Sign(sign)
                }
                None => return fail(at, format!("{other:?} is no part of Rego"), "remove it"),
            },
        };
        Ok(Token {
            at,
            kind,
            spaced,
            fresh,
        })
    }

    fn number(&mut self, at: Place) -> Result<TokenKind, Unreadable> {
        let from = self.rest;
        self.take_while(|it| it.is_ascii_digit());
        let mut after = self.rest.chars();
        if after.next() == Some('.') && after.next().is_some_and(|it| it.is_ascii_digit()) {
            self.step();
            self.take_while(|it| it.is_ascii_digit());
        }
        if self.peek().is_some_and(|it| it == 'e' || it == 'E') {
            self.step();
            if self.peek().is_some_and(|it| it == '+' || it == '-') {
                self.step();
            }
            if self.take_while(|it| it.is_ascii_digit()).is_empty() {
                return fail(
                    at,
                    "a number's exponent has no digits",
                    "write digits after the e",
                );
            }
        }
        let text = from.get(..from.len() - self.rest.len()).unwrap_or_default();
        let leads = text.len() > 1
            && text.starts_with('0')
            && text.chars().nth(1).is_some_and(|it| it.is_ascii_digit());
        if leads
            || self
                .peek()
                .is_some_and(|it| it.is_ascii_alphanumeric() || it == '_')
        {
            return fail(
                at,
                format!("{text} is no number"),
                "write it as JSON would: no leading zero, no letters",
            );
        }
        Ok(TokenKind::Number(text.to_owned()))
    }

    fn string(&mut self, at: Place) -> Result<String, Unreadable> {
        let mut text = String::new();
        loop {
            match self.step() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape(at)?),
                Some('\n') | None => {
                    return fail(
                        at,
                        "a string does not end on its line",
                        "close it with \", or use `…`",
                    );
                }
                Some(other) => text.push(other),
            }
        }
    }

    fn escape(&mut self, at: Place) -> Result<char, Unreadable> {
        let Some(letter) = self.step() else {
            return fail(at, "a string does not end", "close it with \"");
        };
        Ok(match letter {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => return self.unicode(at),
            '"' | '\\' | '/' => letter,
            other => {
                return fail(
                    at,
                    format!("\\{other} is no escape of a string"),
                    "write \\\\ for a backslash, or use `…`",
                );
            }
        })
    }

    fn unicode(&mut self, at: Place) -> Result<char, Unreadable> {
        let first = self.hex(at)?;
        if !(0xd800..0xdc00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        if !self.rest.starts_with("\\u") {
            return Ok(char::REPLACEMENT_CHARACTER);
        }
        self.step();
        self.step();
        let second = self.hex(at)?;
        let joined = 0x1_0000 + ((first - 0xd800) << 10) + second.wrapping_sub(0xdc00) % 0x400;
        Ok(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self, at: Place) -> Result<u32, Unreadable> {
        let mut value = 0;
        for _ in 0..4 {
            match self.step().and_then(|it| it.to_digit(16)) {
                Some(digit) => value = value * 16 + digit,
                None => {
                    return fail(
                        at,
                        "\\u wants four hexadecimal digits",
                        "write them, as in \\u00e4",
                    );
                }
            }
        }
        Ok(value)
    }

    fn raw(&mut self, at: Place) -> Result<String, Unreadable> {
        let text = self.take_while(|it| it != '`');
        if self.step().is_none() {
            return fail(at, "a raw string does not end", "close it with `");
        }
        Ok(text.to_owned())
    }

    fn template(&mut self, at: Place, depth: usize) -> Result<TokenKind, Unreadable> {
        if depth >= TEMPLATE_DEPTH_MAX {
            return fail(
                at,
                "strings with expressions stand too deep in each other",
                "give the inner one a name",
            );
        }
        self.step();
        let quote = self.step();
        let raw = quote == Some('`');
        let mut pieces = Vec::new();
        let mut text = String::new();
        loop {
            match self.step() {
                None => {
                    return fail(
                        at,
                        "a string with expressions does not end",
                        "close it as it was opened",
                    );
                }
                Some('\n') if !raw => {
                    return fail(
                        at,
                        "a string does not end on its line",
                        "close it with \", or use $`…`",
                    );
                }
                Some(it) if Some(it) == quote => break,
                Some('\\') if self.peek() == Some('{') => text.extend(self.step()),
                Some('\\') if !raw => text.push(self.escape(at)?),
                Some('{') => {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                    pieces.push(Piece::Tokens(self.braces(at, depth)?));
                }
                Some(other) => text.push(other),
            }
        }
        pieces.push(Piece::Text(text));
        Ok(TokenKind::Template(pieces))
    }

    /// The tokens up to the brace that closes.
    fn braces(&mut self, at: Place, depth: usize) -> Result<Vec<Token>, Unreadable> {
        let mut tokens = Vec::new();
        let mut open = 0_usize;
        let mut last_line = self.at.line;
        loop {
            let mut token = self.token(last_line, depth + 1)?;
            last_line = token.at.line;
            match token.kind {
                TokenKind::End => {
                    return fail(
                        at,
                        "an expression in a string does not end",
                        "close it with }",
                    );
                }
                TokenKind::Sign("{") => open += 1,
                TokenKind::Sign("}") if open == 0 => {
                    token.kind = TokenKind::End;
                    tokens.push(token);
                    return Ok(tokens);
                }
                TokenKind::Sign("}") => open -= 1,
                _ => {}
            }
            tokens.push(token);
        }
    }
}
