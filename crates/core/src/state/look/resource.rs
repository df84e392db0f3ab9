//! What is in one version: its resources, and one of them with its attributes.

use serde::Serialize;
use statehouse_terraform::address::{Mode, Subject};
use statehouse_terraform::content::{Content, Instance, Provider, Shown, View};
use statehouse_terraform::search::Entry;

use super::{Sealed, aside, room};
use crate::ctx::Ctx;
use crate::door::{self, Action, Target, actions};
use crate::error::{Error, Result};
use crate::state::newest::{self, Claim};
use crate::state::{VersionView, Which, head_of};
use crate::workspace::{self, Workspace};

/// Most attributes that are shown of a resource: providers' largest have some hundred.
const ATTRIBUTES_MAX: usize = 1000;
/// Most bytes of one value.
const VALUE_BYTES_MAX: usize = 16 * 1024;
/// Most resources that are listed.
const RESOURCES_MAX: usize = 10_000;

actions! {
    /// See the resources of a state, without their attributes.
    ListResources = "state.list-resources" needs StateRead;
    /// See the attributes of one, sensitive ones hidden.
    ReadResource = "state.read-resource" needs StateRead;
}

/// A resource of a state, in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Brief {
    /// Its address.
    pub address: String,
    /// Managed, or read only.
    pub mode: Mode,
    /// Its type.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The module's address; empty for the root module.
    pub module: String,
    /// The provider.
    pub provider: Provider,
    /// The key of a deposed object.
    pub deposed: Option<String>,
    /// Whether the next apply replaces it.
    pub tainted: bool,
}

/// A resource with its attributes.
#[derive(Debug, Clone)]
pub struct ResourceView {
    /// The version that it was read from.
    pub version: VersionView,
    /// What it is.
    pub brief: Brief,
    /// The resources it depends on.
    pub dependencies: Vec<String>,
    /// Its attributes by name, or the one that was asked for, by its path.
    pub attributes: Vec<(String, Shown)>,
    /// Attributes that are not shown.
    pub left_out: u64,
}

impl Brief {
    fn of(instance: &Instance<'_>) -> Self {
        Self {
            address: instance.address(),
            mode: instance.mode(),
            kind: instance.kind().to_owned(),
            name: instance.name().to_owned(),
            module: instance.module().to_owned(),
            provider: instance.provider(),
            deposed: instance.deposed().map(str::to_owned),
            tainted: instance.is_tainted(),
        }
    }
}

impl From<Entry> for Brief {
    fn from(entry: Entry) -> Self {
        Self {
            address: entry.address,
            mode: entry.mode,
            kind: entry.kind,
            name: entry.name,
            module: entry.module,
            provider: entry.provider,
            deposed: entry.deposed,
            tainted: entry.tainted,
        }
    }
}

/// The resources of a version, at most 10,000, and how many more there are;
/// `None` when the workspace has no state yet. Recorded before it returns.
pub async fn resources(
    ctx: &Ctx,
    workspace: &Workspace,
    which: Which,
) -> Result<Option<(VersionView, Vec<Brief>, u64)>> {
    let Some(sealed) = sealed(ctx, ListResources, workspace, which).await? else {
        return Ok(None);
    };
    let version = sealed.version.clone();
    let _room = room(sealed.bytes()).await?;
    let found = aside(ctx.house(), move |house| {
        sealed.open(house)?.look(|side| {
            let all = side.content.instances();
            let listed: Vec<Brief> = all.iter().take(RESOURCES_MAX).map(Brief::of).collect();
            let left_out = (all.len() - listed.len()) as u64;
            (listed, left_out)
        })
    });
    let (listed, left_out) = found.await?;
    Ok(Some((version.into(), listed, left_out)))
}

/// One resource of a version, or one of its attributes. Recorded before it
/// returns.
pub async fn resource(
    ctx: &Ctx,
    workspace: &Workspace,
    which: Which,
    subject: Subject,
) -> Result<ResourceView> {
    let gone = || Error::not_found("resource");
    let sealed = sealed(ctx, ReadResource, workspace, which).await?;
    let sealed = sealed.ok_or_else(gone)?;
    let version = sealed.version.clone();
    let _room = room(sealed.bytes()).await?;
    let found = aside(ctx.house(), move |house| {
        sealed.open(house)?.look(|side| {
            let instance = find(side.content, &subject)?;
            let view = View::of(instance, side.shown);
            let (attributes, left_out) = match subject.path() {
                None => view.attributes(ATTRIBUTES_MAX, VALUE_BYTES_MAX),
                Some(path) => (vec![(path.to_string(), view.at(path, VALUE_BYTES_MAX)?)], 0),
            };
            Some((
                Brief::of(instance),
                instance.dependencies(),
                attributes,
                left_out,
            ))
        })
    });
    let (brief, dependencies, attributes, left_out) = found.await?.ok_or_else(gone)?;
    Ok(ResourceView {
        version: version.into(),
        brief,
        dependencies,
        attributes,
        left_out,
    })
}

fn find<'c, 'a>(content: &'c Content<'a>, subject: &Subject) -> Option<&'c Instance<'a>> {
    content.instance(subject.address())
}

/// A version, its read recorded; `None` when the workspace has no state yet.
async fn sealed<A: Action>(
    ctx: &Ctx,
    action: A,
    workspace: &Workspace,
    which: Which,
) -> Result<Option<Sealed>> {
    let target = Target::Workspace(workspace.clone());
    let Some(found) = looked(ctx, action, workspace, &which).await? else {
        return Ok(None);
    };
    let object = found.version.id.as_str();
    ctx.house()
        .reads()
        .record(ctx, action, &target, object)
        .await?;
    Ok(Some(found))
}

/// A version as the rows have it; the current one held against the ledger.
async fn looked<A: Action>(
    ctx: &Ctx,
    action: A,
    workspace: &Workspace,
    which: &Which,
) -> Result<Option<Sealed>> {
    let target = Target::Workspace(workspace.clone());
    for _ in 0..newest::TRIES {
        let (wanted, which) = (workspace.clone(), which.clone());
        let read = door::read(ctx, action, &target, |rows| {
            Box::pin(async move {
                let workspace = workspace::sql::needed(rows, &wanted).await?;
                if let Which::Version(id) = which {
                    let found = Sealed::of(rows, &workspace.id, &id).await?;
                    return Ok((Some(found), None));
                }
                let head = head_of(rows, &workspace).await?;
                let claim = Claim::of(rows, &workspace, head.as_ref()).await?;
                let found = match head {
                    Some(head) => Some(Sealed::with(rows, head).await?),
                    None => None,
                };
                Ok((found, Some(claim)))
            })
        });
        let (found, claim) = read.await?;
        match claim {
            Some(claim) if !claim.holds(ctx, workspace).await? => {}
            _ => return Ok(found),
        }
    }
    Err(newest::moves(ctx).await)
}
