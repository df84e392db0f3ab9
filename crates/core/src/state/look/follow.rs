//! What became of one resource over the versions of a state, and who made it so.
//!
//! A resource is asked for by where it is or by where it was.
//! The versions are opened one after another, the oldest first, each under the
//! permission as it is at that moment. The walk is one leaf, which says from
//! where to where it went. It is bounded; where the bound cut it, the answer
//! says so and where to go on. The version before the cut is looked at all the
//! same, so that what was there already is not said to have appeared.

use std::collections::BTreeMap;

use statehouse_ledger::leaf::Leaf;
use statehouse_model::{VersionId, WorkspaceId};
use statehouse_terraform::address::Subject;
use statehouse_terraform::content::Shown;
use statehouse_terraform::diff::Side;
use statehouse_terraform::history::{self, Blame, History};

use super::{Sealed, aside, room};
use crate::ctx::Ctx;
use crate::door::{self, Entry, Outcome, Target, actions};
use crate::error::{Error, Kind, Result};
use crate::record::Rows;
use crate::state::removal;
use crate::state::sql::{self, Version};
use crate::workspace::{self, Workspace};

/// Versions that one walk looks at.
pub const VERSIONS_MAX: usize = 1000;
/// Bytes of states that one walk opens, one after another.
pub const BYTES_MAX: u64 = 1024 * 1024 * 1024;

actions! {
    /// See what became of a resource over the versions of a state.
    FollowResource = "state.history" needs StateRead;
}

/// Who made a version, by which token, and when.
#[derive(Debug, Clone)]
pub struct Made {
    /// The version.
    pub version: VersionId,
    /// Its place among the finished versions.
    pub sequence: u64,
    /// Its serial.
    pub serial: Option<u64>,
    /// Who uploaded it, by their id.
    pub actor: String,
    /// The token that it came by, as the leaf that last changed its row says.
    pub token: Option<String>,
    /// When, in microseconds since 1970.
    pub created_at: i64,
    /// The tool that wrote it.
    pub tool_version: String,
    /// What was unusual about it.
    pub marks: String,
    /// The leaf that last changed its row.
    pub leaf: u64,
}

/// A point in the history of a resource.
#[derive(Debug, Clone)]
pub struct Point {
    /// What happened.
    pub point: history::Point,
    /// Who made the version.
    pub made: Made,
}

/// An attribute, and who made it what it is.
#[derive(Debug, Clone)]
pub struct Line {
    /// Where it is.
    pub path: String,
    /// Its value.
    pub value: Shown,
    /// The version that made it so; `None` when that is older than the walk.
    pub made: Option<Made>,
    /// Whether it appeared there.
    pub appeared: bool,
}

/// What a walk saw.
#[derive(Debug, Clone)]
pub struct Followed {
    /// Where the resource is in the newest version of the walk.
    pub address: Option<String>,
    /// The newest first.
    pub points: Vec<Point>,
    /// Older points that are not listed.
    pub left_out: u64,
    /// Versions that were looked at.
    pub versions: u64,
    /// Versions that cannot be read: the client encrypted them, or their content was removed.
    pub unread: u64,
    /// Where to go on, when the walk was cut: versions before this place.
    pub next: Option<u64>,
}

/// Who made a resource what it is.
#[derive(Debug, Clone)]
pub struct Blamed {
    /// Where the resource is.
    pub address: String,
    /// Its attributes.
    pub lines: Vec<Line>,
    /// Attributes that have no line.
    pub left_out: u64,
    /// Versions that were looked at.
    pub versions: u64,
    /// Versions that cannot be read: the client encrypted them, or their content was removed.
    pub unread: u64,
    /// The oldest place that was looked at, when there are older ones.
    pub next: Option<u64>,
}

/// The versions of a walk, the oldest first.
struct Walk {
    workspace: WorkspaceId,
    versions: Vec<Version>,
    /// Whether there are older ones: then the first is only compared with.
    cut: bool,
}

impl Walk {
    /// The place from which the next walk goes on.
    fn next(&self) -> Option<u64> {
        let first = self.versions.first()?.sequence?;
        self.cut.then_some(first + 1)
    }

    /// The place of the version that is only compared with.
    fn base(&self) -> Option<u64> {
        self.next().map(|next| next - 1)
    }

    fn looked_at(&self) -> u64 {
        (self.versions.len() as u64).saturating_sub(u64::from(self.cut))
    }
}

/// What became of a resource or of one of its attributes: in the newest
/// versions, or in those before the place `before`.
pub async fn history(
    ctx: &Ctx,
    workspace: &Workspace,
    subject: Subject,
    before: Option<u64>,
    limit: usize,
) -> Result<Followed> {
    let walk = start(ctx, workspace, before, limit).await?;
    let make = |subject: &Subject| Fold::History(Box::new(History::of(subject.clone())));
    let Fold::History(fold) = follow(ctx, &walk, subject, make).await? else {
        return Err(Error::internal("another fold came back"));
    };
    let told = fold.tell();
    let base = walk.base();
    let mut points = told.points;
    points.retain(|point| Some(point.version) != base);
    let mut made = made(ctx, &walk, points.iter().map(|point| point.version)).await?;
    points.reverse();
    let points = points.into_iter().filter_map(|point| {
        let made = made.remove(&point.version)?;
        Some(Point { point, made })
    });
    Ok(Followed {
        address: told.address,
        points: points.collect(),
        left_out: told.left_out,
        versions: walk.looked_at(),
        unread: told.unread,
        next: walk.next(),
    })
}

/// Who last changed each attribute of a resource, or the one that is named and
/// what lies in it.
pub async fn blame(
    ctx: &Ctx,
    workspace: &Workspace,
    subject: Subject,
    limit: usize,
) -> Result<Blamed> {
    let walk = start(ctx, workspace, None, limit).await?;
    let make = |subject: &Subject| Fold::Blame(Box::new(Blame::of(subject)));
    let Fold::Blame(fold) = follow(ctx, &walk, subject.clone(), make).await? else {
        return Err(Error::internal("another fold came back"));
    };
    let told = fold.tell();
    let address = told.address.ok_or_else(|| Error::not_found("resource"))?;
    let mut lines = told.lines;
    if let Some(path) = subject.path() {
        let path = path.to_string();
        lines.retain(|line| lies_in(&line.path, &path));
        if lines.is_empty() {
            return Err(Error::not_found("attribute"));
        }
    }
    let base = walk.base();
    let made = made(ctx, &walk, lines.iter().map(|line| line.version)).await?;
    let lines = lines.into_iter().map(|line| Line {
        made: made
            .get(&line.version)
            .filter(|_| Some(line.version) != base)
            .cloned(),
        path: line.path,
        value: line.value,
        appeared: line.appeared,
    });
    Ok(Blamed {
        address,
        lines: lines.collect(),
        left_out: told.left_out,
        versions: walk.looked_at(),
        unread: told.unread,
        next: walk.next(),
    })
}

/// Whether a path is another one or leads into it, or a hidden whole holds it.
fn lies_in(path: &str, of: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    path.is_empty() || within(path, of) || within(of, path)
}

enum Fold {
    History(Box<History>),
    Blame(Box<Blame>),
}

impl Fold {
    fn see(&mut self, place: u64, side: Side<'_>) {
        match self {
            Self::History(fold) => fold.see(place, side),
            Self::Blame(fold) => fold.see(place, side),
        }
    }

    fn pass_over(&mut self) {
        match self {
            Self::History(fold) => fold.pass_over(),
            Self::Blame(fold) => fold.pass_over(),
        }
    }

    fn appeared(&self) -> Option<u64> {
        match self {
            Self::History(fold) => fold.appeared(),
            Self::Blame(fold) => fold.appeared(),
        }
    }

    fn place(&self) -> &str {
        match self {
            Self::History(fold) => fold.place(),
            Self::Blame(fold) => fold.place(),
        }
    }
}

/// Follows a resource by an address that it has or had. One that came up at
/// that address because it moved there is followed by where it was before, as
/// long as that leads to the same address again, and all the walks together open
/// no more than twice what one may.
async fn follow(
    ctx: &Ctx,
    walk: &Walk,
    mut subject: Subject,
    make: impl Fn(&Subject) -> Fold,
) -> Result<Fold> {
    let asked = subject.address().to_owned();
    let bytes: u64 = walk.versions.iter().map(|version| version.size).sum();
    let mut left = BYTES_MAX;
    let mut fold = go(ctx, walk, make(&subject)).await?;
    while let Some(place) = fold.appeared().filter(|_| left >= bytes) {
        left -= bytes;
        let Some(before) = origin(ctx, walk, place, subject.address()).await? else {
            break;
        };
        let path = subject.path().map(|path| format!(".{path}"));
        let text = format!("{before}{}", path.unwrap_or_default());
        subject = text
            .parse()
            .map_err(|error| Error::internal(format!("an address of a state: {error}")))?;
        let older = go(ctx, walk, make(&subject)).await?;
        if older.place() != asked {
            // Another had that address before, and went elsewhere.
            break;
        }
        fold = older;
    }
    Ok(fold)
}

/// Where a resource was before it came up at an address in the version at a place.
async fn origin(ctx: &Ctx, walk: &Walk, place: u64, address: &str) -> Result<Option<String>> {
    let at = |version: &&Version| version.sequence == Some(place);
    let Some(after) = walk.versions.iter().find(at) else {
        return Ok(None);
    };
    let older = walk.versions.iter().rev();
    let older = older.filter(|version| version.sequence < Some(place) && !version.opaque);
    let mut before = None;
    for version in older {
        before = sealed(ctx, walk, version).await?;
        if before.is_some() {
            break;
        }
    }
    let (Some(before), Some(after)) = (before, sealed(ctx, walk, after).await?) else {
        return Ok(None);
    };
    let _room = room(before.bytes() + after.bytes()).await?;
    let address = address.to_owned();
    aside(ctx.house(), move |house| {
        let (before, after) = (before.open(house)?, after.open(house)?);
        let found =
            before.look(|before| after.look(|after| history::origin(before, after, &address)));
        found?
    })
    .await
}

/// A version of the walk; `None` where its content was removed.
async fn sealed(ctx: &Ctx, walk: &Walk, version: &Version) -> Result<Option<Sealed>> {
    let target = Target::Workspace(Workspace::Id(walk.workspace.clone()));
    let version = version.clone();
    door::read(ctx, FollowResource, &target, |rows| {
        Box::pin(async move {
            if removal::sql::of(rows, &version.id).await?.is_some() {
                return Ok(None);
            }
            Sealed::with(rows, version).await.map(Some)
        })
    })
    .await
}

/// Which versions are looked at, and the leaf of it.
async fn start(
    ctx: &Ctx,
    workspace: &Workspace,
    before: Option<u64>,
    limit: usize,
) -> Result<Walk> {
    let (wanted, limit) = (workspace.clone(), limit.clamp(1, VERSIONS_MAX));
    let target = Target::Workspace(workspace.clone());
    let walk = door::read(ctx, FollowResource, &target, |rows| {
        Box::pin(async move {
            let workspace = workspace::sql::needed(rows, &wanted).await?;
            let before = before.unwrap_or(u64::MAX).min(workspace.sequence + 1);
            // One more than is looked at, to compare the first with, and the bytes of all within the bound.
            let found = sql::finished_before(rows, &workspace.id, before, limit + 1).await?;
            let (mut versions, mut bytes, mut cut) = (Vec::new(), 0_u64, found.len() > limit);
            for version in found {
                bytes = bytes.saturating_add(version.size);
                versions.push(version);
                if bytes > BYTES_MAX && versions.len() >= 2 {
                    cut |= versions.last().and_then(|last| last.sequence) > Some(1);
                    break;
                }
            }
            versions.reverse();
            Ok(Walk {
                workspace: workspace.id,
                versions,
                cut,
            })
        })
    })
    .await?;
    let (Some(first), Some(last)) = (walk.versions.first(), walk.versions.last()) else {
        return Err(Error::not_found("state"));
    };
    let (object, count) = (walk.workspace.clone(), walk.versions.len());
    let (first, last) = (first.id.clone(), last.id.clone());
    door::change(ctx, FollowResource, target, move |_| {
        let entry = Entry::new(&object)
            .fact("first", first.as_str())
            .fact("last", last.as_str())
            .fact("count", count);
        Box::pin(async move { Ok(Outcome::Recorded((), entry)) })
    })
    .await?;
    Ok(walk)
}

/// Shows the fold every version of the walk.
async fn go(ctx: &Ctx, walk: &Walk, mut fold: Fold) -> Result<Fold> {
    for version in &walk.versions {
        if version.opaque {
            fold.pass_over();
            continue;
        }
        let place = version.sequence.unwrap_or(0);
        let sealed = sealed(ctx, walk, version).await?;
        let Some(sealed) = sealed else {
            fold.pass_over();
            continue;
        };
        let _room = room(sealed.bytes()).await?;
        fold = aside(ctx.house(), move |house| {
            let seen = sealed.open(house)?.look(|side| fold.see(place, side));
            match seen {
                Ok(()) => Ok(fold),
                Err(error) if *error.kind() == Kind::Conflict => {
                    let words = format!(
                        "version {place} of this workspace: {}; nothing is told of its history while one version cannot be read",
                        error.message()
                    );
                    Err(Error::new(Kind::Conflict, words))
                }
                Err(error) => Err(error),
            }
        })
        .await?;
    }
    Ok(fold)
}

/// Who made the versions at these places.
async fn made(
    ctx: &Ctx,
    walk: &Walk,
    places: impl Iterator<Item = u64>,
) -> Result<BTreeMap<u64, Made>> {
    let wanted: std::collections::BTreeSet<u64> = places.collect();
    let of_walk = |version: &&Version| version.sequence.is_some_and(|at| wanted.contains(&at));
    let versions: Vec<Version> = walk.versions.iter().filter(of_walk).cloned().collect();
    let target = Target::Workspace(Workspace::Id(walk.workspace.clone()));
    door::read(ctx, FollowResource, &target, |rows| {
        Box::pin(async move {
            let mut all = BTreeMap::new();
            for version in versions {
                let made = made_by(rows, version).await?;
                all.insert(made.sequence, made);
            }
            Ok(all)
        })
    })
    .await
}

async fn made_by(rows: &mut Rows, version: Version) -> Result<Made> {
    let (leaf, body) = sql::leaf_of(rows, &version.id).await?;
    let unreadable = |_| Error::tampered(format!("leaf {leaf} of the ledger cannot be read"));
    let parsed = Leaf::parse(body.as_bytes()).map_err(unreadable)?;
    let token = parsed.actor.token.as_deref().map(str::to_owned);
    Ok(Made {
        sequence: version.sequence.unwrap_or(0),
        version: version.id,
        serial: version.serial,
        actor: version.actor,
        token,
        created_at: version.created_at,
        tool_version: version.tool_version,
        marks: version.marks,
        leaf,
    })
}
