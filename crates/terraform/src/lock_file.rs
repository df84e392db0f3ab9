//! What a dependency lock file names: each provider in its one version, and the hashes of packages that may stand for it.
//!
//! Terraform writes the file itself, in lines of one form (the docs call it `.terraform.lock.hcl`). Those are read here, and whatever has another
//! form is passed over: the file says what may be taken out of a cache, and terraform holds what was taken against it again.
//!
//! Absent on purpose: `zh:` hashes, which are of archives that nobody keeps.

/// Providers of a file that are looked at; configurations use some ten.
const PROVIDERS_MAX: usize = 1000;
/// Hashes of a provider that are looked at: one for each platform.
const HASHES_MAX: usize = 100;

/// A provider that is locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// Its address in full, as `registry.terraform.io/hashicorp/aws`.
    pub provider: String,
    /// Its version.
    pub version: String,
    /// Hashes of its packages, each `h1:` and 44 letters of base64: over what is in a package, however it was packed.
    pub hashes: Vec<String>,
}

/// The providers that a lock file names.
pub fn locked(text: &str) -> Vec<Locked> {
    let mut found: Vec<Locked> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(provider) = between(line, "provider \"", "\" {") {
            if found.len() == PROVIDERS_MAX {
                break;
            }
            found.push(Locked {
                provider: provider.to_owned(),
                version: String::new(),
                hashes: Vec::new(),
            });
            continue;
        }
        let Some(last) = found.last_mut() else {
            continue;
        };
        if let Some(("version", rest)) = line
            .split_once('=')
            .map(|(name, rest)| (name.trim(), rest.trim()))
        {
            last.version = between(rest, "\"", "\"").unwrap_or_default().to_owned();
        } else if let Some(hash) = between(line, "\"", "\",").filter(|hash| hash.starts_with("h1:"))
            && last.hashes.len() < HASHES_MAX
        {
            last.hashes.push(hash.to_owned());
        }
    }
    found
}

fn between<'t>(line: &'t str, before: &str, after: &str) -> Option<&'t str> {
    line.strip_prefix(before)?.strip_suffix(after)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::*;

    const FILE: &str = r#"# This file is maintained automatically by "terraform init".
# Manual edits may be lost in future updates.

provider "registry.terraform.io/hashicorp/aws" {
  version     = "5.100.0"
  constraints = "~> 5.0"
  hashes = [
    "h1:Ijt7pOlB7Tr7maGQIqtsLFbl7pSMIj06TVdkoSBcYOw=",
    "h1:H3mU/7URhP0uCRGK8jeQRKxx2XFzEqLiOq/L2Bbiaxs=",
    "zh:054b8dd49f0549c9a7cc27d159e45327b7b65cf404da5e5a20da154b90b8a644",
  ]
}

provider "registry.example.com:8443/acme/thing" {
  version = "1.0.0"
}
"#;

    #[test]
    fn each_provider_has_its_version_and_the_hashes_of_its_content() {
        let [aws, thing] = &locked(FILE)[..] else {
            panic!("two are locked");
        };
        assert_eq!(aws.provider, "registry.terraform.io/hashicorp/aws");
        assert_eq!(aws.version, "5.100.0");
        assert_eq!(aws.hashes.len(), 2);
        assert!(aws.hashes.iter().all(|hash| hash.starts_with("h1:")));
        assert_eq!(thing.provider, "registry.example.com:8443/acme/thing");
        assert_eq!((thing.version.as_str(), thing.hashes.len()), ("1.0.0", 0));
    }

    #[test]
    fn what_terraform_would_not_write_is_passed_over() {
        for text in [
            "",
            "provider",
            "\"h1:x\",",
            "provider \"\nversion = \"1\"",
            "# provider \"a/b/c\" {",
        ] {
            assert_eq!(locked(text), [], "{text:?}");
        }
        let many = "provider \"a/b/c\" {\n".repeat(PROVIDERS_MAX + 1);
        assert_eq!(locked(&many).len(), PROVIDERS_MAX);
    }
}
