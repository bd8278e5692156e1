#![cfg(not(feature = "loom"))]
//! Settings that cannot be meant, or that could shut everybody out for ever,
//! are errors that name the setting.

use std::time::Duration;

use headcount::{CapacityPolicy, Gate, GateBuilder, GateConfig, Limit};

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
