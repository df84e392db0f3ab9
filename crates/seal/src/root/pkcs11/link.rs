//! The connection to a token: module, session, login; made when needed, made anew when lost.

use std::sync::OnceLock;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11 as Module};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::MechanismType;
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;

use super::{Pkcs11Settings, unavailable};
use crate::RootError;

/// A loaded module and, while the token answers, a logged-in session.
pub(super) struct Link {
    name: String,
    settings: Pkcs11Settings,
    module: Module,
    session: Option<Session>,
    /// What the token said when it refused the PIN; it is not asked again.
    pin_refused: OnceLock<String>,
}

impl Link {
    pub(super) fn new(name: &str, settings: Pkcs11Settings) -> Result<Self, RootError> {
        let module = Module::new(&settings.module).map_err(|error| RootError::Damaged {
            place: format!("the PKCS#11 module {}", settings.module.display()),
            why: words(&error),
        })?;
        let mut link = Self {
            name: name.to_owned(),
            settings,
            module,
            session: None,
            pin_refused: OnceLock::new(),
        };
        link.session()?;
        Ok(link)
    }

    /// The session; connects when there is none.
    pub(super) fn session(&mut self) -> Result<&Session, RootError> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.connect()?,
        };
        Ok(self.session.insert(session))
    }

    /// Ends the session and the module's own connection, so that the next session starts from nothing:
    /// many modules look for tokens only when they are initialized.
    pub(super) fn disconnect(&mut self) {
        self.session = None;
        // Fails when another part of the process has finalized already, which is what is wanted.
        let _ = self.module.clone().finalize();
    }

    /// What the token can do.
    pub(super) fn mechanisms(&mut self) -> Result<Vec<MechanismType>, RootError> {
        self.slot()
            .and_then(|slot| match slot {
                Some(slot) => self.module.get_mechanism_list(slot),
                None => Ok(Vec::new()),
            })
            .map_err(|error| unavailable(&self.name, &error))
    }

    fn connect(&self) -> Result<Session, RootError> {
        if let Some(why) = self.pin_refused.get() {
            return Err(self.refused(why));
        }
        let slot = self
            .slot()
            .map_err(|error| unavailable(&self.name, &error))?;
        let Some(slot) = slot else {
            return Err(RootError::Unavailable {
                provider: self.name.clone(),
                why: "no slot of the module holds a token of this label".to_owned(),
            });
        };
        let session = self
            .module
            .open_rw_session(slot)
            .map_err(|error| unavailable(&self.name, &error))?;
        match session.login(UserType::User, Some(&self.settings.pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) if is_about_the_pin(&error) => {
                Err(self.refused(self.pin_refused.get_or_init(|| words(&error))))
            }
            Err(error) => Err(unavailable(&self.name, &error)),
        }
    }

    fn slot(&self) -> Result<Option<Slot>, Error> {
        let flags = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        match self.module.initialize(flags) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(error),
        }
        for slot in self.module.get_slots_with_token()? {
            if self.module.get_token_info(slot)?.label() == self.settings.token {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    fn refused(&self, why: &str) -> RootError {
        RootError::PinRefused {
            provider: self.name.clone(),
            why: why.to_owned(),
        }
    }
}

fn is_about_the_pin(error: &Error) -> bool {
    matches!(
        error,
        Error::Pkcs11(
            RvError::PinIncorrect
                | RvError::PinInvalid
                | RvError::PinLenRange
                | RvError::PinExpired
                | RvError::PinLocked
                | RvError::UserPinNotInitialized,
            _
        )
    )
}

/// An error in a few words: the function and the code, without the standard's paragraph on it.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::Pkcs11(code, function) => format!("C_{function:?} answered {code:?}"),
        other => other.to_string(),
    }
}
