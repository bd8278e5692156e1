//! What the peers have in common: sessions by number, of subjects by name.

use std::time::Duration;

use headcount::{CapacityPolicy, Cause};

/// Longer than any run, so that what lives, lives on.
pub const IDLE: Duration = Duration::from_secs(3600);

/// The sessions that a subject may have.
pub const SUBJECT_LIMIT: u32 = 4;

/// How long a session is safe where the idle make room: less than it takes until it
/// is its turn.
pub const FLOOR: Duration = Duration::from_micros(1);

/// What may be inside.
#[derive(Clone, Copy)]
pub struct Limits {
    pub most: u32,
    /// Admissions in an hour.
    pub rate: Option<u32>,
    /// Who makes room for one more.
    pub policy: CapacityPolicy,
}

impl Limits {
    pub const fn new(most: u32) -> Self {
        Self { most, rate: None, policy: CapacityPolicy::Reject }
    }
}

/// Sessions that idle.
pub trait Sessions: Send + Sync + 'static {
    /// How its owner reaches a session.
    type Session: Send + Sync;

    fn new(limits: Limits) -> Self;

    /// No two sessions that live at once have the same `id`. `None` is
    /// anonymous.
    fn admit(&self, subject: Option<&str>, id: u64) -> Result<Self::Session, Cause>;

    fn end(&self, session: Self::Session);

    /// Now its idle time begins anew.
    fn touch(&self, session: &Self::Session);

    /// Only some peers have a limit.
    fn set_limit(&self, _most: u32) {}

    /// What a driver does now and then. Not timed, and of no effect on what
    /// lives.
    fn settle(&self) {}
}

/// Sessions that are busy, exact limits, and a cause for each refusal.
pub trait Manager: Sessions {
    /// Something in flight, begun and ended.
    fn request(&self, session: &Self::Session);

    fn close(&self);

    fn in_use(&self) -> u32;
}
