//! The kustomize deployer: Artifact in, applied objects out.
