use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::ClusterSettings;
use crate::gcp::SCOPES;
use crate::script::{CA, Script, settings, somebody};

const EMAIL: &str = "iam.gke.io/gcp-service-account";
const POOL: &str = "gcp.auth.fluxcd.io/workload-identity-provider";
const PROVIDER: &str = "projects/1/locations/global/workloadIdentityPools/pool/providers/cluster";
const STS: &str = "https://sts.googleapis.com/v1/token";
const METADATA: &str = "http://169.254.169.254/computeMetadata/v1";
const GRANTED: &str = r#"{"access_token": "direct", "expires_in": 3599}"#;

fn far(more: &[(&str, &str)]) -> ClusterSettings {
    let fields = [
        ("provider", "gcp"),
        ("cluster", "projects/p/locations/l/clusters/far"),
        ("serviceAccountName", "me"),
    ];
    settings(&[&fields, more].concat())
}

#[test]
fn a_token_of_the_cluster_becomes_one_of_google() {
    let described =
        json!({"endpoint": "10.0.0.1", "masterAuth": {"clusterCaCertificate": STANDARD.encode(CA)}});
    let cluster =
        "https://container.googleapis.com/v1/projects/p/locations/l/clusters/far?alt=json&prettyPrint=false";
    let world = Script::default()
        .account("apps/me", &[])
        .answer(&format!("{METADATA}/project/project-id"), 200, "p")
        .answer(
            &format!("{METADATA}/instance/attributes/cluster-location"),
            200,
            "l",
        )
        .answer(
            &format!("{METADATA}/instance/attributes/cluster-name"),
            200,
            "here",
        )
        .answer(STS, 200, GRANTED)
        .answer(cluster, 200, &described.to_string());
    let way = world.way(&far(&[]), &somebody()).unwrap();
    assert_eq!(
        (way.server.as_str(), way.token.token.as_str()),
        ("https://10.0.0.1", "direct")
    );
    assert_eq!(way.authorities, CA);
    assert_eq!(way.token.expires.unwrap().as_second(), 3599);
    assert_eq!(world.asked(), ["apps/me?p.svc.id.goog"]);
    let expected = "audience=identitynamespace%3Ap.svc.id.goog%3Ahttps%3A%2F%2Fcontainer.googleapis.com%2Fv1%2Fprojects%2Fp%2Flocations%2Fl%2Fclusters%2Fhere&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform+https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fuserinfo.email&subject_token=apps%2Fme%3Fp.svc.id.goog&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt";
    assert_eq!(world.bodies(), [expected]);
    let sent = world.sent();
    assert_eq!(
        sent.last().unwrap().headers,
        [("authorization", "Bearer direct".to_owned())]
    );
}

#[test]
fn an_account_may_be_one_of_google() {
    let email = "far@p.iam.gserviceaccount.com";
    let url = format!(
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{email}:generateAccessToken"
    );
    let answer = json!({"accessToken": "as-far", "expireTime": "1970-01-01T00:30:00Z"});
    let world = Script::default()
        .account("apps/me", &[(EMAIL, email), (POOL, PROVIDER)])
        .answer(STS, 200, GRANTED)
        .answer(&url, 200, &answer.to_string());
    let known = far(&[("address", "far:8443"), ("ca.crt", CA)]);
    let way = world.way(&known, &somebody()).unwrap();
    assert_eq!(
        (way.server.as_str(), way.token.token.as_str()),
        ("https://far:8443", "as-far")
    );
    assert_eq!(way.token.expires.unwrap().as_second(), 1800);
    assert_eq!(
        world.asked(),
        [format!("apps/me?//iam.googleapis.com/{PROVIDER}")]
    );
    let body: Value = serde_json::from_str(&world.bodies()[1]).unwrap();
    assert_eq!(body, json!({"lifetime": "3600s", "scope": SCOPES}));
}

#[test]
fn what_is_wrong_is_told_and_nothing_that_was_sent() {
    let refusal = json!({"error": "invalid_grant", "error_description": "no such pool"}).to_string();
    let world = Script::default()
        .account("apps/me", &[(POOL, PROVIDER)])
        .answer(STS, 400, &refusal);
    let error = world.way(&far(&[]), &somebody()).unwrap_err().to_string();
    assert!(
        error.ends_with(&format!("oauth2/google: status code 400: {refusal}")),
        "{error}"
    );
    for (key, value, what) in [
        (EMAIL, "me@example.org", "provider identity"),
        (POOL, "projects/x", "provider audience"),
    ] {
        let world = Script::default().account("apps/me", &[(POOL, PROVIDER), (key, value)]);
        let error = world.way(&far(&[]), &somebody()).unwrap_err().to_string();
        let expected = format!("invalid {key} annotation: '{value}'. must match");
        assert!(error.contains(&expected) && error.contains(what), "{error}");
    }
    let world = Script::default().account("apps/me", &[(POOL, PROVIDER)]);
    let elsewhere = far(&[("cluster", "projects/p/locations/l/clusters/../x")]);
    let error = world
        .answer(STS, 200, GRANTED)
        .way(&elsewhere, &somebody())
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("invalid GKE cluster ID"), "{error}");
}

#[test]
fn the_process_asks_the_metadata_server() {
    let own = far(&[
        ("serviceAccountName", ""),
        ("address", "https://mine"),
        ("ca.crt", CA),
    ]);
    let url = format!(
        "{METADATA}/instance/service-accounts/default/token?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform%2Chttps%3A%2F%2Fwww.googleapis.com%2Fauth%2Fuserinfo.email"
    );
    let node = Script::default().answer(&url, 200, r#"{"access_token": "node", "expires_in": 60}"#);
    let way = node.way(&own, &somebody()).unwrap();
    assert_eq!(way.token.token.as_str(), "node");
    assert_eq!(node.sent()[0].headers, [("metadata-flavor", "Google".to_owned())]);
}
