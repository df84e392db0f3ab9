//! Bytes of states on their way, as terraform's `cloud` block sends and fetches them: announced first, then sent to a signed
//! address without a token.
//!
//! After a failed upload terraform leaves the workspace locked, by its own design. Of a refused announcement it shows its user
//! the detail and nothing else, of refused bytes the status alone; other clients show both. Each detail here names the way out,
//! and so does the refusal of the lock that `terraform state push` meets.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use statehouse_core::Ctx;
use statehouse_core::state::{self, Put, Shown, Which, Wish};
use statehouse_core::url::{Granted, Purpose, Signed};
use statehouse_core::workspace::{self, Workspace};
use statehouse_model::VersionId;

use super::document::Document;
use super::sent::Sent;
use super::versions::{answer, shown};
use super::workspaces::of_id;
use crate::auth::{self, Asker, At, Bearer};
use crate::backend::state::bytes;
use crate::body::{self, Whole};
use crate::problem::Problem;

/// A version to announce.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Announce {
    serial: Option<u64>,
    md5: Option<String>,
    #[serde(default)]
    lineage: Option<String>,
    /// The bytes at once, in Base64, for clients that send them so.
    state: Option<String>,
    json_state: Option<String>,
}

/// How a user goes on after an upload that failed.
async fn way_out(ctx: &Ctx, workspace: &Workspace) -> String {
    let name = workspace::show(ctx, workspace).await;
    let name = name.map_or_else(|_| "WORKSPACE".to_owned(), |found| found.name);
    let organization = ctx
        .organization()
        .map_or("ORGANIZATION", |name| name.as_str());
    format!(
        "terraform keeps the state in errored.tfstate and leaves the workspace locked: \
         `terraform force-unlock {organization}/{name}`, then `terraform state push errored.tfstate`"
    )
}

async fn told(ctx: &Ctx, workspace: &Workspace, problem: Problem) -> Problem {
    if problem.is_not_found() {
        return problem;
    }
    let way_out = way_out(ctx, workspace).await;
    problem.into_conflict().in_detail(Some(&way_out))
}

fn decoded(name: &str, text: Option<&str>) -> Result<Option<Bytes>, Problem> {
    let wrong = |_| Problem::unprocessable(format!("`{name}` is not Base64"));
    let bytes = text
        .filter(|text| !text.is_empty())
        .map(|text| STANDARD.decode(text));
    Ok(bytes.transpose().map_err(wrong)?.map(Bytes::from))
}

impl Announce {
    fn wish(&self) -> Result<Wish, Problem> {
        let md5 = self.md5.as_deref().and_then(|text| hex::decode(text).ok());
        let md5 = md5.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        let no_md5 = || Problem::unprocessable("`md5` is not an MD5 digest: 32 hexadecimal digits");
        let no_serial = || Problem::unprocessable("`serial` is missing");
        Ok(Wish {
            serial: self.serial.ok_or_else(no_serial)?,
            lineage: self.lineage.clone().unwrap_or_default(),
            md5: md5.ok_or_else(no_md5)?,
        })
    }
}

/// Announces a version: 201 with the addresses that its bytes and their JSON form go to. With the bytes in the document it is
/// stored at once.
pub(crate) async fn announce(
    asker: Asker,
    At(id): At<String>,
    sent: Sent<Announce>,
) -> Result<Response, Problem> {
    let (ctx, workspace) = of_id(&asker, &id).await?;
    let wish = sent.attributes.wish()?;
    let given = decoded("state", sent.attributes.state.as_deref())?;
    let json = decoded("json-state", sent.attributes.json_state.as_deref())?;
    let announced = match state::announce(&ctx, &workspace, wish).await {
        Ok(announced) => announced,
        Err(error) => return Err(told(&ctx, &workspace, error.into()).await),
    };
    let version: VersionId = auth::id(&announced.version.id)?;
    let (put_state, put_json) = (announced.state.clone(), announced.json.clone());
    if let Some(given) = given {
        for (signed, bytes) in [(Some(&put_state), Some(given)), (Some(&put_json), json)] {
            let (Some(signed), Some(bytes)) = (signed, bytes) else {
                continue;
            };
            let opened = asker
                .core()
                .signed(&signed.id, &signed.signature, ctx.source());
            let (_, granted) = opened.await?;
            store(&ctx, &granted, bytes).await?;
        }
        let found = state::shown(&ctx, version).await?;
        let seconds = found.snapshot_interval_s;
        return Ok(answer(
            Document::made(shown(asker.origin(), &found)),
            seconds,
        ));
    }
    let pending = Shown {
        version: announced.version,
        state: None,
        json: None,
        put_state: Some(put_state),
        put_json: Some(put_json),
        snapshot_interval_s: announced.snapshot_interval_s,
    };
    let seconds = pending.snapshot_interval_s;
    Ok(answer(
        Document::made(shown(asker.origin(), &pending)),
        seconds,
    ))
}

/// A signed address as clients fetch it: whole.
pub(super) fn address(origin: &str, what: &str, signed: &Signed) -> String {
    let (id, signature) = (&signed.id, &signed.signature);
    format!("{origin}/api/v2/{what}/{id}/{signature}")
}

async fn store(ctx: &Ctx, granted: &Granted, bytes: Bytes) -> Result<StatusCode, Problem> {
    if let Purpose::PutPolicies(id) = &granted.purpose {
        return super::policy_versions::receive(ctx, granted, id, bytes).await;
    }
    let workspace = granted.workspace()?;
    let done = match &granted.purpose {
        Purpose::PutConfiguration(id) => {
            return super::configurations::upload(ctx, granted, id, bytes).await;
        }
        Purpose::PutState(version) => state::upload(ctx, granted, version, bytes).await,
        Purpose::PutJson(version) => {
            let done = state::upload_json(ctx, granted, version, bytes).await;
            return match done {
                Ok(()) => Ok(StatusCode::OK),
                Err(error) => Err(told(ctx, workspace, error.into()).await),
            };
        }
        _ => return Err(Problem::not_found()),
    };
    match done {
        Ok(Put::Stored(_) | Put::Repeated(_)) => Ok(StatusCode::OK),
        Ok(Put::Kept(kept)) => Err(told(ctx, workspace, Problem::kept(&kept)).await),
        Err(error) => Err(told(ctx, workspace, error.into()).await),
    }
}

/// Takes the bytes of an announced version, or their JSON form: whichever the address is for.
pub(crate) async fn upload(
    bearer: Bearer,
    body: Whole<body::State>,
) -> Result<StatusCode, Problem> {
    let (ctx, granted) = bearer.enter().await?;
    store(ctx, granted, body.bytes.clone()).await
}

/// Gives the bytes that the address is for.
pub(crate) async fn download(bearer: Bearer) -> Result<Response, Problem> {
    let (ctx, granted) = bearer.enter().await?;
    let workspace = granted.workspace()?;
    match &granted.purpose {
        Purpose::GetState(version) => Ok(bytes(
            state::get(ctx, workspace, Which::Version(version.clone())).await?,
        )),
        Purpose::GetJson(version) => json(ctx, workspace, version.clone()).await,
        _ => Err(Problem::not_found()),
    }
}

async fn json(ctx: &Ctx, workspace: &Workspace, version: VersionId) -> Result<Response, Problem> {
    let found = state::json_of(ctx, workspace, version).await?;
    let found = found.ok_or_else(Problem::not_found)?;
    Ok(([(CONTENT_TYPE, "application/json")], found).into_response())
}

/// The bytes of a version, for whoever has a token.
pub(crate) async fn of_version(asker: Asker, At(id): At<String>) -> Result<Response, Problem> {
    let id: VersionId = auth::id(&id)?;
    let ctx = asker.house_of(&id).await?;
    let workspace = Workspace::Of(id.clone());
    Ok(bytes(
        state::get(&ctx, &workspace, Which::Version(id)).await?,
    ))
}

/// Its JSON form, likewise.
pub(crate) async fn json_of_version(asker: Asker, At(id): At<String>) -> Result<Response, Problem> {
    let id: VersionId = auth::id(&id)?;
    let ctx = asker.house_of(&id).await?;
    json(&ctx, &Workspace::Of(id.clone()), id).await
}
