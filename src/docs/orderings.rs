//! The rules that every memory ordering here follows.
//!
//! 1. Each module's header has a table of its atomic accesses: the ordering,
//!    its partner, what breaks without it, and the model that fails when it is
//!    weakened. A row without such a model says that it is an argument.
//! 2. An ordering is as weak as its models allow. `SeqCst` is used in one place, the
//!    rate window, where two threads each write one word and read the other's, and one
//!    of them must see the other. The checker takes it for `AcqRel`, so under it a
//!    fence stands between two such operations of one thread (`sync/atomic.rs`).
//! 3. What a caller may rely on is stated on the public type, under *Memory
//!    ordering*, in terms of what happens before what.
//! 4. Two operations on one word never need an ordering to agree on the word
//!    itself: its modification order is one, and a read-modify-write always
//!    acts on the latest value. Orderings here are about *other* memory.
//!
//! # Admission counter
//!
//! `Acquire` on the reserving compare-and-swap and `Release` on the releasing
//! subtraction make a slot a hand-over point: what its holder did is visible
//! to its next holder. Read-modify-writes in between, by anybody, continue the
//! release sequence, so it does not matter whose subtraction the next holder
//! read. The gauges load with `Acquire`, so that "closed to newcomers, then
//! `in_use` is 0" means that the holders are done. A refusal reads with
//! `Relaxed`: it returns nothing that another thread has prepared. The reserving
//! compare-and-swap also releases, for the search for the first end alone (below).
//!
//! # Subject counts
//!
//! Every link is read with `Acquire` and changed by a compare-and-swap that
//! releases, so whoever reaches an entry sees it whole, and what a thread knew
//! when it inserted, marked or unlinked is known to those who pass there. That
//! chain, from the last holder of a dead entry over whoever helped it out to
//! the first holder of the new one, is what makes "released before the next
//! acquire" hold across two entries of one subject. The compare-and-swap of an
//! insert must also acquire: a model found an interleaving in which the new
//! entry's owner had passed a link whose change it had not acquired.
//!
//! Giving back is a `Release` subtraction; the one that reaches zero follows it
//! with an `Acquire` fence, as a reference count does, before it frees.
//!
//! # Order of evictions
//!
//! A lower releases and a raise acquires, word by word from the slot to the root, so a
//! raise that sees that somebody was announced at a word sees the announcement below it.
//! A raise releases too, although it announces nobody: a model found a search that
//! saw that the last had left, and not that another had been woken before, and said that
//! nobody may go while at each instant somebody could. For the same reason what a
//! look reads acquires.
//!
//! # First end
//!
//! A search for the session that ends first (`wheel/first_end.rs`) begins with a
//! write to its word, and every access to that word is `Relaxed`. Of the search and
//! what happens meanwhile one sees the other by read-modify-writes on words that are
//! written anyway: of a timer that is held, and of the gate's count of slots, to which
//! the searcher adds nothing, `AcqRel`. So nobody else pays for a fence, but for an
//! eviction, which takes no slot of the count and adds nothing to it likewise.
//!
//! # References to a session
//!
//! A session counts its own references, with the orderings of `Arc`. Its owner, who gives
//! the last two back at once, needs no decrement where a load that acquires says that there
//! are only these.
//!
//! # Rate window
//!
//! A cell is its own whole state, so taking it is `Relaxed`. Only "every cell is held"
//! is about other memory: a rollback frees its cell and then reads the verdict, to
//! clear it if it says anything; whoever is about to look at the cells has a mark in
//! the verdict, and then reads the cells. All four are `SeqCst`, so the one sees the
//! free cell or the other the mark. On x86 that costs nothing beyond the
//! compare-and-swap of the cell. A rollback that always wrote to the verdict would need
//! `Release` and `Acquire` only, but all threads would write to one line.
