#![cfg(not(feature = "loom"))]
//! Settings that cannot be meant, or that could shut everybody out for ever,
//! are errors that name the setting.

use std::time::Duration;

use headcount::{CapacityPolicy, Gate, GateBuilder, GateConfig, Limit, ManualClock, SystemClock};

fn refused(edit: impl FnOnce(GateBuilder<String>) -> GateBuilder<String>) -> String {
    let error = edit(Gate::builder()).build().expect_err("it is refused");
    assert!(error.to_string().starts_with(&format!("`{}` {}", error.field(), error.reason())));
    error.field().to_owned()
}

#[test]
fn every_bad_value_is_an_error_that_names_its_setting() {
    let second = Duration::from_secs(1);
    let forever = Duration::MAX;
    assert_eq!(refused(|gate| gate.tick(Duration::ZERO)), "tick");
    assert_eq!(refused(|gate| gate.limit(Limit::at_most(0))), "limit");
    assert_eq!(refused(|gate| gate.rate(0, second)), "rate");
    assert_eq!(refused(|gate| gate.rate(u32::MAX, second)), "rate");
    assert_eq!(refused(|gate| gate.rate(1, Duration::ZERO)), "rate");
    assert_eq!(refused(|gate| gate.init_timeout(Duration::ZERO)), "init_timeout");
    assert_eq!(refused(|gate| gate.idle_timeout(Duration::ZERO)), "idle_timeout");
    assert_eq!(refused(|gate| gate.max_lifetime(Duration::ZERO)), "max_lifetime");
    assert_eq!(refused(|gate| gate.init_timeout(forever)), "init_timeout");
    assert_eq!(refused(|gate| gate.idle_timeout(forever)), "idle_timeout");
    assert_eq!(refused(|gate| gate.max_lifetime(forever)), "max_lifetime");
}

#[test]
fn a_tick_is_no_longer_than_what_is_measured_by_it() {
    let tick = Duration::from_secs(2);
    let short = tick - Duration::from_nanos(1);
    assert_eq!(refused(|gate| gate.tick(Duration::MAX)), "tick");
    assert_eq!(refused(|gate| gate.tick(tick).init_timeout(short)), "tick");
    assert_eq!(refused(|gate| gate.tick(tick).idle_timeout(short)), "tick");
    assert_eq!(refused(|gate| gate.tick(tick).max_lifetime(short)), "tick");
    assert_eq!(refused(|gate| gate.tick(tick).rate(1, short)), "tick");
    let gate: Gate<String> =
        Gate::builder().tick(tick).init_timeout(tick).idle_timeout(tick).build().unwrap();
    assert_eq!(gate.set_idle_timeout(Some(short)).unwrap_err().field(), "idle_timeout");
    gate.set_max_lifetime(Some(tick)).unwrap();
    assert_eq!(gate.max_lifetime(), Some(tick));
}

/// Without timeouts nothing is measured by a tick that is as long as there is.
#[test]
fn a_tick_as_long_as_a_duration_overflows_nothing() {
    let gate: Gate<String> = Gate::builder()
        .tick(Duration::MAX)
        .no_init_timeout()
        .no_idle_timeout()
        .may_lock_out_for_ever()
        .limit(Limit::at_most(1))
        .build()
        .unwrap();
    let session = gate.admit(Some("a"), ()).unwrap();
    assert!(gate.admit(Some("b"), ()).is_err() && gate.expired().is_empty());
    session.touch().unwrap();
}

#[test]
fn a_clock_has_ticks_of_the_gates_length() {
    let tick = Duration::from_millis(10);
    for clock in [SystemClock::new(tick), SystemClock::precise(tick)] {
        assert_eq!(Gate::<String>::builder().clock(clock).build().unwrap_err().field(), "clock");
        assert!(Gate::<String>::builder().clock(clock).tick(tick).build().is_ok());
    }
    assert!(Gate::<String>::builder().clock(ManualClock::new()).tick(tick).build().is_ok());
}

#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn the_clock_is_precise_where_a_time_is_under_fifty_of_its_steps() {
    fn lag(edit: impl FnOnce(GateBuilder<String>) -> GateBuilder<String>) -> Duration {
        edit(Gate::builder()).build().unwrap().clock().lag()
    }
    let cheap = SystemClock::default().lag();
    let steps = |steps| cheap / 7 * steps;
    let few = steps(50) - Duration::from_nanos(1);
    let evicts = |floor, idle| {
        move |gate: GateBuilder<String>| {
            gate.at_capacity(CapacityPolicy::EvictIdle { floor }).idle_timeout(idle)
        }
    };
    assert_eq!(lag(|gate| gate), cheap);
    assert_eq!(lag(|gate| gate.rate(1, steps(50)).max_lifetime(steps(50))), cheap);
    assert_eq!(lag(|gate| gate.init_timeout(few)), Duration::ZERO);
    assert_eq!(lag(|gate| gate.idle_timeout(few)), Duration::ZERO);
    assert_eq!(lag(|gate| gate.max_lifetime(few)), Duration::ZERO);
    assert_eq!(lag(|gate| gate.rate(1, few)), Duration::ZERO);
    // The floor of an eviction, and the order in which the idle make room.
    assert_eq!(lag(evicts(steps(50), steps(1000))), cheap);
    assert_eq!(lag(evicts(few, steps(1000))), Duration::ZERO);
    assert_eq!(lag(evicts(steps(50), steps(999))), Duration::ZERO);
    // By name.
    let clock = SystemClock::precise(Duration::from_millis(1));
    let gate = Gate::<String>::builder().clock(clock).build().unwrap();
    assert_eq!(gate.clock().lag(), Duration::ZERO);
}

#[test]
fn a_gate_that_could_fill_for_ever_is_an_error_unless_asked_for_by_name() {
    assert_eq!(refused(|gate| gate.no_idle_timeout()), "idle_timeout");
    assert_eq!(refused(|gate| gate.no_init_timeout()), "init_timeout");
    let lives = |gate: GateBuilder<String>| gate.no_idle_timeout().no_init_timeout();
    assert!(lives(Gate::builder()).max_lifetime(Duration::from_secs(1)).build().is_ok());
    assert!(lives(Gate::builder()).limit(Limit::UNLIMITED).build().is_ok());
    assert!(lives(Gate::builder()).may_lock_out_for_ever().build().is_ok());
    let shut = Gate::<String>::builder().limit(Limit::at_most(0)).may_lock_out_for_ever();
    assert!(shut.build().is_ok());
}

#[test]
fn no_change_at_run_time_leads_where_no_gate_could_begin() {
    let gate: Gate<String> = Gate::builder().build().unwrap();
    assert_eq!(gate.set_idle_timeout(None).unwrap_err().field(), "idle_timeout");
    assert_eq!(gate.set_init_timeout(None).unwrap_err().field(), "init_timeout");
    assert_eq!(gate.set_max_lifetime(Some(Duration::ZERO)).unwrap_err().field(), "max_lifetime");
    gate.set_max_lifetime(Some(Duration::from_secs(1))).unwrap();
    gate.set_idle_timeout(None).unwrap();
    assert_eq!(gate.set_max_lifetime(None).unwrap_err().field(), "idle_timeout");
    gate.set_limit(Limit::UNLIMITED).unwrap();
    gate.set_max_lifetime(None).unwrap();
    assert_eq!(gate.set_limit(Limit::at_most(5)).unwrap_err().field(), "idle_timeout");
    assert_eq!(gate.available(), u32::MAX, "nothing was changed");
}

/// Which the gate could take, and would do nothing by, or something else than was meant.
#[test]
fn a_setting_that_has_no_effect_is_an_error_that_says_what_to_do() {
    let ms = Duration::from_millis;
    let evicts = |floor| CapacityPolicy::EvictIdle { floor: ms(floor) };
    let long_floor = |gate: GateBuilder<String>| gate.idle_timeout(ms(50)).at_capacity(evicts(51));
    assert_eq!(refused(long_floor), "at_capacity");
    let of_life = |gate: GateBuilder<String>| gate.max_lifetime(ms(50)).at_capacity(evicts(51));
    assert_eq!(refused(of_life), "at_capacity");
    let only_life = |gate: GateBuilder<String>| of_life(gate).no_idle_timeout();
    assert_eq!(refused(only_life), "at_capacity");
    assert_eq!(refused(|gate| gate.max_subject_len(0)), "max_subject_len");
    let mut file = GateConfig::default();
    file.max_subject_len = 0;
    assert_eq!(refused(|gate| gate.config(file)), "max_subject_len");

    let built =
        |edit: fn(GateBuilder<String>) -> GateBuilder<String>| edit(Gate::builder()).build();
    assert!(built(|gate| gate.max_subject_len(1)).is_ok());
    let as_long = |gate: GateBuilder<String>| {
        let idle = gate.idle_timeout(Duration::from_millis(50));
        idle.at_capacity(CapacityPolicy::EvictIdle { floor: Duration::from_millis(50) })
    };
    let gate = built(as_long).unwrap();
    let error = gate.set_eviction_floor(ms(51)).unwrap_err();
    assert_eq!(error.field(), "at_capacity");
    assert!(error.reason().contains("take a shorter floor"), "{error}");
    assert_eq!(gate.set_idle_timeout(Some(ms(49))).unwrap_err().field(), "at_capacity");
    assert_eq!(gate.set_max_lifetime(Some(ms(49))).unwrap_err().field(), "at_capacity");
    gate.set_eviction_floor(ms(10)).unwrap();
    gate.set_idle_timeout(Some(ms(10))).unwrap();
    gate.set_eviction_floor(ms(11)).unwrap_err();
    gate.set_idle_timeout(None).unwrap();
    gate.set_eviction_floor(ms(11)).unwrap();
}

#[test]
fn a_setting_of_the_builder_comes_after_the_config_and_a_config_replaces_all() {
    let of = |gate: &Gate<String>| {
        let admits = |subject: &str| {
            let sessions: Vec<_> =
                (0..3).map_while(|_| gate.admit(Some(subject), ()).ok()).collect();
            sessions.len()
        };
        [admits("alice"), admits("bob")]
    };
    let mut config = GateConfig::default();
    config.overrides.insert("alice".to_owned(), Limit::at_most(1));
    let alice =
        Gate::builder().config(config.clone()).subject_override("alice".into(), Limit::at_most(2));
    assert_eq!(of(&alice.build().unwrap()), [2, 3]);
    let bob = Gate::builder().subject_override("bob".into(), Limit::at_most(2)).config(config);
    assert_eq!(of(&bob.build().unwrap()), [1, 3]);
}

#[test]
fn a_subject_without_an_order_may_be_an_exception() {
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Unordered(u8);
    let gate = Gate::<Unordered>::builder().subject_override(Unordered(1), Limit::at_most(0));
    let gate = gate.build().unwrap();
    assert!(gate.admit(Some(&Unordered(1)), ()).is_err());
    assert!(gate.admit(Some(&Unordered(2)), ()).is_ok());
}
