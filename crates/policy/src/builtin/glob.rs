//! `regex.globs_match`: whether any text matches both of two simple patterns.
//!
//! A pattern is a row of characters, `.`, and classes in brackets, each once, at least once (`+`) or any number of times (`*`). Both
//! are walked side by side over pairs of places, each pair once, so that the time is their product.

use std::collections::BTreeSet;

use regorus::Value;

use super::{Answer, Args, Builtin, Failure};

pub(super) const ALL: [Builtin; 1] = [("regex.globs_match", 2, globs_match)];

/// Letters of a pattern; two of this length take a million steps.
const LETTERS_MAX: usize = 1_000;

#[derive(Debug, Clone, PartialEq)]
enum Letters {
    Any,
    /// Ranges, ends included.
    Class(Vec<(char, char)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Times {
    Once,
    Some,
    Many,
}

type Step = (Letters, Times);

fn globs_match(args: &Args<'_>) -> Answer {
    let one = read(args, args.text(0)?)?;
    let other = read(args, args.text(1)?)?;
    Ok(Value::from(meet(&one, &other)))
}

fn read(args: &Args<'_>, pattern: &str) -> Result<Vec<Step>, Failure> {
    if pattern.len() > LETTERS_MAX {
        return args.fail(format!("a pattern is longer than {LETTERS_MAX} letters"));
    }
    let mut steps: Vec<Step> = Vec::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        let next = match letter {
            '.' => Letters::Any,
            '[' => class(args, &mut letters)?,
            '\\' => match letters.next() {
                Some(escaped) => Letters::Class(vec![(escaped, escaped)]),
                None => return args.fail("a pattern ends with a backslash"),
            },
            '+' | '*' => {
                let times = if letter == '+' {
                    Times::Some
                } else {
                    Times::Many
                };
                match steps.last_mut() {
                    Some((_, it)) if *it == Times::Once => *it = times,
                    _ => return args.fail(format!("{letter} repeats nothing")),
                }
                continue;
            }
            ']' => return args.fail("a ] closes nothing"),
            other => Letters::Class(vec![(other, other)]),
        };
        steps.push((next, Times::Once));
    }
    Ok(steps)
}

fn class(args: &Args<'_>, letters: &mut std::str::Chars<'_>) -> Result<Letters, Failure> {
    let mut ranges: Vec<(char, char)> = Vec::new();
    let mut open = false;
    loop {
        let letter = match letters.next() {
            Some(']') if !open => return Ok(Letters::Class(ranges)),
            Some('\\') => letters.next(),
            Some('-') if !open && !ranges.is_empty() => {
                open = true;
                continue;
            }
            other => other,
        };
        let Some(letter) = letter else {
            return args.fail("a class does not end");
        };
        match ranges.last_mut() {
            Some(range) if open && range.0 <= letter => range.1 = letter,
            _ if open => return args.fail("a range ends before it begins"),
            _ => ranges.push((letter, letter)),
        }
        open = false;
    }
}

fn overlap(one: &Letters, other: &Letters) -> bool {
    match (one, other) {
        (Letters::Class(one), Letters::Class(other)) => one
            .iter()
            .any(|a| other.iter().any(|b| a.0 <= b.1 && b.0 <= a.1)),
        (Letters::Any, Letters::Class(class)) | (Letters::Class(class), Letters::Any) => {
            !class.is_empty()
        }
        (Letters::Any, Letters::Any) => true,
    }
}

/// Whether both can be walked to their ends with the same letters. A place says whether its step was taken once already.
fn meet(one: &[Step], other: &[Step]) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![((0, false), (0, false))];
    while let Some(pair) = open.pop() {
        if !seen.insert(pair) {
            continue;
        }
        let (a, b) = pair;
        if a.0 >= one.len() && b.0 >= other.len() {
            return true;
        }
        // A step that may be left is left without a letter.
        if may_leave(one, a) {
            open.push(((a.0 + 1, false), b));
        }
        if may_leave(other, b) {
            open.push((a, (b.0 + 1, false)));
        }
        let (Some(left), Some(right)) = (one.get(a.0), other.get(b.0)) else {
            continue;
        };
        if overlap(&left.0, &right.0) {
            open.push((taken(left, a), taken(right, b)));
        }
    }
    false
}

fn may_leave(steps: &[Step], place: (usize, bool)) -> bool {
    match steps.get(place.0) {
        Some((_, Times::Many)) => true,
        Some((_, Times::Some)) => place.1,
        _ => false,
    }
}

fn taken(step: &Step, place: (usize, bool)) -> (usize, bool) {
    if step.1 == Times::Once {
        (place.0 + 1, false)
    } else {
        (place.0, true)
    }
}
