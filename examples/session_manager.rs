//! A session manager to copy: a map of sessions, a request path, a reaper and a
//! shutdown. `cargo run --example session_manager`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use headcount::{CloseReason, EnterError, Gate, Limit, Reaper, Rejected, Session};

type Id = u64;

/// What the server keeps for a client. Its slots are free when this is dropped.
struct Client {
    session: Session<String, Id>,
    greeting: String,
}

type Clients = Arc<Mutex<HashMap<Id, Client>>>;

struct Manager {
    gate: Gate<String, Id>,
    clients: Clients,
    next: AtomicU64,
    _reaper: Reaper,
}

#[derive(Debug)]
enum RequestError {
    /// Answer 404: there is no such session, or there was and it has ended.
    NoSession,
    /// Answer 429.
    TooManyRequests,
}

/// A panic elsewhere must not take the map with it.
fn lock(clients: &Clients) -> std::sync::MutexGuard<'_, HashMap<Id, Client>> {
    clients.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Manager {
    fn new(ends: Sender<(Id, CloseReason)>) -> Result<Self, Box<dyn std::error::Error>> {
        let gate = Gate::builder()
            .limit(Limit::at_most(100))
            .subject_limit(Limit::at_most(2))
            .idle_timeout(Duration::from_millis(50))
            .build()?;
        let clients = Clients::default();
        let map = Arc::clone(&clients);
        let reaper = gate.reap(move |ended| {
            let client = lock(&map).remove(&ended.tag); // dropped after the lock
            drop(client);
            _ = ends.send((ended.tag, ended.reason));
        })?;
        Ok(Self { gate, clients, next: AtomicU64::new(1), _reaper: reaper })
    }

    /// Opens a session, or says what to answer: 429 or 503, and `Retry-After`.
    fn open(&self, subject: &str) -> Result<Id, Rejected> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let reservation = self.gate.reserve(Some(subject), id)?;
        // Here a server starts what can fail; then the reservation is undone.
        let greeting = format!("hello {subject}");
        // Under the lock, so that the reaper finds the session if it ends.
        let mut clients = lock(&self.clients);
        let session = reservation.commit()?;
        clients.insert(id, Client { session, greeting });
        Ok(id)
    }

    /// A request: busy from here to the end of the answer.
    fn request(&self, id: Id) -> Result<String, RequestError> {
        let (handle, greeting) = {
            let clients = lock(&self.clients);
            let client = clients.get(&id).ok_or(RequestError::NoSession)?;
            (client.session.handle(), client.greeting.clone())
        };
        // The first request completes the handshake.
        handle.establish().map_err(|_| RequestError::NoSession)?;
        let _busy = handle.into_activity().map_err(|error| match error {
            EnterError::TooMany => RequestError::TooManyRequests,
            _ => RequestError::NoSession,
        })?;
        Ok(greeting)
    }

    /// The client is done.
    fn close(&self, id: Id) {
        let client = lock(&self.clients).remove(&id);
        drop(client);
    }

    /// Nobody comes in any more; the reaper empties the map.
    fn shut_down(&self) {
        self.gate.close_all(CloseReason::Shutdown);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (sender, ends): (_, Receiver<(Id, CloseReason)>) = channel();
    let manager = Manager::new(sender)?;

    let (alice, bob) = (manager.open("alice")?, manager.open("bob")?);
    println!("{}", manager.request(alice).expect("she is there"));
    manager.close(bob);
    println!("bob: {:?}", manager.request(bob).expect_err("he has left"));

    let (id, reason) = ends.recv()?; // alice does nothing for a while
    println!("{id} has ended: {reason}");
    println!("alice: {:?}", manager.request(alice).expect_err("her session has ended"));

    let carol = manager.open("carol")?;
    manager.shut_down();
    assert_eq!(ends.recv()?, (carol, CloseReason::Shutdown));
    println!("in use: {}", manager.gate.in_use());
    Ok(())
}
