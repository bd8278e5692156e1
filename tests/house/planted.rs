//! The check itself, on small houses: what it must see and what it must not.

use crate::circles::{arrows, circles, told};
use crate::source::Files;

/// A crate of these files in `src`.
fn plant(files: &[(&str, &str)]) -> Files {
    let plant = |(name, text): &(&str, &str)| (format!("src/{name}").into(), (*text).to_owned());
    files.iter().map(plant).collect()
}

/// The circles of a crate, each as its files in order.
fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let names = |circle: &crate::circles::Circle| {
        let names: Vec<_> = circle.iter().map(|file| file.display().to_string()).collect();
        names.join(" ")
    };
    circles(&arrows(&plant(files))).iter().map(names).collect()
}

/// The circles of a crate in which `b` names `a`, and `a` holds `text`.
fn with_a(text: &str) -> Vec<String> {
    circles_of(&[
        ("lib.rs", "mod a; mod b; mod room;"),
        ("a.rs", text),
        ("b.rs", "use crate::a::A; pub struct B;"),
        ("room/mod.rs", "mod inner; pub use inner::Inner;"),
        ("room/inner.rs", "pub struct Inner;"),
    ])
}

const A_AND_B: [&str; 1] = ["src/a.rs src/b.rs"];

#[test]
fn a_circle_is_found_by_whatever_way_it_is_closed() {
    for text in [
        "use crate::b::B;",
        "use super::b::B;",
        "pub use crate::b::B as C;",
        "pub(crate) use super::b;",
        "use self::super::b::B;",
        "use super::b::*;",
        "use crate::{room::Inner, b::{self, B}};",
        "use {std::fmt, crate::{room::{Inner}, b::B}};",
        "fn f() -> crate::b::B { panic!() }",
        "fn f() { super::b::g::<u8>(); }",
        "struct S<T: super::b::B>(pub(super) T);",
        "impl<T> From<super::b::B> for S<T> {}",
        "fn f() { use super::b::B; }",
        "fn f() { println!(\"{}\", crate::b::N); }",
        "macro_rules! m { ($name:ident) => { $crate::b::B::$name() }; }",
        "mod inside { use super::super::b::B; }",
        "mod inside { fn f() { super::super::b::g() } }",
        "macro_rules! m { ($name:ident) => { mod $name { use super::super::b::B; } }; }",
        "#[derive(crate::b::Derive)] struct S;",
        "#[cfg(not(test))] use super::b::B;",
        "#[cfg(any(test, unix))] use super::b::B;",
        "#[cfg(test)] use super::room::{Inner}; use super::b::B;",
        "#[cfg(test)] fn f() -> [u8; 2] { [0; 2] } use super::b::B;",
        "struct S { #[cfg(test)] n: u8, b: super::b::B }",
        "#[cfg(test)] const fn f() {} fn g(b: super::b::B) {}",
    ] {
        assert_eq!(with_a(text), A_AND_B, "{text}");
    }
}

#[test]
fn what_only_looks_like_an_arrow_is_none() {
    for text in [
        "",
        "use crate::room::Inner;",
        "//! By [`B`](crate::b::B).\n/// See [`super::b::B`].\nstruct S;",
        "// use crate::b::B;\n/* use super::b::B; /* nested */ */",
        "const S: &str = \"use crate::b::B;\"; const R: &str = r#\"super::b::B\"#;",
        "#[cfg(test)] mod tests { use crate::b::B; }",
        "#[cfg(all(test, not(unix)))] mod tests { use crate::b::B; }",
        "#[cfg(any(test, all(test, unix)))] mod tests { use crate::b::B; }",
        "#![cfg(test)] use crate::b::B;",
        "#[cfg(test)] #[allow(unused)] use crate::b::{B};",
        "#[cfg(test)] const N: u8 = { super::b::N };",
        "#[cfg(test)] fn f() -> impl Fn(u8, u8) -> super::b::B { crate::b::g }",
        "struct S { #[cfg(test)] b: super::b::B, n: u8 }",
        "struct S(pub(in crate::b) u8); pub(in super::b) fn f() {}",
        "fn f(&self) { self.b(); self::g(); }",
        "mod b { pub struct B; } use self::b::B;",
        "macro_rules! m { ($name:ident) => { mod $name { fn f() { super::b() } } }; }",
    ] {
        assert_eq!(with_a(text), [""; 0], "{text}");
    }
}

#[test]
fn a_child_that_takes_from_its_own_face_closes_a_circle() {
    for text in
        ["use super::Face;", "use super::*;", "fn f() { super::g() }", "use crate::room::Face;"]
    {
        let found = circles_of(&[
            ("lib.rs", "mod room;"),
            ("room.rs", "mod child; pub struct Face;"),
            ("room/child.rs", text),
        ]);
        assert_eq!(found, ["src/room/child.rs src/room.rs"], "{text}");
    }
    let found = circles_of(&[("lib.rs", "mod a; pub use a::A;"), ("a.rs", "use crate::A;")]);
    assert_eq!(found, ["src/a.rs src/lib.rs"]);
}

#[test]
fn a_child_may_take_from_its_siblings_and_a_grandchild_from_its_uncles() {
    let found = circles_of(&[
        ("lib.rs", "mod base; mod room; pub use room::Second;"),
        ("base.rs", "pub struct Base;"),
        ("room/mod.rs", "mod first; mod second; pub use second::Second;"),
        ("room/first.rs", "mod deep; use crate::base::Base; pub struct First;"),
        ("room/first/deep.rs", "use super::super::super::base::Base;"),
        ("room/second.rs", "use super::first::First; use super::super::base::*;"),
    ]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_circle_over_several_files_is_one_and_names_each_arrow() {
    let files = plant(&[
        ("main.rs", "mod a; mod b; mod c; mod d; #[path = \"odd/e.rs\"] mod e;"),
        ("a.rs", "use crate::b;"),
        ("b.rs", "use crate::c;"),
        ("c.rs", "use crate::{a, d};"),
        ("d.rs", "use crate::e::E;"),
        ("odd/e.rs", "mod f; use super::d::D;"),
        ("odd/f.rs", "use crate::d;"),
    ]);
    let arrows = arrows(&files);
    let told: Vec<_> = circles(&arrows).iter().map(|circle| told(&arrows, circle)).collect();
    assert_eq!(
        told[0],
        "  src/a.rs -> src/b.rs by `crate::b`\n  src/b.rs -> src/c.rs by `crate::c`\n  \
         src/c.rs -> src/a.rs by `crate::a`\n"
    );
    assert!(told[1].contains("src/odd/e.rs -> src/odd/f.rs by `self::f`"), "{}", told[1]);
    assert_eq!(told.len(), 2);
}

#[test]
fn files_of_tests_are_left_out() {
    let found = circles_of(&[
        ("lib.rs", "mod a; mod a_tests; #[cfg(test)] mod none;"),
        ("a.rs", "#[cfg(test)] #[path = \"a_tests.rs\"] mod tests; pub struct A;"),
        ("a_tests.rs", "use crate::Everything;"),
    ]);
    assert_eq!(found, [""; 0]);
}
