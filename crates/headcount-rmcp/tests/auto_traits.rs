//! The public types can be sent to another thread, shared by threads and moved; those
//! that hold nothing of their user can be taken across a caught panic.

use std::panic::{RefUnwindSafe, UnwindSafe};

use headcount::SystemClock;
use headcount_rmcp::*;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;

fn shared<T: Send + Sync>() {}
fn moved<T: Unpin>() {}
fn across<T: UnwindSafe + RefUnwindSafe>() {}

macro_rules! each {
    ($check:ident: $($type:ty),* $(,)?) => { $( $check::<$type>(); )* };
}

type Inner = std::convert::Infallible;

#[test]
fn all_are_shared_by_threads() {
    each!(shared: BoundedSessionError, BoundedSessionManager, BoundedSessionManagerBuilder);
    each!(shared: CloseReason, GuardError<Inner>, McpLayer, McpService<Inner>, McpGuard);
    each!(shared: Visited<Inner>, OpenStreams, OtherSubjects, Pings, ReleaseOn, Rules);
    each!(shared: Unidentified, GuardedSessions, SessionGate, SessionTag, CallGate);
    each!(shared: GuardedTransport<LocalSessionManager, SystemClock>);
}

#[test]
fn all_are_moved_that_hold_what_can_be() {
    each!(moved: BoundedSessionError, BoundedSessionManager, BoundedSessionManagerBuilder);
    each!(moved: CloseReason, GuardError<Inner>, McpLayer, McpService<Inner>, McpGuard);
    each!(moved: Visited<Inner>, OpenStreams, OtherSubjects, Pings, ReleaseOn, Rules);
    each!(moved: Unidentified, GuardedSessions, SessionGate, SessionTag, CallGate);
}

#[test]
fn what_holds_nothing_of_its_user_is_taken_across_a_caught_panic() {
    each!(across: CloseReason, OpenStreams, OtherSubjects, Pings, ReleaseOn, Rules, Unidentified);
    each!(across: SessionGate, SessionTag, CallGate);
}
