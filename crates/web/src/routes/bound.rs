//! A route at work: counted, asked for what it can give, answered once where that is wished, and written down.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use statehouse_core::Core;
use tower::ServiceExt;

use super::check::Wanted;
use super::{Operation, Route, Service};
use crate::answer::Named;
use crate::auth::{self, Asker, Recognized};
use crate::body::{self, Whole};
use crate::once::{self, Once, Turn};
use crate::problem::Problem;
use crate::reply::{self, Seen};
use crate::tfe::sent::Expected;
use crate::throttle::{Pace, Throttle};

/// What all routes of a server share.
pub(super) struct Shared {
    core: Arc<Core>,
    throttle: Throttle,
    once: Once,
}

impl Shared {
    pub(super) fn new(core: Arc<Core>, pace: Pace) -> Self {
        Self {
            core,
            throttle: Throttle::new(pace),
            once: Once::default(),
        }
    }

    fn now(&self) -> i64 {
        (self.core.options().clock)()
    }
}

/// A route over a core.
pub(super) struct Bound {
    /// Its place in the table.
    pub(super) index: usize,
    pub(super) route: &'static Route,
    service: Service,
    shared: Arc<Shared>,
}

impl Bound {
    pub(super) fn new(index: usize, route: &'static Route, shared: Arc<Shared>) -> Self {
        Self {
            index,
            route,
            service: (route.service)(shared.core.clone()),
            shared,
        }
    }

    /// Answers a request.
    pub(super) async fn answer(&self, request: Request) -> Response {
        match &self.route.operation {
            None => self.serve(request).await,
            Some(operation) if operation.always => self.checked(operation, request).await,
            Some(operation) => self.counted(operation, request).await,
        }
    }

    async fn serve(&self, request: Request) -> Response {
        let Ok(response) = self.service.clone().oneshot(request).await;
        response
    }

    /// Answers if the caller has not asked too often.
    async fn counted(&self, operation: &Operation, request: Request) -> Response {
        let (throttle, now) = (&self.shared.throttle, self.shared.now());
        let (parts, body) = request.into_parts();
        let counted = match throttle.count(&parts, now) {
            Ok(counted) => counted,
            Err(refused) => {
                let (problem, counted) = *refused;
                let mut response = problem.into_response();
                counted.tell(response.headers_mut());
                return response;
            }
        };
        let mut request = Request::from_parts(parts, body);
        let recognized = Recognized::default();
        request.extensions_mut().insert(recognized.clone());
        let mut response = self.checked(operation, request).await;
        if let Some(counted) = counted {
            if recognized.is() {
                throttle.taken(&counted, now);
            }
            counted.tell(response.headers_mut());
        }
        response
    }

    /// Answers if what is asked can be given.
    async fn checked(&self, operation: &Operation, mut request: Request) -> Response {
        let wanted = match Wanted::of(operation, request.uri()) {
            Ok(wanted) => wanted,
            Err(problem) => return problem.into_response(),
        };
        if let Some(kind) = operation.takes {
            request.extensions_mut().insert(Expected(kind));
        }
        let seen = Seen::of(&request);
        let response = if operation.once {
            let answered = self.once(request).await;
            answered.unwrap_or_else(IntoResponse::into_response)
        } else {
            self.serve(request).await
        };
        reply::write(response, &wanted, &seen)
    }

    /// Answers a creation, or says what was answered to the same before.
    async fn once(&self, request: Request) -> Result<Response, Problem> {
        let (parts, body) = request.into_parts();
        let Some(key) = once::key(&parts.headers)?.map(str::to_owned) else {
            return Ok(self.serve(Request::from_parts(parts, body)).await);
        };
        // Whose token is no longer good is not told what was answered before.
        let mut probe = parts.clone();
        probe.extensions.remove::<Named>();
        let asker = Asker::from_request_parts(&mut probe, &self.shared.core).await?;
        let account = asker.site().actor().id().to_owned();
        let token = auth::token(&parts)?.unwrap_or_default();
        let request = Request::from_parts(parts.clone(), body);
        let whole: Whole<body::Json> = Whole::from_request(request, &()).await?;
        let address = parts.uri.to_string();
        let asked = [
            parts.method.as_str().as_bytes(),
            address.as_bytes(),
            &whole.bytes,
        ];
        match self
            .shared
            .once
            .begin((&account, &token), &key, &asked, self.shared.now())?
        {
            Turn::Again(response) => Ok(response),
            Turn::New(begun) => {
                let request = Request::from_parts(parts, Body::from(whole.bytes));
                let service = self.service.clone();
                // Finished even if the caller is gone: it will ask again.
                let answered = tokio::spawn(async move {
                    let Ok(response) = service.oneshot(request).await;
                    begun.end(&response);
                    response
                });
                let failed = |_| Problem::defect("a handler ended in a fault");
                answered.await.map_err(failed)
            }
        }
    }
}
