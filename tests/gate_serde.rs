#![cfg(not(feature = "loom"))]
//! A gate's settings come from a file as they are written there, with the
//! builder's defaults, and what is wrong there is told by the field's name.

use std::collections::BTreeMap;
use std::time::Duration;

use headcount::{CapacityPolicy, Gate, GateBuilder, GateConfig, GateError, Limit, Rate};

const SECOND: Duration = Duration::from_secs(1);

/// The text in the documentation of `GateConfig`.
const LIMITS: &str = include_str!("../examples/limits.toml");

fn read(text: &str) -> GateConfig {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn with(edit: impl FnOnce(&mut GateConfig)) -> GateConfig {
    let mut config = GateConfig::default();
    edit(&mut config);
    config
}

/// The example, which has every field with a value that is not the default.
fn example() -> GateConfig {
    with(|config| {
        config.limit = Limit::at_most(200);
        config.subject_limit = Limit::at_most(5);
        config.overrides = BTreeMap::from([
            ("tenant-a".to_owned(), Limit::at_most(50)),
            ("health check".to_owned(), Limit::UNLIMITED),
        ]);
        config.max_subject_len = 256;
        config.rate = Some(Rate { most: 50, window: SECOND });
        config.init_timeout = Some(10 * SECOND);
        config.idle_timeout = Some(5_400 * SECOND);
        config.max_lifetime = Some(7 * 86_400 * SECOND);
        config.tick = Duration::from_millis(10);
        config.at_capacity = CapacityPolicy::EvictIdle { floor: 30 * SECOND };
        config.may_lock_out_for_ever = false;
    })
}

#[test]
fn an_empty_file_is_the_builders_defaults() {
    assert_eq!(read(""), GateConfig::default());
    // The builders print all that is set, but for the exceptions.
    let of_file: GateBuilder<String> = read("").into();
    let fresh: GateBuilder<String> = Gate::builder();
    assert_eq!(format!("{of_file:?}"), format!("{fresh:?}"));
    assert_eq!(toml::from_str::<GateConfig>("limit = 100").unwrap(), GateConfig::default());
}

#[test]
fn the_documented_file_is_what_it_says() {
    assert_eq!(read(LIMITS), example());
    let from_file: GateBuilder<String> = read(LIMITS).into();
    let by_hand = Gate::builder()
        .limit(Limit::at_most(200))
        .subject_limit(Limit::at_most(5))
        .max_subject_len(256)
        .rate(50, SECOND)
        .init_timeout(10 * SECOND)
        .idle_timeout(5_400 * SECOND)
        .max_lifetime(7 * 86_400 * SECOND)
        .tick(Duration::from_millis(10))
        .at_capacity(CapacityPolicy::EvictIdle { floor: 30 * SECOND });
    let by_hand: GateBuilder<String> = by_hand;
    assert_eq!(format!("{from_file:?}"), format!("{by_hand:?}"));
}

#[test]
fn a_gate_from_a_file_keeps_its_limits() {
    let text = "limit = 4\nsubject_limit = 1\noverrides = { boss = 2, nobody = 0 }";
    let gate: Gate<String> = GateBuilder::from(read(text)).build().unwrap();
    let admit = |subject| gate.admit(Some(subject), ());
    let _held = [admit("alice").unwrap(), admit("boss").unwrap(), admit("boss").unwrap()];
    assert!(admit("alice").is_err() && admit("boss").is_err() && admit("nobody").is_err());
    assert_eq!(gate.available(), 1);
}

#[test]
fn every_way_to_write_a_field_is_read() {
    let cases = [
        ("limit = \"unlimited\"", with(|config| config.limit = Limit::UNLIMITED)),
        ("limit = 0", with(|config| config.limit = Limit::at_most(0))),
        ("subject_limit = \"unlimited\"", with(|config| config.subject_limit = Limit::UNLIMITED)),
        ("rate = \"off\"", with(|config| config.rate = None)),
        ("rate.most = 3\nrate.window = \"1m\"", {
            with(|config| config.rate = Some(Rate { most: 3, window: 60 * SECOND }))
        }),
        ("init_timeout = \"off\"", with(|config| config.init_timeout = None)),
        ("idle_timeout = \"off\"", with(|config| config.idle_timeout = None)),
        ("idle_timeout = \"2m 5s\"", with(|config| config.idle_timeout = Some(125 * SECOND))),
        ("max_lifetime = \"off\"", with(|config| config.max_lifetime = None)),
        ("tick = \"1us\"", with(|config| config.tick = Duration::from_micros(1))),
        ("at_capacity = \"reject\"", with(|config| config.at_capacity = CapacityPolicy::Reject)),
        ("at_capacity = \"evict-oldest\"", {
            with(|config| config.at_capacity = CapacityPolicy::EvictOldest)
        }),
        ("[at_capacity.evict-idle]\nfloor = \"1s\"", {
            with(|config| config.at_capacity = CapacityPolicy::EvictIdle { floor: SECOND })
        }),
        ("may_lock_out_for_ever = true", with(|config| config.may_lock_out_for_ever = true)),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    let all_off = with(|config| {
        config.limit = Limit::UNLIMITED;
        config.init_timeout = None;
        config.idle_timeout = None;
        config.at_capacity = CapacityPolicy::EvictOldest;
        config.may_lock_out_for_ever = true;
    });
    for config in [GateConfig::default(), example(), all_off] {
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<GateConfig>(&text).unwrap(), config, "{text}");
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<GateConfig>(&text).unwrap(), config, "{text}");
    }
}

#[test]
fn subjects_need_not_be_text() {
    let config: GateConfig<u64> = serde_json::from_str(r#"{"overrides": {"17": 3}}"#).unwrap();
    assert_eq!(config.overrides, BTreeMap::from([(17, Limit::at_most(3))]));
}

/// What is wrong with a file of this one field, as JSON, whose own errors know
/// no fields.
fn wrong(field: &str, value: &str) -> String {
    let text = format!("{{{field:?}: {value}}}");
    match serde_json::from_str::<GateConfig>(&text) {
        Ok(config) => panic!("{text} is read as {config:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_error_names_its_field() {
    let bad = [
        ("limit", "-1"),
        ("limit", "4294967296"),
        ("limit", "\"many\""),
        ("limit", "1.5"),
        ("subject_limit", "-1"),
        ("max_subject_len", "-1"),
        ("rate", "5"),
        ("rate", "\"on\""),
        ("rate", r#"{"most": 5}"#),
        ("rate", r#"{"most": -5, "window": "1s"}"#),
        ("rate", r#"{"most": 5, "window": 1}"#),
        ("rate", r#"{"most": 5, "window": "off"}"#),
        ("rate", r#"{"most": 5, "window": "1s", "burst": 2}"#),
        ("init_timeout", "30"),
        ("init_timeout", "\"30\""),
        ("init_timeout", "\"-30s\""),
        ("idle_timeout", "\"5 parsecs\""),
        ("idle_timeout", "null"),
        ("max_lifetime", "\"never\""),
        ("tick", "\"off\""),
        ("at_capacity", "\"evict\""),
        ("at_capacity", "\"evict-idle\""),
        ("at_capacity", r#"{"evict-idle": {}}"#),
        ("at_capacity", r#"{"evict-idle": {"floor": "-1s"}}"#),
        ("at_capacity", r#"{"evict-idle": {"floor": "1s", "ceiling": "1h"}}"#),
        ("may_lock_out_for_ever", "\"yes\""),
        ("overrides", r#"{"alice": -1}"#),
        ("overrides", r#"["alice"]"#),
    ];
    for (field, value) in bad {
        let error = wrong(field, value);
        assert!(error.starts_with(&format!("`{field}`: ")), "{value}: {error}");
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let says = |field, value, what: &str| {
        let error = wrong(field, value);
        assert!(error.contains(what), "{error}");
    };
    says("limits", "5", "unknown field `limits`, expected one of `limit`, ");
    says("limit", "-1", "integer `-1`, expected a number up to 4294967295, or \"unlimited\"");
    says("limit", "4294967296", "a limit of 4294967296 is over the largest");
    says("idle_timeout", "\"5 parsecs\"", "\"5 parsecs\" is no duration: unknown time unit");
    says("idle_timeout", "30", "integer `30`, expected a duration such as \"30s\", or \"off\"");
    says("tick", "1", "integer `1`, expected a duration such as \"30s\" at");
    says("rate", "5", "integer `5`, expected `most` and `window`, or \"off\"");
    says("rate", r#"{"most": 5, "window": "1 lightyear"}"#, "`rate`: `window`: \"1 lightyear\"");
    says("rate", r#"{"most": 5, "burst": 2}"#, "unknown field `burst`");
    says("at_capacity", "\"evict\"", "unknown variant `evict`, expected one of `reject`, ");
    says("at_capacity", r#"{"evict-idle": {"floor": "x"}}"#, "`at_capacity`: `floor`: \"x\"");
    // In TOML, with the place.
    let text = "limit = 5\nidle_timeout = \"5 parsecs\"\n";
    let error = toml::from_str::<GateConfig>(text).unwrap_err().to_string();
    assert!(error.contains("line 2, column 16"), "{error}");
    assert!(error.contains("`idle_timeout`: \"5 parsecs\" is no duration: "), "{error}");
}

#[test]
fn what_a_gate_cannot_be_set_to_is_the_builders_error() {
    let refused = |text: &str| -> GateError {
        GateBuilder::<String>::from(read(text)).build().expect_err(text)
    };
    for (text, field) in [
        ("limit = 0", "limit"),
        ("rate = { most = 0, window = \"1s\" }", "rate"),
        ("idle_timeout = \"0s\"", "idle_timeout"),
        ("idle_timeout = \"off\"", "idle_timeout"),
        ("init_timeout = \"100000 years\"", "init_timeout"),
        ("tick = \"0s\"", "tick"),
        ("at_capacity = { evict-idle = { floor = \"100000 years\" } }", "at_capacity"),
    ] {
        assert_eq!(refused(text).field(), field, "{text}");
    }
    let asked_for = "limit = 0\nmay_lock_out_for_ever = true";
    assert!(GateBuilder::<String>::from(read(asked_for)).build().is_ok());
}
