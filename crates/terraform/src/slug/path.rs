//! Paths of an archive, made into the one form in which they can be compared, or refused.

use super::{Fault, Limits};

/// How much of a path an error shows.
const SHOWN_CHARS_MAX: usize = 200;

/// A path as an error shows it: escaped, because it comes from whoever made the archive, and shortened.
pub(super) fn shown(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    let escaped = text.chars().flat_map(char::escape_debug);
    let mut shown: String = escaped.take(SHOWN_CHARS_MAX + 1).collect();
    if let Some((end, _)) = shown.char_indices().nth(SHOWN_CHARS_MAX) {
        shown.truncate(end);
        shown.push('…');
    }
    format!("`{shown}`")
}

/// Text that has no control characters and no backslash: what Windows takes for a separator is refused everywhere.
pub(super) fn plain(bytes: &[u8], limits: &Limits) -> Result<String, Fault> {
    if bytes.len() > limits.path_bytes_max {
        return Err(Fault::Long(limits.path_bytes_max));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::Unreadable)?;
    if text.chars().any(|char| char.is_control() || char == '\\') {
        return Err(Fault::Unreadable);
    }
    Ok(text.to_owned())
}

/// The path without `.`, doubled and trailing separators; empty for the root itself.
pub(super) fn normal(bytes: &[u8], limits: &Limits) -> Result<String, Fault> {
    let text = plain(bytes, limits)?;
    if text.is_empty() {
        return Err(Fault::Nameless);
    }
    if text.starts_with('/') {
        return Err(Fault::Absolute);
    }
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(Fault::Parent),
            name => parts.push(name),
        }
    }
    if parts.len() > limits.depth_max {
        return Err(Fault::Deep(limits.depth_max));
    }
    Ok(parts.join("/"))
}

/// Whether a path is part of a configuration: not inside `.git/`, and not inside `.terraform/`, but for `.terraform/modules/`. A
/// `.terraform` that is no folder does not belong either: as a link it would lead to what may not lie in it.
pub fn belongs(path: &str, folder: bool) -> bool {
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        let next = parts.peek().copied();
        let out = match part {
            ".git" => next.is_some() || folder,
            ".terraform" => next.map_or(!folder, |next| next != "modules"),
            _ => false,
        };
        if out {
            return false;
        }
    }
    true
}
