//! The files of a directory: policies, data documents and manifests.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::references::{self, References};
use crate::manifest::package_of;

/// Files and folders of one directory. The largest public library has 4,000.
const ENTRIES_MAX: usize = 100_000;
/// Bytes of one file; larger ones are no policies, and no mocks that anybody wrote.
const FILE_BYTES_MAX: u64 = 32 << 20;
/// Folders within folders.
const DEPTH_MAX: usize = 64;

/// Why there is nothing to test.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The error names the file.
    #[error("the tests cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// All of it is too much.
    #[error(
        "{0} has more than {ENTRIES_MAX} files and folders, or folders deeper than {DEPTH_MAX}; name the folder with the policies"
    )]
    TooMuch(PathBuf),
}

/// A file of Rego.
#[derive(Debug)]
pub(super) struct Module {
    /// Its path from the directory, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    /// Its package; empty where it opens with none.
    pub(super) package: String,
    /// Whether tests stand in it.
    pub(super) is_test: bool,
    /// What it refers to elsewhere.
    pub(super) references: References,
}

impl Module {
    /// The folder that it stands in; empty for the directory itself.
    pub(super) fn folder(&self) -> &str {
        folder_of(&self.path)
    }
}

/// Everything that tests can need.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) modules: Vec<Module>,
    /// Documents of JSON and YAML by their paths, sorted.
    pub(super) documents: Vec<(String, String)>,
    /// Manifests: ours, and the lists of other products.
    pub(super) manifests: Vec<(String, String)>,
    /// What was passed over.
    pub(super) notes: Vec<String>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Tree, TreeError> {
        let mut tree = Tree::default();
        let mut folders = vec![(root.to_owned(), String::new(), 0)];
        let mut entries = 0;
        if root.is_file() {
            folders.clear();
            tree.file(
                root,
                &root.file_name().unwrap_or_default().to_string_lossy(),
            )?;
        }
        while let Some((folder, prefix, depth)) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                entries += 1;
                if entries > ENTRIES_MAX || depth > DEPTH_MAX {
                    return Err(TreeError::TooMuch(root.to_owned()));
                }
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with('.') {
                    continue;
                }
                let path = format!("{prefix}{name}");
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push((entry.path(), format!("{path}/"), depth + 1));
                } else if kind.is_file() {
                    tree.file(&entry.path(), &path)?;
                }
            }
        }
        tree.modules.sort_by(|one, other| one.path.cmp(&other.path));
        tree.documents.sort();
        tree.manifests.sort();
        Ok(tree)
    }

    fn file(&mut self, place: &Path, path: &str) -> Result<(), TreeError> {
        let ending = path
            .rsplit_once('.')
            .map(|(_, ending)| ending)
            .unwrap_or_default();
        if !matches!(ending, "rego" | "json" | "yaml" | "yml" | "toml" | "hcl") {
            return Ok(());
        }
        if fs::metadata(place)?.len() > FILE_BYTES_MAX {
            self.notes.push(format!(
                "{path}: it is larger than {FILE_BYTES_MAX} bytes and was passed over"
            ));
            return Ok(());
        }
        let Ok(text) = String::from_utf8(fs::read(place)?) else {
            self.notes
                .push(format!("{path}: it is not UTF-8 text and was passed over"));
            return Ok(());
        };
        match ending {
            "rego" => self.modules.push(Module {
                path: path.to_owned(),
                package: package_of(&text).unwrap_or_default(),
                is_test: has_tests(&text),
                references: references::of(&text),
                text,
            }),
            "toml" | "hcl" => self.manifests.push((path.to_owned(), text)),
            _ => self.documents.push((path.to_owned(), text)),
        }
        Ok(())
    }
}

/// The folder of a path; empty where there is none.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/')
        .map(|(folder, _)| folder)
        .unwrap_or_default()
}

/// The names of the tests that a text seems to have: for files that cannot be loaded.
pub(super) fn test_names(text: &str) -> impl Iterator<Item = (u32, &str)> {
    (1..).zip(text.lines()).filter_map(|(line, text)| {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
        let name = text.get(..end)?;
        name.starts_with("test_").then_some((line, name))
    })
}

fn has_tests(text: &str) -> bool {
    text.lines()
        .any(|line| line.starts_with("test_") || line.starts_with("todo_test_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_told_by_their_names_at_the_beginning_of_a_line() {
        let text = "package a\n\ntest_one if true\n  test_two if true\ntest_three {\n true }\n# test_four\nmy_test_five := 1\n";
        assert_eq!(
            test_names(text).collect::<Vec<_>>(),
            [(3, "test_one"), (5, "test_three")]
        );
        assert!(has_tests(text));
        assert!(has_tests("todo_test_later if true"));
        assert!(!has_tests("package a\n\nallow if test_one"));
    }
}
