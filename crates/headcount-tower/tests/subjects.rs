//! Whom a request counts as.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use headcount_tower::{BadSubject, Subjects};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request};

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
    let required = Subjects::header(X_CLIENT).required();
    assert_eq!(required.of(&parts(&[])), Err(BadSubject::Missing));
    assert_eq!(required.of(&parts(&[b""])), Err(BadSubject::Empty));
    assert_eq!(required.of(&parts(&[b"alice"])), Ok(Some("alice".to_owned())));
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
