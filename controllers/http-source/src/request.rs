//! What a spec asks for, once it is known to make sense.

use artifact_crd::{HttpSpec, Redirects};
use artifact_producer::Failure;
use controller_kit::artifact::Digest;
use flux_archive::Limits;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::Settings;

/// What a spec asks for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) url: Url,
    pub(crate) redirects: Redirects,
    /// The digest that the spec names.
    pub(crate) digest: Option<String>,
    /// Where a list of check sums is, and the name in it.
    pub(crate) checksums: Option<(Url, String)>,
    /// Name of a body that is one file.
    pub(crate) file_name: String,
    pub(crate) max_bytes: u64,
    pub(crate) unpack: Limits,
}

impl Request {
    pub(crate) fn read(spec: &HttpSpec, settings: &Settings) -> Result<Self, Failure> {
        let url = parse(&spec.url, "spec.url", settings)?;
        let last = last_segment(&url);
        let digest = spec.digest.as_ref().map(|digest| {
            let parsed = digest.parse::<Digest>();
            parsed.map_err(|error| Failure::edit("ValidationFailed", format!("spec.digest: {error}")))
        });
        let digest = digest.transpose()?.map(|digest| digest.to_string());
        let checksums = spec.verify.as_ref().and_then(|verify| verify.checksums.as_ref());
        let checksums = checksums.map(|checksums| {
            let list = parse(&checksums.url, "spec.verify.checksums.url", settings)?;
            let file = checksums
                .file
                .clone()
                .or_else(|| last.clone())
                .unwrap_or_default();
            Ok::<_, Failure>((list, file))
        });
        let content = spec.content.clone().unwrap_or_default();
        let file_name = content
            .file_name
            .or(last)
            .unwrap_or_else(|| "index.yaml".to_owned());
        if !flux_archive::clean_path(&file_name) || file_name.contains('/') {
            let message = format!("{file_name:?} is no name of a file; set spec.content.fileName");
            return Err(Failure::edit("ValidationFailed", message));
        }
        let lower = |asked: Option<u64>, most: u64| asked.map_or(most, |asked| asked.min(most));
        Ok(Self {
            url,
            redirects: spec.redirects.unwrap_or_default(),
            digest,
            checksums: checksums.transpose()?,
            file_name,
            max_bytes: lower(spec.max_size, settings.max_bytes),
            unpack: Limits {
                bytes: lower(spec.max_unpacked_size, settings.unpack.bytes),
                entries: settings.unpack.entries,
            },
        })
    }
}

fn parse(text: &str, field: &str, settings: &Settings) -> Result<Url, Failure> {
    let invalid = |why: String| Failure::edit("URLInvalid", format!("{field}: {why}"));
    let mut url = Url::parse(text).map_err(|error| invalid(error.to_string()))?;
    url.set_fragment(None);
    match settings.refusal(&url) {
        Some(refusal) => Err(invalid(refusal)),
        None => Ok(url),
    }
}

/// The last part of the path, as a name of a file.
fn last_segment(url: &Url) -> Option<String> {
    let segment = url.path_segments()?.next_back()?;
    let name = percent_decode_str(segment).decode_utf8().ok()?;
    (!name.is_empty()).then(|| name.into_owned())
}

/// Whether two URLs lead to the same server.
pub(crate) fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}
