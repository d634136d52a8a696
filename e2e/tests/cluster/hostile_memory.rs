//! Many hostile artifacts at once do not fill the memory, and nobody waits for them.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::testbed::{Answer, Archive, ArtifactServer, KUSTOMIZATION, Testbed};
use serde_json::json;

use crate::app::{Owner, config_map};
use crate::artifacts::{consume_as, offer, offer_url, refused};

const MEBIBYTE: usize = 1 << 20;

/// What is served, how often, and what the condition says about it.
fn bombs() -> Result<Vec<(&'static str, usize, Answer, &'static str)>> {
    let good = Archive::of(&[("a.yaml", &config_map("a", "blue"))]);
    let zeros = vec![0; 300 * MEBIBYTE];
    let one_file = Archive::default().file("bomb.yaml", &zeros).pack()?;
    let name = good
        .clone()
        .about_the_next(
            tar::EntryType::GNULongName,
            zeros.get(..200 * MEBIBYTE).unwrap_or_default(),
        )
        .file("b.yaml", b"")
        .pack()?;
    let headers = good
        .clone()
        .about_the_next(
            tar::EntryType::XHeader,
            zeros.get(..200 * MEBIBYTE).unwrap_or_default(),
        )
        .file("b.yaml", b"")
        .pack()?;
    drop(zeros);
    let mut many = good.clone();
    for number in 0..150_000 {
        many = many.file(&format!("d/{number}"), b"");
    }
    Ok(vec![
        ("bomb", 11, Answer::Bytes(one_file), "unpacks to more than"),
        (
            "name",
            6,
            Answer::Bytes(name),
            "has an entry whose name or headers are longer",
        ),
        (
            "headers",
            6,
            Answer::Bytes(headers),
            "has an entry whose name or headers are longer",
        ),
        (
            "entries",
            5,
            Answer::Bytes(many.pack()?),
            "has more than 100000 entries",
        ),
        ("endless", 5, Answer::Endless, "larger than 134217728 bytes"),
    ])
}

#[tokio::test]
async fn thirty_three_bombs_at_once_fit_into_256_mebibytes() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespaces = [
        testbed.namespace("bombs-a").await?,
        testbed.namespace("bombs-b").await?,
    ];
    let bombs = bombs()?;
    let healthy = Archive::of(&[("a.yaml", &config_map("healthy", "blue"))]).pack()?;
    let served = bombs.iter().map(|(name, _, answer, _)| (*name, answer.clone()));
    let server = ArtifactServer::start(served.chain([("healthy", Answer::Bytes(healthy))]))?;
    let flags = [
        "--controllers=kustomize",
        "--watch-label-selector=sharding.fluxcd.io/key=bombs",
    ];
    let process = testbed.start_openflux("openflux-controller-bombs", &flags)?;

    let owner = Owner::Shard("bombs");
    let all = bombs
        .iter()
        .flat_map(|(name, times, _, text)| (0..*times).map(move |number| (name, number, text)));
    let all: Vec<_> = all
        .zip(namespaces.iter().cycle())
        .map(|((name, number, text), namespace)| (namespace, *name, format!("{name}-{number}"), *text))
        .collect();
    assert_eq!(all.len(), 33);
    for (namespace, name, object, _) in &all {
        // Another URL is another download.
        let url = format!("{}?{object}", server.url(name));
        offer_url(namespace, object, &url, &server.digest(name)).await?;
        consume_as(owner, namespace, object, object, json!({"retryInterval": "1h"})).await?;
    }
    let start = Instant::now();
    let [modest, _] = &namespaces;
    offer(modest, "healthy", &server, "healthy").await?;
    consume_as(owner, modest, "healthy", "healthy", json!({})).await?;
    modest.wait_ready(KUSTOMIZATION, "healthy").await?;
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    for (namespace, _, object, text) in &all {
        refused(namespace, object, text).await?;
    }
    let peak = process.usage()?.peak_resident / MEBIBYTE as u64;
    assert!(peak <= 256, "{peak} MiB");
    Ok(())
}
