//! The server's own knowledge of its sessions, kept beside every way and
//! never shown to it: how many are really open, of each subject too, and when
//! what happened.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::audit::{History, Refusal, Span, Stamp, Stay, Who};
use crate::subject::Subject;
use crate::ways::{Cause, End, Permit};

/// Counts the sessions that exist and writes the history for the audit.
pub struct Registry {
    origin: Instant,
    open: AtomicUsize,
    sure: AtomicUsize,
    peak: AtomicUsize,
    books: Mutex<Books>,
}

/// What is only written under the lock.
#[derive(Default)]
struct Books {
    history: History,
    numbers: HashMap<Subject, u32>,
    /// By number.
    accounts: Vec<Account>,
}

/// The sessions of one subject that surely hold a slot.
#[derive(Default)]
struct Account {
    sure: usize,
    peak: usize,
}

impl Books {
    fn number(&mut self, subject: Option<&Subject>) -> Who {
        let subject = subject?;
        if let Some(&number) = self.numbers.get(subject) {
            return Some(number);
        }
        let number = self.accounts.len() as u32;
        self.accounts.push(Account::default());
        self.numbers.insert(subject.clone(), number);
        Some(number)
    }

    fn account(&mut self, subject: Option<&Subject>) -> Option<&mut Account> {
        let number = self.number(subject)?;
        self.accounts.get_mut(number as usize)
    }
}

impl Registry {
    /// Nobody open; the clock starts now.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            origin: Instant::now(),
            open: AtomicUsize::new(0),
            sure: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            books: Mutex::default(),
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

    /// Sessions that exist now, those that have lost their slot included.
    pub fn open(&self) -> usize {
        self.open.load(SeqCst)
    }

    /// The most sessions that were open at once, without those that were quiet.
    pub fn peak(&self) -> usize {
        self.peak.load(SeqCst)
    }

    /// The most of one subject, likewise.
    pub fn largest_subject(&self) -> usize {
        self.books().accounts.iter().map(|account| account.peak).max().unwrap_or(0)
    }

    /// The number of a subject in the history, if it ever came.
    pub fn number_of(&self, subject: &str) -> Who {
        self.books().numbers.get(subject).copied()
    }

    /// To be called before a way is asked for a slot.
    pub fn attempt(self: &Arc<Self>, subject: Option<Subject>) -> Attempt {
        Attempt {
            subject,
            asked: self.stamp(),
            opened: None,
            quiet_since: None,
            open: None,
            end: End::Left,
            refused: None,
            registry: Arc::clone(self),
        }
    }

    /// What happened so far; the registry forgets it.
    pub fn take_history(&self) -> History {
        std::mem::take(&mut self.books().history)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's attempt, from before its question until after it was refused or
/// has given its slots back. Its drop writes it down, so an attempt that a
/// client abandons halfway is part of the history too.
pub struct Attempt {
    subject: Option<Subject>,
    asked: Stamp,
    opened: Option<Stamp>,
    quiet_since: Option<Stamp>,
    open: Option<Span>,
    end: End,
    refused: Option<Cause>,
    registry: Arc<Registry>,
}

impl Attempt {
    /// Whose it is.
    pub fn subject(&self) -> Option<&Subject> {
        self.subject.as_ref()
    }

    /// The way refused it.
    pub fn refused(mut self, cause: Cause) {
        self.refused = Some(cause);
    }

    /// Its session exists from now on.
    fn open(&mut self) {
        self.registry.open.fetch_add(1, SeqCst);
        let sure = self.registry.sure.fetch_add(1, SeqCst) + 1;
        self.registry.peak.fetch_max(sure, SeqCst);
        if let Some(account) = self.registry.books().account(self.subject.as_ref()) {
            account.sure += 1;
            account.peak = account.peak.max(account.sure);
        }
        self.opened = Some(self.registry.stamp());
    }

    /// Its session is about to be quiet, and may lose its slot from then on at
    /// any time. It is not counted any more; the audit decides from the stamp.
    fn go_quiet(&mut self) {
        if self.quiet_since.is_none() {
            self.quiet_since = Some(self.registry.stamp());
            self.count_no_more();
        }
    }

    /// Its session is about to be torn down. `end` tells how it has ended.
    ///
    /// It is asked after the stamp: what has not lost its slot when it is asked
    /// had it at the stamp. What has been evicted by then surely had it only
    /// until it went quiet, since nothing else says when it was evicted.
    fn close(&mut self, end: impl FnOnce() -> End) {
        if let Some(from) = self.opened.take() {
            let now = self.registry.stamp();
            self.end = end();
            let to = match (self.end, self.quiet_since) {
                (End::Evicted, Some(since)) => since,
                _ => now,
            };
            self.open = Some(Span { from, to });
            if self.quiet_since.is_none() {
                self.count_no_more();
            }
            self.registry.open.fetch_sub(1, SeqCst);
        }
    }

    fn count_no_more(&self) {
        if let Some(account) = self.registry.books().account(self.subject.as_ref()) {
            account.sure -= 1;
        }
        self.registry.sure.fetch_sub(1, SeqCst);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let span = Span { from: self.asked, to: self.registry.stamp() };
        let mut books = self.registry.books();
        let who = books.number(self.subject.as_ref());
        match self.refused {
            Some(cause) => books.history.refusals.push(Refusal { who, cause, during: span }),
            None => books.history.stays.push(Stay {
                who,
                held: span,
                open: self.open,
                end: self.end,
                was_quiet: self.quiet_since.is_some(),
            }),
        }
    }
}

/// An open session. It owns its permit; the registry counts it from after the
/// permit was got until before the permit goes, or before its slot may.
pub struct Session<P: Permit> {
    // `permit` before `attempt`: fields drop in this order, and the attempt
    // ends only after the slots were given back.
    permit: P,
    attempt: Attempt,
}

impl<P: Permit> Session<P> {
    /// Opens the session of an admitted client.
    pub fn open(mut attempt: Attempt, permit: P) -> Self {
        attempt.open();
        Self { permit, attempt }
    }

    /// Its client has nothing in flight any more.
    pub fn go_quiet(&mut self) {
        self.attempt.go_quiet();
        self.permit.go_quiet();
    }

    /// Completes when the way has ended it.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + use<P> {
        self.permit.ended()
    }
}

impl<P: Permit> Drop for Session<P> {
    fn drop(&mut self) {
        self.attempt.close(|| self.permit.end());
    }
}
