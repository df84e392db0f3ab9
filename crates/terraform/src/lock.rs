//! Lock information, as the `http` backend sends it with `LOCK` and `UNLOCK` and expects it back from a refusal.
//!
//! The names of the fields are those of terraform (`ID`, `Operation`, `Info`, `Who`, `Version`, `Created`, `Path`) and are
//! written exactly so, because terraform decodes the holder of a lock from a refusal's body. Reading is tolerant: a field that
//! is missing or null is empty, a field that is not known is passed over. Only an `ID` must be there, since a lock without one
//! could never be told from another, and no field may be longer than anything terraform writes by a wide margin.
//!
//! Deliberately absent: what an empty body means. terraform's `force-unlock` sends one, and whether that is allowed is a
//! question of permission, not of form.

use serde::{Deserialize, Deserializer, Serialize};

/// Longest body taken as lock information. terraform's own is about 300 bytes; this leaves room for a long `Info`.
pub const BYTES_MAX: usize = 16 * 1024;

/// Longest `ID`, `Operation`, `Version` and `Created`. terraform's `ID` is a UUID of 36 bytes, `Created` an RFC 3339 instant.
pub const WORD_BYTES_MAX: usize = 256;

/// Longest `Info`, `Who` and `Path`: free text, a `user@host`, an address. 4 KiB is the longest path Linux takes.
pub const TEXT_BYTES_MAX: usize = 4096;

/// Who holds a lock, or wants to, in terraform's own form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LockInfo {
    /// The id that the client chose for this lock; it must be shown again to write and to unlock. Never empty when read.
    #[serde(rename = "ID", deserialize_with = "null_is_empty")]
    pub id: String,
    /// What the client is doing, for example `OperationTypeApply` or `state-mv`.
    #[serde(deserialize_with = "null_is_empty")]
    pub operation: String,
    /// Free text of the client; terraform leaves it empty.
    #[serde(deserialize_with = "null_is_empty")]
    pub info: String,
    /// `user@host`, as the client says. Not evidence of anything: the authenticated actor is.
    #[serde(deserialize_with = "null_is_empty")]
    pub who: String,
    /// The client's version, for example `1.11.4`.
    #[serde(deserialize_with = "null_is_empty")]
    pub version: String,
    /// When the client made the lock, by its own clock: RFC 3339, not checked.
    #[serde(deserialize_with = "null_is_empty")]
    pub created: String,
    /// Where the state is, as the client says; empty with the `http` backend.
    #[serde(deserialize_with = "null_is_empty")]
    pub path: String,
}

/// Why a body is not lock information.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LockError {
    /// The body is longer than [`BYTES_MAX`].
    #[error(
        "the lock information has {bytes} bytes, more than the {BYTES_MAX} that are taken; send what terraform sends with LOCK"
    )]
    TooLong {
        /// Length of the body.
        bytes: usize,
    },
    /// The body is not a JSON object of texts. The reason holds no content, only places.
    #[error(
        "the lock information cannot be read: {reason} at line {line} column {column}; \
         send a JSON object with ID, Operation, Info, Who, Version, Created and Path, each a text"
    )]
    Shape {
        /// What is wrong, without quoting the body.
        reason: String,
        /// Line, counted from 1.
        line: usize,
        /// Column, counted from 1.
        column: usize,
    },
    /// There is no `ID`, or it is empty.
    #[error("the lock information names no ID; send the ID that this lock shall have or has")]
    NoId,
    /// One field is longer than its limit.
    #[error(
        "{field} in the lock information has {bytes} bytes, more than the {bytes_max} that are taken; shorten it"
    )]
    FieldTooLong {
        /// The field, as terraform spells it.
        field: &'static str,
        /// Its length.
        bytes: usize,
        /// Its limit.
        bytes_max: usize,
    },
}

impl LockInfo {
    /// Reads the body of a `LOCK` or `UNLOCK` request.
    ///
    /// # Errors
    ///
    /// When the body is longer than [`BYTES_MAX`], is not a JSON object of texts, names a field twice, names no `ID`, or has a
    /// field beyond its limit. An empty body is an error here; see the module on what it means to terraform.
    pub fn read(bytes: &[u8]) -> Result<LockInfo, LockError> {
        if bytes.len() > BYTES_MAX {
            return Err(LockError::TooLong { bytes: bytes.len() });
        }
        if !matches!(bytes.trim_ascii_start().first(), Some(b'{') | None) {
            return Err(LockError::Shape {
                reason: "it is not a JSON object".to_owned(),
                line: 1,
                column: 1,
            });
        }
        let info: LockInfo = serde_json::from_slice(bytes).map_err(|error| shape(&error))?;
        info.check()?;
        Ok(info)
    }

    fn check(&self) -> Result<(), LockError> {
        if self.id.is_empty() {
            return Err(LockError::NoId);
        }
        let fields = [
            ("ID", &self.id, WORD_BYTES_MAX),
            ("Operation", &self.operation, WORD_BYTES_MAX),
            ("Info", &self.info, TEXT_BYTES_MAX),
            ("Who", &self.who, TEXT_BYTES_MAX),
            ("Version", &self.version, WORD_BYTES_MAX),
            ("Created", &self.created, WORD_BYTES_MAX),
            ("Path", &self.path, TEXT_BYTES_MAX),
        ];
        for (field, text, bytes_max) in fields {
            if text.len() > bytes_max {
                return Err(LockError::FieldTooLong {
                    field,
                    bytes: text.len(),
                    bytes_max,
                });
            }
        }
        Ok(())
    }
}

fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

/// A body of the wrong shape may be a state sent to the wrong address, so nothing of it is quoted.
fn shape(error: &serde_json::Error) -> LockError {
    let reason = match error.classify() {
        serde_json::error::Category::Data if error.to_string().starts_with("duplicate field") => {
            "a field is there twice"
        }
        serde_json::error::Category::Data => "a value is not a text",
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
    };
    LockError::Shape {
        reason: reason.to_owned(),
        line: error.line(),
        column: error.column(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        missing_docs
    )]

    use super::*;

    const OF_TERRAFORM: &str = r#"{"ID":"6f1c7a9e-4b0e-9c0d-2d3f-0a8d9d6c1e11","Operation":"OperationTypeApply","Info":"","Who":"ada@workbench","Version":"1.11.4","Created":"2026-08-01T10:11:12.123456789Z","Path":""}"#;

    /// Reads `body` and compares with `expected`: the id, or a part of the refusal.
    fn check(body: &str, expected: Result<&str, &str>) {
        match (LockInfo::read(body.as_bytes()), expected) {
            (Ok(info), Ok(id)) => assert_eq!(info.id, id, "{body}"),
            (Err(error), Err(words)) => {
                assert!(error.to_string().contains(words), "{body}: {error}");
            }
            (got, _) => panic!("{body}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn what_terraform_sends_is_written_back_byte_for_byte() {
        let info = LockInfo::read(OF_TERRAFORM.as_bytes()).unwrap();
        assert_eq!(info.who, "ada@workbench");
        assert_eq!(serde_json::to_string(&info).unwrap(), OF_TERRAFORM);
    }

    #[test]
    fn a_missing_null_or_unknown_field_is_no_obstacle() {
        check(r#"{"ID":"x"}"#, Ok("x"));
        check(r#"{"ID":"x","Who":null}"#, Ok("x"));
        check(r#"{"ID":"x","Shoe":{"size":[44]}}"#, Ok("x"));
        check(r#"{"ID":"a\u0062c"}"#, Ok("abc"));
    }

    #[test]
    fn a_lock_without_an_id_is_refused() {
        check("{}", Err("names no ID"));
        check(r#"{"ID":""}"#, Err("names no ID"));
        check(r#"{"ID":null}"#, Err("names no ID"));
        check(
            r#"{"id":"lower case is another field"}"#,
            Err("names no ID"),
        );
    }

    #[test]
    fn a_body_that_is_not_an_object_of_texts_is_refused_with_its_place() {
        check("", Err("ends too early at line 1 column 0"));
        check("null", Err("is not a JSON object"));
        check(
            r#"["x","an array by position"]"#,
            Err("is not a JSON object"),
        );
        check("{\n\"ID\": 7}", Err("is not a text at line 2"));
        check(r#"{"ID":"x""#, Err("ends too early"));
        check(r#"{"ID":"x"} y"#, Err("is not JSON"));
        check(r#"{"ID":"x","ID":"y"}"#, Err("is there twice"));
    }

    #[test]
    fn a_refusal_quotes_nothing_of_the_body() {
        let error = LockInfo::read(br#"{"ID":["hunter2"]}"#)
            .unwrap_err()
            .to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_field_beyond_its_limit_is_named() {
        for (field, bytes_max) in [
            ("ID", WORD_BYTES_MAX),
            ("Operation", WORD_BYTES_MAX),
            ("Who", TEXT_BYTES_MAX),
        ] {
            let body = |bytes: usize| {
                let mut object = serde_json::json!({"ID": "x"});
                object[field] = "a".repeat(bytes).into();
                object.to_string()
            };
            LockInfo::read(body(bytes_max).as_bytes()).unwrap();
            let error = LockInfo::read(body(bytes_max + 1).as_bytes()).unwrap_err();
            assert_eq!(
                error,
                LockError::FieldTooLong {
                    field,
                    bytes: bytes_max + 1,
                    bytes_max
                }
            );
        }
        check(&" ".repeat(BYTES_MAX + 1), Err("16385 bytes"));
    }
}
