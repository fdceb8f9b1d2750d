//! The guarded outbound dialler: the one way in which a URL that arrived from outside is opened.
//!
//! A listen, control or recording URL comes with a webhook, a webhook's target from an
//! administrator: whoever sends one would have us fetch it, and we stand inside of the operator's
//! network. So the URL's text is judged first (scheme, host, port), then its name is resolved here,
//! every address it has must be one of the public internet, and the connection goes to exactly
//! these addresses. Redirects are followed only where the [`Policy`] says so, each judged like the
//! first URL; time and size are bounded; a proxy of the environment is not asked.
//!
//! **Invariant**: no connection is opened to an address that was not checked, and none to this
//! machine or a private network unless [`Policy::loopback`] is set
//! (`libs/service/tests/dial.rs`).

mod address;
mod answer;
mod error;
mod policy;
mod target;

use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, LOCATION};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

use crate::clock;
use target::{Kind, Target};

pub use answer::Answer;
pub use error::{DialError, Refusal};
pub use policy::{Hosts, Limits, MAX_REDIRECTS, Policy};
pub use reqwest::header;

/// A WebSocket that was dialled.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What turns a name into addresses.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// All addresses of a name.
    ///
    /// # Errors
    /// When it has none, or nobody can be asked.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The resolver of the system.
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

impl Policy {
    /// Judges a URL's text, as [`Dialler::check`]: for those who dial nothing.
    ///
    /// # Errors
    /// When it will not be dialled.
    pub fn check(&self, url: &str) -> Result<(), Refusal> {
        let socket = url
            .get(..2)
            .is_some_and(|start| start.eq_ignore_ascii_case("ws"));
        let kind = if socket { Kind::Socket } else { Kind::Http };
        target::check(url, kind, self).map(drop)
    }
}

/// Opens URLs that arrived from outside, as its policy allows. Cheap to clone.
#[derive(Clone)]
pub struct Dialler {
    policy: Policy,
    guard: Guard,
    client: reqwest::Client,
    tls: Arc<ClientConfig>,
}

impl std::fmt::Debug for Dialler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dialler({:?})", self.policy)
    }
}

impl Dialler {
    /// Opens what the policy allows, with the system's resolver.
    ///
    /// # Errors
    /// When there is no TLS.
    pub fn new(policy: Policy) -> anyhow::Result<Self> {
        Self::with_resolver(policy, Arc::new(SystemResolver))
    }

    /// The same with another resolver.
    ///
    /// # Errors
    /// When there is no TLS.
    pub fn with_resolver(policy: Policy, resolver: Arc<dyn Resolve>) -> anyhow::Result<Self> {
        let tls = tls().context("TLS for outbound connections")?;
        let guard = Guard {
            resolver,
            loopback: policy.loopback,
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .dns_resolver(Arc::new(guard.clone()))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            // a kept connection would outlive the check of its address
            .pool_max_idle_per_host(0)
            // what is unpacked would not be bounded by what is received
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .connect_timeout(policy.limits.connect)
            .build()
            .context("the HTTP client for outbound connections")?;
        Ok(Self {
            policy,
            guard,
            client,
            tls: Arc::new(tls),
        })
    }

    /// Judges a URL's text without dialling it: for answering at once whoever sends one. Its name's
    /// addresses are judged when it is dialled.
    ///
    /// # Errors
    /// When it will not be dialled.
    pub fn check(&self, url: &str) -> Result<(), Refusal> {
        self.policy.check(url)
    }

    /// Judges a WebSocket's URL and every address that its name has now: for what somebody else's
    /// code opens. Danger: that code looks the name up again, so the policy's hosts must be of
    /// domains whose owners are trusted with their names.
    ///
    /// # Errors
    /// When it is not to be opened, or its name has no address.
    pub async fn vet(&self, url: &str) -> Result<(), DialError> {
        let target = target::check(url, Kind::Socket, &self.policy)?;
        let limit = self.policy.limits.connect;
        let looking = tokio::time::timeout(limit, self.guard.checked(&target.host)).await;
        let addresses = looking.map_err(|_| no_answer(&target.host, limit))?;
        addresses.map(drop)
    }

    /// Asks for a URL, following redirects as the policy says. `Authorization` and `Cookie` are
    /// sent to the URL's own host only.
    ///
    /// # Errors
    /// When it is refused, cannot be reached, or is too slow or too large.
    pub async fn get(&self, url: &str, mut headers: HeaderMap) -> Result<Answer, DialError> {
        let began = clock::now();
        let mut target = target::check(url, Kind::Http, &self.policy)?;
        let mut redirects = 0;
        loop {
            let request = self.client.get(target.url.clone()).headers(headers.clone());
            let response = self.send(request, &target, began).await?;
            let host = target.host.clone();
            if !is_redirect(response.status().as_u16()) {
                return Answer::new(response, host, self.policy.limits, began);
            }
            redirects += 1;
            let location = response.headers().get(LOCATION);
            let location = location.and_then(|location| location.to_str().ok());
            let Some(location) =
                location.filter(|_| redirects <= self.policy.redirects.min(MAX_REDIRECTS))
            else {
                return Err(DialError::Redirected { host });
            };
            target = target::check_hop(&target, location, &self.policy)?;
            if target.host != host {
                headers.remove(AUTHORIZATION);
                headers.remove(COOKIE);
            }
        }
    }

    /// Sends a body to a URL. Redirects are never followed.
    ///
    /// # Errors
    /// When it is refused, cannot be reached, or is too slow or too large.
    pub async fn post(
        &self,
        url: &str,
        headers: HeaderMap,
        body: impl Into<Bytes>,
    ) -> Result<Answer, DialError> {
        self.give(Method::POST, url, headers, body.into()).await
    }

    /// The same for a change of what is there.
    ///
    /// # Errors
    /// As [`Self::post`].
    pub async fn patch(
        &self,
        url: &str,
        headers: HeaderMap,
        body: impl Into<Bytes>,
    ) -> Result<Answer, DialError> {
        self.give(Method::PATCH, url, headers, body.into()).await
    }

    async fn give(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, DialError> {
        let began = clock::now();
        let target = target::check(url, Kind::Http, &self.policy)?;
        let request = self.client.request(method, target.url.clone());
        let request = request.headers(headers).body(body);
        let response = self.send(request, &target, began).await?;
        if is_redirect(response.status().as_u16()) {
            return Err(DialError::Redirected { host: target.host });
        }
        Answer::new(response, target.host, self.policy.limits, began)
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        target: &Target,
        began: Instant,
    ) -> Result<reqwest::Response, DialError> {
        let limits = self.policy.limits;
        let left = limits.total.saturating_sub(clock::now() - began);
        let wait = limits.answer.min(left);
        match tokio::time::timeout(wait, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(unreachable(&target.host, &error)),
            Err(_) => Err(no_answer(&target.host, wait)),
        }
    }

    /// Opens a WebSocket. Redirects are never followed; how long it may stay open is its user's
    /// affair.
    ///
    /// # Errors
    /// When it is refused, cannot be reached, answers otherwise, or is too slow.
    pub async fn socket(&self, url: &str, headers: HeaderMap) -> Result<Socket, DialError> {
        let target = target::check(url, Kind::Socket, &self.policy)?;
        let limits = self.policy.limits;
        let connecting = tokio::time::timeout(limits.connect, self.connect(&target));
        let stream = connecting
            .await
            .map_err(|_| no_answer(&target.host, limits.connect))??;
        let mut request = target
            .url
            .as_str()
            .into_client_request()
            .map_err(|_| Refusal::NotAUrl)?;
        for (name, value) in &headers {
            request.headers_mut().append(name.clone(), value.clone());
        }
        let most = usize::try_from(limits.bytes).unwrap_or(usize::MAX);
        let config = WebSocketConfig::default()
            .max_message_size(Some(most))
            .max_frame_size(Some(most));
        let tls = Some(Connector::Rustls(self.tls.clone()));
        let opening =
            tokio_tungstenite::client_async_tls_with_config(request, stream, Some(config), tls);
        let opened = tokio::time::timeout(limits.answer, Box::pin(opening))
            .await
            .map_err(|_| no_answer(&target.host, limits.answer))?;
        let (socket, _) = opened.map_err(|error| unopened(&target.host, &error))?;
        Ok(socket)
    }

    async fn connect(&self, target: &Target) -> Result<TcpStream, DialError> {
        let port = target.url.port_or_known_default().unwrap_or_default();
        let mut why = String::from("no address answers");
        for address in self.guard.checked(&target.host).await? {
            match TcpStream::connect(SocketAddr::new(address, port)).await {
                Ok(stream) => {
                    // sound is small and must not wait to become large
                    drop(stream.set_nodelay(true));
                    return Ok(stream);
                }
                Err(error) => why = error.to_string(),
            }
        }
        Err(DialError::Unreachable {
            host: target.host.clone(),
            why,
        })
    }
}

/// Resolves names and lets only those pass whose addresses are all allowed. It is the resolver of
/// the HTTP client's connector, so that what is checked is what is dialled.
#[derive(Clone)]
struct Guard {
    resolver: Arc<dyn Resolve>,
    loopback: bool,
}

impl Guard {
    async fn checked(&self, host: &str) -> Result<Vec<IpAddr>, DialError> {
        let local = self.loopback && target::is_loopback(host);
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        let addresses = match literal.parse() {
            Ok(address) => vec![address],
            Err(_) => self.resolve(host).await?,
        };
        let allowed = |ip: &IpAddr| address::is_public(*ip) || (local && ip.is_loopback());
        // one bad address among good ones is an attempt: nothing is dialled
        match addresses.iter().find(|ip| !allowed(ip)) {
            Some(address) => Err(DialError::Refused(Refusal::Address {
                host: host.to_owned(),
                address: *address,
            })),
            None => Ok(addresses),
        }
    }

    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, DialError> {
        let unresolved = |why: String| DialError::Unresolved {
            host: host.to_owned(),
            why,
        };
        let addresses = self.resolver.addresses(host).await;
        let addresses = addresses.map_err(|error| unresolved(error.to_string()))?;
        if addresses.is_empty() {
            return Err(unresolved("none is known".to_owned()));
        }
        Ok(addresses)
    }
}

impl reqwest::dns::Resolve for Guard {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = guard.checked(name.as_str()).await?;
            let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
            let addresses: reqwest::dns::Addrs = Box::new(addresses);
            Ok(addresses)
        })
    }
}

fn tls() -> Result<ClientConfig, rustls::Error> {
    let roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

const fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

fn no_answer(host: &str, waited: Duration) -> DialError {
    DialError::TooSlow {
        host: host.to_owned(),
        why: format!("no answer within {waited:?}"),
    }
}

fn unreachable(host: &str, error: &reqwest::Error) -> DialError {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(ours) = inner.downcast_ref::<DialError>() {
            return ours.clone();
        }
        cause = inner.source();
    }
    if error.is_timeout() {
        return DialError::TooSlow {
            host: host.to_owned(),
            why: "no connection in time".to_owned(),
        };
    }
    DialError::Unreachable {
        host: host.to_owned(),
        why: root_cause(error),
    }
}

/// What is at the bottom of an error: the layers above it may name the URL.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn StdError = error;
    let mut bottom = None;
    while let Some(inner) = cause.source() {
        bottom = Some(inner);
        cause = inner;
    }
    bottom.map_or_else(
        || "the answer cannot be read".to_owned(),
        ToString::to_string,
    )
}

fn unopened(host: &str, error: &SocketError) -> DialError {
    let host = host.to_owned();
    if let SocketError::Http(response) = error {
        let status = response.status().as_u16();
        return if is_redirect(status) {
            DialError::Redirected { host }
        } else {
            DialError::Status { host, status }
        };
    }
    DialError::Unreachable {
        why: error.to_string(),
        host,
    }
}
