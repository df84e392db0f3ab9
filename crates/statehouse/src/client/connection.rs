//! Which server, whose token, and what is trusted: flags over the environment over what `login` stored.

use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use figment::providers::{Format, Toml};
use fs_err as fs;
use hyper::Uri;
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use statehouse_model::Name;

use crate::environment::Environment;
use crate::failure::{Exit, Failure, Result};
use crate::files::{self, Draft};
use crate::trust;

/// Arguments of every command that talks to a server.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct ServerArgs {
    /// The server, as <https://state.example.com:8443>
    #[arg(
        long,
        global = true,
        env = "STATEHOUSE_ADDRESS",
        value_name = "URL",
        help_heading = "Server"
    )]
    pub(crate) address: Option<String>,
    /// A file whose first line is the token; without it `STATEHOUSE_TOKEN`, or what `login` stored
    #[arg(long, global = true, value_name = "FILE", help_heading = "Server")]
    pub(crate) token_file: Option<PathBuf>,
    /// The authority to trust, in PEM form; without it that of `login`, or the system's
    #[arg(
        long,
        global = true,
        env = "STATEHOUSE_CA",
        value_name = "FILE",
        help_heading = "Server"
    )]
    pub(crate) ca: Option<PathBuf>,
    /// The organization
    #[arg(
        long,
        global = true,
        env = "STATEHOUSE_ORGANIZATION",
        value_name = "NAME",
        help_heading = "Server"
    )]
    pub(crate) organization: Option<Name>,
}

/// Everything a request needs.
pub(crate) struct Connection {
    /// `https://host:port`, as it was given.
    pub(crate) address: String,
    /// The host, without brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// Who asks; `None` before a login.
    pub(crate) token: Option<SecretString>,
    /// TLS 1.3, and whom it trusts.
    pub(crate) tls: Arc<ClientConfig>,
    /// The file with the trusted authority, if one was named.
    pub(crate) ca: Option<PathBuf>,
    organization: Option<Name>,
}

/// What `login` stores.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remembered {
    /// The server.
    pub(crate) address: String,
    /// The token for it, and for no other.
    token: Option<String>,
    /// The file with its authority.
    pub(crate) ca: Option<PathBuf>,
    /// The organization that is meant when none is named.
    pub(crate) organization: Option<String>,
}

impl Remembered {
    /// Where it is stored.
    pub(crate) fn path(environment: &Environment) -> Result<PathBuf> {
        let home = environment
            .config_home()
            .ok_or_else(|| Failure::usage("neither HOME nor XDG_CONFIG_HOME is set"))?;
        Ok(home.join("statehouse").join("client.toml"))
    }

    /// What was stored, if anything was.
    fn read(environment: &Environment) -> Result<Self> {
        let Ok(path) = Self::path(environment) else {
            return Ok(Self::default());
        };
        if !path.exists() {
            return Ok(Self::default());
        }
        files::refuse_public(&path)?;
        Toml::from_str(&fs::read_to_string(&path)?).map_err(|error| {
            Failure::usage(format!("{}: {error}", path.display()))
                .hint("remove it, or run `statehouse login` again")
        })
    }

    /// Stores a login, readable by its owner only.
    pub(crate) fn write(
        connection: &Connection,
        token: &SecretString,
        environment: &Environment,
    ) -> Result<PathBuf> {
        let path = Self::path(environment)?;
        if let Some(parent) = path.parent() {
            let made = std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent);
            made.map_err(|error| Failure::failed(format!("{}: {error}", parent.display())))?;
        }
        let mut draft = Draft::of(&path)?;
        writeln!(
            draft,
            "# Written by `statehouse login`. Holds a token: for your eyes only."
        )?;
        let ca = connection.ca.as_ref().map(|ca| ca.display().to_string());
        let lines = [
            ("address", Some(connection.address.as_str())),
            (
                "organization",
                connection.organization.as_ref().map(Name::as_str),
            ),
            ("ca", ca.as_deref()),
            ("token", Some(token.expose_secret())),
        ];
        for (key, value) in lines {
            if let Some(value) = value {
                // A JSON string is a TOML string, too.
                writeln!(draft, "{key} = {}", serde_json::Value::from(value))?;
            }
        }
        draft.keep()?;
        Ok(path)
    }
}

impl Connection {
    /// The connection that arguments, environment and login say.
    pub(crate) fn find(args: &ServerArgs, environment: &Environment) -> Result<Self> {
        let remembered = Remembered::read(environment)?;
        let stored = Some(remembered.address.clone()).filter(|address| !address.is_empty());
        let address = args
            .address
            .clone()
            .or_else(|| stored.clone())
            .ok_or_else(|| {
                Failure::usage("no server is named")
                    .hint("give --address or STATEHOUSE_ADDRESS, or run `statehouse login` once")
            })?;
        let address = address.trim_end_matches('/').to_owned();
        let same =
            stored.as_deref().map(|stored| stored.trim_end_matches('/')) == Some(address.as_str());
        let token = token(args, environment)?;
        // A token goes to the server that gave it, whatever address is asked for today; so does the trust in its authority.
        let token = token.or_else(|| remembered.token.filter(|_| same).map(SecretString::from));
        let ca = args
            .ca
            .as_deref()
            .map(std::path::absolute)
            .transpose()?
            .or_else(|| remembered.ca.filter(|_| same));
        let organization = args.organization.clone().map(Ok).or_else(|| {
            remembered
                .organization
                .filter(|_| same)
                .map(|name| name.parse())
        });
        let organization = organization.transpose().map_err(Failure::usage)?;
        let (host, port) = host_and_port(&address)?;
        let tls = trust::client(ca.as_deref(), environment)?;
        Ok(Self {
            address,
            host,
            port,
            token,
            tls,
            ca,
            organization,
        })
    }

    /// The organization that is meant.
    pub(crate) fn organization(&self) -> Result<&Name> {
        self.organization.as_ref().ok_or_else(|| {
            Failure::usage("no organization is named")
                .hint("give --organization or STATEHOUSE_ORGANIZATION, or log in with one")
        })
    }

    /// The token, or what to do without one.
    pub(crate) fn token(&self) -> Result<&SecretString> {
        self.token.as_ref().ok_or_else(|| {
            Failure::new(
                Exit::Refused,
                format!("there is no token for {}", self.address),
            )
            .hint("give --token-file or STATEHOUSE_TOKEN, or run `statehouse login` once")
        })
    }
}

/// The token of the arguments or the environment.
fn token(args: &ServerArgs, environment: &Environment) -> Result<Option<SecretString>> {
    match &args.token_file {
        Some(file) => read_token(file).map(Some),
        None => Ok(environment
            .get("STATEHOUSE_TOKEN")
            .map(|token| token.trim().to_owned().into())),
    }
}

fn read_token(file: &Path) -> Result<SecretString> {
    let line = files::secret(file)?;
    Ok(line.expose_secret().trim().to_owned().into())
}

fn host_and_port(address: &str) -> Result<(String, u16)> {
    let refused = |why: &str| {
        Failure::usage(format!("{address} is no address of a server: {why}"))
            .hint("it has the form https://state.example.com:8443")
    };
    let uri: Uri = address.parse().map_err(|_| refused("it cannot be read"))?;
    if uri.scheme_str() != Some("https") {
        return Err(refused(
            "it does not begin with https://, and a token is never sent in clear",
        ));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(refused("it has a path"));
    }
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err(refused("it has a user"));
    }
    let host = uri
        .host()
        .filter(|host| !host.is_empty())
        .ok_or_else(|| refused("it has no host"))?;
    Ok((
        host.trim_matches(['[', ']']).to_owned(),
        uri.port_u16().unwrap_or(443),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        missing_docs
    )]

    use super::*;

    #[test]
    fn only_an_https_address_is_a_server() {
        let check = |address: &str, expected: Option<(&str, u16)>| {
            let found = host_and_port(address).ok();
            assert_eq!(
                found.as_ref().map(|(host, port)| (host.as_str(), *port)),
                expected,
                "{address}"
            );
        };
        check(
            "https://state.example.com",
            Some(("state.example.com", 443)),
        );
        check("https://127.0.0.1:8443", Some(("127.0.0.1", 8443)));
        check("https://[::1]:8443/", Some(("::1", 8443)));
        check("http://127.0.0.1:8443", None);
        check("https://a/api", None);
        check("https://user:word@a", None);
        check("state.example.com:8443", None);
        check("", None);
    }

    fn logged_in(home: &Path) -> Environment {
        let environment: Environment = [("XDG_CONFIG_HOME", home.to_str().unwrap())].into();
        let args = ServerArgs {
            address: Some("https://one.internal".to_owned()),
            organization: Some("main".parse().unwrap()),
            ..ServerArgs::default()
        };
        let connection = Connection::find(&args, &environment).unwrap();
        Remembered::write(
            &connection,
            &"sth_user_site\"quoted".to_owned().into(),
            &environment,
        )
        .unwrap();
        environment
    }

    #[test]
    fn a_stored_token_goes_to_its_own_server_only() {
        let home = tempfile::tempdir().unwrap();
        let environment = logged_in(home.path());
        let token_for = |address: Option<&str>| {
            let args = ServerArgs {
                address: address.map(str::to_owned),
                ..ServerArgs::default()
            };
            let connection = Connection::find(&args, &environment).unwrap();
            connection
                .token
                .map(|token| token.expose_secret().to_owned())
        };
        assert_eq!(token_for(None).as_deref(), Some("sth_user_site\"quoted"));
        assert_eq!(
            token_for(Some("https://one.internal/")).as_deref(),
            Some("sth_user_site\"quoted")
        );
        assert_eq!(token_for(Some("https://two.internal")), None);
        assert_eq!(token_for(Some("https://one.internal:444")), None);
    }

    #[test]
    fn a_login_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let environment = logged_in(home.path());
        let path = Remembered::path(&environment).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let failure = Connection::find(&ServerArgs::default(), &environment)
            .err()
            .unwrap();
        assert!(
            failure.message.contains("has mode 644"),
            "{}",
            failure.message
        );
    }
}
