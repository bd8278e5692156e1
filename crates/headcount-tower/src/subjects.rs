//! Read after `once.rs`. Whom a request counts as. `headers.rs`, `addresses.rs`
//! and `forwarded.rs` are ways to know it.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use crate::first_time::FirstTime;

type SubjectOf<K> = dyn Fn(&Parts) -> Result<Option<K>, BadSubject> + Send + Sync;

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
    /// `None` names nobody, and is meant to.
    of: Option<Arc<SubjectOf<K>>>,
}

impl<K: 'static> Subjects<K> {
    /// Everybody is anonymous.
    pub fn anonymous() -> Self {
        Self { of: None }
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.of.is_none()
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
        Self { of: Some(Arc::new(of)) }
    }

    /// The same clients by other keys: for a gate whose subjects are of type `L`.
    ///
    /// ```
    /// use headcount_tower::Subjects;
    ///
    /// let by_text: Subjects<String> = Subjects::peer().map(|address| address.to_string());
    /// ```
    pub fn map<L: 'static>(self, key: impl Fn(K) -> L + Send + Sync + 'static) -> Subjects<L> {
        Subjects::by(move |parts| Ok(self.of(parts)?.map(&key)))
    }

    /// The same, but who would be anonymous is a [`BadSubject::Missing`].
    #[must_use]
    pub fn required(self) -> Self {
        let is_new = FirstTime::default();
        Self::by(move |parts| {
            let subject = self.of(parts)?;
            if subject.is_none() {
                is_new.warn_or_debug(format_args!(
                    "a request is answered 400, since it names no client, and must: what {self:?} \
                     looks for is not there"
                ));
            }
            subject.ok_or(BadSubject::Missing).map(Some)
        })
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
        self.of.as_ref().map_or(Ok(None), |of| of(parts))
    }
}

impl<K: 'static> Default for Subjects<K> {
    fn default() -> Self {
        Self::anonymous()
    }
}

impl<K> Clone for Subjects<K> {
    fn clone(&self) -> Self {
        Self { of: self.of.clone() }
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
    /// Fewer proxies have forwarded the request than are trusted to.
    #[error("the request came past too few proxies")]
    TooFewHops,
}
