//! No kustomization makes a build panic, hang, or take memory without bound.

#![no_main]

use kustomize::{MemoryTree, Options, build};
use libfuzzer_sys::fuzz_target;

const OBJECTS: &str = include_str!("objects.yaml");

fuzz_target!(|input: &[u8]| {
    let tree = MemoryTree::new().with("in/kustomization.yaml", input).with("in/objects.yaml", OBJECTS);
    if let Ok(output) = build(&tree, "in", &Options::default()) {
        let _ = output.to_yaml();
    }
});
