//! What a registry asks for before it answers: a password, or a token of the server that it names.

use std::net::IpAddr;

use serde_json::Value as Json;
use url::{Host, Url};

use crate::FetchError;
use crate::client::{Client, Request, basic_header, shown};
use crate::login::Login;
use crate::refusal::{first_value, refusal};
use crate::retry::until_served;

/// As what clients of registries introduce themselves where a token is asked for.
const CLIENT: &str = "oras-go";

/// A server for tokens, and what a token is asked for.
struct Tokens {
    realm: Url,
    service: String,
    scopes: Vec<String>,
}

/// The header that the challenges of an answer ask for; nothing if they ask for none that is known.
pub(crate) fn authorization(
    client: &Client,
    asked: &Url,
    challenges: &[String],
    repository: &str,
    login: &Result<Login, String>,
) -> Result<Option<String>, FetchError> {
    let failed = |reason: &str| {
        let url = go_std::quote(&without_query(asked));
        FetchError::Registry(format!("GET {url}: {reason}"))
    };
    for challenge in challenges {
        let (kind, parameters) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if kind.eq_ignore_ascii_case("basic") {
            let login = login
                .as_ref()
                .map_err(|error| failed(&format!("failed to resolve credential: {error}")))?;
            return login.basic().map(Some).map_err(failed);
        }
        if kind.eq_ignore_ascii_case("bearer") {
            let login = login.as_ref().map_err(|error| failed(error))?;
            let tokens = Tokens::named(asked, parameters, repository).map_err(|error| failed(&error))?;
            if !login.token.is_empty() {
                return Ok(Some(format!("Bearer {}", login.token)));
            }
            let token = tokens
                .ask(client, login)
                .map_err(|error| failed(&error.to_string()))?;
            return Ok(Some(format!("Bearer {token}")));
        }
    }
    Ok(None)
}

/// A URL as messages about a registry show it: what only asks for pages is left out.
pub(crate) fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    shown(&url)
}

impl Tokens {
    /// What a challenge names. A login goes to no place in the own network that is not the registry's, and not without TLS where the
    /// registry has it.
    fn named(asked: &Url, parameters: &str, repository: &str) -> Result<Self, String> {
        let parameter = |name: &str| parameter(parameters, name).unwrap_or_default();
        let text = parameter("realm");
        let quoted = go_std::quote(&text);
        let realm =
            Url::parse(&text).map_err(|error| format!("failed to parse bearer realm {quoted}: {error}"))?;
        match realm.scheme() {
            "https" => {}
            "http" if asked.scheme() == "https" => {
                return Err(format!(
                    "bearer realm {quoted} uses http but registry was contacted over https"
                ));
            }
            "http" => {}
            scheme => {
                let scheme = go_std::quote(scheme);
                return Err(format!("bearer realm {quoted} uses unsupported scheme {scheme}"));
            }
        }
        if is_inside(&realm) && realm.host() != asked.host() {
            let host = go_std::quote(realm.host_str().unwrap_or_default());
            return Err(format!(
                "bearer realm host {host} is a loopback, link-local, private, or unspecified address"
            ));
        }
        let scopes: Vec<_> = parameter("scope")
            .split(' ')
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect();
        Ok(Self {
            realm,
            service: parameter("service"),
            scopes: if scopes.is_empty() {
                vec![format!("repository:{repository}:pull")]
            } else {
                scopes
            },
        })
    }

    /// Where a token is asked for: with the service in the place of one that the realm names, the scopes after those that it
    /// names, all in the order of their names.
    fn url(&self) -> Url {
        let mut pairs: Vec<_> = self.realm.query_pairs().into_owned().collect();
        if !self.service.is_empty() {
            pairs.retain(|(name, _)| name != "service");
            pairs.push(("service".to_owned(), self.service.clone()));
        }
        let scopes = self.scopes.iter();
        pairs.extend(scopes.map(|scope| ("scope".to_owned(), scope.clone())));
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut url = self.realm.clone();
        url.query_pairs_mut().clear().extend_pairs(pairs);
        url
    }

    /// Asks for a token, with a token for that if there is one.
    fn ask(&self, client: &Client, login: &Login) -> Result<String, FetchError> {
        let (max, time) = (client.limits().answer_bytes, client.limits().time);
        let (answer, url, method) = if login.identity.is_empty() {
            let url = self.url();
            // One of both is enough here, unlike where the registry itself asks for them.
            let is_known = !login.username.is_empty() || !login.password.is_empty();
            let password = is_known.then(|| basic_header(&login.username, &login.password));
            let answer = until_served(time, || {
                client.send(&Request {
                    url: &url,
                    accept: "",
                    authorization: password.as_deref(),
                    max,
                })
            })?;
            (answer, url, "GET")
        } else {
            let scope = self.scopes.join(" ");
            let form = [
                ("client_id", CLIENT),
                ("grant_type", "refresh_token"),
                ("refresh_token", login.identity.as_str()),
                ("scope", scope.as_str()),
                ("service", self.service.as_str()),
            ];
            let answer = until_served(time, || client.post(&self.realm, &form, max))?;
            (answer, self.realm.clone(), "POST")
        };
        let failed = |reason: &str| {
            let url = go_std::quote(&shown(&url));
            FetchError::Registry(format!("{method} {url}: {reason}"))
        };
        if answer.status != 200 {
            return Err(failed(&refusal(answer.status, &answer.words, &answer.body)));
        }
        let body: Json = first_value(&answer.body)
            .map_err(|error| failed(&format!("failed to decode response: {error}")))?;
        let token = ["access_token", "token"]
            .iter()
            .find_map(|name| body.get(name)?.as_str().filter(|token| !token.is_empty()));
        token
            .map(str::to_owned)
            .ok_or_else(|| failed("empty token returned"))
    }
}

/// Whether a URL names an address that only those inside of a network reach.
fn is_inside(url: &Url) -> bool {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => address.to_canonical(),
        _ => return false,
    };
    match address {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_link_local()
                || address.is_private()
                || address.is_unspecified()
                || address.octets().starts_with(&[224, 0, 0])
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unicast_link_local()
                || address.is_unique_local()
                || address.is_unspecified()
                || address
                    .segments()
                    .first()
                    .is_some_and(|first| first & 0xFF0F == 0xFF02)
        }
    }
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

    fn named(asked: &str, realm: &str) -> Result<Tokens, String> {
        let parameters = format!(r#"realm="{realm}",service="r.test""#);
        Tokens::named(&Url::parse(asked).unwrap(), &parameters, "a/web")
    }

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
    fn the_service_takes_the_place_of_that_of_the_realm() {
        for (realm, url) in [
            (
                "https://auth.test/token",
                "https://auth.test/token?scope=repository%3Aa%2Fweb%3Apull&service=r.test",
            ),
            (
                "https://auth.test/token?service=old&z=1&scope=first&a=b",
                "https://auth.test/token?a=b&scope=first&scope=repository%3Aa%2Fweb%3Apull&service=r.test&z=1",
            ),
        ] {
            let tokens = named("https://r.test/v2/", realm).unwrap();
            assert_eq!(tokens.url().as_str(), url);
        }
    }

    #[test]
    fn logins_go_to_servers_that_may_have_them() {
        for (asked, realm) in [
            ("https://r.test/v2/", "https://auth.test/token"),
            ("http://r.test/v2/", "http://auth.test/token"),
            ("http://127.0.0.1:5000/v2/", "http://127.0.0.1:5001/token"),
            ("https://r.test/v2/", "https://192.0.2.1/token"),
        ] {
            let tokens = named(asked, realm).unwrap();
            assert_eq!(tokens.scopes, ["repository:a/web:pull"]);
        }
        let inside = "is a loopback, link-local, private, or unspecified address";
        for (realm, words) in [
            (
                "http://auth.test/token",
                "uses http but registry was contacted over https",
            ),
            ("ftp://auth.test/token", "uses unsupported scheme \"ftp\""),
            ("", "failed to parse bearer realm"),
            ("https://169.254.169.254/token", inside),
            ("https://127.0.0.1/token", inside),
            ("https://10.0.0.1/token", inside),
            ("https://0.0.0.0/token", inside),
            ("https://[::1]/token", inside),
            ("https://[::ffff:10.0.0.1]/token", inside),
            ("https://[fe80::1]/token", inside),
            ("https://[fd00::1]/token", inside),
        ] {
            let error = named("https://r.test/v2/", realm).err().unwrap();
            assert!(error.contains(words), "{realm}: {error}");
        }
    }
}
