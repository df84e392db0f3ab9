//! One very large state up and down, and the memory that the server took for it.

use sha2::{Digest, Sha256};

use crate::client::{Client, content_md5, lock_info};
use crate::house::{self, Site};
use crate::report::{Goal, Section, number};
use crate::server::{Server, Settings};
use crate::state::States;
use crate::{Plan, Result, process};

const BYTES: usize = 250_000_000;

/// A fresh server takes the state and gives it back; the bytes must be the same.
#[expect(clippy::cast_precision_loss, reason = "memory is less than 2^52 bytes")]
pub(crate) fn large(plan: &Plan) -> Result<Section> {
    let folder = plan.folder()?;
    let site = Site::create(&folder.path().join("site"), None)?;
    let server = Server::start(&plan.tools, &site, Settings::default())?;
    let state = States::new(1, BYTES).next_state();
    let (path, id) = (
        house::address("large"),
        "00000000-0000-4000-a000-000000000001",
    );
    let mut client = Client::connect(&server.target)?;
    client.expect_ok("LOCK", &path, None, &lock_info(id))?;
    let before = process::memory_bytes(server.pid(), "VmRSS")?;
    let began = std::time::Instant::now();
    client.expect_ok(
        "POST",
        &format!("{path}?ID={id}"),
        Some(&content_md5(&state)),
        &state,
    )?;
    let up_s = began.elapsed().as_secs_f64();
    let up = process::memory_bytes(server.pid(), "VmHWM")?;
    let began = std::time::Instant::now();
    client.expect_ok("GET", &path, None, &[])?;
    let down_s = began.elapsed().as_secs_f64();
    if Sha256::digest(&client.body) != Sha256::digest(&state) {
        return Err("the large state came back as other bytes".into());
    }
    let down = process::memory_bytes(server.pid(), "VmHWM")?;
    let after = process::memory_bytes(server.pid(), "VmRSS")?;
    let of_state = |bytes: u64| bytes as f64 / state.len() as f64;
    let mut section = Section::new("A state of 250 MB, up and down");
    section.line(
        "peak memory of the server, in sizes of the state",
        Goal::AtMost(2.0),
        " ×",
        &[of_state(down)],
    );
    let mb = |bytes: u64| number(bytes as f64 / 1e6);
    section.note(format!(
        "{} MB; peak {} MB after the upload ({} s with its digest), {} MB after the download ({} s); resident {} MB before, {} MB after.",
        mb(state.len() as u64),
        mb(up),
        number(up_s),
        mb(down),
        number(down_s),
        mb(before),
        mb(after),
    ));
    Ok(section)
}
