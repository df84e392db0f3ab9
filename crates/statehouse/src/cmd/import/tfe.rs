//! Another server that speaks the TFE API: HCP Terraform, Terraform Enterprise, or another Statehouse.
//!
//! Every workspace of an organization that the token may see, with every version whose bytes are still there. A workspace is
//! locked there while it is read, where the token may, and one that is locked already is not read. The token goes to the server
//! that it is for and to no other: bytes may lie on another host, under addresses that are signed, and a redirect that leads
//! elsewhere is followed without it. Who asks too often is told to wait (429), and does.
//!
//! Deliberately absent: variables, runs, teams and everything else that is no state.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::names;
use super::source::{Content, Found, Opened, Piece, Source, locked};
use super::stop::Stop;
use crate::client::{Answered, Elsewhere, Question, Resource, elsewhere_origin, escape};
use crate::environment::Environment;
use crate::failure::{Exit, Failure, Result};
use crate::{files, trust};

/// Pages that are followed; beyond it a server repeats itself.
const PAGES_MAX: u64 = 100_000;
/// Things on a page: the most that the API gives.
const PAGE: u64 = 100;
/// How often one question is asked while a server says that it is too busy.
const TRIES_MAX: u32 = 10;
/// The longest wait between two tries, whatever the server says.
const WAIT_MAX: Duration = Duration::from_mins(1);
/// Addresses that lead to other addresses.
const REDIRECTS_MAX: usize = 5;

/// Arguments.
#[derive(clap::Args)]
pub(in crate::cmd) struct Args {
    /// The server: a host like app.terraform.io, possibly with a port
    host: String,
    /// The organization there
    #[arg(long, value_name = "NAME")]
    from_organization: String,
    /// A file whose first line is a token of that server; without it `STATEHOUSE_SOURCE_TOKEN`, or `TF_TOKEN_…` as terraform has it
    #[arg(long, value_name = "FILE")]
    source_token_file: Option<PathBuf>,
    /// The authority to trust for that server, in PEM form; without it the system's
    #[arg(long, value_name = "FILE")]
    source_ca: Option<PathBuf>,
}

/// A workspace there.
struct Workspace {
    id: String,
    name: String,
    locked: bool,
    may_read: bool,
    may_lock: bool,
}

/// An organization there.
pub(super) struct Tfe {
    wire: Elsewhere,
    origin: String,
    organization: String,
    token: SecretString,
    stop: Stop,
    workspaces: Vec<Workspace>,
    /// The workspace that we have locked.
    held: Option<String>,
}

impl Tfe {
    pub(super) fn new(args: &Args, environment: &Environment, stop: Stop) -> Result<Self> {
        let host = args
            .host
            .trim_start_matches("https://")
            .trim_end_matches('/');
        let url: Result<Uri, _> = format!("https://{host}/").parse();
        let url = url.map_err(|_| Failure::usage(format!("{host} is no name of a server")))?;
        if url.path() != "/" {
            return Err(Failure::usage(format!(
                "{host} is more than the name of a server"
            )));
        }
        Ok(Self {
            wire: Elsewhere::new(trust::client(args.source_ca.as_deref(), environment)?)?,
            origin: elsewhere_origin(&url)?,
            organization: args.from_organization.clone(),
            token: token(args, host, environment)?,
            stop,
            workspaces: Vec::new(),
            held: None,
        })
    }

    /// One question, asked again while the server says that it is too busy; a GET also where it failed for no reason of ours.
    fn ask(&self, method: &str, url: &Uri, body: Option<&Value>) -> Result<Answered> {
        if url.scheme_str() != Some("https") {
            let words = format!("{} names an address that is not https", self.origin);
            return Err(Failure::failed(words));
        }
        let mut tries = 0;
        loop {
            self.stop.check()?;
            let mut headers = vec![("accept", "*/*".to_owned().into())];
            if elsewhere_origin(url)? == self.origin {
                let bearer = format!("Bearer {}", self.token.expose_secret());
                headers.push(("authorization", bearer.into()));
            }
            if body.is_some() {
                headers.push(("content-type", "application/vnd.api+json".to_owned().into()));
            }
            let answer = self.wire.ask(Question {
                method,
                url,
                headers,
                body: body
                    .map(|body| body.to_string().into_bytes())
                    .unwrap_or_default(),
            })?;
            let again = match answer.status {
                429 => true,
                500 | 502..=504 => method == "GET",
                _ => false,
            };
            tries += 1;
            if !again || tries == TRIES_MAX {
                return Ok(answer);
            }
            self.stop.wait(pause(&answer, tries))?;
        }
    }

    fn api(&self, path: &str) -> Result<Uri> {
        let url = format!("{}/api/v2{path}", self.origin);
        url.parse()
            .map_err(|_| Failure::failed(format!("{path} is no address")))
    }

    /// Everything of a list, page by page.
    fn list(&self, path: &str) -> Result<Vec<Resource>> {
        let (mut all, mut seen) = (Vec::new(), BTreeSet::new());
        let mut number = 1;
        for _ in 0..PAGES_MAX {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page = format!("{path}{joint}page%5Bnumber%5D={number}&page%5Bsize%5D={PAGE}");
            let answer = self.ask("GET", &self.api(&page)?, None)?;
            if !answer.is_good() {
                return Err(self.refusal(&answer));
            }
            let unreadable = || Failure::failed(format!("{} answered without a list", self.origin));
            let document: Value = serde_json::from_slice(&answer.body).map_err(|_| unreadable())?;
            let page = document
                .get("data")
                .and_then(Value::as_array)
                .ok_or_else(unreadable)?;
            for each in page.iter().filter_map(Resource::of) {
                // What is new meanwhile moves the others down, onto the next page.
                if seen.insert(each.text("id").to_owned()) {
                    all.push(each);
                }
            }
            let next = document
                .pointer("/meta/pagination/next-page")
                .and_then(Value::as_u64);
            match next {
                Some(next) if next > number => number = next,
                _ => return Ok(all),
            }
        }
        Err(Failure::failed(format!(
            "a list of {} does not end",
            self.origin
        )))
    }

    fn refusal(&self, answer: &Answered) -> Failure {
        let exit = match answer.status {
            401 | 403 | 404 => Exit::Refused,
            409 | 423 => Exit::Conflict,
            429 | 502..=504 => Exit::Unavailable,
            _ => Exit::Failed,
        };
        let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let words = ["/errors/0/detail", "/errors/0/title"];
        let words = words.iter().find_map(|at| document.pointer(at)?.as_str());
        let words = words.map(|words| format!(": {words}")).unwrap_or_default();
        let (origin, status) = (&self.origin, answer.status);
        Failure::new(exit, format!("{origin} answered {status}{words}"))
    }

    fn workspace(&self, found: &Found) -> Result<&Workspace> {
        let missing = || Failure::failed(format!("{} was not listed", found.place));
        self.workspaces.get(found.at).ok_or_else(missing)
    }

    fn act(&self, id: &str, verb: &str, wish: Option<&Value>) -> Result<Answered> {
        let path = format!("/workspaces/{}/actions/{verb}", escape(id));
        self.ask("POST", &self.api(&path)?, wish)
    }

    /// Takes the lock there. `false` where the token may not.
    fn lock(&mut self, at: usize) -> Result<bool> {
        let Some(workspace) = self
            .workspaces
            .get(at)
            .filter(|workspace| workspace.may_lock)
        else {
            return Ok(false);
        };
        let id = workspace.id.clone();
        let wish = json!({ "reason": "its states are being copied by `statehouse import`" });
        let wish = json!({ "data": { "type": "workspaces", "attributes": wish } });
        let answer = self.act(&id, "lock", Some(&wish))?;
        match answer.status {
            401 | 403 | 404 => Ok(false),
            409 | 423 => Err(locked(self.refusal(&answer).message)),
            _ if answer.is_good() => {
                self.held = Some(id);
                Ok(true)
            }
            _ => Err(self.refusal(&answer)),
        }
    }

    fn versions(&self, at: usize) -> Result<Opened> {
        let mut opened = Opened::default();
        let Some(workspace) = self.workspaces.get(at) else {
            return Ok(opened);
        };
        let path = format!(
            "/state-versions?filter%5Borganization%5D%5Bname%5D={}&filter%5Bworkspace%5D%5Bname%5D={}",
            escape(&self.organization),
            escape(&workspace.name)
        );
        for version in self.list(&path)?.iter().rev() {
            let serial = version.get("serial").and_then(Value::as_u64);
            let label = match serial {
                Some(serial) => format!("{} (serial {serial})", version.text("id")),
                None => version.text("id").to_owned(),
            };
            match version.text("status") {
                "" | "finalized" => opened.pieces.push(Piece {
                    label,
                    handle: version.text("hosted-state-download-url").to_owned(),
                }),
                status => opened.notes.push(format!("{label}: {status} there")),
            }
        }
        Ok(opened)
    }
}

/// The token for the other server: a file, our variable, or the one that terraform takes for this host.
fn token(args: &Args, host: &str, environment: &Environment) -> Result<SecretString> {
    if let Some(file) = &args.source_token_file {
        let line = files::secret(file)?;
        return Ok(line.expose_secret().trim().to_owned().into());
    }
    let bare = host.rsplit_once(':').map_or(host, |(bare, _)| bare);
    let of_terraform = format!("TF_TOKEN_{}", bare.replace('-', "__").replace('.', "_"));
    let found = environment.get("STATEHOUSE_SOURCE_TOKEN");
    let found = found.or_else(|| environment.get(&of_terraform));
    let missing = || {
        Failure::usage(format!("there is no token for {host}")).hint(format!(
            "give --source-token-file, STATEHOUSE_SOURCE_TOKEN or {of_terraform}"
        ))
    };
    Ok(found.ok_or_else(missing)?.trim().to_owned().into())
}

/// How long to wait: what the server says, or longer with every try.
fn pause(answer: &Answered, tries: u32) -> Duration {
    let said = answer
        .header("retry-after")
        .or_else(|| answer.header("x-ratelimit-reset"));
    let said = said.and_then(|text| text.trim().parse::<f64>().ok());
    let said = said.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    said.unwrap_or_else(|| Duration::from_millis(250 << tries.min(8)))
        .min(WAIT_MAX)
}

impl Source for Tfe {
    fn find(&mut self) -> Result<(Vec<Found>, Vec<String>)> {
        let path = format!("/organizations/{}/workspaces", escape(&self.organization));
        let yes = |workspace: &Resource, pointer: &str| {
            let value = workspace
                .get("permissions")
                .and_then(|may| may.get(pointer));
            value.and_then(Value::as_bool)
        };
        let workspace = |each: Resource| Workspace {
            id: each.text("id").to_owned(),
            name: each.text("name").to_owned(),
            locked: each.get("locked").and_then(Value::as_bool) == Some(true),
            // A server that does not say is asked.
            may_read: yes(&each, "can-read-state-versions") != Some(false),
            may_lock: yes(&each, "can-lock") != Some(false),
        };
        self.workspaces = self.list(&path)?.into_iter().map(workspace).collect();
        let found = |(at, workspace): (usize, &Workspace)| Found {
            place: workspace.name.clone(),
            parts: names::parts(&workspace.name, &workspace.name),
            claims: true,
            at,
        };
        Ok((
            self.workspaces.iter().enumerate().map(found).collect(),
            Vec::new(),
        ))
    }

    fn open(&mut self, found: &Found, claim: bool) -> Result<Opened> {
        let workspace = self.workspace(found)?;
        if !workspace.may_read {
            let words = "the token may not read its states at the source";
            return Err(Failure::new(Exit::Refused, words));
        }
        if workspace.locked {
            return Err(locked(format!("workspace {} there", workspace.name)));
        }
        let alone = claim && self.lock(found.at)?;
        let opened = self.versions(found.at);
        let Ok(mut opened) = opened else {
            let _ = self.close(found);
            return opened;
        };
        if claim && !alone {
            opened
                .notes
                .push("read without a lock: the token may not lock there".to_owned());
        }
        Ok(opened)
    }

    fn fetch(&mut self, _found: &Found, piece: &Piece) -> Result<Content> {
        if piece.handle.is_empty() {
            return Ok(Content::Gone(
                "the server gives no address for its bytes".to_owned(),
            ));
        }
        let wrong =
            |_| Failure::failed(format!("{}: its bytes have no valid address", piece.label));
        let whole = |origin: &str, to: &str| match to.strip_prefix('/') {
            Some(path) => format!("{origin}/{path}"),
            None => to.to_owned(),
        };
        let mut url: Uri = whole(&self.origin, &piece.handle).parse().map_err(wrong)?;
        for _ in 0..REDIRECTS_MAX {
            let answer = self.ask("GET", &url, None)?;
            match answer.status {
                301..=303 | 307 | 308 => {
                    let to = answer.header("location").unwrap_or_default();
                    let to = whole(&elsewhere_origin(&url)?, to);
                    url = to.parse().map_err(wrong)?;
                }
                204 => return Ok(Content::Gone("the server has no bytes of it".to_owned())),
                404 | 409 | 410 => return Ok(Content::Gone(self.refusal(&answer).message)),
                _ if answer.is_good() => return Ok(Content::Bytes(answer.body)),
                _ => return Err(self.refusal(&answer)),
            }
        }
        Err(Failure::failed(format!(
            "{}: its address leads in a circle",
            piece.label
        )))
    }

    fn close(&mut self, found: &Found) -> Result {
        let Some(id) = self.held.take() else {
            return Ok(());
        };
        // Whoever asked to stop wants this more than anything else: it is not to be refused for that.
        let stop = std::mem::take(&mut self.stop);
        let answer = self.act(&id, "unlock", None);
        self.stop = stop;
        let kept = |words: String| {
            let words = format!(
                "workspace {} at the source is still locked by this import: {words}",
                found.place
            );
            Failure::failed(words).hint("unlock it there")
        };
        let answer = answer.map_err(|failure| kept(failure.message))?;
        // A lock that somebody broke meanwhile is no longer ours to release.
        if answer.is_good() || answer.status == 409 {
            return Ok(());
        }
        Err(kept(self.refusal(&answer).message))
    }
}
