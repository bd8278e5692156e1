//! The program, as CI has it run: it fails if the exact way breaks a promise.

use std::process::Command;

#[test]
fn the_exact_way_breaks_no_promise_in_a_quick_flood() {
    let picture = concat!(env!("CARGO_TARGET_TMPDIR"), "/flood.svg");
    let flood = Command::new(env!("CARGO_BIN_EXE_flood"))
        .args(["--quick", "--out", picture])
        .status()
        .expect("the program starts");
    assert!(flood.success());
    let drawn = std::fs::read_to_string(picture).expect("it has drawn its picture");
    assert!(drawn.contains("</svg>"));
}
