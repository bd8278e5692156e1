//! Whom a request counts as.

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use headcount::{Gate, Limit};
use headcount_tower::{BadSubject, Prefixes, Subjects};
use http::header::{AUTHORIZATION, PROXY_AUTHORIZATION};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request};
use support::log::Log;

const X_CLIENT: HeaderName = HeaderName::from_static("x-client");

fn parts(clients: &[&[u8]]) -> Parts {
    let mut parts = Request::new(()).into_parts().0;
    for client in clients {
        parts.headers.append(X_CLIENT, HeaderValue::from_bytes(client).unwrap());
    }
    parts
}

fn with_extension(extension: impl Clone + Send + Sync + 'static) -> Parts {
    let mut parts = parts(&[]);
    parts.extensions.insert(extension);
    parts
}

#[test]
fn a_header_names_one_client_in_visible_ascii() {
    let named = |values: &[&[u8]]| Subjects::header(X_CLIENT).of(&parts(values));
    assert_eq!(named(&[b"alice"]), Ok(Some("alice".to_owned())));
    assert_eq!(named(&[b"!~"]), Ok(Some("!~".to_owned())));
    assert_eq!(named(&[]), Ok(None));
    assert_eq!(named(&[b""]), Err(BadSubject::Empty));
    assert_eq!(named(&[b"alice", b"bob"]), Err(BadSubject::Repeated));
    assert_eq!(named(&[b"alice", b"alice"]), Err(BadSubject::Repeated));
    for malformed in ["zo\u{eb}".as_bytes(), b"al ice", b"alice\t", b" ", b"\xff"] {
        assert_eq!(named(&[malformed]), Err(BadSubject::Malformed), "{malformed:?}");
    }
}

#[test]
fn who_must_have_a_subject_is_not_anonymous() {
    let log = Log::start();
    let required = Subjects::header(X_CLIENT).required();
    assert_eq!(required.of(&parts(&[])), Err(BadSubject::Missing));
    assert_eq!(required.of(&parts(&[b""])), Err(BadSubject::Empty));
    assert_eq!(required.of(&parts(&[b"alice"])), Ok(Some("alice".to_owned())));
    assert_eq!(required.of(&parts(&[])), Err(BadSubject::Missing));
    let told = ["answered 400", "names no client, and must", "Subjects<"];
    assert_eq!((log.count("WARN", &told), log.count("DEBUG", &told)), (1, 1), "{}", log.text());
}

#[test]
fn an_extension_names_a_client_and_its_absence_nobody() {
    #[derive(Clone)]
    struct User(u64);
    let users = Subjects::extension(|user: &User| user.0);
    assert_eq!(users.of(&with_extension(User(7))), Ok(Some(7)));
    assert_eq!(users.of(&parts(&[])), Ok(None));
    assert_eq!(users.required().of(&parts(&[])), Err(BadSubject::Missing));
}

#[test]
fn a_peer_is_its_address_however_it_is_written() {
    let of = |address: IpAddr| Subjects::peer().of(&with_extension(SocketAddr::new(address, 1)));
    let client = Ipv4Addr::new(192, 0, 2, 1);
    assert_eq!(of(client.into()), Ok(Some(client.into())));
    assert_eq!(of(client.to_ipv6_mapped().into()), Ok(Some(client.into())));
    assert_eq!(Subjects::peer().of(&parts(&[])), Ok(None));
}

#[test]
fn a_function_decides_as_it_likes() {
    let by_path = Subjects::by(|parts| match parts.uri.path() {
        "/" => Err(BadSubject::Malformed),
        path => Ok(Some(path.to_owned())),
    });
    assert_eq!(by_path.clone().of(&parts(&[])), Err(BadSubject::Malformed));
    let tenant = Request::get("/tenant").body(()).unwrap().into_parts().0;
    assert_eq!(by_path.of(&tenant), Ok(Some("/tenant".to_owned())));
    assert_eq!(Subjects::<String>::default().of(&tenant), Ok(None));
}

#[test]
fn what_is_shown_names_nobody() {
    assert_eq!(format!("{:?}", Subjects::header(X_CLIENT)), "Subjects<alloc::string::String>");
    let refused = Subjects::header(X_CLIENT).of(&parts(&[b"al ice"])).unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("ice"));
}

#[test]
fn clients_go_by_other_keys() {
    let by_text = Subjects::peer().map(|address| address.to_string());
    let peer = with_extension(SocketAddr::from(([192, 0, 2, 1], 1)));
    assert_eq!(by_text.of(&peer), Ok(Some("192.0.2.1".to_owned())));
    assert_eq!(by_text.required().of(&parts(&[])), Err(BadSubject::Missing));
    let bad = Subjects::header(X_CLIENT).map(|name| name.len());
    assert_eq!(bad.of(&parts(&[b""])), Err(BadSubject::Empty));
}

#[test]
fn many_addresses() {
    let of = |subjects: Subjects<IpAddr>, address: IpAddr| {
        subjects.of(&with_extension(SocketAddr::new(address, 1))).unwrap().unwrap()
    };
    let in_network = |host: u128| {
        let network: Ipv6Addr = "2001:db8:1:2::".parse().unwrap();
        IpAddr::from(Ipv6Addr::from_bits(network.to_bits() + host))
    };
    let gate = Gate::<IpAddr>::builder().subject_limit(Limit::at_most(5)).build().unwrap();
    let hosts = (0..1000).map(|host| in_network(host << 54 | host));
    let admitted: Vec<_> =
        hosts.filter_map(|host| gate.admit(Some(&of(Subjects::peer(), host)), ()).ok()).collect();
    assert_eq!(admitted.len(), 5);

    let [near, far] = [in_network(7), in_network(1 << 64)];
    assert_ne!(of(Subjects::peer(), near), of(Subjects::peer(), far));
    let sites = || Subjects::peer_by(Prefixes::default().v6(48));
    assert_eq!(of(sites(), near), of(sites(), far));
    let whole = || Subjects::peer_by(Prefixes::WHOLE);
    assert_eq!(of(whole(), near), near);
    let [one, other] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
    assert_ne!(of(Subjects::peer(), one.into()), of(Subjects::peer(), other.into()));
    let networks = || Subjects::peer_by(Prefixes::default().v4(24));
    assert_eq!(of(networks(), one.into()), of(networks(), other.into()));
    let all = || Subjects::peer_by(Prefixes::default().v4(0).v6(0));
    assert_eq!(of(all(), one.into()), IpAddr::from(Ipv4Addr::UNSPECIFIED));
    assert_eq!(of(all(), near), IpAddr::from(Ipv6Addr::UNSPECIFIED));
}

#[test]
fn a_peer_that_is_not_found_is_told_of_once() {
    let log = Log::start();
    let peers = Subjects::peer();
    for _ in 0..3 {
        assert_eq!(peers.of(&parts(&[])), Ok(None));
    }
    assert_eq!(log.count("WARN", &["Subjects::peer", "SocketAddr", "feature `axum`"]), 1);
    assert_eq!(log.text().lines().count(), 1);
}

#[test]
fn a_secret_tells_clients_apart_and_is_kept_nowhere() {
    let log = Log::start();
    let clients = Subjects::secret_header(X_CLIENT);
    let of = |clients: &Subjects<u128>, secret: &[u8]| clients.of(&parts(&[secret])).unwrap();
    assert_eq!(of(&clients, b"Bearer x"), of(&clients, b"Bearer x"));
    assert_ne!(of(&clients, b"Bearer x"), of(&clients, b"Bearer y"));
    assert_ne!(of(&clients, b"zo\xc3\xab"), of(&clients, b"zo"));
    let others = Subjects::secret_header(X_CLIENT);
    assert_ne!(of(&clients, b"Bearer x"), of(&others, b"Bearer x"), "keyed");
    assert_eq!(clients.of(&parts(&[])), Ok(None));
    assert_eq!(clients.of(&parts(&[b""])), Err(BadSubject::Empty));
    assert_eq!(clients.of(&parts(&[b"Bearer x", b"y"])), Err(BadSubject::Repeated));
    assert!(log.text().contains("x-client") && !log.text().contains("Bearer"), "{}", log.text());
}

/// Or a client has its limit once for each way to write the scheme.
#[test]
fn a_credential_is_one_however_its_scheme_is_written() {
    let of = |clients: &Subjects<u128>, name: &HeaderName, secret: &str| {
        let request = Request::get("/").header(name, secret).body(()).unwrap();
        clients.of(&request.into_parts().0).unwrap().unwrap()
    };
    for name in [AUTHORIZATION, PROXY_AUTHORIZATION] {
        let clients = Subjects::secret_header(name.clone());
        let of = |secret| of(&clients, &name, secret);
        for same in ["bearer Abc", "BEARER Abc", "Bearer  Abc", "Bearer \t Abc"] {
            assert_eq!(of(same), of("Bearer Abc"), "{same}");
        }
        for other in ["Bearer abc", "Basic Abc", "Abc", "BearerAbc", "Beare rAbc", "Bearer A bc"] {
            assert_ne!(of(other), of("Bearer Abc"), "{other}");
        }
        assert_ne!(of("Abc"), of("abc"), "without a scheme");
    }
    let keys = Subjects::secret_header(X_CLIENT);
    assert_ne!(of(&keys, &X_CLIENT, "a b"), of(&keys, &X_CLIENT, "A b"), "no scheme here");
    assert_ne!(of(&keys, &X_CLIENT, "a b"), of(&keys, &X_CLIENT, "a  b"));
}

#[test]
fn who_is_answered_400_is_logged_by_header_and_kind() {
    for (values, kind) in [
        (&[b"10.0.0.1, 10.0.0.2".as_slice()][..], "Subjects::forwarded"),
        (&[b"Bearer token"], "Subjects::secret_header"),
        (&[b"zo\xc3\xab"], "not ASCII"),
        (&[b"al\tice"], "control characters"),
        (&[b""], "empty"),
        (&[b"alice", b"bob"], "twice"),
    ] {
        let log = Log::start();
        let clients = Subjects::header(X_CLIENT);
        for _ in 0..3 {
            assert!(clients.of(&parts(values)).is_err());
        }
        assert_eq!(log.count("WARN", &["x-client", kind]), 1, "{}", log.text());
        assert_eq!(log.count("DEBUG", &["x-client", kind]), 2, "{}", log.text());
        for secret in ["10.0", "token", "zo", "al\t", "bob"] {
            assert!(!log.text().contains(secret), "{}", log.text());
        }
    }
}
