//! Read after `lib.rs`. Whom a request counts as.

use std::any::type_name;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::header::HeaderName;
use http::request::Parts;

type Of<K> = dyn Fn(&Parts) -> Result<Option<K>, BadSubject> + Send + Sync;

/// Whom each request counts as: a subject, whose own limit applies, or nobody
/// in particular (`None`, *anonymous*), to whom the gate's limit alone does.
///
/// A layer asks once for each request that it decides on. What is asked for
/// must be there by then: see *Where the layer goes* on the front page.
///
/// ```
/// use headcount_tower::{BadSubject, Subjects};
/// use http::{HeaderName, Request};
///
/// let clients = Subjects::header(HeaderName::from_static("x-client"));
/// let (alice, ()) = Request::get("/").header("X-Client", "alice").body(()).unwrap().into_parts();
/// let (nobody, ()) = Request::get("/").body(()).unwrap().into_parts();
///
/// assert_eq!(clients.of(&alice), Ok(Some("alice".to_owned())));
/// assert_eq!(clients.of(&nobody), Ok(None));
/// assert_eq!(clients.required().of(&nobody), Err(BadSubject::Missing));
/// ```
pub struct Subjects<K> {
    of: Arc<Of<K>>,
}

impl Subjects<String> {
    /// The one who is named by this header; anonymous without it.
    ///
    /// Only for a header that clients cannot forge: one that a proxy in front
    /// sets, say. Given twice, empty, or of anything but visible ASCII (no
    /// blanks either), it is a [`BadSubject`].
    pub fn header(name: HeaderName) -> Self {
        Self::by(move |parts| {
            let mut values = parts.headers.get_all(&name).iter();
            let Some(value) = values.next() else { return Ok(None) };
            if values.next().is_some() {
                return Err(BadSubject::Repeated);
            }
            if value.is_empty() {
                return Err(BadSubject::Empty);
            }
            match value.to_str() {
                Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                    Ok(Some(text.to_owned()))
                }
                _ => Err(BadSubject::Malformed),
            }
        })
    }
}

impl Subjects<IpAddr> {
    /// The address of the peer, from a [`SocketAddr`] among the request's
    /// extensions, where whoever accepts connections puts it; anonymous without
    /// one. An IPv4 address that is written as IPv6 is that IPv4 address.
    ///
    /// Behind a proxy that is the proxy's. One IPv6 client has many addresses:
    /// count the network instead, with [`by`](Self::by).
    pub fn peer() -> Self {
        Self::extension(|peer: &SocketAddr| peer.ip().to_canonical())
    }
}

impl<K: 'static> Subjects<K> {
    /// Everybody is anonymous.
    pub fn anonymous() -> Self {
        Self::by(|_| Ok(None))
    }

    /// The one whom `subject` finds in the extension of type `E`, such as what
    /// an authentication left there; anonymous without that extension.
    pub fn extension<E: Send + Sync + 'static>(
        subject: impl Fn(&E) -> K + Send + Sync + 'static,
    ) -> Self {
        Self::by(move |parts| Ok(parts.extensions.get().map(&subject)))
    }

    /// The one whom this function tells.
    pub fn by(
        of: impl Fn(&Parts) -> Result<Option<K>, BadSubject> + Send + Sync + 'static,
    ) -> Self {
        Self { of: Arc::new(of) }
    }

    /// The same, but who would be anonymous is a [`BadSubject::Missing`].
    #[must_use]
    pub fn required(self) -> Self {
        Self::by(move |parts| self.of(parts)?.ok_or(BadSubject::Missing).map(Some))
    }

    /// Whom this request counts as; `None` is anonymous.
    ///
    /// # Errors
    ///
    /// [`BadSubject`] if the request names nobody, or not clearly, where it
    /// must.
    ///
    /// # Panics
    ///
    /// Whatever the function panics with that was given.
    pub fn of(&self, parts: &Parts) -> Result<Option<K>, BadSubject> {
        (self.of)(parts)
    }
}

impl<K: 'static> Default for Subjects<K> {
    fn default() -> Self {
        Self::anonymous()
    }
}

impl<K> Clone for Subjects<K> {
    fn clone(&self) -> Self {
        Self { of: Arc::clone(&self.of) }
    }
}

impl<K> fmt::Debug for Subjects<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subjects<{}>", type_name::<K>())
    }
}

/// What is wrong with the subject that a request names. The text holds nothing
/// of what the client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BadSubject {
    /// It names none, and must.
    #[error("the subject is missing")]
    Missing,
    /// It names more than one.
    #[error("the subject is given more than once")]
    Repeated,
    /// The name is empty.
    #[error("the subject is empty")]
    Empty,
    /// The name is not of visible ASCII, or otherwise not one.
    #[error("the subject is malformed")]
    Malformed,
}
