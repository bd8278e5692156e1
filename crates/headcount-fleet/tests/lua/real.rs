//! The script as it is, on the engine's own clock and life.

use headcount_fleet::ledger::Ledger;
use headcount_fleet::message::{Request, Verdict};
use headcount_fleet::script;

use crate::support::{Answer, Connection, Server, engines};
use crate::{FLEET, keys, request};

fn eval(engine: &mut Connection, request: &Request) -> Answer {
    let mut command = vec!["EVAL".to_owned(), script::SOURCE.to_owned(), "4".to_owned()];
    command.extend(script::keys(FLEET, 0, request.nonce));
    command.extend(script::arguments(request));
    engine.call(command)
}

fn serve(engine: &mut Connection, request: &Request) -> Verdict {
    script::reply(&eval(engine, request).texts()).expect("it is a reply").verdict
}

fn learning(verdict: &Verdict) -> u64 {
    match verdict {
        Verdict::Done { learning, .. } => *learning,
        other => panic!("it is done, not {other:?}"),
    }
}

fn share(verdict: &Verdict) -> u32 {
    match verdict {
        Verdict::Done { granted, .. } => granted[0].share,
        other => panic!("it is done, not {other:?}"),
    }
}

fn run(engine: &mut Connection) -> String {
    keys::read(engine, FLEET).head.expect("it has a head").run
}

/// Asks until it has learned, and then for this share; tells the last seq.
fn grown(engine: &mut Connection, nonce: u64, want: u32) -> u64 {
    for seq in 1..1_000_000 {
        if share(&serve(engine, &request(nonce, seq, 0, want))) == want {
            return seq;
        }
    }
    panic!("it learns for ever");
}

#[test]
fn a_loss_of_everything_is_learned_from_and_a_share_is_claimed() {
    for program in engines() {
        let server = Server::start(&program);
        let engine = &mut server.connect();
        let seq = grown(engine, 1, 700);
        engine.call(["FLUSHALL"]);
        let newcomer = serve(engine, &request(2, 1, 0, 1_000));
        assert!(learning(&newcomer) > 0 && share(&newcomer) == 0);
        assert_eq!(share(&serve(engine, &request(1, seq + 1, 700, 900))), 700);
        assert_eq!(keys::read(engine, FLEET).sums[""].share, 700);
    }
}

#[test]
fn a_script_that_the_engine_forgot_is_told_of_before_anything_changes() {
    for program in engines() {
        let server = Server::start(&program);
        let engine = &mut server.connect();
        let hash = engine.call(["SCRIPT", "LOAD", script::SOURCE]).text();
        engine.call(["SCRIPT", "FLUSH"]);
        let answer = engine.call(["EVALSHA", &hash, "4", "a", "b", "c", "d"]);
        assert!(matches!(&answer, Answer::Error(why) if why.starts_with("NOSCRIPT")), "{answer:?}");
        assert_eq!(keys::read(engine, FLEET), Ledger::default());
    }
}

#[test]
fn an_engine_without_memory_refuses_before_anything_changes() {
    for program in engines() {
        let server = Server::start(&program);
        let engine = &mut server.connect();
        grown(engine, 1, 5);
        let before = keys::read(engine, FLEET);
        engine.call(["CONFIG", "SET", "maxmemory", "1"]);
        for nonce in [1, 2] {
            let answer = eval(engine, &request(nonce, 1 << 40, 0, 1));
            assert!(matches!(&answer, Answer::Error(why) if why.contains("OOM")), "{answer:?}");
        }
        engine.call(["CONFIG", "SET", "maxmemory", "0"]);
        assert_eq!(keys::read(engine, FLEET), before);
    }
}

/// Asks until what INFO says has this in it. The engine itself waits between.
fn wait_for(engine: &mut Connection, what: &str) {
    for _ in 0..1_000 {
        if engine.call(["INFO", "replication"]).text().contains(what) {
            return;
        }
        engine.call(["XREAD", "BLOCK", "20", "STREAMS", "nothing", "$"]);
    }
    panic!("never {what}");
}

fn follow(replica: &mut Connection, primary: &Server) {
    replica.call(["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
    wait_for(replica, "master_link_status:up");
}

fn life(engine: &mut Connection) -> String {
    let info = engine.call(["INFO", "server"]).text();
    info.lines().find(|line| line.starts_with("run_id:")).expect("it has one").to_owned()
}

#[test]
fn a_replica_refuses_and_once_promoted_it_learns_as_does_who_is_promoted_again() {
    for program in engines() {
        let (first, second) =
            (Server::start_on_loopback(&program), Server::start_on_loopback(&program));
        let (one, two) = (&mut first.connect(), &mut second.connect());
        let seq = grown(one, 1, 700);
        follow(two, &first);
        // The first replica gave the data a new name, from which it learns too.
        let seq = seq + 1;
        assert_eq!(share(&serve(one, &request(1, seq, 700, 700))), 700);
        assert_eq!(one.call(["WAIT", "1", "10000"]), Answer::Text("1".into()));
        let before = keys::read(two, FLEET);
        let answer = eval(two, &request(1, seq + 1, 0, 1));
        assert!(matches!(&answer, Answer::Error(why) if why.contains("READONLY")), "{answer:?}");
        assert_eq!(keys::read(two, FLEET), before);

        // Nobody calls the second while it is the primary, so the head still names the first.
        let (life_before, run_before) = (life(one), run(one));
        two.call(["REPLICAOF", "NO", "ONE"]);
        follow(one, &second);
        one.call(["REPLICAOF", "NO", "ONE"]);
        assert_eq!(life(one), life_before);
        let verdict = serve(one, &request(1, seq + 1, 700, 900));
        assert!(learning(&verdict) > 0 && share(&verdict) == 700);
        assert_ne!(run(one), run_before);

        let verdict = serve(two, &request(1, seq + 1, 700, 900));
        assert!(learning(&verdict) > 0 && share(&verdict) == 700);
    }
}
