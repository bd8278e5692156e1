//! Layers around each other: each counts, for as long as what it counts lives.

mod support;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use headcount::{CloseReason, Gate, Limit, ManualClock};
use headcount_tower::{Admission, GateLayer, OpenError, OpenSession, Slot, Subjects};
use http::request::Parts;
use http::{HeaderName, StatusCode};
use support::log::Log;
use support::{Clock, MS, Request, Response, Session, TestGate, assert_empty, empty, poll_once};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

type TestLayer = GateLayer<String, u32, Clock>;
type Scope = fn(TestGate) -> TestLayer;

const SCOPES: [Scope; 2] =
    [|gate| GateLayer::sessions(gate, opens), |gate| GateLayer::deferred(gate, opens)];

fn opens(_: &Parts) -> bool {
    true
}

fn gate(limit: u32, subject_limit: u32) -> (TestGate, Clock) {
    let (builder, clock) = support::builder(limit);
    (builder.subject_limit(Limit::at_most(subject_limit)).build().unwrap(), clock)
}

fn named(name: &'static str) -> Subjects<String> {
    Subjects::header(HeaderName::from_static(name))
}

fn request(tenant: &str, user: &str) -> Request {
    Request::post("/").header("x-tenant", tenant).header("x-user", user).body(empty()).unwrap()
}

/// What is answered to it by a handler that is always ready, under two layers,
/// the outer one first.
fn ask<K, T, C>(
    layers: (&GateLayer<K, T, C>, &TestLayer),
    request: Request,
    mut handler: impl FnMut(&Request),
) -> StatusCode
where
    K: std::hash::Hash + Eq + Clone + Send + Sync + 'static,
    T: Send + Sync + 'static,
    C: headcount::Clock + 'static,
{
    let service = service_fn(|request: Request| {
        handler(&request);
        std::future::ready(Ok::<_, Infallible>(Response::new(empty())))
    });
    let service = ServiceBuilder::new().layer(layers.0).layer(layers.1).service(service);
    match poll_once(pin!(service.oneshot(request))) {
        Poll::Ready(Ok(response)) => response.status(),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("pending"),
    }
}

fn admission(request: &Request) -> support::Admission {
    request.extensions().get().cloned().unwrap()
}

fn open(layers: (&TestLayer, &TestLayer), tenant: &str, user: &str) -> Result<Session, StatusCode> {
    let mut session = None;
    let status = ask(layers, request(tenant, user), |request| {
        session = admission(request).take().map(|room| room.commit().unwrap());
    });
    session.ok_or(status)
}

#[test]
fn two_layers() {
    for outer_scope in SCOPES {
        for inner_scope in SCOPES {
            let ((tenants, clock), (users, _)) = (gate(9, 1), gate(9, 1));
            let outer = outer_scope(tenants.clone()).subjects(named("x-tenant"));
            let inner = inner_scope(users.clone()).subjects(named("x-user"));
            let layers = (&outer, &inner);
            let first = open(layers, "tenant", "alice").unwrap();
            for user in ["bob", "carol", "dave"] {
                let refused = open(layers, "tenant", user).unwrap_err();
                assert_eq!(refused, StatusCode::TOO_MANY_REQUESTS, "the tenant's limit is 1");
            }
            assert_eq!(open(layers, "other", "alice").unwrap_err(), StatusCode::TOO_MANY_REQUESTS);
            assert_eq!((tenants.in_use(), users.in_use()), (1, 1), "who is refused holds nothing");

            // Both see the same life.
            first.establish().unwrap();
            let activity = first.handle().enter().unwrap();
            clock.advance(1000);
            assert!(tenants.expired().is_empty(), "not idle in the outer gate either");
            drop(activity);
            clock.advance(1000);
            assert_eq!(tenants.expired()[0].reason, CloseReason::Idle);
            assert_eq!(first.reason(), Some(CloseReason::Idle));
            assert!(first.touch().is_err());
            drop(first);
            assert!(open(layers, "tenant", "bob").is_ok());
            assert_empty(&tenants);
            assert_empty(&users);
        }
    }
}

#[test]
fn two_layers_of_other_types() {
    for inner_scope in SCOPES {
        let tenants: Gate<u64> = Gate::builder().subject_limit(Limit::at_most(1)).build().unwrap();
        let (users, _) = gate(9, 1);
        let outer =
            GateLayer::sessions(tenants.clone(), opens).subjects(named("x-tenant").map(|_| 7));
        let inner = inner_scope(users.clone()).subjects(named("x-user"));
        let first = open_typed((&outer, &inner), "alice").unwrap();
        assert_eq!(open_typed((&outer, &inner), "bob").unwrap_err(), 429);
        assert_eq!((tenants.in_use(), users.in_use()), (1, 1));
        drop(first);
        assert_eq!((tenants.in_use(), users.in_use()), (0, 0));
    }
}

fn open_typed(
    layers: (&GateLayer<u64>, &TestLayer),
    user: &str,
) -> Result<OpenSession<String, u32, Arc<ManualClock>>, u16> {
    let mut session = None;
    let status = ask(layers, request("tenant", user), |request| {
        session = admission(request).take().map(|room| room.commit().unwrap());
    });
    session.ok_or(status.as_u16())
}

/// The outer layer's room is taken by itself, so the inner one's limit would not
/// hold.
#[test]
fn two_layers_that_are_taken_apart() {
    for inner_scope in SCOPES {
        for then_opens_the_inner in [false, true] {
            let log = Log::start();
            let tenants: Gate<u64> = Gate::builder().build().unwrap();
            let (users, _) = gate(9, 1);
            let outer = GateLayer::sessions(tenants.clone(), opens);
            let inner = inner_scope(users.clone());
            let mut kept = None;
            let status = ask((&outer, &inner), request("tenant", "alice"), |request| {
                let outer: &Admission<u64> = request.extensions().get().unwrap();
                kept = outer.take();
                if then_opens_the_inner {
                    assert_eq!(admission(request).open().unwrap_err(), OpenError::Spent);
                }
            });
            assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(log.count("ERROR", &["layer=", "other=", "two_layers.rs:"]), 1);
            drop(kept);
            assert_eq!((tenants.in_use(), users.in_use()), (0, 0));
        }
    }
}

/// A handler that opens nothing, as where it turns the request away.
#[test]
fn two_layers_of_which_none_is_taken() {
    for scope in SCOPES {
        let ((tenants, _), (users, _)) = (gate(1, 1), gate(1, 1));
        let layers = (&scope(tenants.clone()), &scope(users.clone()));
        assert_eq!(ask(layers, request("tenant", "alice"), |_| ()), StatusCode::OK);
        let only = tenants.admit_anonymous(0).unwrap();
        let full = open(layers, "tenant", "alice").unwrap_err();
        assert_eq!((full, users.in_use()), (StatusCode::SERVICE_UNAVAILABLE, 0));
        drop(only);
        assert_empty(&tenants);
        assert_empty(&users);
    }
}

/// A clone of the inner layer's slot keeps those of both.
#[test]
fn two_layers_of_requests() {
    let ((all, clock), (each, _)) = (gate(1, 1), gate(1, 1));
    let (outer, inner) = (GateLayer::requests(all.clone()), GateLayer::requests(each.clone()));
    let mut kept = None;
    let status = ask((&outer, &inner), request("tenant", "alice"), |request| {
        kept = request.extensions().get::<Slot>().cloned();
    });
    assert_eq!((status, all.in_use(), each.in_use()), (StatusCode::OK, 1, 1));
    clock.advance(1000 * MS.as_millis() as u64);
    assert!(all.expired().is_empty(), "what works in it is not idle");
    drop(kept);
    assert_empty(&all);
    assert_empty(&each);
    let service = outer.layer(inner.layer(service_fn(|_: Request| async {
        Ok::<_, Infallible>(Response::new(support::channel().1))
    })));
    let Poll::Ready(Ok(response)) = poll_once(pin!(service.oneshot(request("t", "a")))) else {
        panic!("pending")
    };
    assert_eq!((all.in_use(), each.in_use()), (1, 1));
    drop(response);
    assert_empty(&all);
    assert_empty(&each);
}

/// Who has a clone of the inner layer's slot works in the outer one's too.
#[test]
fn two_layers_of_requests_and_one_clone() {
    let (builder, clock) = support::builder(1);
    let all = builder.max_lifetime(50 * MS).build().unwrap();
    let (each, _) = gate(1, 1);
    let (outer, inner) = (GateLayer::requests(all.clone()), GateLayer::requests(each.clone()));
    let mut on_end = outer.on_end();
    for status in [StatusCode::SWITCHING_PROTOCOLS, StatusCode::OK] {
        let mut kept = None;
        let service = service_fn(|request: Request| {
            kept = request.extensions().get::<Slot>().cloned();
            let response = Response::builder().status(status).body(support::channel().1).unwrap();
            std::future::ready(Ok::<_, Infallible>(response))
        });
        let service = outer.layer(inner.layer(service));
        let Poll::Ready(Ok(response)) = poll_once(pin!(service.oneshot(request("t", "a")))) else {
            panic!("pending")
        };
        assert_eq!(response.status(), status, "it is counted, so it may upgrade");
        clock.advance(50);
        assert_eq!(all.advance(headcount::Clock::now(&clock), &mut on_end), 1);
        assert_eq!((all.in_use(), each.in_use()), (1, 1), "the work goes on");
        drop(kept);
        assert_eq!((all.in_use(), each.in_use()), (0, 1), "but a body alone does not keep it");
        drop(response);
        assert_empty(&all);
        assert_empty(&each);
    }
}
