//! What may be dialled, and how long and how much of it is taken.

use std::time::Duration;

/// Object stores that vendors' recording URLs redirect to: buckets with names that change. They
/// are dialled after a redirect only, never because a URL from outside names them.
const OBJECT_STORES: &[&str] = &[
    ".amazonaws.com",
    ".blob.core.windows.net",
    ".cloudfront.net",
    ".r2.cloudflarestorage.com",
    ".storage.googleapis.com",
    "storage.googleapis.com",
];

/// The most redirects that any policy follows.
pub const MAX_REDIRECTS: u8 = 3;

/// A vendor that is dialled, and the hosts that its URLs may name.
const VENDORS: &[(&str, &[&str])] = &[
    ("assemblyai", &[".assemblyai.com"]),
    ("bland", &[".bland.ai"]),
    ("deepgram", &[".deepgram.com"]),
    ("elevenlabs", &[".elevenlabs.io"]),
    ("openai", &["api.openai.com"]),
    ("plivo", &[".plivo.com"]),
    // its recordings lie in a bucket and behind a distribution of its own
    (
        "retell",
        &[
            ".retellai.com",
            "retellai.s3.us-west-2.amazonaws.com",
            "dxc03zgurdly9.cloudfront.net",
        ],
    ),
    ("telnyx", &[".telnyx.com"]),
    ("twilio", &[".twilio.com"]),
    ("vapi", &[".vapi.ai"]),
    ("vonage", &[".nexmo.com", ".vonage.com"]),
];

/// A vendor whose calls are in LiveKit rooms of its own, and the servers of these: its own, or one
/// of LiveKit's cloud, where names belong to LiveKit.
const ROOMS: &[(&str, &[&str])] = &[("retell", &[".retellai.com", ".livekit.cloud"])];

/// The hosts that a URL may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    /// These. One that begins with a dot is everything below the domain; others are exactly that
    /// host.
    Listed(&'static [&'static str]),
    /// Every name of the public internet: for targets that a tenant's administrator sets.
    Public,
}

/// How long and how much is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Name, connection and TLS of one hop.
    pub connect: Duration,
    /// From dialling a hop to the end of its answer's headers.
    pub answer: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
    /// From the first hop's dialling to the body's last byte. Not for WebSockets.
    pub total: Duration,
    /// Of a body; of a WebSocket, of one message.
    pub bytes: u64,
    /// On average once `idle` is over; 0 turns it off. Ends a peer that sends a byte now and then.
    pub bytes_per_second: u64,
}

impl Limits {
    /// Of recordings: up to 1 GiB within 30 minutes, at no less than 4 KiB/s (a phone call's sound
    /// is 1 to 64 KiB of each second).
    pub const RECORDINGS: Self = Self {
        connect: Duration::from_secs(10),
        answer: Duration::from_secs(30),
        idle: Duration::from_secs(30),
        total: Duration::from_mins(30),
        bytes: 1 << 30,
        bytes_per_second: 4096,
    };
}

/// What may be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What a URL from outside may name.
    pub hosts: Hosts,
    /// What a redirect may name beside those.
    pub onward: &'static [&'static str],
    /// Redirects that are followed, each checked like the first URL; 0 to [`MAX_REDIRECTS`].
    pub redirects: u8,
    /// `SIDETONE_ALLOW_LOOPBACK_UPSTREAMS`: this machine may be dialled, on every port and without
    /// TLS. Danger: for tests and the demo only.
    pub loopback: bool,
    /// How long and how much.
    pub limits: Limits,
}

impl Policy {
    /// For a vendor's recordings. `None` for a vendor that is not known.
    pub fn recordings(vendor: &str, loopback: bool) -> Option<Self> {
        let hosts = VENDORS.iter().find(|(name, _)| *name == vendor)?.1;
        Some(Self {
            hosts: Hosts::Listed(hosts),
            onward: OBJECT_STORES,
            redirects: MAX_REDIRECTS,
            loopback,
            limits: Limits::RECORDINGS,
        })
    }

    /// For a vendor's live URLs, over HTTP and WebSocket: answers and messages up to 1 MiB, no
    /// redirects. `None` for a vendor that is not known.
    pub fn live(vendor: &str, loopback: bool) -> Option<Self> {
        let hosts = VENDORS.iter().find(|(name, _)| *name == vendor)?.1;
        Some(Self {
            hosts: Hosts::Listed(hosts),
            ..Self::webhooks(loopback)
        })
    }

    /// For the servers of a vendor's LiveKit rooms, as [`Self::live`]. `None` for a vendor that is
    /// not known to have any.
    pub fn rooms(vendor: &str, loopback: bool) -> Option<Self> {
        let hosts = ROOMS.iter().find(|(name, _)| *name == vendor)?.1;
        Some(Self {
            hosts: Hosts::Listed(hosts),
            ..Self::webhooks(loopback)
        })
    }

    /// For acts on a vendor's live calls, for which a person waits: as [`Self::live`], but answers
    /// come within 4 seconds. `None` for a vendor that is not known.
    pub fn acts(vendor: &str, loopback: bool) -> Option<Self> {
        let policy = Self::live(vendor, loopback)?;
        let limits = Limits {
            connect: Duration::from_secs(3),
            answer: Duration::from_secs(4),
            total: Duration::from_secs(4),
            ..policy.limits
        };
        Some(Self { limits, ..policy })
    }

    /// For targets of webhooks, which a tenant's administrator names: any public host, answers up
    /// to 1 MiB within 15 seconds, no redirects.
    pub const fn webhooks(loopback: bool) -> Self {
        Self {
            hosts: Hosts::Public,
            onward: &[],
            redirects: 0,
            loopback,
            limits: Limits {
                connect: Duration::from_secs(5),
                answer: Duration::from_secs(10),
                idle: Duration::from_secs(5),
                total: Duration::from_secs(15),
                bytes: 1 << 20,
                bytes_per_second: 0,
            },
        }
    }
}
