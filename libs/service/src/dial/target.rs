//! What a URL from outside says, and whether it may be dialled.

use std::net::IpAddr;

use reqwest::Url;

use super::error::Refusal;
use super::policy::{Hosts, Policy};

/// Characters of a URL: signed ones are long, but not longer.
const MAX_CHARS: usize = 4096;
/// The port of TLS.
const PORT: u16 = 443;

/// How a URL is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Http,
    Socket,
}

impl Kind {
    const fn schemes(self) -> (&'static str, &'static str) {
        match self {
            Self::Http => ("https", "http"),
            Self::Socket => ("wss", "ws"),
        }
    }
}

/// A URL that may be dialled as far as its text goes: its name's addresses are still to be checked.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) url: Url,
    pub(super) host: String,
}

/// Judges a URL from outside.
pub(super) fn check(text: &str, kind: Kind, policy: &Policy) -> Result<Target, Refusal> {
    let listed = |host: &str| match policy.hosts {
        Hosts::Listed(hosts) => is_listed(host, hosts),
        Hosts::Public => is_ordinary(host),
    };
    judge(text, kind, policy.loopback, listed)
}

/// Judges where a redirect leads to, which may be relative.
pub(super) fn check_hop(from: &Target, location: &str, policy: &Policy) -> Result<Target, Refusal> {
    if !is_plain(location) {
        return Err(Refusal::Unplain);
    }
    let next = from.url.join(location).map_err(|_| Refusal::NotAUrl)?;
    let listed = |host: &str| {
        is_listed(host, policy.onward)
            || match policy.hosts {
                Hosts::Listed(hosts) => is_listed(host, hosts),
                Hosts::Public => is_ordinary(host),
            }
    };
    // a public host has no business to send us to this machine, not even in a test
    let loopback = policy.loopback && is_loopback(&from.host);
    judge(next.as_str(), Kind::Http, loopback, listed)
}

/// Whether a host names this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn judge(
    text: &str,
    kind: Kind,
    loopback: bool,
    listed: impl Fn(&str) -> bool,
) -> Result<Target, Refusal> {
    if text.len() > MAX_CHARS {
        return Err(Refusal::NotAUrl);
    }
    if !is_plain(text) {
        return Err(Refusal::Unplain);
    }
    let url = Url::parse(text).map_err(|_| Refusal::NotAUrl)?;
    let (tls, open) = kind.schemes();
    let local = loopback && url.host_str().is_some_and(is_loopback);
    if url.scheme() != tls && !(local && url.scheme() == open) {
        return Err(Refusal::Scheme(url.scheme().chars().take(16).collect()));
    }
    if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
        return Err(Refusal::Userinfo);
    }
    let host = url.host_str().ok_or(Refusal::NotAUrl)?.to_owned();
    if !says_its_host(text, &url, &host) {
        return Err(Refusal::Unplain);
    }
    if local {
        return Ok(Target { url, host });
    }
    match url.port() {
        None | Some(PORT) => {}
        Some(other) => return Err(Refusal::Port(other)),
    }
    if host.starts_with('[') || host.parse::<IpAddr>().is_ok() {
        return Err(Refusal::Literal);
    }
    let labelled = host.split('.').all(|label| !label.is_empty());
    if !labelled || !listed(&host) {
        return Err(Refusal::Host(host.chars().take(100).collect()));
    }
    Ok(Target { url, host })
}

/// Printable ASCII without what some readers take for a slash.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

/// What stands between `//` and the path.
fn authority(text: &str) -> &str {
    let rest = text.split_once("//").map_or(text, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

/// Whether the text names the host just as it was understood: no escapes, no numbers that become
/// addresses, no slashes too many; and no fragment.
fn says_its_host(text: &str, url: &Url, host: &str) -> bool {
    let said = authority(text).to_ascii_lowercase();
    let plain = match said.strip_prefix(host) {
        Some("") => true,
        Some(port) => port
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok()),
        None => false,
    };
    let start = text.get(..url.scheme().len() + 3);
    let scheme =
        start.is_some_and(|start| start.eq_ignore_ascii_case(&format!("{}://", url.scheme())));
    plain && scheme && url.fragment().is_none()
}

fn is_listed(host: &str, hosts: &[&str]) -> bool {
    hosts.iter().any(|listed| {
        if listed.starts_with('.') {
            host == &listed[1..] || host.ends_with(listed)
        } else {
            host == *listed
        }
    })
}

/// Whether it is an ordinary name of the public internet: with a dot, and not below a domain that
/// only local resolvers know.
fn is_ordinary(host: &str) -> bool {
    const LOCAL: [&str; 8] = [
        ".arpa",
        ".internal",
        ".lan",
        ".local",
        ".localdomain",
        ".localhost",
        ".onion",
        ".test",
    ];
    host.contains('.') && !LOCAL.iter().any(|local| host.ends_with(local))
}

#[cfg(test)]
mod tests;
