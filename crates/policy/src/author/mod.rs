//! For those who write policies: trying them on a plan ([`check`]), testing them ([`test`]), finding out what they take
//! ([`measure`]), and whether they mean the same to `opa` ([`compare`]).
//!
//! All work on files, on behalf of whoever started them: these are the author's own policies, on the author's own machine. All give
//! values that can be serialized, and have a form for people.
//!
//! Promises: what is tested here is what the server evaluates: the same loader, the same engine, the same manifests and the same
//! documents.
//!
//! Deliberately absent: printing and exit codes, which are the binary's.

pub mod check;
pub mod compare;
pub mod measure;
pub mod test;
