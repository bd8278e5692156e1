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
//! *Slower than others:* a refusal has been measured at 1.1 to 1.3 times the
//! cost of async-lock's and of a bare compare-and-swap loop with a fixed limit:
//! all are one load of a shared word, near a nanosecond, and ours unpacks the
//! limit from it. Two threads that only acquire and release far from the limit
//! share one cache line, and do less together than one alone; there a
//! parking_lot mutex, being unfair, has been measured ahead on some machines,
//! though not on the one that the README's figures come from.
//!
//! # The subject counts
//!
//! - Buckets are kept until the map goes: 16 bytes for each, about one for
//!   every subject or two that were ever there at once, never more than the
//!   cap. Entries are not kept.
//! - An entry is freed once every thread that was inside an operation of any
//!   map of the program has left it, and some thread has come by since. A
//!   thread that is descheduled inside delays that for all.
//! - A subject of a type that is not text or bytes is dropped then, on whatever
//!   thread comes by; if its `Drop` panics, the panic ends there.
//! - Creating an entry calls the allocator, which may take a lock.
//! - [`subjects`](crate::SubjectCounts::subjects) and the snapshot walk the
//!   whole map, and are not one instant's picture while it changes.
//! - Changing an exception in [`Overrides`](crate::Overrides) locks one bucket
//!   of an index; reading a limit does not.
