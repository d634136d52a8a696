//! Archives among the files.

use flux_archive::{Body, BodyError, Form};

use crate::error::Problem;
use crate::path::{base, join};
use crate::stage::Stage;
use crate::tree::File;

/// The ends of names of archives.
const ENDINGS: [&str; 4] = [".tar.gz", ".tgz", ".tar", ".zip"];

/// Tells whether a name is that of an archive.
pub(crate) fn is_archive(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    ENDINGS.iter().any(|ending| path.ends_with(ending))
}

/// Writes what is in an archive below a directory. Links are left out.
pub(crate) fn unpack(stage: &mut Stage<'_>, path: &str, file: &File, to: &str) -> Result<(), Problem> {
    let limits = stage.work.limits();
    let limits = flux_archive::Limits {
        bytes: limits.bytes,
        entries: limits.files,
    };
    let body = Body::read(&file.content, Form::Archive, base(path), limits).map_err(|error| match error {
        BodyError::TooLarge(limit) => Problem::limit(format!("what {path} unpacks to, in bytes,"), limit),
        BodyError::TooMany(limit) => Problem::limit(format!("the number of entries of {path}"), limit as u64),
        error => Problem::file(path, error),
    })?;
    if body.left_out > 0 {
        stage.warnings.push(format!(
            "{path}: {} links are left out: {}",
            body.left_out,
            body.links.join(", ")
        ));
    }
    for (name, loaded) in body.files {
        let file = File {
            content: loaded.content.into(),
            executable: loaded.executable,
        };
        stage.write(&join(to, &name), file)?;
    }
    Ok(())
}
