//! No replacement makes a build panic, hang, or take memory without bound.

#![no_main]

use kustomize::{MemoryTree, Options, build};
use libfuzzer_sys::fuzz_target;

const OBJECTS: &str = include_str!("objects.yaml");

fuzz_target!(|input: &[u8]| {
    let tree = MemoryTree::new()
        .with("in/kustomization.yaml", "resources: [objects.yaml]\nreplacements: [{path: replacement.yaml}]\n")
        .with("in/objects.yaml", OBJECTS)
        .with("in/replacement.yaml", input);
    if let Ok(output) = build(&tree, "in", &Options::default()) {
        let _ = output.to_yaml();
    }
});
