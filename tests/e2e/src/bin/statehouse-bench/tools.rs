//! What is measured and what it is measured with: programs and libraries that `./dev bench` names in the environment.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// Where things are.
pub(crate) struct Tools {
    /// The binary that is measured: a release build.
    pub(crate) statehouse: PathBuf,
    shim: Option<PathBuf>,
    postgres: Option<PathBuf>,
    postgres_user: Option<String>,
    terraform: Option<PathBuf>,
    python: Option<PathBuf>,
    provider_mirror: Option<PathBuf>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the benchmark reads the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn needed<T: Clone>(value: Option<&T>, name: &str) -> Result<T> {
    value
        .cloned()
        .ok_or_else(|| format!("{name} is not set; run this through ./dev bench").into())
}

impl Tools {
    /// From the environment. The binary defaults to the one beside this program.
    pub(crate) fn of_environment() -> Result<Self> {
        let path = |name: &str| variable(name).map(PathBuf::from);
        let beside = std::env::current_exe()?.with_file_name("statehouse");
        Ok(Self {
            statehouse: path("STATEHOUSE_TEST_BINARY").unwrap_or(beside),
            shim: path("STATEHOUSE_TEST_SHIM"),
            postgres: path("STATEHOUSE_TEST_PG_BIN"),
            postgres_user: variable("STATEHOUSE_TEST_PG_USER"),
            terraform: path("STATEHOUSE_TEST_TERRAFORM"),
            python: path("STATEHOUSE_TEST_PYTHON"),
            provider_mirror: path("STATEHOUSE_TEST_PROVIDER_MIRROR"),
        })
    }

    /// The program for authors of policies, from the same build.
    pub(crate) fn policy(&self) -> PathBuf {
        self.statehouse.with_file_name("statehouse-policy")
    }

    /// The program for estimates and price books, from the same build.
    pub(crate) fn cost(&self) -> PathBuf {
        self.statehouse.with_file_name("statehouse-cost")
    }

    /// The library that slows syncs down.
    pub(crate) fn shim(&self) -> Result<PathBuf> {
        needed(self.shim.as_ref(), "STATEHOUSE_TEST_SHIM")
    }

    /// The folder of PostgreSQL's server programs.
    pub(crate) fn postgres(&self) -> Result<PathBuf> {
        needed(self.postgres.as_ref(), "STATEHOUSE_TEST_PG_BIN")
    }

    /// The user that PostgreSQL runs as, where it may not be ours.
    pub(crate) fn postgres_user(&self) -> Option<&str> {
        self.postgres_user.as_deref()
    }

    /// terraform.
    pub(crate) fn terraform(&self) -> Result<PathBuf> {
        needed(self.terraform.as_ref(), "STATEHOUSE_TEST_TERRAFORM")
    }

    /// The Python that has moto.
    pub(crate) fn python(&self) -> Result<PathBuf> {
        needed(self.python.as_ref(), "STATEHOUSE_TEST_PYTHON")
    }

    /// The filesystem mirror that has the AWS provider.
    pub(crate) fn provider_mirror(&self) -> Result<PathBuf> {
        needed(
            self.provider_mirror.as_ref(),
            "STATEHOUSE_TEST_PROVIDER_MIRROR",
        )
    }

    /// Adds `delay_ms` to every sync of a program and its children.
    pub(crate) fn slow_down(command: &mut Command, delay_ms: u32, shim: &Path) {
        command
            .env("LD_PRELOAD", shim)
            .env("STATEHOUSE_SHIM_DELAY_MS", delay_ms.to_string());
    }

    /// cargo, by which this program was started, for what only it can build.
    pub(crate) fn cargo() -> Command {
        let mut command = Command::new(variable("CARGO").unwrap_or_else(|| "cargo".to_owned()));
        command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        command
    }
}
