//! Files that use each other in a circle can only be read together. There are none, but inside one folder that says why.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The path of a module inside its crate; the root has none.
type Module = Vec<String>;

/// The word by which the `mod.rs` of a folder says that files of the folder use each other in a circle, and why.
const SAYS_WHY: &str = "circle";

/// The modules of a crate, with what each file uses.
pub(crate) struct Crate {
    files: BTreeMap<Module, String>,
    /// Names that a module hands on, with the paths that they stand for.
    exports: BTreeMap<Module, BTreeMap<String, Vec<String>>>,
}

impl Crate {
    /// Reads all files below a `src` folder, tests left out.
    pub(crate) fn read(src: &Path) -> Self {
        let mut files = BTreeMap::new();
        read_folder(src, &[], &mut files);
        let mut exports: BTreeMap<Module, BTreeMap<String, Vec<String>>> = BTreeMap::new();
        for (module, text) in &files {
            let names = exports.entry(module.clone()).or_default();
            for path in paths(text).into_iter().filter(|path| path.is_export) {
                if let Some(last) = path.segments.last() {
                    names.insert(last.clone(), path.segments.clone());
                }
            }
        }
        Self { files, exports }
    }

    /// The folder that are directly in a folder and in a circle, with what each uses of the others; the root folder of a
    /// crate has no path.
    pub(crate) fn circles(&self) -> BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> {
        let uses = self.uses();
        let mut folders: BTreeSet<Module> = BTreeSet::new();
        for module in self.files.keys() {
            folders.extend((0..module.len()).map(|length| module[..length].to_vec()));
        }
        let mut found = BTreeMap::new();
        for folder in folders {
            let unit = |module: &Module| {
                let inside = module.starts_with(&folder) && module.len() > folder.len();
                inside.then(|| module[folder.len()].clone())
            };
            let mut units: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (from, to) in &uses {
                if let (Some(from), Some(to)) = (unit(from), unit(to))
                    && from != to
                {
                    units.entry(from).or_default().insert(to);
                }
            }
            let circle = in_circles(units);
            if !circle.is_empty() {
                found.insert(folder, circle);
            }
        }
        found
    }

    /// Which file uses which.
    pub(crate) fn uses(&self) -> BTreeSet<(Module, Module)> {
        let mut uses = BTreeSet::new();
        for (module, text) in &self.files {
            for path in paths(text) {
                if let Some(used) = self.resolve(module, &path.segments, 0)
                    && used != *module
                {
                    uses.insert((module.clone(), used));
                }
            }
        }
        uses
    }

    /// The module where that is which a path leads to, re-exports followed.
    fn resolve(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        const MOST_REEXPORTS: usize = 8;
        let mut module = from.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => module.clear(),
            "self" => {}
            "super" => {
                module.pop();
            }
            name => {
                let mut child = module.clone();
                child.push(name.to_owned());
                if !self.files.contains_key(&child) && !self.exports[&module].contains_key(name) {
                    return None;
                }
                rest = path;
            }
        }
        if ["crate", "self", "super"].contains(&path.first()?.as_str()) {
            rest = &path[1..];
        }
        while let Some((name, others)) = rest.split_first() {
            if name == "super" {
                module.pop();
                rest = others;
                continue;
            }
            let mut child = module.clone();
            child.push(name.clone());
            if self.files.contains_key(&child) {
                module = child;
                rest = others;
                continue;
            }
            let handed_on = self.exports.get(&module).and_then(|names| names.get(name));
            if let Some(target) = handed_on.filter(|target| *target != path)
                && depth < MOST_REEXPORTS
                && let Some(found) = self.resolve(&module, target, depth + 1)
            {
                return Some(found);
            }
            break;
        }
        Some(module)
    }

    /// Whether the folder says why its files use each other in a circle.
    pub(crate) fn says_why(src: &Path, folder: &Module) -> bool {
        let path = src.join(folder.join("/")).join("mod.rs");
        let text = fs::read_to_string(path).unwrap_or_default();
        let docs = text.lines().take_while(|line| line.starts_with("//!"));
        !folder.is_empty() && docs.into_iter().any(|line| line.contains(SAYS_WHY))
    }
}

/// Leaves what is in a circle, or between two.
fn in_circles(mut units: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, BTreeSet<String>> {
    loop {
        let used: BTreeSet<String> = units.values().flatten().cloned().collect();
        let before = units.len();
        let kept: BTreeSet<String> = units.keys().cloned().collect();
        for uses in units.values_mut() {
            uses.retain(|used| kept.contains(used));
        }
        units.retain(|name, uses| !uses.is_empty() && used.contains(name));
        if units.len() == before {
            return units;
        }
    }
}

fn read_folder(folder: &Path, module: &[String], files: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut below = module.to_vec();
        if path.is_dir() {
            below.push(name);
            read_folder(&path, &below, files);
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") || name == "tests" {
            continue;
        }
        if !["mod", "lib", "main"].contains(&name.as_str()) {
            below.push(name);
        }
        let text = fs::read_to_string(&path).expect("a readable file");
        let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let code = text
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default());
        files
            .entry(below)
            .or_default()
            .push_str(&code.collect::<Vec<_>>().join("\n"));
    }
}

/// A path in the code of a file.
struct Used {
    segments: Vec<String>,
    /// Whether the file hands it on: `pub use`.
    is_export: bool,
}

/// All paths of `use` declarations, and those in the code that begin with `crate`, `super` or `self`.
fn paths(text: &str) -> Vec<Used> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let before = at.checked_sub(1).map_or("", |before| tokens[before]);
        let starts = ["crate", "super", "self"].contains(&tokens[at])
            && before != "::"
            && tokens.get(at + 1) == Some(&"::");
        if tokens[at] == "use" {
            let is_export = before == "pub" || before == ")";
            at += 1;
            tree(&tokens, &mut at, &[], is_export, &mut found);
        } else if starts {
            tree(&tokens, &mut at, &[], false, &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one path, or several that begin alike, as `a::{b, c::d}`.
fn tree(tokens: &[&str], at: &mut usize, prefix: &[String], is_export: bool, found: &mut Vec<Used>) {
    let mut segments = prefix.to_vec();
    while let Some(token) = tokens.get(*at) {
        match *token {
            "{" => {
                *at += 1;
                while tokens.get(*at).is_some_and(|token| *token != "}") {
                    let start = *at;
                    tree(tokens, at, &segments, is_export, found);
                    if tokens.get(*at) == Some(&",") || *at == start {
                        *at += 1;
                    }
                }
                *at += 1;
                return;
            }
            "*" => *at += 1,
            word if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                if word != "self" || segments.is_empty() {
                    segments.push(word.to_owned());
                }
                *at += 1;
            }
            _ => break,
        }
        if tokens.get(*at) != Some(&"::") {
            break;
        }
        *at += 1;
    }
    // A new name for it.
    if tokens.get(*at) == Some(&"as") {
        *at += 2;
    }
    if !segments.is_empty() {
        found.push(Used { segments, is_export });
    }
}

/// Words, `::`, and single characters.
fn tokens(text: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

#[test]
fn paths_are_found_in_declarations_and_in_code() {
    let text =
        "pub use a::{B, c::D};\nuse crate::x::{self, y::Z as W};\nfn f() { super::g::<u8>(crate::h()) }";
    let found: Vec<(String, bool)> = paths(text)
        .into_iter()
        .map(|path| (path.segments.join("::"), path.is_export))
        .collect();
    let expected = [
        ("a::B", true),
        ("a::c::D", true),
        ("crate::x", false),
        ("crate::x::y::Z", false),
        ("super::g", false),
        ("crate::h", false),
    ];
    assert_eq!(
        found,
        expected.map(|(path, is_export)| (path.to_owned(), is_export))
    );
}
