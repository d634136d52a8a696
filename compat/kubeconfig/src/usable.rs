//! Whether the current context of a kubeconfig can be used, in client-go's words.

use go_std::quote;
use serde_json::Value;
use url::Url;

use crate::error::Error;
use crate::file::{Cluster, Config, Exec, User};

/// What client-go says of a kubeconfig that says nothing.
pub(crate) const EMPTY: &str =
    "no configuration has been provided, try setting KUBERNETES_MASTER environment variable";

/// The same, where something else is wrong too.
const NO_CLUSTER: &str = "cluster has no server defined";

/// Refuses whatever refers to a file, wherever it stands: it would be one of the machine that this runs on.
pub(crate) fn refuse_files(config: &Config) -> Result<(), Error> {
    for (name, cluster) in &config.clusters {
        if !cluster.certificate_authority.is_empty() {
            return Err(Error::File(format!(
                "cluster '{name}' references a certificate-authority file, only certificate-authority-data is supported"
            )));
        }
    }
    for (name, user) in &config.users {
        let (field, only) = if !user.token_file.is_empty() {
            ("tokenFile", "an inline token")
        } else if !user.client_certificate.is_empty() {
            ("client-certificate file", "client-certificate-data")
        } else if !user.client_key.is_empty() {
            ("client-key file", "client-key-data")
        } else {
            continue;
        };
        return Err(Error::File(format!(
            "user '{name}' references a {field}, only {only} is supported"
        )));
    }
    Ok(())
}

/// Confirms that the current context can be used.
pub(crate) fn confirm(
    config: &Config,
    (user_name, user): (&str, Option<&User>),
    (cluster_name, cluster): (&str, Option<&Cluster>),
) -> Result<(), Error> {
    let mut wrong = Vec::new();
    if !config.current.is_empty() && !config.contexts.contains_key(&config.current) {
        wrong.push(format!(
            "context was not found for specified context: {}",
            config.current
        ));
    }
    if let Some(user) = user {
        wrong.extend(user.problems(user_name));
    }
    match cluster.filter(|cluster| !is_empty(cluster)) {
        Some(cluster) => judge_cluster(cluster_name, cluster, &mut wrong),
        None => wrong.push(NO_CLUSTER.to_owned()),
    }
    let said = match wrong.as_slice() {
        [] => return Ok(()),
        [only] if only == NO_CLUSTER => EMPTY.to_owned(),
        [only] => only.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    Err(Error::Unusable(said))
}

fn is_empty(cluster: &Cluster) -> bool {
    let Cluster {
        server,
        tls_server_name,
        insecure_skip_tls_verify,
        certificate_authority,
        certificate_authority_data,
        proxy_url,
        disable_compression,
        extensions,
    } = cluster;
    let texts = [server, tls_server_name, certificate_authority, proxy_url];
    texts.iter().all(|text| text.is_empty())
        && certificate_authority_data.is_empty()
        && !insecure_skip_tls_verify
        && !disable_compression
        && extensions.as_array().is_none_or(Vec::is_empty)
}

fn judge_cluster(name: &str, cluster: &Cluster, wrong: &mut Vec<String>) {
    if cluster.server.is_empty() {
        wrong.push(if name.is_empty() {
            "default cluster has no server defined".to_owned()
        } else {
            format!("no server found for cluster {}", quote(name))
        });
    }
    if let Some(why) = cluster.problem_of_proxy() {
        wrong.push(format!(
            "invalid 'proxy-url' {} for cluster {}: {why}",
            quote(&without_password(&cluster.proxy_url)),
            quote(name)
        ));
    }
}

/// The URL without whoever it is for, where it names somebody.
fn without_password(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://***@{host}")
        }
        None => url.to_owned(),
    }
}

impl Cluster {
    /// Tells what is wrong with its proxy.
    pub fn problem_of_proxy(&self) -> Option<String> {
        let proxy = &self.proxy_url;
        if proxy.is_empty() {
            return None;
        }
        let scheme = match Url::parse(proxy) {
            Ok(url) => url.scheme().to_owned(),
            Err(url::ParseError::RelativeUrlWithoutBase) => String::new(),
            Err(_) => return Some(format!("could not parse: {}", without_password(proxy))),
        };
        let is_known = matches!(scheme.as_str(), "http" | "https" | "socks5");
        (!is_known).then(|| {
            format!(
                "unsupported scheme {}, must be http, https, or socks5",
                quote(&scheme)
            )
        })
    }
}

impl User {
    /// Tells all that keeps it from being used under this name, apart from what files hold.
    pub fn problems(&self, name: &str) -> Vec<String> {
        let (mut wrong, mut methods) = (Vec::new(), Vec::new());
        if !self.token.is_empty() {
            methods.push("token");
        }
        if !self.username.is_empty() || !self.password.is_empty() {
            methods.push("basicAuth");
        }
        let has_certificate = !self.client_certificate.is_empty() || !self.client_certificate_data.is_empty();
        let has_key = !self.client_key.is_empty() || !self.client_key_data.is_empty();
        if has_certificate && !has_key {
            wrong.push(format!(
                "client-key-data or client-key must be specified for {name} to use the clientCert authentication method."
            ));
        }
        if let Some(exec) = &self.exec {
            judge_exec(name, exec, self.auth_provider.is_some(), &mut wrong);
        }
        if methods.len() > 1 {
            wrong.push(format!(
                "more than one authentication method found for {name}; found [{}], only one is allowed",
                methods.join(" ")
            ));
        }
        let asks_for_more =
            !self.as_uid.is_empty() || !self.as_groups.is_empty() || !self.as_user_extra.is_empty();
        if asks_for_more && self.impersonate.is_empty() {
            wrong.push(format!(
                "requesting uid, groups or user-extra for {name} without impersonating a user"
            ));
        }
        wrong
    }
}

fn judge_exec(name: &str, exec: &Value, has_provider: bool, wrong: &mut Vec<String>) {
    let plugin = "to use exec authentication plugin";
    let Ok(exec) = Exec::read(exec) else {
        wrong.push(format!("the exec plugin of {name} cannot be read"));
        return;
    };
    if has_provider {
        wrong.push(format!(
            "authProvider cannot be provided in combination with an exec plugin for {name}"
        ));
    }
    if exec.command.is_empty() {
        wrong.push(format!("command must be specified for {name} {plugin}"));
    }
    if exec.api_version.is_empty() {
        wrong.push(format!("apiVersion must be specified for {name} {plugin}"));
    }
    for _ in exec.env.iter().filter(|variable| variable.name.is_empty()) {
        wrong.push(format!("env variable name must be specified for {name} {plugin}"));
    }
    // Only the first versions of the interface do not ask for it.
    let has_default = matches!(
        exec.api_version.as_str(),
        "client.authentication.k8s.io/v1alpha1" | "client.authentication.k8s.io/v1beta1"
    );
    match exec.interactive_mode.as_str() {
        "" if has_default => {}
        "" => wrong.push(format!("interactiveMode must be specified for {name} {plugin}")),
        "Never" | "IfAvailable" | "Always" => {}
        mode => wrong.push(format!("invalid interactiveMode for {name}: {}", quote(mode))),
    }
}

impl Exec {
    fn read(value: &Value) -> Result<Self, serde_json::Error> {
        serde_json::from_value(value.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{Access, Permits};

    fn said(document: &serde_json::Value) -> String {
        let text = document.to_string();
        match Access::of(text.as_bytes(), Permits::default()) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_wrong_is_said_as_client_go_says_it() {
        let empty = "invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable";
        let config = |cluster: serde_json::Value, user: serde_json::Value| {
            json!({"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": cluster}], "users": [{"name": "u", "user": user}]})
        };
        let server = || json!({"server": "https://far"});
        let rows = [
            (json!({}), empty),
            (
                json!({"current-context": "", "clusters": [{"name": "k", "cluster": server()}]}),
                empty,
            ),
            (
                json!({"current-context": "gone"}),
                "invalid configuration: [context was not found for specified context: gone, cluster has no server defined]",
            ),
            (config(json!({"server": ""}), json!({})), empty),
            (
                config(json!({"tls-server-name": "x"}), json!({})),
                "invalid configuration: no server found for cluster \"k\"",
            ),
            (
                config(
                    json!({"server": "https://far", "proxy-url": "ftp://p"}),
                    json!({}),
                ),
                "invalid configuration: invalid 'proxy-url' \"ftp://p\" for cluster \"k\": unsupported scheme \"ftp\", must be http, https, or socks5",
            ),
            (
                config(
                    json!({"server": "https://far", "proxy-url": "ftp://me:password@p"}),
                    json!({}),
                ),
                "invalid configuration: invalid 'proxy-url' \"ftp://***@p\" for cluster \"k\": unsupported scheme \"ftp\", must be http, https, or socks5",
            ),
            (
                config(server(), json!({"token": "t", "username": "n"})),
                "invalid configuration: more than one authentication method found for u; found [token basicAuth], only one is allowed",
            ),
            (
                config(server(), json!({"client-certificate-data": "Yw=="})),
                "invalid configuration: client-key-data or client-key must be specified for u to use the clientCert authentication method.",
            ),
            (
                config(server(), json!({"as-groups": ["g"]})),
                "invalid configuration: requesting uid, groups or user-extra for u without impersonating a user",
            ),
            (
                config(
                    server(),
                    json!({"exec": {"command": "x", "apiVersion": "client.authentication.k8s.io/v1"}}),
                ),
                "invalid configuration: interactiveMode must be specified for u to use exec authentication plugin",
            ),
            (config(server(), json!({"token": "t"})), ""),
        ];
        for (document, expected) in rows {
            assert_eq!(said(&document), expected, "{document}");
        }
    }

    #[test]
    fn files_are_refused_wherever_they_are_named() {
        let rows = [
            (
                json!({"clusters": [{"name": "other", "cluster": {"certificate-authority": "/etc/passwd"}}]}),
                "cluster 'other' references a certificate-authority file, only certificate-authority-data is supported",
            ),
            (
                json!({"users": [{"name": "other", "user": {"tokenFile": "/etc/passwd"}}]}),
                "user 'other' references a tokenFile, only an inline token is supported",
            ),
            (
                json!({"users": [{"name": "other", "user": {"client-certificate": "x"}}]}),
                "user 'other' references a client-certificate file, only client-certificate-data is supported",
            ),
            (
                json!({"users": [{"name": "other", "user": {"client-key": "x"}}]}),
                "user 'other' references a client-key file, only client-key-data is supported",
            ),
        ];
        for (document, expected) in rows {
            assert_eq!(said(&document), expected, "{document}");
        }
    }
}
