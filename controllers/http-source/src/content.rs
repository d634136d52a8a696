//! From a body to what becomes the Artifact.

use std::io::Read;

use artifact_crd::{ContentType, HttpContent, HttpSpec};
use artifact_producer::answers::{lasting, passing};
use artifact_producer::{Content, Failure};
use flux_archive::{Algorithm, Body, BodyError, Files, Form, Selection};
use sourceignore::{Matcher, patterns_of, read};

use crate::request::Request;
use crate::verify;

/// Patterns times files that are compared, at most.
const COMPARISONS: usize = 50_000_000;

/// What a body becomes.
pub(crate) struct Made {
    pub(crate) content: Content,
    /// Digest of the body.
    pub(crate) digest: String,
    /// Links that were left out: the first few, and how many.
    pub(crate) links: Vec<String>,
    pub(crate) left_out: usize,
}

/// Takes of a body what a spec asks for; blocks.
pub(crate) fn make(
    mut file: impl Read,
    spec: &HttpSpec,
    request: &Request,
    expected: Option<&str>,
) -> Result<Made, Failure> {
    let mut body = Vec::new();
    file.read_to_end(&mut body)
        .map_err(|error| passing(format!("cannot read a download: {error}")))?;
    drop(file);
    if let Some(expected) = expected {
        verify::check(&body, expected)?;
    }
    let algorithm = expected.and_then(|digest| digest.split_once(':')?.0.parse().ok());
    let digest = verify::digest(&body, algorithm.unwrap_or(Algorithm::Sha256));
    let content = spec.content.clone().unwrap_or_default();
    let (links, left_out, content) = match content.kind.unwrap_or_default() {
        ContentType::Chart => (Vec::new(), 0, chart(body)?),
        kind => {
            let form = match kind {
                ContentType::Archive => Form::Archive,
                ContentType::File => Form::File,
                ContentType::Auto | ContentType::Chart => Form::Auto,
            };
            let unpacked = Body::read(&body, form, &request.file_name, request.unpack);
            let unpacked = unpacked.map_err(|error| failure(&error))?;
            drop(body);
            let (links, left_out) = (unpacked.links, unpacked.left_out);
            let files = select(
                unpacked.files,
                &content,
                spec.ignore.as_deref(),
                &request.file_name,
            )?;
            (links, left_out, Content::files(files))
        }
    };
    Ok(Made {
        content,
        digest,
        links,
        left_out,
    })
}

fn failure(error: &BodyError) -> Failure {
    let reason = match error {
        BodyError::TooLarge(_) | BodyError::TooMany(_) => "LimitExceeded",
        BodyError::Unsupported(_) => "UnsupportedFormat",
        BodyError::Invalid(_) => "InvalidContent",
        BodyError::Nothing(_) => "NothingMatched",
    };
    let raise = match error {
        BodyError::TooLarge(_) => {
            "; to allow more, raise spec.maxUnpackedSize, or --artifact-max-unpacked-bytes of the controller"
        }
        BodyError::TooMany(_) => "; to allow more, raise --artifact-max-entries of the controller",
        _ => "",
    };
    lasting(reason, format!("the body cannot be used: {error}{raise}"))
}

fn select(
    files: Files,
    content: &HttpContent,
    ignore: Option<&str>,
    file_name: &str,
) -> Result<Files, Failure> {
    let selection = Selection {
        strip_components: content.strip_components.unwrap_or_default(),
        path: content.path.clone().unwrap_or_default(),
        include: content.include.clone(),
    };
    let is_one_file = files.len() == 1 && files.contains_key(file_name) && ignore.is_none();
    let mut files = selection.take(files).map_err(|error| failure(&error))?;
    if is_one_file {
        // The defaults are about what lies beside manifests.
        return Ok(files);
    }
    let mut patterns = patterns_of(
        files
            .iter()
            .map(|(path, file)| (path.as_str(), &file.content[..])),
    );
    patterns.extend(read(ignore.unwrap_or_default(), &[]));
    let matcher = Matcher::for_archives(patterns);
    if matcher.len().saturating_mul(files.len()) > COMPARISONS {
        let text = format!(
            "{} ignore rules for {} files are too many to compare",
            matcher.len(),
            files.len()
        );
        return Err(lasting("LimitExceeded", text));
    }
    files.retain(|path, _| !matcher.ignores(path, false));
    if files.is_empty() {
        return Err(lasting("NothingMatched", "the ignore rules leave no file"));
    }
    Ok(files)
}

/// A chart is stored as it is: others know its digest.
fn chart(archive: Vec<u8>) -> Result<Content, Failure> {
    let chart = helm::Chart::from_archive(&archive, &helm::Limits::default());
    let chart = chart.map_err(|error| lasting("InvalidContent", format!("the body is no chart: {error}")))?;
    let version = chart.metadata().version.clone();
    Ok(Content::chart(archive, &version))
}
