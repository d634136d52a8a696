//! What the tests of recorded cases share.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Checks every case `<topic>/<case>` below a folder of the crate, and fails with all that differ.
pub(crate) fn check_cases(folder: &str, check: fn(&Path) -> Result<(), String>) -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut failures = Vec::new();
    let mut count = 0;
    for topic in folders(&root)? {
        for case in folders(&topic)? {
            count += 1;
            if let Err(difference) = check(&case) {
                failures.push(format!("{}\n{difference}", case.display()));
            }
        }
    }
    assert!(count > 0, "there are no cases in {}", root.display());
    assert!(
        failures.is_empty(),
        "{} of {count} cases differ:\n\n{}",
        failures.len(),
        failures.join("\n")
    );
    Ok(())
}

fn folders(parent: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}
