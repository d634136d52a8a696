use serde_json::json;

use crate::script::{Script, now, settings, somebody};
use crate::{ClusterSettings, Identity, jwt};

fn far(more: &[(&str, &str)]) -> ClusterSettings {
    let fields = [
        ("provider", "generic"),
        ("address", "Far:6443"),
        ("serviceAccountName", "me"),
    ];
    settings(&[&fields, more].concat())
}

fn script() -> Script {
    Script::default().account("apps/me", &[]).with_claims()
}

#[test]
fn a_token_for_the_cluster_is_all_that_is_needed() {
    let world = script();
    let way = world.way(&far(&[]), &somebody()).unwrap();
    assert_eq!(
        (way.server.as_str(), way.authorities.as_str()),
        ("https://far:6443", "")
    );
    assert_eq!(way.token.expires.unwrap().as_second(), 3600);
    world.way(&far(&[("audiences", "a\nb")]), &somebody()).unwrap();
    assert_eq!(world.asked(), ["apps/me?Far:6443", "apps/me?a,b"]);
    assert!(world.sent().is_empty());
}

#[test]
fn what_is_kept_is_not_asked_for_again() {
    let world = script();
    let identities = world.identities();
    for _ in 0..3 {
        now(identities.way(&far(&[]), &somebody())).unwrap();
    }
    assert_eq!(world.asked().len(), 1);
    now(identities.way(&far(&[("audiences", "a")]), &somebody())).unwrap();
    assert_eq!(world.asked().len(), 2, "another audience is another token");
}

#[test]
fn accounts_are_named_defaulted_or_the_controllers_own() {
    let own = far(&[("serviceAccountName", "")]);
    let fallback = Identity {
        default_account: "all".to_owned(),
        ..somebody()
    };
    let world = Script::default().account("apps/all", &[]).with_claims();
    world.way(&own, &fallback).unwrap();
    assert_eq!(world.asked(), ["apps/all?Far:6443"]);

    let error = Script::default().way(&own, &fallback).unwrap_err();
    let expected = "'apps/all': the specified default service account does not exist";
    assert!(error.to_string().contains(expected), "{error}");
    assert!(!error.is_not_found());
    let error = Script::default().way(&far(&[]), &somebody()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to get access token for cluster: failed to get service account 'apps/me': ServiceAccount \"me\" not found"
    );
    assert!(error.is_not_found());

    let claims = json!({"sub": "system:serviceaccount:flux-system:controller"});
    let token = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    let world = Script::default()
        .with_file(token, &jwt::unsigned(&claims))
        .with_claims();
    world.way(&own, &somebody()).unwrap();
    assert_eq!(world.asked(), ["flux-system/controller?Far:6443"]);
    let error = Script::default().way(&own, &somebody()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "failed to get access token for cluster: failed to create provider access token for the controller: failed to read service account token file {token}: open {token}: no such file or directory"
        )
    );
}

#[test]
fn an_address_is_needed_and_the_gate_for_accounts_of_objects() {
    for (address, expected) in [
        ("", "cluster address is required to create a REST config"),
        (
            "http://far",
            "failed to parse cluster address http://far: the Kubernetes API server address 'http://far' must use https scheme",
        ),
    ] {
        let error = script()
            .way(&far(&[("address", address)]), &somebody())
            .unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let off = Identity {
        is_enabled: false,
        ..somebody()
    };
    let error = script().way(&far(&[]), &off).unwrap_err().to_string();
    let expected =
        "failed to get access token for cluster: ObjectLevelWorkloadIdentity feature gate is not enabled";
    assert_eq!(error, expected);
}
