//! Blocks and attributes, out of tokens.

use super::lex::{Lexer, Token};
use super::{Fault, Read};

/// Blocks in blocks; what providers have reaches ten.
const DEPTH_MAX: usize = 64;

/// A block, with its plain texts and the blocks in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) kind: String,
    pub(super) labels: Vec<String>,
    /// 0 in JSON.
    pub(super) line: usize,
    /// Attributes whose value is plain text.
    pub(super) texts: Vec<(String, String)>,
    pub(super) blocks: Vec<Block>,
}

impl Block {
    /// What is given for an attribute, as often as it is given.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.texts.iter().filter(move |(known, _)| known == name);
        named.map(|(_, text)| text.as_str())
    }
}

/// The blocks at the top of a file. Attributes there mean nothing and are passed over.
pub(super) fn read(text: &str) -> Read<Vec<Block>> {
    let mut lexer = Lexer::new(text);
    // The bottom stands for the file.
    let mut open = vec![Block::default()];
    loop {
        let line = lexer.line();
        let Some(token) = lexer.next()? else {
            break;
        };
        match token {
            Token::Newline => {}
            Token::Close(b'}') => close(&mut open).ok_or((line, Fault::Shape))?,
            Token::Word(name) => match item(&mut lexer, name, line, &mut open)? {
                Item::Noted => {}
                Item::NotedLast => close(&mut open).ok_or((line, Fault::Shape))?,
                Item::Opened(_) if open.len() > DEPTH_MAX => return Err((line, Fault::Deep)),
                Item::Opened(block) => open.push(block),
            },
            _ => return Err((line, Fault::Shape)),
        }
    }
    match (open.pop(), open.last()) {
        (Some(file), None) => Ok(file.blocks),
        (Some(block), Some(_)) => Err((block.line, Fault::Open("a block"))),
        (None, _) => Ok(Vec::new()),
    }
}

/// Ends the innermost block; `None` if there is none but the file.
fn close(open: &mut Vec<Block>) -> Option<()> {
    let block = open.pop()?;
    open.last_mut()?.blocks.push(block);
    Some(())
}

/// What begins with a name.
enum Item {
    /// An attribute.
    Noted,
    /// An attribute, and the end of the block on the same line.
    NotedLast,
    /// A block.
    Opened(Block),
}

fn item(lexer: &mut Lexer<'_>, name: &str, line: usize, open: &mut [Block]) -> Read<Item> {
    let mut block = Block {
        kind: name.to_owned(),
        line,
        ..Block::default()
    };
    loop {
        let here = lexer.line();
        match lexer.next()? {
            Some(Token::Equals) if block.labels.is_empty() => {
                let (text, last) = value(lexer)?;
                if let (Some(block), Some(text)) = (open.last_mut(), text) {
                    block.texts.push((name.to_owned(), text));
                }
                return Ok(if last { Item::NotedLast } else { Item::Noted });
            }
            Some(Token::Word(label)) => block.labels.push(label.to_owned()),
            Some(Token::Text(Some(label))) => block.labels.push(label),
            Some(Token::Open(b'{')) => return Ok(Item::Opened(block)),
            _ => return Err((here, Fault::Shape)),
        }
    }
}

/// Goes over the value of an attribute: the text, if it is nothing but plain text, and whether the block ends with it.
fn value(lexer: &mut Lexer<'_>) -> Read<(Option<String>, bool)> {
    let begin = lexer.line();
    let mut depth = 0_usize;
    let mut tokens = 0;
    let mut text = None;
    loop {
        let token = lexer.next()?;
        let last = match (&token, depth) {
            (None | Some(Token::Newline), 0) => Some(false),
            (Some(Token::Close(b'}')), 0) => Some(true),
            (None, _) => return Err((begin, Fault::Open("a value"))),
            (Some(Token::Close(_)), 0) => return Err((lexer.line(), Fault::Shape)),
            _ => None,
        };
        if let Some(last) = last {
            return Ok((text.filter(|_| tokens == 1), last));
        }
        tokens += 1;
        match token {
            Some(Token::Open(_)) => depth += 1,
            Some(Token::Close(_)) => depth -= 1,
            Some(Token::Text(plain)) => text = plain,
            _ => {}
        }
    }
}
