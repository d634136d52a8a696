use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::ClusterSettings;
use crate::script::{CA, Script, settings, somebody};

const ID: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/group/providers/Microsoft.ContainerService/managedClusters/far";
const TENANT: &str = "azure.workload.identity/tenant-id";
const CLIENT: &str = "azure.workload.identity/client-id";
const LOGIN: &str = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token";

fn far(more: &[(&str, &str)]) -> ClusterSettings {
    let fields = [
        ("provider", "azure"),
        ("cluster", ID),
        ("serviceAccountName", "me"),
    ];
    settings(&[&fields, more].concat())
}

fn kubeconfig() -> String {
    let cluster =
        json!({"server": "https://far.azmk8s.io:443", "certificate-authority-data": STANDARD.encode(CA)});
    let exec = json!({"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "kubelogin"});
    let document = json!({"current-context": "far",
        "contexts": [{"name": "far", "context": {"cluster": "far", "user": "me"}}],
        "clusters": [{"name": "far", "cluster": cluster}], "users": [{"name": "me", "user": {"exec": exec}}]});
    STANDARD.encode(document.to_string())
}

fn script() -> Script {
    let base = format!("https://management.azure.com{ID}");
    let listed = json!({"kubeconfigs": [{"name": "far", "value": kubeconfig()}]});
    Script::default()
        .account("apps/me", &[(TENANT, "tenant"), (CLIENT, "client")])
        .answer(LOGIN, 200, r#"{"access_token": "entra", "expires_in": 3600}"#)
        .answer(
            &format!("{base}?api-version=2022-04-01"),
            200,
            r#"{"properties": {"aadProfile": {}}}"#,
        )
        .answer(
            &format!("{base}/listClusterUserCredential?api-version=2022-04-01"),
            200,
            &listed.to_string(),
        )
}

fn assertion(token: &str, client: &str, scope: &str) -> String {
    format!(
        "client_id={client}&client_assertion={token}&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_info=1&grant_type=client_credentials&scope={scope}+openid+offline_access+profile"
    )
}

#[test]
fn the_cluster_is_looked_up_with_a_second_token() {
    let world = script();
    let way = world.way(&far(&[]), &somebody()).unwrap();
    assert_eq!(
        (way.server.as_str(), way.token.token.as_str()),
        ("https://far.azmk8s.io:443", "entra")
    );
    assert_eq!(way.authorities, CA);
    assert_eq!(way.token.expires.unwrap().as_second(), 3600);
    let own = "apps%2Fme%3Fapi%3A%2F%2FAzureADTokenExchange";
    let scopes = [
        "6dae42f8-4368-4678-94ff-3960e28e3630%2F.default",
        "https%3A%2F%2Fmanagement.core.windows.net%2F%2F.default",
    ];
    assert_eq!(
        world.bodies(),
        scopes.map(|scope| assertion(own, "client", scope))
    );
    let methods: Vec<_> = world.sent().iter().map(|request| request.method).collect();
    assert_eq!(methods, ["POST", "POST", "GET", "POST"]);
}

#[test]
fn one_token_is_enough_where_all_is_said() {
    let world = script();
    let known = far(&[("address", "https://mine"), ("ca.crt", CA)]);
    assert_eq!(world.way(&known, &somebody()).unwrap().server, "https://mine");
    assert_eq!(world.sent().len(), 1);
    let other = far(&[("address", "https://other")]);
    let error = script().way(&other, &somebody()).unwrap_err().to_string();
    let expected =
        "matching the specified address 'https://other'. cluster addresses: ['https://far.azmk8s.io:443']";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn what_is_wrong_is_told() {
    let plain = Script::default().account("apps/me", &[(TENANT, "tenant")]);
    let error = plain.way(&far(&[]), &somebody()).unwrap_err().to_string();
    let expected =
        "azure client ID is not set in the service account annotation azure.workload.identity/client-id";
    assert!(error.ends_with(expected), "{error}");
    for bad in ["far", "/subscriptions/x/../../y"] {
        let error = script().way(&far(&[("cluster", bad)]), &somebody()).unwrap_err();
        let expected = format!("invalid AKS cluster ID: '{bad}'. must match ");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    let described = format!("https://management.azure.com{ID}?api-version=2022-04-01");
    let without = script().answer(&described, 200, r#"{"properties": {}}"#);
    let error = without.way(&far(&[]), &somebody()).unwrap_err().to_string();
    assert!(
        error.contains("does not have Microsoft Entra ID integration enabled"),
        "{error}"
    );
    let refused = json!({"error": {"code": "AuthorizationFailed", "message": "no"}});
    let refused = script().answer(&described, 403, &refused.to_string());
    let error = refused.way(&far(&[]), &somebody()).unwrap_err().to_string();
    assert!(error.starts_with("failed to describe AKS cluster: "), "{error}");
    assert!(error.ends_with("AuthorizationFailed: no"), "{error}");
}

#[test]
fn the_process_has_an_identity_of_its_own() {
    let own = far(&[
        ("serviceAccountName", ""),
        ("address", "https://mine"),
        ("ca.crt", CA),
    ]);
    let world = script()
        .with_variable("AZURE_TENANT_ID", "tenant")
        .with_variable("AZURE_CLIENT_ID", "mine")
        .with_variable("AZURE_FEDERATED_TOKEN_FILE", "/token")
        .with_file("/token", "own-token");
    world.way(&own, &somebody()).unwrap();
    let scope = "6dae42f8-4368-4678-94ff-3960e28e3630%2F.default";
    assert_eq!(world.bodies(), [assertion("own-token", "mine", scope)]);

    let url = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=6dae42f8-4368-4678-94ff-3960e28e3630";
    let node = Script::default().answer(url, 200, r#"{"access_token": "node", "expires_in": "86399"}"#);
    let way = node.way(&own, &somebody()).unwrap();
    assert_eq!(way.token.token.as_str(), "node");
    assert_eq!(way.token.expires.unwrap().as_second(), 86399);
    assert_eq!(node.sent()[0].headers, [("metadata", "true".to_owned())]);
}
