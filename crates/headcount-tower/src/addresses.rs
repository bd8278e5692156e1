//! Read after `subjects.rs`. Clients by the address of the peer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::request::Parts;

use crate::first_time::FirstTime;
use crate::subjects::Subjects;

/// How many leading bits of an address make one client: unless told otherwise
/// all of an IPv4 address and 64 of an IPv6 one, since whoever has one of those
/// usually has the 2^64 of its network.
///
/// ```
/// use headcount_tower::Prefixes;
///
/// let whole = |text: &str| text.parse().unwrap();
/// let clients = Prefixes::default();
/// assert_eq!(clients.client(whole("2001:db8::1")), clients.client(whole("2001:db8::2")));
/// assert_ne!(clients.client(whole("192.0.2.1")), clients.client(whole("192.0.2.2")));
/// let sites = clients.v6(48);
/// assert_eq!(sites.client(whole("2001:db8:0:1::1")), sites.client(whole("2001:db8:0:2::1")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Prefixes {
    v4: u8,
    v6: u8,
}

impl Prefixes {
    /// Each address is a client of its own.
    pub const WHOLE: Self = Self { v4: 32, v6: 128 };

    /// So many bits of an IPv4 address.
    ///
    /// # Panics
    ///
    /// Above 32.
    pub const fn v4(mut self, bits: u8) -> Self {
        assert!(bits <= 32, "a prefix of an IPv4 address has at most 32 bits");
        self.v4 = bits;
        self
    }

    /// So many bits of an IPv6 address.
    ///
    /// # Panics
    ///
    /// Above 128.
    pub const fn v6(mut self, bits: u8) -> Self {
        assert!(bits <= 128, "a prefix of an IPv6 address has at most 128 bits");
        self.v6 = bits;
        self
    }

    /// The client that has this address, as the first address of its prefix. An
    /// IPv4 address that is written as IPv6 is that IPv4 address.
    pub fn client(self, address: IpAddr) -> IpAddr {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let rest = u32::MAX.checked_shr(self.v4.into()).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & !rest).into()
            }
            IpAddr::V6(address) => {
                let rest = u128::MAX.checked_shr(self.v6.into()).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & !rest).into()
            }
        }
    }
}

impl Default for Prefixes {
    fn default() -> Self {
        Self { v4: 32, v6: 64 }
    }
}

impl Subjects<IpAddr> {
    /// The address of the peer, by [`Prefixes::default`]: an IPv4 address is a
    /// client, and so is an IPv6 network of 64 bits.
    ///
    /// It is found in the request's extensions, where whoever accepts
    /// connections puts it: a [`SocketAddr`], or with the feature `axum` what
    /// `into_make_service_with_connect_info::<SocketAddr>()` leaves there.
    /// Without one everybody is anonymous, and the log says so once. Behind a
    /// proxy the peer is the proxy: see [`forwarded`](Self::forwarded).
    pub fn peer() -> Self {
        Self::peer_by(Prefixes::default())
    }

    /// [`peer`](Self::peer) by other prefixes.
    pub fn peer_by(prefixes: Prefixes) -> Self {
        let is_missed = FirstTime::default();
        Self::by(move |parts| {
            let peer = peer_of(parts);
            if peer.is_none() && is_missed.is_first() {
                tracing::warn!("{NO_PEER}");
            }
            Ok(peer.map(|peer| prefixes.client(peer.ip())))
        })
    }
}

const NO_PEER: &str = "`Subjects::peer` finds no address of the peer among a request's extensions, \
                       so the client is anonymous and no limit of its own applies: have whoever \
                       accepts connections insert a `SocketAddr`; in axum, serve with \
                       `into_make_service_with_connect_info::<SocketAddr>()` and enable the \
                       feature `axum` of headcount-tower";

fn peer_of(parts: &Parts) -> Option<SocketAddr> {
    parts.extensions.get().copied().or_else(|| connected(parts))
}

#[cfg(feature = "axum")]
fn connected(parts: &Parts) -> Option<SocketAddr> {
    use axum::extract::ConnectInfo;
    use axum::extract::connect_info::MockConnectInfo;

    let connected = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
    connected.or_else(|| parts.extensions.get::<MockConnectInfo<SocketAddr>>().map(|peer| peer.0))
}

#[cfg(not(feature = "axum"))]
fn connected(_: &Parts) -> Option<SocketAddr> {
    None
}
