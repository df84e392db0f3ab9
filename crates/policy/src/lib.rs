//! Policy on every plan: a bundle, a plan, a workspace, its state and its cost in; verdicts out.
//!
//! [`engine`] is the door to the language: Rego in, values out, behind a trait so that a second engine can stand beside it. [`load`]
//! stands in front of it and turns what authors wrote (both versions of the language, the newest syntax) into what the engine
//! evaluates exactly, and refuses with file, line and column what it cannot. [`builtin`] holds the functions that the engine lacks,
//! and [`conformance`] measures the whole against the language's own suite.
//!
//! [`library`] has policies of our own, to be taken by name, and [`author`] is for those who write their own.
//!
//! Deliberately absent: SQL, HTTP, and any decision about who may override what. Evaluation in a process of its own is the worker's
//! part: nothing in this crate but the worker evaluates what a stranger wrote.

pub mod assess;
pub mod author;
mod builtin;
pub mod bundle;
pub mod conformance;
pub mod engine;
pub mod input;
pub mod library;
pub mod load;
pub mod manifest;
pub mod opa;
pub mod verdict;
pub mod worker;
