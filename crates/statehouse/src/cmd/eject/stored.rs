//! Organizations of a backup, opened without any server.
//!
//! The backup is unpacked into a private directory that is removed again, and opened there with the keys; nothing of the backup
//! and none of the keys is written to. Everything is checked as a server would: the database against its ledger's head, every
//! row by its MAC, every state by its seal. What reads leave in the ledger they leave in the copy.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use statehouse_core::backup::{self, Manifest};
use statehouse_core::seal::make_directory;
use statehouse_core::state::{self, VersionView, Which};
use statehouse_core::workspace::{self, Workspace as Named, WorkspaceView};
use statehouse_core::{Core, Ctx, org, project};
use statehouse_model::{Name, VersionId, WorkspaceId};
use tokio::runtime::Runtime;

use super::shelf::{Shelf, Version, Workspace};
use crate::cmd::session::Session;
use crate::config::{Config, KeyProvider, Settings, Sources};
use crate::failure::{Failure, Result};
use crate::server;

/// Where a backup and the keys to it are.
#[derive(clap::Args)]
pub(super) struct From {
    /// Without any server: a backup, which is only read
    #[arg(long, value_name = "FILE")]
    backup: Option<PathBuf>,
    /// The key directory that belongs to the backup
    #[arg(long, value_name = "DIR", requires = "backup")]
    keys: Option<PathBuf>,
    /// The passphrase of the key directory, in the first line of a file
    #[arg(long, value_name = "FILE", requires = "keys")]
    passphrase_file: Option<PathBuf>,
    /// Keys as this configuration of a server has them, for hardware modules
    #[arg(
        long,
        value_name = "FILE",
        requires = "backup",
        conflicts_with = "keys"
    )]
    keys_config: Option<PathBuf>,
}

impl From {
    /// The backup, if one is named.
    pub(super) fn backup(&self) -> Option<&Path> {
        self.backup.as_deref()
    }

    /// The configuration of a house in `dir`, with these keys.
    fn config(&self, dir: &Path, session: &Session) -> Result<Config> {
        let mut config = match (&self.keys, &self.keys_config) {
            (None, None) => {
                return Err(Failure::usage("a backup holds no key, and none is named")
                    .hint("give --keys DIR, or --keys-config FILE for a hardware module"));
            }
            (None, Some(file)) => {
                let sources = Sources {
                    config: Some(file.clone()),
                    set: Vec::new(),
                };
                Settings::load(&sources, &session.environment)?.config()?
            }
            (Some(keys), _) => {
                let mut config = Settings::of_default()?.config()?;
                config.keys.dir = std::path::absolute(keys)?;
                if self.passphrase_file.is_some() {
                    config.keys.provider = KeyProvider::Passphrase;
                    config.keys.passphrase_file = self.passphrase_file.clone();
                }
                config
            }
        };
        // Whoever opens a provider of keys makes its directory; what is not there must not come into being here.
        if config.keys.provider != KeyProvider::Pkcs11 && !config.keys.dir.is_dir() {
            let words = format!(
                "{} is no key directory: it is not there",
                config.keys.dir.display()
            );
            return Err(Failure::usage(words).hint("without the keys nobody opens the backup"));
        }
        config.database = Settings::of_default()?.config()?.database;
        config.data.dir = dir.join("data");
        config.data.anchors = dir.join("anchors");
        Ok(config)
    }
}

/// A backup that is open.
pub(super) struct Opened {
    runtime: Runtime,
    core: Option<Arc<Core>>,
    manifest: Manifest,
    scratch: Scratch,
}

/// The private copy, removed when this is dropped.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // It holds nothing that is not sealed; whoever stops us leaves it behind.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Opened {
    /// Unpacks a backup beside where its states go, and opens it.
    pub(super) fn open(from: &From, backup: &Path, dir: &Path, session: &Session) -> Result<Self> {
        let scratch = Scratch(dir.join(".backup"));
        let config = from.config(&scratch.0, session)?;
        make_directory(&scratch.0)?;
        let runtime = Session::runtime()?;
        let (core, manifest) = runtime.block_on(async {
            let options = server::options(&config, &session.environment).await?;
            make_directory(&options.data)?;
            let manifest = backup::restore(backup, &options).await?;
            Ok::<_, Failure>((Core::open_still(options).await?, manifest))
        })?;
        Ok(Self {
            runtime,
            core: Some(core),
            manifest,
            scratch,
        })
    }

    /// The organizations in it, by name.
    pub(super) fn organizations(&self) -> Result<Vec<Name>> {
        let core = self.core()?;
        let found = self.runtime.block_on(org::list(&core.machine()))?;
        let active = found.into_iter().filter(|each| each.status == "active");
        let mut names = active
            .map(|each| each.name.parse().map_err(Failure::failed))
            .collect::<Result<Vec<Name>>>()?;
        names.sort();
        Ok(names)
    }

    fn core(&self) -> Result<&Arc<Core>> {
        self.core
            .as_ref()
            .ok_or_else(|| Failure::failed("the backup is closed"))
    }

    /// One organization. What the backup does not hold is refused, not made anew.
    pub(super) fn organization(&self, name: &Name) -> Result<Stored<'_>> {
        let core = self.core()?;
        let found = self.runtime.block_on(org::list(&core.machine()))?;
        let missing = || Failure::failed(format!("the backup has no organization {name}"));
        let found = found
            .into_iter()
            .find(|each| each.name == name.as_str())
            .ok_or_else(missing)?;
        let held = self
            .manifest
            .houses
            .iter()
            .find(|house| house.code == found.code);
        match held.map(|house| &house.problem) {
            Some(None) => {}
            Some(Some(problem)) => {
                return Err(Failure::failed(format!(
                    "the backup was made without {name}: {problem}"
                )));
            }
            None => return Err(missing()),
        }
        Ok(Stored {
            runtime: &self.runtime,
            ctx: self.runtime.block_on(core.enter_as_machine(name))?,
            code: found.code,
        })
    }

    /// Closes the copy, and removes it: when nothing is left that could still write into it.
    pub(super) fn close(self) -> Result {
        let Self {
            runtime,
            core,
            scratch,
            ..
        } = self;
        if let Some(core) = core {
            runtime.block_on(core.close())?;
        }
        drop(runtime);
        fs::remove_dir_all(&scratch.0)?;
        Ok(())
    }
}

/// An organization of an open backup.
pub(super) struct Stored<'a> {
    runtime: &'a Runtime,
    ctx: Ctx,
    code: String,
}

fn named(workspace: &Workspace) -> Result<Named> {
    let id: WorkspaceId = workspace.id.parse().map_err(Failure::failed)?;
    Ok(Named::Id(id))
}

fn version(view: VersionView) -> Version {
    Version {
        id: view.id,
        sequence: view.sequence,
        status: view.status,
        lineage: view.lineage,
        serial: view.serial,
        size: view.size,
        leaf: view.leaf,
        removed: false,
    }
}

impl Stored<'_> {
    async fn all_workspaces(&self) -> Result<Vec<WorkspaceView>> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = workspace::list(&self.ctx, after, workspace::PAGE_MAX).await?;
            let last = page.last().map(|last| last.name.parse());
            all.extend(page);
            match last {
                Some(last) => after = Some(last.map_err(Failure::failed)?),
                None => return Ok(all),
            }
        }
    }

    async fn all_versions(&self, workspace: &Named) -> Result<Vec<Version>> {
        let mut all = Vec::new();
        for number in 1.. {
            let page = state::page(&self.ctx, workspace, number, state::PAGE_MAX).await?;
            let ids = page.items.iter().filter_map(|view| view.id.parse().ok());
            let removed = state::removed(&self.ctx, workspace, ids.collect()).await?;
            let ends = page.items.len() < state::PAGE_MAX;
            all.extend(page.items.into_iter().map(|view| Version {
                removed: removed.contains_key(&view.id),
                ..version(view)
            }));
            if ends {
                break;
            }
        }
        Ok(all)
    }
}

impl Shelf for Stored<'_> {
    fn code(&self) -> &str {
        &self.code
    }

    fn workspaces(&mut self) -> Result<Vec<Workspace>> {
        self.runtime.block_on(async {
            let projects = project::list(&self.ctx).await?;
            let name = |id: &str| {
                let project = projects.iter().find(|each| each.project.id == id);
                project.map_or(id, |each| &each.project.name).to_owned()
            };
            let found = self.all_workspaces().await?.into_iter();
            Ok(found
                .map(|view| Workspace {
                    project: name(&view.project),
                    id: view.id,
                    name: view.name,
                    head: view.head,
                })
                .collect())
        })
    }

    fn versions(&mut self, workspace: &Workspace) -> Result<Vec<Version>> {
        self.runtime.block_on(self.all_versions(&named(workspace)?))
    }

    fn bytes(&mut self, workspace: &Workspace, version: &Version) -> Result<Vec<u8>> {
        let id: VersionId = version.id.parse().map_err(Failure::failed)?;
        let which = Which::Version(id);
        let found = self
            .runtime
            .block_on(state::get(&self.ctx, &named(workspace)?, which))?;
        let missing = || Failure::failed(format!("there are no bytes of version {}", version.id));
        Ok(found.ok_or_else(missing)?.1.to_vec())
    }
}
