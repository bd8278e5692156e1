#![cfg(not(feature = "loom"))]
//! No circles in the house: no source file of a crate imports one that imports
//! it, over whatever others. Tests are left out.

mod circles;
mod planted;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use circles::{arrows, circles, told};
use source::Files;

fn house() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The source of the crate, and of each crate beside it where there are any:
/// a published package has none.
fn source() -> Files {
    let mut files = Files::new();
    collect(&house().join("src"), &mut files);
    if let Ok(crates) = fs::read_dir(house().join("crates")) {
        for one in crates {
            collect(&one.expect("a readable folder").path().join("src"), &mut files);
        }
    }
    files
}

fn collect(folder: &Path, files: &mut Files) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}")) {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("source is text");
            files.insert(path.strip_prefix(house()).expect("in the house").to_owned(), text);
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let arrows = arrows(&source());
    let bad: Vec<_> = circles(&arrows).iter().map(|circle| told(&arrows, circle)).collect();
    assert!(bad.is_empty(), "{} circles of files:\n{}", bad.len(), bad.join("\n"));
}

#[test]
fn every_source_file_of_the_core_is_read() {
    let files = source();
    let arrows = arrows(&files);
    let is_core =
        |file: &&PathBuf| file.starts_with("src") && !file.to_string_lossy().ends_with("_tests.rs");
    for file in files.keys().filter(is_core) {
        assert!(arrows.contains_key(file), "{} is in no module", file.display());
    }
    let leads = |from: &str, to: &str| arrows[Path::new(from)].contains_key(Path::new(to));
    assert!(leads("src/counts/permit.rs", "src/counts/map.rs"));
    assert!(leads("src/wheel/shard.rs", "src/sync/atomic.rs"));
}
