//! What a hostile server may cost in memory. There is one test, since it measures the process.

#![cfg(target_os = "linux")]

mod pack;
mod support;

use std::fs;
use std::sync::Arc;

use kustomize::{Remote as _, RemoteError, RepoSpec};
use kustomize_remote::{Fetcher, Policy};
use pack::{BLOB, Pack, grow, number, serve_pack};
use support::Judged;

/// What is resident at most from now on is measured anew.
fn begin() {
    fs::write("/proc/self/clear_refs", "5").expect("the peak is forgotten");
}

/// The most that was resident, in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.expect("a number") / 1024
}

#[test]
fn a_hostile_pack_costs_little_memory() {
    // A chain of large objects, each of which is the base of two others, so that who keeps bases keeps them all.
    let large = 1 << 23;
    let mut chain = Pack::new();
    chain.add(BLOB, &vec![0; large as usize]);
    let mut at = 12;
    for _ in 0..100 {
        chain.delta(at, &grow(large, &[]));
        at = chain.delta(at, &grow(large, &[]));
    }
    // Many objects; half a million, as many as there may be, cost five times as much.
    let mut many = Pack::new();
    many.add(BLOB, &[0; 8]);
    for n in 0..100_000_u32 {
        let mut delta = [number(8), number(8)].concat();
        delta.extend_from_slice(&[0x90, 4, 4]);
        delta.extend_from_slice(&n.to_be_bytes());
        many.delta(12, &delta);
    }
    for (what, pack, allowed) in [("chain", chain, 32), ("many", many, 48)] {
        let (commit, pack) = pack.finish(&[]);
        let pack = Arc::new(pack);
        let port = serve_pack(move || {
            let pack = Arc::clone(&pack);
            let pieces = (0..pack.len()).step_by(65_000);
            Box::new(pieces.map(move |at| pack[at..pack.len().min(at + 65_000)].to_vec()))
        });
        let address = format!("git::http://git.test:{port}/a.git?ref={commit}&timeout=250s");
        let repo = RepoSpec::parse(&address).expect("a repository");
        let fetcher = Fetcher::new(Policy::default(), Arc::new(Judged::default()));
        begin();
        let before = peak();
        match fetcher.clone_repo(&repo) {
            Err(RemoteError::TooLarge(text)) => assert!(text.contains("the clone is larger"), "{text}"),
            Err(error) => panic!("{what}: {error:?}"),
            Ok(_) => assert_eq!(what, "many"),
        }
        let cost = peak() - before;
        assert!(cost <= allowed, "{what}: {cost} MiB");
    }
}
