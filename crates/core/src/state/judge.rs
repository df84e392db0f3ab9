//! Whether an upload becomes the head, is a repeat, or waits for a person.
//!
//! Pure: what is stored and what came in go in, a [`Verdict`] comes out.

use statehouse_terraform::state::{Summary, Unusual, unusual};

use super::sql::Version;

/// Fewer resources than this may vanish without a question, whatever their
/// share: small workspaces come and go.
const DROPPED_MIN: u64 = 10;

/// What speaks for letting something unusual pass.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standing {
    /// The caller holds `state.accept` and the lock, taken by `state push`.
    pub(crate) push_by_accepter: bool,
    /// The lock was taken by an apply or destroy.
    pub(crate) applying: bool,
    /// What falls passes and is marked: the caller holds the lock of a `cloud`
    /// block, which never says what it is for; or it holds `state.accept` and
    /// moves a history in, in which it fell elsewhere, long ago.
    pub(crate) drops_pass: bool,
}

/// What to do with an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It becomes the head, with these marks.
    Take(Vec<&'static str>),
    /// It is kept as a conflict: the head says otherwise.
    Conflict(Vec<Unusual>),
    /// It is kept in quarantine: it looks destructive.
    Quarantine(Vec<Unusual>),
}

/// Judges `new` against the head, whose bytes are known to be others.
pub(crate) fn judge(
    head: &Version,
    new: &Summary,
    standing: Standing,
    dropped_permille_max: u16,
) -> Verdict {
    let Some(old) = summary(head) else {
        // The head is opaque: nothing can be compared but what both say.
        return judge_claims(
            head,
            Some(&new.lineage),
            Some(new.serial),
            standing,
            "after-opaque",
        );
    };
    let mut marks = Vec::new();
    let mut conflict = Vec::new();
    let mut destructive = Vec::new();
    for each in unusual(&old, new, dropped_permille_max) {
        match each {
            Unusual::Lineage { .. } if standing.push_by_accepter => marks.push("lineage-changed"),
            Unusual::Serial { .. } | Unusual::SameSerialOtherBytes { .. }
                if standing.push_by_accepter =>
            {
                marks.push("serial-forced");
            }
            Unusual::Dropped { before, after }
                if few(before, after) || destroyed(&old, new, standing) => {}
            Unusual::Dropped { .. } if standing.drops_pass => {
                marks.push("resources-dropped");
            }
            Unusual::Serial { .. } | Unusual::SameSerialOtherBytes { .. } => conflict.push(each),
            Unusual::Lineage { .. } | Unusual::Dropped { .. } => destructive.push(each),
        }
    }
    if destructive.is_empty() && conflict.is_empty() {
        return Verdict::Take(marks);
    }
    if destructive.is_empty() {
        return Verdict::Conflict(conflict);
    }
    destructive.extend(conflict);
    Verdict::Quarantine(destructive)
}

fn few(before: u64, after: u64) -> bool {
    before.saturating_sub(after) < DROPPED_MIN
}

/// What `terraform destroy` leaves: the same lineage, the next serial, and
/// nothing at all, under the lock of an apply.
fn destroyed(old: &Summary, new: &Summary, standing: Standing) -> bool {
    standing.applying && new.resources == 0 && new.lineage == old.lineage && new.serial > old.serial
}

/// Judges an opaque upload: the serial it claims may not go back.
pub(crate) fn judge_opaque(
    head: &Version,
    lineage: Option<&str>,
    serial: Option<u64>,
    standing: Standing,
) -> Verdict {
    judge_claims(head, lineage, serial, standing, "opaque")
}

/// Compares lineage and serial alone, where one side is opaque. How many
/// resources an opaque head has is not known: it counts as having some.
fn judge_claims(
    head: &Version,
    lineage: Option<&str>,
    serial: Option<u64>,
    standing: Standing,
    mark: &'static str,
) -> Verdict {
    if standing.push_by_accepter {
        return Verdict::Take(vec![mark]);
    }
    let inhabited = head.opaque || head.resources > 0;
    let mut destructive = Vec::new();
    if let Some(new) =
        lineage.filter(|new| inhabited && !head.lineage.is_empty() && *new != head.lineage)
    {
        destructive.push(Unusual::Lineage {
            old: head.lineage.clone(),
            new: new.to_owned(),
        });
    }
    let mut conflict = Vec::new();
    if let (Some(old), Some(new)) = (head.serial, serial) {
        if new < old {
            conflict.push(Unusual::Serial { old, new });
        } else if new == old {
            conflict.push(Unusual::SameSerialOtherBytes { serial: new });
        }
    }
    if !destructive.is_empty() {
        destructive.extend(conflict);
        return Verdict::Quarantine(destructive);
    }
    if conflict.is_empty() {
        Verdict::Take(vec![mark])
    } else {
        Verdict::Conflict(conflict)
    }
}

fn summary(head: &Version) -> Option<Summary> {
    let serial = head.serial.filter(|_| !head.opaque)?;
    Some(Summary {
        version: statehouse_terraform::state::VERSION,
        terraform_version: head.tool_version.clone(),
        lineage: head.lineage.clone(),
        serial,
        resources: head.resources,
        outputs: 0,
        bytes: head.size,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use statehouse_model::{HouseCode, VersionId, WorkspaceId};

    fn head(serial: u64, resources: u64) -> Version {
        let house = HouseCode::from_entropy(1);
        Version {
            id: VersionId::from_entropy(house, 1),
            workspace: WorkspaceId::from_entropy(house, 1),
            sequence: Some(1),
            status: super::super::FINISHED.to_owned(),
            opaque: false,
            lineage: "a".to_owned(),
            serial: Some(serial),
            size: 1,
            resources,
            tool_version: String::new(),
            body_digest: Vec::new(),
            commitment: Vec::new(),
            fingerprint: Vec::new(),
            actor: String::new(),
            fence: 0,
            base: None,
            marks: String::new(),
            created_at: 0,
        }
    }

    fn new(lineage: &str, serial: u64, resources: u64) -> Summary {
        Summary {
            version: 4,
            terraform_version: String::new(),
            lineage: lineage.to_owned(),
            serial,
            resources,
            outputs: 0,
            bytes: 1,
        }
    }

    const PLAIN: Standing = Standing {
        push_by_accepter: false,
        applying: false,
        drops_pass: false,
    };
    const PUSH: Standing = Standing {
        push_by_accepter: true,
        applying: false,
        drops_pass: false,
    };
    const APPLY: Standing = Standing {
        push_by_accepter: false,
        applying: true,
        drops_pass: false,
    };
    const MARKED: Standing = Standing {
        push_by_accepter: false,
        applying: false,
        drops_pass: true,
    };

    #[test]
    fn the_next_state_is_taken_and_the_unusual_waits() {
        let check = |head: &Version, new: &Summary, standing, expected: &str| {
            let verdict = match judge(head, new, standing, 500) {
                Verdict::Take(marks) => format!("take {}", marks.join(" ")),
                Verdict::Conflict(_) => "conflict".to_owned(),
                Verdict::Quarantine(_) => "quarantine".to_owned(),
            };
            assert_eq!(verdict.trim(), expected);
        };
        check(&head(5, 120), &new("a", 6, 121), PLAIN, "take");
        check(&head(5, 120), &new("a", 9, 61), PLAIN, "take");
        check(&head(5, 120), &new("a", 5, 120), PLAIN, "conflict");
        check(&head(5, 120), &new("a", 4, 120), APPLY, "conflict");
        check(&head(5, 120), &new("a", 6, 3), APPLY, "quarantine");
        check(&head(5, 120), &new("a", 6, 3), PUSH, "quarantine");
        check(&head(5, 120), &new("a", 6, 0), PLAIN, "quarantine");
        check(&head(5, 120), &new("a", 6, 0), APPLY, "take");
        check(&head(5, 120), &new("b", 6, 0), APPLY, "quarantine");
        check(&head(5, 9), &new("a", 6, 0), PLAIN, "take");
        check(
            &head(5, 120),
            &new("a", 6, 3),
            MARKED,
            "take resources-dropped",
        );
        check(&head(5, 120), &new("b", 6, 120), MARKED, "quarantine");
        check(&head(5, 120), &new("a", 4, 120), MARKED, "conflict");
        check(&head(5, 120), &new("b", 0, 120), PLAIN, "quarantine");
        check(
            &head(5, 120),
            &new("b", 0, 120),
            PUSH,
            "take lineage-changed",
        );
        check(&head(5, 120), &new("a", 4, 120), PUSH, "take serial-forced");
        check(&head(5, 0), &new("b", 0, 7), PLAIN, "take");
    }

    #[test]
    fn an_opaque_state_is_judged_by_what_it_claims() {
        let take = |verdict: Verdict| matches!(verdict, Verdict::Take(_));
        assert!(take(judge_opaque(&head(5, 120), Some("a"), Some(6), PLAIN)));
        assert!(take(judge_opaque(&head(5, 120), None, None, PLAIN)));
        assert!(!take(judge_opaque(
            &head(5, 120),
            Some("a"),
            Some(5),
            PLAIN
        )));
        assert!(!take(judge_opaque(
            &head(5, 120),
            Some("b"),
            Some(6),
            PLAIN
        )));
        let opaque = Version {
            opaque: true,
            ..head(5, 0)
        };
        assert!(!take(judge_opaque(&opaque, Some("b"), Some(6), PLAIN)));
        assert!(take(judge_opaque(&opaque, Some("b"), Some(6), PUSH)));
        assert!(take(judge(&opaque, &new("a", 6, 7), PLAIN, 500)));
        assert!(!take(judge(&opaque, &new("a", 5, 7), PLAIN, 500)));
        assert!(!take(judge(&opaque, &new("a", 4, 7), PLAIN, 500)));
        assert!(!take(judge(&opaque, &new("b", 6, 7), PLAIN, 500)));
    }
}
