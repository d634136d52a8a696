//! The field specs that every build starts with, before `configurations` files add theirs.
//!
//! One line is one path and the types that have it: `Kind`, `group/Kind` or `Kind@version`, all kinds when none is
//! given. `+` before the path means that it is created. A path beginning with `P/` is below the pod spec of each kind.

use crate::{FieldSpec, Gvk};

/// Field specs by transformer, as a `configurations` file could give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// `namePrefix` and `nameSuffix`.
    Name,
    /// `namespace`
    Namespace,
    /// `labels` with `includeTemplates`: labels in metadata, without selectors.
    TemplateLabels,
    /// `commonLabels`: labels in metadata and selectors.
    CommonLabels,
    /// `commonAnnotations`
    CommonAnnotations,
    /// `images`
    Images,
    /// `replicas`
    Replicas,
    /// `vars`
    VarReference,
}

impl Table {
    /// The default specs, in upstream's order within one kind.
    pub(crate) fn specs(self) -> Vec<FieldSpec> {
        let mut specs = parse(match self {
            Self::Name => "metadata/name",
            Self::Namespace => NAMESPACE,
            Self::TemplateLabels => METADATA_LABELS,
            Self::CommonLabels => SELECTORS,
            Self::CommonAnnotations => ANNOTATIONS,
            Self::Images => IMAGES,
            Self::Replicas => REPLICAS,
            Self::VarReference => VARS,
        });
        if self == Self::CommonLabels {
            specs.extend(parse(METADATA_LABELS));
        }
        sort(&mut specs);
        specs
    }
}

/// The default name references: the type of the object that is named, and the fields that name it.
pub(crate) fn name_references() -> Vec<(Gvk, Vec<FieldSpec>)> {
    let mut references: Vec<_> = NAME_REFERENCES
        .iter()
        .map(|(target, rows)| (type_of(target), parse(rows)))
        .collect();
    for (_, specs) in &mut references {
        sort(specs);
    }
    references.sort_by(|(a, _), (b, _)| a.compare(b));
    references
}

fn sort(specs: &mut [FieldSpec]) {
    specs.sort_by(|a, b| a.gvk().compare(&b.gvk()));
}

fn parse(rows: &str) -> Vec<FieldSpec> {
    let mut specs = Vec::new();
    for row in rows.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let (create, row) = row.strip_prefix("+ ").map_or((false, row), |row| (true, row));
        let (path, kinds) = row.split_once(": ").unwrap_or((row, ""));
        let mut push = |gvk: Gvk| {
            let path = match path.strip_prefix("P/") {
                Some(rest) => format!("{}/{rest}", pod_spec(&gvk.kind)),
                None => path.to_owned(),
            };
            specs.push(FieldSpec {
                group: gvk.group,
                version: gvk.version,
                kind: gvk.kind,
                path,
                create,
            });
        };
        if kinds.is_empty() {
            push(Gvk::default());
        }
        kinds.split_whitespace().map(type_of).for_each(&mut push);
    }
    specs
}

/// `Kind`, `group/Kind` or `group/Kind@version`; a group may itself contain a slash.
fn type_of(text: &str) -> Gvk {
    let (text, version) = text.split_once('@').unwrap_or((text, ""));
    let (group, kind) = text.rsplit_once('/').unwrap_or(("", text));
    Gvk::new(group, version, kind)
}

fn pod_spec(kind: &str) -> &'static str {
    match kind {
        "Pod" => "spec",
        "PodTemplate" => "template/spec",
        "CronJob" => "spec/jobTemplate/spec/template/spec",
        _ => "spec/template/spec",
    }
}

const NAMESPACE: &str = "
    + metadata/name: Namespace
    + spec/service/namespace: apiregistration.k8s.io/APIService
    spec/conversion/webhook/clientConfig/service/namespace: apiextensions.k8s.io/CustomResourceDefinition
";

const METADATA_LABELS: &str = "
    + metadata/labels
    + spec/template/metadata/labels: ReplicationController@v1 Deployment ReplicaSet DaemonSet apps/StatefulSet batch/Job
    + spec/volumeClaimTemplates[]/metadata/labels: apps/StatefulSet
    + spec/jobTemplate/metadata/labels: batch/CronJob
    + spec/jobTemplate/spec/template/metadata/labels: batch/CronJob
";

const SELECTORS: &str = "
    + spec/selector: Service@v1 ReplicationController@v1
    + spec/selector/matchLabels: Deployment ReplicaSet DaemonSet apps/StatefulSet
    P/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels: apps/Deployment apps/StatefulSet
    P/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels: apps/Deployment apps/StatefulSet
    P/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels: apps/Deployment apps/StatefulSet
    P/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels: apps/Deployment apps/StatefulSet
    P/topologySpreadConstraints/labelSelector/matchLabels: apps/Deployment apps/StatefulSet
    spec/selector/matchLabels: batch/Job policy/PodDisruptionBudget
    spec/jobTemplate/spec/selector/matchLabels: batch/CronJob
    spec/podSelector/matchLabels: networking.k8s.io/NetworkPolicy
    spec/ingress/from/podSelector/matchLabels: networking.k8s.io/NetworkPolicy
    spec/egress/to/podSelector/matchLabels: networking.k8s.io/NetworkPolicy
";

const ANNOTATIONS: &str = "
    + metadata/annotations
    + spec/template/metadata/annotations: ReplicationController@v1 Deployment ReplicaSet DaemonSet StatefulSet batch/Job
    + spec/jobTemplate/metadata/annotations: batch/CronJob
    + spec/jobTemplate/spec/template/metadata/annotations: batch/CronJob
";

const IMAGES: &str = "
    + spec/containers[]/image
    + spec/initContainers[]/image
    + spec/volumes[]/image/reference
    + spec/template/spec/containers[]/image
    + spec/template/spec/initContainers[]/image
    + spec/template/spec/volumes[]/image/reference
";

const REPLICAS: &str = "+ spec/replicas: Deployment ReplicationController ReplicaSet StatefulSet";

const VARS: &str = "
    P/containers/args: CronJob DaemonSet Deployment Job Pod ReplicaSet StatefulSet
    P/containers/command: CronJob DaemonSet Deployment Job Pod ReplicaSet StatefulSet
    P/containers/env/value: CronJob DaemonSet Deployment Job Pod ReplicaSet StatefulSet
    P/containers/volumeMounts/mountPath: CronJob DaemonSet Deployment Job Pod ReplicaSet StatefulSet
    P/initContainers/args: CronJob DaemonSet Deployment Job Pod ReplicaSet StatefulSet
    P/initContainers/command: CronJob DaemonSet Deployment Job Pod ReplicaSet StatefulSet
    P/initContainers/env/value: CronJob DaemonSet Deployment Job Pod ReplicaSet StatefulSet
    P/initContainers/volumeMounts/mountPath: CronJob DaemonSet Deployment Job Pod ReplicaSet StatefulSet
    P/volumes/nfs/server: DaemonSet Deployment Job Pod ReplicaSet
    spec/jobTemplate/spec/template/volumes/nfs/server: CronJob
    spec/volumeClaimTemplates/spec/nfs/server: StatefulSet
    spec/template/metadata/annotations: Deployment
    spec/rules/host: Ingress
    spec/tls/hosts: Ingress
    spec/tls/secretName: Ingress
    spec/ports/port: Service
    spec/ports/targetPort: Service
    spec/nfs/server: PersistentVolume
    metadata/labels
    metadata/annotations
";

const NAME_REFERENCES: &[(&str, &str)] = &[
    ("Deployment", "spec/scaleTargetRef/name: HorizontalPodAutoscaler"),
    ("ReplicationController", "spec/scaleTargetRef/name: HorizontalPodAutoscaler"),
    ("ReplicaSet", "spec/scaleTargetRef/name: HorizontalPodAutoscaler"),
    ("StatefulSet", "spec/scaleTargetRef/name: HorizontalPodAutoscaler"),
    (
        "ConfigMap@v1",
        r"
        P/volumes/configMap/name: Pod@v1 PodTemplate Deployment ReplicaSet DaemonSet StatefulSet Job CronJob
        P/containers/env/valueFrom/configMapKeyRef/name: Pod@v1 PodTemplate Deployment ReplicaSet DaemonSet StatefulSet Job CronJob
        P/initContainers/env/valueFrom/configMapKeyRef/name: Pod@v1 PodTemplate Deployment ReplicaSet DaemonSet StatefulSet Job CronJob
        P/containers/envFrom/configMapRef/name: Pod@v1 PodTemplate Deployment ReplicaSet DaemonSet StatefulSet Job CronJob
        P/initContainers/envFrom/configMapRef/name: Pod@v1 PodTemplate Deployment ReplicaSet DaemonSet StatefulSet Job CronJob
        P/volumes/projected/sources/configMap/name: Pod@v1 PodTemplate Deployment ReplicaSet DaemonSet StatefulSet Job CronJob
        spec/configSource/configMap: Node
        rules/resourceNames: Role ClusterRole
        metadata/annotations/nginx.ingress.kubernetes.io\/fastcgi-params-configmap: Ingress
        ",
    ),
    (
        "Secret@v1",
        r"
        P/volumes/secret/secretName: Pod@v1 PodTemplate Deployment ReplicaSet DaemonSet StatefulSet Job CronJob
        P/containers/env/valueFrom/secretKeyRef/name: Pod@v1 PodTemplate Deployment ReplicaSet DaemonSet StatefulSet Job CronJob serving.knative.dev/Service@v1
        P/initContainers/env/valueFrom/secretKeyRef/name: Pod@v1 PodTemplate Deployment ReplicaSet DaemonSet StatefulSet Job CronJob
        P/containers/envFrom/secretRef/name: Pod@v1 PodTemplate Deployment ReplicaSet DaemonSet StatefulSet Job CronJob
        P/initContainers/envFrom/secretRef/name: Pod@v1 PodTemplate Deployment ReplicaSet DaemonSet StatefulSet Job CronJob
        P/imagePullSecrets/name: Pod@v1 PodTemplate Deployment ReplicaSet DaemonSet StatefulSet Job CronJob
        P/volumes/projected/sources/secret/name: Pod@v1 PodTemplate Deployment ReplicaSet DaemonSet StatefulSet Job CronJob
        spec/tls/secretName: Ingress
        metadata/annotations/ingress.kubernetes.io\/auth-secret: Ingress
        metadata/annotations/nginx.ingress.kubernetes.io\/auth-secret: Ingress
        metadata/annotations/nginx.ingress.kubernetes.io\/auth-tls-secret: Ingress
        imagePullSecrets/name: ServiceAccount
        parameters/secretName: StorageClass
        parameters/adminSecretName: StorageClass
        parameters/userSecretName: StorageClass
        parameters/secretRef: StorageClass
        rules/resourceNames: Role ClusterRole
        spec/azureFile/secretName: PersistentVolume
        ",
    ),
    (
        "Service@v1",
        "
        spec/serviceName: apps/StatefulSet
        spec/rules/http/paths/backend/serviceName: Ingress
        spec/backend/serviceName: Ingress
        spec/rules/http/paths/backend/service/name: Ingress
        spec/defaultBackend/service/name: Ingress
        spec/service/name: apiregistration.k8s.io/APIService
        webhooks/clientConfig/service: admissionregistration.k8s.io/ValidatingWebhookConfiguration admissionregistration.k8s.io/MutatingWebhookConfiguration
        ",
    ),
    ("rbac.authorization.k8s.io/Role", "roleRef/name: rbac.authorization.k8s.io/RoleBinding"),
    (
        "rbac.authorization.k8s.io/ClusterRole",
        "roleRef/name: rbac.authorization.k8s.io/RoleBinding rbac.authorization.k8s.io/ClusterRoleBinding",
    ),
    (
        "ServiceAccount@v1",
        "
        subjects: rbac.authorization.k8s.io/RoleBinding rbac.authorization.k8s.io/ClusterRoleBinding
        P/serviceAccountName: Pod StatefulSet Deployment ReplicationController CronJob Job DaemonSet
        ",
    ),
    (
        "PersistentVolumeClaim@v1",
        "P/volumes/persistentVolumeClaim/claimName: Pod StatefulSet Deployment ReplicationController CronJob Job DaemonSet",
    ),
    (
        "PersistentVolume@v1",
        "
        spec/volumeName: PersistentVolumeClaim
        rules/resourceNames: ClusterRole
        ",
    ),
    (
        "storage.k8s.io/StorageClass@v1",
        "
        spec/storageClassName: PersistentVolume PersistentVolumeClaim
        spec/volumeClaimTemplates/spec/storageClassName: StatefulSet
        ",
    ),
    (
        "scheduling.k8s.io/PriorityClass@v1",
        "P/priorityClassName: Pod StatefulSet Deployment ReplicationController CronJob Job DaemonSet",
    ),
    // Upstream has the version inside the group, so this rule never applies; it is kept so that nothing else does.
    ("networking.k8s.io/v1/IngressClass@v1", "spec/ingressClassName: Ingress"),
    (
        "admissionregistration.k8s.io/ValidatingAdmissionPolicy",
        "spec/policyName: admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_name_types_and_paths() {
        let specs = parse("+ a/b: apps/X Y@v1\n P/c: CronJob\n d");
        let seen: Vec<_> = specs
            .iter()
            .map(|s| format!("{} {} {}", s.gvk(), s.path, s.create))
            .collect();
        assert_eq!(
            seen,
            [
                "X.[noVer].apps a/b true",
                "Y.v1.[noGrp] a/b true",
                "CronJob.[noVer].[noGrp] spec/jobTemplate/spec/template/spec/c false",
                "[noKind].[noVer].[noGrp] d false",
            ]
        );
    }

    #[test]
    fn every_table_has_specs_with_a_path() {
        use Table::{
            CommonAnnotations, CommonLabels, Images, Name, Namespace, Replicas, TemplateLabels, VarReference,
        };
        let counts = [
            (Name, 1),
            (Namespace, 3),
            (TemplateLabels, 10),
            (CommonLabels, 32),
            (CommonAnnotations, 9),
            (Images, 6),
            (Replicas, 4),
            (VarReference, 72),
        ];
        for (table, count) in counts {
            let specs = table.specs();
            assert_eq!(specs.len(), count, "{table:?}");
            assert!(
                specs
                    .iter()
                    .all(|spec| !spec.path.is_empty() && !spec.path.contains("P/")),
                "{table:?}"
            );
        }
    }

    #[test]
    fn references_are_sorted_by_target() {
        let references = name_references();
        assert_eq!(references.len(), 16);
        assert_eq!(
            references.iter().map(|(_, specs)| specs.len()).sum::<usize>(),
            166
        );
        assert!(references.is_sorted_by(|(a, _), (b, _)| a.compare(b).is_le()));
    }
}
