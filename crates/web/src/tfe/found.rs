//! Resources that are found in the current states of all workspaces of an organization.
//!
//! What is found says where it is and what it is, never what its attributes are. The list counts at most 10,000 and says when
//! there are more; it names the workspaces whose states it could not look into, so that nothing is taken for absent that was
//! only not seen.

use serde_json::{Value, json};
use statehouse_core::project::Project;
use statehouse_core::state::{self, FOUND_PAGE_MAX, Hit, Search, Wanted};
use statehouse_core::terraform::address::Mode;

use super::document::{Document, to};
use super::query::{Query, Sizes};
use super::resources::{Found, Tag, Told};
use super::{resources, versions, workspaces};
use crate::auth::{self, Asker, At};
use crate::problem::Problem;

/// Resources on one page.
const PAGE: Sizes = Sizes::whole(FOUND_PAGE_MAX);

/// What a list can be narrowed by.
const FILTERS: &[&str] = &[
    "type",
    "name",
    "module",
    "provider",
    "mode",
    "tag",
    "id",
    "depends-on",
    "workspace",
    "project",
];

/// A page of what is found.
pub(crate) async fn list(
    asker: Asker,
    At(organization): At<String>,
    query: Query,
) -> Result<Document, Problem> {
    let ctx = asker.organization(&organization).await?;
    let (number, size) = (query.number()?.unwrap_or(1), query.size(PAGE)?);
    let found = state::search(&ctx, search(&query, number as u64, size)?).await?;
    let path = format!("/api/v2/organizations/{organization}/resources");
    let pages = query.pages(&path, found.total, PAGE)?;
    let page = Document::page(found.hits.iter().map(resource).collect(), &pages);
    Ok(page.told([
        ("more-than-counted", found.more.into()),
        ("searched-states", found.states.into()),
        ("left-out-resources", found.left_out.into()),
        ("unsearched-count", found.unsearched_count.into()),
        ("unsearched", json!(found.unsearched)),
    ]))
}

fn search(query: &Query, page: u64, size: usize) -> Result<Search, Problem> {
    let unknown = query.filters().find(|filter| !FILTERS.contains(filter));
    if let Some(unknown) = unknown {
        let known = FILTERS.join("`, `");
        return Err(Problem::invalid(format!(
            "there is no `filter[{unknown}]`; there is `{known}`"
        )));
    }
    let text = |name: &str| query.get(&format!("filter[{name}]")).map(str::to_owned);
    let mode = match text("mode").as_deref() {
        None => None,
        Some("managed") => Some(Mode::Managed),
        Some("data") => Some(Mode::Data),
        Some(other) => {
            return Err(Problem::invalid(format!(
                "`filter[mode]` is `managed` or `data`, not `{other}`"
            )));
        }
    };
    let project = text("project").map(|text| match text.parse() {
        Ok(id) => Ok(Project::Id(id)),
        Err(_) => auth::name(&text).map(Project::Name),
    });
    Ok(Search {
        wanted: Wanted {
            words: query.get("q").unwrap_or_default().to_owned(),
            kind: text("type"),
            name: text("name"),
            module: text("module"),
            provider: text("provider"),
            mode,
            tags: query.all("filter[tag]").map(str::to_owned).collect(),
            id: text("id"),
            depends_on: text("depends-on"),
        },
        project: project.transpose()?,
        workspace: query.get("filter[workspace]").map(auth::name).transpose()?,
        page,
        size,
    })
}

fn resource(hit: &Hit) -> Value {
    let entry = &hit.entry;
    let tag = |(key, value): &(String, String)| Tag {
        key: key.clone(),
        value: value.clone(),
    };
    let found = Found {
        workspace_name: hit.name.to_string(),
        tags: entry.tags.iter().map(tag).collect(),
        resource_id: entry.id.clone(),
        dependencies: entry.dependencies.clone(),
    };
    let place = |deposed: &String| format!("#{deposed}");
    let deposed = entry.deposed.as_ref().map(place).unwrap_or_default();
    json!({
        "type": resources::KIND,
        "id": format!("{}/{}{deposed}", hit.workspace, entry.address),
        "attributes": Told::from(&entry.clone().into()).found(found),
        "relationships": {
            "workspace": to(workspaces::KIND, Some(hit.workspace.as_str())),
            "project": to("projects", Some(hit.project.as_str())),
            "state-version": to(versions::KIND, Some(hit.version.as_str())),
        },
    })
}
