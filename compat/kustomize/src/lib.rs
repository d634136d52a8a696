//! kustomize build as a pure function from a file tree to bytes.
