//! `openflux uninstall`: our controller goes, when nothing needs it any more, and nothing else does.

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{
    ARTIFACT, DEPLOYMENT, EXTERNAL_ARTIFACT, KUSTOMIZATION, Kind, Namespace, Options, Testbed, controller,
    program,
};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use serde_json::json;

use crate::doctor::{run_pods, stock};

const DEFINITION: Kind = Kind {
    api_version: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
};

/// Kinds with something of ours in them.
const KINDS: [(&str, &str, &str); 9] = [
    ("apps/v1", "Deployment", "deployments"),
    ("v1", "Pod", "pods"),
    ("v1", "ServiceAccount", "serviceaccounts"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    ("rbac.authorization.k8s.io/v1", "Role", "roles"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles"),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "clusterrolebindings",
    ),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
    ),
];

/// What everything that is installed carries.
const INSTALLED: &str = "app.kubernetes.io/part-of=openflux,app.kubernetes.io/name=openflux-controller";

fn everywhere(home: &Namespace, kind: Kind) -> Api<DynamicObject> {
    let (group, version) = kind.api_version.split_once('/').unwrap_or(("", kind.api_version));
    let gvk = GroupVersionKind::gvk(group, version, kind.kind);
    Api::all_with(
        home.client().clone(),
        &ApiResource::from_gvk_with_plural(&gvk, kind.plural),
    )
}

/// Of which kinds something is installed.
async fn installed(home: &Namespace) -> Result<Vec<&'static str>> {
    let mut found = Vec::new();
    for (api_version, kind, plural) in KINDS {
        let kind = Kind {
            api_version,
            kind,
            plural,
        };
        let list = everywhere(home, kind)
            .list_metadata(&ListParams::default().labels(INSTALLED))
            .await?;
        if !list.items.is_empty() {
            found.push(kind.kind);
        }
    }
    Ok(found)
}

/// Runs the command; gives its exit code, and what it says.
async fn uninstall(testbed: &Testbed, words: &[&str]) -> Result<(i32, String)> {
    let output = tokio::process::Command::new(program("openflux")?)
        .arg("uninstall")
        .args(words)
        .env("KUBECONFIG", testbed.kubeconfig())
        .stdin(std::process::Stdio::null())
        .output()
        .await?;
    let text = [output.stdout, output.stderr].concat();
    Ok((
        output.status.code().context("an exit code")?,
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

#[tokio::test]
async fn our_controller_goes_when_nothing_needs_it_and_nothing_else_does() -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    let home = testbed.namespace_called("flux-system").await?;
    let apps = testbed.namespace("apps").await?;
    let manifests = std::process::Command::new(controller()?)
        .args([
            "install",
            "--export",
            "--artifact-writers",
            "--controllers=sources,kustomize,bridge",
        ])
        .output()?;
    home.apply(&String::from_utf8(manifests.stdout)?).await?;
    let mut kustomize = stock("kustomize-controller");
    kustomize["spec"]["template"]["spec"]["containers"][0]["args"] = json!([
        "--watch-all-namespaces=true",
        "--watch-label-selector=!sharding.fluxcd.io/key"
    ]);
    home.apply(&kustomize.to_string()).await?;
    run_pods(&home, 2).await?;
    let web = json!({
        "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind,
        "metadata": {"name": "web", "labels": {"sharding.fluxcd.io/key": "openflux"}},
        "spec": {"interval": "1h", "prune": true, "path": "./", "sourceRef": {"kind": "ExternalArtifact", "name": "feed"}},
    });
    apps.apply(&web.to_string()).await?;
    let feed = json!({
        "apiVersion": EXTERNAL_ARTIFACT.api_version, "kind": EXTERNAL_ARTIFACT.kind,
        "metadata": {"name": "feed", "labels": {"openfluxcd.ocm.software/bridged-from": "Nightly"}}, "spec": {},
    });
    apps.apply(&feed.to_string()).await?;
    let artifact = json!({
        "apiVersion": ARTIFACT.api_version, "kind": ARTIFACT.kind, "metadata": {"name": "feed"},
        "spec": {"url": "http://feed.apps.svc/1", "revision": "1", "digest": format!("sha256:{}", "a".repeat(64)),
            "lastUpdateTime": "2026-01-01T00:00:00Z"},
    });
    apps.apply(&artifact.to_string()).await?;
    let all = installed(&home).await?;
    ensure!(all == KINDS.map(|(_, kind, _)| kind), "{all:?}");

    // What it reconciles is given back first.
    let (code, said) = uninstall(&testbed, &["--yes"]).await?;
    let orphan = format!("ks/{}/web would have no controller", apps.name());
    ensure!(code == 2 && said.contains(&orphan), "{code}: {said}");
    ensure!(said.contains("openflux migrate rollback --all"), "{said}");
    assert_eq!(installed(&home).await?, all);

    let given_back = json!({"metadata": {"labels": {"sharding.fluxcd.io/key": null}}});
    apps.patch(KUSTOMIZATION, "web", given_back).await?;
    let before = apps.get(KUSTOMIZATION, "web").await?;
    let (code, said) = uninstall(&testbed, &["--dry-run"]).await?;
    ensure!(code == 0, "{code}: {said}");
    let stalls = format!(
        "! ks/{0}/web deploys ExternalArtifact {0}/feed: it will stall",
        apps.name()
    );
    for line in [
        "Deployment flux-system/openflux-controller",
        "ClusterRole openflux-controller",
        stalls.as_str(),
        "Nothing was written",
    ] {
        ensure!(said.contains(line), "{line}: {said}");
    }
    let (code, said) = uninstall(&testbed, &[]).await?;
    ensure!(code == 2 && said.contains("--yes"), "{code}: {said}");
    assert_eq!(installed(&home).await?, all);

    let (code, said) = uninstall(&testbed, &["--yes"]).await?;
    ensure!(
        code == 0 && said.contains("as it was (1 object looked at)"),
        "{code}: {said}"
    );
    assert_eq!(installed(&home).await?, Vec::<&str>::new());
    assert!(apps.get(EXTERNAL_ARTIFACT, "feed").await?.is_none());
    assert_eq!(apps.get(KUSTOMIZATION, "web").await?, before);
    assert!(apps.get(ARTIFACT, "feed").await?.is_some());
    assert!(home.get(DEPLOYMENT, "kustomize-controller").await?.is_some());
    let (code, said) = uninstall(&testbed, &["--yes"]).await?;
    ensure!(code == 0 && said.contains("not installed"), "{code}: {said}");

    // The kinds go only when somebody says so, and then with everything of them.
    let (code, said) = uninstall(&testbed, &["--crds", "--yes"]).await?;
    let lost = format!("! Artifact {}/feed is no mirror of a source of Flux", apps.name());
    ensure!(code == 0 && said.contains(&lost), "{code}: {said}");
    let definition = everywhere(&home, DEFINITION)
        .get_opt("artifacts.openfluxcd.ocm.software")
        .await?;
    assert!(definition.is_none_or(|definition| definition.metadata.deletion_timestamp.is_some()));
    Ok(())
}
