//! Who a client says that it is: the `X-Client` header.

use std::borrow::Borrow;

use axum::http::{HeaderMap, HeaderName};

/// The header that names the client.
pub const HEADER: HeaderName = HeaderName::from_static("x-client");

/// What a limit per client is counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject(String);

impl Borrow<str> for Subject {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The header is there and names nobody.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

impl Subject {
    /// The most bytes that a subject may have. Clients choose their subjects,
    /// so this bounds what one of them can make the server remember.
    pub const LONGEST: u32 = 64;

    /// The subject that a request names, or that it is anonymous. A name is
    /// given once, and is visible ASCII of 1 to [`LONGEST`](Self::LONGEST)
    /// bytes.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Malformed> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let fits = (1..=Self::LONGEST as usize).contains(&value.len());
        let visible = value.as_bytes().iter().all(u8::is_ascii_graphic);
        match value.to_str() {
            Ok(name) if fits && visible && values.next().is_none() => Ok(Some(Self(name.into()))),
            _ => Err(Malformed),
        }
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn subject(values: &[&[u8]]) -> Result<Option<String>, Malformed> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value).expect("a legal header"));
        }
        Subject::of(&headers).map(|subject| subject.map(|s| s.as_str().to_owned()))
    }

    #[test]
    fn a_request_without_the_header_is_anonymous() {
        assert_eq!(subject(&[]), Ok(None));
    }

    #[test]
    fn a_name_of_visible_ascii_up_to_the_longest_is_a_subject() {
        let longest = "x".repeat(Subject::LONGEST as usize);
        for name in ["t", "tenant-7", "!~", &longest] {
            assert_eq!(subject(&[name.as_bytes()]), Ok(Some(name.to_owned())));
        }
    }

    #[test]
    fn a_name_that_is_too_long_empty_repeated_or_not_visible_ascii_is_malformed() {
        let too_long = "x".repeat(Subject::LONGEST as usize + 1);
        let names = ["", "a b", "a\tb", "tenant-\u{e9}", &too_long];
        for name in names {
            assert_eq!(subject(&[name.as_bytes()]), Err(Malformed), "{name:?}");
        }
        assert_eq!(subject(&[b"tenant-\xff"]), Err(Malformed));
        assert_eq!(subject(&[b"a", b"a"]), Err(Malformed));
    }
}
