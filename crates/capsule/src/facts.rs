//! What a plan was made from and what it is: everything that must be found again, unchanged, before it is applied.
//!
//! The same type says what a capsule binds and what somebody finds now, so that neither can hold a thing the other forgot.

use crate::form::{self, Error, Members, number, object, optional, text, words};
use statehouse_ledger::Hash;
use statehouse_ledger::canonical::{Item, Object};
use statehouse_model::{HouseCode, HouseId as _, RunId, VersionId, WorkspaceId};
use std::collections::BTreeMap;

/// What a plan was made from and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The house.
    pub house: HouseCode,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The run that planned and would apply.
    pub run: RunId,
    /// SHA-256 of the plan file.
    pub plan: Hash,
    /// SHA-256 of the plan's JSON, as derived from the plan file.
    pub plan_json: Hash,
    /// SHA-256 of what people were shown of it: the JSON without what nobody is to see.
    pub plan_shown: Hash,
    /// The state that was planned on; `None` where there was none yet.
    pub base: Option<BaseState>,
    /// SHA-256 of the configuration's archive.
    pub configuration: Hash,
    /// SHA-256 of the dependency lock file; `None` where there is none.
    pub lock_file: Option<Hash>,
    /// The binary that planned.
    pub tool: Tool,
    /// Providers by source address.
    pub providers: BTreeMap<String, Provider>,
    /// What stood in the variables.
    pub variables: Variables,
    /// What kept the run apart from its host.
    pub sandbox: Sandbox,
    /// Where the state lives.
    pub backend: Backend,
}

/// A version of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseState {
    /// Lineage and serial as they stand in the state; `None` for a state that the client encrypted.
    pub head: Option<(String, u64)>,
    /// SHA-256 of its content, or the salted commitment to it.
    pub content: Hash,
    /// Id of the version.
    pub version: VersionId,
    /// Index of the leaf that made it the head.
    pub leaf: u64,
}

words! {
    /// Which program plans and applies.
    ToolName {
        /// The first of its kind.
        Terraform = "terraform",
        /// Its open fork, OpenTofu.
        Tofu = "tofu",
    }
}

/// The binary that plans and applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Which program.
    pub name: ToolName,
    /// Its version.
    pub version: String,
    /// SHA-256 of the binary.
    pub binary: Hash,
}

/// A provider that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its version.
    pub version: String,
    /// SHA-256 of the package or the binary.
    pub digest: Hash,
}

/// Salted commitments to what stood in the variables, by category and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// Input variables of the configuration.
    pub terraform: BTreeMap<String, Hash>,
    /// Variables of the environment.
    pub environment: BTreeMap<String, Hash>,
}

words! {
    /// What keeps a run apart from its host.
    Sandbox {
        /// Every layer there is.
        Strict = "strict",
        /// A process of another user, and nothing else.
        Process = "process",
    }
}

/// Where the state lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Here.
    Statehouse,
    /// In a backend that the configuration names; here is a copy.
    External {
        /// Its type: `s3`, `pg`, …
        kind: String,
        /// SHA-256 of the state that is there; `None` where there is none yet.
        state: Option<Hash>,
    },
}

impl Facts {
    pub(crate) fn members(&self) -> Vec<(&'static str, Item<'_>)> {
        let providers = self.providers.iter();
        let providers = providers
            .map(|(address, provider)| (address.into(), provider.item()))
            .collect();
        vec![
            ("backend", self.backend.item()),
            (
                "base",
                self.base.as_ref().map_or(Item::Null, BaseState::item),
            ),
            ("configuration", form::hash(&self.configuration)),
            ("house", text(self.house.as_str())),
            ("lock_file", optional(self.lock_file.as_ref(), form::hash)),
            ("plan", form::hash(&self.plan)),
            ("plan_json", form::hash(&self.plan_json)),
            ("plan_shown", form::hash(&self.plan_shown)),
            ("providers", Item::Object(Object::new(providers))),
            ("run", text(self.run.as_str())),
            ("sandbox", text(self.sandbox.as_str())),
            ("tool", self.tool.item()),
            ("variables", self.variables.item()),
            ("workspace", text(self.workspace.as_str())),
        ]
    }

    pub(crate) fn read(members: &mut Members<'_>) -> Result<Self, Error> {
        let providers = Members::of("providers", members.item("providers")?)?.rest()?;
        let facts = Self {
            house: members.read("house")?,
            workspace: members.read("workspace")?,
            run: members.read("run")?,
            plan: members.hash("plan")?,
            plan_json: members.hash("plan_json")?,
            plan_shown: members.hash("plan_shown")?,
            base: BaseState::read(members.item("base")?)?,
            configuration: members.hash("configuration")?,
            lock_file: members.optional_hash("lock_file")?,
            tool: Tool::read(members.item("tool")?)?,
            providers: providers
                .into_iter()
                .map(|(address, item)| Ok((address, Provider::read(item)?)))
                .collect::<Result<_, Error>>()?,
            variables: Variables::read(members.item("variables")?)?,
            sandbox: members.read("sandbox")?,
            backend: Backend::read(members.item("backend")?)?,
        };
        facts.check()?;
        Ok(facts)
    }

    fn check(&self) -> Result<(), Error> {
        let why = "its id is of another house";
        if self.workspace.house() != self.house {
            let field = "workspace";
            return Err(Error::Contradiction { field, why });
        }
        if self.run.house() != self.house {
            let field = "run";
            return Err(Error::Contradiction { field, why });
        }
        let base = self.base.as_ref();
        if base.is_some_and(|base| base.version.house() != self.house) {
            let field = "base.version";
            return Err(Error::Contradiction { field, why });
        }
        Ok(())
    }
}

impl BaseState {
    fn item(&self) -> Item<'_> {
        let head = self.head.as_ref();
        object(vec![
            ("content", form::hash(&self.content)),
            ("leaf", number(self.leaf)),
            (
                "lineage",
                head.map_or(Item::Null, |(lineage, _)| text(lineage)),
            ),
            (
                "serial",
                head.map_or(Item::Null, |(_, serial)| number(*serial)),
            ),
            ("version", text(self.version.as_str())),
        ])
    }

    fn read(item: Item<'_>) -> Result<Option<Self>, Error> {
        if item == Item::Null {
            return Ok(None);
        }
        let mut members = Members::of("base", item)?;
        let lineage = members.optional_text("lineage")?;
        let serial = members.optional_number("serial")?;
        if lineage.is_some() != serial.is_some() {
            return Err(Error::Contradiction {
                field: "base.serial",
                why: "lineage and serial are both there, or neither",
            });
        }
        let base = Self {
            head: lineage.zip(serial),
            content: members.hash("content")?,
            version: members.read("version")?,
            leaf: members.number("leaf")?,
        };
        members.end()?;
        Ok(Some(base))
    }
}

impl Tool {
    fn item(&self) -> Item<'_> {
        object(vec![
            ("binary", form::hash(&self.binary)),
            ("name", text(self.name.as_str())),
            ("version", text(&self.version)),
        ])
    }

    fn read(item: Item<'_>) -> Result<Self, Error> {
        let mut members = Members::of("tool", item)?;
        let tool = Self {
            name: members.read("name")?,
            version: members.text("version")?,
            binary: members.hash("binary")?,
        };
        members.end()?;
        Ok(tool)
    }
}

impl Provider {
    fn item(&self) -> Item<'_> {
        object(vec![
            ("digest", form::hash(&self.digest)),
            ("version", text(&self.version)),
        ])
    }

    fn read(item: Item<'_>) -> Result<Self, Error> {
        let mut members = Members::of("providers", item)?;
        let provider = Self {
            version: members.text("version")?,
            digest: members.hash("digest")?,
        };
        members.end()?;
        Ok(provider)
    }
}

impl Variables {
    /// How many there are, of both categories.
    pub fn count(&self) -> usize {
        self.terraform.len() + self.environment.len()
    }

    fn item(&self) -> Item<'_> {
        object(vec![
            ("environment", commitments(&self.environment)),
            ("terraform", commitments(&self.terraform)),
        ])
    }

    fn read(item: Item<'_>) -> Result<Self, Error> {
        let mut members = Members::of("variables", item)?;
        let variables = Self {
            terraform: read_commitments(members.item("terraform")?)?,
            environment: read_commitments(members.item("environment")?)?,
        };
        members.end()?;
        Ok(variables)
    }
}

fn commitments(of: &BTreeMap<String, Hash>) -> Item<'_> {
    let members = of.iter();
    let members = members.map(|(name, hash)| (name.into(), form::hash(hash)));
    Item::Object(Object::new(members.collect()))
}

fn read_commitments(item: Item<'_>) -> Result<BTreeMap<String, Hash>, Error> {
    let members = Members::of("variables", item)?.rest()?.into_iter();
    let read = |(name, item): (String, Item<'_>)| {
        let hash = item.text().and_then(statehouse_ledger::hash_from_hex);
        let hash = hash.ok_or_else(|| Error::Field(format!("variables.{name}")))?;
        Ok((name, hash))
    };
    members.map(read).collect()
}

impl Backend {
    /// Its type in a word: `statehouse`, or what the configuration calls it.
    pub fn kind(&self) -> &str {
        match self {
            Self::Statehouse => "statehouse",
            Self::External { kind, .. } => kind,
        }
    }

    fn item(&self) -> Item<'_> {
        match self {
            Self::Statehouse => object(vec![("kept", text("statehouse"))]),
            Self::External { kind, state } => object(vec![
                ("kept", text("external")),
                ("kind", text(kind)),
                ("state", optional(state.as_ref(), form::hash)),
            ]),
        }
    }

    fn read(item: Item<'_>) -> Result<Self, Error> {
        let mut members = Members::of("backend", item)?;
        let backend = match members.text("kept")?.as_str() {
            "statehouse" => Self::Statehouse,
            "external" => Self::External {
                kind: Some(members.text("kind")?)
                    .filter(|kind| form::is_word(kind))
                    .ok_or_else(|| form::wrong("backend.kind"))?,
                state: members.optional_hash("state")?,
            },
            _ => return Err(form::wrong("backend.kept")),
        };
        members.end()?;
        Ok(backend)
    }
}
