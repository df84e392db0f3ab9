//! Compiles lines of a mapping file, with the names that may be used at each place.

use std::cell::RefCell;
use std::collections::HashMap;

use super::MappingError;
use super::expression::{self, Expression};
use super::names::{Name, Names};
use super::tree::Node;

/// Compiles the lines of one file.
pub(crate) struct Compiler<'c> {
    pub(crate) file: &'c str,
    names: &'c RefCell<Names>,
    /// What each template needs.
    templates: &'c HashMap<String, Vec<String>>,
}

impl<'c> Compiler<'c> {
    pub(crate) fn new(
        file: &'c str,
        names: &'c RefCell<Names>,
        templates: &'c HashMap<String, Vec<String>>,
    ) -> Self {
        Self {
            file,
            names,
            templates,
        }
    }

    pub(crate) fn refuse(&self, node: &Node, reason: &str) -> MappingError {
        MappingError::new(self.file, node.line, reason)
    }

    pub(crate) fn expression(&self, node: &Node, text: &str) -> Result<Expression, MappingError> {
        expression::read(text, &self.names.borrow())
            .map_err(|reason| self.refuse(node, &format!("in `{text}`: {reason}")))
    }

    pub(crate) fn define(&self, name: &str) -> Name {
        self.names.borrow_mut().define(name)
    }

    /// The number of a name that becomes usable elsewhere.
    pub(crate) fn number(&self, name: &str) -> Name {
        let mut names = self.names.borrow_mut();
        let mark = names.mark();
        let number = names.define(name);
        names.reset(mark);
        number
    }

    pub(crate) fn is_defined(&self, name: &str) -> bool {
        self.names.borrow().find(name).is_some()
    }

    pub(crate) fn mark(&self) -> usize {
        self.names.borrow().mark()
    }

    pub(crate) fn reset(&self, mark: usize) {
        self.names.borrow_mut().reset(mark);
    }

    pub(crate) fn takes(&self, template: &str) -> Option<Vec<String>> {
        self.templates.get(template).cloned()
    }
}
