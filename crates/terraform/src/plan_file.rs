//! A plan file as terraform stores it: a ZIP archive, of which two entries are read here.
//!
//! What it holds is written down nowhere but in terraform's source (`internal/plans/planfile`); beside the plan there are the states
//! it was made on, the configuration, and the dependency lock file. Whoever planned wrote it: everything in it has a limit.

use std::io::{self, Cursor, ErrorKind, Read};
use std::path::{Component, PathBuf};

use serde::Deserialize;
use zip::ZipArchive;

/// The entry of the dependency lock file.
const LOCK_FILE: &str = ".terraform.lock.hcl";
/// The entry that tells where each module was.
const MODULES: &str = "tfconfig/modules.json";
/// Where init puts modules that it fetches.
const INITIALIZED: &str = ".terraform";
/// Longest entry that is read, in bytes: of a lock file that is some hundred for each provider.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A module, as a plan file lists it.
#[derive(Deserialize)]
struct Module {
    #[serde(rename = "Dir")]
    folder: PathBuf,
}

/// The dependency lock file that a plan was made with.
///
/// # Errors
///
/// When the bytes are no such archive, or have no lock file, or one that is too long.
pub fn lock_file(plan: &[u8]) -> io::Result<Vec<u8>> {
    entry(plan, LOCK_FILE)
}

/// Whether a configuration has a module that was fetched by init. Of a module a plan file holds what terraform reads itself, and no other
/// file: what `file` and its kin find below `path.module` when the plan is applied is only there where init put the module.
///
/// # Errors
///
/// When the bytes are no such archive, or do not say it.
pub fn has_fetched_modules(plan: &[u8]) -> io::Result<bool> {
    let modules: Vec<Module> = serde_json::from_slice(&entry(plan, MODULES)?)?;
    let is_fetched = |module: &Module| {
        let mut parts = module.folder.components();
        !parts.all(|part| match part {
            Component::Normal(name) => name != INITIALIZED,
            Component::CurDir => true,
            _ => false,
        })
    };
    Ok(modules.is_empty() || modules.iter().any(is_fetched))
}

fn entry(plan: &[u8], name: &str) -> io::Result<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(plan))?;
    let entry = archive.by_name(name)?;
    let mut text = Vec::new();
    // What the archive says of the length is not believed.
    entry.take(BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        let words = format!("`{name}` of the plan file has more than {BYTES_MAX} bytes");
        return Err(io::Error::new(ErrorKind::FileTooLarge, words));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;

    fn plan_of(name: &str, text: &[u8]) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        for (name, text) in [("tfplan", &b"plan"[..]), (name, text)] {
            archive.start_file(name, options).unwrap();
            archive.write_all(text).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    #[test]
    fn the_lock_file_is_the_one_that_is_in_it() {
        let text = b"provider \"registry.terraform.io/hashicorp/null\" {}\n".repeat(50);
        assert_eq!(lock_file(&plan_of(LOCK_FILE, &text)).unwrap(), text);
    }

    #[test]
    fn modules_are_told_that_lie_where_init_puts_them() {
        let check = |modules: &str, expected: Option<bool>| {
            let found = has_fetched_modules(&plan_of(MODULES, modules.as_bytes())).ok();
            assert_eq!(found, expected, "{modules}");
        };
        let of =
            |folder: &str| format!(r#"[{{"Key":"","Dir":"."}},{{"Key":"m","Dir":"{folder}"}}]"#);
        check(r#"[{"Key":"","Dir":"."}]"#, Some(false));
        check(&of("m"), Some(false));
        check(&of("./m/below"), Some(false));
        for folder in [
            ".terraform/modules/m",
            "./.terraform/modules/m/sub",
            "live/.terraform/modules/m",
            "../m",
            "/etc",
        ] {
            check(&of(folder), Some(true));
        }
        check("[]", Some(true));
        for odd in ["", "{}", r#"[{"Key":"m"}]"#] {
            check(odd, None);
        }
        assert!(has_fetched_modules(&plan_of(LOCK_FILE, b"text")).is_err());
    }

    #[test]
    fn what_is_no_plan_file_has_none() {
        let plan = plan_of(LOCK_FILE, b"text");
        assert!(lock_file(&plan_of("tfconfig/.terraform.lock.hcl", b"text")).is_err());
        assert!(lock_file(b"").is_err());
        assert!(lock_file(&plan[..plan.len() - 1]).is_err());
        let bomb = vec![0; usize::try_from(BYTES_MAX).unwrap() + 1];
        let refused = lock_file(&plan_of(LOCK_FILE, &bomb)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::FileTooLarge);
        // No byte of it makes reading panic.
        for at in 0..plan.len() {
            let mut other = plan.clone();
            if let Some(byte) = other.get_mut(at) {
                *byte ^= 0xff;
            }
            lock_file(&other).ok();
        }
    }
}
