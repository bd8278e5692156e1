//! The public types can be sent to another thread, shared by threads and moved; those
//! that hold nothing of their user can be taken across a caught panic.

use std::panic::{RefUnwindSafe, UnwindSafe};

use headcount_tower::{
    Admission, Answers, Asker, BadSubject, BodyError, GateBody, GateLayer, GateService,
    OpenActivity, OpenError, OpenHandle, OpenSession, Prefixes, Refusal, ResponseFuture,
    RetryAfter, Room, Slot, Subjects,
};

fn shared<T: Send + Sync>() {}
fn moved<T: Unpin>() {}
fn across<T: UnwindSafe + RefUnwindSafe>() {}

macro_rules! each {
    ($check:ident: $($type:ty),* $(,)?) => { $( $check::<$type>(); )* };
}

type Inner = std::convert::Infallible;
type Future = std::future::Ready<Result<http::Response<()>, Inner>>;

#[test]
fn all_are_shared_by_threads() {
    each!(shared: Admission<String>, Answers, Asker, BadSubject, BodyError, GateBody<()>);
    each!(shared: GateLayer<String>, GateService<Inner, String>, OpenActivity, OpenError);
    each!(shared: OpenHandle, OpenSession<String>, Prefixes, Refusal, ResponseFuture<Future, ()>);
    each!(shared: RetryAfter, Room<String>, Slot, Subjects<String>);
}

#[test]
fn all_are_moved_that_hold_what_can_be() {
    each!(moved: Admission<String>, Answers, Asker, BadSubject, BodyError, GateBody<()>);
    each!(moved: GateLayer<String>, GateService<Inner, String>, OpenActivity, OpenError);
    each!(moved: OpenHandle, OpenSession<String>, Prefixes, Refusal, ResponseFuture<Future, ()>);
    each!(moved: RetryAfter, Room<String>, Slot, Subjects<String>);
}

/// The others hold functions of their user, or what another crate boxes, which may be
/// anything.
#[test]
fn what_holds_nothing_of_its_user_is_taken_across_a_caught_panic() {
    each!(across: BadSubject, OpenError, Prefixes, Refusal, RetryAfter);
}
