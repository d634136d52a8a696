//! Functions on slash-separated paths.

use gotmpl::{FuncMap, Str};

pub(crate) fn register(functions: &mut FuncMap) {
    // The host of a chart is Linux, where file paths are slash paths.
    for prefix in ["", "os"] {
        let name = |plain: &str, capital: &str| {
            format!("{prefix}{}", if prefix.is_empty() { plain } else { capital })
        };
        functions
            .add(&name("base", "Base"), |path: Str| Str::from(base(&path)))
            .add(&name("dir", "Dir"), |path: Str| Str::from(dir(&path)))
            .add(&name("clean", "Clean"), |path: Str| Str::from(clean(&path)))
            .add(&name("ext", "Ext"), |path: Str| Str::from(extension(&path)))
            .add(&name("isAbs", "IsAbs"), |path: Str| path.starts_with(b"/"));
    }
}

fn base(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        return b".";
    }
    let end = path.iter().rposition(|&b| b != b'/').map_or(0, |last| last + 1);
    if end == 0 {
        return b"/";
    }
    let path = path.get(..end).unwrap_or_default();
    path.rsplit(|&b| b == b'/').next().unwrap_or_default()
}

fn dir(path: &[u8]) -> Vec<u8> {
    let end = path.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
    clean(path.get(..end).unwrap_or_default())
}

fn extension(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
    name.iter()
        .rposition(|&b| b == b'.')
        .and_then(|dot| name.get(dot..))
        .unwrap_or_default()
}

/// The shortest equal path: no empty, `.` or needless `..` elements.
fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut kept: Vec<&[u8]> = Vec::new();
    for element in path.split(|&b| b == b'/') {
        match element {
            b"" | b"." => {}
            b".." if kept.last().is_some_and(|last| *last != b"..") => {
                kept.pop();
            }
            b".." if rooted => {}
            other => kept.push(other),
        }
    }
    let joined = kept.join(&b'/');
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/", joined.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}
