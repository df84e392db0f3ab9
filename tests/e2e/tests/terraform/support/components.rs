//! Where the programs are that the tests need. `./dev test` says it in variables; without it, each is looked for where it
//! usually lies.

use std::path::{Path, PathBuf};
use std::process::Command;

#[expect(
    clippy::disallowed_methods,
    reason = "the test runner says where its components are"
)]
fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// A program of this name, in the folders of `PATH`.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = variable("PATH")?;
    std::env::split_paths(path.as_os_str())
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

fn needed(found: Option<PathBuf>, what: &str, hint: &str) -> PathBuf {
    match found {
        Some(path) if path.exists() => path,
        Some(path) => panic!("{what} is not at {}: {hint}", path.display()),
        None => panic!("{what} is missing, and nothing passes without it: {hint}"),
    }
}

/// The binary under test: the one beside the folder of the tests, unless another is named.
pub(crate) fn binary() -> PathBuf {
    let beside = || {
        let tests = std::env::current_exe().ok()?;
        Some(tests.parent()?.parent()?.join("statehouse"))
    };
    let found = variable("STATEHOUSE_TEST_BINARY").or_else(beside);
    needed(
        found,
        "the statehouse binary",
        "`cargo build -p statehouse`, or run ./dev test",
    )
}

pub(crate) fn terraform() -> PathBuf {
    let found = variable("STATEHOUSE_TEST_TERRAFORM").or_else(|| on_path("terraform"));
    needed(found, "terraform", "put terraform 1.11.4 on PATH")
}

/// `OpenTofu`, where there is one.
pub(crate) fn tofu() -> Option<PathBuf> {
    variable("STATEHOUSE_TEST_TOFU")
}

/// A Python that has moto.
pub(crate) fn python() -> PathBuf {
    let found = variable("STATEHOUSE_TEST_PYTHON").or_else(|| on_path("python3"));
    let python = needed(found, "Python", "run ./dev test, which installs it");
    let mut has_moto = Command::new(&python);
    let asked = has_moto.args(["-c", "import moto.server"]).output();
    assert!(
        asked.unwrap().status.success(),
        "{} has no moto: run ./dev test, which installs moto[server]",
        python.display()
    );
    python
}

/// Who makes up requests out of a document of an API.
pub(crate) fn schemathesis() -> PathBuf {
    let found = variable("STATEHOUSE_TEST_SCHEMATHESIS").or_else(|| on_path("schemathesis"));
    needed(found, "schemathesis", "run ./dev test, which installs it")
}

/// The browser, its driver, and the tool that makes it trust an authority.
pub(crate) fn chromium() -> [PathBuf; 3] {
    let hint = "`apt-get install chromium chromium-driver libnss3-tools`";
    [
        ("STATEHOUSE_TEST_CHROMIUM", "chromium"),
        ("STATEHOUSE_TEST_CHROMEDRIVER", "chromedriver"),
        ("STATEHOUSE_TEST_CERTUTIL", "certutil"),
    ]
    .map(|(name, program)| needed(variable(name).or_else(|| on_path(program)), program, hint))
}

/// The folder that holds `registry.terraform.io/…` with the AWS provider.
pub(crate) fn provider_mirror() -> PathBuf {
    let found = variable("STATEHOUSE_TEST_PROVIDER_MIRROR").or_else(provider_somewhere);
    let hint = "`terraform providers mirror DIR` where there is a network, then set TF_PLUGIN_MIRROR and run ./dev test";
    needed(found, "the AWS provider 5.100.0", hint)
}

fn provider_somewhere() -> Option<PathBuf> {
    let mut find = Command::new("find");
    find.args(["/", "-xdev", "-path", "/proc", "-prune", "-o"]);
    find.args(["-path", "*/registry.terraform.io/hashicorp/aws/*5.100.0*"]);
    find.args(["-name", "terraform-provider-aws*", "-print", "-quit"]);
    let found = String::from_utf8(find.output().ok()?.stdout).ok()?;
    let (mirror, _) = found.split_once("/registry.terraform.io/")?;
    Some(PathBuf::from(mirror))
}

/// The folder of PostgreSQL's server programs.
pub(crate) fn postgres_programs() -> PathBuf {
    let installed = || {
        let versions = fs_err::read_dir("/usr/lib/postgresql").ok()?;
        let programs = versions.map(|version| version.unwrap().path().join("bin"));
        programs.filter(|bin| bin.join("initdb").exists()).max()
    };
    let found = variable("STATEHOUSE_TEST_PG_BIN").or_else(installed);
    needed(found, "PostgreSQL", "`apt-get install postgresql-15`")
}

/// SoftHSM's library and, beside it on `PATH`, its tool.
pub(crate) fn softhsm() -> (PathBuf, PathBuf) {
    let usual = || {
        let places = [
            "/usr/lib/softhsm/libsofthsm2.so",
            "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
            "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
        ];
        let found = places.into_iter().find(|place| Path::new(place).exists())?;
        Some(PathBuf::from(found))
    };
    let hint = "`apt-get install softhsm2`";
    let module = variable("STATEHOUSE_TEST_SOFTHSM_MODULE").or_else(usual);
    (
        needed(module, "SoftHSM", hint),
        needed(on_path("softhsm2-util"), "softhsm2-util", hint),
    )
}
