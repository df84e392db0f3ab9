//! The little of HCL that other products write their policy lists in: blocks with labels, and attributes with plain values.
//!
//! Deliberately absent: expressions, templates and heredocs. None of those lists needs them, and what is not understood is an error
//! with its line, never passed over.

use super::ManifestError;

/// Blocks inside blocks.
const DEPTH_MAX: usize = 16;

/// A plain value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Flag(bool),
    /// As it is written.
    Number(String),
    List(Vec<Value>),
}

/// `kind "label" { … }`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) kind: String,
    pub(super) labels: Vec<String>,
    pub(super) line: u32,
    pub(super) attributes: Vec<(String, Value)>,
    pub(super) blocks: Vec<Block>,
}

impl Block {
    /// An attribute that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// An attribute that is `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Some(Value::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value)
    }
}

/// Reads a file as the body of a block without a name.
pub(super) fn read(file: &str, text: &str) -> Result<Block, ManifestError> {
    let mut reader = Reader {
        file,
        rest: text,
        line: 1,
    };
    reader.body(DEPTH_MAX, true)
}

struct Reader<'a> {
    file: &'a str,
    rest: &'a str,
    line: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
    End,
}

impl Reader<'_> {
    fn body(&mut self, depth: usize, outermost: bool) -> Result<Block, ManifestError> {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| self.wrong("there are too many blocks inside blocks"))?;
        let mut block = Block::default();
        loop {
            let name = match self.token()? {
                Token::Word(name) => name,
                Token::End if outermost => return Ok(block),
                Token::Sign('}') if !outermost => return Ok(block),
                other => return Err(self.unexpected(&other, "the name of an attribute or a block")),
            };
            let line = self.line;
            let mut labels = Vec::new();
            loop {
                match self.token()? {
                    Token::Sign('=') if labels.is_empty() => {
                        let value = self.value(depth)?;
                        block.attributes.push((name, value));
                        break;
                    }
                    Token::Text(label) | Token::Word(label) => labels.push(label),
                    Token::Sign('{') => {
                        let inner = self.body(depth, false)?;
                        block.blocks.push(Block {
                            kind: name,
                            labels,
                            line,
                            ..inner
                        });
                        break;
                    }
                    other => return Err(self.unexpected(&other, "`=` or `{`")),
                }
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, ManifestError> {
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| self.wrong("there are too many lists inside lists"))?;
        match self.token()? {
            Token::Text(text) => Ok(Value::Text(text)),
            Token::Word(word) => match word.as_str() {
                "true" => Ok(Value::Flag(true)),
                "false" => Ok(Value::Flag(false)),
                number if number.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                    Ok(Value::Number(word))
                }
                _ => Err(self.unexpected(&Token::Word(word), "a plain value in quotation marks")),
            },
            Token::Sign('[') => {
                let mut items = Vec::new();
                loop {
                    if self.ahead(']')? {
                        return Ok(Value::List(items));
                    }
                    items.push(self.value(depth)?);
                    if !self.ahead(',')? && !self.rest.starts_with(']') {
                        return Err(self.wrong("a list goes on with `,` or ends with `]`"));
                    }
                }
            }
            other => Err(self.unexpected(&other, "a value")),
        }
    }

    /// Takes the sign if it is the next.
    fn ahead(&mut self, sign: char) -> Result<bool, ManifestError> {
        self.blanks()?;
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        Ok(rest.is_some())
    }

    fn token(&mut self) -> Result<Token, ManifestError> {
        self.blanks()?;
        let Some(first) = self.rest.chars().next() else {
            return Ok(Token::End);
        };
        if first == '"' {
            return self.quoted();
        }
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        if word(first) {
            let end = self.rest.find(|c| !word(c)).unwrap_or(self.rest.len());
            let (token, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Ok(Token::Word(token.to_owned()));
        }
        self.skip(first.len_utf8());
        Ok(Token::Sign(first))
    }

    fn quoted(&mut self) -> Result<Token, ManifestError> {
        self.skip(1);
        let mut text = String::new();
        let mut letters = self.rest.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.skip(at + 1);
                    return Ok(Token::Text(text));
                }
                '\n' => break,
                '\\' => match letters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, other @ ('"' | '\\'))) => text.push(other),
                    _ => {
                        return Err(
                            self.wrong("only \\n, \\t, \\\" and \\\\ are known behind a backslash")
                        );
                    }
                },
                '$' if self
                    .rest
                    .get(at..)
                    .is_some_and(|rest| rest.starts_with("${")) =>
                {
                    return Err(
                        self.wrong("templates are not evaluated here; write the text itself")
                    );
                }
                other => text.push(other),
            }
        }
        Err(self.wrong("a text has no closing quotation mark"))
    }

    /// Passes over blanks and comments.
    fn blanks(&mut self) -> Result<(), ManifestError> {
        loop {
            let trimmed = self.rest.trim_start();
            self.skip(self.rest.len() - trimmed.len());
            if self.rest.starts_with('#') || self.rest.starts_with("//") {
                self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                let end = self.rest.find("*/");
                let end = end.ok_or_else(|| self.wrong("a comment has no end"))?;
                self.skip(end + 2);
            } else {
                return Ok(());
            }
        }
    }

    fn skip(&mut self, bytes: usize) {
        let (skipped, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        let lines = skipped.bytes().filter(|byte| *byte == b'\n').count();
        self.line = self
            .line
            .saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.rest = rest;
    }

    fn wrong(&self, message: &str) -> ManifestError {
        ManifestError::new(self.file, Some(self.line), message)
    }

    fn unexpected(&self, found: &Token, wanted: &str) -> ManifestError {
        let found = match found {
            Token::Word(word) => format!("`{word}`"),
            Token::Text(text) => format!("{text:?}"),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::End => String::from("the end of the file"),
        };
        self.wrong(&format!("there is {found}, where {wanted} should stand"))
    }
}
