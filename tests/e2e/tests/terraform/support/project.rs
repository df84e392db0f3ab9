//! A folder with a configuration, and terraform in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::child::{Ran, Running};
use super::components;

/// An apply that asks nobody.
pub(crate) const APPLY: &[&str] = &["apply", "-auto-approve"];
/// A plan that ends with 0 where there is nothing to do, and with 2 where there is.
pub(crate) const PLAN: &[&str] = &["plan", "-detailed-exitcode"];

/// `count` resources of the provider that terraform has built in.
pub(crate) fn resources(count: usize) -> String {
    format!(
        "resource \"terraform_data\" \"each\" {{\n  count = {count}\n  input = \"number ${{count.index}}\"\n}}\n"
    )
}

/// A resource that is being made from when the file `started` is there until the file `go` is, or for a minute.
pub(crate) fn slow_resource() -> String {
    let script =
        "touch started; for i in $(seq 600); do [ -e go ] && exit 0; sleep 0.1; done; exit 1";
    format!(
        "resource \"terraform_data\" \"slow\" {{\n  provisioner \"local-exec\" {{\n    command = \"{script}\"\n  }}\n}}\n"
    )
}

/// A configuration in a folder of its own.
pub(crate) struct Project {
    folder: TempDir,
    cli_config: Option<PathBuf>,
    environment: Vec<(String, String)>,
}

impl Project {
    /// With the files `backend.tf` and `main.tf`, not initialized.
    pub(crate) fn new(backend: &str, main: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = Self {
            folder,
            cli_config: None,
            environment: Vec::new(),
        };
        project.write("backend.tf", backend);
        project.write("main.tf", main);
        project
    }

    /// The same, initialized.
    pub(crate) fn ready(backend: &str, main: &str) -> Self {
        let project = Self::new(backend, main);
        project.run(&["init"]).done();
        project
    }

    /// With settings of terraform itself, from a file in the folder.
    pub(crate) fn with_cli_config(mut self, text: &str) -> Self {
        self.write("cli.tfrc", text);
        self.cli_config = Some(self.path("cli.tfrc"));
        self
    }

    /// With a variable more in terraform's environment.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(set, _)| set != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs_err::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs_err::read(self.path(name)).unwrap()
    }

    fn command(&self, args: &[&str]) -> Command {
        let home: &Path = self.folder.path();
        let mut command = Command::new(components::terraform());
        command.args(args).current_dir(home).env_clear();
        command.env("HOME", home).env("PATH", "/usr/bin:/bin");
        command.env("CHECKPOINT_DISABLE", "1").env("TF_INPUT", "0");
        command
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_CLI_ARGS", "-no-color");
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        if let Some(file) = &self.cli_config {
            command.env("TF_CLI_CONFIG_FILE", file);
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&mut self.command(args))
    }

    /// The same, with what a user types.
    pub(crate) fn answer(&self, args: &[&str], typed: &str) -> Ran {
        self.write("typed", typed);
        let typed = fs_err::File::open(self.path("typed")).unwrap();
        let mut command = self.command(args);
        command.env_remove("TF_INPUT");
        Running::typed(&mut command, typed.into_parts().0).end()
    }

    /// The same, not waited for.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::start(&mut self.command(args))
    }

    /// The state as terraform pulls it, without the end of a line that it adds.
    pub(crate) fn pull(&self) -> Vec<u8> {
        let mut state = self.run(&["state", "pull"]).done().out;
        assert_eq!(state.pop(), Some(b'\n'));
        state
    }

    /// There is nothing to do.
    pub(crate) fn is_settled(&self) {
        self.run(PLAN).done();
    }
}
