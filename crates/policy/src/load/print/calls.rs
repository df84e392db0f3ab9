//! Calls that are written otherwise than their author wrote them, because the engine would answer otherwise than the reference
//! implementation.

use super::super::ast::{Kind, Term};
use super::{EXTRA, PATCHES, Printer};

impl Printer<'_> {
    /// Calls that the engine would answer otherwise than the reference implementation; whether this is one, and is written.
    pub(super) fn differs(&mut self, function: &Term, args: &[Term]) -> bool {
        let Kind::Array(values) = args.last().map_or(&Kind::Null, |it| &it.kind) else {
            return self.patches(function, args);
        };
        let [
            Term {
                kind: Kind::Text(format),
                ..
            },
            _,
        ] = args
        else {
            return self.patches(function, args);
        };
        let used = match verbs(format) {
            Some(used)
                if used < values.len() && function.words().as_deref() == Some(&["sprintf"]) =>
            {
                used
            }
            _ => return self.patches(function, args),
        };
        let (values, extra) = values.split_at(used);
        self.word("concat(\"\", [");
        self.function(function, false);
        self.word("(");
        self.text(format);
        self.word(", ");
        self.list("[", values, "]");
        self.word("), ");
        self.word(EXTRA);
        self.list("([", extra, "])");
        self.word("])");
        true
    }

    /// A patch that moves the whole document is no patch.
    fn patches(&mut self, function: &Term, args: &[Term]) -> bool {
        let [document, patches] = args else {
            return false;
        };
        if function.words().as_deref() != Some(&["json", "patch"]) {
            return false;
        }
        self.function(function, false);
        self.word("(");
        self.term(document);
        self.word(", ");
        self.word(PATCHES);
        self.list("(", std::slice::from_ref(patches), "))");
        true
    }
}

/// How many values a format takes; `None` where it says which.
fn verbs(format: &str) -> Option<usize> {
    let mut count = 0;
    let mut letters = format.chars();
    while letters.by_ref().any(|it| it == '%') {
        match letters
            .by_ref()
            .find(|it| !(it.is_ascii_digit() || "+-# .".contains(*it)))?
        {
            '%' => {}
            '[' | '*' => return None,
            _ => count += 1,
        }
    }
    Some(count)
}
