//! Expressions of the mapping, read.
//!
//! A small total language: no loops but over what a list holds, no names but those in scope, no input or output. A text that is no
//! expression is refused when the mapping is read, with the place in it. Names become numbers here, so that evaluation compares no texts.

use regex::Regex;
use rust_decimal::Decimal;

use super::names::{Name, Names};
use crate::value::decimal;

/// How deep expressions nest at most: far more than a person can read.
const DEPTH_MAX: usize = 64;

/// An expression.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(std::rc::Rc<str>),
    /// The resource, or what `on` put in its place.
    Subject,
    Variable(Name),
    Member(Box<Expression>, String),
    Index(Box<Expression>, Box<Expression>),
    List(Vec<Expression>),
    If(Box<[Expression; 3]>),
    And(Box<[Expression; 2]>),
    Or(Box<[Expression; 2]>),
    Not(Box<Expression>),
    Default(Box<[Expression; 2]>),
    In(Box<[Expression; 2]>),
    Matches(Box<Expression>, Regex),
    Binary(Operator, Box<[Expression; 2]>),
    /// A function over each item of a list, in which `it` is the item.
    Each(Over, Box<[Expression; 2]>),
    /// What a pattern finds: the whole or one group of it.
    Find(Box<Expression>, Regex, usize),
    Call(Function, Vec<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Join,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Map,
    Filter,
    Any,
    Count,
    Sum,
    First,
}

macro_rules! functions {
    ($($variant:ident $name:literal $least:literal $most:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Function { $($variant,)* }

        /// Name, function, how many arguments at least and at most.
        const FUNCTIONS: &[(&str, Function, usize, usize)] = &[$(($name, Function::$variant, $least, $most),)*];
    };
}

functions! {
    Absent "absent" 1 1,
    AddressOf "address_of" 1 1,
    AllOf "all_of" 1 1,
    By "by" 3 3,
    Ceil "ceil" 1 1,
    Concat "concat" 1 8,
    Distinct "distinct" 1 1,
    Ends "ends" 2 2,
    Entries "entries" 1 1,
    FirstOf "first" 1 1,
    Floor "floor" 1 1,
    Join "join" 2 2,
    Known "known" 1 1,
    Len "len" 1 1,
    Lower "lower" 1 1,
    Max "max" 1 8,
    Merge "merge" 2 2,
    Min "min" 1 8,
    Num "num" 1 1,
    Pick "pick" 3 32,
    Place "place" 1 64,
    Provider "provider" 1 1,
    Ref "ref" 2 8,
    RefCount "ref_count" 1 1,
    Refs "refs" 2 2,
    RefsTo "refs_to" 3 3,
    Replace "replace" 3 3,
    SizeOf "size_of" 1 1,
    Split "split" 2 3,
    Starts "starts" 2 2,
    Str "str" 1 1,
    SumOf "sum" 1 1,
    Table "table" 2 3,
    Title "title" 1 1,
    Unknown "unknown" 1 1,
    Upper "upper" 1 1,
    UsageOf "usage_of" 1 1,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(Decimal),
    Text(String),
    Word(String),
    Sign(&'static str),
}

const SIGNS: [&str; 23] = [
    "??", "==", "!=", "<=", ">=", "=~", "-", "+", "*", "/", "%", "~", "<", ">", "?", ":", "(", ")",
    "[", "]", ",", ".", "=",
];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_ascii_digit() {
            number(rest, &mut found)?
        } else if first == '\'' {
            quoted(rest, &mut found)?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            found.push(Token::Word(rest.get(..end).unwrap_or_default().to_owned()));
            end
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            found.push(Token::Sign(sign));
            sign.len()
        } else {
            return Err(format!("what {first:?} means is not defined"));
        };
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(found)
}

fn number(rest: &str, found: &mut Vec<Token>) -> Result<usize, String> {
    let mut end = 0;
    let mut dot = false;
    let bytes = rest.as_bytes();
    while let Some(byte) = bytes.get(end) {
        let next_is_digit = bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        match byte {
            b'0'..=b'9' => {}
            b'.' if !dot && next_is_digit => dot = true,
            b'e' if next_is_digit => {}
            _ => break,
        }
        end += 1;
    }
    let text = rest.get(..end).unwrap_or_default();
    let value = decimal(text).ok_or_else(|| format!("{text} is no number"))?;
    found.push(Token::Number(value));
    Ok(end)
}

fn quoted(rest: &str, found: &mut Vec<Token>) -> Result<usize, String> {
    let mut text = String::new();
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            // `\'` is a quote; before anything else the backslash stays, as patterns need it.
            '\'' if escaped => {
                text.pop();
                text.push('\'');
                escaped = false;
            }
            '\'' => {
                found.push(Token::Text(text));
                return Ok(at + 1);
            }
            c => {
                escaped = c == '\\' && !escaped;
                text.push(c);
            }
        }
    }
    Err("a text does not end: the quote is missing".to_owned())
}

/// Reads an expression; `names` are those that it may use, and grow by none.
pub(crate) fn read(text: &str, names: &Names) -> Result<Expression, String> {
    let tokens = tokens(text)?;
    let mut reader = Reader {
        tokens: &tokens,
        names,
        depth: 0,
    };
    let expression = reader.choice()?;
    match reader.tokens.first() {
        None => Ok(expression),
        Some(token) => Err(format!("{} is not expected here", shown(token))),
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Number(number) => number.to_string(),
        Token::Text(text) => format!("'{text}'"),
        Token::Word(word) => word.clone(),
        Token::Sign(sign) => (*sign).to_owned(),
    }
}

struct Reader<'t> {
    tokens: &'t [Token],
    names: &'t Names,
    depth: usize,
}

impl Reader<'_> {
    fn take_sign(&mut self, wanted: &str) -> bool {
        if let [Token::Sign(sign), rest @ ..] = self.tokens
            && *sign == wanted
        {
            self.tokens = rest;
            return true;
        }
        false
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        if let [Token::Word(word), rest @ ..] = self.tokens
            && word == wanted
        {
            self.tokens = rest;
            return true;
        }
        false
    }

    fn need(&mut self, sign: &str) -> Result<(), String> {
        if self.take_sign(sign) {
            return Ok(());
        }
        match self.tokens.first() {
            Some(token) => Err(format!("{sign} is expected before {}", shown(token))),
            None => Err(format!("{sign} is expected at the end")),
        }
    }

    /// Reads something that may hold itself, and refuses what nests too deep.
    fn deeper(
        &mut self,
        read: fn(&mut Self) -> Result<Expression, String>,
    ) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("it nests deeper than {DEPTH_MAX}"));
        }
        let read = read(self)?;
        self.depth -= 1;
        Ok(read)
    }

    fn choice(&mut self) -> Result<Expression, String> {
        self.deeper(|reader| {
            let condition = reader.or()?;
            if !reader.take_sign("?") {
                return Ok(condition);
            }
            let yes = reader.choice()?;
            reader.need(":")?;
            let no = reader.choice()?;
            Ok(Expression::If(Box::new([condition, yes, no])))
        })
    }

    fn or(&mut self) -> Result<Expression, String> {
        let mut left = self.and()?;
        while self.take_word("or") {
            left = Expression::Or(Box::new([left, self.and()?]));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, String> {
        let mut left = self.not()?;
        while self.take_word("and") {
            left = Expression::And(Box::new([left, self.not()?]));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expression, String> {
        if self.take_word("not") {
            return Ok(Expression::Not(Box::new(self.deeper(Self::not)?)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expression, String> {
        let left = self.sum()?;
        for (sign, operator) in [
            ("==", Operator::Equal),
            ("!=", Operator::Unequal),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::MoreOrEqual),
            ("<", Operator::Less),
            (">", Operator::More),
        ] {
            if self.take_sign(sign) {
                return Ok(Expression::Binary(operator, Box::new([left, self.sum()?])));
            }
        }
        if self.take_sign("=~") {
            return Ok(Expression::Matches(Box::new(left), self.pattern()?));
        }
        if self.take_word("in") {
            return Ok(Expression::In(Box::new([left, self.sum()?])));
        }
        Ok(left)
    }

    fn pattern(&mut self) -> Result<Regex, String> {
        let [Token::Text(text), rest @ ..] = self.tokens else {
            return Err("a pattern is a text between quotes".to_owned());
        };
        self.tokens = rest;
        Regex::new(text).map_err(|error| format!("{text:?} is no pattern: {error}"))
    }

    fn sum(&mut self) -> Result<Expression, String> {
        let mut left = self.product()?;
        loop {
            let operator = if self.take_sign("+") {
                Operator::Add
            } else if self.take_sign("-") {
                Operator::Subtract
            } else if self.take_sign("~") {
                Operator::Join
            } else {
                return Ok(left);
            };
            left = Expression::Binary(operator, Box::new([left, self.product()?]));
        }
    }

    fn product(&mut self) -> Result<Expression, String> {
        let mut left = self.default()?;
        loop {
            let operator = if self.take_sign("*") {
                Operator::Multiply
            } else if self.take_sign("/") {
                Operator::Divide
            } else if self.take_sign("%") {
                Operator::Remainder
            } else {
                return Ok(left);
            };
            left = Expression::Binary(operator, Box::new([left, self.default()?]));
        }
    }

    fn default(&mut self) -> Result<Expression, String> {
        let mut left = self.member()?;
        while self.take_sign("??") {
            left = Expression::Default(Box::new([left, self.member()?]));
        }
        Ok(left)
    }

    fn member(&mut self) -> Result<Expression, String> {
        let mut left = self.primary()?;
        loop {
            if self.take_sign(".") {
                let [Token::Word(word), rest @ ..] = self.tokens else {
                    return Err("a name is expected after the dot".to_owned());
                };
                left = Expression::Member(Box::new(left), word.clone());
                self.tokens = rest;
            } else if self.take_sign("[") {
                let index = self.choice()?;
                self.need("]")?;
                left = Expression::Index(Box::new(left), Box::new(index));
            } else {
                return Ok(left);
            }
        }
    }

    fn primary(&mut self) -> Result<Expression, String> {
        let Some((first, rest)) = self.tokens.split_first() else {
            return Err("it ends where a value is expected".to_owned());
        };
        match first {
            Token::Sign(".") => {
                // The dot stays for `member`, where a name follows it.
                if !matches!(rest.first(), Some(Token::Word(_))) {
                    return Err("a name is expected after the dot".to_owned());
                }
                return Ok(Expression::Subject);
            }
            _ => self.tokens = rest,
        }
        match first {
            Token::Number(number) => Ok(Expression::Number(*number)),
            Token::Text(text) => Ok(Expression::Text(std::rc::Rc::from(text.as_str()))),
            Token::Sign("(") => {
                let inner = self.choice()?;
                self.need(")")?;
                Ok(inner)
            }
            Token::Sign("[") => Ok(Expression::List(self.list("]")?)),
            Token::Sign("-") => {
                let of = self.deeper(Self::default)?;
                Ok(Expression::Binary(
                    Operator::Subtract,
                    Box::new([Expression::Number(Decimal::ZERO), of]),
                ))
            }
            Token::Word(word) if self.take_sign("(") => self.call(word),
            Token::Word(word) => self.word(word),
            Token::Sign(sign) => Err(format!("a value is expected before {sign}")),
        }
    }

    fn word(&self, word: &str) -> Result<Expression, String> {
        match word {
            "null" => Ok(Expression::Null),
            "true" => Ok(Expression::Bool(true)),
            "false" => Ok(Expression::Bool(false)),
            "_" => Ok(Expression::Subject),
            _ => self
                .names
                .find(word)
                .map(Expression::Variable)
                .ok_or_else(|| {
                    format!(
                        "the name {word} is not known here: a name is defined before it is used"
                    )
                }),
        }
    }

    fn list(&mut self, end: &str) -> Result<Vec<Expression>, String> {
        let mut items = Vec::new();
        while !self.take_sign(end) {
            if !items.is_empty() {
                self.need(",")?;
            }
            items.push(self.choice()?);
        }
        Ok(items)
    }

    fn call(&mut self, name: &str) -> Result<Expression, String> {
        if name == "match" {
            return self.find();
        }
        let mut arguments = self.list(")")?;
        let over = match name {
            "map" => Some(Over::Map),
            "filter" => Some(Over::Filter),
            "any" => Some(Over::Any),
            "count" => Some(Over::Count),
            "sum" if arguments.len() == 2 => Some(Over::Sum),
            "first" if arguments.len() == 2 => Some(Over::First),
            _ => None,
        };
        if let Some(over) = over {
            let (Some(each), Some(list), true) =
                (arguments.pop(), arguments.pop(), arguments.is_empty())
            else {
                return Err(format!("{name} takes a list and an expression over `it`"));
            };
            return Ok(Expression::Each(over, Box::new([list, each])));
        }
        let Some((_, function, least, most)) = FUNCTIONS.iter().find(|(known, ..)| *known == name)
        else {
            return Err(format!("there is no function {name}"));
        };
        if arguments.len() < *least || arguments.len() > *most {
            let count = arguments.len();
            return Err(format!(
                "{name} takes {least} to {most} arguments, here are {count}"
            ));
        }
        Ok(Expression::Call(*function, arguments))
    }

    fn find(&mut self) -> Result<Expression, String> {
        let of = self.choice()?;
        self.need(",")?;
        let pattern = self.pattern()?;
        let group = if self.take_sign(",") {
            let [Token::Number(group), rest @ ..] = self.tokens else {
                return Err("the third argument of match is the number of a group".to_owned());
            };
            self.tokens = rest;
            usize::try_from(*group).map_err(|_| "a group is a small number".to_owned())?
        } else {
            0
        };
        self.need(")")?;
        Ok(Expression::Find(Box::new(of), pattern, group))
    }
}
