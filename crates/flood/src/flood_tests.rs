//! Short floods over real sockets: headcount keeps its promises, and servers
//! that are broken on purpose, or promise nothing, are found out.

use std::mem::forget;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use anyhow::{Context as _, ensure};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::middleware::{Next, from_fn, map_response};
use axum::response::{IntoResponse, Response};

use headcount_rmcp::GuardedSessions;
use rmcp::transport::streamable_http_server::session::SessionManager;

use super::*;
use crate::promises::broken;
use crate::ways::{Policy, mcp_session, rmcp_alone, with_headcount};

/// Three of four tenants can fill the server with a session each.
fn settings() -> Settings {
    Settings {
        rules: Rules {
            limit: 3,
            per_subject: 1,
            idle_timeout: Duration::from_millis(300),
            policy: Policy::Reject,
        },
        crowd: 8,
        tenants: 4,
        patient: 1,
        hostile: 3,
        quiet: 1,
        rounds: 4,
        calm: 2,
        period: Duration::from_millis(50),
        slow_call: Duration::from_millis(700),
        longest_end: Duration::from_secs(10),
        seed: 1,
    }
}

async fn short_flood(settings: &Settings, make: Make) -> Outcome {
    let (_running, stop) = watch::channel(false);
    let server = Handle::current();
    flood(settings, make, &server, stop, |_, _| {}).await.expect("loopback works")
}

/// What a server breaks that is to keep headcount's promises.
async fn broken_by(make: Make) -> String {
    broken_with(settings().rules.limit, make).await
}

async fn broken_with(limit: u32, make: Make) -> String {
    let rules = Rules { limit, ..settings().rules };
    let longest_end = Duration::from_millis(500);
    // Nobody who takes a slot without using it for long.
    let settings = Settings { rules, quiet: 0, patient: 0, longest_end, ..settings() };
    broken(&short_flood(&settings, make).await, rules).join("; ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn headcount_keeps_its_promises_over_real_sockets() {
    let outcome = short_flood(&settings(), with_headcount).await;
    assert_eq!(broken(&outcome, settings().rules), [""; 0]);
    let tally = &outcome.tally;
    assert!(tally.answered(200) > 0 && tally.answered(429) > 0 && tally.answered(503) > 0);
    assert!(tally.results > 0 && tally.patient.0 + tally.patient.1 > 0, "{tally:?}");
    assert_eq!(outcome.largest_subject(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_policy_that_evicts_keeps_them_too() {
    for policy in [Policy::EvictIdle, Policy::EvictOldest] {
        let rules = Rules { policy, ..settings().rules };
        let outcome = short_flood(&Settings { rules, ..settings() }, with_headcount).await;
        assert_eq!(broken(&outcome, rules), [""; 0], "{policy:?}");
        assert!(outcome.tally.lost_in_use > 0, "{policy:?}: nobody made room");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_that_is_stopped_ends_at_rest() {
    let (_stopped, stop) = watch::channel(true);
    let (settings, server) = (settings(), Handle::current());
    let flooded = flood(&settings, with_headcount, &server, stop, |_, _| {}).await;
    let outcome = flooded.expect("loopback works");
    assert!(outcome.interrupted);
    assert_eq!((outcome.tally.came(), outcome.at_end), (0, Left::default()));
    assert_eq!(broken(&outcome, settings.rules), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_without_limits_is_found_out() {
    let found = broken_by(rmcp_alone).await;
    assert!(found.contains("sessions were open at once, the limit is 3"), "{found}");
    assert!(found.contains("of one client were open at once"), "{found}");
    assert!(found.contains("outlasts the idle timeout: CutOff"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cap_that_evicts_whoever_is_oldest_is_found_out() {
    let found = broken_by(mcp_session).await;
    assert!(found.contains("were ended before their idle timeout"), "{found}");
    assert!(found.contains("outlasts the idle timeout: CutOff"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_limit_of_one_more_is_found_out() {
    let found = broken_by(|rules| with_headcount(Rules { limit: 4, ..rules })).await;
    assert!(found.contains("4 sessions were open at once, the limit is 3"), "{found}");
    assert!(found.contains("in_use rose to 4"), "{found}");
    // Five tenants come, so one has two of the six.
    let found = broken_with(6, |rules| with_headcount(Rules { per_subject: 2, ..rules })).await;
    assert!(found.contains("2 sessions of one client were open at once"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wrong_refusal_is_found_out() {
    let found = broken_by(|rules| {
        let way = with_headcount(rules)?;
        let router =
            way.router.layer(map_response(async |response: Response| match response.status() {
                StatusCode::SERVICE_UNAVAILABLE => {
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
                _ => response,
            }));
        Ok(Way { router, ..way })
    });
    let found = found.await;
    assert!(found.contains("clients that came were answered 500"), "{found}");

    let found = broken_by(|rules| {
        let way = with_headcount(rules)?;
        let router = way.router.layer(map_response(async |mut response: Response| {
            response.headers_mut().remove(RETRY_AFTER);
            response
        }));
        Ok(Way { router, ..way })
    });
    let found = found.await;
    assert!(found.contains("refusals did not say when to come back"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_that_is_ended_too_early_is_found_out() {
    let found = broken_by(|rules| {
        with_headcount(Rules { idle_timeout: Duration::from_millis(20), ..rules })
    });
    let found = found.await;
    assert!(found.contains("sessions were ended before their idle timeout"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_that_fails_is_found_out() {
    let found = broken_by(|rules| {
        let way = with_headcount(rules)?;
        let router = way.router.layer(from_fn(async |request: Request, next: Next| match request
            .headers()
            .contains_key("mcp-session-id")
        {
            true => StatusCode::BAD_GATEWAY.into_response(),
            false => next.run(request).await,
        }));
        Ok(Way { router, ..way })
    });
    let found = found.await;
    assert!(found.contains("calls had no result"), "{found}");
    assert!(found.contains("no session was opened and used"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_left_is_found_out() {
    let found = broken_by(|rules| {
        let way = with_headcount(rules)?;
        let gate = way.gate.as_ref().context("it has one")?;
        let guarded = GuardedSessions::local(gate.clone());
        let created = pin!(guarded.create_session()).poll(&mut Context::from_waker(Waker::noop()));
        ensure!(matches!(created, Poll::Ready(Ok(_))), "it does not wait");
        forget(created);
        let life = way.alive.life();
        life.begin();
        forget(life);
        Ok(way)
    });
    let found = found.await;
    for when in ["the clients had left", "the shutdown"] {
        let expected = format!("after {when}: 1 handlers, 1 in use, 0 clients");
        assert!(found.contains(&expected), "{found}");
    }
}
