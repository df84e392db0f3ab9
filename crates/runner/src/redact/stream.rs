//! The stream: one automaton over all forms, stepped byte by byte.
//!
//! The automaton's state after a byte is the longest end of the stream so far that begins a form. That gives both answers that are needed: which forms end
//! here, and from where on nothing may go out yet. Forms that overlap are one hidden stretch, so that no rest of either shows; forms that only touch are two.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::sync::Arc;

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, MatchKind};

use super::MARK;
use super::forms::forms;

/// All forms of all values, which are about twenty times as long as the values. Each byte of them takes 35 bytes of memory, so this is 70 MB and
/// less than a second, once per phase of a run.
const FORMS_BYTES_MAX: usize = 2 << 20;

/// The values of a run are too many or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the sensitive values of this run are too long to be looked for in its log ({0} bytes in all their forms, at most {FORMS_BYTES_MAX}); keep large secrets in files that the run reads"
)]
pub struct TooMuch(pub usize);

/// Takes values out of one stream.
pub struct Redactor {
    /// Absent when there is nothing to look for.
    known: Option<Arc<Known>>,
    state: StateID,
    /// What did not go out yet, and where in the stream it begins.
    waiting: Vec<u8>,
    from: usize,
    /// Stretches of the stream to hide, in order and apart from each other.
    hidden: Vec<(usize, usize)>,
}

/// What is looked for.
struct Known {
    automaton: NFA,
    start: StateID,
    /// How many bytes before a state's end may still become a form; a state that is not here: none.
    held: HashMap<StateID, usize>,
}

impl Redactor {
    /// Prepares to look for values. Those that [`super::check`] refuses are not looked for.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Redactor, TooMuch> {
        let mut patterns = BTreeSet::new();
        let mut bytes = 0;
        for value in values {
            for form in forms(value) {
                bytes += form.len();
                if bytes > FORMS_BYTES_MAX {
                    return Err(TooMuch(bytes));
                }
                patterns.insert(form);
            }
        }
        if patterns.is_empty() {
            return Ok(Redactor::of(None));
        }
        let known = Known::new(&patterns).map_err(|_| TooMuch(bytes))?;
        Ok(Redactor::of(Some(Arc::new(known))))
    }

    /// For another stream, with the same values.
    #[must_use]
    pub fn another(&self) -> Redactor {
        Redactor::of(self.known.clone())
    }

    fn of(known: Option<Arc<Known>>) -> Redactor {
        Redactor {
            state: known
                .as_ref()
                .map_or_else(StateID::default, |known| known.start),
            known,
            waiting: Vec::new(),
            from: 0,
            hidden: Vec::new(),
        }
    }

    /// Takes some bytes of the stream, and gives those that may go out.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(known) = self.known.clone() else {
            return bytes.to_vec();
        };
        let (automaton, mut state) = (&known.automaton, self.state);
        let start = self.from + self.waiting.len();
        for (offset, byte) in bytes.iter().enumerate() {
            state = automaton.next_state(Anchored::No, state, *byte);
            if automaton.is_match(state) {
                let lengths = (0..automaton.match_len(state))
                    .map(|index| automaton.pattern_len(automaton.match_pattern(state, index)));
                let end = start + offset + 1;
                let begun = end - lengths.max().unwrap_or(0);
                hide(&mut self.hidden, begun, self.from, end);
            }
        }
        self.state = state;
        self.waiting.extend_from_slice(bytes);
        let held = known.held.get(&state).copied().unwrap_or(0);
        self.release(start + bytes.len() - held)
    }

    /// The end of the stream: what was held back.
    pub fn finish(mut self) -> Vec<u8> {
        self.release(self.from + self.waiting.len())
    }

    /// Lets out everything up to a place in the stream, or up to the hidden stretch in which that place lies, since it may still grow. Of
    /// that stretch only its place is kept, so that one that never ends takes no memory.
    fn release(&mut self, safe: usize) -> Vec<u8> {
        let ready = self.hidden.iter().take_while(|(_, end)| *end <= safe);
        let ready = ready.count();
        let growing = self.hidden.get(ready);
        let to = growing.map_or(safe, |(start, _)| safe.min(*start));
        let to = to.max(self.from);
        let mut out = Vec::with_capacity(to - self.from);
        let mut at = self.from;
        for (start, end) in self.hidden.drain(..ready) {
            out.extend(piece(&self.waiting, at - self.from, start - self.from));
            out.extend_from_slice(MARK);
            at = end;
        }
        out.extend(piece(&self.waiting, at - self.from, to - self.from));
        let mut gone = to;
        if let Some((start, end)) = self.hidden.first_mut().filter(|(start, _)| *start == to) {
            (gone, *start) = (*end, *end);
        }
        self.waiting.drain(..gone - self.from);
        self.from = gone;
        out
    }
}

fn piece(bytes: &[u8], from: usize, to: usize) -> &[u8] {
    bytes.get(from..to).unwrap_or_default()
}

/// Adds a stretch, which ends behind all others, and joins it with those that it overlaps. One whose bytes are gone already is overlapped by what
/// would have begun before its end.
fn hide(hidden: &mut Vec<(usize, usize)>, begun: usize, floor: usize, end: usize) {
    let mut start = begun.max(floor);
    while let Some((earlier, _)) = hidden.pop_if(|(_, last)| *last > begun) {
        start = start.min(earlier);
    }
    hidden.push((start, end));
}

impl Known {
    fn new(patterns: &BTreeSet<Vec<u8>>) -> Result<Known, Box<dyn Error>> {
        let mut builder = NFA::builder();
        let builder = builder.match_kind(MatchKind::Standard).prefilter(false);
        let automaton = builder.build(patterns)?;
        let start = automaton.start_state(Anchored::No)?;
        let held = held(&automaton, start, patterns);
        Ok(Known {
            automaton,
            start,
            held,
        })
    }
}

/// For each state that begins a form: how much of it may still become one. For the end of a form that begins no longer one, that is what the
/// longest true end of it holds.
fn held(automaton: &NFA, start: StateID, patterns: &BTreeSet<Vec<u8>>) -> HashMap<StateID, usize> {
    let mut held = HashMap::new();
    let walk = |bytes: &[u8]| {
        let step = |state, byte: &u8| automaton.next_state(Anchored::No, state, *byte);
        bytes.iter().fold(start, step)
    };
    let mut ends = Vec::new();
    for pattern in patterns {
        let mut state = start;
        let inner = pattern.len() - 1;
        for (index, byte) in pattern.iter().enumerate() {
            state = automaton.next_state(Anchored::No, state, *byte);
            if index < inner {
                held.insert(state, index + 1);
            } else {
                ends.push((state, pattern));
            }
        }
    }
    // A short end first: its own answer is needed for a longer one that ends in it.
    ends.sort_by_key(|(_, pattern)| pattern.len());
    for (state, pattern) in ends {
        if !held.contains_key(&state) {
            let end = walk(pattern.get(1..).unwrap_or_default());
            let rest = held.get(&end).copied().unwrap_or(0);
            held.insert(state, rest);
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_overlaps_itself_without_end_takes_no_memory() {
        let mut redactor = Redactor::new(["a1b2c3a1b2c3"]).unwrap();
        for _ in 0..1000 {
            assert_eq!(redactor.push(b"a1b2c3"), b"");
            assert!(redactor.waiting.len() <= 12, "{}", redactor.waiting.len());
        }
        let mut other = redactor.another();
        assert_eq!(redactor.push(b".\n"), b"(sensitive).\n");
        assert_eq!(redactor.finish(), b"");
        assert_eq!(other.push(b"a1b2c3.\n"), b"a1b2c3.\n");
    }
}
