//! Policies of a repository: what a configuration brings itself, in `.statehouse/policy`.
//!
//! They judge the runs of that configuration, each as a policy set of its own beside those of the organization: their verdicts are added, bound and
//! shown with the others under a name of their own. Nothing of them reaches another set, no exception is theirs, and no set ends because they are there. So
//! whoever writes a configuration can only make it harder to apply.
//!
//! Which there are is known from when the archive was looked through, and never changes. They are read where they are judged, outside of the door; what does
//! not read, or would not be published, is against the plan.

use std::io::{self, Read};

use bytes::Bytes;
use serde_json::Map;
use statehouse_ledger::sha256;
use statehouse_model::{ActorId, HouseId, PolicyBundleId, PolicySetId};
use statehouse_policy::bundle::{Bundle, Limits};
use statehouse_terraform::slug::{self, Contents, Node, Receive};

use super::force::InForce;
use super::judge::{Set, needed};
use super::sql::{PolicyBundle, PolicySet};
use super::{Enforcement, workers};
use crate::configuration::sql::{self as configurations, Brought, Configuration};
use crate::ctx::Ctx;
use crate::error::{Error, Result};
use crate::object::Object;
use crate::record::Rows;
use crate::run::sql::Run;
use crate::unsaid::Unsaid;

/// Where they lie in a configuration.
pub const FOLDER: &str = ".statehouse/policy";
/// What they are called.
const NAME: &str = "repository";

/// What a configuration brings of them; nothing where it has no such folder.
pub(crate) fn brought(of: &Configuration, contents: &Contents) -> Option<Brought> {
    let mut words = String::new();
    let mut files = 0;
    for (path, node) in &contents.nodes {
        let is_above = path == ".statehouse" || path == FOLDER;
        match node {
            Node::File { digest, .. } if inside(path).is_some() || is_above => {
                files += 1;
                words.extend([path.as_str(), "\0", &hex::encode(digest), "\n"]);
            }
            // It leads to what no policy may be read from: that is said where they are judged.
            Node::Link { target } if inside(path).is_some() || is_above => {
                files += 1;
                words.extend([path.as_str(), "\0link\0", target.as_str(), "\n"]);
            }
            _ => {}
        }
    }
    (files > 0).then(|| Brought {
        configuration: of.id.clone(),
        files,
        digest: sha256(words.as_bytes()).to_vec(),
    })
}

/// The path of a policy within the folder.
fn inside(path: &str) -> Option<&str> {
    path.strip_prefix(FOLDER)?.strip_prefix('/')
}

/// What a run's configuration brings, as a set that judges.
pub(super) async fn of_run(rows: &mut Rows, run: &Run) -> Result<Option<InForce>> {
    let Some(brought) = configurations::brought(rows, &run.configuration).await? else {
        return Ok(None);
    };
    let found = configurations::by_id(rows, &run.configuration).await?;
    let configuration = found
        .filter(|found| found.workspace == run.workspace)
        .ok_or_else(|| Error::tampered(format!("the configuration of {} is missing", run.id)))?;
    let house = run.id.house();
    let entropy = |word: &str| {
        let digest = sha256(format!("{word} {}", run.workspace).as_bytes());
        let half = digest.first_chunk::<16>();
        half.map_or(0, |half| u128::from_be_bytes(*half))
    };
    let set = PolicySet {
        // The same for each run of a workspace, and nobody else's.
        id: PolicySetId::from_entropy(house, entropy("policies of a repository")),
        name: NAME.to_owned(),
        description: String::new(),
        global: false,
        scopes: String::new(),
        tags: String::new(),
        excluded: String::new(),
        enforcement: Enforcement::HardMandatory.as_str().to_owned(),
        parameters: "{}".to_owned(),
        exceptions: "[]".to_owned(),
        bundle: None,
        created_at: configuration.created_at,
        updated_at: configuration.created_at,
    };
    let bundle = PolicyBundle {
        id: PolicyBundleId::from_entropy(house, entropy("bundle of a repository")),
        policy_set: set.id.clone(),
        digest: brought.digest,
        // Which there are is known when they are read: until then any may be.
        policies: String::new(),
        size: configuration.size,
        body_digest: Vec::new(),
        commitment: Vec::new(),
        actor: author(&configuration, run),
        created_at: configuration.created_at,
    };
    Ok(Some(InForce {
        set,
        bundle,
        repository: Some(configuration),
    }))
}

/// Who uploaded it.
fn author(configuration: &Configuration, run: &Run) -> ActorId {
    let read = configuration.actor.parse();
    read.unwrap_or_else(|_| run.actor.clone())
}

/// Opens the archive of a configuration, and makes a set of what it brings; why it cannot judge, in words.
pub(super) async fn opened(
    ctx: &Ctx,
    in_force: &InForce,
    (object, stored): (Object, crate::blob::Stored),
) -> Result<std::result::Result<Set, Unsaid>> {
    let archive = object.open(ctx, stored).await?;
    let read = tokio::task::spawn_blocking(move || gathered(&archive)).await;
    let read = read.map_err(|error| Error::internal(format!("reading policies: {error}")))?;
    let archive = match read {
        Ok(archive) => archive,
        Err(why) => return Ok(Err(why.into())),
    };
    let checked = needed(ctx.house())?.check(archive, &Map::new()).await;
    Ok(checked.map(|checked| Set {
        name: in_force.set.name.clone(),
        archive: checked.archive,
        enforcement: Enforcement::HardMandatory,
        parameters: Map::new(),
        exceptions: Vec::new(),
    }))
}

/// The policies in an archive, as an archive of their own.
fn gathered(archive: &[u8]) -> std::result::Result<Bytes, String> {
    let mut found = Policies::default();
    let contents = slug::walk(archive, &slug::Limits::default(), &mut found);
    let contents = contents.map_err(|error| error.to_string())?;
    for (path, _) in contents.links() {
        if inside(path).is_some() || path == ".statehouse" || path == FOLDER {
            return Err(format!(
                "{path} is a symbolic link; put the policies themselves there"
            ));
        }
    }
    if found.bytes > Limits::default().bytes_max {
        let most = Limits::default().bytes_max;
        return Err(format!("{FOLDER} has more than {most} bytes"));
    }
    let bundle = Bundle::from_files(found.files, &Limits::default());
    let bundle = bundle.map_err(|error| error.to_string())?;
    workers::packed(&bundle).map_err(|error| error.to_string())
}

/// The files in the folder, as they come.
#[derive(Default)]
struct Policies {
    files: Vec<(String, Vec<u8>)>,
    bytes: u64,
}

impl Receive for Policies {
    fn folder(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn file(&mut self, path: &str, _: bool, content: &mut dyn Read) -> io::Result<()> {
        let Some(name) = inside(path) else {
            return Ok(());
        };
        let left = Limits::default().bytes_max.saturating_sub(self.bytes);
        let mut text = Vec::new();
        let read = content
            .take(left.saturating_add(1))
            .read_to_end(&mut text)?;
        self.bytes = self.bytes.saturating_add(read as u64);
        self.files.push((name.to_owned(), text));
        Ok(())
    }
}
