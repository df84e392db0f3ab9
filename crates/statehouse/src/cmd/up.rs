//! `statehouse up`: a server from one directory, with everything that a first `terraform apply` needs.
//!
//! Data in `DIR`, keys in `DIR.keys`, anchors in `DIR.anchor`, runners work in `DIR.runner`; nothing else is written, and no configuration is read. Every
//! start makes a new token; older ones stay valid until they end by themselves.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::session::Session;
use crate::config::Config;
use crate::failure::{Failure, Result};
use crate::logs;
use crate::server::{Server, first};

/// Arguments.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The directory of the data; keys and anchors go beside it, to DIR.keys and DIR.anchor
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The port on 127.0.0.1; 0 takes any that is free
    #[arg(long, default_value_t = 8443)]
    port: u16,
    /// Print one line of JSON when ready, and nothing else
    #[arg(long)]
    json: bool,
    /// A setting over the default, for example runs.slots=4; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

pub(super) fn run(args: &Args, session: &Session) -> Result {
    let mut config = Config::beside(&args.dir, &args.set)?;
    config.listen.port = args.port;
    logs::begin(&config.log, session.out.color_err())?;
    Session::runtime()?.block_on(async {
        let server = Server::open(&config, &session.environment).await?;
        if let Err(failure) = announce(&server, &config, args.json, session).await {
            server.close().await?;
            return Err(failure);
        }
        server.serve().await
    })
}

/// Makes what is missing, and prints how to use it. The listener is bound: whoever reads this can connect.
async fn announce(server: &Server, config: &Config, json: bool, session: &Session) -> Result {
    let token = first::admin_with_organization(server.core()).await?;
    let ca_file = server
        .ca_file()
        .ok_or_else(|| Failure::failed("there is no authority to trust"))?;
    let ca_pem = fs::read_to_string(ca_file)?;
    let address = format!("https://{}", server.address()?);
    let block = http_block(&address, &token, &ca_pem);
    let host = cloud_host(&address);
    let (cloud, credentials) = (cloud_block(&host), credentials(&host, &token));
    let binary = std::env::current_exe()?;
    if json {
        return session.out.json(&json!({
            "address": address,
            "organization": first::ORGANIZATION,
            "token": token.expose_secret(),
            "ca_file": ca_file,
            "binary": binary,
            "http_block": block,
            "cloud_block": cloud,
            "credentials": credentials,
        }));
    }
    let blocks = Blocks {
        http: &block,
        cloud: &cloud,
        credentials: &credentials,
    };
    session.out.text(&welcome(
        &address, &token, ca_file, &binary, &blocks, config,
    ))
}

/// What is printed to be pasted.
struct Blocks<'a> {
    http: &'a str,
    cloud: &'a str,
    credentials: &'a str,
}

/// The server as a `cloud` block names one: terraform wants a name there, not a number.
fn cloud_host(address: &str) -> String {
    let authority = address.trim_start_matches("https://");
    authority.replace("127.0.0.1", "localhost")
}

/// A `cloud` block. Its token stands elsewhere, in the settings of terraform itself.
fn cloud_block(host: &str) -> String {
    format!(
        r#"terraform {{
  cloud {{
    hostname     = "{host}"
    organization = "{organization}"

    workspaces {{
      name = "example"
    }}
  }}
}}
"#,
        organization = first::ORGANIZATION,
    )
}

/// The entry in terraform's settings that a `cloud` block takes its token from. A variable `TF_TOKEN_…` cannot name a port.
fn credentials(host: &str, token: &SecretString) -> String {
    format!(
        "credentials \"{host}\" {{\n  token = \"{}\"\n}}\n",
        token.expose_secret()
    )
}

/// A backend block that needs nothing beside it: the authority stands in it, too.
fn http_block(address: &str, token: &SecretString, ca_pem: &str) -> String {
    let state = format!("{address}/state/{}/example", first::ORGANIZATION);
    format!(
        r#"terraform {{
  backend "http" {{
    address        = "{state}"
    lock_address   = "{state}"
    unlock_address = "{state}"
    username       = "{user}"
    password       = "{password}"

    client_ca_certificate_pem = <<-EOT
{ca}
    EOT
  }}
}}
"#,
        user = first::USER,
        password = token.expose_secret(),
        ca = ca_pem
            .trim_end()
            .lines()
            .map(|line| format!("      {line}"))
            .collect::<Vec<_>>()
            .join("\n"),
    )
}

fn welcome(
    address: &str,
    token: &SecretString,
    ca_file: &Path,
    binary: &Path,
    blocks: &Blocks<'_>,
    config: &Config,
) -> String {
    let keys = config.keys.dir.display();
    let anchors = config.data.anchors.display();
    let token = token.expose_secret();
    let programs = binary.parent().unwrap_or(binary).display();
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        "Statehouse is ready.\n\n\
         address       {address}\n\
         organization  {organization}\n\
         token         {token}\n\
         authority     {ca}\n\n\
         KEYS: everything here is sealed with the keys in {keys}.\n\
         Move that directory to another volume and link it back: whoever copies the data must not get the keys with it, and\n\
         without the keys the data is gone for ever. Keep a copy of it in a safe place. The same goes, without the secrecy, for\n\
         {anchors}, by which an older copy of the data is recognized.\n\n\
         To trust this server in a shell, for curl and others:\n\n  \
           export SSL_CERT_FILE={ca}\n\n\
         For the command line of `statehouse`:\n\n  \
           export PATH=\"$PATH:{programs}\" STATEHOUSE_ADDRESS={address} STATEHOUSE_CA={ca} STATEHOUSE_ORGANIZATION={organization} STATEHOUSE_TOKEN={token}\n\n\
         For Terraform and OpenTofu, ready to paste:\n\n{http}\n\
         Or as a `cloud` block, which also lists workspaces, tags them and reads outputs:\n\n{cloud}\n\
         with the authority in SSL_CERT_FILE as above, and this in ~/.terraformrc:\n\n{credentials}\n\
         Stop with Ctrl-C.\n",
        organization = first::ORGANIZATION,
        ca = ca_file.display(),
        http = blocks.http,
        cloud = blocks.cloud,
        credentials = blocks.credentials,
    );
    text
}
