//! Plain HTTP on a Unix socket that only the server's own user can open.
//!
//! The socket is made in a directory that nobody else can enter, given its mode there, and then moved into place: at no moment
//! can another user connect. What a server that was killed left behind is replaced; the socket of a running one is not.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::future::Future;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as Caller;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::http::Extensions;
use tokio::net::{UnixListener, UnixStream};

use super::connection::{self, Http};
use super::{Accept, Drained, Limits, ListenError, accept};

/// A bound socket; its file is removed when this is dropped.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    file: File,
}

/// The socket's file, known by device and inode so that a later server's socket at the same path is left alone.
#[derive(Debug)]
struct File {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for File {
    fn drop(&mut self) {
        let still_ours = identity_of(&self.path).is_ok_and(|identity| identity == self.identity);
        if still_ours && let Err(error) = fs_err::remove_file(&self.path) {
            tracing::warn!(%error, "the socket stays behind");
        }
    }
}

impl UnixSocket {
    /// Binds `path` with mode 0600 and starts to listen. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When another process listens there, there is a file that is not a socket, or the system refuses.
    pub fn bind(path: &Path) -> Result<UnixSocket, ListenError> {
        check_free(path)?;
        let mut nest = path.file_name().unwrap_or(OsStr::new("socket")).to_owned();
        nest.push(format!(".{}", std::process::id()));
        let nest = path.with_file_name(nest);
        // A process that had this id may have died in between.
        let _ = fs_err::remove_dir_all(&nest);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&nest)
            .map_err(|error| named(&error, &nest))?;
        let bound = bind_within(&nest, path);
        let _ = fs_err::remove_dir_all(&nest);
        Ok(bound?)
    }
}

/// The path must be free, or hold a socket that nobody answers on.
fn check_free(path: &Path) -> Result<(), ListenError> {
    let there = match fs_err::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let name = path.display().to_string();
    if !there.file_type().is_socket() {
        return Err(ListenError::NotASocket { path: name });
    }
    match Caller::connect(path) {
        Ok(_) => Err(ListenError::InUse { path: name }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(named(&error, path).into()),
    }
}

fn bind_within(nest: &Path, path: &Path) -> io::Result<UnixSocket> {
    let made = nest.join("s");
    let listener = UnixListener::bind(&made).map_err(|error| named(&error, &made))?;
    fs_err::set_permissions(&made, Permissions::from_mode(0o600))?;
    let identity = identity_of(&made)?;
    fs_err::rename(&made, path)?;
    Ok(UnixSocket {
        listener,
        file: File {
            path: path.to_owned(),
            identity,
        },
    })
}

fn identity_of(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs_err::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

fn named(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl Accept for UnixListener {
    type Stream = UnixStream;
    type Peer = ();

    async fn accept(&self) -> io::Result<(UnixStream, ())> {
        UnixListener::accept(self)
            .await
            .map(|(stream, _)| (stream, ()))
    }
}

/// Serves `router` on a bound socket until `shutdown`, as [`super::serve`] does, and removes the socket.
pub async fn serve_unix(
    socket: UnixSocket,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let UnixSocket { listener, file } = socket;
    let http = Arc::new(Http::version_1(&limits));
    let of_limits = limits.clone();
    let drained = accept(listener, &limits, shutdown, move |stream, (), closing| {
        let (http, router, limits) = (Arc::clone(&http), router.clone(), of_limits.clone());
        async move {
            connection::drive::<UnixStream>(
                stream,
                &http,
                router,
                Extensions::new(),
                &limits,
                closing,
            )
            .await
        }
    })
    .await;
    drop(file);
    drained
}
