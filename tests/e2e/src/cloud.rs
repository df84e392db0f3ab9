//! A state as terraform's `cloud` block sends one: announced, then sent to signed addresses, with its JSON form beside it.

use md5::{Digest, Md5};
use statehouse_core::state::{self, Put, Wish};
use statehouse_core::workspace::{self, Change, WishedTag, Workspace};
use statehouse_core::{Core, Ctx};

/// Sends a state and its JSON form. The caller has a token, and nobody else holds the lock.
pub async fn send(
    core: &Core,
    ctx: &Ctx,
    workspace: &Workspace,
    (lineage, serial): (&str, u64),
    bytes: Vec<u8>,
    form: String,
) -> Put {
    let wish = Wish {
        serial,
        lineage: lineage.to_owned(),
        md5: Md5::digest(&bytes).into(),
    };
    let announced = state::announce(ctx, workspace, wish).await;
    let announced = announced.expect("the state is announced");
    let version = announced.version.id.parse().expect("an id of a version");
    let json = core
        .signed(&announced.json.id, &announced.json.signature, None)
        .await;
    let (bearer, granted) = json.expect("a good address");
    let stored = state::upload_json(&bearer, &granted, &version, form.into_bytes().into()).await;
    stored.expect("the JSON form is stored");
    let state = core
        .signed(&announced.state.id, &announced.state.signature, None)
        .await;
    let (bearer, granted) = state.expect("a good address");
    let put = state::upload(&bearer, &granted, &version, bytes.into()).await;
    put.expect("the state is stored")
}

/// Settings and a tag, so that a workspace has rows of every kind.
pub async fn describe(ctx: &Ctx, workspace: &Workspace, description: &str) {
    let mut change = Change {
        tags: vec![WishedTag {
            key: "env".to_owned(),
            value: "test".to_owned(),
        }],
        ..Change::default()
    };
    change.settings.description = Some(description.to_owned());
    workspace::update(ctx, workspace, change)
        .await
        .expect("the workspace is changed");
}
