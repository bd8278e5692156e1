//! The modules of a crate and the paths that they name, by the compiler's own
//! grammar of tokens: comments are gone, and a string is one token.
//!
//! Only paths that begin with `crate`, `super` or `self` are read. All others
//! lead to other crates, to what such a path brought in, or down into the
//! module's own children, which its `mod` lines lead to already.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// Each source file's text, by its path from the top of the house.
pub(crate) type Files = BTreeMap<PathBuf, String>;

/// A module, in a file of its own or inside of its parent's.
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) parent: Option<usize>,
}

/// A crate without its tests. The first module is its root.
pub(crate) struct Source {
    pub(crate) modules: Vec<Module>,
    /// A module, and a path that is named in it.
    pub(crate) named: Vec<(usize, Vec<String>)>,
}

/// Where a module is read: its number, and the folders that `mod` lines and
/// `#[path]` attributes in it are looked up in.
struct Place {
    module: usize,
    children: PathBuf,
    beside: PathBuf,
}

impl Source {
    /// The crate with this root file.
    pub(crate) fn read(files: &Files, root: &Path) -> Self {
        let mut source = Self { modules: Vec::new(), named: Vec::new() };
        let folder = root.parent().expect("a file lies in a folder").to_path_buf();
        source.read_file(files, "crate", root.to_path_buf(), None, folder);
        source
    }

    fn add(&mut self, name: &str, file: PathBuf, parent: Option<usize>) -> usize {
        self.modules.push(Module { name: name.to_owned(), file, parent });
        self.modules.len() - 1
    }

    fn read_file(
        &mut self,
        files: &Files,
        name: &str,
        file: PathBuf,
        parent: Option<usize>,
        children: PathBuf,
    ) {
        let module = self.add(name, file.clone(), parent);
        // A file of another crate, included by its path, is not read twice.
        let Some(text) = files.get(&file) else { return };
        let tokens: TokenStream =
            text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let beside = file.parent().expect("a file lies in a folder").to_path_buf();
        self.scan(files, tokens, &Place { module, children, beside });
    }

    fn scan(&mut self, files: &Files, tokens: TokenStream, place: &Place) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut path_attribute = None;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    let is_inner = is_punct(tokens.get(at), '!');
                    let Some(TokenTree::Group(attribute)) = tokens.get(at + usize::from(is_inner))
                    else {
                        continue;
                    };
                    at += 1 + usize::from(is_inner);
                    if is_for_tests(attribute) && is_inner {
                        return;
                    } else if is_for_tests(attribute) {
                        at = end_of_item(&tokens, at);
                    } else if let Some(path) = path_of(attribute) {
                        path_attribute = Some(path);
                    } else {
                        self.scan(files, attribute.stream(), place);
                    }
                }
                // `pub(in super::super)` says who may come, and names nothing.
                TokenTree::Ident(word) if word == "pub" => {
                    if let Some(TokenTree::Group(group)) = tokens.get(at) {
                        let first = group.stream().into_iter().next().map(|word| word.to_string());
                        let is_scope =
                            matches!(first.as_deref(), Some("crate" | "super" | "self" | "in"));
                        at += usize::from(group.delimiter() == Delimiter::Parenthesis && is_scope);
                    }
                }
                TokenTree::Ident(word) if word == "mod" => {
                    // In a macro the name may be a variable.
                    at += usize::from(is_punct(tokens.get(at), '$'));
                    let Some(TokenTree::Ident(name)) = tokens.get(at) else { continue };
                    let name = name.to_string();
                    at += 1;
                    match tokens.get(at) {
                        Some(TokenTree::Group(body)) => {
                            let file = self.modules[place.module].file.clone();
                            let module = self.add(&name, file, Some(place.module));
                            let children = place.children.join(&name);
                            let beside = children.clone();
                            let inside = Place { module, children, beside };
                            self.scan(files, body.stream(), &inside);
                            at += 1;
                        }
                        Some(end) if is_punct(Some(end), ';') => {
                            self.declared(files, &name, path_attribute.take(), place);
                        }
                        _ => {}
                    }
                }
                TokenTree::Ident(word)
                    if (word == "crate" || word == "super" || word == "self")
                        && is_separator(&tokens, at) =>
                {
                    at = self.path(&tokens, at - 1, Vec::new(), place.module);
                }
                TokenTree::Group(group) => self.scan(files, group.stream(), place),
                _ => {}
            }
        }
    }

    /// A `mod` line, which leads to a file.
    fn declared(&mut self, files: &Files, name: &str, path: Option<String>, place: &Place) {
        let (file, children) = if let Some(path) = path {
            let file = normal(&place.beside.join(path));
            let children = file.parent().expect("a file lies in a folder").to_path_buf();
            (file, children)
        } else {
            let children = place.children.join(name);
            let own = [children.with_extension("rs"), children.join("mod.rs")];
            let file = own.into_iter().find(|file| files.contains_key(file));
            (file.unwrap_or_else(|| panic!("no file for {}", children.display())), children)
        };
        if !file.to_string_lossy().ends_with("_tests.rs") {
            self.named.push((place.module, vec!["self".to_owned(), name.to_owned()]));
            self.read_file(files, name, file, Some(place.module), children);
        }
    }

    /// The path or the tree of paths whose next word is at `at`; returns where
    /// it ends.
    fn path(
        &mut self,
        tokens: &[TokenTree],
        mut at: usize,
        mut words: Vec<String>,
        module: usize,
    ) -> usize {
        loop {
            match tokens.get(at) {
                Some(TokenTree::Ident(word)) => {
                    words.push(word.to_string());
                    at += 1;
                    if !is_separator(tokens, at) {
                        break;
                    }
                    at += 2;
                }
                Some(TokenTree::Group(tree)) if tree.delimiter() == Delimiter::Brace => {
                    let tree: Vec<_> = tree.stream().into_iter().collect();
                    for branch in tree.split(|token| is_punct(Some(token), ',')) {
                        self.path(branch, 0, words.clone(), module);
                    }
                    return at + 1;
                }
                _ => break,
            }
        }
        self.named.push((module, words));
        at
    }
}

fn is_punct(token: Option<&TokenTree>, is: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == is)
}

fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

/// The path without its `..`, as far as they can be taken out.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = normal.pop(),
            part => normal.push(part),
        }
    }
    normal
}

/// The file in `#[path = "file"]`.
fn path_of(attribute: &Group) -> Option<String> {
    let tokens: Vec<_> = attribute.stream().into_iter().collect();
    match &tokens[..] {
        [TokenTree::Ident(word), TokenTree::Punct(_), TokenTree::Literal(file)]
            if word == "path" =>
        {
            Some(file.to_string().trim_matches('"').to_owned())
        }
        _ => None,
    }
}

/// Is it a `#[cfg(..)]` that holds in tests only?
fn is_for_tests(attribute: &Group) -> bool {
    let tokens: Vec<_> = attribute.stream().into_iter().collect();
    match &tokens[..] {
        [TokenTree::Ident(word), TokenTree::Group(condition)] if word == "cfg" => {
            needs_test(&condition.stream().into_iter().collect::<Vec<_>>())
        }
        _ => false,
    }
}

fn needs_test(condition: &[TokenTree]) -> bool {
    let of = |list: &Group| list.stream().into_iter().collect::<Vec<_>>();
    let comma = |token: &TokenTree| is_punct(Some(token), ',');
    match condition {
        [TokenTree::Ident(word)] => word == "test",
        [TokenTree::Ident(word), TokenTree::Group(list)] if word == "all" => {
            of(list).split(comma).any(needs_test)
        }
        [TokenTree::Ident(word), TokenTree::Group(list)] if word == "any" => {
            of(list).split(comma).all(|part| part.is_empty() || needs_test(part))
        }
        _ => false,
    }
}

/// Where the item, field or arm ends that begins at `at`.
fn end_of_item(tokens: &[TokenTree], mut at: usize) -> usize {
    let mut ends = Ends::Comma;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Ident(word) if matches!(ends, Ends::Comma) => {
                ends = Ends::of(&word.to_string(), tokens.get(at));
            }
            TokenTree::Group(body) => {
                let is_body = body.delimiter() == Delimiter::Brace;
                if is_body && !matches!(ends, Ends::Semicolon) {
                    break;
                }
            }
            token if is_punct(Some(token), ';') => break,
            token if is_punct(Some(token), ',') && matches!(ends, Ends::Comma) => break,
            _ => {}
        }
    }
    at
}

enum Ends {
    /// Or at the body, or at the semicolon.
    Comma,
    /// Or at the semicolon.
    Body,
    Semicolon,
}

impl Ends {
    fn of(word: &str, next: Option<&TokenTree>) -> Self {
        let next = next.map(ToString::to_string);
        match (word, next.as_deref()) {
            ("const", Some("fn" | "unsafe" | "async" | "extern")) => Self::Body,
            ("use" | "static" | "const" | "type" | "let", _) => Self::Semicolon,
            (
                "fn" | "mod" | "impl" | "struct" | "enum" | "union" | "trait" | "unsafe" | "async"
                | "extern" | "macro_rules",
                _,
            ) => Self::Body,
            _ => Self::Comma,
        }
    }
}
