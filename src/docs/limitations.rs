//! What the crate does not do, and where others are faster.
//!
//! # The admission counter
//!
//! - It never waits. A caller who wants to queue for a slot wants a semaphore
//!   such as tokio's.
//! - A count has 32 bits: at 4,294,967,295 holders even an unlimited counter
//!   refuses.
//! - `mem::forget` of a permit keeps its slot in use for ever, as
//!   [`Permit::forget`](crate::Permit::forget) does.
//! - It needs 64-bit atomics; a target without them fails to compile.
//! - It counts in one process. A limit over several machines needs a shared
//!   store.
//!
//! *Slower than others:* a refusal costs 1.1 to 1.3 times that of tokio's and
//! async-lock's semaphores (all are one load of a shared line, near 2 ns; ours
//! unpacks two halves). Far from the limit with two threads or more, a
//! parking_lot mutex has been measured ahead on some machines: it is unfair,
//! so the thread that holds the line keeps it. Every thread count and peer is
//! in the table of `cargo bench --bench ratios -- admission`.
