//! What a commit to one file costs that belongs to one of 93 outputs: finding out which of them changed, and archiving that one,
//! against selecting and archiving all. Both begin with the files of the new commit in memory.
//!
//! `cargo run --release -p flux-transform --example split_speed`

use std::error::Error;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use flux_archive::{Algorithm, pack};
use flux_transform::spec::Spec;
use flux_transform::{File, Inputs, Limits, Memo, Source, Tree, Work, build, outputs};
use serde_json::json;

const APPS: usize = 93;
const FILES: usize = 12;

/// A repository of manifests, in which one file is another in each version.
fn repository(version: usize) -> Result<Tree, Box<dyn Error>> {
    let mut tree = Tree::new();
    for app in 0..APPS {
        for file in 0..FILES {
            let version = if app == 7 && file == 3 { version } else { 0 };
            let entry = |key: usize| {
                format!(
                    "  key-{key}: value {} of {app} in {file}, {version}\n",
                    key * 7919 % 1000
                )
            };
            let data: Vec<_> = (0..120).map(entry).collect();
            let text = format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c{file}\n  namespace: app{app}\ndata:\n{}",
                data.concat()
            );
            let path = format!("apps/app{app}/c{file}.yaml");
            let file = File {
                content: text.into_bytes().into(),
                executable: false,
            };
            tree.insert(&path, file)?;
        }
    }
    Ok(tree)
}

fn inputs(files: Tree) -> Inputs {
    let source = Source {
        files: Arc::new(files),
        ..Source::default()
    };
    [("git".to_owned(), source)].into()
}

fn made(
    spec: &Spec,
    inputs: &Inputs,
    memo: Option<&Arc<Memo>>,
) -> Result<Vec<(Tree, String)>, Box<dyn Error>> {
    let work = Work::within(Limits::default());
    let work = match memo {
        Some(memo) => work.remembering(Arc::clone(memo)),
        None => work,
    };
    let mut made = Vec::new();
    for wanted in outputs(spec, inputs, &work)? {
        let built = build(&wanted, inputs, &work)?;
        made.push((built.files, built.content));
    }
    Ok(made)
}

fn main() -> Result<(), Box<dyn Error>> {
    let spec: Spec = serde_json::from_value(json!({
        "inputs": [{"name": "git", "sourceRef": {"kind": "GitRepository", "name": "fleet"}}],
        "discover": {"pattern": "@git/apps/{app}"},
        "outputs": [{"name": "{app}", "copy": [{"from": "@git/apps/{app}/", "to": "@artifact/"}]}],
    }))?;
    let archive = |tree: &Tree| pack(tree.archived(), Algorithm::Sha256, Vec::new());
    let first = repository(0)?;
    let bytes = first.bytes();
    let (mut ours, mut all, mut changed) = (f64::MAX, f64::MAX, 0);
    for version in 1..=9 {
        // As after the commit before.
        let memo = Arc::new(Memo::default());
        let old = inputs(first.clone());
        let before = made(&spec, &old, Some(&memo))?;
        let mut files = repository(version)?;
        let started = Instant::now();
        files.learn(&old["git"].files);
        let after = made(&spec, &inputs(files), Some(&memo))?;
        changed = 0;
        for ((tree, content), (_, old)) in after.iter().zip(&before) {
            if content != old {
                changed += 1;
                black_box(archive(tree)?);
            }
        }
        ours = ours.min(started.elapsed().as_secs_f64());
        let second = inputs(repository(version)?);
        let started = Instant::now();
        for (tree, _) in made(&spec, &second, None)? {
            black_box(archive(&tree)?);
        }
        all = all.min(started.elapsed().as_secs_f64());
    }
    writeln!(
        std::io::stdout(),
        "{APPS} outputs, {} files, {} KiB: {changed} changed\nours {:.1} ms, archiving all {:.1} ms: {:.1} times less",
        APPS * FILES,
        bytes >> 10,
        ours * 1e3,
        all * 1e3,
        all / ours
    )?;
    Ok(())
}
