//! `statehouse-cost`: estimates, price books, and the score of the mapping.

mod cli;

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "statehouse-cost: {error}");
            ExitCode::from(2)
        }
    }
}
