//! What the server is told: compiled-in default < file < environment < flags.
//!
//! [`Settings`] knows every value and where it came from; [`Config`] is the same as types, read once and passed down in parts.
//! The default names every key there is, so that a key it does not know is a mistake, and is refused with its origin.
//!
//! Deliberately absent: profiles, includes, and changing settings of a running server; only certificates are read again.

mod layer;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::value::Value;
use fs_err as fs;
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret, SecretString};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use statehouse_core::job::Sandbox;
use statehouse_core::job::sandbox::REASON_BYTES_MAX;

use crate::environment::Environment;
use crate::failure::{Exit, Failure, Result};
use crate::files;
use layer::Layer;

/// The default, which is also the documentation.
pub(crate) const DEFAULT: &str = include_str!("../../config.default.toml");
/// Read when there is one and no other is named.
const FILE: &str = "/etc/statehouse/config.toml";
/// Keys whose values are shown to nobody, and not taken from arguments, which every user of the machine can read.
const SECRETS: [&str; 2] = ["database.url", "runs.proxy"];

/// Where settings come from, as arguments.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Sources {
    /// A file over the default; without it /etc/statehouse/config.toml, if there is one
    #[arg(long, value_name = "FILE", help_heading = "Configuration")]
    pub(crate) config: Option<PathBuf>,
    /// A setting over everything else, for example listen.port=443; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", help_heading = "Configuration")]
    pub(crate) set: Vec<String>,
}

/// Every setting, with its origin.
pub(crate) struct Settings(Figment);

/// One setting, for eyes.
pub(crate) struct Entry {
    /// `section.key`.
    pub(crate) key: String,
    /// Its value, redacted when it is a secret.
    pub(crate) value: serde_json::Value,
    /// Where it comes from.
    pub(crate) origin: String,
}

impl Settings {
    /// Reads all layers, and refuses keys that the default does not have.
    pub(crate) fn load(sources: &Sources, environment: &Environment) -> Result<Self> {
        let default = Layer::default_of(DEFAULT)?;
        let mut layers = Vec::new();
        let file = sources
            .config
            .clone()
            .or_else(|| Some(PathBuf::from(FILE)).filter(|file| file.exists()));
        if let Some(file) = file {
            layers.push(Layer::of_toml(
                &file.display().to_string(),
                &fs::read_to_string(&file)?,
            )?);
        }
        layers.extend(
            environment
                .server()
                .map(|(name, value)| Layer::of_variable(name, value)),
        );
        for setting in &sources.set {
            layers.push(Layer::of_flag(setting)?);
        }
        for layer in &layers {
            layer.check_keys(&default)?;
        }
        let figment = layers
            .into_iter()
            .fold(Figment::from(default), Figment::merge);
        Ok(Self(figment))
    }

    /// The default alone.
    pub(crate) fn of_default() -> Result<Self> {
        Ok(Self(Figment::from(Layer::default_of(DEFAULT)?)))
    }

    /// The default, with settings of the command line over it.
    pub(crate) fn of_flags(set: &[String]) -> Result<Self> {
        let default = Layer::default_of(DEFAULT)?;
        let mut figment = Figment::from(Layer::default_of(DEFAULT)?);
        for setting in set {
            let layer = Layer::of_flag(setting)?;
            layer.check_keys(&default)?;
            figment = figment.merge(layer);
        }
        Ok(Self(figment))
    }

    /// As types, checked.
    pub(crate) fn config(&self) -> Result<Config> {
        let config: Config = self.0.extract().map_err(|error| refused(&error))?;
        config.check()?;
        Ok(config)
    }

    /// Every setting in order.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>> {
        let default = Layer::default_of(DEFAULT)?;
        let entry = |key: String| {
            let value = self.0.find_value(&key).map_err(|error| refused(&error))?;
            let origin = self
                .0
                .get_metadata(value.tag())
                .map_or_else(|| "default".to_owned(), |origin| origin.name.to_string());
            Ok(Entry {
                value: shown(&key, &value)?,
                key,
                origin,
            })
        };
        default.keys().into_iter().map(entry).collect()
    }
}

/// A setting that has the wrong type or value: which, from where, and why.
fn refused(error: &figment::Error) -> Failure {
    let origin = error
        .metadata
        .as_ref()
        .map_or("the configuration", |origin| &origin.name);
    Failure::usage(format!("{} in {origin}: {}", error.path.join("."), error.kind))
        .hint("`statehouse config default` explains every setting, `statehouse config show` tells what is set where")
}

fn shown(key: &str, value: &Value) -> Result<serde_json::Value> {
    if SECRETS.contains(&key) && value.as_str() != Some("") {
        return Ok("(secret, set)".into());
    }
    value.deserialize().map_err(|error| refused(&error))
}

/// What the server is told, as types.
#[derive(Deserialize)]
pub(crate) struct Config {
    pub(crate) listen: Listen,
    pub(crate) data: Data,
    pub(crate) database: Database,
    pub(crate) keys: Keys,
    pub(crate) tls: Tls,
    pub(crate) health: Health,
    pub(crate) log: Log,
    pub(crate) api: Api,
    pub(crate) runs: Runs,
    pub(crate) notifications: Notifications,
    pub(crate) door: Door,
}

/// Where clients connect.
#[derive(Deserialize)]
pub(crate) struct Listen {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
}

/// Where data is.
#[derive(Deserialize)]
pub(crate) struct Data {
    #[serde(deserialize_with = "path")]
    pub(crate) dir: PathBuf,
    #[serde(deserialize_with = "path")]
    pub(crate) anchors: PathBuf,
}

/// Another database than files.
#[derive(Deserialize)]
pub(crate) struct Database {
    #[serde(deserialize_with = "optional_secret")]
    url: Option<SecretString>,
    #[serde(deserialize_with = "optional_path")]
    url_file: Option<PathBuf>,
    #[serde(deserialize_with = "optional_path")]
    pub(crate) ca_file: Option<PathBuf>,
}

impl Database {
    /// The address of the PostgreSQL server, if there shall be one.
    pub(crate) fn address(&self) -> Result<Option<SecretString>> {
        self.url_file
            .as_deref()
            .map(files::secret)
            .transpose()
            .map(|read| read.or_else(|| self.url.clone()))
    }
}

/// Who holds the secrets of organizations.
#[derive(Deserialize)]
pub(crate) struct Keys {
    pub(crate) provider: KeyProvider,
    #[serde(deserialize_with = "path")]
    pub(crate) dir: PathBuf,
    #[serde(deserialize_with = "optional_path")]
    pub(crate) passphrase_file: Option<PathBuf>,
    #[serde(deserialize_with = "optional_path")]
    pub(crate) module: Option<PathBuf>,
    pub(crate) token: String,
    #[serde(deserialize_with = "optional_path")]
    pub(crate) pin_file: Option<PathBuf>,
}

/// The kinds of root key providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyProvider {
    /// A file for each organization.
    Directory,
    /// One passphrase for all.
    Passphrase,
    /// A hardware security module.
    Pkcs11,
}

/// The certificate.
#[derive(Deserialize)]
pub(crate) struct Tls {
    #[serde(deserialize_with = "optional_path")]
    pub(crate) chain: Option<PathBuf>,
    #[serde(deserialize_with = "optional_path")]
    pub(crate) key: Option<PathBuf>,
    #[serde(deserialize_with = "server_names")]
    pub(crate) names: Vec<ServerName<'static>>,
    #[serde(deserialize_with = "optional_path")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// Where health is told.
#[derive(Deserialize)]
pub(crate) struct Health {
    // Relative to the data directory, therefore not made absolute here.
    pub(crate) socket: String,
    #[serde(deserialize_with = "loopback")]
    pub(crate) address: Option<SocketAddr>,
}

/// What is logged, and how.
#[derive(Deserialize)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: String,
}

/// The forms of logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For eyes.
    Text,
    /// For programs.
    Json,
}

/// How fast clients may ask.
#[derive(Deserialize)]
pub(crate) struct Api {
    pub(crate) requests_per_second: u32,
    pub(crate) burst: u32,
}

/// What runs here, and what keeps it apart.
#[derive(Deserialize)]
pub(crate) struct Runs {
    pub(crate) slots: u32,
    pub(crate) jobs_max: u64,
    pub(crate) places_per_organization_max: u32,
    #[serde(deserialize_with = "some_minutes")]
    pub(crate) plan_minutes_max: u64,
    #[serde(deserialize_with = "some_minutes")]
    pub(crate) apply_minutes_max: u64,
    #[serde(deserialize_with = "path")]
    pub(crate) dir: PathBuf,
    pub(crate) level: RunLevel,
    pub(crate) level_reason: String,
    pub(crate) uid_first: u32,
    pub(crate) gid_first: u32,
    // Relative to where control groups are mounted, therefore not made absolute here.
    pub(crate) cgroup: String,
    pub(crate) memory_mib_max: u64,
    pub(crate) processes_max: u64,
    #[serde(deserialize_with = "optional_path")]
    pub(crate) bubblewrap: Option<PathBuf>,
    #[serde(deserialize_with = "optional_path")]
    pub(crate) tools: Option<PathBuf>,
    #[serde(deserialize_with = "optional_path")]
    pub(crate) provider_mirror: Option<PathBuf>,
    pub(crate) provider_cache_mib_max: u64,
    pub(crate) egress: Vec<String>,
    #[serde(deserialize_with = "optional_path")]
    pub(crate) ca_file: Option<PathBuf>,
    #[serde(deserialize_with = "optional_secret")]
    proxy: Option<SecretString>,
    #[serde(deserialize_with = "optional_path")]
    pub(crate) proxy_file: Option<PathBuf>,
    pub(crate) proxy_except: Vec<String>,
}

impl Runs {
    /// The proxy that runs get out through, if there shall be one, and the setting that names it.
    pub(crate) fn proxy_address(&self) -> Result<Option<(&'static str, SecretString)>> {
        match &self.proxy_file {
            Some(file) => {
                let key = "runs.proxy_file";
                let address = files::secret(file).map_err(|failure| Failure {
                    exit: Exit::Usage,
                    message: format!("{key}: {}", failure.message),
                    ..failure
                })?;
                Ok(Some((key, address)))
            }
            None => Ok(self.proxy.clone().map(|address| ("runs.proxy", address))),
        }
    }
}

/// Who elsewhere may be told of runs.
#[derive(Deserialize)]
pub(crate) struct Notifications {
    pub(crate) public: bool,
    pub(crate) allow: Vec<String>,
    #[serde(deserialize_with = "optional_path")]
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) address: String,
}

/// How much keeps a job apart from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RunLevel {
    /// Every layer.
    Strict,
    /// A process of another user.
    Process,
}

impl Runs {
    /// What keeps jobs apart here, and why that is not every layer where it is not.
    pub(crate) fn sandbox(&self) -> Result<Sandbox> {
        let level = match self.level {
            RunLevel::Strict => "strict",
            RunLevel::Process => "process",
        };
        let told = Sandbox::told(level, Some(&self.level_reason));
        told.map_err(|error| Failure::usage(error.message()))
    }
}

/// How changes are committed.
#[derive(Deserialize)]
pub(crate) struct Door {
    #[serde(deserialize_with = "at_least_one")]
    pub(crate) batch_jobs_max: usize,
}

impl Config {
    /// What no single value shows: settings that need or exclude each other.
    fn check(&self) -> Result {
        let Self {
            keys,
            tls,
            database,
            runs,
            ..
        } = self;
        let complain = |words: &str| {
            Err(Failure::usage(format!(
                "the configuration does not fit together: {words}"
            )))
        };
        if tls.chain.is_some() != tls.key.is_some() {
            return complain("tls.chain and tls.key belong together, and one is not set");
        }
        if database.url.is_some() && database.url_file.is_some() {
            return complain(
                "database.url and database.url_file are both set, and only one can count",
            );
        }
        if runs.proxy.is_some() && runs.proxy_file.is_some() {
            return complain("runs.proxy and runs.proxy_file are both set, and only one can count");
        }
        if let Err(failure) = runs.sandbox() {
            let wrong = if runs.level_reason.len() > REASON_BYTES_MAX {
                "is too long"
            } else {
                "is missing or says too little"
            };
            let words = format!(
                "runs.level is process, which keeps a job from little, and runs.level_reason {wrong}: {}",
                failure.message
            );
            return complain(&words);
        }
        if runs.level == RunLevel::Process && runs.slots > 1 {
            return complain(
                "runs.level is process, where jobs share the ports of this machine, and runs.slots is more than 1",
            );
        }
        match keys.provider {
            KeyProvider::Passphrase if keys.passphrase_file.is_none() => {
                complain("keys.provider is passphrase, and keys.passphrase_file is not set")
            }
            KeyProvider::Pkcs11
                if keys.module.is_none() || keys.token.is_empty() || keys.pin_file.is_none() =>
            {
                complain(
                    "keys.provider is pkcs11, and needs keys.module, keys.token and keys.pin_file",
                )
            }
            _ => Ok(()),
        }
    }

    /// The same for an agent, which works in `dir` and does `slots` jobs at once.
    pub(crate) fn of_agent(mut self, dir: Option<&Path>, slots: Option<u32>) -> Result<Self> {
        if let Some(dir) = dir {
            let dir: PathBuf = std::path::absolute(dir)?.components().collect();
            self.runs.dir = reached(dir.clone(), &dir);
        }
        self.runs.slots = slots.unwrap_or(self.runs.slots);
        if self.runs.slots == 0 {
            return Err(Failure::usage("an agent without a place does nothing")
                .hint("give --slots, or set runs.slots"));
        }
        self.check()?;
        Ok(self)
    }

    /// Data in `dir`, keys beside it in `dir.keys`, anchors in `dir.anchor`: what `up` uses.
    pub(crate) fn beside(dir: &Path, set: &[String]) -> Result<Self> {
        let dir: PathBuf = std::path::absolute(dir)?.components().collect();
        if dir.file_name().is_none() {
            return Err(Failure::usage(format!(
                "{} has no name that its siblings could share",
                dir.display()
            )));
        }
        let sibling = |suffix: &str| {
            let mut name = dir.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let mut config = Settings::of_flags(set)?.config()?;
        config.runs.dir = reached(sibling(".runner"), &dir);
        config.keys.dir = sibling(".keys");
        config.data = Data {
            anchors: sibling(".anchor"),
            dir,
        };
        Ok(config)
    }
}

/// Where runners work beside a directory. Where the server is root they are other users, who must get there: a home of root's
/// is closed to them, and the place is then one that is open, told apart by the directory's name.
fn reached(beside: PathBuf, dir: &Path) -> PathBuf {
    if !rustix::process::geteuid().is_root() || files::is_open_to_all(&beside) {
        return beside;
    }
    let name = dir.to_string_lossy().replace('/', "-");
    Path::new("/var/tmp").join(format!("statehouse{name}.runner"))
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    String::deserialize(from).map(|text| Some(text).filter(|text| !text.is_empty()))
}

/// Absolute, because the working directory is nobody's configuration.
fn optional_path<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    text(from)?
        .map(|text| std::path::absolute(text).map_err(D::Error::custom))
        .transpose()
}

fn path<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    optional_path(from)?.ok_or_else(|| D::Error::custom("it is empty, and has to be a path"))
}

fn optional_secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    text(from).map(|text| text.map(SecretString::from))
}

fn server_names<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ServerName<'static>>, D::Error> {
    let name = |text: String| {
        ServerName::try_from(text.clone())
            .map_err(|error| D::Error::custom(format!("{text:?}: {error}")))
    };
    Vec::<String>::deserialize(from)?
        .into_iter()
        .map(name)
        .collect()
}

fn loopback<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let address = text(from)?
        .map(|text| text.parse::<SocketAddr>().map_err(D::Error::custom))
        .transpose()?;
    match address {
        Some(address) if !address.ip().is_loopback() => Err(D::Error::custom(
            "it is no loopback address, and is served without TLS",
        )),
        other => Ok(other),
    }
}

fn at_least_one<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    usize::deserialize(from).and_then(|count| {
        if count == 0 {
            Err(D::Error::custom("it is 0"))
        } else {
            Ok(count)
        }
    })
}

fn some_minutes<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    u64::deserialize(from).and_then(|minutes| match minutes {
        0 => Err(D::Error::custom("it is 0, and no job ends in no time")),
        _ => Ok(minutes),
    })
}

/// Whether the key holds a secret.
fn is_secret(key: &str) -> bool {
    SECRETS.contains(&key)
}

/// The address without what stands before the host, for logs.
pub(crate) fn without_password(address: &SecretString) -> String {
    let address = address.expose_secret();
    let after = address.rsplit_once('@').map_or_else(
        || address.split_once("://").map_or(address, |(_, rest)| rest),
        |(_, rest)| rest,
    );
    after.split('?').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
