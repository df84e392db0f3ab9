//! Names in scope, as numbers.

use std::collections::HashMap;

/// A name, as a number that is the same wherever the name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name(u32);

/// Names that can be used at one place of the mapping, and the numbers of all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    numbers: HashMap<String, u32>,
    visible: Vec<u32>,
}

impl Names {
    /// The name, made usable from here on.
    pub(crate) fn define(&mut self, name: &str) -> Name {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(name.to_owned()).or_insert(next);
        if !self.visible.contains(&number) {
            self.visible.push(number);
        }
        Name(number)
    }

    /// The name, if it is usable here.
    pub(crate) fn find(&self, name: &str) -> Option<Name> {
        let number = self.numbers.get(name)?;
        self.visible.contains(number).then_some(Name(*number))
    }

    /// How many names are usable: what is defined later can be taken back to here.
    pub(crate) fn mark(&self) -> usize {
        self.visible.len()
    }

    /// Takes back what was defined since.
    pub(crate) fn reset(&mut self, mark: usize) {
        self.visible.truncate(mark);
    }
}
