//! OCI registries: tags, manifests and the layer that is the chart, with the two ways to log in.

use serde::Deserialize;
use serde_json::Value as Json;
use sprig::semver::{Constraints, Version};
use url::Url;

use crate::client::{Answer, Client, Request, basic};
use crate::digest::{check_digest, sha256};
use crate::reference::{Reference, SCHEME, tag_of};
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
    login: Option<(String, String)>,
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
            Some((access.username.clone(), access.password.clone()))
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
        let is_digest = at.starts_with("sha256:");
        if is_digest {
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
        let sign = if is_digest { '@' } else { ':' };
        let name = repository.rsplit('/').next().unwrap_or_default();
        Ok(Pulled {
            archive,
            name: if is_digest {
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
            let page: Tags = serde_json::from_slice(&body)
                .map_err(|error| FetchError::Registry(format!("{url}: {error}")))?;
            let tags = page.tags.into_iter().flatten();
            versions.extend(tags.filter_map(|tag| Version::parse_strict(&tag.replace('_', "+")).ok()));
        }
        versions.sort_by(|a, b| b.cmp(a));
        Ok(versions)
    }

    fn manifest(&mut self, at: &str) -> Result<(Vec<u8>, String), FetchError> {
        let url = self.url(&format!("manifests/{at}"))?;
        let answer = self.ask(&url, MANIFESTS, self.client.limits().answer_bytes)?;
        Ok((found(&url, answer)?, url.to_string()))
    }

    fn url(&self, path: &str) -> Result<Url, FetchError> {
        let Reference {
            registry, repository, ..
        } = &self.reference;
        let text = format!("{}://{registry}/v2/{repository}/{path}", self.scheme);
        Url::parse(&text).map_err(|_| FetchError::Url(text))
    }

    /// Asks, and logs in once if the registry says how.
    fn ask(&mut self, url: &Url, accept: &str, max: u64) -> Result<Answer, FetchError> {
        let request = |authorization: Option<&str>| {
            self.client.send(&Request {
                url,
                accept,
                authorization,
                max,
            })
        };
        let answer = request(self.authorization.as_deref())?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let Some(authorization) = self.log_in(&answer.challenges)? else {
            return Ok(answer);
        };
        self.authorization = Some(authorization);
        let authorization = self.authorization.as_deref();
        self.client.send(&Request {
            url,
            accept,
            authorization,
            max,
        })
    }

    /// The header that a registry asks for; nothing if it asks for none that is known, or there is no login.
    fn log_in(&self, challenges: &[String]) -> Result<Option<String>, FetchError> {
        let login = self.login.as_ref();
        let password = login.and_then(|(user, password)| basic(user, password));
        for challenge in challenges {
            let (kind, parameters) = challenge.split_once(' ').unwrap_or((challenge, ""));
            if kind.eq_ignore_ascii_case("basic") && password.is_some() {
                return Ok(password);
            }
            if kind.eq_ignore_ascii_case("bearer") {
                return self.token(parameters, password.as_deref()).map(Some);
            }
        }
        Ok(None)
    }

    /// Asks the server that a registry names for a token.
    fn token(&self, parameters: &str, password: Option<&str>) -> Result<String, FetchError> {
        let parameter = |name: &str| parameter(parameters, name).unwrap_or_default();
        let realm = parameter("realm");
        let mut url = Url::parse(&realm).map_err(|_| FetchError::Url(realm.clone()))?;
        if self.scheme == "https" && url.scheme() != "https" {
            return Err(FetchError::Registry(format!(
                "{}: a login is not sent without TLS to {realm}",
                self.reference.registry
            )));
        }
        let (service, asked) = (parameter("service"), parameter("scope"));
        let scope = if asked.is_empty() {
            format!("repository:{}:pull", self.reference.repository)
        } else {
            asked
        };
        if !service.is_empty() {
            url.query_pairs_mut().append_pair("service", &service);
        }
        url.query_pairs_mut().append_pair("scope", &scope);
        let body = self.client.fetch(&Request {
            url: &url,
            accept: "",
            authorization: password,
            max: self.client.limits().answer_bytes,
        })?;
        let answer: Json = serde_json::from_slice(&body)
            .map_err(|_| FetchError::Registry(format!("{realm}: the answer holds no token")))?;
        let token = ["token", "access_token"]
            .iter()
            .find_map(|name| answer.get(name)?.as_str().filter(|token| !token.is_empty()));
        token
            .map(|token| format!("Bearer {token}"))
            .ok_or_else(|| FetchError::Registry(format!("{realm}: the answer holds no token")))
    }
}

/// The body of an answer that says yes.
fn found(url: &Url, answer: Answer) -> Result<Vec<u8>, FetchError> {
    if answer.status == 200 {
        return Ok(answer.body);
    }
    Err(FetchError::Status {
        url: url.to_string(),
        status: answer.reason,
    })
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

/// A parameter of a challenge: `name="value"`.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut rest = parameters;
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key.trim_matches([' ', ',']).eq_ignore_ascii_case(name) {
            return Some(value.to_owned());
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let challenge =
            r#"realm="https://auth.test/token",service="r.test", scope="repository:a/b:pull,push",x=y"#;
        for (name, value) in [
            ("realm", Some("https://auth.test/token")),
            ("SERVICE", Some("r.test")),
            ("scope", Some("repository:a/b:pull,push")),
            ("x", Some("y")),
            ("z", None),
        ] {
            assert_eq!(parameter(challenge, name).as_deref(), value, "{name}");
        }
    }

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
