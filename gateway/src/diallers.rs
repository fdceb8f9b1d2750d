//! What opens the sockets of upstreams and of recognisers of speech: each may name its vendor's
//! hosts and no others.

use sidetone_service::dial::{Dialler, Limits, Policy};
use sidetone_wire::{ConnectionKind, Upstream};

/// The upstreams whose sockets we dial.
const DIALLED: [Upstream; 2] = [Upstream::Vapi, Upstream::Bland];
/// Who recognises speech.
const RECOGNISERS: [ConnectionKind; 3] = [
    ConnectionKind::Deepgram,
    ConnectionKind::Assemblyai,
    ConnectionKind::Openai,
];
/// The longest message that is taken: 2 s of the fastest format. A longer one ends the connection,
/// before it costs what a call may.
const MESSAGE_BYTES: u64 = 256 * 1024;

/// See the module.
pub(crate) struct Diallers {
    upstreams: Vec<(Upstream, Dialler)>,
    recognisers: Vec<(ConnectionKind, Dialler)>,
}

impl Diallers {
    pub(crate) fn new(allow_loopback: bool) -> anyhow::Result<Self> {
        let dialler = |vendor: &str| {
            let policy = Policy::live(vendor, allow_loopback)?;
            let limits = Limits {
                bytes: MESSAGE_BYTES,
                ..policy.limits
            };
            Some(Dialler::new(Policy { limits, ..policy }))
        };
        let upstreams = DIALLED
            .iter()
            .filter_map(|one| Some((*one, dialler(one.as_str())?)));
        let recognisers = RECOGNISERS.iter();
        let recognisers = recognisers.filter_map(|one| Some((*one, dialler(one.as_str())?)));
        Ok(Self {
            upstreams: upstreams
                .map(|(one, dialler)| Ok((one, dialler?)))
                .collect::<anyhow::Result<_>>()?,
            recognisers: recognisers
                .map(|(one, dialler)| Ok((one, dialler?)))
                .collect::<anyhow::Result<_>>()?,
        })
    }

    /// What dials an upstream's sockets; `None` for those that have none.
    pub(crate) fn of(&self, upstream: Upstream) -> Option<Dialler> {
        let found = self.upstreams.iter().find(|(one, _)| *one == upstream);
        found.map(|(_, dialler)| dialler.clone())
    }

    /// What dials a recogniser of speech; `None` for who is none.
    pub(crate) fn of_recogniser(&self, kind: ConnectionKind) -> Option<Dialler> {
        let found = self.recognisers.iter().find(|(one, _)| *one == kind);
        found.map(|(_, dialler)| dialler.clone())
    }
}
