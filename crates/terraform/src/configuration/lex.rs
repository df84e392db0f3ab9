//! The words of HCL, as far as blocks need them told apart.
//!
//! Text in quotes is one token with everything in it, templates and the quotes inside those included; so is a heredoc. What is nested in a template is counted
//! on a stack of its own, which has an end.

use super::{Fault, Read};

/// Templates in templates; people write two.
const TEMPLATES_MAX: usize = 64;

/// The word that ends a heredoc. Looking further for the end of its line would make a line of `<` slow.
const WORD_BYTES_MAX: usize = 256;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name, number or keyword.
    Word(&'a str),
    /// Text in quotes, if it is plain.
    Text(Option<String>),
    /// A heredoc.
    Heredoc,
    /// `{`, `(` or `[`.
    Open(u8),
    /// `}`, `)` or `]`.
    Close(u8),
    /// A single `=`.
    Equals,
    /// The end of a line.
    Newline,
    /// Operators and whatever else.
    Other,
}

/// Where in the text the next token begins.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

/// What is open around the place that is read.
enum Around<'a> {
    Quotes,
    /// With the braces that are open in it.
    Template(usize),
    /// With the word that ends it.
    Heredoc(&'a str),
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Lexer<'a> {
        Lexer {
            text,
            at: 0,
            line: 1,
        }
    }

    /// The line of the next token.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// The next token; `None` at the end.
    pub(super) fn next(&mut self) -> Read<Option<Token<'a>>> {
        loop {
            let rest = self.rest();
            let Some(first) = rest.as_bytes().first().copied() else {
                return Ok(None);
            };
            if self.comment()? {
                continue;
            }
            return Ok(Some(match first {
                b' ' | b'\t' | b'\r' => {
                    self.at += 1;
                    continue;
                }
                b'\n' => self.one(Token::Newline),
                b'"' => self.text()?,
                b'<' if self.heredoc_word().is_some() => {
                    self.skip_text()?;
                    Token::Heredoc
                }
                b'{' | b'(' | b'[' => self.one(Token::Open(first)),
                b'}' | b')' | b']' => self.one(Token::Close(first)),
                b'=' if !matches!(rest.as_bytes().get(1), Some(b'=' | b'>')) => {
                    self.one(Token::Equals)
                }
                b'=' => {
                    self.at += 2;
                    Token::Other
                }
                _ => self.word(),
            }));
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn one(&mut self, token: Token<'a>) -> Token<'a> {
        self.at += 1;
        self.line += usize::from(token == Token::Newline);
        token
    }

    /// Goes over some bytes that end between characters.
    fn skip(&mut self, count: usize) {
        let skipped = self.rest().get(..count).unwrap_or_default();
        self.line += skipped.bytes().filter(|byte| *byte == b'\n').count();
        self.at += count;
    }

    /// Skips a comment; the end of its line stays.
    fn comment(&mut self) -> Read<bool> {
        let rest = self.rest();
        if rest.starts_with('#') || rest.starts_with("//") {
            self.skip(rest.find('\n').unwrap_or(rest.len()));
            return Ok(true);
        }
        if !rest.starts_with("/*") {
            return Ok(false);
        }
        let end = rest.get(2..).and_then(|inner| inner.find("*/"));
        let end = end.ok_or((self.line, Fault::Open("a comment")))?;
        self.skip(end + 4);
        Ok(true)
    }

    fn word(&mut self) -> Token<'a> {
        let rest = self.rest();
        let part = |char: char| char.is_alphanumeric() || char == '_' || char == '-' || char == '.';
        let end = rest.find(|char| !part(char)).unwrap_or(rest.len());
        if end == 0 {
            self.skip(rest.chars().next().map_or(1, char::len_utf8));
            return Token::Other;
        }
        self.skip(end);
        Token::Word(rest.get(..end).unwrap_or_default())
    }

    /// The word after `<<` or `<<-`, if a heredoc begins here, and how long that line is.
    fn heredoc_word(&self) -> Option<(&'a str, usize)> {
        let rest = self.rest();
        let word = rest.strip_prefix("<<")?;
        let end = word
            .bytes()
            .take(WORD_BYTES_MAX)
            .position(|byte| byte == b'\n')?;
        let word = word.get(..end)?;
        let word = word.strip_prefix('-').unwrap_or(word);
        let word = word.trim_end_matches('\r');
        let plain = word
            .chars()
            .all(|char| char.is_alphanumeric() || char == '_' || char == '-');
        (plain && !word.is_empty()).then_some((word, end + 3))
    }

    fn text(&mut self) -> Read<Token<'a>> {
        let from = self.at + 1;
        let templates = self.skip_text()?;
        let inner = self.text.get(from..self.at - 1).unwrap_or_default();
        Ok(Token::Text((!templates).then(|| unescaped(inner))))
    }

    /// Goes over text in quotes or a heredoc, from its beginning; whether there was a template in it.
    fn skip_text(&mut self) -> Read<bool> {
        let begin = self.line;
        let mut around: Vec<Around<'a>> = Vec::new();
        let mut templates = false;
        loop {
            if around.len() > TEMPLATES_MAX {
                return Err((begin, Fault::Deep));
            }
            if self.rest().is_empty() {
                return match around.as_slice() {
                    [Around::Heredoc(_)] if self.ended_by_word(&around) => Ok(templates),
                    _ => Err((begin, Fault::Open("text"))),
                };
            }
            match around.last() {
                None | Some(Around::Template(_)) => self.in_template(&mut around)?,
                Some(Around::Quotes) => templates |= self.in_quotes(&mut around)?,
                Some(Around::Heredoc(word)) => {
                    let word = *word;
                    templates |= self.in_heredoc(word, &mut around);
                }
            }
            if around.is_empty() {
                return Ok(templates);
            }
        }
    }

    /// Whether the text stops with the last line of a heredoc.
    fn ended_by_word(&self, around: &[Around<'a>]) -> bool {
        let last = self.text.rsplit('\n').next().unwrap_or_default().trim();
        matches!(around, [Around::Heredoc(word)] if *word == last)
    }

    /// One step where code is: at the beginning, and inside a template.
    fn in_template(&mut self, around: &mut Vec<Around<'a>>) -> Read<()> {
        if self.comment()? {
            return Ok(());
        }
        let first = self.rest().chars().next().unwrap_or_default();
        if first == '"' {
            around.push(Around::Quotes);
        } else if let Some((word, length)) = self.heredoc_word() {
            around.push(Around::Heredoc(word));
            self.skip(length);
            return Ok(());
        } else if let Some(Around::Template(braces)) = around.last_mut() {
            match (first, *braces) {
                ('{', _) => *braces += 1,
                ('}', 0) => {
                    around.pop();
                }
                ('}', _) => *braces -= 1,
                _ => {}
            }
        }
        self.skip(first.len_utf8());
        Ok(())
    }

    fn in_quotes(&mut self, around: &mut Vec<Around<'a>>) -> Read<bool> {
        let rest = self.rest();
        let stop = rest.find(['"', '\\', '$', '%', '\n']).unwrap_or(rest.len());
        self.skip(stop);
        let rest = self.rest();
        if let Some(length) = template_start(rest, around) {
            self.skip(length);
            return Ok(length == 2);
        }
        match rest.chars().next() {
            Some('\n') => return Err((self.line, Fault::Open("text"))),
            Some('"') => {
                around.pop();
                self.skip(1);
            }
            Some('\\') => {
                let escaped = rest.chars().nth(1).filter(|char| *char != '\n');
                self.skip(1 + escaped.map_or(0, char::len_utf8));
            }
            Some(_) => self.skip(1),
            None => {}
        }
        Ok(false)
    }

    /// One line of a heredoc, or a part of one up to a template. The word ends it on a line of its own.
    fn in_heredoc(&mut self, word: &str, around: &mut Vec<Around<'a>>) -> bool {
        let rest = self.rest();
        let before = self.text.get(..self.at).unwrap_or_default();
        if before.ends_with('\n') {
            let line = rest.split('\n').next().unwrap_or_default();
            if line.trim() == word {
                around.pop();
                // The end of the line also ends the attribute.
                self.skip(line.len());
                return false;
            }
        }
        let stop = rest.find(['\n', '$', '%']).unwrap_or(rest.len());
        self.skip(stop);
        let length = template_start(self.rest(), around);
        self.skip(length.unwrap_or(1).min(self.rest().len()));
        length == Some(2)
    }
}

/// Whether a template begins here: then it is pushed, and 2 are to be skipped; 3 where it is only written about (`$${`).
fn template_start(rest: &str, around: &mut Vec<Around<'_>>) -> Option<usize> {
    if rest.starts_with("$${") || rest.starts_with("%%{") {
        return Some(3);
    }
    if rest.starts_with("${") || rest.starts_with("%{") {
        around.push(Around::Template(0));
        return Some(2);
    }
    None
}

/// Text without its escapes, as far as names and addresses have any.
fn unescaped(inner: &str) -> String {
    let plain = inner.replace("$${", "${").replace("%%{", "%{");
    plain.replace("\\\"", "\"").replace("\\\\", "\\")
}
