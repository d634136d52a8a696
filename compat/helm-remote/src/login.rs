//! As whom a registry is asked: what the files of Helm and of Docker have for it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use crate::client::basic;

/// What is known to a registry: a name with its password, or tokens.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) password: String,
    /// A token that the server for tokens gives others for.
    pub(crate) identity: String,
    /// A token that the registry takes itself.
    pub(crate) token: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of it belongs into a log.
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

impl Login {
    /// A name with its password.
    pub(crate) fn of(username: &str, password: &str) -> Self {
        Self {
            username: username.to_owned(),
            password: password.to_owned(),
            ..Self::default()
        }
    }

    /// The header for basic authentication; the error is Helm's.
    pub(crate) fn basic(&self) -> Result<String, &'static str> {
        basic(&self.username, &self.password).ok_or(if *self == Self::default() {
            "basic credential not found"
        } else {
            "missing username or password for basic auth"
        })
    }

    /// What a configuration has for a registry; nothing if it has nothing. The error shows none of it.
    pub(crate) fn in_config(config: &Json, registry: &str) -> Result<Self, String> {
        let address = address(registry);
        let auths = config.get("auths").and_then(Json::as_object);
        let found = auths.and_then(|auths| {
            let of_host = || auths.iter().find(|(key, _)| host_of(key) == address);
            auths.get(address).or_else(|| of_host().map(|(_, auth)| auth))
        });
        found.map_or_else(|| Ok(Self::default()), Self::read)
    }

    /// One entry of `auths`.
    fn read(auth: &Json) -> Result<Self, String> {
        let text = |name: &str| auth.get(name).and_then(Json::as_str).unwrap_or_default();
        let mut login = Self::of(text("username"), text("password"));
        text("identitytoken").clone_into(&mut login.identity);
        text("registrytoken").clone_into(&mut login.token);
        let encoded = text("auth");
        if !encoded.is_empty() {
            let bad = |reason: &str| format!("failed to decode auth field: invalid config format: {reason}");
            let decoded = STANDARD.decode(encoded);
            let decoded = decoded.map_err(|_| bad(&illegal(encoded)))?;
            let decoded = String::from_utf8_lossy(&decoded).into_owned();
            let (username, password) = decoded
                .split_once(':')
                .ok_or_else(|| bad("auth does not conform the base64(username:password) format"))?;
            username.clone_into(&mut login.username);
            password.clone_into(&mut login.password);
        }
        Ok(login)
    }
}

/// The host that a registry is asked at.
pub(crate) fn host(registry: &str) -> &str {
    if registry == "docker.io" {
        "registry-1.docker.io"
    } else {
        registry
    }
}

/// What the credentials of a registry are filed under.
fn address(registry: &str) -> &str {
    if host(registry) == "registry-1.docker.io" {
        "https://index.docker.io/v1/"
    } else {
        registry
    }
}

/// The host of a key of old configurations, which may be a URL.
fn host_of(key: &str) -> &str {
    let bare = key.strip_prefix("http://").unwrap_or(key);
    let bare = bare.strip_prefix("https://").unwrap_or(bare);
    bare.split('/').next().unwrap_or_default()
}

/// What is wrong with a text that is no base64, as far as Go tells it without showing it.
fn illegal(encoded: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let at = encoded
        .bytes()
        .position(|b| !is_plain(b))
        .unwrap_or(encoded.len());
    format!("illegal base64 data at input byte {at}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_have_several_forms() {
        for (auth, login) in [
            (json!({"auth": "dTpwOnE="}), Ok(Login::of("u", "p:q"))),
            (
                json!({"auth": "dTpwOnE=", "username": "a", "password": "b"}),
                Ok(Login::of("u", "p:q")),
            ),
            (json!({"username": "u", "password": "p"}), Ok(Login::of("u", "p"))),
            (
                json!({"identitytoken": "i", "registrytoken": "r"}),
                Ok(Login {
                    identity: "i".to_owned(),
                    token: "r".to_owned(),
                    ..Login::default()
                }),
            ),
            (json!({"auth": "dX%"}), Err("illegal base64 data at input byte 2")),
            (
                json!({"auth": "c2VjcmV0"}),
                Err("auth does not conform the base64(username:password) format"),
            ),
            (json!({}), Ok(Login::default())),
        ] {
            let prefix = "failed to decode auth field: invalid config format: ";
            let login = login.map_err(|error| format!("{prefix}{error}"));
            assert_eq!(Login::read(&auth), login, "{auth}");
        }
    }

    #[test]
    fn entries_are_found_by_host_and_docker_has_a_name_of_its_own() {
        let entry = json!({"username": "u", "password": "p"});
        for (key, registry, found) in [
            ("r.test:5000", "r.test:5000", true),
            ("https://r.test/v1/", "r.test", true),
            ("http://r.test", "r.test", true),
            ("r.test/team", "r.test", true),
            ("r.test", "r.test:5000", false),
            ("other.test", "r.test", false),
            ("https://index.docker.io/v1/", "docker.io", true),
            ("https://index.docker.io/v1/", "registry-1.docker.io", true),
            ("docker.io", "docker.io", false),
        ] {
            let config = json!({"auths": {key: entry}});
            let login = Login::in_config(&config, registry).unwrap();
            assert_eq!(login == Login::of("u", "p"), found, "{key} {registry}");
        }
        assert_eq!(host("docker.io"), "registry-1.docker.io");
    }

    #[test]
    fn basic_authentication_takes_both() {
        assert_eq!(Login::of("u", "p").basic().as_deref(), Ok("Basic dTpw"));
        assert_eq!(Login::default().basic(), Err("basic credential not found"));
        assert_eq!(
            Login::of("u", "").basic(),
            Err("missing username or password for basic auth")
        );
        assert!(!format!("{:?}", Login::of("u", "p")).contains('u'));
    }
}
