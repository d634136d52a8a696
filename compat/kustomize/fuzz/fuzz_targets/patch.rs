//! No patch, strategic or JSON, with or without a target, makes a build panic, hang, or take memory without bound.

#![no_main]

use kustomize::{MemoryTree, Options, build};
use libfuzzer_sys::fuzz_target;

const OBJECTS: &str = include_str!("objects.yaml");

fuzz_target!(|input: &[u8]| {
    for target in ["", ", target: {kind: Deployment}"] {
        let kustomization = format!("resources: [objects.yaml]\npatches: [{{path: patch.yaml{target}}}]\n");
        let tree = MemoryTree::new()
            .with("in/kustomization.yaml", kustomization.as_str())
            .with("in/objects.yaml", OBJECTS)
            .with("in/patch.yaml", input);
        if let Ok(output) = build(&tree, "in", &Options::default()) {
            let _ = output.to_yaml();
        }
    }
});
