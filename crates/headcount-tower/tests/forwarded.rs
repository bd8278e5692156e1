//! Clients behind proxies.

mod support;

use std::net::IpAddr;
use std::panic::catch_unwind;

use headcount_tower::{BadSubject, Prefixes, Subjects};
use http::Request;
use http::request::Parts;
use support::log::Log;

const LIST: &str = "x-forwarded-for";
const ELEMENTS: &str = "forwarded";

fn parts(lines: &[(&str, &str)]) -> Parts {
    let mut request = Request::get("/");
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn of(hops: usize, lines: &[(&str, &str)]) -> Result<String, BadSubject> {
    let client = Subjects::forwarded_by(hops, Prefixes::WHOLE).of(&parts(lines))?;
    Ok(client.expect("never anonymous").to_string())
}

#[track_caller]
fn is(hops: usize, lines: &[(&str, &str)], client: &str) {
    assert_eq!(of(hops, lines).as_deref(), Ok(client), "{lines:?}");
}

#[test]
fn hops_are_counted_from_the_right() {
    let chain = "1.2.3.4, 192.0.2.7, 10.0.0.1";
    is(1, &[(LIST, chain)], "10.0.0.1");
    is(2, &[(LIST, chain)], "192.0.2.7");
    is(3, &[(LIST, chain)], "1.2.3.4");
    assert_eq!(of(4, &[(LIST, chain)]), Err(BadSubject::TooFewHops));
    let chain = "for=1.2.3.4, for=192.0.2.7;proto=https, by=10.0.0.9;For=10.0.0.1";
    is(1, &[(ELEMENTS, chain)], "10.0.0.1");
    is(2, &[(ELEMENTS, chain)], "192.0.2.7");
    assert_eq!(of(4, &[(ELEMENTS, chain)]), Err(BadSubject::TooFewHops));
    // What is not counted may be anything.
    is(1, &[(LIST, "<script>, , 192.0.2.7")], "192.0.2.7");
    is(1, &[(ELEMENTS, "for=<script>, for=192.0.2.7")], "192.0.2.7");
}

#[test]
fn lines_follow_each_other() {
    let lines = [(LIST, "1.2.3.4"), (LIST, "192.0.2.7,"), (LIST, "10.0.0.1")];
    is(1, &lines, "10.0.0.1");
    is(2, &lines, "192.0.2.7");
    is(3, &lines, "1.2.3.4");
    is(2, &[(ELEMENTS, "for=\"1.2.3.4"), (ELEMENTS, "for=192.0.2.7,for=10.0.0.1")], "192.0.2.7");
}

#[test]
fn addresses_have_ports_and_brackets() {
    for (text, client) in [
        ("192.0.2.7:4711", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
    ] {
        is(1, &[(LIST, text)], client);
        is(1, &[(ELEMENTS, &format!("for=\"{text}\""))], client);
    }
    for text in ["unknown", "_hidden", "[192.0.2.7]", "192.0.2", "[2001:db8::7", "a b", "\""] {
        assert_eq!(of(1, &[(LIST, text)]), Err(BadSubject::Malformed), "{text}");
        let elements = format!("for={text}");
        assert_eq!(of(1, &[(ELEMENTS, &elements)]), Err(BadSubject::Malformed), "{text}");
    }
    for elements in ["proto=https", "for=192.0.2.7;for=192.0.2.8"] {
        assert_eq!(of(1, &[(ELEMENTS, elements)]), Err(BadSubject::Malformed), "{elements}");
    }
}

/// A client that puts separators into what a proxy quotes gains nothing.
#[test]
fn what_is_quoted_ends_nothing() {
    is(1, &[(ELEMENTS, r#"for=192.0.2.7;host="a,for=6.6.6.6""#)], "192.0.2.7");
    is(1, &[(ELEMENTS, r#"host="a;for=6.6.6.6";for=192.0.2.7"#)], "192.0.2.7");
    is(1, &[(ELEMENTS, r#"for=192.0.2.7;host="\",for=6.6.6.6""#)], "192.0.2.7");
    assert_eq!(of(1, &[(ELEMENTS, "for=\"6.6.6.6, for=192.0.2.7")]), Err(BadSubject::Malformed));
}

/// A client's quote that does not end would take in what the proxy adds.
#[test]
fn a_quote_that_does_not_end_hides_no_proxy() {
    let chains = [
        (1, r#"for=6.6.6.6;x=", for=192.0.2.7"#),
        (2, r#"for=6.6.6.6;x=", for=192.0.2.7, for=10.0.0.1"#),
        (1, r#"for=6.6.6.6;x="\, for=192.0.2.7"#),
        (1, r#"for=6.6.6.6;x=", for="192.0.2.7:80""#),
        // It ends where the client's `Host` has a quote, which the proxy has escaped.
        (1, r#"for=6.6.6.6;x=", for=192.0.2.7;host="a\"b""#),
        (1, r#"for=6.6.6.6;x=", for=192.0.2.7;host=";y=\"b""#),
    ];
    for (hops, chain) in chains {
        assert_eq!(of(hops, &[(ELEMENTS, chain)]), Err(BadSubject::Malformed), "{chain}");
    }
    is(1, &[(LIST, r#""\, 192.0.2.7"#)], "192.0.2.7");
}

#[test]
fn two_headers_must_agree() {
    let both = |list, elements| of(1, &[(LIST, list), (ELEMENTS, elements)]);
    assert_eq!(both("192.0.2.7", "for=192.0.2.7").as_deref(), Ok("192.0.2.7"));
    assert_eq!(both("192.0.2.7", "for=6.6.6.6"), Err(BadSubject::Repeated));
    assert_eq!(both("192.0.2.7", "for=unknown"), Err(BadSubject::Malformed));
}

#[test]
fn nobody_is_anonymous_and_a_network_is_one_client() {
    assert_eq!(of(1, &[]), Err(BadSubject::TooFewHops));
    assert_eq!(of(1, &[(LIST, " , ")]), Err(BadSubject::TooFewHops));
    let client = |text| Subjects::forwarded(1).of(&parts(&[(LIST, text)])).unwrap();
    assert_eq!(client("2001:db8::7"), client("2001:db8::8"));
    assert_eq!(client("192.0.2.7"), Some(IpAddr::from([192, 0, 2, 7])));
}

#[test]
fn no_trusted_proxy_is_an_error() {
    assert!(catch_unwind(|| Subjects::forwarded(0)).is_err());
}

#[test]
fn what_is_wrong_is_logged_by_header() {
    let log = Log::start();
    let clients = Subjects::forwarded(2);
    for lines in [&[(LIST, "6.6.6.6")][..], &[(ELEMENTS, "for=x, for=6.6.6.6")], &[]] {
        assert!(clients.of(&parts(lines)).is_err());
    }
    assert_eq!(log.count("WARN", &["`x-forwarded-for`", "fewer proxies"]), 1);
    assert_eq!(log.count("WARN", &["header `forwarded`", "no IP address"]), 1);
    assert_eq!(log.count("DEBUG", &["`x-forwarded-for`", "missing"]), 1);
    assert!(!log.text().contains("6.6.6.6"), "{}", log.text());
}
