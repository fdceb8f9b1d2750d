//! Who sent the request.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use sidetone_wire::{Role, TenantId, UserId};
use subtle::ConstantTimeEq as _;

use super::{cookies, secret};
use crate::app::App;
use crate::numbers::Answered;
use crate::observe::Who;
use crate::problem::Problem;
use crate::store::{Actor, DEFAULT_TENANT, Identity, Tenant};

/// Whoever sent the request, with what they may do now and their tenant's part of the database.
pub(crate) struct Caller {
    pub(crate) identity: Identity,
    pub(crate) tenant: Tenant,
    /// Address of the other end of the connection.
    address: Option<IpAddr>,
}

/// A caller whose role includes agent: everybody but auditors.
pub(crate) struct Agent(pub(crate) Caller);

/// A caller whose role includes supervisor.
pub(crate) struct Supervisor(pub(crate) Caller);

/// A caller whose role includes admin.
pub(crate) struct Admin(pub(crate) Caller);

/// An admin or an auditor: those who see what everybody does, and change nothing by it.
pub(crate) struct Reviewer(pub(crate) Caller);

/// How a session was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof<'a> {
    /// In the `Authorization` header, which no page sends on behalf of another.
    Bearer(&'a str),
    /// In the cookie, which the browser sends along whoever asks.
    Cookie(&'a str),
}

impl<'a> Proof<'a> {
    /// What the request shows; the header counts before the cookie.
    pub(crate) fn of(headers: &'a HeaderMap) -> Option<Self> {
        match headers.get(header::AUTHORIZATION) {
            Some(value) => {
                let value = value.to_str().ok()?;
                let (scheme, token) = value.split_once(' ')?;
                let bearer = scheme.eq_ignore_ascii_case("bearer");
                bearer.then_some(Self::Bearer(token.trim()))
            }
            // a program has no cookies: a key in one was put there by somebody else
            None => cookies::read(headers, cookies::SESSION)
                .filter(|token| !token.starts_with(secret::KEY_PREFIX))
                .map(Self::Cookie),
        }
    }

    pub(crate) fn token(self) -> &'a str {
        match self {
            Self::Bearer(token) | Self::Cookie(token) => token,
        }
    }
}

impl Caller {
    /// Whoever has that identity, at the other end of a connection.
    pub(crate) fn new(app: &App, identity: Identity, address: Option<IpAddr>) -> Self {
        Self {
            tenant: app.store.tenant(identity.tenant),
            identity,
            address,
        }
    }

    /// Whether their role includes `needed`. An auditor's includes nothing.
    pub(crate) fn may(&self, needed: Role) -> bool {
        includes(self.identity.role, needed)
    }

    /// # Errors
    /// When the caller's role does not include `needed`.
    fn needs(&self, needed: Role) -> Result<(), Problem> {
        if self.may(needed) {
            Ok(())
        } else {
            Err(Problem::needs_role(needed))
        }
    }

    /// Whether they manage all tenants: an admin of the default one.
    pub(crate) fn is_super_admin(&self) -> bool {
        self.identity.role == Role::Admin && self.identity.tenant_slug == DEFAULT_TENANT
    }

    /// Who they are in the audit log.
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            name: self.identity.user.to_string(),
            address: self.address.map(|address| address.to_string()),
        }
    }

    /// Where they act from.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The person who acts.
    ///
    /// # Errors
    /// When it is a program, by an API key: it has no password, no profile and no other tenant.
    pub(crate) fn person(&self) -> Result<UserId, Problem> {
        if self.identity.api_key.is_none() {
            return Ok(self.identity.user);
        }
        let detail = "this is for people who are logged in, not for API keys";
        Err(Problem::forbidden("person_required", detail))
    }

    /// Whether that is their tenant.
    pub(crate) fn belongs_to(&self, tenant: TenantId) -> bool {
        self.identity.tenant == tenant
    }
}

impl FromRequestParts<Arc<App>> for Agent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        caller.needs(Role::Agent)?;
        Ok(Self(caller))
    }
}

impl FromRequestParts<Arc<App>> for Supervisor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        caller.needs(Role::Supervisor)?;
        Ok(Self(caller))
    }
}

impl FromRequestParts<Arc<App>> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        caller.needs(Role::Admin)?;
        Ok(Self(caller))
    }
}

impl FromRequestParts<Arc<App>> for Reviewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        match caller.identity.role {
            Role::Admin | Role::Auditor => Ok(Self(caller)),
            Role::Supervisor | Role::Agent => Err(Problem::needs_role(Role::Admin)),
        }
    }
}

fn includes(role: Role, needed: Role) -> bool {
    let rank = |role| match role {
        Role::Auditor => 0,
        Role::Agent => 1,
        Role::Supervisor => 2,
        Role::Admin => 3,
    };
    rank(role) >= rank(needed)
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let proof =
            Proof::of(&parts.headers).ok_or_else(|| Problem::unauthenticated("log in first"))?;
        let identity = app
            .identify(proof.token())
            .await?
            .ok_or_else(|| Problem::unauthenticated("the session is not valid or has ended"))?;
        let reads = [Method::GET, Method::HEAD, Method::OPTIONS];
        if matches!(proof, Proof::Cookie(_)) && !reads.contains(&parts.method) {
            let word = parts.headers.get(cookies::CSRF_HEADER);
            let expected = app.tokens.csrf(identity.session);
            let fits = word.is_some_and(|word| word.as_bytes().ct_eq(expected.as_bytes()).into());
            if !fits {
                let detail = "a write by cookie must send the cookie sidetone_csrf as x-csrf-token";
                return Err(Problem::forbidden("csrf_failed", detail));
            }
        }
        if let Some(who) = parts.extensions.get::<Who>() {
            who.is(identity.tenant, Some(identity.user));
        }
        names_own(parts, &identity).await?;
        if let Some(answered) = parts.extensions.get::<Answered>() {
            answered.is(&identity);
        }
        let connection = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let address = connection.map(|ConnectInfo(from)| from.ip());
        Ok(Self::new(app, identity, address))
    }
}

/// Paths of older clients name a tenant (`{client}`, by slug or id) or a user (`{user_id}`): it
/// must be the caller's own. This is asked of every route that has a caller, so that none forgets
/// it, and nothing is looked up, so that nobody learns which others there are.
async fn names_own(parts: &mut Parts, identity: &Identity) -> Result<(), Problem> {
    let Ok(params) = RawPathParams::from_request_parts(parts, &()).await else {
        return Err(Problem::not_found("resource"));
    };
    for (name, value) in &params {
        let own = match name {
            "client" => value == identity.tenant_slug || value == identity.tenant.to_string(),
            "user_id" => value == identity.user.to_string(),
            _ => true,
        };
        if !own && name == "client" {
            let detail = "the path names another tenant than the caller's";
            return Err(Problem::forbidden("other_tenant", detail));
        }
        if !own {
            let detail = "the path names another user than the caller";
            return Err(Problem::forbidden("other_user", detail));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_includes_supervisor_includes_agent_and_an_auditor_nothing() {
        let order = [Role::Agent, Role::Supervisor, Role::Admin];
        for (n, role) in order.iter().enumerate() {
            for (m, needed) in order.iter().enumerate() {
                assert_eq!(includes(*role, *needed), n >= m, "{role} {needed}");
            }
            assert!(!includes(Role::Auditor, *role));
        }
    }
}
