//! The flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::RangedU64ValueParser;

use crate::tenants::well_behaved_clients;
use crate::ways::Policy;

/// Floods a real HTTP server on loopback with real clients, and shows what
/// three ways of counting sessions let in.
///
/// `POST /session` is guarded, in turn, by headcount's Gate, by counts that are
/// checked and then added to, and by counts that are added to with undo; those
/// two keep an AtomicUsize for the server and a locked HashMap for its subjects.
/// The header X-Client names a client's subject. All clients are released at once
/// in each burst, and a refused client comes straight back, whatever Retry-After
/// says.
///
/// Two tenants are told apart from this crowd. A hostile one (--hostile) does
/// not stop in the pauses either. A well-behaved one has three clients, or as
/// many as its limit is, and each waits as long as it stays before it comes
/// again. A refusal of it is called one for the hostile tenant if the server
/// was full, and the others held fewer slots all along than the limit leaves
/// them when the hostile tenant has its own limit and no more.
///
/// Some clients of the crowd (--idle) open a session, do nothing in it and stay
/// connected until the burst ends. The gate ends such a session after
/// --idle-timeout-ms, or earlier to make room (--policy); the hand-written ways
/// keep it until the client leaves. A session in which something is in flight is
/// never ended by the gate.
///
/// Creating a session awaits a lookup (--setup-ms), as session managers do.
/// "check, then add" checks before it and adds after it, because that is how
/// it is written; the other two hold their slots meanwhile. With --setup-ms 0
/// nothing is awaited and the gap is a few instructions.
///
/// "fetch_add with undo" takes a refused client off its count when the handler
/// returns, that is after the answer was written. A refusal is called spurious
/// only if fewer sessions than the limit were possibly there during all of it:
/// sessions of the subject for a 429, where a client that the server itself then
/// refuses was possibly one, and all sessions for a 503.
/// It takes two server threads: one between its add and its undo, one that asks.
///
/// The run fails if the exact way is over a limit, refuses while a slot was
/// free, refuses or evicts the well-behaved tenant for the hostile one, ends a
/// session that is busy, does not return to zero, remembers a subject that has
/// left, or gives a wrong answer. The defects of the
/// hand-written ways are shown and do not fail the run.
#[derive(Debug, Parser)]
#[command(name = "flood", version, about, long_about, max_term_width = 100)]
pub struct Cli {
    /// Sessions that may be open at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = within(1, 10_000))]
    pub limit: u64,

    /// Concurrent clients of the crowd, each a connection (two file descriptors)
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = within(1, 400))]
    pub clients: u64,

    /// Clients of the crowd besides that open a session and go quiet
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = within(0, 40))]
    pub idle: u64,

    /// Subjects that the crowd is dealt to in turn, each a value of X-Client
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = within(1, 400))]
    pub subjects: u64,

    /// Clients of one more subject, which is hostile
    #[arg(long, value_name = "N", default_value_t = 27, value_parser = within(0, 40))]
    pub hostile: u64,

    /// Sessions of one subject that may be open at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = within(1, 10_000))]
    pub per_subject: u64,

    /// What the gate does when it is full
    #[arg(long, value_enum, default_value = "reject")]
    pub policy: Policy,

    /// How long a session of the gate may be quiet, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 60, value_parser = within(1, 60_000))]
    pub idle_timeout_ms: u64,

    /// Seconds of flood per way
    #[arg(long, value_name = "S", default_value_t = 4, value_parser = within(1, 600))]
    pub seconds: u64,

    /// The most requests per way: the flood of a way ends early when they are spent
    #[arg(long, value_name = "N", default_value_t = 2_000_000, value_parser = within(1, 5_000_000))]
    pub requests: u64,

    /// The longest stay of a client in milliseconds; each draws its stays from 1 to this
    #[arg(long, value_name = "MS", default_value_t = 12, value_parser = within(1, 1_000))]
    pub stay_ms: u64,

    /// What the lookup takes that creating a session awaits, in milliseconds; 0 awaits nothing
    #[arg(long, value_name = "MS", default_value_t = 1, value_parser = within(0, 1_000))]
    pub setup_ms: u64,

    /// Threads of the server; more than there are cores, so that some are stopped mid-step
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = within(1, 256))]
    pub workers: u64,

    /// Seed of the stays
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Where the chart goes; missing folders are made
    #[arg(long, value_name = "PATH", default_value = "target/flood.svg")]
    pub out: PathBuf,

    /// About two seconds in all, for continuous integration
    #[arg(long, conflicts_with = "seconds")]
    pub quick: bool,
}

impl Cli {
    /// How long each way is flooded.
    pub fn flood(&self) -> Duration {
        match self.quick {
            true => Duration::from_millis(500),
            false => Duration::from_secs(self.seconds),
        }
    }

    /// The crowd, the quiet, the well-behaved and the hostile.
    pub fn all_clients(&self) -> u64 {
        self.clients + self.idle + self.well_behaved() + self.hostile
    }

    /// The subjects of all of them.
    pub fn all_subjects(&self) -> u64 {
        self.subjects + 1 + u64::from(self.hostile > 0)
    }

    fn well_behaved(&self) -> u64 {
        well_behaved_clients(u32::try_from(self.per_subject).unwrap_or(u32::MAX))
    }

    /// What these flags make of the flood that is easily overlooked.
    pub fn notes(&self) -> Vec<&'static str> {
        let crowd = self.clients + self.idle;
        let peopled = self.subjects.min(crowd);
        let largest = crowd.div_ceil(self.subjects);
        let of_crowd = crowd.min(peopled * largest.min(self.per_subject));
        let at_most = of_crowd + self.hostile.min(self.per_subject) + self.well_behaved();
        let mut notes = Vec::new();
        if peopled < self.subjects {
            notes.push("fewer clients than subjects: some subjects have none");
        }
        if largest.max(self.hostile) <= self.per_subject {
            notes.push("no more clients of a subject than its limit: nobody needs a 429");
        }
        if at_most <= self.limit {
            notes.push(
                "no more clients than the limit can get by their subjects: nobody needs a 503",
            );
        }
        notes
    }
}

/// A number from `least` to `most`; clap's error names the flag and the range.
fn within(least: u64, most: u64) -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(least..=most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(args: &[&str]) -> String {
        let args = ["flood"].iter().chain(args);
        Cli::try_parse_from(args).expect_err("should be refused").to_string()
    }

    #[test]
    fn a_value_out_of_range_is_an_error_that_names_the_flag_and_the_range() {
        for (flag, value, range) in [
            ("--limit", "0", "1..=10000"),
            ("--limit", "10001", "1..=10000"),
            ("--clients", "0", "1..=400"),
            ("--clients", "401", "1..=400"),
            ("--idle", "41", "0..=40"),
            ("--hostile", "41", "0..=40"),
            ("--idle-timeout-ms", "0", "1..=60000"),
            ("--idle-timeout-ms", "60001", "1..=60000"),
            ("--subjects", "0", "1..=400"),
            ("--subjects", "401", "1..=400"),
            ("--per-subject", "0", "1..=10000"),
            ("--per-subject", "10001", "1..=10000"),
            ("--seconds", "0", "1..=600"),
            ("--requests", "0", "1..=5000000"),
            ("--stay-ms", "0", "1..=1000"),
            ("--setup-ms", "1001", "0..=1000"),
            ("--workers", "0", "1..=256"),
        ] {
            let message = refusal(&[flag, value]);
            assert!(message.contains(flag) && message.contains(range), "{flag}: {message}");
        }
    }

    #[test]
    fn a_flag_that_does_not_exist_and_a_contradiction_are_errors() {
        assert!(refusal(&["--limits", "3"]).contains("--limits"));
        assert!(refusal(&["--clients", "many"]).contains("--clients"));
        let policy = refusal(&["--policy", "pray"]);
        assert!(policy.contains("--policy") && policy.contains("evict-oldest"), "{policy}");
        assert!(refusal(&["--quick", "--seconds", "3"]).contains("--seconds"));
    }

    fn notes(args: &[&str]) -> String {
        let args = ["flood"].iter().chain(args);
        Cli::try_parse_from(args).expect("legal flags").notes().join("; ")
    }

    #[test]
    fn a_flood_that_cannot_reach_a_limit_is_noted() {
        assert_eq!(notes(&[]), "", "by default both are reached");
        let in_all = notes(&["--limit", "40"]);
        assert!(in_all.contains("503") && !in_all.contains("429"), "{in_all}");
        let of_each = notes(&["--per-subject", "10", "--hostile", "10"]);
        assert!(of_each.contains("429") && !of_each.contains("503"), "{of_each}");
        assert!(notes(&["--clients", "1"]).contains("fewer clients than subjects"));
    }

    #[test]
    fn a_hostile_tenant_alone_can_need_a_429() {
        let notes = notes(&["--per-subject", "10"]);
        assert!(!notes.contains("429"), "{notes}");
    }

    #[test]
    fn by_default_a_hundred_clients_of_ten_tenants_come() {
        let cli = Cli::try_parse_from(["flood"]).expect("no flag is needed");
        assert_eq!((cli.all_clients(), cli.all_subjects()), (100, 10));
    }

    #[test]
    fn the_default_run_takes_under_thirty_seconds() {
        let cli = Cli::try_parse_from(["flood"]).expect("no flag is needed");
        assert!(3 * cli.flood() < Duration::from_secs(30));
    }
}
