//! Read first of `counts`. What a subject can be looked up by.
//!
//! *Why not `ToOwned`*: `str` is owned as `String` alone, so a map of `Arc<str>` or
//! `Cow<str>` could not be asked for `"alice"`. A blanket implementation for what is
//! `ToOwned` would overlap with those for the other owners of `str`.

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A subject of type `K` can be looked up by this: a borrowed form of it, of which a
/// subject is made when it is stored.
///
/// | subjects of type | are looked up by |
/// |---|---|
/// | any that is `Clone` | a reference to it: `&u64`, `&IpAddr`, `&(u32, u32)` |
/// | `String`, `Arc<str>`, `Box<str>`, `Cow<'static, str>` | `&str` too |
/// | `Vec<u8>`, `Arc<[u8]>`, `Box<[u8]>`, `Cow<'static, [u8]>` | `&[u8]` too |
/// | the same of `Path`, `OsStr`, `CStr` and `[T]` | `&Path`, `&OsStr`, `&CStr` and `&[T]` too |
///
/// As for a lookup in a `HashMap`, `K` borrows as the type, and hashes and compares like
/// it. For a subject of your own that borrows as another type, implement this for that.
///
/// # Example
///
/// ```
/// use std::borrow::Borrow;
/// use std::sync::Arc;
///
/// use headcount::{Gate, ToSubject};
///
/// #[derive(PartialEq, Eq, Hash)]
/// struct Tenant(Arc<str>);
///
/// impl Borrow<str> for Tenant {
///     fn borrow(&self) -> &str {
///         &self.0
///     }
/// }
///
/// impl ToSubject<Tenant> for str {
///     fn to_subject(&self) -> Tenant {
///         Tenant(self.into())
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gate: Gate<Tenant> = Gate::builder().build()?;
/// let session = gate.admit(Some("blue"), ())?;
/// assert_eq!(gate.in_use_by("blue"), 1);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "a subject of type `{K}` cannot be looked up by `&{Self}`",
    label = "not a borrowed form of `{K}`",
    note = "pass a reference to a value of the subject's own type, which must be `Clone`, or to \
            what it borrows as: `&str` for `String`, `Arc<str>`, `Box<str>` and \
            `Cow<'static, str>`, `&[u8]` for such bytes",
    note = "if the argument is a reference to a reference, pass the inner one"
)]
pub trait ToSubject<K> {
    /// The subject, made to be stored.
    fn to_subject(&self) -> K;
}

impl<K: Clone> ToSubject<K> for K {
    fn to_subject(&self) -> K {
        self.clone()
    }
}

/// For what borrows as a type without a size.
macro_rules! owners {
    ($($borrowed:ty => $subject:ty $(, $item:ident)?;)*) => { $(
        impl $(<$item: Clone>)? ToSubject<$subject> for $borrowed {
            fn to_subject(&self) -> $subject {
                self.to_owned().into()
            }
        }
    )* };
}

owners! {
    str => String;
    str => Arc<str>;
    str => Box<str>;
    str => Cow<'static, str>;
    [T] => Vec<T>, T;
    [T] => Arc<[T]>, T;
    [T] => Box<[T]>, T;
    [T] => Cow<'static, [T]>, T;
    Path => PathBuf;
    Path => Arc<Path>;
    Path => Box<Path>;
    Path => Cow<'static, Path>;
    OsStr => OsString;
    OsStr => Arc<OsStr>;
    OsStr => Box<OsStr>;
    OsStr => Cow<'static, OsStr>;
    CStr => CString;
    CStr => Arc<CStr>;
    CStr => Box<CStr>;
    CStr => Cow<'static, CStr>;
}
