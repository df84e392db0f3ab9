//! Why nothing is said by what is asked in a process apart: whether that says something of what it was asked about, or only how much there was to do.

/// Why nothing is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsaid {
    /// Because of what was asked about, or by what: whoever asks again hears the same.
    Impossible(String),
    /// Because of us: nobody came to it in time, or whoever did was ended. Asked again, it may be said.
    Unanswered(String),
}

impl From<String> for Unsaid {
    fn from(why: String) -> Self {
        Self::Impossible(why)
    }
}

impl Unsaid {
    /// In words, whichever it is.
    pub fn why(&self) -> &str {
        match self {
            Self::Impossible(why) | Self::Unanswered(why) => why,
        }
    }
}
