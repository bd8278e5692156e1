//! Read after `error.rs`. What can be chosen about a guarded manager beside the
//! settings of its gate.

use headcount::CloseReason;

/// What becomes of a session that is asked for by a request that came by no
/// [`McpLayer`](crate::McpLayer), so that nobody knows who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unidentified {
    /// It is anonymous: no limit of a subject applies, the gate's does.
    #[default]
    Anonymous,
    /// It is refused.
    Refuse,
}

/// When the slots of a session are free again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReleaseOn {
    /// When rmcp has dropped its transport. It waits for handlers that run on
    /// after their session was closed, for up to five seconds; then it cancels
    /// them.
    #[default]
    Drained,
    /// When it has ended. Handlers of ended sessions may then run beside as many
    /// sessions as the limit allows.
    Closed,
}

/// Is a session busy while its client has the stream open by which a server
/// sends what nobody asked for (an HTTP `GET`)?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OpenStreams {
    /// Yes: a client that listens is there.
    #[default]
    Busy,
    /// No: only requests count, so that a client which only listens may be
    /// idle, and may be evicted.
    Ignored,
}

/// What a request is answered that names the session of another subject.
///
/// A choice of [`McpLayer`](crate::McpLayer), which knows who asks. Sessions that
/// were opened anonymously are served to whoever has their id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherSubjects {
    /// 404, as for an id that nobody has; the session does not notice. A request
    /// without a subject is one of another.
    NotFound,
    /// It is served: for subjects by which a client is not the same all the time,
    /// such as its address.
    Served,
}

/// Is a ping a sign of life of the client, one that it sends or one that it
/// answers?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pings {
    /// Yes: a client that pings, or answers a ping, is there.
    #[default]
    Counted,
    /// No: a client whose program does no more than ping may be idle, and may be
    /// evicted.
    Ignored,
}

/// What a session is when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum InitialPhase {
    /// Until the client has said that it is initialized.
    #[default]
    Pending,
    Established,
}

/// What events are recorded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Target {
    #[default]
    Headcount,
    McpSession,
}

/// What can be chosen about [`GuardedSessions`](crate::GuardedSessions) beside
/// the settings of its gate.
#[derive(Debug, Clone)]
#[must_use = "rules do nothing until a manager has them"]
pub struct Rules {
    pub(crate) unidentified: Unidentified,
    pub(crate) release_on: ReleaseOn,
    pub(crate) open_streams: OpenStreams,
    pub(crate) pings: Pings,
    pub(crate) initial_phase: InitialPhase,
    pub(crate) logs_subjects: bool,
    pub(crate) calls_bounded_elsewhere: bool,
    pub(crate) target: Target,
    pub(crate) reason: fn(CloseReason) -> String,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            unidentified: Unidentified::default(),
            release_on: ReleaseOn::default(),
            open_streams: OpenStreams::default(),
            pings: Pings::default(),
            initial_phase: InitialPhase::default(),
            logs_subjects: false,
            calls_bounded_elsewhere: false,
            target: Target::default(),
            reason: |reason| reason.to_string(),
        }
    }
}

impl Rules {
    /// What becomes of sessions that nobody knows the subject of.
    pub fn unidentified(mut self, unidentified: Unidentified) -> Self {
        self.unidentified = unidentified;
        self
    }

    /// When the slots of a session are free again.
    pub fn release_on(mut self, release_on: ReleaseOn) -> Self {
        self.release_on = release_on;
        self
    }

    /// Whether an open `GET` stream keeps a session busy.
    pub fn open_streams(mut self, open_streams: OpenStreams) -> Self {
        self.open_streams = open_streams;
        self
    }

    /// Whether pings keep a session from being idle.
    pub fn pings(mut self, pings: Pings) -> Self {
        self.pings = pings;
        self
    }

    /// Calls of clients without sessions are bounded by other means than
    /// [`McpGuard::calls`](crate::McpGuard::calls), or need not be: no warning says
    /// that they are not.
    pub fn calls_bounded_elsewhere(mut self) -> Self {
        self.calls_bounded_elsewhere = true;
        self
    }

    /// Names the subject in the events that are recorded. They do not
    /// otherwise, as it may be a person's name.
    pub fn log_subjects(mut self) -> Self {
        self.logs_subjects = true;
        self
    }
}
