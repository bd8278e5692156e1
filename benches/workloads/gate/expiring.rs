//! How long a newcomer is kept while another thread ends all sessions that live.
//!
//! A newcomer is due every [`EVERY`], and is kept from when it was due until its
//! session is admitted and ended, so that who could not even begin, since another was
//! kept, counts as well. The figure is what one in a thousand exceeds.

use std::hint::black_box;
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use super::super::counts::subject;
use super::super::scatter;
use super::moment::Manual;
use super::sessions::{IDLE, Limits, Sessions};

/// From one newcomer to the next.
const EVERY: Duration = Duration::from_micros(10);

/// Sessions that end when they were idle for too long, by a clock that stands until it
/// is moved.
pub trait Expires: Sessions {
    /// Ends whoever was idle for too long, and frees what all of them held. How many.
    fn expire(&self, held: Vec<Self::Session>) -> usize;
}

/// What one in a thousand exceeds, or the most if they are fewer.
fn p999(mut kept: Vec<Duration>) -> Duration {
    let nth = kept.len() - 1 - kept.len() / 1000;
    *kept.select_nth_unstable(nth).1
}

/// Among so many that live, each of a subject of its own. All end at once, and the
/// thread of the newcomers admitted them, so that their timers share a shard.
pub fn newcomers<M: Expires>(live: u32, expire: fn(&M, Vec<M::Session>) -> usize) -> Duration {
    const ROOM: u32 = 64;
    let manager = M::new(Limits::new(live + ROOM));
    let (sender, admitted) = mpsc::channel();
    let (began, over) = (OnceLock::new(), OnceLock::new());
    let live = u64::from(live);
    std::thread::scope(|scope| {
        let newcomers = scope.spawn(|| {
            let admit = |id| {
                let own = format!("client-{:016x}", scatter(id));
                manager.admit(Some(&own), id).expect("there is room")
            };
            let held: Vec<_> = (0..live).map(admit).collect();
            sender.send(held).expect("it is waited for");
            // What threads read that admit.
            black_box(subject(0));
            let mut kept = Vec::with_capacity(1 << 17);
            let mut due = loop {
                match began.get() {
                    Some(&began) => break began,
                    None => std::hint::spin_loop(),
                }
            };
            for id in live.. {
                // Those that were due before it was over are waited for.
                if over.get().is_some_and(|&over| due >= over) {
                    break;
                }
                while Instant::now() < due {
                    std::hint::spin_loop();
                }
                let newcomer = Some(subject((id % 256) as usize));
                let session = manager.admit(newcomer, id).expect("there is room");
                manager.end(black_box(session));
                kept.push(due.elapsed());
                due += EVERY;
            }
            kept
        });
        let held = admitted.recv().expect("they are admitted");
        Manual::pass(IDLE);
        began.get_or_init(Instant::now);
        let expired = expire(&manager, held);
        over.get_or_init(Instant::now);
        assert_eq!(expired as u64, live);
        p999(newcomers.join().unwrap())
    })
}
