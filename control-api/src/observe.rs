//! What operators see of a request: a span, figures and one line. The route's pattern stands in
//! them and never the path or the query, which hold ids, numbers and tokens.

use std::sync::{Arc, OnceLock};

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use sidetone_service::clock;
use sidetone_wire::{TenantId, UserId};
use tracing::field::display;
use tracing::{Instrument as _, debug, info, info_span};

use crate::metrics;

/// Who sent a request: known once a route has asked. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Who(Arc<OnceLock<(TenantId, Option<UserId>)>>);

impl Who {
    /// Notes who it is; a request has one sender.
    pub(crate) fn is(&self, tenant: TenantId, user: Option<UserId>) {
        self.0.get_or_init(|| (tenant, user));
    }
}

/// Counts, times and logs a request: at INFO what changes something, at DEBUG what reads.
pub(crate) async fn observe(mut request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let who = Who::default();
    request.extensions_mut().insert(who.clone());
    let span = info_span!("request", %method, route);
    let start = clock::now();
    let response = next.run(request).instrument(span.clone()).await;
    let took = clock::now() - start;
    metrics::request(&method, route, response.status(), took);
    let _entered = span.enter();
    let (status, ms) = (response.status().as_u16(), took.as_millis() as u64);
    let tenant = who.0.get().map(|(tenant, _)| display(tenant));
    let user = who.0.get().and_then(|(_, user)| user.as_ref()).map(display);
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(&method) {
        debug!(status, ms, tenant, user, "answered");
    } else {
        info!(status, ms, tenant, user, "answered");
    }
    response
}
