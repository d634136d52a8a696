//! The `Artifact` resource of Open Flux: its type and its CustomResourceDefinition.
