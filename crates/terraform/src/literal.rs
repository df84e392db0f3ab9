//! Literals of HCL as JSON: what `terraform -var` and the variables of a workspace may hold.
//!
//! A value of a variable is data. So only literals are read (strings, numbers, `true`, `false`, `null`, and lists and
//! objects of them); whatever would be evaluated (references, functions, templates with something in them) is refused.
//! The grammar is that of the HCL specification, of which this is the small part without evaluation.

use serde_json::{Map, Number, Value};

/// Longest literal, in bytes.
pub const BYTES_MAX: usize = 1024 * 1024;
/// Deepest nesting.
pub const DEPTH_MAX: usize = 64;

/// Why a text is no literal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LiteralError {
    /// It is too long.
    #[error("it is longer than {BYTES_MAX} bytes")]
    TooLong,
    /// Its lists and objects lie in each other too often.
    #[error("its lists and objects lie in each other more than {DEPTH_MAX} deep")]
    TooDeep,
    /// Something else is expected at a byte.
    #[error("at byte {at} there should be {wanted}")]
    Expected {
        /// Where, from 0.
        at: usize,
        /// What.
        wanted: &'static str,
    },
    /// It would have to be evaluated.
    #[error("at byte {0} it would have to be evaluated, and only literals are values")]
    Evaluated(usize),
}

/// The JSON of a literal.
pub fn to_json(text: &str) -> Result<Value, LiteralError> {
    if text.len() > BYTES_MAX {
        return Err(LiteralError::TooLong);
    }
    let mut reader = Reader { text, at: 0 };
    reader.skip_all();
    let value = reader.value(0)?;
    reader.skip_all();
    if reader.at == text.len() {
        return Ok(value);
    }
    Err(reader.expected("the end"))
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn expected(&self, wanted: &'static str) -> LiteralError {
        LiteralError::Expected {
            at: self.at,
            wanted,
        }
    }

    fn takes(&mut self, word: &str) -> bool {
        let there = self.rest().starts_with(word);
        if there {
            self.at += word.len();
        }
        there
    }

    /// Passes over blanks, but for newlines.
    fn skip(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\r')) {
            self.at += 1;
        }
    }

    fn skip_all(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\r' | '\n')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, LiteralError> {
        if depth > DEPTH_MAX {
            return Err(LiteralError::TooDeep);
        }
        let start = self.at;
        match self.peek() {
            Some('"') => self.string().map(Value::from),
            Some('[') => self.list(depth),
            Some('{') => self.object(depth),
            Some('-' | '0'..='9') => self.number(),
            Some(letter) if letter.is_alphabetic() || letter == '_' => match self.word() {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                "null" => Ok(Value::Null),
                _ => Err(LiteralError::Evaluated(start)),
            },
            Some('(' | '!' | '<') => Err(LiteralError::Evaluated(start)),
            _ => Err(self.expected("a value")),
        }
    }

    fn word(&mut self) -> &str {
        let start = self.at;
        let of_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
        while self.peek().is_some_and(of_word) {
            self.next();
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn number(&mut self) -> Result<Value, LiteralError> {
        let start = self.at;
        let of_number = |letter: char| matches!(letter, '0'..='9' | '.' | 'e' | 'E' | '+' | '-');
        while self.peek().is_some_and(of_number) {
            self.at += 1;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        let number: Result<Number, _> = serde_json::from_str(text);
        let exact = number.ok().filter(|_| text.len() <= 17);
        exact.map(Value::from).ok_or(LiteralError::Expected {
            at: start,
            wanted: "a number that can be told exactly",
        })
    }

    fn string(&mut self) -> Result<String, LiteralError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let start = self.at;
            // A doubled mark of a template is itself; a single one begins something that is evaluated.
            for (doubled, single, plain) in [("$${", "${", "${"), ("%%{", "%{", "%{")] {
                if self.takes(doubled) {
                    text.push_str(plain);
                } else if self.rest().starts_with(single) {
                    return Err(LiteralError::Evaluated(start));
                }
            }
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escaped()?),
                Some('\n') | None => {
                    self.at = start;
                    return Err(self.expected("the end of a string"));
                }
                Some(letter) => text.push(letter),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, LiteralError> {
        let wrong = self.expected("an escape that HCL knows");
        match self.next() {
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('"') => Ok('"'),
            Some('\\') => Ok('\\'),
            Some('u') => self.code(4).ok_or(wrong),
            Some('U') => self.code(8).ok_or(wrong),
            _ => Err(wrong),
        }
    }

    fn code(&mut self, digits: usize) -> Option<char> {
        let text = self.rest().get(..digits)?.to_owned();
        self.at += digits;
        let plain = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        char::from_u32(u32::from_str_radix(&text, 16).ok().filter(|_| plain)?)
    }

    fn list(&mut self, depth: usize) -> Result<Value, LiteralError> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_all();
            if self.takes("]") {
                return Ok(items.into());
            }
            items.push(self.value(depth + 1)?);
            self.skip_all();
            if !self.takes(",") && self.peek() != Some(']') {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, LiteralError> {
        self.at += 1;
        let mut members = Map::new();
        loop {
            self.skip_all();
            if self.takes("}") {
                return Ok(members.into());
            }
            let key = match self.peek() {
                Some('"') => self.string()?,
                Some('(') => return Err(LiteralError::Evaluated(self.at)),
                _ => self.word().to_owned(),
            };
            if key.is_empty() {
                return Err(self.expected("a key"));
            }
            self.skip();
            if !self.takes("=") && !self.takes(":") {
                return Err(self.expected("`=`"));
            }
            self.skip_all();
            members.insert(key, self.value(depth + 1)?);
            self.skip();
            if !self.takes(",") && !matches!(self.peek(), Some('}' | '\n')) {
                return Err(self.expected("`,`, a new line or `}`"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn literals_are_read_as_what_they_say() {
        let check =
            |text: &str, expected: Value| assert_eq!(to_json(text).unwrap(), expected, "{text}");
        check("\"zed\"", json!("zed"));
        check("\"a\\nb\\\"c\\\\ é \\u00e9\"", json!("a\nb\"c\\ é é"));
        check("\"$${x} %%{if}\"", json!("${x} %{if}"));
        check("5", json!(5));
        check("-5", json!(-5));
        check("1.5", json!(1.5));
        check("true", json!(true));
        check("null", json!(null));
        check("[1, \"b\", [true]]", json!([1, "b", [true]]));
        check("{ a = 1, \"b c\" = [] }", json!({ "a": 1, "b c": [] }));
        check(
            "{\n  a = 1\n  b = { c = null }\n}",
            json!({ "a": 1, "b": { "c": null } }),
        );
    }

    #[test]
    fn whatever_would_be_evaluated_is_refused() {
        let check = |text: &str| assert!(to_json(text).is_err(), "{text}");
        check("\"${file(\"/etc/passwd\")}\"");
        check("file(\"/etc/passwd\")");
        check("var.secret");
        check("x");
        check("1 + 1");
        check("!true");
        check("true ? 1 : 2");
        check("[for x in [1] : x]");
        check("{ (var.x) = 1 }");
        check("<<EOT\nx\nEOT\n");
        check("");
        check("\"open");
        check("1 } resource \"x\" \"y\" {");
        check(&"[".repeat(100_000));
        check(&"!".repeat(100_000));
        check(&"(".repeat(100_000));
    }
}
