//! A kustomization with encrypted files everywhere, as the real kustomize-controller builds it (`cargo xtask record sops`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use go_yaml::sigs;
use kustomize::{FileTree, Limits, MemoryTree, Options, build};
use kustomize_sops::{Decryption, decrypt_built, decrypt_sources};
use sops::LocalKeys;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// All files below a folder, by their paths in it.
fn files(folder: &Path) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap_or(&path);
                found.insert(name.to_string_lossy().into_owned(), fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

#[test]
fn a_tree_is_built_as_the_controller_builds_it() {
    let mut tree = MemoryTree::new();
    for (path, content) in files(&cases().join("in")).unwrap() {
        tree.insert(&path, content);
    }
    let mut keys = LocalKeys::default();
    keys.add_age_identities(&fs::read_to_string(cases().join("../../sops/cases/keys/a.agekey")).unwrap())
        .unwrap();
    let decryption = Decryption::new(&keys);
    let decrypted = decrypt_sources(&tree, "/", &decryption, &Limits::default()).unwrap();
    let in_place = decrypted.paths().map(|path| {
        let content = decrypted.read(path, u64::MAX).unwrap();
        (path.trim_start_matches('/').to_owned(), content)
    });
    let in_place: BTreeMap<_, _> = in_place.collect();
    let wanted = files(&cases().join("want/in-place")).unwrap();
    assert_eq!(
        in_place.keys().collect::<Vec<_>>(),
        wanted.keys().collect::<Vec<_>>()
    );
    for (path, content) in &wanted {
        let (ours, theirs) = (
            String::from_utf8_lossy(&in_place[path]),
            String::from_utf8_lossy(content),
        );
        assert_eq!(ours, theirs, "{path}");
    }
    let output = build(&decrypted, "/", &Options::flux()).unwrap();
    let texts = output.into_objects().into_iter().map(|built| {
        let mut object = built.to_json().unwrap();
        let change = decrypt_built(&mut object, &decryption).unwrap();
        assert!(change.lost.is_empty());
        sigs::value_to_string(&object).unwrap()
    });
    let text = texts.collect::<Vec<_>>().join("---\n");
    assert_eq!(text, fs::read_to_string(cases().join("want/out.yaml")).unwrap());
}
