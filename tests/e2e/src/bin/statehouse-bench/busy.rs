//! A house in which much has happened: thousands of workspaces, and many versions of each state.
//!
//! Everything in it was written through the door, by the public API of `core` in this process: every version is judged, sealed,
//! has its leaf and its row. What is left out is HTTP, and syncs that clients would wait for are shared by as many as fit into a
//! batch. Where the size of states matters to none of the answers that are measured, they are as small as they can be ([`tiny`]).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use statehouse_core::state::{self, Put, Upload};
use statehouse_core::workspace::{self, Change, WishedTag, Workspace};
use statehouse_core::{Ctx, project, team};

use crate::Result;
use crate::house::{ORGANIZATION, Site, begin, runtime};

/// Workspaces that are filled at once: twice a batch, so that the next one waits while one is committed.
const AT_ONCE: usize = 128;
/// Each so many workspaces carry the tag.
const TAGGED: usize = 100;
/// Teams and projects.
const TEAMS: usize = 50;

/// The state of a workspace with a serial.
pub(crate) type Make = fn(usize, usize) -> Vec<u8>;

/// Makes the house; `versions` in all, the same number in each workspace.
pub(crate) fn seed(dir: &Path, workspaces: usize, versions: usize, make: Make) -> Result<Site> {
    runtime()?.block_on(async {
        let (core, token, _) = begin(dir, None).await?;
        let caller = core.authenticate(&token, None).await?;
        let ctx = core.enter(&caller, &ORGANIZATION.parse()?).await?;
        for number in 0..TEAMS {
            let name = format!("t-{number}").parse()?;
            team::create(&ctx, name, team::Wish::default()).await?;
            project::create(&ctx, format!("p-{number}").parse()?).await?;
        }
        let (next, each) = (Arc::new(AtomicUsize::new(0)), versions / workspaces.max(1));
        let mut filling = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let (ctx, next) = (ctx.clone(), next.clone());
            filling.spawn(async move {
                let mut number = next.fetch_add(1, Ordering::Relaxed);
                while number < workspaces {
                    fill(&ctx, number, each, make).await?;
                    number = next.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), crate::Failure>(())
            });
        }
        while let Some(filled) = filling.join_next().await {
            filled??;
        }
        drop((ctx, caller));
        core.close().await?;
        Ok(Site {
            dir: dir.to_owned(),
            postgres: None,
            token,
        })
    })
}

/// One workspace and its versions.
async fn fill(ctx: &Ctx, number: usize, versions: usize, make: Make) -> Result<()> {
    let made = workspace::create(ctx, format!("w-{number}").parse()?, None).await?;
    let workspace = Workspace::Id(made.id.parse()?);
    if number.is_multiple_of(TAGGED) {
        let tag = WishedTag {
            key: "env".to_owned(),
            value: "prod".to_owned(),
        };
        let change = Change {
            tags: vec![tag],
            ..Change::default()
        };
        workspace::update(ctx, &workspace, change).await?;
    }
    for serial in 1..=versions {
        let upload = Upload {
            bytes: make(number, serial).into(),
            lock_id: None,
        };
        match state::put(ctx, &workspace, upload).await? {
            Put::Stored(_) => {}
            other => return Err(format!("w-{number}, serial {serial}: {other:?}").into()),
        }
    }
    Ok(())
}

/// A state with one resource and one output.
pub(crate) fn tiny(workspace: usize, serial: usize) -> Vec<u8> {
    serde_json::json!({
        "version": 4,
        "terraform_version": "1.11.4",
        "serial": serial,
        "lineage": format!("00000000-0000-4000-a000-{workspace:012}"),
        "outputs": { "name": { "value": format!("w-{workspace}"), "type": "string" } },
        "resources": [{
            "mode": "managed",
            "type": "terraform_data",
            "name": "one",
            "provider": "provider[\"terraform.io/builtin/terraform\"]",
            "instances": [{
                "schema_version": 0,
                "attributes": { "id": format!("{workspace}"), "input": { "value": serial, "type": "number" } },
                "sensitive_attributes": [],
            }],
        }],
        "check_results": null,
    })
    .to_string()
    .into_bytes()
}
