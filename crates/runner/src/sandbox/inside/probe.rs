//! Finds out whether this kernel restricts a process: by letting it restrict this one.

use std::io::{self, Write as _};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use super::spec::Confine;
use super::{confine, filter};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The version of Landlock, or why there is none.
    pub landlock: Result<i32, String>,
    /// Nothing, or why there is no seccomp.
    pub seccomp: Result<(), String>,
}

pub(super) fn run() -> Result<ExitCode, String> {
    let nothing = Confine {
        writable: Vec::new(),
        ports: Vec::new(),
    };
    let found = Found {
        landlock: confine::restrict(&nothing),
        seccomp: filter::apply(),
    };
    let text = serde_json::to_string(&found).map_err(|error| error.to_string())?;
    writeln!(io::stdout(), "{text}").map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}
