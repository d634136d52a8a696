//! YAML as Go's yaml.v2, yaml.v3 and sigs.k8s.io/yaml read and write it.
