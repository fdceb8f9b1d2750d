//! What opens the sockets of upstreams: each may name its vendor's hosts and no others.

use sidetone_service::dial::{Dialler, Limits, Policy};
use sidetone_wire::Upstream;

/// The upstreams whose sockets we dial.
const DIALLED: [Upstream; 2] = [Upstream::Vapi, Upstream::Bland];
/// The longest message that is taken: 2 s of the fastest format. A longer one ends the connection,
/// before it costs what a call may.
const MESSAGE_BYTES: u64 = 256 * 1024;

/// See the module.
pub(crate) struct Diallers(Vec<(Upstream, Dialler)>);

impl Diallers {
    pub(crate) fn new(allow_loopback: bool) -> anyhow::Result<Self> {
        let policies = DIALLED.iter().filter_map(|upstream| {
            let policy = Policy::live(upstream.as_str(), allow_loopback)?;
            let limits = Limits {
                bytes: MESSAGE_BYTES,
                ..policy.limits
            };
            Some((*upstream, Policy { limits, ..policy }))
        });
        let diallers = policies.map(|(upstream, policy)| Ok((upstream, Dialler::new(policy)?)));
        Ok(Self(diallers.collect::<anyhow::Result<_>>()?))
    }

    /// What dials an upstream's sockets; `None` for those that have none.
    pub(crate) fn of(&self, upstream: Upstream) -> Option<Dialler> {
        let found = self.0.iter().find(|(one, _)| *one == upstream);
        found.map(|(_, dialler)| dialler.clone())
    }
}
