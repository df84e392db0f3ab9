//! Which terraform: found by version, run as it is, and known by its digest.

use std::io::Read;
use std::path::{Path, PathBuf};

use fs_err as fs;
use sha2::{Digest, Sha256};

use super::Trouble;
use super::place::Place;
use crate::control::Tool;

/// The program that runs, and what is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) tool: Tool,
}

/// Finds the tool of a version: in the folder of tools, or on the search path. Where no version is asked for, it is the one on the search
/// path, or else the newest of the folder.
pub(crate) fn find(place: &Place, version: &str) -> Result<Found, Trouble> {
    let exact = !version.is_empty() && version != "latest";
    if exact && let Some(tools) = &place.tools {
        let path = tools.join(format!("terraform_{version}")).join("terraform");
        if path.is_file() {
            return known(path, version.to_owned());
        }
    }
    let there = place
        .path
        .split(':')
        .map(|folder| Path::new(folder).join("terraform"))
        .find(|path| path.is_file());
    if there.is_none()
        && !exact
        && let Some(tools) = &place.tools
        && let Some((path, version)) = newest(tools)?
    {
        return known(path, version);
    }
    let path = there.ok_or_else(|| {
        Trouble::failed(
            "tool",
            "there is no terraform here: put one on the search path of the server, or into its folder of tools",
        )
    })?;
    let path = fs::canonicalize(path).map_err(Trouble::disk)?;
    let found = version_of(&path)?;
    if exact && found != version {
        let words = format!(
            "the workspace wants terraform {version}, and here is {found}; put {version} into the folder of tools"
        );
        return Err(Trouble::failed("tool", words));
    }
    known(path, found)
}

/// The newest release in a folder of tools.
fn newest(tools: &Path) -> Result<Option<(PathBuf, String)>, Trouble> {
    let mut found = None;
    for entry in fs::read_dir(tools).map_err(Trouble::disk)? {
        let entry = entry.map_err(Trouble::disk)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let version = name.strip_prefix("terraform_").map(str::to_owned);
        let path = entry.path().join("terraform");
        if let Some(version) = version
            && let Some(release) = release(&version)
            && path.is_file()
        {
            found = found.max(Some((release, path, version)));
        }
    }
    Ok(found.map(|(_, path, version)| (path, version)))
}

/// The numbers of a release; of what comes before one there are none.
fn release(version: &str) -> Option<[u32; 3]> {
    let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    numbers?.try_into().ok()
}

fn known(path: PathBuf, version: String) -> Result<Found, Trouble> {
    let digest = digest_of(&path)?;
    let tool = Tool {
        name: "terraform".to_owned(),
        version,
        digest,
    };
    Ok(Found { path, tool })
}

/// The version that a binary says it is. It is the operator's own binary, asked outside of any sandbox.
fn version_of(path: &Path) -> Result<String, Trouble> {
    let asked = std::process::Command::new(path)
        .args(["version", "-json"])
        .env_clear()
        .env("CHECKPOINT_DISABLE", "1")
        .output();
    let output = asked.map_err(Trouble::disk)?;
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let version = said
        .get("terraform_version")
        .and_then(serde_json::Value::as_str);
    version.map(str::to_owned).ok_or_else(|| {
        Trouble::failed(
            "tool",
            format!("{} does not say its version", path.display()),
        )
    })
}

/// SHA-256 of a file, in hex.
fn digest_of(path: &Path) -> Result<String, Trouble> {
    let file = fs::File::open(path).map_err(Trouble::disk)?;
    digest(file)
}

/// SHA-256 of what is read, in hex.
pub(crate) fn digest(mut file: impl Read) -> Result<String, Trouble> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = file.read(&mut buffer).map_err(Trouble::disk)?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(buffer.get(..read).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_newest_of_a_folder_is_its_highest_release() {
        let tools = tempfile::tempdir().unwrap();
        for version in ["1.9.8", "1.11.4", "1.12.0-beta1", "1.13.0", "1.2"] {
            let folder = tools.path().join(format!("terraform_{version}"));
            fs::create_dir(&folder).unwrap();
            if version != "1.13.0" {
                fs::write(folder.join("terraform"), "").unwrap();
            }
        }
        fs::write(tools.path().join("terraform_1.99.0"), "").unwrap();
        let (path, version) = newest(tools.path()).unwrap().unwrap();
        assert_eq!(version, "1.11.4");
        assert!(path.ends_with("terraform_1.11.4/terraform"));
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(newest(empty.path()).unwrap(), None);
    }
}
