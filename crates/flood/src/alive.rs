//! How many sessions a server really keeps, whatever it says itself.
//!
//! A session of rmcp owns its handler: the task that serves it has one, and each
//! call that runs has a share. So as long as a session lives its handler does,
//! and when all is gone that the session needs, the handler is dropped. That is
//! rmcp's, and the same for every manager of sessions.
//!
//! A handler counts from the client's `notifications/initialized` on, since rmcp
//! makes handlers for clients too that it then refuses. It is dropped a little
//! after its session has ended and given back its slot. So this is what sessions
//! cost the server; over a limit by a few it convicts nobody. `proof.rs` does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// The handlers of one server.
#[derive(Debug, Clone, Default)]
pub struct Alive(Arc<AtomicUsize>);

impl Alive {
    /// So many live.
    pub fn now(&self) -> usize {
        self.0.load(SeqCst)
    }

    /// What a new handler is to own.
    pub fn life(&self) -> Life {
        Life { alive: self.clone(), begun: AtomicBool::new(false) }
    }
}

/// Owned by a handler; its drop counts it away.
#[derive(Debug)]
pub struct Life {
    alive: Alive,
    begun: AtomicBool,
}

impl Life {
    /// From here on it counts, once.
    pub fn begin(&self) {
        if !self.begun.swap(true, SeqCst) {
            self.alive.0.fetch_add(1, SeqCst);
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if *self.begun.get_mut() {
            self.alive.0.fetch_sub(1, SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_counts_once_from_its_session_to_its_drop() {
        let alive = Alive::default();
        let (refused, served) = (alive.life(), alive.life());
        assert_eq!(alive.now(), 0);
        served.begin();
        served.begin();
        drop(refused);
        assert_eq!(alive.now(), 1);
        drop(served);
        assert_eq!(alive.now(), 0);
    }
}
