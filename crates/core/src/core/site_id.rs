//! The id of a site, in a file of its data.

use std::path::Path;

use fs_err as fs;

use super::disk;
use crate::error::{Error, Result};

/// The site's id: made once, never secret, part of what seals bind.
pub(super) fn of(data: &Path) -> Result<String> {
    let path = data.join("site.id");
    match fs::read_to_string(&path) {
        Ok(text) => {
            let id = text.trim();
            format!("req-{id}")
                .parse::<statehouse_model::RequestId>()
                .map_err(|_| {
                    Error::invalid(format!("{} does not hold a site's id", path.display()))
                        .hint("restore it from a backup")
                })?;
            Ok(id.to_owned())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let id = statehouse_model::RequestId::from_entropy(crate::entropy());
            let id = id.as_str().trim_start_matches("req-").to_owned();
            write_whole(&path, &id).map_err(disk)?;
            Ok(id)
        }
        Err(error) => Err(disk(error)),
    }
}

/// Writes a small file so that it is there whole, or not at all.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, format!("{text}\n"))?;
    fs::File::open(&new)?.sync_all()?;
    fs::rename(&new, path)?;
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::File::open(parent)?.sync_all()
}
