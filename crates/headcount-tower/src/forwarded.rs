//! Read after `headers.rs` and `addresses.rs`. Clients behind proxies, by what
//! the proxies say of whom they serve.
//!
//! *Rule*: each proxy adds, at the end, whom it was asked by. So with `n` proxies
//! that are trusted, the `n`th from the right is what the outermost of them has
//! seen; whatever is left of that was sent by the client, and is not looked at.
//!
//! `X-Forwarded-For` is a list of addresses; `Forwarded` (RFC 7239) one of
//! parameters, of which `for` is the address. A proxy sets one of them, and lets
//! through what clients send in the other. So where both are there, they must
//! agree: a client that adds the other can only have itself refused.

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, GetAll, HeaderName, HeaderValue};

use crate::addresses::Prefixes;
use crate::headers::HeaderWarning;
use crate::subjects::{BadSubject, Subjects};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl Subjects<IpAddr> {
    /// The client behind so many trusted proxies, by the headers
    /// `X-Forwarded-For` and `Forwarded`, and [`Prefixes::default`].
    ///
    /// Counted from the right: the last is whom the proxy next to this server
    /// was asked by. What is further left than the trusted proxies, which a
    /// client may have made up, is not looked at. There may be several lines,
    /// ports, and IPv6 addresses in brackets.
    ///
    /// Each request must have come past all of the proxies: fewer than are
    /// trusted, or neither header, is [`BadSubject::TooFewHops`]; two headers
    /// that do not agree are [`BadSubject::Repeated`], and what is no address is
    /// [`BadSubject::Malformed`]. The log says which header it was.
    ///
    /// # Panics
    ///
    /// If no proxy is trusted: then the headers are the client's, and say nothing.
    pub fn forwarded(trusted_hops: usize) -> Self {
        Self::forwarded_by(trusted_hops, Prefixes::default())
    }

    /// [`forwarded`](Self::forwarded) by other prefixes.
    ///
    /// # Panics
    ///
    /// As [`forwarded`](Self::forwarded).
    pub fn forwarded_by(trusted_hops: usize, prefixes: Prefixes) -> Self {
        assert!(trusted_hops > 0, "where no proxy is trusted, no header says who the client is");
        let (lists, elements) = (HeaderWarning::of(X_FORWARDED_FOR), HeaderWarning::of(FORWARDED));
        Self::by(move |parts| {
            let by_list =
                client(parts.headers.get_all(X_FORWARDED_FOR), trusted_hops, &X_FORWARDED_FOR_FORM)
                    .map_err(|wrong| lists.refuse(wrong.0, wrong.1))?;
            let by_element =
                client(parts.headers.get_all(FORWARDED), trusted_hops, &FORWARDED_FORM)
                    .map_err(|wrong| elements.refuse(wrong.0, wrong.1))?;
            match (by_list, by_element) {
                (Some(one), Some(other)) if one != other => {
                    let why = "it and `X-Forwarded-For` name two clients; have the proxies drop \
                               the one that they do not set";
                    Err(elements.refuse(BadSubject::Repeated, why))
                }
                (Some(client), _) | (None, Some(client)) => Ok(Some(prefixes.client(client))),
                (None, None) => {
                    Err(lists
                        .refuse(BadSubject::TooFewHops, "it is missing, and so is `Forwarded`"))
                }
            }
        })
    }
}

/// How a header says whom proxies were asked by.
struct Form {
    /// May a part be in quotes, in which commas and semicolons are no ends?
    quotes: Quotes,
    address: fn(&[u8]) -> Option<IpAddr>,
}

#[derive(PartialEq)]
enum Quotes {
    Text,
    None,
}

const X_FORWARDED_FOR_FORM: Form = Form { quotes: Quotes::None, address: node };
const FORWARDED_FORM: Form = Form { quotes: Quotes::Text, address: for_parameter };

type Malformed = (BadSubject, &'static str);

/// The `hops`th from the right of all lines; `None` without a line.
fn client(
    lines: GetAll<'_, HeaderValue>,
    hops: usize,
    form: &Form,
) -> Result<Option<IpAddr>, Malformed> {
    let mut left = hops;
    let mut lines = lines.iter().rev().peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    for line in lines {
        let unquoted =
            (BadSubject::Malformed, "its quotes do not end, or it has a `\\` outside them");
        let parts = split(line.as_bytes(), b',', &form.quotes).ok_or(unquoted)?;
        for part in parts.into_iter().rev().filter(|part| !part.is_empty()) {
            left -= 1;
            if left == 0 {
                let none = (BadSubject::Malformed, "the client's part of it is no IP address");
                return (form.address)(part).map(Some).ok_or(none);
            }
        }
    }
    Err((BadSubject::TooFewHops, "it names fewer proxies than are trusted"))
}

/// The parts between separators outside of quotes, without blanks around them.
///
/// `None` where a quote does not end, or something is escaped outside of quotes.
/// A client that opens a quote makes text of what the proxies add, up to their
/// own first quote, and from there on all of their quotes are the wrong way round:
/// either their number leaves one open, or one that a proxy has escaped does not.
fn split<'a>(line: &'a [u8], separator: u8, quotes: &Quotes) -> Option<Vec<&'a [u8]>> {
    let (mut is_quoted, mut is_escaped, mut is_wrong) = (false, false, false);
    let parts = line.split(|byte| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match byte {
            b'"' if *quotes == Quotes::Text && !was_escaped => is_quoted = !is_quoted,
            b'\\' if is_quoted => is_escaped = !was_escaped,
            b'\\' => is_wrong |= *quotes == Quotes::Text,
            _ => {}
        }
        *byte == separator && !is_quoted
    });
    let parts = parts.map(<[u8]>::trim_ascii).collect();
    (!is_quoted && !is_wrong).then_some(parts)
}

/// The address in the one parameter `for` of an element of `Forwarded`.
fn for_parameter(element: &[u8]) -> Option<IpAddr> {
    let parameters = split(element, b';', &Quotes::Text)?;
    let mut nodes = parameters.iter().filter_map(|parameter| {
        let equals = parameter.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (&parameter[..equals], &parameter[equals + 1..]);
        name.eq_ignore_ascii_case(b"for").then_some(value)
    });
    let (value, None) = (nodes.next()?, nodes.next()) else { return None };
    let text = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    node(text.unwrap_or(value))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or
/// `[2001:db8::1]:80`.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let in_brackets = || bare?.parse().map(IpAddr::V6).ok();
    let with_port = || text.parse().map(|socket: SocketAddr| socket.ip()).ok();
    text.parse().ok().or_else(in_brackets).or_else(with_port)
}
