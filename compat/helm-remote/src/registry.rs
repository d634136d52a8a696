//! OCI registries: tags, manifests and the layer that is the chart.

use serde::Deserialize;
use sprig::semver::{Constraints, Version};
use url::Url;

use crate::client::{Answer, Client, Request};
use crate::digest::{check_digest, sha256};
use crate::login::{Login, host};
use crate::reference::{Reference, SCHEME, tag_of};
use crate::refusal::{first_value, refusal};
use crate::retry::until_served;
use crate::token::{authorization, without_query};
use crate::{Access, FetchError, HelmFiles};

const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";
/// What charts were before that.
const OLD_LAYER: &str = "application/tar+gzip";
const MANIFESTS: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";

/// A chart of a registry.
pub(crate) struct Pulled {
    pub(crate) archive: Vec<u8>,
    /// The name of the archive as a file.
    pub(crate) name: String,
    /// The file with its signature, or why there is none, if that was asked for.
    pub(crate) provenance: Option<Result<Vec<u8>, FetchError>>,
    /// What it was found by.
    pub(crate) reference: String,
    /// The digest of its manifest.
    pub(crate) digest: String,
}

/// A repository of a registry, with what it takes to ask it.
pub(crate) struct Registry<'c> {
    client: &'c Client,
    reference: Reference,
    scheme: &'static str,
    /// As whom; or what is wrong with what there is about that, which counts once it is asked for.
    login: Result<Login, String>,
    /// The header that the registry has accepted, once it has asked for one.
    authorization: Option<String>,
}

impl<'c> Registry<'c> {
    pub(crate) fn new(
        client: &'c Client,
        reference: Reference,
        access: &Access,
        files: &HelmFiles,
    ) -> Result<Self, FetchError> {
        let given = !access.username.is_empty() && !access.password.is_empty();
        let login = if given {
            Ok(Login::of(&access.username, &access.password))
        } else {
            files.login(&reference.registry)?
        };
        Ok(Self {
            client,
            scheme: if access.plain_http { "http" } else { "https" },
            reference,
            login,
            authorization: None,
        })
    }

    /// Fetches the archive of a chart in the version that is asked for.
    pub(crate) fn chart(&mut self, version: &str, provenance: bool) -> Result<Pulled, FetchError> {
        let at = self.resolve(version)?;
        let (manifest, place) = self.manifest(&at)?;
        if is_digest(&at) {
            check_digest(&place, &manifest, &at)?;
        }
        let layer = chart_layer(&manifest)?;
        let limit = self.client.limits().chart_bytes;
        let archive = self.blob(&layer, &place, limit)?;
        let signature = provenance.then(|| {
            let layer = provenance_layer(&manifest)?;
            self.blob(&layer, &place, self.client.limits().answer_bytes)
        });
        let Reference {
            registry, repository, ..
        } = &self.reference;
        let sign = if is_digest(&at) { '@' } else { ':' };
        let name = repository.rsplit('/').next().unwrap_or_default();
        Ok(Pulled {
            archive,
            name: if is_digest(&at) {
                format!("{name}@{}.tgz", at.replace(':', "-"))
            } else {
                format!("{name}-{}.tgz", at.replace('_', "+"))
            },
            provenance: signature,
            reference: format!("{registry}/{repository}{sign}{at}"),
            digest: sha256(&manifest),
        })
    }

    /// A part of a chart, which is what its digest says.
    fn blob(&mut self, layer: &Descriptor, place: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
        if layer.size > limit {
            return Err(FetchError::Registry(format!(
                "{place}: the chart is larger than the maximum size {limit}"
            )));
        }
        let url = self.url(&format!("blobs/{}", layer.digest))?;
        let answer = self.ask(&url, "", limit)?;
        let content = found(&url, answer)?;
        check_digest(url.as_str(), &content, &layer.digest)?;
        Ok(content)
    }

    /// The tag or the digest of what is asked for.
    fn resolve(&mut self, version: &str) -> Result<String, FetchError> {
        let Reference { tag, digest, .. } = self.reference.clone();
        if !version.is_empty() && !tag.is_empty() && tag != tag_of(version) {
            return Err(FetchError::Reference(format!(
                "chart reference and version mismatch: {version} is not {tag}"
            )));
        }
        let wanted = if version.is_empty() {
            tag.replace('_', "+")
        } else {
            version.to_owned()
        };
        if !digest.is_empty() {
            // A tag beside it has to be that of the same chart, if it is there.
            if !wanted.is_empty()
                && let Ok((manifest, _)) = self.manifest(&tag_of(&wanted))
            {
                let found = sha256(&manifest);
                if found != digest {
                    return Err(FetchError::Reference(format!(
                        "chart reference digest mismatch: {found} is not {digest}"
                    )));
                }
            }
            return Ok(digest);
        }
        if Version::parse(&wanted).is_ok() {
            return Ok(tag_of(&wanted));
        }
        let versions = self.versions()?;
        if versions.is_empty() {
            let Reference {
                registry, repository, ..
            } = &self.reference;
            return Err(FetchError::Registry(format!(
                "unable to locate any tags in provided repository: {SCHEME}{registry}/{repository}"
            )));
        }
        let constraint = if wanted.is_empty() { "*" } else { &wanted };
        let constraint =
            Constraints::parse(constraint).map_err(|error| FetchError::Reference(error.to_string()))?;
        let found = versions.iter().find(|version| constraint.check(version));
        let found = found.ok_or_else(|| {
            FetchError::Registry(format!(
                "could not locate a version matching provided version string {wanted}"
            ))
        })?;
        Ok(tag_of(&found.to_string()))
    }

    /// The tags that are versions, the highest first.
    pub(crate) fn versions(&mut self) -> Result<Vec<Version>, FetchError> {
        #[derive(Deserialize)]
        struct Tags {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let mut versions = Vec::new();
        let mut next = Some(self.url("tags/list?n=1000")?);
        for _ in 0..self.client.limits().tag_pages {
            let Some(url) = next.take() else { break };
            let answer = self.ask(&url, "", self.client.limits().answer_bytes)?;
            next = answer.link.as_deref().and_then(|link| next_page(&url, link));
            let body = found(&url, answer)?;
            let page: Tags =
                first_value(&body).map_err(|error| FetchError::Registry(format!("{url}: {error}")))?;
            let tags = page.tags.into_iter().flatten();
            versions.extend(tags.filter_map(|tag| Version::parse_strict(&tag.replace('_', "+")).ok()));
        }
        versions.sort_by(|a, b| b.cmp(a));
        Ok(versions)
    }

    fn manifest(&mut self, at: &str) -> Result<(Vec<u8>, String), FetchError> {
        let url = self.url(&format!("manifests/{at}"))?;
        let failed = |error| FetchError::Manifest(Box::new(error));
        let max = self.client.limits().answer_bytes;
        let answer = self.ask(&url, MANIFESTS, max).map_err(failed)?;
        if answer.status == 404 {
            let Reference {
                registry, repository, ..
            } = &self.reference;
            let sign = if is_digest(at) { '@' } else { ':' };
            let reference = format!("{registry}/{repository}{sign}{at}");
            return Err(failed(FetchError::Registry(format!("{reference}: not found"))));
        }
        Ok((found(&url, answer).map_err(failed)?, url.to_string()))
    }

    fn url(&self, path: &str) -> Result<Url, FetchError> {
        let Reference {
            registry, repository, ..
        } = &self.reference;
        let text = format!("{}://{}/v2/{repository}/{path}", self.scheme, host(registry));
        Url::parse(&text).map_err(|_| FetchError::Url(text))
    }

    /// Asks, and logs in once if the registry says how.
    fn ask(&mut self, url: &Url, accept: &str, max: u64) -> Result<Answer, FetchError> {
        let request = |authorization: Option<&str>| {
            until_served(self.client.limits().time, || {
                self.client.send(&Request {
                    url,
                    accept,
                    authorization,
                    max,
                })
            })
        };
        let answer = request(self.authorization.as_deref())?;
        // Another server that it has led to gets no login.
        if answer.status != 401 || !answer.is_own {
            return Ok(answer);
        }
        let repository = &self.reference.repository;
        let Some(authorization) =
            authorization(self.client, url, &answer.challenges, repository, &self.login)?
        else {
            return Ok(answer);
        };
        let answer = request(Some(&authorization));
        self.authorization = Some(authorization);
        answer
    }
}

/// Whether what a manifest is found by is a digest.
fn is_digest(at: &str) -> bool {
    at.starts_with("sha256:")
}

/// The body of an answer that says yes.
fn found(url: &Url, answer: Answer) -> Result<Vec<u8>, FetchError> {
    if answer.status == 200 {
        return Ok(answer.body);
    }
    let reasons = refusal(answer.status, &answer.words, &answer.body);
    let url = go_std::quote(&without_query(url));
    Err(FetchError::Registry(format!("GET {url}: {reasons}")))
}

/// One part of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

/// What is in a manifest.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

fn read_manifest(manifest: &[u8]) -> Result<Manifest, FetchError> {
    serde_json::from_slice(manifest)
        .map_err(|error| FetchError::Registry(format!("malformed manifest: {error}")))
}

/// The layer of a manifest that is the file with the chart's signature.
fn provenance_layer(manifest: &[u8]) -> Result<Descriptor, FetchError> {
    let layers = read_manifest(manifest)?.layers;
    let found = layers.into_iter().find(|layer| layer.media_type == PROVENANCE);
    found.ok_or_else(|| {
        FetchError::Registry(format!(
            "manifest does not contain a layer with mediatype {PROVENANCE}"
        ))
    })
}

/// The layer of a manifest that is the chart.
fn chart_layer(manifest: &[u8]) -> Result<Descriptor, FetchError> {
    let manifest = read_manifest(manifest)?;
    if manifest.config.media_type != CONFIG {
        return Err(FetchError::Registry(format!(
            "could not load config with mediatype {CONFIG}"
        )));
    }
    let layer = |kind: &str| {
        manifest
            .layers
            .iter()
            .find(|layer| layer.media_type == kind)
            .cloned()
    };
    layer(LAYER).or_else(|| layer(OLD_LAYER)).ok_or_else(|| {
        FetchError::Registry(format!(
            "manifest does not contain a layer with mediatype {LAYER}"
        ))
    })
}

/// Where the next page is, as `Link: <...>; rel="next"` says it; on the same host.
fn next_page(url: &Url, link: &str) -> Option<Url> {
    let (target, relation) = link.trim().strip_prefix('<')?.split_once('>')?;
    let next = url.join(target).ok()?;
    let is_next = relation.contains("rel=\"next\"") || relation.contains("rel=next");
    (is_next && crate::client::same_origin(url, &next)).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_is_one_layer() {
        let layer = |kind: &str| {
            format!(
                r#"{{"config": {{"mediaType": "{CONFIG}"}}, "layers": [{{"mediaType": "x"}}, {{"mediaType": "{kind}", "digest": "sha256:ab", "size": 3}}]}}"#
            )
        };
        for kind in [LAYER, OLD_LAYER] {
            assert_eq!(chart_layer(layer(kind).as_bytes()).unwrap().size, 3);
        }
        for (manifest, error) in [
            (layer("y"), "manifest does not contain a layer"),
            ("{}".to_owned(), "could not load config with mediatype"),
            ("[".to_owned(), "malformed manifest"),
        ] {
            let found = chart_layer(manifest.as_bytes()).unwrap_err().to_string();
            assert!(found.starts_with(error), "{found}");
        }
    }

    #[test]
    fn pages_are_followed_on_the_same_host_only() {
        let url = Url::parse("https://r.test/v2/a/tags/list?n=1000").unwrap();
        let next = |link: &str| next_page(&url, link).map(|url| url.to_string());
        assert_eq!(
            next(r#"</v2/a/tags/list?n=1000&last=b>; rel="next""#).as_deref(),
            Some("https://r.test/v2/a/tags/list?n=1000&last=b")
        );
        assert_eq!(next(r#"<https://other.test/>; rel="next""#), None);
        assert_eq!(next(r#"</a>; rel="prev""#), None);
    }
}
