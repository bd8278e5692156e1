//! The atomic read-modify-writes of the instructions that a thread executes, on
//! x86-64 Linux: it is stepped by the trap flag, and what it is about to
//! execute is read at each stop.

use std::arch::asm;
use std::ffi::{c_int, c_void};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};

/// More than any path that is measured.
const MOST: usize = 64;

/// What the signal handler found, by its first opcode byte that tells.
static FOUND: [AtomicU8; MOST] = [const { AtomicU8::new(0) }; MOST];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Only one thread steps at a time.
static STEPS: Mutex<()> = Mutex::new(());

/// An instruction that locks the bus, by the opcode that tells which.
///
/// Everything but `xchg` with memory needs the prefix `lock`, which is one of
/// the bytes before the opcode.
fn opcode_of_locked(code: impl Fn(usize) -> u8) -> Option<u8> {
    let (mut at, mut is_locked) = (0, false);
    loop {
        match code(at) {
            0xF0 => is_locked = true,
            // Other prefixes of those instructions.
            0x66 | 0xF2 | 0xF3 | 0x2E | 0x36 | 0x3E | 0x26 | 0x64 | 0x65 | 0x40..=0x4F => {}
            0x0F if is_locked => return Some(code(at + 1)),
            opcode if is_locked => return Some(opcode),
            // `xchg` with a register is two moves.
            opcode @ (0x86 | 0x87) if code(at + 1) >> 6 != 3 => return Some(opcode),
            _ => return None,
        }
        at += 1;
    }
}

fn name(opcode: u8) -> &'static str {
    match opcode {
        0xB0 | 0xB1 => "cmpxchg",
        0xC7 => "cmpxchg8b or 16b",
        0xC0 | 0xC1 => "xadd",
        0x86 | 0x87 => "xchg",
        0xFE | 0xFF => "inc or dec",
        0x80 | 0x81 | 0x83 | 0x00 | 0x01 | 0x28 | 0x29 => "add, sub, and, or",
        _ => "another",
    }
}

extern "C" fn on_step(_signal: c_int, _info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands a handler installed with `SA_SIGINFO` the
    // context of what it interrupted.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let next = registers[libc::REG_RIP as usize] as usize as *const u8;
    // SAFETY: the thread is about to execute what lies there. An instruction is
    // read no further than to its opcode and the byte after it.
    if let Some(opcode) = opcode_of_locked(|at| unsafe { next.add(at).read() }) {
        let nth = COUNT.load(Relaxed);
        if let Some(found) = FOUND.get(nth) {
            found.store(opcode, Relaxed);
        }
        COUNT.store(nth + 1, Relaxed);
    }
}

/// Installs the handler for as long as this lives.
struct Handler(libc::sigaction);

impl Handler {
    fn install() -> Self {
        // SAFETY: all zeroes are a `sigaction` without flags, and an empty mask.
        let (mut new, mut old): (libc::sigaction, libc::sigaction) = unsafe { std::mem::zeroed() };
        new.sa_flags = libc::SA_SIGINFO;
        new.sa_sigaction = on_step as extern "C" fn(_, _, _) as libc::sighandler_t;
        // SAFETY: both point to what they should; the handler only reads its
        // context and writes atomics, so it may run at any instruction.
        assert_eq!(unsafe { libc::sigaction(libc::SIGTRAP, &new, &mut old) }, 0);
        Self(old)
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        // SAFETY: it was in force before.
        unsafe { libc::sigaction(libc::SIGTRAP, &self.0, std::ptr::null_mut()) };
    }
}

/// The trap flag is the ninth bit of the flags.
const TRAP: u64 = 1 << 8;

/// Runs it, and names the instructions it executed that locked the bus, in
/// order. It must not panic.
pub fn locked_instructions(run: impl FnOnce()) -> Vec<&'static str> {
    let _steps = STEPS.lock().unwrap();
    let handler = Handler::install();
    COUNT.store(0, Relaxed);
    // SAFETY: changes a flag and no more; the handler for what follows is in
    // force. The stack is used as the compiler is told.
    unsafe { asm!("pushfq", "or qword ptr [rsp], {}", "popfq", "nop", const TRAP) };
    run();
    // SAFETY: as before.
    unsafe { asm!("pushfq", "and qword ptr [rsp], {}", "popfq", const !TRAP as i32) };
    drop(handler);
    let count = COUNT.load(Relaxed);
    assert!(count <= MOST, "{count} are more than can be told apart");
    FOUND[..count].iter().map(|opcode| name(opcode.load(Relaxed))).collect()
}
