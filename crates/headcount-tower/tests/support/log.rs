//! What is logged on this thread while a test runs.
//!
//! The subscriber is the process's: what is enabled is remembered for all threads,
//! so one of a single thread's would miss what another thread has logged before.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

thread_local! {
    /// What was logged here, while somebody looks.
    static WRITTEN: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The log of this thread from `DEBUG` on, until it is dropped.
pub struct Log {
    _of_this_thread: std::marker::PhantomData<*const ()>,
}

impl Log {
    pub fn start() -> Self {
        static SUBSCRIBED: Once = Once::new();
        SUBSCRIBED.call_once(|| {
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::DEBUG)
                .with_writer(|| ToThisThread)
                .with_ansi(false)
                .finish();
            tracing::subscriber::set_global_default(subscriber).expect("nobody else has one");
            tracing::callsite::rebuild_interest_cache();
        });
        WRITTEN.set(Some(Vec::new()));
        Self { _of_this_thread: std::marker::PhantomData }
    }

    pub fn text(&self) -> String {
        WRITTEN.with_borrow(|written| String::from_utf8(written.clone().unwrap()).unwrap())
    }

    /// The lines of this level that have all of these parts.
    pub fn count(&self, level: &str, parts: &[&str]) -> usize {
        let has_all =
            |line: &&str| line.contains(level) && parts.iter().all(|part| line.contains(part));
        self.text().lines().filter(has_all).count()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        WRITTEN.set(None);
    }
}

struct ToThisThread;

impl io::Write for ToThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        WRITTEN.with_borrow_mut(|written| written.iter_mut().for_each(|all| all.extend(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
