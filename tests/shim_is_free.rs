#![cfg(not(feature = "loom"))]
//! In a normal build the crate's atomics cost nothing over std's: a
//! compare-and-swap loop compiles to the same assembly with either.

use std::process::Command;

/// The optimised assembly of `support/shim_asm.rs`, less the name of its unit.
fn assembly(cfg: &str) -> String {
    let out = std::env::temp_dir().join(format!("headcount-{cfg}-{}.s", std::process::id()));
    let status = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition=2024", "--crate-type=lib", "--emit=asm", "-Copt-level=3"])
        .args(["-Ccodegen-units=1", "-Cdebuginfo=0", "--cap-lints=allow", "--cfg", cfg, "-o"])
        .arg(&out)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/shim_asm.rs"))
        .status()
        .expect("rustc runs");
    assert!(status.success());
    let assembly = std::fs::read_to_string(&out).expect("rustc wrote its output");
    std::fs::remove_file(&out).expect("the output can be removed");
    let lines = assembly.lines().filter(|line| !line.trim_start().starts_with(".file"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_compare_and_swap_loop_compiles_to_the_same_assembly() {
    let (over_std, over_shim) = (assembly("plain"), assembly("shim"));
    assert!(over_std.contains("saturating_increment:"), "no function in:\n{over_std}");
    assert_eq!(over_std, over_shim);
}
