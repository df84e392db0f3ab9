//! A plan file as terraform stores it: a ZIP archive, of which one entry is read here.
//!
//! What it holds is written down nowhere but in terraform's source (`internal/plans/planfile`); beside the plan there are the states
//! it was made on, the configuration, and the dependency lock file. Whoever planned wrote it: everything in it has a limit.

use std::io::{self, Cursor, ErrorKind, Read};

use zip::ZipArchive;

/// The entry of the dependency lock file.
const LOCK_FILE: &str = ".terraform.lock.hcl";
/// Longest dependency lock file, in bytes: some hundred for each provider.
const LOCK_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The dependency lock file that a plan was made with.
///
/// # Errors
///
/// When the bytes are no such archive, or have no lock file, or one that is too long.
pub fn lock_file(plan: &[u8]) -> io::Result<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(plan))?;
    let entry = archive.by_name(LOCK_FILE)?;
    let mut text = Vec::new();
    // What the archive says of the length is not believed.
    entry.take(LOCK_FILE_BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > LOCK_FILE_BYTES_MAX {
        let words = format!("the lock file has more than {LOCK_FILE_BYTES_MAX} bytes");
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
    fn what_is_no_plan_file_has_none() {
        let plan = plan_of(LOCK_FILE, b"text");
        assert!(lock_file(&plan_of("tfconfig/.terraform.lock.hcl", b"text")).is_err());
        assert!(lock_file(b"").is_err());
        assert!(lock_file(&plan[..plan.len() - 1]).is_err());
        let bomb = vec![0; usize::try_from(LOCK_FILE_BYTES_MAX).unwrap() + 1];
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
