//! The server's own knowledge of its sessions, kept beside every way and
//! never shown to it: how many are really open, and when what happened.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst, fence};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::audit::{History, Span, Stamp, Stay};

/// Counts the sessions that exist and writes the history for the audit.
pub struct Registry {
    origin: Instant,
    open: AtomicUsize,
    peak: AtomicUsize,
    history: Mutex<History>,
}

impl Registry {
    /// Nobody open; the clock starts now.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            origin: Instant::now(),
            open: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            history: Mutex::default(),
        })
    }

    /// The time now. The fences keep the reading where it stands among the
    /// atomics of the way; a stamp that slid across one could accuse wrongly.
    pub fn stamp(&self) -> Stamp {
        fence(SeqCst);
        let now = self.origin.elapsed().as_nanos() as Stamp;
        fence(SeqCst);
        now
    }

    /// Sessions that are open now.
    pub fn open(&self) -> usize {
        self.open.load(SeqCst)
    }

    /// The most sessions that were open at once.
    pub fn peak(&self) -> usize {
        self.peak.load(SeqCst)
    }

    /// To be called before a way is asked for a slot.
    pub fn attempt(self: &Arc<Self>) -> Attempt {
        Attempt {
            asked: self.stamp(),
            opened: None,
            open: None,
            refused: false,
            registry: Arc::clone(self),
        }
    }

    /// What happened so far; the registry forgets it.
    pub fn take_history(&self) -> History {
        std::mem::take(&mut *self.history.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A client's attempt, from before its question until after it was refused or
/// has given its slot back. Its drop writes it down, so an attempt that a
/// client abandons halfway is part of the history too.
pub struct Attempt {
    asked: Stamp,
    opened: Option<Stamp>,
    open: Option<Span>,
    refused: bool,
    registry: Arc<Registry>,
}

impl Attempt {
    /// The way refused it.
    pub fn refused(mut self) {
        self.refused = true;
    }

    /// Its session exists from now on.
    fn open(&mut self) {
        let open = self.registry.open.fetch_add(1, SeqCst) + 1;
        self.registry.peak.fetch_max(open, SeqCst);
        self.opened = Some(self.registry.stamp());
    }

    /// Its session is about to be torn down.
    fn close(&mut self) {
        if let Some(from) = self.opened.take() {
            self.open = Some(Span { from, to: self.registry.stamp() });
            self.registry.open.fetch_sub(1, SeqCst);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let span = Span { from: self.asked, to: self.registry.stamp() };
        let mut history = self.registry.history.lock().unwrap_or_else(PoisonError::into_inner);
        match self.refused {
            true => history.refusals.push(span),
            false => history.stays.push(Stay { held: span, open: self.open }),
        }
    }
}

/// An open session. It owns its permit; the registry counts it from after the
/// permit was got until before the permit goes.
pub struct Session<P> {
    // `permit` before `attempt`: fields drop in this order, and the attempt
    // ends only after the slot was given back.
    _permit: P,
    attempt: Attempt,
}

impl<P> Session<P> {
    /// Opens the session of an admitted client.
    pub fn open(mut attempt: Attempt, permit: P) -> Self {
        attempt.open();
        Self { _permit: permit, attempt }
    }
}

impl<P> Drop for Session<P> {
    fn drop(&mut self) {
        self.attempt.close();
    }
}
