//! What plans cost: what estimates are made from, and the estimate of each run.
//!
//! Of an organization a price book and an overlay of its own prices can be said, of an organization, a project or a workspace how much is used; of
//! usage files the nearer lies over the wider. Where no book is said, the one of this binary counts. Whatever an estimate is made from is kept, sealed
//! and once for each content, and named in it by its digest, the book of the binary and what resources consist of included: so it can be made again
//! when the binary is another. What was said before stays for history; nothing is changed, and the newest counts for the next run, never for a past one.
//!
//! A plan is estimated before policies judge it ([`make`]), in a process apart ([`Estimator`]); what was shown is bound by the capsule. Estimating
//! can be switched off for a workspace, a project or the organization. Then policies that judge a cost have none, and that is against the plan.
//!
//! Absent on purpose: the estimating itself, which is the crate `cost`; and opinions about an amount, which are those of policies.

pub mod estimate;
pub mod history;
pub(crate) mod make;
pub mod replay;
pub mod seen;
pub(crate) mod sql;

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use statehouse_ledger::sha256;
use statehouse_model::{ActorId, CostInputId};

use crate::access::Scope;
use crate::blob::{self, Stored};
use crate::ctx::Ctx;
use crate::door::{self, Action, Entry, Outcome, Plan, Target, Tx, actions};
use crate::error::{Error, Kind as Trouble, Result};
use crate::object::Object;
use crate::record::Rows;
use crate::workspace::sql::Workspace as WorkspaceRow;
pub use estimate::Estimator;
use estimate::{Input, Lane, Purpose, Unsaid};
use sql::{CostInput, CostSetting};

actions! {
    /// Say by what plans are estimated.
    SetCost = "cost.set" needs CostWrite;
    /// See by what they are.
    ShowCost = "cost.show" needs CostRead;
}

/// What an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What products cost.
    Book,
    /// What resources consist of. It comes with the binary.
    Mapping,
    /// Prices of the organization, over those of the book.
    Overlay,
    /// How much is used.
    Usage,
}

/// The word of a setting that is no input.
const ESTIMATION: &str = "estimation";
const ON: &str = "on";
const OFF: &str = "off";
/// Longest price book, in bytes: the one of the binary has ten million.
pub const BOOK_BYTES_MAX: usize = 128 << 20;
/// Longest name of a file, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Longest line of what an input says of itself, in bytes.
const ABOUT_BYTES_MAX: usize = 1000;

impl Kind {
    /// The word on the wire, and in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Book => "book",
            Self::Mapping => "mapping",
            Self::Overlay => "overlay",
            Self::Usage => "usage",
        }
    }

    /// What a word means, of what can be said.
    pub fn of(word: &str) -> Result<Self> {
        let all = [Self::Book, Self::Overlay, Self::Usage];
        let found = all.into_iter().find(|kind| kind.as_str() == word);
        found.ok_or_else(|| {
            let word: String = word.chars().take(64).collect();
            Error::invalid(format!(
                "`{word}` is nothing that plans are estimated by; known are `book`, `overlay` and `usage`"
            ))
        })
    }

    /// Longest input of the kind, in bytes: what the crate that reads them takes, and less where it is held in memory with others.
    pub fn bytes_max(self) -> usize {
        match self {
            Self::Book => BOOK_BYTES_MAX,
            Self::Mapping | Self::Overlay => 4 << 20,
            Self::Usage => 1 << 20,
        }
    }

    /// Refuses a scope of which it cannot be said.
    fn require(self, scope: &Scope) -> Result<()> {
        if self == Self::Usage || matches!(scope, Scope::Organization) {
            return Ok(());
        }
        let words = format!(
            "a price {} is said of the organization alone",
            self.as_str()
        );
        Err(Error::invalid(words).hint("leave the project or the workspace out"))
    }
}

/// What a scope said at one time.
#[derive(Debug, Clone)]
pub struct Version {
    /// From 1; the greatest counts.
    pub number: u64,
    /// The input; `None` where it was taken back.
    pub input: Option<InputView>,
    /// Who said it.
    pub set_by: String,
    /// When, in microseconds since 1970.
    pub set_at: i64,
}

/// An input, for people and programs to read.
#[derive(Debug, Clone)]
pub struct InputView {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: String,
    /// What the file was called.
    pub name: String,
    /// SHA-256 of its bytes, in hex.
    pub digest: String,
    /// What it says of itself, a line.
    pub about: String,
    /// Bytes.
    pub size: u64,
}

/// By what plans of a scope are estimated.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether they are.
    pub estimation: bool,
    /// The scope that says so; `None` where nothing is said.
    pub estimation_of: Option<String>,
    /// The inputs that count here, and of which scope each is said, the wider before the nearer.
    pub inputs: Vec<(String, InputView)>,
}

impl InputView {
    fn of(row: CostInput, name: &str) -> Self {
        Self {
            id: row.id.to_string(),
            kind: row.kind,
            name: if name.is_empty() {
                row.name
            } else {
                name.to_owned()
            },
            digest: hex::encode(&row.digest),
            about: row.about,
            size: row.size,
        }
    }
}

/// What estimates here. A process without it makes no estimates.
fn needed(ctx: &Ctx) -> Result<Arc<dyn Estimator>> {
    let found = ctx.house().estimator().cloned();
    found.ok_or_else(|| {
        Error::unavailable("this server has nothing that estimates costs")
            .hint("ask another, or start it as `statehouse serve`")
    })
}

/// Who waits when this house has something estimated.
fn lane(ctx: &Ctx, purpose: Purpose) -> Lane {
    Lane {
        house: ctx.house().code(),
        purpose,
    }
}

/// An input that is sealed and not stored yet, unless it is there already.
pub(crate) struct Kept {
    row: CostInput,
    stored: Option<Stored>,
}

/// Seals an input; one of the same content that is there already is taken as it is.
pub(crate) async fn prepare<A: Action>(
    ctx: &Ctx,
    action: A,
    target: &Target,
    (input, about): (&Input, String),
) -> Result<Kept> {
    let digest = sha256(&input.bytes);
    let kind = input.kind.as_str();
    let there = door::read(ctx, action, target, move |rows| {
        Box::pin(async move { sql::input_of(rows, kind, &digest).await })
    })
    .await?;
    if let Some(row) = there {
        return Ok(Kept { row, stored: None });
    }
    let mut row = CostInput {
        id: CostInputId::from_entropy(ctx.house().code(), crate::entropy()),
        kind: kind.to_owned(),
        digest: digest.to_vec(),
        name: input.name.clone(),
        about: about.chars().take(ABOUT_BYTES_MAX / 4).collect(),
        size: input.bytes.len() as u64,
        body_digest: Vec::new(),
        commitment: Vec::new(),
        actor: ActorId::from(ctx.actor()),
        created_at: ctx.house().now(),
    };
    let (stored, _) = Object::from(&row).seal(ctx, input.bytes.clone()).await?;
    row.body_digest = stored.body_digest.to_vec();
    row.commitment = stored.commitment.to_vec();
    Ok(Kept {
        row,
        stored: Some(stored),
    })
}

impl Kept {
    pub(crate) fn weight(&self) -> usize {
        let body = self.stored.as_ref().and_then(|stored| stored.body.as_ref());
        body.map_or(0, Vec::len)
    }

    /// Stores it beside a change; the row that there is. Somebody else may have stored the same meanwhile.
    pub(crate) async fn store<A: Action>(&self, tx: &mut Tx<A>) -> Result<CostInput> {
        if let Some(there) = sql::input_of(tx, &self.row.kind, &self.row.digest).await? {
            return Ok(there);
        }
        let gone = || Error::tampered(format!("the input `{}` is missing", self.row.id));
        let stored = self.stored.as_ref().ok_or_else(gone)?;
        tx.put(&self.row).await?;
        blob::sql::insert_object(tx, self.row.id.as_str(), stored).await?;
        Ok(self.row.clone())
    }

    /// Removes the body of one that was not stored beside its change. Whether an unanswered change was made is not known: then it stays.
    pub(crate) fn forget_unless(&self, ctx: &Ctx, stored: &Result<CostInputId>) {
        let is_there = match stored {
            Ok(id) => *id == self.row.id,
            Err(error) => *error.kind() == Trouble::Unavailable,
        };
        if self.stored.is_some() && !is_there {
            ctx.house().blobs().forget(self.row.id.as_str());
        }
    }

    /// What a leaf says of it.
    pub(crate) fn told(entry: Entry, row: &CostInput) -> Entry {
        entry
            .fact("input", row.id.as_str())
            .fact("kind", row.kind.as_str())
            .fact("digest", hex::encode(&row.digest))
            .fact("size", row.size)
            .fact("body", hex::encode(&row.body_digest))
            .fact("commitment", hex::encode(&row.commitment))
    }
}

/// Reads an input as it would be to estimate by it, and seals it. What does not read is refused with the file and the line.
async fn sent(
    ctx: &Ctx,
    target: &Target,
    (kind, name): (Kind, String),
    bytes: Bytes,
) -> Result<(Arc<Kept>, String)> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(char::is_control) {
        let words = format!("a file has a name of 1 to {NAME_BYTES_MAX} bytes, in one line");
        return Err(Error::invalid(words));
    }
    // Nothing is read for who may not say it.
    door::read(ctx, SetCost, target, |_| Box::pin(async { Ok(()) })).await?;
    let input = Input { kind, name, bytes };
    let about = looked_at(ctx, &input).await?;
    let kept = Arc::new(prepare(ctx, SetCost, target, (&input, about)).await?);
    Ok((kept, input.name))
}

/// Reads an input as whoever estimates by it would, and says what it is.
async fn looked_at(ctx: &Ctx, input: &Input) -> Result<String> {
    let (kind, bytes) = (input.kind, input.bytes.len());
    if bytes > kind.bytes_max() {
        let words = format!(
            "the {} has {bytes} bytes, and may have {}",
            kind.as_str(),
            kind.bytes_max()
        );
        return Err(Error::new(Trouble::TooLarge, words));
    }
    let (estimator, lane) = (needed(ctx)?, lane(ctx, Purpose::Input));
    let about = match estimator.place(lane).await {
        Ok(place) => estimator.check(place, input.clone()).await,
        Err(unsaid) => Err(unsaid),
    };
    about.map_err(|unsaid| match unsaid {
        Unsaid::Impossible(why) => Error::invalid(why).hint("nothing was stored"),
        Unsaid::Unanswered(why) => Error::unavailable(format!("the file was not looked at: {why}"))
            .hint("nothing was stored; send it again"),
    })
}

/// Says by what the plans of a scope are estimated from now on.
pub async fn set(
    ctx: &Ctx,
    scope: Scope,
    (kind, name): (Kind, String),
    bytes: Bytes,
) -> Result<InputView> {
    kind.require(&scope)?;
    let (kept, name) = sent(ctx, &scope.target(), (kind, name), bytes).await?;
    put(ctx, scope.target(), (kept, name), Some(scope)).await
}

/// Keeps an input without saying it of anything: for a replay.
pub async fn keep(ctx: &Ctx, (kind, name): (Kind, String), bytes: Bytes) -> Result<InputView> {
    let (kept, name) = sent(ctx, &Target::House, (kind, name), bytes).await?;
    put(ctx, Target::House, (kept, name), None).await
}

/// Stores an input, and says it of a scope.
async fn put(
    ctx: &Ctx,
    target: Target,
    (kept, name): (Arc<Kept>, String),
    scope: Option<Scope>,
) -> Result<InputView> {
    let plan = Plan {
        weight: kept.weight(),
        asks: Vec::new(),
    };
    let given = Arc::new((scope, kept.clone(), name));
    let made = door::planned(ctx, SetCost, target, plan, move |tx| {
        let given = given.clone();
        Box::pin(async move {
            let (scope, kept, name) = &*given;
            let row = kept.store(tx).await?;
            let (is_new, view) = (row.id == kept.row.id, InputView::of(row.clone(), name));
            let said = match scope {
                None => (is_new && kept.stored.is_some()).then(|| Entry::new(&row.id)),
                Some(scope) => {
                    let word = Some(row.id.to_string());
                    say(tx, scope, &row.kind, (word, name)).await?
                }
            };
            Ok(match said {
                None => Outcome::Unchanged((row.id, view)),
                Some(entry) => Outcome::Recorded((row.id.clone(), view), Kept::told(entry, &row)),
            })
        })
    })
    .await;
    let (stored, made) = match made {
        Ok((id, view)) => (Ok(id), Ok(view)),
        Err(error) => (Err(Error::new(error.kind().clone(), "")), Err(error)),
    };
    kept.forget_unless(ctx, &stored);
    made
}

/// Says something of a scope, unless that is what it says; with what a leaf is to say.
async fn say(
    tx: &mut Tx<SetCost>,
    scope: &Scope,
    kind: &str,
    (word, name): (Option<String>, &str),
) -> Result<Option<Entry>> {
    let scope = scope.text();
    let old = sql::said(tx, &scope, kind).await?;
    let (number, before) = old.map_or((0, None), |old| (old.number, old.word));
    if before == word {
        return Ok(None);
    }
    let (set_by, set_at) = (tx.actor().to_owned(), tx.now());
    tx.put(&CostSetting {
        scope: scope.clone(),
        kind: kind.to_owned(),
        number: number + 1,
        word: word.clone(),
        name: name.to_owned(),
        set_by,
        set_at,
    })
    .await?;
    let entry = Entry::new(&scope).fact("setting", kind);
    let entry = entry.fact("number", number + 1);
    Ok(Some(match word {
        Some(word) => entry.fact("word", word.as_str()),
        None => entry,
    }))
}

/// Says nothing of it any more: what the wider scope says counts, or what comes with the binary.
pub async fn unset(ctx: &Ctx, scope: Scope, kind: Kind) -> Result<()> {
    kind.require(&scope)?;
    word(ctx, scope, kind.as_str(), None).await
}

/// Switches estimating on or off for the plans of a scope; `None` leaves it to the wider one.
pub async fn switch(ctx: &Ctx, scope: Scope, on: Option<bool>) -> Result<()> {
    let said = on.map(|on| if on { ON } else { OFF });
    word(ctx, scope, ESTIMATION, said).await
}

async fn word(
    ctx: &Ctx,
    scope: Scope,
    kind: &'static str,
    said: Option<&'static str>,
) -> Result<()> {
    let target = scope.target();
    door::change(ctx, SetCost, target, move |tx| {
        let scope = scope.clone();
        Box::pin(async move {
            let said = say(tx, &scope, kind, (said.map(str::to_owned), "")).await?;
            Ok(match said {
                None => Outcome::Unchanged(()),
                Some(entry) => Outcome::Recorded((), entry),
            })
        })
    })
    .await
}

/// The input that a setting names, which must be there.
async fn input_of(rows: &mut Rows, setting: &CostSetting) -> Result<Option<CostInput>> {
    let Some(word) = &setting.word else {
        return Ok(None);
    };
    let gone = || Error::tampered(format!("the input `{word}` that costs need is missing"));
    let id: CostInputId = word.parse().map_err(|_| gone())?;
    let row = sql::input(rows, &id).await?.ok_or_else(gone)?;
    if row.kind != setting.kind {
        return Err(gone());
    }
    Ok(Some(row))
}

/// What is said of a workspace and what is around it, the wider before the nearer.
async fn around(rows: &mut Rows, workspace: &WorkspaceRow) -> Result<Vec<CostSetting>> {
    let mut said = sql::said_around(rows, workspace).await?;
    let rank = |scope: &str| match scope {
        scope if scope == workspace.id.as_str() => 2,
        scope if scope == workspace.project.as_str() => 1,
        _ => 0,
    };
    said.retain(|each| each.word.is_some());
    said.sort_by(|one, other| {
        (&one.kind, rank(&one.scope)).cmp(&(&other.kind, rank(&other.scope)))
    });
    Ok(said)
}

/// Whether plans are estimated by what these say, the wider before the nearer. A word that nobody can have written is no.
fn is_on(said: &[CostSetting]) -> bool {
    let nearest = said.iter().rfind(|each| each.kind == ESTIMATION);
    nearest.is_none_or(|each| each.word.as_deref() == Some(ON))
}

/// Whether the plans of a workspace are estimated here.
pub(crate) async fn is_wanted(rows: &mut Rows, workspace: &WorkspaceRow) -> Result<bool> {
    Ok(is_on(&around(rows, workspace).await?))
}

/// By what plans of a scope are estimated.
pub async fn show(ctx: &Ctx, scope: Scope) -> Result<Settings> {
    let target = scope.target();
    door::read(ctx, ShowCost, &target, move |rows| {
        Box::pin(async move {
            let said = match &scope {
                Scope::Workspace(id) => {
                    let workspace = crate::workspace::Workspace::Id(id.clone());
                    let workspace = crate::workspace::sql::needed(rows, &workspace).await?;
                    around(rows, &workspace).await?
                }
                scope => {
                    let mut said = Vec::new();
                    if !matches!(scope, Scope::Organization) {
                        said = sql::all_said(rows, &Scope::Organization.text()).await?;
                    }
                    said.extend(sql::all_said(rows, &scope.text()).await?);
                    said.retain(|each| each.word.is_some());
                    said
                }
            };
            let mut inputs = Vec::new();
            for each in said.iter().filter(|each| each.kind != ESTIMATION) {
                if let Some(row) = input_of(rows, each).await? {
                    inputs.push((each.scope.clone(), InputView::of(row, &each.name)));
                }
            }
            let switch = said.iter().rfind(|each| each.kind == ESTIMATION);
            Ok(Settings {
                estimation: is_on(&said),
                estimation_of: switch.map(|each| each.scope.clone()),
                inputs,
            })
        })
    })
    .await
}

/// All that a scope ever said of one kind, the newest first.
pub async fn versions(ctx: &Ctx, scope: Scope, kind: Kind) -> Result<Vec<Version>> {
    kind.require(&scope)?;
    let target = scope.target();
    door::read(ctx, ShowCost, &target, move |rows| {
        Box::pin(async move {
            let mut versions = Vec::new();
            for each in sql::versions(rows, &scope.text(), kind.as_str()).await? {
                let input = input_of(rows, &each).await?;
                versions.push(Version {
                    number: each.number,
                    input: input.map(|row| InputView::of(row, &each.name)),
                    set_by: each.set_by,
                    set_at: each.set_at,
                });
            }
            Ok(versions)
        })
    })
    .await
}

/// The bytes of an input that a scope names or named, by its digest; the newest where none is given.
pub async fn content(ctx: &Ctx, scope: Scope, kind: Kind, digest: Option<String>) -> Result<Bytes> {
    let target = scope.target();
    let (object, stored) = door::read(ctx, ShowCost, &target, move |rows| {
        Box::pin(async move {
            let mut found = None;
            for each in sql::versions(rows, &scope.text(), kind.as_str()).await? {
                let Some(row) = input_of(rows, &each).await? else {
                    continue;
                };
                let is_asked = |digest: &String| *digest == hex::encode(&row.digest);
                if digest.as_ref().is_none_or(is_asked) {
                    found = Some(row);
                    break;
                }
            }
            let row = found.ok_or_else(|| Error::not_found("input"))?;
            let object = Object::from(&row);
            let stored = object.stored(rows).await?;
            Ok((object, stored))
        })
    })
    .await?;
    object.open(ctx, stored).await
}
