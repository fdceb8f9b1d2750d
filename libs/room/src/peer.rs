//! One peer connection: the sans-IO core, its socket and its clock.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Input, Output, Rtc};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tracing::{debug, trace};

use crate::sdp;

/// Larger than any datagram that a path of ordinary MTU delivers; longer ones are cut and then
/// fail authentication.
const DATAGRAM_BYTES: usize = 2048;

/// Candidates kept while the remote description is awaited: a server sends a handful.
const EARLY_CANDIDATES: usize = 64;

/// Which of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The server sends on it; it offers, we answer.
    Subscriber,
    /// We send on it; we offer, the server answers.
    Publisher,
}

/// Why a peer connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerError {
    #[error("UDP socket: {0}")]
    Socket(#[from] io::Error),
    #[error("WebRTC: {0}")]
    Rtc(#[from] str0m::RtcError),
    #[error("session description: {0}")]
    Sdp(String),
}

pub(crate) struct Peer {
    pub(crate) rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    timeout: Instant,
    described: bool,
    early_candidates: Vec<Candidate>,
    pub(crate) offer_id: u32,
    pub(crate) pending: Option<SdpPendingOffer>,
    pub(crate) last_local: Option<String>,
    pub(crate) last_remote: Option<String>,
    impaired: Impaired,
}

/// Drops one datagram in so many, for tests.
#[derive(Default)]
struct Impaired {
    one_in: u32,
    count: u32,
}

impl Impaired {
    fn drops(&mut self) -> bool {
        if self.one_in == 0 {
            return false;
        }
        self.count += 1;
        self.count.is_multiple_of(self.one_in)
    }
}

impl Peer {
    /// Binds a socket on `local` (an address from which the server is reached).
    pub(crate) fn new(
        role: Role,
        local: std::net::IpAddr,
        nack: bool,
        now: Instant,
    ) -> Result<Self, PeerError> {
        let socket = std::net::UdpSocket::bind((local, 0))?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        let local = socket.local_addr()?;
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_pcmu(true, false)
            .enable_pcma(true, false)
            .set_rtcp_report_interval_audio(Duration::from_secs(3))
            // only the publisher resends by hand, and only then is the copy worth its cost
            .enable_raw_packets(nack && role == Role::Publisher)
            .build(now);
        let host = Candidate::host(local, "udp").map_err(|e| PeerError::Sdp(e.to_string()))?;
        rtc.add_local_candidate(host);
        // the core's ICE asks for no wake-up before it was told the time once: an offer that is
        // answered before that would wait for some other input to begin its checks
        rtc.handle_input(Input::Timeout(now))?;
        Ok(Self {
            rtc,
            socket,
            local,
            timeout: now,
            described: false,
            early_candidates: Vec::new(),
            offer_id: 0,
            pending: None,
            last_local: None,
            last_remote: None,
            impaired: Impaired::default(),
        })
    }

    /// Adds a candidate of the server, also before its description came.
    pub(crate) fn add_remote_candidate(&mut self, text: &str) {
        match Candidate::from_sdp_string(text) {
            Ok(candidate) if self.described => self.rtc.add_remote_candidate(candidate),
            Ok(candidate) if self.early_candidates.len() < EARLY_CANDIDATES => {
                self.early_candidates.push(candidate);
            }
            Ok(_) => debug!("too many early candidates: one ignored"),
            // TCP candidates and names that we do not speak
            Err(error) => debug!(%error, "candidate ignored"),
        }
    }

    fn remote_described(&mut self) {
        self.described = true;
        for candidate in self.early_candidates.drain(..) {
            self.rtc.add_remote_candidate(candidate);
        }
    }

    /// Answers the server's offer.
    pub(crate) fn answer(&mut self, offer: String) -> Result<String, PeerError> {
        let parsed = SdpOffer::from_sdp_string(&sdp::sendonly_offer(&offer))
            .map_err(|e| PeerError::Sdp(e.to_string()))?;
        let answer = self.rtc.sdp_api().accept_offer(parsed)?.to_sdp_string();
        self.remote_described();
        self.last_remote = Some(offer);
        self.last_local = Some(answer.clone());
        Ok(answer)
    }

    /// Takes the server's answer to the pending offer. `false` if it belongs to no offer of ours.
    pub(crate) fn accept(&mut self, answer: String, id: u32) -> Result<bool, PeerError> {
        if id != 0 && id != self.offer_id {
            return Ok(false);
        }
        let Some(pending) = self.pending.take() else {
            return Ok(false);
        };
        let parsed =
            SdpAnswer::from_sdp_string(&answer).map_err(|e| PeerError::Sdp(e.to_string()))?;
        self.rtc.sdp_api().accept_answer(pending, parsed)?;
        self.remote_described();
        self.last_remote = Some(answer);
        Ok(true)
    }

    pub(crate) fn impair(&mut self, one_in: u32) {
        self.impaired = Impaired { one_in, count: 0 };
    }

    /// When [`Peer::handle_timeout`] is due.
    pub(crate) fn timeout(&self) -> Instant {
        self.timeout
    }

    /// Moves time forward; also what sends packets that were written.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), PeerError> {
        Ok(self.rtc.handle_input(Input::Timeout(now))?)
    }

    /// Reads one datagram. A malformed one is counted and forgotten.
    pub(crate) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        now: impl FnOnce() -> Instant,
    ) -> Poll<Result<(), PeerError>> {
        let mut bytes = [std::mem::MaybeUninit::uninit(); DATAGRAM_BYTES];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        let from = match ready!(self.socket.poll_recv_from(cx, &mut buffer)) {
            Ok(from) => from,
            // ICMP port unreachable: the server is gone, which ICE finds out by itself
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return Poll::Ready(Ok(()));
            }
            Err(error) => return Poll::Ready(Err(error.into())),
        };
        if self.impaired.drops() {
            return Poll::Ready(Ok(()));
        }
        let Ok(received) = Receive::new(Protocol::Udp, from, self.local, buffer.filled()) else {
            metrics::counter!("room_malformed_datagrams_total").increment(1);
            return Poll::Ready(Ok(()));
        };
        if let Err(error) = self.rtc.handle_input(Input::Receive(now(), received)) {
            metrics::counter!("room_malformed_datagrams_total").increment(1);
            trace!(%error, "datagram refused");
            if !self.rtc.is_alive() {
                return Poll::Ready(Err(error.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what is to be sent and returns the next event, or `None` when there is nothing to do
    /// before [`Peer::timeout`].
    pub(crate) fn poll_output(&mut self) -> Result<Option<str0m::Event>, PeerError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    self.timeout = at;
                    return Ok(None);
                }
                Output::Transmit(_) if self.impaired.drops() => {}
                Output::Transmit(datagram) => {
                    let sent = self
                        .socket
                        .try_send_to(&datagram.contents, datagram.destination);
                    if let Err(error) = sent {
                        // a full socket buffer is loss, as on any wire
                        metrics::counter!("room_unsent_datagrams_total").increment(1);
                        trace!(%error, "datagram not sent");
                    }
                }
                Output::Event(event) => return Ok(Some(event)),
            }
        }
    }
}

/// The address of ours from which the server at `url` is reached.
pub(crate) async fn local_address(url: &str) -> io::Result<std::net::IpAddr> {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or(authority);
    let host_port = if authority
        .rsplit_once(':')
        .is_some_and(|(_, p)| p.parse::<u16>().is_ok())
    {
        authority.to_owned()
    } else {
        format!("{authority}:443")
    };
    let server = tokio::net::lookup_host(host_port)
        .await?
        .next()
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("{authority} has no address"),
            )
        })?;
    let any: SocketAddr = if server.is_ipv4() {
        (std::net::Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let probe = std::net::UdpSocket::bind(any)?;
    probe.connect(server)?; // sends nothing: only asks the routing table
    Ok(probe.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[tokio::test]
    async fn an_offer_that_is_answered_before_anything_else_begins_its_checks_at_once() {
        let now = clock::now();
        let mut server = Rtc::builder().build(now);
        let host = Candidate::host("127.0.0.1:7882".parse().unwrap(), "udp").unwrap();
        server.add_local_candidate(host);
        let mut api = server.sdp_api();
        api.add_channel("_reliable".to_owned());
        let (offer, _) = api.apply().unwrap();

        let local = std::net::Ipv4Addr::LOCALHOST.into();
        let mut peer = Peer::new(Role::Subscriber, local, false, now).unwrap();
        peer.answer(offer.to_sdp_string()).unwrap();
        while peer.poll_output().unwrap().is_some() {}
        assert!(peer.timeout() < now + Duration::from_secs(1));
    }

    #[tokio::test]
    async fn telephone_events_and_redundancy_are_not_asked_for() {
        let now = clock::now();
        let mut server = Rtc::builder().build(now);
        let host = Candidate::host("127.0.0.1:7882".parse().unwrap(), "udp").unwrap();
        server.add_local_candidate(host);
        let mut api = server.sdp_api();
        let kind = str0m::media::MediaKind::Audio;
        api.add_media(kind, str0m::media::Direction::SendOnly, None, None, None);
        let (offer, _) = api.apply().unwrap();
        let more = "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
                    a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=mid:";
        let offer = offer.to_sdp_string().replace("SAVPF ", "SAVPF 101 63 ");
        let offer = offer.replace("a=mid:", more);
        assert!(offer.contains("telephone-event"), "{offer}");

        let local = std::net::Ipv4Addr::LOCALHOST.into();
        let mut peer = Peer::new(Role::Subscriber, local, false, now).unwrap();
        let answer = peer.answer(offer).unwrap();
        let media = answer.lines().find(|line| line.starts_with("m=audio"));
        let types: Vec<&str> = media.unwrap().split(' ').skip(3).collect();
        assert!(types.contains(&"111"), "{answer}");
        assert!(
            !types.contains(&"101") && !types.contains(&"63"),
            "{answer}"
        );
        assert!(!answer.contains("telephone-event"), "{answer}");
        // and what comes all the same is of no payload type that the core knows
        let known = peer.rtc.codec_config().iter().map(|params| *params.pt());
        assert!(known.into_iter().all(|pt| [111, 0, 8].contains(&pt)));
    }
}
