//! The form of a mapping file: lines that hold lines.
//!
//! A line is a word and the rest of it; what is indented deeper belongs to it. `#` begins a line that says something to people. There is
//! nothing else, so that the place of a mistake is always a line.

use super::MappingError;

/// How deep lines may hold lines.
const DEPTH_MAX: usize = 16;
/// A line longer than this is a file of another kind.
const LINE_BYTES_MAX: usize = 4096;

/// One line, and what it holds.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) word: String,
    pub(crate) rest: String,
    pub(crate) children: Vec<Node>,
}

/// Reads a file into its outermost lines.
pub(crate) fn read(file: &str, text: &str) -> Result<Vec<Node>, MappingError> {
    let mut open: Vec<(usize, Node)> = Vec::new();
    let mut roots = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line_number = at + 1;
        let refuse = |reason: &str| MappingError::new(file, line_number, reason);
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(refuse(&format!(
                "the line has more than {LINE_BYTES_MAX} bytes"
            )));
        }
        let indent = line.len() - line.trim_start_matches(' ').len();
        if line
            .get(indent..)
            .is_some_and(|rest| rest.starts_with('\t'))
        {
            return Err(refuse("lines are indented with spaces, here is a tab"));
        }
        close(&mut open, &mut roots, indent);
        if open.is_empty() && indent > 0 {
            return Err(refuse("the line is indented but belongs to no other"));
        }
        if open.len() >= DEPTH_MAX {
            return Err(refuse(&format!("lines hold lines deeper than {DEPTH_MAX}")));
        }
        let (word, rest) = content.split_once(' ').unwrap_or((content, ""));
        open.push((
            indent,
            Node {
                line: line_number,
                word: word.to_owned(),
                rest: rest.trim().to_owned(),
                children: Vec::new(),
            },
        ));
    }
    close(&mut open, &mut roots, 0);
    Ok(roots)
}

/// Ends every line that is indented as deep or deeper.
fn close(open: &mut Vec<(usize, Node)>, roots: &mut Vec<Node>, indent: usize) {
    while open.last().is_some_and(|(depth, _)| *depth >= indent) {
        let Some((_, node)) = open.pop() else { return };
        match open.last_mut() {
            Some((_, parent)) => parent.children.push(node),
            None => roots.push(node),
        }
    }
}

/// Splits at a sign that is not within quotes, nor within braces.
pub(crate) fn split(text: &str, sign: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut depth) = (Vec::new(), 0, false, 0_i32);
    for (at, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => depth -= 1,
            c if c == sign && !quoted && depth <= 0 => {
                parts.push(text.get(start..at).unwrap_or_default().trim());
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default().trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// Reads `name = value` pairs that are separated by semicolons.
pub(crate) fn pairs<'n>(
    file: &str,
    node: &'n Node,
) -> Result<Vec<(&'n str, &'n str)>, MappingError> {
    split(&node.rest, ';')
        .into_iter()
        .map(|pair| {
            let (name, value) = pair.split_once('=').ok_or_else(|| {
                MappingError::new(file, node.line, &format!("{pair:?} is no `name = value`"))
            })?;
            Ok((name.trim(), value.trim()))
        })
        .collect()
}
