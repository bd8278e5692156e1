//! The clock counts the time in which the machine is suspended: seen in a namespace in which it
//! was, for a day, before this process began.

#![cfg(target_os = "linux")]

use std::process::Command;

use headcount_fleet::boot;

const DAY: u64 = 24 * 60 * 60 * 1_000;
const IN_NAMESPACE: &str = "HEADCOUNT_AFTER_A_DAY_IN_SUSPEND";

/// Tells its clock, where the test below runs it.
#[test]
fn a_process_tells_its_clock() {
    let now = boot::millis();
    if std::env::var_os(IN_NAMESPACE).is_some() {
        println!("\nclock {now}");
    }
    assert!(boot::millis() >= now);
}

#[test]
fn a_day_in_suspend_counts() {
    let this = std::env::current_exe().expect("it runs");
    let before = boot::millis();
    // Root may make a namespace of time; anybody else makes one of users first.
    let as_root: [&[&str]; 2] = [&[], &["--user", "--map-root-user"]];
    let told = as_root.iter().find_map(|more| {
        let child = Command::new("unshare")
            .args(*more)
            .args(["--time", "--boottime", "86400"])
            .arg(&this)
            .args(["--exact", "a_process_tells_its_clock", "--nocapture"])
            .env(IN_NAMESPACE, "yes")
            .output();
        let told = String::from_utf8(child.ok()?.stdout).ok()?;
        told.lines().find_map(|line| line.strip_prefix("clock ")?.parse::<u64>().ok())
    });
    let Some(told) = told else {
        assert!(std::env::var_os("CI").is_none(), "this CI makes no namespace of time");
        eprintln!("skipped: `unshare --time` makes no namespace here");
        return;
    };
    assert!(
        (before + DAY..=boot::millis() + DAY).contains(&told),
        "{before} before, {told} after a day"
    );
}
