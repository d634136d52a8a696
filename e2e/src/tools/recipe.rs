//! What each tool is built from.

use std::path::{Path, PathBuf};

/// One executable of the testbed, built from its own pinned Go module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// `kustomize`, at the version whose libraries the stock controllers link.
    Kustomize,
    /// `helm`, at the version whose libraries the stock helm-controller links.
    Helm,
    /// The store of the API server.
    Etcd,
    /// The API server.
    KubeApiserver,
    /// Deployments, garbage collection, namespaces.
    KubeControllerManager,
    /// Binds pods to nodes; only for cases with pods.
    KubeScheduler,
    /// The command line of Kubernetes.
    Kubectl,
    /// Pretends to be the nodes; only for cases with pods.
    Kwok,
    /// The stock source-controller.
    SourceController,
    /// The stock kustomize-controller.
    KustomizeController,
    /// The stock helm-controller.
    HelmController,
    /// The stock notification-controller.
    NotificationController,
    /// The `flux` command line.
    Flux,
    /// `sops`, to encrypt test fixtures.
    Sops,
    /// `crane`, which reads and pushes container images.
    Crane,
    /// The reference OCI registry.
    Registry,
    /// An S3 server on a plain folder (versitygw).
    S3,
}

/// How one Go module becomes executables; its `go.mod`, `go.sum` and `tools.go` lie in `e2e/tools/<folder>`.
pub(super) struct Recipe {
    pub(super) folder: &'static str,
    pub(super) module: &'static str,
    /// Linker flags that tell the tool its own version.
    pub(super) ldflags: &'static str,
    /// Folders of the module that tests read, kept as `assets/<name>`.
    pub(super) assets: &'static [Asset],
    /// A file that the module's sources embed but the module does not carry.
    pub(super) missing_embed: Option<&'static str>,
}

pub(super) struct Asset {
    pub(super) path: &'static str,
    pub(super) name: &'static str,
}

impl Recipe {
    pub(super) fn dir(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tools")
            .join(self.folder)
    }
}

const CRDS: &[Asset] = &[Asset {
    path: "config/crd/bases",
    name: "crds",
}];

static KUSTOMIZE: Recipe = Recipe {
    folder: "kustomize",
    module: "sigs.k8s.io/kustomize/kustomize/v5",
    ldflags: "-X sigs.k8s.io/kustomize/api/provenance.version=v5.8.1",
    assets: &[],
    missing_embed: None,
};
static HELM: Recipe = Recipe {
    folder: "helm",
    module: "helm.sh/helm/v4",
    ldflags: "-X helm.sh/helm/v4/internal/version.version=v4.2.4",
    assets: &[],
    missing_embed: None,
};
static ETCD: Recipe = Recipe {
    folder: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    ldflags: "",
    assets: &[],
    missing_embed: None,
};
static KUBERNETES: Recipe = Recipe {
    folder: "kubernetes",
    module: "k8s.io/kubernetes",
    // Without these the server calls itself v0.0.0-master and capability checks go wrong.
    ldflags: "-X k8s.io/component-base/version.gitVersion=v1.36.3 \
              -X k8s.io/component-base/version.gitMajor=1 \
              -X k8s.io/component-base/version.gitMinor=36",
    assets: &[],
    missing_embed: None,
};
static KWOK: Recipe = Recipe {
    folder: "kwok",
    module: "sigs.k8s.io/kwok",
    ldflags: "",
    assets: &[Asset {
        path: "kustomize/stage",
        name: "stage",
    }],
    missing_embed: None,
};
static SOURCE_CONTROLLER: Recipe = Recipe {
    folder: "source-controller",
    module: "github.com/fluxcd/source-controller",
    ldflags: "",
    assets: CRDS,
    missing_embed: None,
};
static KUSTOMIZE_CONTROLLER: Recipe = Recipe {
    folder: "kustomize-controller",
    module: "github.com/fluxcd/kustomize-controller",
    ldflags: "",
    assets: CRDS,
    missing_embed: None,
};
static HELM_CONTROLLER: Recipe = Recipe {
    folder: "helm-controller",
    module: "github.com/fluxcd/helm-controller",
    ldflags: "",
    assets: CRDS,
    missing_embed: None,
};
static NOTIFICATION_CONTROLLER: Recipe = Recipe {
    folder: "notification-controller",
    module: "github.com/fluxcd/notification-controller",
    ldflags: "",
    assets: CRDS,
    missing_embed: None,
};
static FLUX: Recipe = Recipe {
    folder: "flux",
    module: "github.com/fluxcd/flux2/v2",
    ldflags: "-X main.VERSION=2.9.5",
    assets: &[],
    missing_embed: Some("cmd/flux/manifests/placeholder.yaml"),
};
static SOPS: Recipe = Recipe {
    folder: "sops",
    module: "github.com/getsops/sops/v3",
    ldflags: "",
    assets: &[],
    missing_embed: None,
};
static REGISTRY: Recipe = Recipe {
    folder: "registry",
    module: "github.com/distribution/distribution/v3",
    ldflags: "",
    assets: &[],
    missing_embed: None,
};
static CRANE: Recipe = Recipe {
    folder: "crane",
    module: "github.com/google/go-containerregistry",
    ldflags: "",
    assets: &[],
    missing_embed: None,
};
static S3: Recipe = Recipe {
    folder: "s3",
    module: "github.com/versity/versitygw",
    ldflags: "",
    assets: &[],
    missing_embed: None,
};

impl Tool {
    /// Every tool, in the order in which a cold cache is best filled: what most tests need comes first.
    pub const ALL: [Self; 17] = [
        Self::Kustomize,
        Self::Helm,
        Self::Etcd,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::Kubectl,
        Self::SourceController,
        Self::KustomizeController,
        Self::Flux,
        Self::HelmController,
        Self::Registry,
        Self::S3,
        Self::NotificationController,
        Self::KubeScheduler,
        Self::Kwok,
        Self::Sops,
        Self::Crane,
    ];

    /// The name of the executable.
    pub fn name(self) -> &'static str {
        self.parts().0
    }

    /// How long a build took on two cores, in this order, with nothing in Go's caches; to tell people what they wait for.
    pub(super) fn typical_seconds(self) -> u32 {
        match self {
            Self::Kustomize => 20,
            Self::Helm => 80,
            Self::Etcd => 30,
            Self::KubeApiserver => 240,
            Self::KubeControllerManager => 60,
            Self::KubeScheduler | Self::Kubectl => 30,
            Self::Kwok => 50,
            Self::SourceController => 110,
            Self::KustomizeController | Self::NotificationController => 60,
            Self::HelmController | Self::Sops | Self::S3 => 60,
            Self::Flux => 60,
            Self::Registry | Self::Crane => 20,
        }
    }

    pub(super) fn package(self) -> &'static str {
        self.parts().1
    }

    pub(super) fn recipe(self) -> &'static Recipe {
        self.parts().2
    }

    fn parts(self) -> (&'static str, &'static str, &'static Recipe) {
        match self {
            Self::Kustomize => ("kustomize", KUSTOMIZE.module, &KUSTOMIZE),
            Self::Helm => ("helm", "helm.sh/helm/v4/cmd/helm", &HELM),
            Self::Etcd => ("etcd", ETCD.module, &ETCD),
            Self::KubeApiserver => (
                "kube-apiserver",
                "k8s.io/kubernetes/cmd/kube-apiserver",
                &KUBERNETES,
            ),
            Self::KubeControllerManager => (
                "kube-controller-manager",
                "k8s.io/kubernetes/cmd/kube-controller-manager",
                &KUBERNETES,
            ),
            Self::KubeScheduler => (
                "kube-scheduler",
                "k8s.io/kubernetes/cmd/kube-scheduler",
                &KUBERNETES,
            ),
            Self::Kubectl => ("kubectl", "k8s.io/kubernetes/cmd/kubectl", &KUBERNETES),
            Self::Kwok => ("kwok", "sigs.k8s.io/kwok/cmd/kwok", &KWOK),
            Self::SourceController => ("source-controller", SOURCE_CONTROLLER.module, &SOURCE_CONTROLLER),
            Self::KustomizeController => (
                "kustomize-controller",
                KUSTOMIZE_CONTROLLER.module,
                &KUSTOMIZE_CONTROLLER,
            ),
            Self::HelmController => ("helm-controller", HELM_CONTROLLER.module, &HELM_CONTROLLER),
            Self::NotificationController => (
                "notification-controller",
                NOTIFICATION_CONTROLLER.module,
                &NOTIFICATION_CONTROLLER,
            ),
            Self::Flux => ("flux", "github.com/fluxcd/flux2/v2/cmd/flux", &FLUX),
            Self::Sops => ("sops", "github.com/getsops/sops/v3/cmd/sops", &SOPS),
            Self::Registry => (
                "registry",
                "github.com/distribution/distribution/v3/cmd/registry",
                &REGISTRY,
            ),
            Self::Crane => (
                "crane",
                "github.com/google/go-containerregistry/cmd/crane",
                &CRANE,
            ),
            Self::S3 => ("versitygw", "github.com/versity/versitygw/cmd/versitygw", &S3),
        }
    }
}

impl std::str::FromStr for Tool {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|tool| tool.name() == name)
            .ok_or_else(|| {
                let known: Vec<_> = Self::ALL.iter().map(|tool| tool.name()).collect();
                format!("no tool {name:?}; there are: {}", known.join(", "))
            })
    }
}
