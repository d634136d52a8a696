//! The two kinds of deployers whose controllers are compared.

use std::path::{Path, PathBuf};

use crate::testbed::{HELM_RELEASE, KUSTOMIZATION, Kind, Stock};

/// What deploys: the controllers of one kind of object, stock's and ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deployer {
    /// Those of HelmReleases.
    #[default]
    Helm,
    /// Those of Kustomizations.
    Kustomize,
}

impl Deployer {
    /// The kind whose objects they reconcile.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Helm => HELM_RELEASE,
            Self::Kustomize => KUSTOMIZATION,
        }
    }

    /// Stock's controller.
    pub(super) fn stock(self) -> Stock {
        match self {
            Self::Helm => Stock::Helm,
            Self::Kustomize => Stock::Kustomize,
        }
    }

    /// The folder of their scenarios.
    pub(super) fn folder(self) -> PathBuf {
        let folder = match self {
            Self::Helm => "scenarios/helm",
            Self::Kustomize => "scenarios/kustomize",
        };
        Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
    }
}
