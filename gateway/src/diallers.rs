//! What opens the sockets and rooms of upstreams and the sockets of recognisers of speech: each may
//! name its vendor's hosts and no others.

use sidetone_service::dial::{Dialler, Limits, Policy};
use sidetone_wire::{ConnectionKind, Upstream};

use crate::guest;

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

/// How calls at an upstream are heard.
pub(crate) enum Way {
    /// By a socket.
    Socket(Dialler),
    /// In a LiveKit room of the upstream.
    Room(Box<guest::Diallers>),
}

/// See the module.
pub(crate) struct Diallers {
    upstreams: Vec<(Upstream, Dialler)>,
    retell: Option<guest::Diallers>,
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
        let retell = Upstream::Retell.as_str();
        let policies = Policy::rooms(retell, allow_loopback);
        let policies = policies.zip(Policy::acts(retell, allow_loopback));
        let retell = dialler(retell).zip(policies);
        let recognisers = RECOGNISERS.iter();
        let recognisers = recognisers.filter_map(|one| Some((*one, dialler(one.as_str())?)));
        Ok(Self {
            upstreams: upstreams
                .map(|(one, dialler)| Ok((one, dialler?)))
                .collect::<anyhow::Result<_>>()?,
            retell: retell
                .map(|(api, (rooms, acts))| {
                    let (rooms, acts) = (Dialler::new(rooms)?, Dialler::new(acts)?);
                    let api = api?;
                    anyhow::Ok(guest::Diallers { api, acts, rooms })
                })
                .transpose()?,
            recognisers: recognisers
                .map(|(one, dialler)| Ok((one, dialler?)))
                .collect::<anyhow::Result<_>>()?,
        })
    }

    /// How an upstream's calls are heard by who dials; `None` for those that are not.
    pub(crate) fn of(&self, upstream: Upstream) -> Option<Way> {
        if upstream == Upstream::Retell {
            return self
                .retell
                .clone()
                .map(|retell| Way::Room(Box::new(retell)));
        }
        let found = self.upstreams.iter().find(|(one, _)| *one == upstream);
        found.map(|(_, dialler)| Way::Socket(dialler.clone()))
    }

    /// What dials a recogniser of speech; `None` for who is none.
    pub(crate) fn of_recogniser(&self, kind: ConnectionKind) -> Option<Dialler> {
        let found = self.recognisers.iter().find(|(one, _)| *one == kind);
        found.map(|(_, dialler)| dialler.clone())
    }
}
