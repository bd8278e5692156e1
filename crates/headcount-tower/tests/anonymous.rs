//! A limit of clients that never applies, since no request names one, is told of.

mod support;

use std::convert::Infallible;
use std::pin::pin;

use headcount::{Gate, GateBuilder, Limit};
use headcount_tower::{GateLayer, Subjects};
use http::HeaderName;
use support::log::Log;
use support::{Request, Response, empty, poll_once};
use tower::{Layer, ServiceExt, service_fn};

fn ask(layer: &GateLayer<String>, times: usize, client: Option<&str>) {
    for _ in 0..times {
        let mut request = Request::new(empty());
        if let Some(client) = client {
            request.headers_mut().insert("x-client", client.parse().unwrap());
        }
        let service =
            layer.layer(service_fn(async |_: Request| Ok::<_, Infallible>(Response::new(empty()))));
        assert!(poll_once(pin!(service.oneshot(request))).is_ready());
    }
}

fn clients() -> Subjects<String> {
    Subjects::header(HeaderName::from_static("x-client"))
}

type Scope = fn(Gate<String>) -> GateLayer<String>;

const SCOPES: [Scope; 3] = [
    |gate| GateLayer::requests(gate),
    |gate| GateLayer::sessions(gate, |_| true),
    |gate| GateLayer::deferred(gate, |_| true),
];

fn gate(set: impl FnOnce(GateBuilder<String>) -> GateBuilder<String>) -> Gate<String> {
    set(Gate::builder()).build().unwrap()
}

#[test]
fn subjects_that_name_nobody_are_told_of_once() {
    for scope in SCOPES {
        let log = Log::start();
        let layer = scope(gate(|gate| gate)).subjects(clients());
        ask(&layer, 99, None);
        assert_eq!(log.text(), "");
        ask(&layer.clone(), 1000, None);
        assert_eq!(log.count("WARN", &["`subjects`", "anonymous", "anonymous.rs:"]), 1);
        assert_eq!(log.text().lines().count(), 1, "{}", log.text());
    }
}

#[test]
fn a_limit_without_subjects_is_told_of_once() {
    let exception =
        |gate: GateBuilder<String>| gate.subject_override("alice".to_owned(), Limit::at_most(3));
    for limited in [
        gate(|gate| gate.subject_limit(Limit::at_most(10))),
        gate(|gate| gate.subject_limit(Limit::at_most(3))),
        gate(exception),
    ] {
        for scope in SCOPES {
            let log = Log::start();
            ask(&scope(limited.clone()), 300, None);
            assert_eq!(log.count("WARN", &["`subject_limit`", "GateLayer::subjects"]), 1);
            assert_eq!(log.text().lines().count(), 1, "{}", log.text());
        }
    }
    let at_run_time = gate(|gate| gate);
    at_run_time.set_subject_limit(Limit::at_most(3));
    let log = Log::start();
    ask(&GateLayer::requests(at_run_time), 100, None);
    assert_eq!(log.count("WARN", &["`subject_limit`"]), 1);
}

#[test]
fn what_is_meant_is_not_told_of() {
    let log = Log::start();
    for scope in SCOPES {
        // Nobody asked for a limit of clients.
        ask(&scope(gate(|gate| gate)), 300, None);
        ask(&scope(gate(|gate| gate.subject_limit(Limit::UNLIMITED))), 300, None);
        // Somebody is known.
        let layer = scope(gate(|gate| gate.subject_limit(Limit::at_most(3)))).subjects(clients());
        ask(&layer, 99, None);
        ask(&layer, 1, Some("alice"));
        ask(&layer, 300, None);
    }
    assert_eq!(log.text(), "");
}
