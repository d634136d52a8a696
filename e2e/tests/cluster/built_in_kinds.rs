//! Objects of built-in kinds go through their Go types in stock: nulls, zero values and unknown fields, beside stock.

use std::collections::BTreeMap;

use anyhow::Result;
use e2e::testbed::{DEPLOYMENT, KUSTOMIZATION, Kind, SECRET, SERVICE};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::json;

use crate::app::{App, Owner};
use crate::together::{Side, together};

const fn kind(api_version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind {
        api_version,
        kind,
        plural,
    }
}

const CONFIG_MAP: Kind = kind("v1", "ConfigMap", "configmaps");
const CLAIM: Kind = kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims");
const STATEFUL_SET: Kind = kind("apps/v1", "StatefulSet", "statefulsets");
const CRON_JOB: Kind = kind("batch/v1", "CronJob", "cronjobs");
const INGRESS: Kind = kind("networking.k8s.io/v1", "Ingress", "ingresses");
const POLICY: Kind = kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies");
const BUDGET: Kind = kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets");
const SCALER: Kind = kind(
    "autoscaling/v2",
    "HorizontalPodAutoscaler",
    "horizontalpodautoscalers",
);
const ROLE: Kind = kind("rbac.authorization.k8s.io/v1", "Role", "roles");
const BINDING: Kind = kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings");

/// Objects named `a` with everything that comes back from a Go type in another form.
const OBJECTS: &[(Kind, &str)] = &[
    (
        CONFIG_MAP,
        "metadata: {name: a, labels: {k: true, other: x}, annotations: null}\ndata: {a: b}\nbinaryData: null\nimmutable: false",
    ),
    (
        CLAIM,
        "spec: {accessModes: [ReadWriteOnce], storageClassName: x, volumeName: '', resources: {requests: {storage: 1.50Gi}}}",
    ),
    (
        SECRET,
        "stringData: {a: b, c: ''}\ndata: {d: 'eA==', a: 'eA=='}\ntype: ''",
    ),
    (SERVICE, "spec: {ports: [{name: a, port: 80}], sessionAffinity: null}"),
    (
        DEPLOYMENT,
        "
spec:
  replicas: 0
  nope: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      alsoNot: {a: b}
      nodeSelector: {}
      containers: [{name: a, image: 'x:1', nosuch: 1, command: [], env: [{name: e, value: ''}], ports: [{containerPort: 80}],
        resources: {limits: {cpu: 0.5, memory: 1024Mi}}}]",
    ),
    (
        STATEFUL_SET,
        "
spec:
  replicas: 0
  serviceName: a
  selector: {matchLabels: {app: set}}
  template:
    metadata: {labels: {app: set}, creationTimestamp: null}
    spec: {containers: [{name: a, image: 'x:1'}]}",
    ),
    (
        CRON_JOB,
        "spec: {schedule: '* * 1 1 *', suspend: true, jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: 'x:1'}]}}}}}",
    ),
    (
        INGRESS,
        "spec: {rules: [{host: a.example.com, nosuch: 1, http: {paths: [{path: /, pathType: Prefix, nosuch: 1, backend: {serviceName: a, service: {name: a, port: {number: 80}}}}]}}]}",
    ),
    (POLICY, "spec: {podSelector: {}, ingress: [{}], policyTypes: null}"),
    (BUDGET, "spec: {minAvailable: 50%, maxUnavailable: null, selector: {}}"),
    (
        SCALER,
        "spec: {minReplicas: null, maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}, behavior: {scaleDown: {policies: null}}}",
    ),
    (ROLE, "rules: [{apiGroups: [''], resources: [pods], verbs: [get], resourceNames: []}]"),
    (
        BINDING,
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: a}\nsubjects: []",
    ),
];

/// Objects of which it is compared what their author owns and what the author wrote, by kind.
async fn applied(side: Side) -> Result<()> {
    let files: Vec<(String, String)> = OBJECTS
        .iter()
        .map(
            |(
                Kind {
                    api_version, kind, ..
                },
                body,
            )| {
                let metadata = if body.starts_with("metadata") {
                    ""
                } else {
                    "metadata: {name: a}\n"
                };
                let text = format!("apiVersion: {api_version}\nkind: {kind}\n{metadata}{body}\n");
                (format!("deploy/{kind}.yaml"), text)
            },
        )
        .collect();
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let app = App::owned_by(side.owner, "built-in", &files).await?;
    app.deploy_ready("app", json!({})).await?;
    side.same("applied", async || {
        let mut applied = BTreeMap::new();
        for (kind, _) in OBJECTS {
            let object = app.existing(*kind, "a").await?;
            let managed = object.metadata.managed_fields.unwrap_or_default();
            let owned = managed.into_iter().find(|entry| {
                entry.manager.as_deref() == Some("kustomize-controller") && entry.subresource.is_none()
            });
            let owned = owned.and_then(|entry| entry.fields_v1);
            let labels: Vec<_> = object.metadata.labels.unwrap_or_default().into_keys().collect();
            applied.insert(
                kind.kind,
                json!({"owned": owned, "labels": labels, "data": object.data["data"]}),
            );
        }
        Ok(Some(json!(applied)))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn ownership_is_that_of_stock_for_built_in_kinds() -> Result<()> {
    together(applied).await?;
    Ok(())
}

#[tokio::test]
async fn null_replicas_scale_nothing() -> Result<()> {
    let web = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: null
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: a, image: 'x:1'}]}
";
    let app = App::start("null-replicas", &[("deploy/a.yaml", web)]).await?;
    app.deploy_ready("app", json!({})).await?;
    app.patch(DEPLOYMENT, "web", json!({"spec": {"replicas": 5}}))
        .await?;
    app.reconcile("app").await?;
    app.wait_ready(KUSTOMIZATION, "app").await?;
    assert_eq!(app.existing(DEPLOYMENT, "web").await?.data["spec"]["replicas"], 5);
    Ok(())
}

#[tokio::test]
async fn an_empty_bundle_keeps_the_one_that_was_injected() -> Result<()> {
    // Webhooks are cluster-scoped, so that the name is made unique by the Kustomization.
    let webhook = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: '-injected'}
webhooks: [{name: a.example.com, sideEffects: None, admissionReviewVersions: [v1], failurePolicy: Ignore, rules: [],
  namespaceSelector: {}, clientConfig: {url: 'https://example.com/x', caBundle: ''}}]
";
    let app = App::start("bundle", &[("deploy/a.yaml", webhook)]).await?;
    app.deploy_ready("app", json!({"namePrefix": app.name()})).await?;
    let name = format!("{}-injected", app.name());
    let resource = ApiResource {
        group: "admissionregistration.k8s.io".into(),
        version: "v1".into(),
        api_version: "admissionregistration.k8s.io/v1".into(),
        kind: "ValidatingWebhookConfiguration".into(),
        plural: "validatingwebhookconfigurations".into(),
    };
    let webhooks: Api<DynamicObject> = Api::all_with(app.client().clone(), &resource);
    let bundle = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==";
    let inject = json!([{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle}]);
    let inject = Patch::Json::<()>(serde_json::from_value(inject)?);
    webhooks.patch(&name, &PatchParams::default(), &inject).await?;
    app.reconcile("app").await?;
    app.wait_ready(KUSTOMIZATION, "app").await?;
    let injected = webhooks.get(&name).await?;
    assert_eq!(injected.data["webhooks"][0]["clientConfig"]["caBundle"], bundle);
    Ok(())
}

/// What does not fit its Go type, or has none that counts, goes to the API server as it is.
async fn refused(owner: Owner) -> Result<BTreeMap<&'static str, String>> {
    let files = [
        (
            "secret-number",
            "{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {PORT: 8080, a: b}}",
            "expected string",
        ),
        (
            "role",
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: a}, rules: [{apiGroups: [''], resources: [secrets], verbs: [get], resourceName: [x]}]}",
            "field not declared in schema",
        ),
        (
            "cluster-role",
            "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a}, rules: [{apiGroups: [''], resources: [secrets], verbs: [get], resourceName: [x]}]}",
            "field not declared in schema",
        ),
    ];
    let paths = files.map(|(name, text, _)| (format!("{name}/a.yaml"), text));
    let paths = paths.each_ref().map(|(path, text)| (path.as_str(), *text));
    let app = App::owned_by(owner, "refused", &paths).await?;
    let mut messages = BTreeMap::new();
    for (name, _, text) in files {
        let spec = json!({"path": name, "namePrefix": format!("{}-", app.name())});
        app.deploy(name, spec).await?;
        let message = app.wait_failed_at_first(name, "ReconciliationFailed").await?;
        assert!(message.contains(text), "{owner:?} {name}: {message}");
        messages.insert(name, message);
    }
    assert!(app.list(SECRET).await?.is_empty() && app.list(ROLE).await?.is_empty());
    Ok(messages)
}

#[tokio::test]
async fn what_does_not_fit_its_type_is_refused_as_in_stock() -> Result<()> {
    let (stock, ours) = tokio::try_join!(refused(Owner::Stock), refused(Owner::Ours))?;
    assert_eq!(stock.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>());
    Ok(())
}
