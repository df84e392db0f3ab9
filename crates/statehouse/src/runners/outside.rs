//! What the operator says of the world outside a sandbox: whom programs there are to trust beside the system's authorities, and which proxy leads
//! out. Read once, at the start, so that a mistake is told to whoever starts the process and not to whoever starts a run.
//!
//! A runner asks for both over its line. There is a password in one of them: it is in no argument, no environment and no file of a runner.
//! Deliberately absent: the proxy that the environment of this process may name. What is secret or decides about trust is said by name.

use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fs_err as fs;
use secrecy::{ExposeSecret, SecretString};
use statehouse_control::{Answer, Told};
use statehouse_runner::drive::authorities::{Authorities, OWN_BYTES_MAX, SYSTEM_BYTES_MAX};
use statehouse_runner::egress::{Upstream, upstream};

use crate::config::{RunLevel, Runs};
use crate::environment::Environment;
use crate::failure::{Failure, Result};
use crate::trust;

/// What every runner of this process may ask of it.
pub(crate) struct Outside {
    trusted: Option<Trusted>,
    proxy: Option<Proxy>,
}

/// The operator's authorities, and where the system has its own. Those are read for each job anew: systems renew them.
struct Trusted {
    own: Authorities,
    system: Option<PathBuf>,
}

struct Proxy {
    address: SecretString,
    except: Vec<String>,
}

impl Outside {
    /// Reads what the settings name, and refuses what is of no use.
    pub(crate) fn of(runs: &Runs, environment: &Environment) -> Result<Self> {
        let trusted = runs.ca_file.as_deref();
        Ok(Self {
            trusted: trusted
                .map(|file| Trusted::of(file, environment))
                .transpose()?,
            proxy: Proxy::of(runs)?,
        })
    }

    /// The certificates that programs trust, where there are others than the system's.
    pub(super) fn authorities(&self) -> Answer {
        match self.trusted.as_ref().map(Trusted::bundle).transpose() {
            Ok(bundle) => Answer::given(bundle),
            Err(failure) => Answer::refused("authorities", failure.message, false),
        }
    }

    /// The proxy that leads out.
    pub(super) fn proxy(&self) -> Answer {
        match &self.proxy {
            None => Told::Nothing.into(),
            Some(proxy) => {
                let said = upstream::said(proxy.address.expose_secret(), &proxy.except);
                Answer::given(Some(said.into()))
            }
        }
    }
}

impl Trusted {
    fn of(file: &Path, environment: &Environment) -> Result<Self> {
        let refused = |why: &dyn std::fmt::Display| {
            let words = format!("runs.ca_file, {}: {why}", file.display());
            Failure::usage(words).hint(
                "name a file with the certificates of your own authorities in PEM form, or none",
            )
        };
        let text = read(file, OWN_BYTES_MAX).map_err(|error| refused(&error))?;
        let own = Authorities::read(&text).map_err(|error| refused(&error))?;
        let system = trust::system(environment);
        if system.is_none() {
            tracing::warn!(
                "this system has no bundle of certificate authorities: runs trust those of runs.ca_file alone"
            );
        }
        let trusted = Self { own, system };
        trusted.bundle()?;
        Ok(trusted)
    }

    /// Both, in one file.
    fn bundle(&self) -> Result<Bytes> {
        let system = match &self.system {
            Some(file) => read(file, SYSTEM_BYTES_MAX).map_err(|error| {
                let words = format!("the system's authorities, {}: {error}", file.display());
                Failure::failed(words).hint(
                    "install the system's certificates again, or name others in SSL_CERT_FILE",
                )
            })?,
            None => Vec::new(),
        };
        Ok(self.own.beside(&system).into())
    }
}

impl Proxy {
    fn of(runs: &Runs) -> Result<Option<Self>> {
        let Some((key, address)) = runs.proxy_address()? else {
            return Ok(None);
        };
        let except = runs.proxy_except.clone();
        let upstream = Upstream::parse(address.expose_secret(), &except);
        let upstream = upstream.map_err(|error| {
            let key = match error {
                upstream::UpstreamError::Except { .. } | upstream::UpstreamError::Many => {
                    "runs.proxy_except"
                }
                _ => key,
            };
            Failure::usage(format!("{key}: {error}"))
                .hint("a proxy is written as http://proxy.corp.example:3128, or http://user:password@proxy.corp.example:3128")
        })?;
        if upstream.has_credential() && runs.level == RunLevel::Process {
            return Err(Failure::usage(format!(
                "{key} has a password, and runs.level is process, where a job can read the memory of its runner"
            ))
            .hint("let this machine through the proxy without a password, or use the level strict"));
        }
        tracing::info!(proxy = %upstream, "runs get out through a proxy");
        Ok(Some(Self { address, except }))
    }
}

/// A file that is not longer than it may be.
fn read(path: &Path, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let words = format!("it is longer than {bytes_max} bytes");
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, words));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::config::{Settings, Sources};
    use crate::failure::Exit;

    const ONE: &str = include_str!("../../../runner/testing/authority.pem");

    /// What comes of settings of `[runs]`, with this bundle as the system's.
    fn outside(file: &str, system: Option<&Path>) -> Result<Outside> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("config.toml");
        fs::write(&path, format!("[runs]\n{file}")).unwrap();
        let sources = Sources {
            config: Some(path),
            set: Vec::new(),
        };
        let system = system.map(|path| path.display().to_string());
        let environment = match &system {
            Some(path) => [("SSL_CERT_FILE", path.as_str())].into(),
            None => Environment::default(),
        };
        let runs = Settings::load(&sources, &environment)?.config()?.runs;
        Outside::of(&runs, &environment)
    }

    fn refusal(file: &str, system: Option<&Path>) -> String {
        let failure = outside(file, system).err().unwrap();
        format!("{} | {}", failure.message, failure.hint.unwrap_or_default())
    }

    fn exit(file: &str) -> Exit {
        outside(file, None).err().unwrap().exit
    }

    #[test]
    fn own_authorities_stand_beside_the_systems_as_these_are_now() {
        let place = tempfile::tempdir().unwrap();
        let (own, system) = (
            place.path().join("own.pem"),
            place.path().join("system.pem"),
        );
        fs::write(&own, ONE).unwrap();
        fs::write(&system, "the system's").unwrap();
        let setting = format!("ca_file = {own:?}");
        let outside = outside(&setting, Some(&system)).unwrap();
        assert_eq!(outside.authorities().bytes, format!("the system's\n{ONE}"));
        fs::write(&system, "renewed\n").unwrap();
        assert_eq!(outside.authorities().bytes, format!("renewed\n{ONE}"));
        fs::remove_file(&system).unwrap();
        // Without the system's, a run would trust others than were meant.
        let refused = outside.authorities().told;
        assert!(matches!(refused, Told::Refused { why, .. } if why.contains("system.pem")));
        let none = self::outside("", Some(&system)).unwrap();
        assert_eq!(
            (none.authorities().told, none.proxy().told),
            (Told::Nothing, Told::Nothing)
        );
    }

    #[test]
    fn authorities_that_are_none_are_refused_at_the_start() {
        let place = tempfile::tempdir().unwrap();
        let own = place.path().join("own.pem");
        let setting = format!("ca_file = {own:?}");
        let check = |words: &str| {
            assert_eq!(exit(&setting), Exit::Usage);
            let refusal = refusal(&setting, None);
            let named = refusal.contains("runs.ca_file") && refusal.contains("own.pem");
            assert!(named && refusal.contains(words), "{refusal}");
        };
        check("No such file");
        fs::write(&own, "").unwrap();
        check("there is no certificate");
        fs::write(&own, [0x30, 0x82, 0xff]).unwrap();
        check("there is no certificate");
        fs::write(
            &own,
            format!("{ONE}-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"),
        )
        .unwrap();
        check("private key");
        fs::write(&own, ONE.repeat(2000)).unwrap();
        check("longer than 1048576 bytes");
        fs::write(&own, ONE).unwrap();
        let missing = refusal(&setting, Some(&place.path().join("gone.pem")));
        assert!(missing.contains("gone.pem"), "{missing}");
    }

    #[test]
    fn a_proxy_is_read_and_a_mistake_in_it_shows_no_password() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("proxy");
        fs::write(&file, "http://build:hunter2@proxy:3128\n").unwrap();
        let said = |settings: &str| {
            let told = outside(settings, None).unwrap().proxy().bytes;
            let upstream = Upstream::told(&told).unwrap();
            (upstream.to_string(), upstream.has_credential())
        };
        let plain = "proxy = \"http://proxy:3128\"\nproxy_except = [\"*.corp.example\"]";
        assert_eq!(said(plain), ("proxy:3128".to_owned(), false));
        let of_file = format!("proxy_file = {file:?}");
        // What everybody can read is no secret.
        let open = refusal(&of_file, None);
        assert!(open.contains("runs.proxy_file: "), "{open}");
        assert!(open.contains("mode 644"), "{open}");
        let gone = format!("proxy_file = {:?}", place.path().join("gone"));
        assert_eq!([exit(&of_file), exit(&gone)], [Exit::Usage, Exit::Usage]);
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&file, closed).unwrap();
        assert_eq!(said(&of_file), ("proxy:3128".to_owned(), true));
        let process = "level = \"process\"\nlevel_reason = \"a test\"\nslots = 1\n";
        for (settings, words) in [
            (
                "proxy = \"https://u:hunter2@proxy:3128\"",
                "runs.proxy: it must begin with http://",
            ),
            (
                "proxy = \"http://u:hunter2@proxy\"",
                "runs.proxy: it needs a port",
            ),
            (
                "proxy = \"http://hunter2@proxy:1\"",
                "runs.proxy: its user and password",
            ),
            (
                "proxy = \"http://u:hunter2@proxy:1\"\nproxy_except = [\"10.0.0.0/8\"]",
                "runs.proxy_except: `10.0.0.0/8`",
            ),
            (
                &format!("proxy = \"http://u:hunter2@proxy:1\"\n{of_file}"),
                "only one can count",
            ),
            (
                &format!("{process}proxy = \"http://u:hunter2@proxy:1\""),
                "runs.level is process",
            ),
        ] {
            let refusal = refusal(settings, None);
            assert!(
                refusal.contains(words) && !refusal.contains("hunter2"),
                "{refusal}"
            );
        }
        assert_eq!(said(&format!("{process}{plain}")).0, "proxy:3128");
    }
}
