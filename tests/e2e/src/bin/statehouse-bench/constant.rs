//! The measure of reads: a server that answers everything with the same bytes, over the very TLS stack of the product.
//!
//! It runs in a process of its own (`statehouse-bench constant`), prints its address, and serves until it is killed.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use statehouse_web::authority::{Authority, Files, Names};
use statehouse_web::listen::{self, Limits};
use statehouse_web::tls::{Served, server_config};
use tokio::net::TcpListener;

use crate::client::Target;
use crate::server::stop;
use crate::state::{SIZE, States};
use crate::{Result, say};

/// Serves one state for ever; its certificates lie in `dir`.
pub(crate) fn serve(dir: &Path) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let names = Names::of_this_machine(&[]);
            let files = Files {
                certificate: ca(dir),
                keys: dir.join("keys"),
            };
            let source = Arc::new(Authority::open(files, &names)?).server(&names)?;
            let tls = server_config(Served::open(source, names.required)?)?;
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let body = Bytes::from(States::new(0, SIZE).next_state());
            let answer = move || {
                let body = body.clone();
                async move { ([(CONTENT_TYPE, "application/json")], body).into_response() }
            };
            say(&listener.local_addr()?.to_string())?;
            listen::serve(
                listener,
                tls,
                Router::new().fallback(answer),
                Limits::default(),
                std::future::pending(),
            )
            .await;
            Ok(())
        })
}

fn ca(dir: &Path) -> PathBuf {
    dir.join("ca.pem")
}

/// The same as a child process.
pub(crate) struct Constant {
    child: Child,
    /// Where it answers.
    pub(crate) target: Target,
}

impl Constant {
    /// Starts it; its certificates go to `dir`.
    pub(crate) fn start(dir: &Path) -> Result<Self> {
        fs_err::create_dir_all(dir)?;
        let program = std::env::current_exe()?;
        let mut child = Command::new(program)
            .arg("constant")
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let target = line
            .trim()
            .parse::<SocketAddr>()
            .map_err(Into::into)
            .and_then(|address| Target::new(address, &ca(dir), ""));
        match target {
            Ok(target) => Ok(Self { child, target }),
            Err(error) => {
                stop(&mut child);
                Err(error)
            }
        }
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Constant {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}
