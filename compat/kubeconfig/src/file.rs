//! A kubeconfig as it is written down.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use go_std::record::json_type;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::Error;

/// A kubeconfig, with the lists as maps. What is not set is empty.
#[derive(Debug, Default)]
pub struct Config {
    /// The name of the context that counts.
    pub current: String,
    /// Which cluster is reached as whom, by names.
    pub contexts: BTreeMap<String, Context>,
    /// Clusters, by names.
    pub clusters: BTreeMap<String, Cluster>,
    /// Users, by names.
    pub users: BTreeMap<String, User>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct File {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
    current_context: String,
    contexts: Vec<NamedContext>,
    clusters: Vec<NamedCluster>,
    users: Vec<NamedUser>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedUser {
    name: String,
    user: User,
}

/// A cluster, and as whom it is reached.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Context {
    /// The name of the cluster.
    pub cluster: String,
    /// The name of the user.
    pub user: String,
    /// The namespace of what names none.
    pub namespace: String,
}

/// How to reach an API server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Cluster {
    /// Its URL.
    pub server: String,
    /// The name that its certificate is for, where that is not the host of the URL.
    pub tls_server_name: String,
    /// Whether its certificate is not looked at.
    pub insecure_skip_tls_verify: bool,
    /// A file with the certificates that its own is signed by.
    pub certificate_authority: String,
    /// The same certificates, in place.
    #[serde(deserialize_with = "bytes")]
    pub certificate_authority_data: Vec<u8>,
    /// URL of the proxy on the way there.
    pub proxy_url: String,
    /// Whether answers are not compressed.
    pub disable_compression: bool,
    /// What others keep here.
    pub extensions: Value,
}

/// Whoever asks.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct User {
    /// A file with a certificate.
    pub client_certificate: String,
    /// The same, in place.
    #[serde(deserialize_with = "bytes")]
    pub client_certificate_data: Vec<u8>,
    /// A file with the key of the certificate.
    pub client_key: String,
    /// The same, in place.
    #[serde(deserialize_with = "bytes")]
    pub client_key_data: Vec<u8>,
    /// A bearer token.
    pub token: String,
    /// A file with one.
    #[serde(rename = "tokenFile")]
    pub token_file: String,
    /// Whom requests are made as.
    #[serde(rename = "as")]
    pub impersonate: String,
    /// The UID of that one.
    pub as_uid: String,
    /// Its groups.
    pub as_groups: Vec<String>,
    /// What else there is about it.
    pub as_user_extra: BTreeMap<String, Vec<String>>,
    /// A name for a password.
    pub username: String,
    /// The password.
    pub password: String,
    /// A way to authenticate that client-go has given up.
    pub auth_provider: Option<Value>,
    /// A command that hands out credentials.
    pub exec: Option<Value>,
}

/// Nothing of it is for logs.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("User")
    }
}

/// The command of a user, as far as it is judged.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Exec {
    pub(crate) command: String,
    pub(crate) api_version: String,
    pub(crate) interactive_mode: String,
    pub(crate) env: Vec<ExecVariable>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ExecVariable {
    pub(crate) name: String,
}

impl Config {
    /// Reads a document.
    ///
    /// # Errors
    /// It is no kubeconfig.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let mut document = go_yaml::sigs::to_value(text, &go_yaml::Limits::default())
            .map_err(|error| Error::Syntax(error.to_string()))?;
        let file = match &document {
            Value::Null => File::default(),
            Value::Object(_) => {
                drop_nulls(&mut document);
                // What is said about a value may repeat it, so that it is not.
                serde_json::from_value(document)
                    .map_err(|error| Error::Shape(without_values(&error.to_string())))?
            }
            other => {
                return Err(Error::NotAnObject(json_type(other)));
            }
        };
        let kind = match file.kind.as_str() {
            "" => "Config",
            kind => kind,
        };
        let version = match file.api_version.as_str() {
            "" => "v1",
            version => version,
        };
        if kind != "Config" || version != "v1" {
            return Err(Error::Kind {
                kind: kind.to_owned(),
                version: version.to_owned(),
            });
        }
        Ok(Self {
            current: file.current_context,
            contexts: by_name(
                "contexts",
                file.contexts.into_iter().map(|named| (named.name, named.context)),
            )?,
            clusters: by_name(
                "clusters",
                file.clusters.into_iter().map(|named| (named.name, named.cluster)),
            )?,
            users: by_name(
                "users",
                file.users.into_iter().map(|named| (named.name, named.user)),
            )?,
        })
    }
}

fn by_name<T>(
    list: &'static str,
    named: impl Iterator<Item = (String, T)>,
) -> Result<BTreeMap<String, T>, Error> {
    let mut all = BTreeMap::new();
    for (name, value) in named {
        if all.insert(name.clone(), value).is_some() {
            return Err(Error::Twice { list, name });
        }
    }
    Ok(all)
}

/// Takes out what is null, which Go leaves at its zero value whatever its type.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            entries.retain(|_, value| !value.is_null());
            entries.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Bytes that are written in base64.
fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    // Go reads over line ends.
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    STANDARD
        .decode(text)
        .map_err(|_| serde::de::Error::custom("illegal base64 data"))
}

/// Cuts what an error repeats of a value, which stands in quotes of some sort.
fn without_values(error: &str) -> String {
    let at = error.find(['"', '`']).filter(|_| error.starts_with("invalid"));
    match at {
        // `invalid type: string "secret", expected ...` keeps what was expected.
        Some(at) => {
            let end = error.rfind(", expected").unwrap_or(error.len());
            format!("{}{}", error[..at].trim_end(), &error[end..])
        }
        None => error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_null_is_not_there_and_line_ends_in_base64_do_not_count() {
        let text = b"
current-context: null
users: [{name: me, user: null}, {name: you, user: {client-key-data: \"YW\\nJj\", token: null}}]
clusters: null
";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.current, "");
        assert_eq!(config.users["you"].client_key_data, b"abc");
        assert!(Config::parse(b"").unwrap().users.is_empty());
        assert!(Config::parse(b"null").unwrap().users.is_empty());
    }

    #[test]
    fn errors_do_not_repeat_what_is_written() {
        for text in [
            "users: [{name: me, user: {client-key-data: '-secret-'}}]",
            "users: -secret-",
            "users: [{name: me, user: {as-groups: -secret-}}]",
            "[-secret-]",
            "-secret-",
            "users: [{name: twice, user: {token: -secret-}}, {name: twice}]",
        ] {
            let error = Config::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(!error.contains("-secret-"), "{error}");
        }
        let error = Config::parse(b"kind: Pod\napiVersion: v2").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("no kind \"Pod\" is registered for version \"v2\"")
        );
    }
}
