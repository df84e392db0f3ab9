//! What a plan does to a resource.

use serde_json::Value;

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It is made.
    Create,
    /// It is changed where it is.
    Update,
    /// It is deleted.
    Delete,
    /// It is deleted and made anew, in either order.
    Replace,
    /// It is read, while the rest is applied.
    Read,
    /// It is given up, and stays as it is.
    Forget,
}

impl Deed {
    /// What the `change` of a plan's JSON does; nothing where it changes nothing.
    pub fn of(change: &Value) -> Option<Self> {
        let actions = change.get("actions")?.as_array()?.iter();
        let actions: Vec<&str> = actions.filter_map(Value::as_str).collect();
        Some(match actions.as_slice() {
            ["create"] => Self::Create,
            ["update"] => Self::Update,
            ["delete"] => Self::Delete,
            ["delete", "create"] | ["create", "delete"] => Self::Replace,
            ["read"] => Self::Read,
            ["forget"] => Self::Forget,
            _ => return None,
        })
    }

    /// Terraform's sign for it.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Create => "+",
            Self::Update => "~",
            Self::Delete => "-",
            Self::Replace => "-/+",
            Self::Read => "<=",
            Self::Forget => ".",
        }
    }
}

/// How much a plan does, as terraform counts: a resource that is replaced is added and destroyed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Resources that are made.
    pub add: usize,
    /// Resources that are changed.
    pub change: usize,
    /// Resources that are deleted.
    pub destroy: usize,
}

impl Counts {
    /// Counts one more.
    pub fn count(&mut self, deed: Deed) {
        self.add += usize::from(matches!(deed, Deed::Create | Deed::Replace));
        self.change += usize::from(deed == Deed::Update);
        self.destroy += usize::from(matches!(deed, Deed::Delete | Deed::Replace));
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} to add, {} to change, {} to destroy",
            self.add, self.change, self.destroy
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn every_word_of_a_plan_has_its_sign_and_is_counted() {
        let mut counts = Counts::default();
        for (actions, sign) in [
            (json!(["create"]), Some("+")),
            (json!(["update"]), Some("~")),
            (json!(["delete"]), Some("-")),
            (json!(["delete", "create"]), Some("-/+")),
            (json!(["create", "delete"]), Some("-/+")),
            (json!(["read"]), Some("<=")),
            (json!(["forget"]), Some(".")),
            (json!(["no-op"]), None),
            (json!("create"), None),
        ] {
            let deed = Deed::of(&json!({ "actions": actions }));
            assert_eq!(deed.map(Deed::sign), sign, "{actions}");
            if let Some(deed) = deed {
                counts.count(deed);
            }
        }
        assert_eq!(counts.to_string(), "3 to add, 1 to change, 3 to destroy");
    }
}
