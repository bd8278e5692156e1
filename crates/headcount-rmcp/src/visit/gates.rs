//! Read after `anonymous.rs`. The gates of what has no session: calls, and streams that
//! stay open.
//!
//! *Invariant*: a slot is held by its request (`request.rs`), and is back when that
//! is dropped. `in_progress` is no less than the number of them.
//!
//! *Who sees whom*: of two parties that write their own word and then read the
//! other's, with a `SeqCst` fence between, one sees the other.
//!
//! | writes, then reads | partner | without the fence |
//! |---|---|---|
//! | `in_progress`, then whether the gate is closed (`open_slot`) | closes the gate, then reads `in_progress` (`wait_until_empty`) | a shutdown is done while a call begins |
//!
//! A call is taken off `in_progress` after its slot is back.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*, fence};

use headcount::{Clock, CloseReason, Gate, Rejected, SystemClock};
use headcount_tower::Refusal;
use tokio::sync::Notify;

use crate::visit::anonymous::Anonymous;

/// The gate of calls, or of streams, that have no session: it counts them by the
/// subject's name.
pub type CallGate<C = SystemClock> = Gate<String, (), C>;

/// What a request without a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// Until it is answered.
    Call,
    /// Until one side has enough.
    Stream,
}

/// A gate, whatever its clock is.
pub(crate) trait AnyCallGate: fmt::Debug + Send + Sync {
    fn admit(&self, subject: Option<&str>) -> Result<Held, Rejected>;
    fn close(&self);
    fn limits_subjects(&self) -> bool;
}

type Held = Box<dyn Any + Send + Sync>;

impl<C: Clock + 'static> AnyCallGate for CallGate<C> {
    fn admit(&self, subject: Option<&str>) -> Result<Held, Rejected> {
        // Something is in flight for as long as it lives: at no instant can it be
        // evicted. If it has ended by now, its slot is its own all the same.
        Ok(Box::new(self.admit_active(subject, ())?))
    }

    fn close(&self) {
        self.close_all(CloseReason::Shutdown);
    }

    fn limits_subjects(&self) -> bool {
        self.has_subject_limit()
    }
}

/// The gates of one guard.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    pub(crate) calls: Option<Arc<dyn AnyCallGate>>,
    pub(crate) streams: Option<Arc<dyn AnyCallGate>>,
    anonymous: [Anonymous; 2],
    warned: AtomicBool,
    /// Nobody is let in any more, also where no gate counts.
    closed: AtomicBool,
    in_progress: Arc<InProgress>,
}

#[derive(Debug, Default)]
struct InProgress {
    calls: AtomicUsize,
    streams: AtomicUsize,
    left: Notify,
}

impl InProgress {
    fn of(&self, kind: RequestKind) -> &AtomicUsize {
        match kind {
            RequestKind::Call => &self.calls,
            RequestKind::Stream => &self.streams,
        }
    }
}

impl Gates {
    pub(crate) fn new(
        calls: Option<Arc<dyn AnyCallGate>>,
        streams: Option<Arc<dyn AnyCallGate>>,
    ) -> Self {
        Self { calls, streams, ..Self::default() }
    }

    /// The gate that counts these. A stream is a call where streams have none.
    pub(crate) fn of(&self, kind: RequestKind) -> Option<&dyn AnyCallGate> {
        match kind {
            RequestKind::Call => self.calls.as_deref(),
            RequestKind::Stream => self.streams.as_deref().or(self.calls.as_deref()),
        }
    }

    /// Is there a gate for anything?
    pub(crate) fn count(&self) -> bool {
        self.calls.is_some() || self.streams.is_some()
    }

    /// Those who come to the gate of these.
    pub(crate) fn anonymous(&self, kind: RequestKind) -> &Anonymous {
        &self.anonymous[kind as usize]
    }

    /// A place by this gate.
    pub(crate) fn admit(
        &self,
        gate: &dyn AnyCallGate,
        kind: RequestKind,
        subject: Option<&str>,
    ) -> Result<Slot, Rejected> {
        let mut slot = self.open_slot(kind);
        slot.held = Some(gate.admit(subject)?);
        Ok(slot)
    }

    /// A place where no gate counts, of which a shutdown knows all the same.
    pub(crate) fn uncounted(&self, kind: RequestKind) -> Result<Slot, Refusal> {
        let slot = self.open_slot(kind);
        if self.closed.load(Relaxed) { Err(Refusal::Ended) } else { Ok(slot) }
    }

    fn open_slot(&self, kind: RequestKind) -> Slot {
        self.in_progress.of(kind).fetch_add(1, AcqRel);
        fence(SeqCst);
        Slot { held: None, kind, in_progress: Arc::clone(&self.in_progress) }
    }

    /// Says once that something was served which should have been counted.
    pub(crate) fn warn_of_uncounted(&self) {
        if self.count() && !self.warned.swap(true, Relaxed) {
            tracing::error!(
                "a call was served that no gate counts: within McpGuard::layer goes what \
                 McpGuard::inner makes"
            );
        }
    }

    /// From now on all are refused.
    pub(crate) fn close(&self) {
        self.closed.store(true, Relaxed);
        for gate in [&self.calls, &self.streams].into_iter().flatten() {
            gate.close();
        }
    }

    /// Until none is under way.
    pub(crate) async fn wait_until_empty(&self, kind: RequestKind) {
        fence(SeqCst);
        loop {
            let left = self.in_progress.left.notified();
            if self.in_progress.of(kind).load(Acquire) == 0 {
                return;
            }
            left.await;
        }
    }
}

/// The place of one call or stream.
pub(crate) struct Slot {
    held: Option<Held>,
    kind: RequestKind,
    in_progress: Arc<InProgress>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.held.take());
        self.in_progress.of(self.kind).fetch_sub(1, AcqRel);
        self.in_progress.left.notify_waiters();
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}
