//! A plan file as terraform stores it: a ZIP archive, of which the configuration and the dependency lock file are read here.
//!
//! What it holds is written down nowhere but in terraform's source (`internal/plans/planfile`); beside the plan there are the states
//! it was made on, the configuration, and the dependency lock file. Whoever planned wrote it: everything in it has a limit.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::{Component, PathBuf};

use serde::Deserialize;
use zip::ZipArchive;

/// The entry of the dependency lock file.
const LOCK_FILE: &str = ".terraform.lock.hcl";
/// The entry that tells where each module was.
const MODULES: &str = "tfconfig/modules.json";
/// What the names of the files of modules begin with; the key of the module follows, and a `/`.
const FILES: &str = "tfconfig/m-";
/// Longest configuration that is read, in bytes.
const CONFIGURATION_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// What the end of an archive without a comment begins with, and its length.
const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
/// The same of an entry of its directory, before name and extra fields.
const LISTED: &[u8] = b"PK\x01\x02";
const LISTED_BYTES: usize = 46;
/// The extra field that gives an entry another name to some readers, and the one by which its place is another.
const OTHER_NAME: u16 = 0x7075;
const ZIP64: u16 = 0x0001;
/// Where init puts modules that it fetches.
const INITIALIZED: &str = ".terraform";
/// Longest entry that is read, in bytes: of a lock file that is some hundred for each provider.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A module, as a plan file lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Module {
    /// Its path of calls, with dots; empty for the root module.
    #[serde(rename = "Key")]
    pub key: String,
    /// Its folder, from the root module on.
    #[serde(rename = "Dir")]
    pub folder: PathBuf,
    /// What terraform read in it, by name.
    #[serde(skip)]
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Module {
    /// Whether it lies where init puts what it fetched, or outside of the root module.
    pub fn is_fetched(&self) -> bool {
        let mut parts = self.folder.components();
        !parts.all(|part| match part {
            Component::Normal(name) => name != INITIALIZED,
            Component::CurDir => true,
            _ => false,
        })
    }
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
    Ok(modules.is_empty() || modules.iter().any(Module::is_fetched))
}

/// The configuration that a plan carries, and that is applied with it.
///
/// # Errors
///
/// When the bytes are no such archive, or one in which a name is there twice, so that two readers could find two configurations; when a file is
/// of no module that is listed; and when it is too long.
pub fn configuration(plan: &[u8]) -> io::Result<Vec<Module>> {
    let wrong = |why: &str| io::Error::new(ErrorKind::InvalidData, why.to_owned());
    let mut archive = opened(plan)?;
    let modules: Vec<Module> = serde_json::from_slice(&entry(plan, MODULES)?)?;
    let count = modules.len();
    let mut modules: BTreeMap<String, Module> = modules
        .into_iter()
        .map(|module| (module.key.clone(), module))
        .collect();
    if modules.len() != count {
        return Err(wrong("a module is listed twice"));
    }
    let mut left = CONFIGURATION_BYTES_MAX;
    for at in 0..archive.len() {
        let file = archive.by_index(at)?;
        let name = file.name()?.into_owned();
        let Some((key, name)) = name
            .strip_prefix(FILES)
            .and_then(|rest| rest.rsplit_once('/'))
        else {
            continue;
        };
        let unlisted = || wrong("a file of its configuration is of no module");
        let module = modules.get_mut(key).ok_or_else(unlisted)?;
        let mut text = Vec::new();
        // What the archive says of the length is not believed.
        let length = file.take(left.min(BYTES_MAX) + 1).read_to_end(&mut text)? as u64;
        if length > left.min(BYTES_MAX) {
            let words = "a file of its configuration, or all of it, is too long";
            return Err(io::Error::new(ErrorKind::FileTooLarge, words));
        }
        left -= length;
        module.files.insert(name.to_owned(), text);
    }
    Ok(modules.into_values().collect())
}

/// Opens an archive that no two readers can read otherwise: one directory that ends where the end begins, no comment, names in plain letters, each
/// once, and no field by which an entry is called or lies otherwise.
fn opened(plan: &[u8]) -> io::Result<ZipArchive<Cursor<&[u8]>>> {
    let wrong = || {
        let why = "it is not as terraform writes it: two readers could find two things in it";
        io::Error::new(ErrorKind::InvalidData, why)
    };
    let archive = ZipArchive::new(Cursor::new(plan))?;
    let names = listed(plan).ok_or_else(wrong)?;
    let once: BTreeSet<&[u8]> = names.iter().copied().collect();
    if archive.offset() != 0 || once.len() != names.len() || archive.len() != names.len() {
        return Err(wrong());
    }
    Ok(archive)
}

/// The names in the directory of an archive, as they stand there.
fn listed(plan: &[u8]) -> Option<Vec<&[u8]>> {
    let ends_at = plan.len().checked_sub(END_BYTES)?;
    let end = plan.get(ends_at..)?;
    let is_plain = end.starts_with(END) && short(end, 4)? == 0 && short(end, 6)? == 0;
    let count = short(end, 10)?;
    let (size, starts_at) = (long(end, 12)?, long(end, 16)?);
    let is_whole = short(end, 8)? == count && short(end, 20)? == 0;
    if !is_plain || !is_whole || starts_at.checked_add(size)? != ends_at {
        return None;
    }
    let (mut at, mut names) = (starts_at, Vec::new());
    for _ in 0..count {
        let entry = plan.get(at..ends_at)?;
        let lengths = [28, 30, 32].map(|place| short(entry, place).map(usize::from));
        let [Some(name), Some(extra), Some(comment)] = lengths else {
            return None;
        };
        let (name_ends, extra_ends) = (LISTED_BYTES + name, LISTED_BYTES + name + extra);
        let name = entry.get(LISTED_BYTES..name_ends)?;
        if !entry.starts_with(LISTED) || !name.is_ascii() {
            return None;
        }
        let mut fields = entry.get(name_ends..extra_ends)?;
        while !fields.is_empty() {
            if matches!(short(fields, 0)?, OTHER_NAME | ZIP64) {
                return None;
            }
            fields = fields.get(4 + usize::from(short(fields, 2)?)..)?;
        }
        names.push(name);
        at = at.checked_add(extra_ends + comment)?;
    }
    (at == ends_at).then_some(names)
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    let number = u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
    usize::try_from(number).ok()
}

fn entry(plan: &[u8], name: &str) -> io::Result<Vec<u8>> {
    let mut archive = opened(plan)?;
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
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::io::Write;

    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;

    fn plan_of(name: &str, text: &[u8]) -> Vec<u8> {
        archive_of(&[(name, text)])
    }

    fn archive_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        for (name, text) in [("tfplan", &b"plan"[..])].iter().chain(entries) {
            archive.start_file(*name, options).unwrap();
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

    const LISTED: &[u8] = br#"[{"Key":"","Dir":"."},{"Key":"a.b","Dir":".terraform/modules/a/b"}]"#;

    #[test]
    fn the_configuration_is_read_module_by_module() {
        let plan = archive_of(&[
            ("tfconfig/m-/main.tf", b"one"),
            ("tfconfig/m-a.b/main.tf", b"two"),
            ("tfconfig/m-a.b/more.tf.json", b"{}"),
            (MODULES, LISTED),
        ]);
        let modules = configuration(&plan).unwrap();
        let read: Vec<_> = modules
            .iter()
            .map(|module| (module.key.as_str(), module.is_fetched(), module.files.len()))
            .collect();
        assert_eq!(read, [("", false, 1), ("a.b", true, 2)]);
        assert_eq!(
            modules.first().unwrap().files.get("main.tf").unwrap(),
            b"one"
        );
    }

    #[test]
    fn a_configuration_that_two_readers_could_read_otherwise_is_refused() {
        let stray = archive_of(&[("tfconfig/m-other/main.tf", b""), (MODULES, LISTED)]);
        let twice = br#"[{"Key":"","Dir":"."},{"Key":"","Dir":"b"}]"#;
        let listed_twice = archive_of(&[(MODULES, twice)]);
        let good = archive_of(&[
            ("tfconfig/m-/a.tf", b"one"),
            ("tfconfig/m-/b.tf", b"two"),
            (MODULES, LISTED),
        ]);
        configuration(&good).unwrap();
        // The name of one file in place of the other's, in both places where it stands.
        let mut doubled = good.clone();
        while let Some(at) = doubled.windows(5).position(|part| part == b"/b.tf") {
            doubled[at + 1] = b'a';
        }
        let commented = [&good[..], b"more"].concat();
        // Two directories of one length: where the end says, and where it lies.
        let evil = archive_of(&[
            ("tfconfig/m-/a.tf", b"bad"),
            ("tfconfig/m-/b.tf", b"two"),
            (MODULES, LISTED),
        ]);
        let evil = &evil[..evil.len() - END_BYTES];
        let place = |archive: &[u8]| {
            let end = archive.len() - END_BYTES;
            (end - long(archive, end + 12).unwrap()..end, end)
        };
        let mut two = [evil, &good[..]].concat();
        let (directory, _) = place(&[evil, &good[good.len() - END_BYTES..]].concat());
        let at = two.len() - END_BYTES + 16;
        two[at..at + 4].copy_from_slice(&u32::try_from(directory.start).unwrap().to_le_bytes());
        // An entry that some readers call otherwise.
        let (directory, end) = place(&good);
        let mut called = good.clone();
        let extra = [&OTHER_NAME.to_le_bytes()[..], &[2, 0, 1, 0]].concat();
        let name_ends = directory.start + LISTED_BYTES + "tfplan".len();
        let before = short(&called, directory.start + 30).unwrap();
        called[directory.start + 30..directory.start + 32]
            .copy_from_slice(&(before + 6).to_le_bytes());
        let size = u32::try_from(end - directory.start + 6).unwrap();
        called[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
        called.splice(name_ends..name_ends, extra);
        for plan in [stray, listed_twice, doubled, commented, two, called] {
            configuration(&plan).unwrap_err();
        }
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
            configuration(&other).ok();
        }
    }
}
