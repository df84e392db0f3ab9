//! Who asks, of which house, in which request: passed to every operation.

use std::net::IpAddr;
use std::sync::Arc;

use statehouse_model::{Actor, Name, Permission, RequestId, RunId};

use crate::house::House;

/// The context of one operation. It is made once per request, at the edge,
/// and holds the only house that the operation can reach.
#[derive(Clone)]
pub struct Ctx {
    house: Arc<House>,
    organization: Option<Name>,
    actor: Actor,
    scopes: Option<Arc<[Permission]>>,
    request: RequestId,
    source: Option<IpAddr>,
}

impl Ctx {
    /// A context for `actor` in `house`. `scopes` narrows what the actor's
    /// roles allow to what its token allows; `None` narrows nothing.
    pub(crate) fn new(
        house: Arc<House>,
        actor: Actor,
        scopes: Option<Arc<[Permission]>>,
        source: Option<IpAddr>,
    ) -> Self {
        Self {
            house,
            organization: None,
            actor,
            scopes,
            request: RequestId::from_entropy(crate::entropy()),
            source,
        }
    }

    /// The house that the operation works in.
    pub fn house(&self) -> &Arc<House> {
        &self.house
    }

    /// What the organization is called, where it was entered by a request.
    pub fn organization(&self) -> Option<&Name> {
        self.organization.as_ref()
    }

    /// Who asks.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The request, as logs, leaves and error bodies name it.
    pub fn request(&self) -> &RequestId {
        &self.request
    }

    /// Where the request came from, when it came over a network.
    pub fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// Whether the token that was used covers `permission`.
    pub(crate) fn in_scope(&self, permission: Permission) -> bool {
        self.scopes
            .as_ref()
            .is_none_or(|scopes| scopes.contains(&permission))
    }

    /// A background task of the server, on behalf of this request.
    pub(crate) fn as_task(&self, name: &'static str) -> Self {
        Self {
            actor: Actor::Task(name),
            scopes: None,
            ..self.clone()
        }
    }

    /// A run, in the house of this context, while a runner works on it.
    pub(crate) fn as_run(&self, run: RunId) -> Self {
        Self {
            actor: Actor::Run(run),
            scopes: None,
            ..self.clone()
        }
    }

    /// The same caller in another house.
    pub(crate) fn enter(&self, house: Arc<House>) -> Self {
        Self {
            house,
            organization: None,
            ..self.clone()
        }
    }

    /// The same, knowing what the organization is called.
    pub(crate) fn of(self, organization: Name) -> Self {
        Self {
            organization: Some(organization),
            ..self
        }
    }
}
