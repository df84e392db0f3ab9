//! Which program plans and applies: terraform, or its open fork.
//!
//! The narrowest scope that says so decides, and where nothing is said it is
//! terraform. A workspace's version of the tool is of that tool. A row that names
//! neither is not taken for one of them, because the other one may read the same
//! configuration otherwise: no run begins there.

pub use statehouse_capsule::ToolName as Tool;

use super::{InForce, SHOWN_MAX, Word};
use crate::error::{Error, Result};
use crate::workspace::sql::Workspace as Row;

/// What a word on the wire means.
pub fn tool(word: &str) -> Result<Tool> {
    word.parse().map_err(|_| {
        let word: String = word.chars().take(SHOWN_MAX).collect();
        Error::invalid(format!(
            "`{word}` is no tool; known are `terraform` and `tofu`"
        ))
    })
}

impl Word<Tool> {
    /// As a row holds it.
    pub(super) fn said(self) -> Word<String> {
        match self {
            Self::Keep => Word::Keep,
            Self::Unsay => Word::Unsay,
            Self::Say(tool) => Word::Say(tool.as_str().to_owned()),
        }
    }
}

/// What the narrowest word of a row means, if there is one.
pub(super) fn read(said: Option<&str>) -> Option<Tool> {
    said.map_or(Some(Tool::Terraform), |word| word.parse().ok())
}

impl InForce {
    /// The tool of the runs of a workspace, or why none can begin.
    pub(crate) fn needed_tool(&self, workspace: &Row) -> Result<Tool> {
        self.tool.ok_or_else(|| {
            Error::tampered(format!(
                "what is said of the tool of workspace `{}` names none that is known here",
                workspace.name
            ))
            .hint("say it anew: `statehouse execution set --tool`")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_row_that_names_no_tool_is_not_taken_for_terraform() {
        for (said, means) in [
            (None, Some(Tool::Terraform)),
            (Some("terraform"), Some(Tool::Terraform)),
            (Some("tofu"), Some(Tool::Tofu)),
            (Some(""), None),
            (Some("Tofu"), None),
            (Some("terraform "), None),
            (Some("pulumi"), None),
        ] {
            assert_eq!(read(said), means, "{said:?}");
        }
    }
}
