#![cfg(all(unix, not(feature = "loom")))]
//! A refusal at the limit writes no memory of the map, not even a value that
//! was there before: the map lies in pages that nobody may write to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use headcount::{Limit, SubjectCounts};

#[global_allocator]
static ALLOC: Arena = Arena;

/// Gives out blocks of one stretch of pages where a thread asks for it, and the
/// system's otherwise.
struct Arena;

const ARENA_BYTES: usize = 4 << 20;

static START: AtomicUsize = AtomicUsize::new(0);
static USED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static IN_ARENA: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: a block of the arena is aligned, inside its pages, overlaps no other
// and is never used again; the others are the system allocator's.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !IN_ARENA.get() {
            // SAFETY: the caller's promise is passed on.
            return unsafe { System.alloc(layout) };
        }
        // One thread uses the arena.
        let start = START.load(Relaxed);
        let at = (start + USED.load(Relaxed)).next_multiple_of(layout.align());
        let end = at + layout.size();
        if end > start + ARENA_BYTES {
            return ptr::null_mut();
        }
        USED.store(end - start, Relaxed);
        ptr::with_exposed_provenance_mut(at)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if !is_in_arena(block.addr()) {
            // SAFETY: the caller's promise is passed on.
            unsafe { System.dealloc(block, layout) }
        }
    }
}

fn is_in_arena(address: usize) -> bool {
    let start = START.load(Relaxed);
    start != 0 && (start..start + ARENA_BYTES).contains(&address)
}

fn map_arena() {
    // SAFETY: asks for new pages, where the system likes.
    let pages = unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
        libc::mmap(ptr::null_mut(), ARENA_BYTES, access, flags, -1, 0)
    };
    assert_ne!(pages, libc::MAP_FAILED);
    START.store(pages.expose_provenance(), Relaxed);
}

fn protect_arena(access: libc::c_int) {
    let pages = ptr::with_exposed_provenance_mut(START.load(Relaxed));
    // SAFETY: the pages are the arena's, whole.
    assert_eq!(unsafe { libc::mprotect(pages, ARENA_BYTES, access) }, 0);
}

/// Ends the process with a word of why, instead of a signal's number.
extern "C" fn written(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the system passes the fault's address; `write` and `_exit` may
    // be called in a handler.
    unsafe {
        let text: &[u8] = match is_in_arena((*info).si_addr().addr()) {
            true => b"\nFAILED: a refusal wrote to the memory of the map\n",
            false => b"\nFAILED: a fault that has nothing to do with the map\n",
        };
        libc::write(2, text.as_ptr().cast(), text.len());
        libc::_exit(101);
    }
}

fn report_writes() {
    // SAFETY: `written` has the signature that `SA_SIGINFO` asks for; the rest
    // of the action may be zero.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = written as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        for signal in [libc::SIGSEGV, libc::SIGBUS] {
            assert_eq!(libc::sigaction(signal, &action, ptr::null_mut()), 0);
        }
    }
}

#[test]
fn a_refusal_at_the_limit_writes_no_memory_of_the_map() {
    let limit = Limit::at_most(2);
    // Whatever a thread keeps for itself is made outside the arena.
    drop(SubjectCounts::<String>::new().try_acquire("somebody", limit));
    map_arena();
    report_writes();

    IN_ARENA.set(true);
    let counts = Arc::new(SubjectCounts::<String>::new());
    let held: Vec<_> = (0..2000)
        .map(|number| counts.try_acquire_owned(&*format!("tenant {}", number / 2), limit).unwrap())
        .collect();
    IN_ARENA.set(false);
    assert!(USED.load(Relaxed) > 16 * 1024, "the map is not in the arena");

    protect_arena(libc::PROT_READ);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for turn in 0..100_000 {
                    let subject = format!("tenant {}", turn % 1000);
                    assert!(counts.try_acquire(&*subject, limit).is_err());
                    assert!(counts.try_acquire_owned(&*subject, limit).is_err());
                    assert_eq!(counts.count(&*subject), 2);
                }
                assert_eq!(counts.subjects(), 1000);
                assert_eq!(counts.snapshot().len(), 1000);
            });
        }
    });
    protect_arena(libc::PROT_READ | libc::PROT_WRITE);
    drop(held);
    assert_eq!(counts.subjects(), 0);
}
