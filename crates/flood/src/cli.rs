//! The flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::RangedU64ValueParser;

use crate::flood::Settings;
use crate::ways::{Policy, Rules};

/// Longer than rmcp lets a call go on whose session has ended.
const LONGEST_END: Duration = Duration::from_secs(6);

/// Floods real MCP servers on loopback with real clients, and shows what three
/// managers of sessions let in.
///
/// The same server, of rmcp, runs with mcp-session, with rmcp's own manager and
/// with headcount. In each round all clients come for a session at once and use
/// those they hold. When the flood is over they go on using them for a while,
/// and then leave: some end their sessions, others just hang up. Last, one
/// client makes a call that takes longer than the idle timeout.
///
/// The header X-Client names a client's tenant. The crowd is of several. A
/// hostile tenant comes again at once when it is refused and never ends a
/// session; one of its clients comes in the calm too. A quiet one opens sessions
/// and forgets them. A patient one ends its session before it opens another.
///
/// mcp-session has no limit for each tenant, and rmcp has none at all.
///
/// The run fails if headcount is over a limit, answers a client that came with
/// anything but 200, or 429 or 503 with Retry-After, ends a session that is in
/// use, fails a call, or has anything left at rest or after the shutdown. What
/// the others do is shown and does not fail the run.
#[derive(Debug, Parser)]
#[command(name = "flood", version, about, long_about, max_term_width = 100)]
pub struct Cli {
    /// Sessions that may be open at once
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = within(1, 10_000))]
    limit: u64,

    /// Sessions of one tenant that may be open at once
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = within(1, 10_000))]
    per_subject: u64,

    /// What headcount does when it is full
    #[arg(long, value_enum, default_value = "reject")]
    policy: Policy,

    /// How long a session may be idle, in milliseconds [default: 1000, with --quick 200]
    #[arg(long, value_name = "MS", value_parser = within(10, 10_000))]
    idle_timeout_ms: Option<u64>,

    /// Clients of the crowd, each a connection (two file descriptors)
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = within(1, 150))]
    crowd: u64,

    /// Tenants that the crowd is dealt to in turn
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = within(1, 150))]
    tenants: u64,

    /// Clients of the hostile tenant
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = within(0, 30))]
    hostile: u64,

    /// Clients of the quiet tenant
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = within(0, 30))]
    quiet: u64,

    /// Clients of the patient tenant
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = within(0, 30))]
    patient: u64,

    /// Rounds of the flood [default: 20, with --quick 4]
    #[arg(long, value_name = "N", value_parser = within(1, 100))]
    rounds: Option<u64>,

    /// Threads of each server; more than there are cores, so that some are stopped mid-step
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = within(1, 64))]
    pub workers: u64,

    /// Seed of what the clients leave to chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Where the chart goes; missing folders are made
    #[arg(long, value_name = "PATH", default_value = "target/flood.svg")]
    pub out: PathBuf,

    /// About three seconds in all, for continuous integration
    #[arg(long)]
    quick: bool,
}

impl Cli {
    /// What the flags say.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let (idle, rounds, period) = if self.quick { (200, 4, 50) } else { (1_000, 20, 150) };
        let idle_timeout = Duration::from_millis(self.idle_timeout_ms.unwrap_or(idle));
        let rounds = u32::try_from(self.rounds.unwrap_or(rounds))?;
        Ok(Settings {
            rules: Rules {
                limit: u32::try_from(self.limit)?,
                per_subject: u32::try_from(self.per_subject)?,
                idle_timeout,
                policy: self.policy,
            },
            crowd: usize::try_from(self.crowd)?,
            tenants: usize::try_from(self.tenants)?,
            patient: usize::try_from(self.patient)?,
            hostile: usize::try_from(self.hostile)?,
            quiet: usize::try_from(self.quiet)?,
            rounds,
            calm: rounds.div_ceil(2),
            period: Duration::from_millis(period),
            slow_call: idle_timeout * 5 / 2,
            longest_end: LONGEST_END,
            seed: self.seed,
        })
    }
}

/// A number from `least` to `most`; clap's error names the flag and the range.
fn within(least: u64, most: u64) -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(least..=most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["flood"].iter().chain(args))
    }

    #[test]
    fn a_value_out_of_range_is_an_error_that_names_the_flag_and_the_range() {
        for (flag, value, range) in [
            ("--limit", "0", "1..=10000"),
            ("--per-subject", "10001", "1..=10000"),
            ("--idle-timeout-ms", "9", "10..=10000"),
            ("--crowd", "151", "1..=150"),
            ("--tenants", "0", "1..=150"),
            ("--hostile", "31", "0..=30"),
            ("--quiet", "31", "0..=30"),
            ("--patient", "31", "0..=30"),
            ("--rounds", "101", "1..=100"),
            ("--workers", "0", "1..=64"),
        ] {
            let error = parse(&[flag, value]).expect_err("should be refused").to_string();
            assert!(error.contains(flag) && error.contains(range), "{error}");
        }
    }

    #[test]
    fn a_policy_is_one_of_three() {
        for policy in ["reject", "evict-idle", "evict-oldest"] {
            parse(&["--policy", policy]).expect("a policy");
        }
        assert!(parse(&["--policy", "evict"]).is_err());
    }

    #[test]
    fn the_slow_call_outlasts_the_idle_timeout_and_quick_is_quicker() {
        let settings = |args| parse(args).expect("flags").settings().expect("settings");
        let (whole, quick) = (settings(&[]), settings(&["--quick"]));
        for settings in [&whole, &quick] {
            assert!(settings.slow_call > settings.rules.idle_timeout * 2);
        }
        assert!(quick.length() * 5 < whole.length());
        assert_eq!(settings(&["--quick", "--rounds", "7"]).rounds, 7);
    }
}
