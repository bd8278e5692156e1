//! Read after `subjects.rs`. Clients that a header names, or that a secret in a
//! header tells apart.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use http::header::{AUTHORIZATION, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
use http::request::Parts;

use crate::first_time::FirstTime;
use crate::subjects::{BadSubject, Subjects};

impl Subjects<String> {
    /// The one who is named by this header; anonymous without it.
    ///
    /// Only for a header that clients cannot forge: one that a proxy in front
    /// sets, say. Given twice, empty, or of anything but visible ASCII (no
    /// blanks either), it is a [`BadSubject`]; the log says which header it was
    /// and what was wrong with it, never what it said. A list of addresses is
    /// for [`forwarded`](Self::forwarded), a password or token for
    /// [`secret_header`](Self::secret_header).
    pub fn header(name: HeaderName) -> Self {
        let complaint = HeaderWarning::of(name);
        Self::by(move |parts| {
            let Some(value) = complaint.the_one(parts)? else { return Ok(None) };
            match value.to_str() {
                Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                    Ok(Some(text.to_owned()))
                }
                _ => Err(complaint.refuse(BadSubject::Malformed, content_of(value))),
            }
        })
    }
}

impl Subjects<u128> {
    /// Who sends the same in this header is the same client: for a credential,
    /// such as `Authorization: Bearer ...` or an API key. Anonymous without it.
    ///
    /// What is sent is hashed with keys of this value that nobody knows, and is
    /// neither stored nor logged; the hashes mean nothing to another value or
    /// process. It is not checked: let what authenticates do that first, or a
    /// client has as many subjects as it makes up tokens. Given twice, or empty,
    /// it is a [`BadSubject`].
    ///
    /// In `Authorization` and `Proxy-Authorization` it is the same in whatever case
    /// its scheme is, and with however many blanks after that. Other ways to write
    /// one credential are other clients, such as `Basic` with or without padding, or
    /// `Digest`, which differs each time. Where that matters, take who was
    /// authenticated, by [`extension`](Self::extension).
    ///
    /// ```
    /// use headcount_tower::Subjects;
    /// use http::{Request, header::AUTHORIZATION};
    ///
    /// let clients = Subjects::secret_header(AUTHORIZATION);
    /// let of = |token| {
    ///     let request = Request::get("/").header(AUTHORIZATION, token).body(()).unwrap();
    ///     clients.of(&request.into_parts().0).unwrap()
    /// };
    /// assert_eq!(of("Bearer alice"), of("Bearer alice"));
    /// assert_ne!(of("Bearer alice"), of("Bearer bob"));
    /// ```
    pub fn secret_header(name: HeaderName) -> Self {
        let has_scheme = name == AUTHORIZATION || name == PROXY_AUTHORIZATION;
        let complaint = HeaderWarning::of(name);
        let (high, low) = (RandomState::new(), RandomState::new());
        Self::by(move |parts| {
            let Some(value) = complaint.the_one(parts)? else { return Ok(None) };
            let secret = match has_scheme {
                true => Secret::with_scheme(value.as_bytes()),
                false => Secret { scheme: &[], rest: value.as_bytes() },
            };
            Ok(Some(u128::from(high.hash_one(&secret)) << 64 | u128::from(low.hash_one(&secret))))
        })
    }
}

/// A credential, whose scheme is hashed in whatever case it is.
struct Secret<'a> {
    scheme: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Secret<'a> {
    /// What has no scheme is a secret as it is.
    fn with_scheme(value: &'a [u8]) -> Self {
        let value = value.trim_ascii();
        let blank = value.iter().position(u8::is_ascii_whitespace);
        let (scheme, rest) = value.split_at(blank.unwrap_or(0));
        Self { scheme, rest: rest.trim_ascii_start() }
    }
}

impl Hash for Secret<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.scheme.len());
        self.scheme.iter().for_each(|byte| state.write_u8(byte.to_ascii_lowercase()));
        self.rest.hash(state);
    }
}

/// What the operator is told of a header that names nobody: the first time as a
/// warning, then for who asks for it.
pub(crate) struct HeaderWarning {
    name: HeaderName,
    is_new: FirstTime,
}

impl HeaderWarning {
    pub(crate) fn of(name: HeaderName) -> Self {
        Self { name, is_new: FirstTime::default() }
    }

    /// The one value of the header, not empty; `None` without the header.
    fn the_one<'a>(&self, parts: &'a Parts) -> Result<Option<&'a HeaderValue>, BadSubject> {
        let mut values = parts.headers.get_all(&self.name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(self.refuse(BadSubject::Repeated, "it is given twice")),
            (Some(value), None) if value.is_empty() => {
                Err(self.refuse(BadSubject::Empty, "it is empty"))
            }
            (Some(value), None) => Ok(Some(value)),
        }
    }

    /// Logs what is wrong with it, without what it says.
    pub(crate) fn refuse(&self, refused: BadSubject, content: &'static str) -> BadSubject {
        self.is_new.warn_or_debug(format_args!(
            "a request is answered 400, since its header `{}` names no client: {content}",
            self.name
        ));
        refused
    }
}

/// What kind of thing it is that is not a name.
fn content_of(value: &HeaderValue) -> &'static str {
    let has = |of: fn(&u8) -> bool| value.as_bytes().iter().any(of);
    match () {
        () if has(|byte| !byte.is_ascii()) => "it has bytes that are not ASCII",
        () if has(|byte| byte.is_ascii_control()) => "it has control characters",
        () if has(|byte| *byte == b',') => {
            "it has blanks and commas, as a list has (`Subjects::forwarded` reads lists of addresses)"
        }
        () => "it has blanks, as a credential has (`Subjects::secret_header` takes those)",
    }
}
