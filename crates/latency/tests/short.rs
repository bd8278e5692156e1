//! The program measures every server and prints a figure for each.

use std::process::Command;

#[test]
fn a_short_run_has_a_figure_for_every_server() {
    let latency = Command::new(env!("CARGO_BIN_EXE_latency"))
        .args(["--rounds", "1", "--window-ms", "10"])
        .output()
        .expect("the program starts");
    let (said, erred) = (String::from_utf8_lossy(&latency.stdout), latency.stderr);
    assert!(latency.status.success(), "{said}{}", String::from_utf8_lossy(&erred));
    for figure in ["alone", "alone, once more", "with headcount", "adds to the null"] {
        assert!(said.contains(figure), "{said}");
    }
}
