//! What is kept of a kubeconfig.

use std::fmt;

use serde_json::Value;

use crate::error::Error;
use crate::file::{Config, User};
use crate::{address, pem, usable};

/// What an operator permits that is not safe with kubeconfigs of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permits {
    /// Commands that hand out credentials are run (`--insecure-kubeconfig-exec`).
    pub exec: bool,
    /// Certificates of API servers need not be valid (`--insecure-kubeconfig-tls`).
    pub insecure_tls: bool,
}

/// How to reach an API server, and as whom; nothing in it refers to anything outside of it but a permitted command.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    /// URL of the API server.
    pub server: String,
    /// The certificates, in PEM, that its own is signed by; the system's where there are none.
    pub authorities: Option<Vec<u8>>,
    /// The name that its certificate is for, where that is not the host of the URL.
    pub server_name: Option<String>,
    /// Whether its certificate is not looked at.
    pub is_insecure: bool,
    /// URL of the proxy on the way there.
    pub proxy: Option<String>,
    /// Whether answers are not compressed.
    pub uncompressed: bool,
    /// As whom.
    pub credentials: Credentials,
}

/// What shows who asks; several may be set, as in client-go.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Certificate and key, each in PEM.
    pub certificate: Option<(Vec<u8>, Vec<u8>)>,
    /// A bearer token.
    pub token: Option<String>,
    /// User name and password.
    pub basic: Option<(String, String)>,
    /// A command that hands out credentials, as the kubeconfig has it.
    pub exec: Option<Value>,
}

impl Access {
    /// Reads a kubeconfig, and keeps of it what may be used.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn of(text: &[u8], permits: Permits) -> Result<Self, Error> {
        let config = Config::parse(text)?;
        usable::refuse_files(&config)?;
        let context = config.contexts.get(&config.current);
        let (user_name, cluster_name) = context.map_or(("", ""), |context| {
            (context.user.as_str(), context.cluster.as_str())
        });
        let (user, cluster) = (config.users.get(user_name), config.clusters.get(cluster_name));
        usable::confirm(&config, (user_name, user), (cluster_name, cluster))?;
        let Some(cluster) = cluster else {
            return Err(Error::Unusable(usable::EMPTY.to_owned()));
        };
        let server = address::server(&cluster.server)?;
        let mut access = Self {
            proxy: some(&cluster.proxy_url),
            uncompressed: cluster.disable_compression,
            server,
            authorities: None,
            server_name: None,
            is_insecure: false,
            credentials: Credentials::default(),
        };
        // Credentials are for connections that nobody listens to.
        if !access.server.starts_with("https://") {
            return Ok(access);
        }
        access.server_name = some(&cluster.tls_server_name);
        access.is_insecure = cluster.insecure_skip_tls_verify && permits.insecure_tls;
        let authorities = &cluster.certificate_authority_data;
        if !authorities.is_empty() {
            if access.is_insecure {
                return Err(Error::AuthoritiesForNothing);
            }
            if !pem::has_certificates(authorities) {
                return Err(Error::Authorities);
            }
            access.authorities = Some(authorities.clone());
        }
        if let Some(user) = user {
            access.credentials = Credentials::of(user_name, user, permits)?;
        }
        Ok(access)
    }
}

impl Credentials {
    fn of(name: &str, user: &User, permits: Permits) -> Result<Self, Error> {
        let certificate = &user.client_certificate_data;
        let has_password = !user.username.is_empty() || !user.password.is_empty();
        let credentials = Self {
            certificate: (!certificate.is_empty())
                .then(|| (certificate.clone(), user.client_key_data.clone())),
            token: some(&user.token),
            basic: has_password.then(|| (user.username.clone(), user.password.clone())),
            exec: user.exec.clone().filter(|_| permits.exec),
        };
        // Stock leaves out what it must not use, and asks as nobody.
        if credentials == Self::default() {
            if user.exec.is_some() {
                return Err(Error::Exec(name.to_owned()));
            }
            if user.auth_provider.is_some() {
                return Err(Error::AuthProvider(name.to_owned()));
            }
        }
        Ok(credentials)
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Nothing of what is secret is for logs, and proxies may have passwords in their URLs.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("server", &self.server)
            .field("server_name", &self.server_name)
            .field("is_insecure", &self.is_insecure)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

/// Says which there are.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let present = [
            ("certificate", self.certificate.is_some()),
            ("token", self.token.is_some()),
            ("basic", self.basic.is_some()),
            ("exec", self.exec.is_some()),
        ];
        f.debug_set()
            .entries(present.iter().filter(|(_, is)| *is).map(|(name, _)| name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(cluster: &Value, user: &Value) -> Vec<u8> {
        let document = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "far", "user": "me", "namespace": "apps"}}],
            "clusters": [{"name": "far", "cluster": cluster}], "users": [{"name": "me", "user": user}],
        });
        document.to_string().into_bytes()
    }

    fn access(cluster: &Value, user: &Value, permits: Permits) -> Result<Access, String> {
        Access::of(&text(cluster, user), permits).map_err(|error| error.to_string())
    }

    const CA: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCllXSmoKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";

    #[test]
    fn everything_that_leads_nowhere_else_is_kept() {
        let cluster = json!({"server": "https://far:6443/base/", "certificate-authority-data": CA,
            "tls-server-name": "api.far", "proxy-url": "http://proxy:3128", "disable-compression": true});
        let user = json!({"token": "t", "client-certificate-data": "Yw==", "client-key-data": "aw==",
            "as": "somebody", "as-groups": ["system:masters"]});
        let expected = Access {
            server: "https://far:6443/base/".to_owned(),
            authorities: Some(b"-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n".to_vec()),
            server_name: Some("api.far".to_owned()),
            is_insecure: false,
            proxy: Some("http://proxy:3128".to_owned()),
            uncompressed: true,
            credentials: Credentials {
                certificate: Some((b"c".to_vec(), b"k".to_vec())),
                token: Some("t".to_owned()),
                ..Credentials::default()
            },
        };
        assert_eq!(access(&cluster, &user, Permits::default()), Ok(expected));
        let basic = json!({"username": "me", "password": "p"});
        let found = access(&json!({"server": "https://far"}), &basic, Permits::default()).unwrap();
        assert_eq!(found.credentials.basic, Some(("me".to_owned(), "p".to_owned())));
    }

    #[test]
    fn what_is_not_permitted_is_left_out_or_refused() {
        let all = Permits {
            exec: true,
            insecure_tls: true,
        };
        let insecure = json!({"server": "https://far", "insecure-skip-tls-verify": true});
        let token = json!({"token": "t"});
        assert!(!access(&insecure, &token, Permits::default()).unwrap().is_insecure);
        assert!(access(&insecure, &token, all).unwrap().is_insecure);
        let both = json!({"server": "https://far", "insecure-skip-tls-verify": true, "certificate-authority-data": CA});
        assert!(access(&both, &token, Permits::default()).is_ok());
        let error = access(&both, &token, all).unwrap_err();
        assert_eq!(
            error,
            "specifying a root certificates file with the insecure flag is not allowed"
        );

        let server = json!({"server": "https://far"});
        let plugin = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": "aws", "interactiveMode": "Never"});
        let exec = json!({"exec": plugin});
        let error = access(&server, &exec, Permits::default()).unwrap_err();
        assert!(error.contains("--insecure-kubeconfig-exec"), "{error}");
        assert_eq!(
            access(&server, &exec, all).unwrap().credentials.exec,
            Some(plugin.clone())
        );
        let with_token = json!({"exec": plugin, "token": "t"});
        let kept = access(&server, &with_token, Permits::default())
            .unwrap()
            .credentials;
        assert_eq!((kept.exec, kept.token.as_deref()), (None, Some("t")));
        let error = access(&server, &json!({"auth-provider": {"name": "gcp"}}), all).unwrap_err();
        assert!(error.contains("auth-provider"), "{error}");
    }

    #[test]
    fn nobody_tells_who_they_are_where_others_listen() {
        for server in ["http://far:8080", "far:6443"] {
            let found = access(
                &json!({"server": server, "certificate-authority-data": CA}),
                &json!({"token": "t"}),
                Permits::default(),
            );
            let found = found.unwrap();
            assert!(found.server.starts_with("http://far:"), "{found:?}");
            assert_eq!(found.credentials, Credentials::default());
        }
    }

    #[test]
    fn nothing_secret_is_for_logs() {
        let user = json!({"token": "-secret-", "username": "", "password": "", "client-certificate-data": "Yw==",
            "client-key-data": "LXNlY3JldC0="});
        let cluster = json!({"server": "https://far", "proxy-url": "http://me:-secret-@proxy"});
        let text = format!("{:?}", access(&cluster, &user, Permits::default()).unwrap());
        assert!(!text.contains("-secret-"), "{text}");
        assert!(text.contains("\"certificate\", \"token\""), "{text}");
    }
}
