//! What the parts are and why they are built as they are.
//!
//! A server that keeps state per client asks the same questions again and
//! again: may this client come in, who is still here, who has gone quiet, when
//! may the refused one come back. Each part answers one of them, is useful
//! alone and knows nothing of the others.
//!
//! # The admission counter
//!
//! One atomic word holds the limit and the count:
//!
//! ```text
//!  63           32 31            0
//! +---------------+---------------+
//! |     limit     |    in_use     |
//! +---------------+---------------+
//! ```
//!
//! *Why not check, then add?* Two threads that both read `limit - 1` both add.
//! The overshoot is then permanent wherever each newcomer makes room for one:
//! nothing ever counts back below the limit.
//!
//! *Why not add, and undo when it was too much?* An attempt that will be undone
//! is counted for a moment, and whoever looks in that moment is refused
//! although there is room. Under contention at a small limit up to half of the
//! refusals are of this kind, and a check before the addition does not repair
//! it. Reserving by compare-and-swap counts an attempt only when it is granted.
//!
//! *Why the limit in the same word?* A verdict must judge one count by one
//! limit. With two words a change of the limit needs a debt to be paid off by
//! those who leave; with one, lowering it below `in_use` simply admits nobody
//! until enough have left, and the count has nothing to drift from.
//!
//! *Why no public release?* In normal life a session is closed twice: by the
//! request that ends it and by the task that notices its end. A release that is
//! called runs twice then, and the count drifts below the truth. A slot here
//! is owned by a value, and Rust drops a value once.
//!
//! *Why not many words, one for each core?* Far from the limit that is faster.
//! At the limit, which is what a limit is for, a refusal must then look at
//! every word, twice, and loses several times over.
//!
//! *Eviction* passes a slot on in the step that ends its session: the word that says
//! why a session ended also says whose its slot is, so it is never free in between, and
//! the count does not change.
//!
//! # The subject counts
//!
//! A map from subject to count that has an entry only where a permit is out.
//! It is one sorted list of all subjects, with buckets as shortcuts into it:
//!
//! ```text
//!  buckets   0           2           1           3         (bits reversed)
//!            |           |           |           |
//!            v           v           v           v
//!  list      D0 -> a -> D2 -> b ->  D1 -> c ->  D3 -> d -> e
//! ```
//!
//! *Why a list?* Order is by the reversed bits of the hash, so doubling the
//! buckets splits each chain in place: a new shortcut is put in and no entry
//! ever moves (a split-ordered list). A permit can then point at its entry
//! for as long as it lives, and give back without a lookup.
//!
//! *Why does a count of zero mean dead for ever?* Otherwise the last release
//! and the next acquire of a subject would race for whether the entry still
//! counts, and either a count is lost or an entry is kept. Here nobody raises
//! a zero: who meets one marks the entry, takes it out of the list and makes a
//! new one.
//!
//! *Why does only the last releaser free an entry?* Helpers take a dead entry
//! out, possibly several of them. Exactly one thread took its count from 1 to
//! 0, so exactly one hands it to the reclaimer, once it is surely unreachable.
//!
//! *Why inline subjects?* A lookup compares subjects, and a pointer to follow
//! for each is a cache miss for each.
//!
//! *Why a keyed hasher?* Clients choose their names. With a hash that they can
//! compute, they choose which names share a chain.
//!
//! *Limits by subject* are kept apart, in [`Overrides`](crate::Overrides): they
//! are set by operators, rarely, and read on every admission. The gate finds them by
//! the hash that it has computed for the counts, and looks for none while there is
//! no exception.
//!
//! *Why does an admission look a subject up?* It refuses a subject at its limit
//! before it asks anything that all share, and acquires last. What it found, a
//! node or the point at which to insert one, is good for as long as its guard lives:
//! the acquire goes on from there, and searches again only if the node died or
//! something else is at the point by now.
//!
//! # The rate window
//!
//! One cell for each admission that a window has room for; each holds the tick
//! at which its last admission leaves. To come in is to swap an expired stamp for
//! a new one, so two admissions of one cell are a whole window apart, and no
//! clock can put more into a window than there are cells.
//!
//! *Where to look?* Each thread begins where it took or gave back last, so that
//! threads write to different cache lines while there is room. At the last free
//! cells they meet; there the one that loses a race waits for a moment.
//!
//! *Why not a queue?* Its oldest entry must leave first, so one that is rolled
//! back in the middle stays unseen until its turn comes.
//!
//! *Why does a rollback restore the stamp before, not zero?* The cell's earlier
//! admission may still be inside a window of a thread whose clock lags.
//!
//! *Why not GCRA?* It keeps one number, a rate and not a window: after a pause it
//! lets up to twice as many into one window, and has nothing to give back.
//!
//! # The gate
//!
//! *Why subject, rate, gate, in this order?* What is taken last is never given
//! back by an admission that fails, so a refusal for it is exact. That must be
//! the word that all share: were the gate's slot taken first, a client over its
//! own limit would hold one for an instant, in each of its attempts, and others
//! would be refused for it. A subject over its limit is refused at its own
//! entry, before anything that others share.
//!
//! *Why a look first?* In a steady overload every refusal is then a few loads.
//! The steps, which write, are begun only if everything had room.
//!
//! *Why one word for the phase, and another for the idle time?* A session's end
//! has many causes and one reason: one compare-and-swap picks it. Whether it is
//! idle is known by its timer, whose word counts what is in flight: of an
//! enter and the timeout one wins there. Whoever finds the timer fired ends the
//! session with the reason that its driver is about to give, so nobody is told
//! what then turns out otherwise.
//!
//! *Why one timer, with two deadlines?* The idle time is put off by every request, the
//! lifetime by nothing, and before the handshake is done the init timeout stands in the
//! lifetime's place. A timer for each would be three nodes, of which the dead one of the
//! handshake would be told to newcomers as the first end.
//!
//! *Why does exactly one party tell?* The manager must drop the owner once. The
//! wheel fires a timer once and gives its payload to one driver; who closes
//! a session knows by that call; who drops the owner knows too.
//!
//! *Why is a slot free at the drop of the owner, not at the end?* Because the
//! session's memory, sockets and tasks are there until then. What has ended and
//! is still there is *draining*, and counted apart.
//!
//! *Why does a reaper need no waking?* It never sleeps longer than the shortest
//! timeout, so what comes while it sleeps is not due before it wakes. Whoever
//! admits then has nobody to tell.
//!
//! *Why is a clock read in two ways?* A wait that begins at the time that a clock
//! shows may begin early, since the clock lies behind: by a part of a tick, or by more
//! where it is cheap. So what begins is reckoned from the most that the time can
//! be, and what has come is judged by the least. Both come from one look. Who is told to
//! come back waits by a clock of its own, so it is told to wait for the difference too.
//!
//! *Why does an eviction pass the slot on?* If the victim gave its slot back and
//! the newcomer then took one, anybody could take it in between: the newcomer
//! would have ended a session for nothing, and the count would dip. So the step
//! that ends the victim makes its slot the newcomer's, and the count never moves.
//!
//! *Why an index of lower bounds?* An exact order by last activity would have to
//! be kept by every touch and every end of a request, the hottest paths there are.
//! Here they write one word, their session's own. The index knows only that a
//! session was active no earlier than so; activity moves a session back, never
//! forward, so whoever searches corrects the first entry until it is true, and
//! then it is the least. Each correction is paid for by an activity.
