//! The root key provider that the configuration names.

use std::sync::Arc;

use secrecy::SecretString;
use statehouse_seal::{KeyDirectory, Passphrase, Pkcs11, Pkcs11Settings, RootError, RootKeys};

use crate::config::{KeyProvider, Keys};
use crate::failure::{Exit, Failure, Result};
use crate::files;

/// A way to open a provider that may take its time.
type Opening = Box<dyn FnOnce() -> Result<Arc<dyn RootKeys>, RootError> + Send>;

/// Opens it. A passphrase takes its 0.2 s, a module as long as it likes: on a thread that may wait.
pub(super) async fn open(keys: &Keys) -> Result<Arc<dyn RootKeys>> {
    let dir = keys.dir.clone();
    let opening: Opening = match keys.provider {
        KeyProvider::Directory => Box::new(move || Ok(Arc::new(KeyDirectory::open(&dir)?))),
        KeyProvider::Passphrase => {
            let passphrase = secret(keys.passphrase_file.as_deref(), "keys.passphrase_file")?;
            Box::new(move || Ok(Arc::new(Passphrase::open(&dir, &passphrase)?)))
        }
        KeyProvider::Pkcs11 => {
            let module = keys
                .module
                .clone()
                .ok_or_else(|| Failure::usage("keys.module is not set"))?;
            let pin = secret(keys.pin_file.as_deref(), "keys.pin_file")?;
            let settings = Pkcs11Settings {
                module,
                token: keys.token.clone(),
                pin,
                mechanism: None,
            };
            Box::new(move || Ok(Arc::new(Pkcs11::open(settings)?)))
        }
    };
    let opened = tokio::task::spawn_blocking(opening)
        .await
        .map_err(Failure::failed)?;
    opened.map_err(|error| {
        let exit = if matches!(error, RootError::Unavailable { .. }) {
            Exit::Unavailable
        } else {
            Exit::Failed
        };
        Failure::new(exit, format!("the root keys cannot be used: {error}"))
    })
}

fn secret(file: Option<&std::path::Path>, setting: &str) -> Result<SecretString> {
    files::secret(file.ok_or_else(|| Failure::usage(format!("{setting} is not set")))?)
}
