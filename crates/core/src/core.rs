//! What a process owns: the site, the open houses, the clock.

mod people;
mod receivers;
mod runs;
mod site_id;
mod tend;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use statehouse_ledger::Hash;
use statehouse_model::{Actor, HouseCode, HouseId, Name, Token, TokenId, TokenKind, UrlId, UserId};
use statehouse_seal::{RootError, RootKeys, make_directory};
use tokio::sync::mpsc;

use crate::Clock;
use crate::access::WITNESS;
use crate::agent;
use crate::cost::Estimator;
use crate::ctx::Ctx;
use crate::db::{Placement, postgres};
use crate::door;
use crate::error::{Error, Kind, Result};
use crate::fault::Faults;
use crate::house::{self, House, Opening};
use crate::houses::Houses;
use crate::job::{Bell, Longest};
use crate::ledger::{self, Anchors, Head};
use crate::memo::Memo;
use crate::notification::{self, Deliver};
use crate::oauth;
use crate::org::{self, OrganizationView};
use crate::policy::Judge;
use crate::record::Rows;
use crate::session::{self, Visitor};
use crate::token::{self, TokenView, Wish};
use crate::url::{self, Granted};
use crate::user;

/// Answers of the site kept for a second.
const MEMO_MAX: usize = 4096;

/// How to open a [`Core`].
#[derive(Clone)]
pub struct Options {
    /// The folder of databases and blobs.
    pub data: PathBuf,
    /// The folder of anchors, best on another volume.
    pub anchors: PathBuf,
    /// A PostgreSQL server instead of SQLite files, and how to verify it.
    pub postgres: Option<(String, rustls::ClientConfig)>,
    /// The root key provider.
    pub roots: Arc<dyn RootKeys>,
    /// The clock.
    pub clock: Clock,
    /// Changes per commit; 64 unless a benchmark asks for less.
    pub batch_jobs_max: usize,
    /// Jobs of one organization that runners have at once.
    pub jobs_max: u64,
    /// Places of this server that one organization has at most; 0 is as many as there are.
    pub places_max: usize,
    /// How long jobs may take.
    pub longest: Longest,
    /// What sends notifications; a process without it sends none.
    pub deliver: Option<Arc<dyn Deliver>>,
    /// What judges by policies. In a process without it nothing is applied that a policy set reaches.
    pub judge: Option<Arc<dyn Judge>>,
    /// What estimates the costs of plans; a process without it makes no estimates.
    pub estimator: Option<Arc<dyn Estimator>>,
}

/// Who a request's token stands for, before it names an organization.
#[derive(Clone)]
pub struct Caller {
    site: Ctx,
    /// The one house that a token of a team or an organization is good in.
    home: Option<HouseCode>,
}

impl Caller {
    /// The caller in the site: accounts, tokens, organizations.
    pub fn site(&self) -> &Ctx {
        &self.site
    }

    /// The house of a token that belongs to a team or an organization.
    pub fn home(&self) -> Option<HouseCode> {
        self.home
    }
}

/// Everything a server process owns.
pub struct Core {
    options: Options,
    site_id: String,
    site: Arc<House>,
    placements: Placements,
    houses: Houses,
    witness: mpsc::UnboundedSender<(HouseCode, Head)>,
    gate: user::Gate,
    bearers: Memo<[u8; 32], token::Bearer>,
    valid: Memo<TokenId, ()>,
    names: Memo<Name, Option<org::sql::Organization>>,
    codes: Memo<HouseCode, Option<org::sql::Organization>>,
    disabling: tokio::sync::Mutex<()>,
    work: Arc<Bell>,
    /// Whose jobs the places of this server have.
    places: tokio::sync::Mutex<runs::Places>,
    /// Answers that go on.
    streams: session::stream::Streams,
    /// Agents that asked for jobs lately.
    agents: agent::Present,
    /// Houses where somebody may be to be told something.
    told: Arc<notification::Bell>,
    looked: Arc<notification::turn::Looked>,
    faults: Faults,
}

/// Houses' heads on their way into the site's log.
type Heads = mpsc::UnboundedReceiver<(HouseCode, Head)>;

/// Where houses' rows live: files, or schemas of one server.
enum Placements {
    Files(PathBuf),
    Server(Arc<postgres::Server>),
}

impl Options {
    fn placements(&self) -> Result<Placements> {
        Ok(match &self.postgres {
            None => Placements::Files(self.data.clone()),
            Some((url, tls)) => {
                Placements::Server(Arc::new(postgres::Server::new(url, tls.clone())?))
            }
        })
    }

    /// Where the rows of a house are, for work without a running server.
    pub(crate) fn placement(&self, code: HouseCode) -> Result<Placement> {
        Ok(self.placements()?.of(code))
    }
}

impl Placements {
    fn of(&self, code: HouseCode) -> Placement {
        match self {
            Self::Files(data) if code.is_site() => Placement::File(data.join("site.db")),
            Self::Files(data) => Placement::File(data.join("houses").join(format!("{code}.db"))),
            Self::Server(server) => Placement::Schema {
                server: server.clone(),
                schema: format!("statehouse_{code}"),
            },
        }
    }
}

fn disk(error: std::io::Error) -> Error {
    Error::unavailable(format!("the data directory cannot be used: {error}")).because(error)
}

impl Core {
    /// Opens the site, making it at the first start.
    pub async fn open(options: Options) -> Result<Arc<Self>> {
        Self::open_with(options, Faults::default()).await
    }

    pub(crate) async fn open_with(options: Options, faults: Faults) -> Result<Arc<Self>> {
        let (core, heads) = Self::assemble(options, faults).await?;
        if core.site.head().is_none() && core.site.read_only().is_none() {
            core.begin_site().await?;
        }
        if core.site.read_only().is_none() {
            core.finish_interrupted().await?;
        }
        tokio::spawn(tend::follow_heads(core.machine(), core.told.clone(), heads));
        tokio::spawn(tend::tend(Arc::downgrade(&core)));
        Ok(core)
    }

    /// Opens a private copy of a site to be read from: nothing is begun, ended
    /// or removed by itself, and no key is touched.
    pub async fn open_still(options: Options) -> Result<Arc<Self>> {
        let (core, _) = Self::assemble(options, Faults::default()).await?;
        if core.site.head().is_none() {
            return Err(Error::tampered("the site's ledger has no head"));
        }
        Ok(core)
    }

    /// Opens the site. What its houses' heads are told to is returned.
    async fn assemble(options: Options, faults: Faults) -> Result<(Arc<Self>, Heads)> {
        make_directory(&options.data.join("houses")).map_err(disk)?;
        // Scratch files of a process that was killed.
        fs::remove_dir_all(options.data.join("tmp"))
            .or_else(absent)
            .map_err(disk)?;
        let site_id = site_id::of(&options.data)?;
        let work = Arc::new(Bell::default());
        let placements = options.placements()?;
        let opening = Opening {
            site: site_id.clone(),
            code: HouseCode::SITE,
            placement: placements.of(HouseCode::SITE),
            roots: options.roots.clone(),
            anchors: Anchors::open(&options.anchors)?,
            blobs: options.data.join("blobs").join("site"),
            clock: options.clock.clone(),
            faults: faults.clone(),
            batch_jobs_max: options.batch_jobs_max,
            witnessed: None,
            witness: None,
            work: work.clone(),
            longest: options.longest,
            judge: options.judge.clone(),
            estimator: options.estimator.clone(),
            called: None,
        };
        let site = House::open(opening).await?;
        let (witness, heads) = mpsc::unbounded_channel();
        let core = Arc::new(Self {
            options,
            site_id,
            site,
            placements,
            houses: Houses::default(),
            witness,
            gate: user::Gate::default(),
            bearers: Memo::new(MEMO_MAX),
            valid: Memo::new(MEMO_MAX),
            names: Memo::new(MEMO_MAX),
            codes: Memo::new(MEMO_MAX),
            disabling: tokio::sync::Mutex::default(),
            work,
            places: tokio::sync::Mutex::default(),
            streams: session::stream::Streams::default(),
            agents: agent::Present::default(),
            told: Arc::default(),
            looked: Arc::default(),
            faults,
        });
        Ok((core, heads))
    }

    async fn begin_site(&self) -> Result<()> {
        let wrapped = first_keys(&self.site)?;
        org::begin(&self.machine(), wrapped, None).await
    }

    /// The server itself, in the site: bootstrap and work at the machine.
    pub fn machine(&self) -> Ctx {
        Ctx::new(self.site.clone(), Actor::Operator, None, None)
    }

    /// The random id of this site, part of every ledger's origin.
    pub fn site_id(&self) -> &str {
        &self.site_id
    }

    /// How this process was opened.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Who a token stands for.
    pub async fn authenticate(&self, token: &str, source: Option<IpAddr>) -> Result<Caller> {
        let question: [u8; 32] = Sha256::digest(token).into();
        let token = token::parse(token)?;
        if token.kind() != TokenKind::User {
            let bearer = self.house_bearer(&token, question).await?;
            return Ok(Caller {
                site: Ctx::new(self.site.clone(), bearer.actor, bearer.scopes, source),
                home: Some(token.house()),
            });
        }
        let bearer = match self.bearers.ask(self.site.seen().await, &question) {
            Ok(bearer) => bearer,
            Err(asked) => {
                let bearer = token::bearer(&self.site, &token).await?;
                self.bearers.keep(asked, question, bearer.clone(), 1);
                bearer
            }
        };
        Ok(Caller {
            site: Ctx::new(self.site.clone(), bearer.actor, bearer.scopes, source),
            home: None,
        })
    }

    /// Who a token stands for that belongs to a team or an organization. It is
    /// never answered from what is remembered under the head of another house.
    async fn house_bearer(&self, token: &Token, question: [u8; 32]) -> Result<token::Bearer> {
        let organization = self.coded(self.site.seen().await, token.house()).await?;
        let active = organization.filter(|organization| organization.status == org::ACTIVE);
        let Some(organization) = active else {
            return Err(token::house::bearer_of_nobody(&self.site, token).await);
        };
        let house = self.opened(organization.code).await?;
        let asked = match house.bearers().ask(house.seen().await, &question) {
            Ok(bearer) => return Ok(bearer),
            Err(asked) => asked,
        };
        let bearer = token::house::bearer(&house, token).await?;
        house.bearers().keep(asked, question, bearer.clone(), 1);
        Ok(bearer)
    }

    /// Checks a name and password and makes a token for the account.
    pub async fn login(
        &self,
        name: &str,
        password: SecretString,
        source: Option<IpAddr>,
        wish: Wish,
    ) -> Result<(TokenView, SecretString)> {
        token::login(&self.machine(), &self.gate, name, password, source, wish).await
    }

    /// Checks a name and password and begins a session: what the browser
    /// shall show.
    pub async fn sign_in(
        &self,
        name: &str,
        password: SecretString,
        source: Option<IpAddr>,
    ) -> Result<SecretString> {
        session::begin(&self.machine(), &self.gate, name, password, source).await
    }

    /// Who is signed in with what a browser shows.
    pub async fn visitor(&self, shown: &str, source: Option<IpAddr>) -> Result<Option<Visitor>> {
        session::visitor(&self.site, shown, source).await
    }

    /// Changes a code for a token that is called `label`.
    pub async fn exchange(
        &self,
        change: oauth::Change,
        label: String,
    ) -> Result<Result<oauth::Granted, oauth::NotGranted>> {
        oauth::exchange(&self.site, change, label).await
    }

    /// The organization that the caller names, if the caller may see it.
    pub async fn enter(&self, caller: &Caller, name: &Name) -> Result<Ctx> {
        let seen = self.site.seen().await;
        let organization = self.named(seen, name).await?;
        self.enter_found(caller, seen, organization).await
    }

    /// The organization that somebody who is signed in names, if they may see it.
    pub async fn enter_as(&self, visitor: &Visitor, name: &Name) -> Result<Ctx> {
        let caller = Caller {
            site: visitor.site().clone(),
            home: None,
        };
        self.enter(&caller, name).await
    }

    /// The house that an id belongs to, if the caller may see it.
    pub async fn enter_code(&self, caller: &Caller, code: HouseCode) -> Result<Ctx> {
        let seen = self.site.seen().await;
        let organization = self.coded(seen, code).await?;
        self.enter_found(caller, seen, organization).await
    }

    /// `seen` is the site's head, seen since the caller came with the whole request.
    async fn enter_found(
        &self,
        caller: &Caller,
        seen: Option<u64>,
        organization: Option<org::sql::Organization>,
    ) -> Result<Ctx> {
        // A request may have waited minutes for its body since its token was read.
        self.still_valid(seen, caller.site()).await?;
        let organization = organization.ok_or_else(|| Error::not_found("organization"))?;
        let foreign = caller.home.is_some_and(|home| home != organization.code);
        if foreign || organization.status != org::ACTIVE {
            return Err(Error::not_found("organization"));
        }
        let opened = self.opened(organization.code).await?;
        Ok(caller.site.enter(opened).of(organization.name))
    }

    /// The house of an organization that is there. What keeps it from opening
    /// is the operator's business, and would tell others that it exists.
    async fn opened(&self, code: HouseCode) -> Result<Arc<House>> {
        self.house(code).await.map_err(|error| {
            tracing::error!(house = %code, %error, "an organization does not open");
            Error::unavailable("the organization cannot be opened now")
                .hint("an operator of the server finds the cause in its log")
                .because(error)
        })
    }

    /// Whoever was given a signed address, in its house, and what it allows.
    pub async fn signed(
        &self,
        id: &UrlId,
        signature: &str,
        source: Option<IpAddr>,
    ) -> Result<(Ctx, Granted)> {
        let organization = self
            .coded(self.site.seen().await, id.house())
            .await?
            .filter(|organization| organization.status == org::ACTIVE);
        let opened = match &organization {
            Some(organization) => self.opened(organization.code).await.ok(),
            None => None,
        };
        let (Some(organization), Some(house)) = (organization, opened) else {
            return Err(url::of_nobody(&self.site, id, signature).await);
        };
        let granted = url::open(&house, id, signature).await?;
        let bearer = match granted.token.parse() {
            Ok(id) => token::bearer_by_id(&self.site, &id).await?,
            Err(_) => match granted.token.parse() {
                Ok(id) => token::house::bearer_by_id(&house, &id).await?,
                Err(_) => return Err(Error::not_found("address")),
            },
        };
        if bearer.actor.id() != granted.actor {
            return Err(Error::not_found("address"));
        }
        let site = Ctx::new(self.site.clone(), bearer.actor, bearer.scopes, source);
        Ok((site.enter(house).of(organization.name), granted))
    }

    /// The organization of that name, for a caller who may see it.
    pub async fn organization(&self, caller: &Caller, name: &Name) -> Result<OrganizationView> {
        let seen = self.site.seen().await;
        let organization = self.named(seen, name).await?;
        let ctx = self.enter_found(caller, seen, organization.clone()).await?;
        org::show(
            &ctx,
            organization.ok_or_else(|| Error::not_found("organization"))?,
        )
        .await
    }

    /// A house as the machine's operator: verification, export, restore.
    pub async fn enter_as_machine(&self, name: &Name) -> Result<Ctx> {
        let organization = self.named(self.site.seen().await, name).await?;
        let organization = organization.ok_or_else(|| Error::not_found("organization"))?;
        Ok(self.machine().enter(self.house(organization.code).await?))
    }

    async fn still_valid(&self, seen: Option<u64>, ctx: &Ctx) -> Result<()> {
        let id = match ctx.actor() {
            Actor::User { token, .. } => token,
            Actor::Session { .. } => return session::still_valid(ctx).await,
            // A token of a house is looked at again inside its transactions.
            Actor::Team { .. }
            | Actor::Organization { .. }
            | Actor::Pool { .. }
            | Actor::Run(_)
            | Actor::Task(_)
            | Actor::Operator => return Ok(()),
        };
        match self.valid.ask(seen, id) {
            Ok(()) => Ok(()),
            Err(asked) => {
                token::still_valid(ctx).await?;
                self.valid.keep(asked, id.clone(), (), 1);
                Ok(())
            }
        }
    }

    async fn named(
        &self,
        seen: Option<u64>,
        name: &Name,
    ) -> Result<Option<org::sql::Organization>> {
        let asked = match self.names.ask(seen, name) {
            Ok(organization) => return Ok(organization),
            Err(asked) => asked,
        };
        let wanted = name.clone();
        let found = self
            .directory(|rows| Box::pin(async move { org::sql::by_name(rows, &wanted).await }))
            .await?;
        self.names.keep(asked, name.clone(), found.clone(), 1);
        Ok(found)
    }

    async fn coded(
        &self,
        seen: Option<u64>,
        code: HouseCode,
    ) -> Result<Option<org::sql::Organization>> {
        let asked = match self.codes.ask(seen, &code) {
            Ok(organization) => return Ok(organization),
            Err(asked) => asked,
        };
        let found = self
            .directory(|rows| Box::pin(async move { org::sql::by_code(rows, code).await }))
            .await?;
        self.codes.keep(asked, code, found.clone(), 1);
        Ok(found)
    }

    /// Whether an organization of that code is there.
    pub(crate) async fn knows(&self, code: HouseCode) -> Result<bool> {
        let found = self
            .directory(|rows| Box::pin(async move { org::sql::by_code(rows, code).await }))
            .await?;
        Ok(found.is_some_and(|organization| organization.status == org::ACTIVE))
    }

    /// Every organization: code and name, for work over the whole site.
    pub(crate) async fn directory_all(&self) -> Result<Vec<org::sql::Organization>> {
        self.directory(|rows| Box::pin(async move { org::sql::all(rows).await }))
            .await
    }

    /// What users are called, for callers who see by their ids what they did:
    /// whoever sees a lock is told its holder's name, too.
    pub async fn names_of(&self, users: Vec<UserId>) -> Result<BTreeMap<UserId, Name>> {
        self.directory(|rows| Box::pin(user::names(rows, users)))
            .await
    }

    /// The site's directory: names and codes, looked up before a house is known.
    async fn directory<T>(
        &self,
        look: impl for<'t> FnOnce(&'t mut Rows) -> crate::door::BoxFuture<'t, Result<T>>,
    ) -> Result<T> {
        let mut rows = door::look(&self.site).await?;
        let found = look(&mut rows).await;
        rows.transaction.rollback().await;
        found
    }

    /// Makes an organization with a house of its own, owned by `owner`.
    pub async fn create_organization(
        &self,
        ctx: &Ctx,
        name: Name,
        owner: UserId,
    ) -> Result<OrganizationView> {
        // The permission is asked before a house is built, and again inside.
        org::may_create(ctx, &name).await?;
        let code = HouseCode::from_entropy(crate::entropy());
        let house = self.house(code).await?;
        let made = async {
            let wrapped = first_keys(&house)?;
            let inside = self.machine().enter(house.clone());
            org::begin(&inside, wrapped, Some(owner)).await?;
            let made = org::register(ctx, code, name.clone()).await;
            made.inspect(|_| house.call(name))
        };
        let error = match made.await {
            Ok(view) => return Ok(view),
            Err(error) => error,
        };
        // Whether an unanswered change was made is not known: its key stays.
        if *error.kind() != Kind::Unavailable {
            drop(house);
            self.houses.close(code).await;
            let destroyed = self.options.roots.destroy(&house::key_name(code)?);
            tracing::warn!(house = %code, %error, key_destroyed = destroyed.is_ok(), "a new organization was given up");
        }
        Err(error)
    }

    /// Destroys an organization's keys. Its content is unreadable from then
    /// on, older backups included; its ledger still verifies.
    pub async fn shred(
        &self,
        caller: &Caller,
        name: &Name,
        reason: String,
    ) -> Result<OrganizationView> {
        let ctx = self.enter(caller, name).await?;
        org::may_shred(&ctx).await?;
        if !self.options.roots.can_destroy() {
            let provider = self.options.roots.describe();
            return Err(Error::new(Kind::Conflict, format!("{provider} cannot destroy a single organization's key"))
                .hint("nothing was changed; keep the house secrets in a key directory or an HSM to be able to shred"));
        }
        org::record_shred(&ctx, reason).await?;
        let code = ctx.house().code();
        // From here on it goes through, if need be at the next start.
        org::mark(&self.machine(), code, org::SHREDDING).await?;
        drop(ctx);
        self.finish_shredding(code).await
    }

    async fn finish_shredding(&self, code: HouseCode) -> Result<OrganizationView> {
        self.houses.close(code).await;
        let destroyed = self.options.roots.destroy(&house::key_name(code)?);
        match destroyed {
            Ok(()) | Err(RootError::Missing { .. }) => {}
            Err(error) => return Err(crate::key::root_error(&error)),
        }
        org::mark(&self.machine(), code, org::SHREDDED).await
    }

    /// Writes the bundle of a shredded organization to a new file, and says how
    /// many leaves it has.
    pub async fn export_shredded(
        &self,
        caller: &Caller,
        code: HouseCode,
        path: &Path,
    ) -> Result<u64> {
        let placement = self.placements.of(code);
        ledger::export_shredded(caller.site(), code, &placement, path).await
    }

    /// Ends what a stop interrupted.
    async fn finish_interrupted(&self) -> Result<()> {
        for organization in self.directory_all().await? {
            if organization.status == org::SHREDDING {
                self.finish_shredding(organization.code).await?;
            }
        }
        Ok(())
    }

    /// The open house of a code, opened if it is not.
    pub(crate) async fn house(&self, code: HouseCode) -> Result<Arc<House>> {
        if code.is_site() {
            return Ok(self.site.clone());
        }
        self.houses.get(code, || self.open_house(code)).await
    }

    async fn open_house(&self, code: HouseCode) -> Result<Arc<House>> {
        let (witnessed, called) = self
            .directory(|rows| {
                Box::pin(async move {
                    let witnessed = org::sql::witness_of(rows, code).await?;
                    // One whose row was altered opens, and is called nothing.
                    let found = org::sql::by_code(rows, code).await.ok().flatten();
                    Ok((witnessed, found.map(|found| found.name)))
                })
            })
            .await?;
        let witnessed = witnessed.map(|witness| {
            let root = Hash::try_from(witness.root);
            let root = root.map_err(|_| Error::tampered("a witnessed root is no hash"))?;
            Ok::<_, Error>((witness.size, root, witness.origin))
        });
        let opening = Opening {
            site: self.site_id.clone(),
            code,
            placement: self.placements.of(code),
            roots: self.options.roots.clone(),
            anchors: Anchors::open(&self.options.anchors)?,
            blobs: self.options.data.join("blobs").join(code.as_str()),
            clock: self.options.clock.clone(),
            faults: self.faults.clone(),
            batch_jobs_max: self.options.batch_jobs_max,
            witnessed: witnessed.transpose()?,
            witness: Some(self.witness.clone()),
            work: self.work.clone(),
            longest: self.options.longest,
            judge: self.options.judge.clone(),
            estimator: self.options.estimator.clone(),
            called,
        };
        House::open(opening).await
    }

    /// Closes every house: counted reads are written, anchors brought up to
    /// the heads. The process may end when this returns.
    pub async fn close(&self) -> Result<()> {
        for house in self.houses.all() {
            self.houses.close(house.code()).await;
            if let (Some(head), None) = (house.head(), house.read_only()) {
                let task = self.machine().as_task(WITNESS);
                org::witness(&task, house.code(), head).await?;
            }
        }
        self.site.settle()
    }
}

/// The wrapped keys that a new house waits to write into its first leaf.
fn first_keys(house: &House) -> Result<Vec<u8>> {
    house
        .first_keys()
        .map(<[u8]>::to_vec)
        .ok_or_else(|| Error::internal("the house has its keys already"))
}

fn absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}
