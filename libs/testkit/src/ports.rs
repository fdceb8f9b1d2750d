//! Free ports on loopback.
//!
//! They lie below the kernel's ephemeral range, so that no outgoing connection takes one between
//! our look and the server's bind, nor while a server is restarted on it.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// First port we hand out.
const FIRST_PORT: u16 = 12_000;
/// How many follow it: 12,000 to 31,999, below Linux's default 32,768.
const PORTS: u16 = 20_000;

/// Ports handed out by this process so far. Each process starts at a place of its own.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A TCP port on 127.0.0.1 that nothing listens on.
pub fn free_tcp_port() -> u16 {
    free_port(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
}

/// A UDP port that is free on 127.0.0.1 and on all addresses.
pub fn free_udp_port() -> u16 {
    free_port(|port| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok())
}

fn free_port(is_free: impl Fn(u16) -> bool) -> u16 {
    let start = (std::process::id().wrapping_mul(997) % u32::from(PORTS)) as u16;
    (0..PORTS)
        .map(|_| {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            FIRST_PORT + ((u32::from(start) + u32::from(step)) % u32::from(PORTS)) as u16
        })
        .find(|port| is_free(*port))
        .expect("one of 20,000 ports is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_below_the_ephemeral_range_and_never_given_twice() {
        let ports: Vec<u16> = (0..50).map(|_| free_tcp_port()).collect();
        let mut unique = ports.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ports.len());
        assert!(ports.iter().all(|p| (12_000..32_000).contains(p)));
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, ports[0])).is_ok());
    }

    #[test]
    fn a_taken_port_is_passed_over() {
        let taken = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, free_udp_port())).unwrap();
        let taken_port = taken.local_addr().unwrap().port();
        assert!((0..50).all(|_| free_udp_port() != taken_port));
    }
}
