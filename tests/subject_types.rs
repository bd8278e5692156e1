#![cfg(not(feature = "loom"))]
//! What may be a subject, by what each is looked up, and which have a length.

use std::borrow::{Borrow, Cow};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fmt::Debug;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use headcount::{
    Cause, Gate, GateBuilder, GateConfig, GateError, Limit, Overrides, SubjectCounts, ToSubject,
};

/// A gate and its parts know one subject by this borrowed form of it.
fn is_known_by<K, Q>(subject: &Q, stored: K)
where
    K: Hash + Eq + Clone + Send + Sync + Debug + Borrow<Q> + 'static,
    Q: ?Sized + Hash + Eq + ToSubject<K> + 'static,
{
    assert_eq!(subject.to_subject(), stored);
    let gate: Gate<K, u32> = Gate::builder().subject_limit(Limit::at_most(1)).build().unwrap();
    let session = gate.admit(Some(subject), 1).unwrap();
    assert_eq!((gate.in_use_by(subject), gate.in_use_by::<K>(&stored)), (1, 1));
    assert_eq!(gate.admit::<K>(Some(&stored), 2).unwrap_err().cause(), Cause::SubjectAtLimit);
    assert_eq!(gate.reserve(Some(subject), 2).unwrap_err().cause(), Cause::SubjectAtLimit);
    gate.set_override(stored.clone(), Limit::at_most(2));
    let active = gate.admit_active(Some(subject), 2).unwrap();
    assert_eq!(gate.remove_override(subject), Some(Limit::at_most(2)));
    drop((session, active));
    assert_eq!((gate.in_use_by(subject), gate.subjects()), (0, 0));

    let counts: Arc<SubjectCounts<K>> = Arc::default();
    let permit = counts.try_acquire(subject, Limit::at_most(2)).unwrap();
    let owned = counts.try_acquire_owned::<K>(&stored, Limit::at_most(2)).unwrap();
    assert!(counts.try_acquire(subject, Limit::at_most(2)).is_err());
    assert_eq!(counts.snapshot(), [(stored.clone(), 2)]);
    drop((permit, owned));
    assert_eq!(counts.count(subject), 0);

    let limits: Overrides<K> = Overrides::new(Limit::at_most(3));
    limits.set(stored, Limit::at_most(4));
    assert_eq!(limits.limit_of(subject), Limit::at_most(4));
}

#[test]
fn text_and_bytes_are_looked_up_by_their_slice_whatever_owns_them() {
    is_known_by::<String, str>("alice", "alice".into());
    is_known_by::<Arc<str>, str>("alice", "alice".into());
    is_known_by::<Box<str>, str>("alice", "alice".into());
    is_known_by::<Cow<'static, str>, str>("alice", "alice".into());
    is_known_by::<Cow<'static, str>, str>("alice", Cow::Owned("alice".to_owned()));
    is_known_by::<&'static str, &'static str>(&"alice", "alice");
    is_known_by::<Vec<u8>, [u8]>(b"alice", b"alice".to_vec());
    is_known_by::<Arc<[u8]>, [u8]>(b"alice", Arc::from(*b"alice"));
    is_known_by::<Box<[u8]>, [u8]>(b"alice", Box::from(*b"alice"));
    is_known_by::<Cow<'static, [u8]>, [u8]>(b"alice", Cow::Borrowed(b"alice"));
}

#[test]
fn other_slices_too() {
    is_known_by::<Vec<u32>, [u32]>(&[1, 2], vec![1, 2]);
    is_known_by::<Arc<[String]>, [String]>(&["a".to_owned()], Arc::new(["a".to_owned()]));
    is_known_by::<PathBuf, Path>(Path::new("/home/alice"), "/home/alice".into());
    is_known_by::<Arc<Path>, Path>(Path::new("/home/alice"), Path::new("/home/alice").into());
    is_known_by::<OsString, OsStr>(OsStr::new("alice"), "alice".into());
    is_known_by::<CString, CStr>(c"alice", c"alice".into());
}

#[test]
fn what_is_clone_is_looked_up_by_a_reference_to_it() {
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    enum Tenant {
        Number(u64),
        Name(String),
    }
    is_known_by::<u64, _>(&7, 7);
    is_known_by::<String, _>(&"alice".to_owned(), "alice".into());
    is_known_by::<Arc<str>, _>(&Arc::<str>::from("alice"), "alice".into());
    is_known_by::<Cow<'static, str>, Cow<'static, str>>(&"alice".into(), "alice".into());
    is_known_by::<IpAddr, _>(&Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into());
    is_known_by::<(String, u8), _>(&("alice".to_owned(), 1), ("alice".to_owned(), 1));
    is_known_by::<[u8; 3], _>(&[1, 2, 3], [1, 2, 3]);
    is_known_by::<Tenant, _>(&Tenant::Number(1), Tenant::Number(1));
    is_known_by::<Tenant, _>(&Tenant::Name("a".into()), Tenant::Name("a".into()));
}

/// A subject that borrows as a type of the user's own, which no `ToOwned` leads to.
#[test]
fn a_borrowed_form_of_the_users_own() {
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct Name(Arc<str>);

    impl Borrow<str> for Name {
        fn borrow(&self) -> &str {
            &self.0
        }
    }

    impl ToSubject<Name> for str {
        fn to_subject(&self) -> Name {
            Name(self.into())
        }
    }

    is_known_by::<Name, str>("alice", Name("alice".into()));
}

/// Needs no `Clone`, and takes a type for the tag alone.
#[test]
fn who_is_anonymous_needs_no_subject() {
    #[derive(PartialEq, Eq, Hash)]
    struct NotClone;
    let builder: GateBuilder<NotClone, u32> = Gate::builder();
    let gate = builder.limit(Limit::at_most(2)).subject_limit(Limit::at_most(0)).build().unwrap();
    let _session = gate.admit_anonymous(1).unwrap();
    let reservation = gate.reserve_anonymous(2).unwrap();
    assert_eq!((reservation.tag(), gate.in_use(), gate.subjects()), (&2, 2, 0));
    assert_eq!(gate.reserve_anonymous(3).unwrap_err().cause(), Cause::AtCapacity);
    let pending = reservation.commit().unwrap();
    assert!(pending.establish().is_ok());
}

fn refused<K: Hash + Eq + Send + Sync + 'static>(
    edit: impl FnOnce(GateBuilder<K>) -> GateBuilder<K>,
) -> Option<GateError> {
    edit(Gate::builder()).build().err()
}

#[test]
fn a_longest_subject_is_for_text_and_bytes_and_an_error_elsewhere() {
    fn is_measured<K: Hash + Eq + Send + Sync + Ord + 'static>() -> bool {
        let chosen = refused::<K>(|gate| gate.max_subject_len(1024));
        let mut config = GateConfig::<K>::default();
        config.max_subject_len = 7;
        let of_config = GateBuilder::<K>::from(config).build().err();
        assert_eq!(chosen, of_config, "by the builder and by a file");
        assert!(refused::<K>(|gate| gate).is_none(), "nothing was asked for");
        if let Some(error) = &chosen {
            assert_eq!(error.field(), "max_subject_len");
            assert!(error.reason().contains("leave it out"), "{error}");
        }
        chosen.is_none()
    }
    assert!(is_measured::<String>() && is_measured::<Box<str>>() && is_measured::<Arc<str>>());
    assert!(is_measured::<Cow<'static, str>>() && is_measured::<Cow<'static, [u8]>>());
    assert!(is_measured::<Vec<u8>>() && is_measured::<Box<[u8]>>() && is_measured::<Arc<[u8]>>());
    assert!(!is_measured::<u64>() && !is_measured::<IpAddr>() && !is_measured::<(String, u8)>());
    assert!(!is_measured::<&'static str>() && !is_measured::<PathBuf>());
}

#[test]
fn a_cow_is_as_long_as_its_text() {
    let gate: Gate<Cow<'static, str>> = Gate::builder().max_subject_len(3).build().unwrap();
    assert!(gate.admit(Some("abc"), ()).is_ok());
    assert_eq!(gate.admit(Some("abcd"), ()).unwrap_err().cause(), Cause::SubjectTooLong);
    let owned: Cow<'static, str> = Cow::Owned("abcd".to_owned());
    assert_eq!(gate.admit(Some(&owned), ()).unwrap_err().cause(), Cause::SubjectTooLong);
}

#[test]
#[should_panic(expected = "neither text nor bytes")]
fn a_map_that_is_asked_to_measure_what_has_no_length_panics() {
    _ = SubjectCounts::<u64>::new().with_max_subject_len(8);
}
