//! The timer wheel in pictures, and every race about a timer with its ruling.
//!
//! # Levels
//!
//! Time is whole ticks. A level has 64 slots; a slot of level 1 spans 64 ticks,
//! as much as all of level 0, and so on up to level 7, which spans all 2^44
//! ticks there are. A deadline goes to the level of the highest group of six
//! bits in which it differs from the present.
//!
//! ```text
//!              now = 70                 insert: deadline 75, 200, 9000
//!
//!  level 2  |        |        | 8192.. |        |   ...     9000 -> start 8192
//!            0..4095  4096..   9000 *
//!  level 1  |  now   | 128..  | 192..  | 256..  |   ...      200 -> start  192
//!            64..127           200 *
//!  level 0  | 64 | 65 |  ... | 70 | ... | 75 * | ... | 127 |   75 -> start 75
//! ```
//!
//! A slot's *start* is the first tick it stands for: never after the deadline
//! of anything in it. An advance visits every slot whose start has come. So a
//! timer is looked at too early, never too late, and at most once on each
//! level on its way down.
//!
//! # A shard
//!
//! ```text
//!   Timer ──────────────┐ number                       thread 1, 5, ...: shard 0
//!                       v                              thread 2, 6, ...: shard 1
//!   slot            +--------+   next   +--------+
//!  | head | ------> |  node  | -------> |  node  |     a chain: pushed to, or
//!  | rest | --+     | word   |          | word   |     taken whole
//!             |     | start  |          | start  |
//!             v     +--------+          +--------+
//!          +--------+       ^ below
//!          |  node  | ...   |           hint: no chain starts before this tick
//!          +--------+   +-------+       occupied: a bit for each slot
//!                       | free  |       arena: nodes by number, never moved
//!                       +-------+
//! ```
//!
//! A long chain that was taken goes into `rest`, where drivers and sweepers pop
//! a few nodes at a time; nobody holds more than a few privately.
//!
//! # What one visit does
//!
//! Whoever has a node's link looks at its word, and ends with one
//! compare-and-swap:
//!
//! ```text
//!              due, not held ──> fire:     Live -> Fired, payload out, -> Done
//!          │   fixed one due ──> note it;  if it is due still, the same
//!   Live ──┤   held, overdue ──> touch it, link it again
//!              not due ────────> refresh:  link it where its earlier deadline belongs
//!   Cancelled ─────────────────> sweep:    -> Free; it is on the free list already
//!   Orphan ────────────────────> sweep:    -> Free, onto the list
//!   Retired ───────────────────> sweep:    -> Done, the handle's alone
//! ```
//!
//! So a visit is cascade, lazy refresh and sweep at once; a touch never moves
//! anything.
//!
//! # Two deadlines
//!
//! A touch and a hold put off the idle deadline, which is in the timer's word. The
//! fixed one is beside it, for a maximum lifetime, or for the time that a handshake
//! may take. The node is linked by the earlier of the two, so of both a visitor
//! comes too early and never too late:
//!
//! ```text
//!    insert        touch             touch      fixed
//!      |-------------|-----------------|----------|------------> ticks
//!      linked by the idle deadline:
//!      |..................>|                          a visit finds it touched:
//!                          |...............>|         it is linked again
//!                                           |....>|   by the fixed one: it fires,
//!                                                 !   touched or held
//! ```
//!
//! Two words can not be compared and swapped at once. So a driver that fires by
//! the fixed deadline first notes the word, then reads the deadline, then fires from
//! the noted word; whoever moves the deadline takes the note off:
//!
//! ```text
//!   driver                          handle, moves the deadline from 1 to 5
//!   word: Live -> Live, noted
//!                                   fixed := 5
//!   fixed? 1 or 5                   word: -> Live      `Ok`: not by the old one
//!   word: noted -> Fired  fails if the note is gone, and looks again
//! ```
//!
//! # A node's life
//!
//! ```text
//!            insert                 cancel (payload out, onto the free list)
//!   Free ──────────────> Live ──────────────────────────> Cancelled
//!    ^                    │  ^                               │ │  │
//!    │                    │  └── popped, linked early enough ┘ │  │
//!    │       fire         v                                    │  │
//!    ├── handle drop ── Done <── Fired     popped, linked too late │
//!    │                                                         v  │
//!    └──────────── its visitor ──────────────────────────── Orphan│
//!    └──────────── its visitor ───────────────────────────────────┘
//! ```
//!
//! # Races and rulings
//!
//! | race | ruling |
//! |---|---|
//! | insert, take | one CAS on the slot's head; the loser reads again. Push-only and taken whole, so an equal head is the current head and no tag is needed |
//! | late insert behind the tick | every slot whose start has come is visited, whenever it was filled: the next advance finds it |
//! | stale inserter, later round | it must not join a chain that is visited too late: its push makes the chain one of its own round. A chain of an earlier round may be joined: it is visited earlier, and what is not due is linked again |
//! | joining a chain | the node takes the chain's start as its own, and says nothing to the hint: who began the chain does |
//! | touch, fire | one word, one CAS each. `Ok` from touch: the timer does not fire before the new deadline |
//! | touch to an earlier idle deadline | not offered: the node would be linked too late. Cancel, and insert |
//! | fixed deadline, touch or hold | the timer fires: a touch or a hold that wins a step makes the driver look again, and the deadline is still due |
//! | fixed deadline moved, fire by the old one | the driver fires from a noted word only, the mover takes the note off: either the firing fails, or the mover finds the timer fired |
//! | fixed deadline moved to an earlier tick | the node is linked where it is; who links it again reads the deadline after its step on the word. So it is late by no more than without the move |
//! | fixed deadline that is yet to be set | the node is linked, and looked at, no later than the deadline could be if it were set at that time |
//! | fixed deadline, adoption | the inserter fills it in before its step on the word; who links or fires by it has read it after a step on that word |
//! | cancel, fire | one word; the payload is the winner's |
//! | hold, fire | one word; a held timer is not due. Past its deadline it is touched by its visitor, so it is looked at once in an idle time |
//! | release, visit | the visitor's touch and the releaser's are both maxima on the word; whichever loses its CAS computes again |
//! | cancel and adopt, visitor that links again | the visitor writes the new start, confirms the word by a CAS to itself, then pushes; the adopter reads the start of a cancelled word. Either the visitor's CAS fails, or the adopter sees the new start |
//! | adopt, visit | Cancelled → Live by the adopter or → Free by the visitor. The adopter fills first: the node is its own either way |
//! | adopt, due at once | the visitor who finds it live and due fires it; its start had come, so the deadline had a right to |
//! | retire, visit | Live → Retired by the handle: the payload is out, and the link a visitor's, who makes it Done. A handle that is dropped before makes it Cancelled |
//! | retire by somebody who does not own it, hold, touch, cancel, fire | it is claimed first, by a CAS from a word that nobody holds, then retired from that word; all others take a claimed timer for one that nobody holds, and win |
//! | the same, the node becomes another timer's meanwhile | the claim has the claimant's number; the claimant looks whose timer it is when it has its claim |
//! | the same, the owner drops its handle before the payload is out | the payload keeps the handle: the owner cancels a timer that is live only |
//! | a look for a timer that nobody holds, a release | the look marks the word of one that is held, by a CAS; the release that takes the mark off tells |
//! | node linked too late | → Orphan: off the list until its visitor frees it |
//! | reuse, payload still on its way out | a fired node is on the list as soon as its handle is dropped; it is not used before it is `Done` |
//! | free list, reuse of the top | 37-bit tag |
//! | rest, filled again | 38-bit tag |
//! | sweep, advance | both take links, nobody has one twice. A timer in another's hand is found by the first advance that starts after that one has returned |
//! | two drivers, hint | the hint has a version: a driver raises it only if nobody but itself lowered it since its scan began |
//! | hint, insert | always a write, even if the hint is low enough; a load first would let a driver raise it unnoticed |
//! | cleared bit | who clears a bit looks at the slot again; who fills a slot sets its bit after the push |
//! | panicking callback | the rest of the hand is linked again; bits stay set until their slot was seen empty, and the hint is raised at the end only |
//! | callback that inserts | slots are visited once in an advance and each chain is taken once, so it ends |
//! | stalled driver | holds a piece of one slot; all else goes on |
//! | clock back, jump | the wheel has no present: an earlier `now` has nothing due, a later one is one scan of the occupied slots |
//! | overflow | deadlines are clamped to the last tick; sums saturate |
//! | wheel dropped, timers live | payloads are dropped; the last handle frees the shard, known by the depth of the closed free list |
//!
//! # Where the ideas are from
//!
//! Varghese and Lauck (1987) for the wheel; Linux and tokio for touching
//! without moving and for the cached next expiry; Treiber (1986) for the free
//! list. That stopped timers must give their payload back at once is the
//! lesson of Go's issue 75935 and Netty's 2561.
