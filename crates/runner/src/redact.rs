//! Secret values, taken out of a stream of bytes before anybody keeps or shows it.
//!
//! A [`Redactor`] is made of the values of one run. It knows each in the forms in which terraform, providers and shells write values ([`forms`]),
//! finds them wherever the stream is cut, and puts `(sensitive)` in their place. What comes out never depends on how it came in. It holds back only
//! bytes that may be the beginning of a value, so a log stays live.
//!
//! A value that is short or common cannot be taken out without taking the log with it: [`check`] refuses it, with the reason, when it is saved. Such values
//! are not looked for.
//!
//! Deliberately absent: a promise about programs that want to tell. Whoever runs code in a plan can write a value backwards; what stops them is that the
//! code has nowhere to write it to.

pub mod forms;
mod stream;
#[cfg(test)]
mod tests;

pub use statehouse_terraform::weak::{MARK, VALUE_BYTES_MIN, Weak, check};
pub use stream::{Redactor, TooMuch};
