//! `openflux-controller install --export`: the API server takes the manifests, and their rights are enough.

use anyhow::{Result, ensure};
use e2e::testbed::{
    Answer, Archive, ArtifactServer, CONFIG_MAP, EVENT, EXTERNAL_ARTIFACT, KUSTOMIZATION, Namespace, Options,
    PATIENCE, SERVICE, Testbed, controller, eventually,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::Api;
use serde_json::{Value, json};

use crate::app::config_map;
use crate::artifacts::{consume, offer};
use crate::sources::mirrored;

/// The manifests, with more flags.
fn export(flags: &[&str]) -> Result<String> {
    let output = std::process::Command::new(controller()?)
        .args(["install", "--export"])
        .args(flags)
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// Installs into `flux-system`; gives the specification of the pods.
async fn install(namespace: &Namespace, flags: &[&str]) -> Result<Value> {
    namespace.apply(&export(flags)?).await?;
    let deployments = Api::<Deployment>::namespaced(namespace.client().clone(), "flux-system");
    let deployment = deployments.get("openflux-controller").await?;
    Ok(json!(deployment.spec)["template"]["spec"].clone())
}

/// The arguments of the Deployment, but for what a test on one machine has to say differently.
fn arguments(pod: &Value) -> Vec<String> {
    let arguments = pod["containers"][0]["args"].as_array().into_iter().flatten();
    let arguments = arguments.filter_map(Value::as_str).skip(1);
    arguments
        .filter(|argument| !argument.starts_with("--events-addr"))
        .map(str::to_owned)
        .collect()
}

/// What a tenant's service account may do.
const TENANT: &str = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
subjects: [{kind: ServiceAccount, name: deployer, namespace: NAMESPACE}]
";

#[tokio::test]
async fn the_manifests_are_taken_and_give_the_rights_that_are_needed() -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = testbed.namespace("install").await?;
    let tenants = ["--default-service-account=deployer"];
    let pod = install(&namespace, &tenants).await?;
    for (field, expected) in [
        (
            "/containers/0/securityContext/readOnlyRootFilesystem",
            json!(true),
        ),
        (
            "/containers/0/securityContext/allowPrivilegeEscalation",
            json!(false),
        ),
        ("/containers/0/securityContext/capabilities/drop", json!(["ALL"])),
        ("/securityContext/runAsNonRoot", json!(true)),
        ("/securityContext/seccompProfile/type", json!("RuntimeDefault")),
        ("/containers/0/readinessProbe/httpGet/path", json!("/readyz")),
    ] {
        assert_eq!(pod.pointer(field), Some(&expected), "{field}");
    }
    let bindings = Api::<ClusterRoleBinding>::all(namespace.client().clone());
    let administrator = bindings.get_opt("openflux-controller-cluster-reconciler").await?;
    ensure!(administrator.is_none(), "tenants need no cluster administrator");

    // The very rights of the manifests, and nothing else.
    let kubeconfig = testbed
        .kubeconfig_of("flux-system", "openflux-controller")
        .await?;
    let arguments = arguments(&pod);
    let arguments: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .chain(["--controllers=sources,kustomize,bridge"])
        .collect();
    let mut controller = testbed.start_openflux_as(&kubeconfig, "openflux-controller", &arguments)?;
    namespace
        .apply(&TENANT.replace("NAMESPACE", namespace.name()))
        .await?;
    namespace
        .apply("{apiVersion: v1, kind: Secret, metadata: {name: values}, stringData: {colour: blue}}")
        .await?;
    let service = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}";
    let archive = |colour: &str, more: &[(&str, &str)]| {
        let config = config_map("a", colour);
        let mut files = vec![("a.yaml", config.as_str())];
        files.extend(more);
        Ok::<_, anyhow::Error>(Answer::Bytes(Archive::of(&files).pack()?))
    };
    let server = ArtifactServer::start([
        ("first", archive("${colour}", &[("web.yaml", service)])?),
        ("second", archive("red", &[])?),
    ])?;
    // One Artifact is mirrored from a source, the other one offered to stock deployers.
    crate::sources::offer(&namespace, "mirrored", "http://127.0.0.1:1/a", "1").await?;
    mirrored(&namespace, EXTERNAL_ARTIFACT, "mirrored").await?;
    offer(&namespace, "app", &server, "first").await?;
    namespace.wait_ready(EXTERNAL_ARTIFACT, "app").await?;
    let variables = json!({"substituteFrom": [{"kind": "Secret", "name": "values"}]});
    consume(
        &namespace,
        "app",
        "app",
        json!({"wait": true, "postBuild": variables}),
    )
    .await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    offer(&namespace, "app", &server, "second").await?;
    namespace.wait_gone(SERVICE, "web").await?;
    eventually("an event", async || {
        let mut events = namespace.list(EVENT).await?.into_iter();
        Ok(events.find(|event| event.data["involvedObject"]["kind"] == KUSTOMIZATION.kind))
    })
    .await?;
    namespace.delete(KUSTOMIZATION, "app").await?;
    namespace.wait_gone(KUSTOMIZATION, "app").await?;
    ensure!(namespace.get(CONFIG_MAP, "a").await?.is_none());
    let status = controller.stop(PATIENCE)?;
    ensure!(status.success(), "{status}");
    let denied: Vec<_> = controller
        .output()
        .lines()
        .filter(|line| line.contains("forbidden"))
        .map(str::to_owned)
        .collect();
    ensure!(denied.is_empty(), "{denied:#?}");

    // Without a service account for all, it is a cluster administrator as stock's controller is.
    install(&namespace, &[]).await?;
    ensure!(
        bindings
            .get_opt("openflux-controller-cluster-reconciler")
            .await?
            .is_some()
    );
    Ok(())
}
