//! The rules of this repository that neither the compiler nor clippy holds.
//!
//! They read the sources as text, so they are fast and simple, and each says which file and line breaks it. Parts that only
//! tests use are left out where a rule is about the product. Absent on purpose: anything that a lint can say better.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Beyond it a file is no longer read on a few screens.
const LINES_MAX: usize = 700;

/// Everything below these, and the files beside them, is ours.
const FOLDERS: &[&str] = &[".ci", ".config", "crates", "dev.d", "docs", "tests"];

/// A file of the repository.
struct File {
    /// From the root, with `/`.
    name: String,
    text: String,
}

impl File {
    fn is(&self, kind: &str) -> bool {
        Path::new(&self.name)
            .extension()
            .is_some_and(|end| end == kind)
    }

    fn is_rust(&self) -> bool {
        self.is("rs")
    }

    /// Whether it goes into the product.
    fn is_product(&self) -> bool {
        let test = |part: &str| part.starts_with("tests") || part.starts_with("testing");
        self.name.starts_with("crates/")
            && self.name.contains("/src/")
            && self.is_rust()
            && !self.name.split('/').any(test)
    }

    /// Numbered lines that are code of the product: no comments, and not the tests at the end of a file.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines
            .take_while(|(_, line)| *line != "mod tests {")
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(index, line)| (index + 1, line))
    }
}

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap().to_owned()
}

fn files() -> Vec<File> {
    let root = root();
    let mut found = Vec::new();
    collect(&root, &root, false, &mut found);
    for folder in FOLDERS {
        collect(&root, &root.join(folder), true, &mut found);
    }
    assert!(found.len() > 200, "only {} files were found", found.len());
    found
}

/// Texts of a folder. Links are passed over: what they lead to is read in its own place.
fn collect(root: &Path, folder: &Path, deep: bool, found: &mut Vec<File>) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() && deep {
            collect(root, &path, deep, found);
        } else if kind.is_file()
            && let Ok(text) = String::from_utf8(fs_err::read(&path).unwrap())
        {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            found.push(File {
                name: name.to_owned(),
                text,
            });
        }
    }
}

/// Fails with every finding, a line each.
fn check(findings: impl IntoIterator<Item = String>) {
    let findings: Vec<String> = findings.into_iter().collect();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

/// The lines of the code of some files that `wrong` finds fault with.
fn lines(chosen: impl Fn(&File) -> bool, wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let files: Vec<File> = files().into_iter().filter(chosen).collect();
    assert!(!files.is_empty(), "there is nothing to check");
    let of = |file: &File| {
        file.code()
            .filter(|(_, line)| wrong(line))
            .map(|(number, line)| format!("{}:{number}: {}", file.name, line.trim()))
            .collect::<Vec<_>>()
    };
    files.iter().flat_map(of).collect()
}

/// Every test there is, as the parts of its path: `crates`, `seal`, `tests`, `envelope`, and its name.
fn tests() -> Vec<(Vec<String>, String)> {
    let mut tests = Vec::new();
    for file in files().iter().filter(|file| file.is_rust()) {
        let parts = || {
            let stem = file.name.trim_end_matches(".rs");
            stem.split('/').map(str::to_owned).collect::<Vec<_>>()
        };
        let mut attribute = false;
        for line in file.text.lines().map(str::trim) {
            attribute |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let name = line.trim_start_matches("async ").strip_prefix("fn ");
            if let (true, Some(name)) = (attribute, name) {
                let name = name.split('(').next().unwrap().to_owned();
                tests.push((parts(), name));
                attribute = false;
            }
        }
    }
    tests
}

/// What stands between backticks and looks like the path of a test.
fn named(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let lower = |part: &str| {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        !part.is_empty() && part.bytes().all(letter)
    };
    quoted
        .filter(|path| path.contains("::") && path.split("::").all(lower))
        .collect()
}

fn security() -> String {
    fs_err::read_to_string(root().join("SECURITY.md")).unwrap()
}

#[test]
fn every_test_that_security_md_names_exists() {
    let (security, tests) = (security(), tests());
    let paths = named(&security);
    assert!(paths.len() > 80, "only {} tests are named", paths.len());
    let exists = |path: &str| {
        let (folders, name) = path.rsplit_once("::").unwrap();
        let within = |parts: &[String]| {
            let mut parts = parts.iter();
            folders
                .split("::")
                .all(|folder| parts.any(|part| part == folder))
        };
        tests
            .iter()
            .any(|(parts, test)| test == name && within(parts))
    };
    assert!(!exists("seal::envelope::no_such_test"));
    assert!(!exists(
        "ledger::every_flipped_bit_of_an_envelope_is_refused"
    ));
    check(
        paths
            .into_iter()
            .filter(|path| !exists(path))
            .map(|path| format!("SECURITY.md names `{path}`, and there is no such test")),
    );
}

#[test]
fn every_promise_names_a_test_or_is_called_open() {
    let security = security();
    let rows: Vec<&str> = security
        .lines()
        .filter(|line| line.starts_with("| P"))
        .collect();
    let numbers: BTreeSet<&str> = rows
        .iter()
        .map(|row| row.split('|').nth(1).unwrap().trim())
        .collect();
    assert_eq!(numbers.len(), rows.len(), "a promise stands there twice");
    assert!(rows.len() >= 29, "only {} promises", rows.len());
    let kept = |row: &&str| !named(row).is_empty() || row.contains("**open**");
    check(
        rows.iter()
            .filter(|row| !kept(row))
            .map(|row| format!("neither tested nor open: {row}")),
    );
}

#[test]
fn every_column_outside_the_row_mac_stands_in_security_md() {
    let security = security();
    let missing = statehouse_core::OUTSIDE
        .iter()
        .filter(|(table, column, reason)| {
            !security.contains(&format!("| `{table}.{column}` | {reason} |"))
        });
    check(missing.map(|(table, column, reason)| format!("| `{table}.{column}` | {reason} |")));
}

#[test]
fn the_database_layer_knows_no_domain() {
    const DOMAINS: &[&str] = &[
        "access",
        "backup",
        "blob",
        "core",
        "ctx",
        "door",
        "house",
        "houses",
        "key",
        "ledger",
        "org",
        "project",
        "record",
        "state",
        "token",
        "user",
        "workspace",
    ];
    let names_a_domain = |line: &str| {
        let words = |rest: &'_ str| {
            let end = if rest.starts_with('{') { "}" } else { ":" };
            let path = rest.split(end).next().unwrap().to_owned();
            let word = |letter: char| !letter.is_alphanumeric() && letter != '_';
            path.split(word).map(str::to_owned).collect::<Vec<_>>()
        };
        line.split("crate::")
            .skip(1)
            .flat_map(words)
            .any(|word| DOMAINS.contains(&word.as_str()))
    };
    assert!(names_a_domain("use crate::{error, org};"));
    let house = |file: &File| file.name == "crates/core/src/house.rs";
    assert!(!lines(house, names_a_domain).is_empty());
    let db = |file: &File| file.is_product() && file.name.starts_with("crates/core/src/db/");
    check(lines(db, names_a_domain));
}

#[test]
fn only_the_binary_reads_the_environment() {
    let reads = |line: &str| line.contains("std::env");
    // Authors of policies, and of mappings of costs, have programs of their own, which know no server.
    let programs = [
        "crates/statehouse/src/",
        "crates/policy/src/bin/",
        "crates/cost/src/cli/",
        "crates/cost/build.rs",
    ];
    let binary = |file: &File| programs.iter().any(|each| file.name.starts_with(each));
    assert!(!lines(binary, reads).is_empty());
    check(lines(|file| file.is_product() && !binary(file), reads));
}

#[test]
fn only_one_file_prints() {
    let prints = |line: &str| {
        let names = ["print!(", "println!(", "dbg!("];
        names.iter().any(|name| line.contains(name))
    };
    let out = |file: &File| file.name == "crates/statehouse/src/out.rs";
    assert!(!lines(out, prints).is_empty());
    check(lines(|file| file.is_product() && !out(file), prints));
}

#[test]
fn the_offline_verifier_is_built_without_a_server_or_a_database() {
    const SERVER: &[&str] = &[
        "axum",
        "hyper",
        "rusqlite",
        "rustls",
        "statehouse-core",
        "statehouse-web",
        "tokio",
    ];
    let manifest = fs_err::read_to_string(root().join("crates/ledger/Cargo.toml")).unwrap();
    let (_, rest) = manifest.split_once("[dependencies]").unwrap();
    let dependencies = rest.split("\n[").next().unwrap();
    assert!(dependencies.contains("sha2"), "{dependencies}");
    check(
        dependencies
            .lines()
            .filter(|line| SERVER.iter().any(|name| line.starts_with(name)))
            .map(str::to_owned),
    );
}

#[test]
fn a_file_is_read_on_a_few_screens() {
    let long = |file: &File| {
        let count = file.text.lines().count();
        (count > LINES_MAX).then(|| format!("{}: {count} lines", file.name))
    };
    check(
        files()
            .iter()
            .filter(|file| file.is_product())
            .filter_map(long),
    );
}

#[test]
fn every_change_of_the_schema_says_why() {
    let files = files();
    let sql = files.iter().filter(|file| file.is("sql"));
    let silent = sql.filter(|file| {
        let said = file.text.lines().take_while(|line| line.starts_with("-- "));
        said.map(str::len).sum::<usize>() < 80
    });
    check(silent.map(|file| format!("{} does not open with a reason", file.name)));
}

#[test]
fn nothing_is_left_undone_or_left_out() {
    // Put together here, so that this file does not break its own rule.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("to", "do!("),
        concat!("un", "implemented!("),
        concat!("#[", "ignore"),
    ];
    let undone = |file: &File| {
        let find = |(number, line): (usize, &str)| {
            let word = words.iter().find(|word| line.contains(**word))?;
            Some(format!("{}:{}: {word}", file.name, number + 1))
        };
        file.text
            .lines()
            .enumerate()
            .filter_map(find)
            .collect::<Vec<_>>()
    };
    check(
        files()
            .iter()
            .filter(|file| file.is_rust())
            .flat_map(undone),
    );
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let places = [concat!("/ro", "ot/"), concat!("/wo", "rk/")];
    let files = files();
    let found = files.iter().flat_map(|file| {
        let hits = places.iter().filter(|place| file.text.contains(**place));
        hits.map(|place| format!("{} names {place}", file.name))
    });
    check(found);
}

#[test]
fn every_link_in_the_documentation_leads_somewhere() {
    let root = root();
    let mut links = 0;
    let mut broken = Vec::new();
    for file in files().iter().filter(|file| file.is("md")) {
        let folder = root.join(&file.name);
        for target in file.text.split("](").skip(1) {
            let target = target.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            links += 1;
            if !folder.parent().unwrap().join(target).exists() {
                broken.push(format!("{}: {target}", file.name));
            }
        }
    }
    assert!(links > 10, "only {links} links");
    check(broken);
}
