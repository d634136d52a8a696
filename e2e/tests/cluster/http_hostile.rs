//! `Http` sources where the world around them fails: a disk without room, two processes at once, owners under names of others.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{
    ARTIFACT, Answer, Archive, ArtifactServer, HTTP, Namespace, Process, TRANSFORMATION, Testbed, condition,
    eventually, is_ready,
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DynamicObject, ListParams};
use kube::{Api, ResourceExt as _};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use crate::app::config_map;
use crate::producing::{Producing, get, input, labelled};

/// Lets a process write files of this length and no longer ones.
fn limit(process: &Process, bytes: Option<u64>) -> Result<()> {
    let id = i32::try_from(process.id())?;
    let wanted = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(Pid::from_raw(id), Resource::Fsize, wanted)?;
    Ok(())
}

/// Bytes that nothing makes shorter.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        bytes.extend_from_slice(&next());
    }
    bytes
}

fn url(artifact: &DynamicObject) -> &str {
    artifact.data["spec"]["url"].as_str().unwrap_or_default()
}

async fn request(namespace: &Namespace, token: &str) -> Result<()> {
    let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}});
    namespace.patch(HTTP, "web", patch).await.map(|_| ())
}

#[tokio::test]
async fn what_cannot_be_written_leaves_what_is_served() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("full").await?;
    let producer = Producing::start(
        testbed,
        "http-full",
        "http-full",
        &["--controllers=http", "--http-source-label-selector=test=full"],
    )?;
    let server = ArtifactServer::start([
        ("small", Answer::Bytes(noise(20 << 10))),
        ("large", Answer::Bytes(noise(200 << 10))),
    ])?;
    let file = |name: &str| json!({"url": server.url(name), "interval": "1h", "content": {"type": "File"}});
    labelled(&namespace, HTTP, "full", "web", file("small")).await?;
    namespace.wait_ready(HTTP, "web").await?;
    let name = format!("http-{}-web", namespace.name());
    let before = namespace.wait_ready(ARTIFACT, &name).await?;
    let served = get(url(&before)).await?;

    // The kernel refuses what is longer, in the middle of the file.
    limit(&producer.process, Some(100 << 10))?;
    labelled(&namespace, HTTP, "full", "web", file("large")).await?;
    namespace
        .wait_failed(HTTP, "web", "StorageOperationFailed")
        .await?;
    let artifact = namespace.get(ARTIFACT, &name).await?.context("the Artifact")?;
    assert_eq!(artifact.data["spec"], before.data["spec"]);
    let ready = condition(&artifact, "Ready").context("a condition")?;
    assert_eq!(ready["status"], "True");
    assert_eq!(get(url(&before)).await?, served);
    let left = fs::read_dir(producer.volume.join(".tmp"))?.count();
    assert_eq!(left, 0, "half a file is left");

    limit(&producer.process, None)?;
    request(&namespace, "room").await?;
    let http = namespace.wait_ready(HTTP, "web").await?;
    assert!(
        condition(&http, "StorageOperationFailed").is_none(),
        "{}",
        http.data["status"]
    );
    let after = namespace.wait_ready(ARTIFACT, &name).await?;
    let bytes = get(url(&after)).await?;
    assert_eq!(Some(bytes.len() as u64), after.data["spec"]["size"].as_u64());
    ensure!(bytes.len() > 200 << 10);
    Ok(())
}

#[tokio::test]
async fn a_volume_without_room_says_so_until_there_is_some() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("quota").await?;
    let flags = ["--controllers=http", "--http-source-label-selector=test=quota"];
    let small = [flags[0], flags[1], "--storage-max-bytes=100000"];
    let producer = Producing::start(testbed, "http-quota", "http-quota", &small)?;
    let server = ArtifactServer::start([
        ("small", Answer::Bytes(noise(20 << 10))),
        ("large", Answer::Bytes(noise(200 << 10))),
    ])?;
    let file = |name: &str| json!({"url": server.url(name), "interval": "1h", "content": {"type": "File"}});
    labelled(&namespace, HTTP, "quota", "web", file("small")).await?;
    let name = format!("http-{}-web", namespace.name());
    let before = namespace.wait_ready(ARTIFACT, &name).await?;
    labelled(&namespace, HTTP, "quota", "web", file("large")).await?;
    let message = namespace
        .wait_failed(HTTP, "web", "StorageOperationFailed")
        .await?;
    assert!(message.contains("disk full: "), "{message}");
    let served = get(url(&before)).await?;
    assert_eq!(Some(served.len() as u64), before.data["spec"]["size"].as_u64());
    drop(producer);
    let _producer = Producing::start(testbed, "http-quota-more", "http-quota", &flags)?;
    request(&namespace, "room").await?;
    namespace.wait_ready(HTTP, "web").await?;
    let after = namespace.wait_ready(ARTIFACT, &name).await?;
    assert_ne!(after.data["spec"]["digest"], before.data["spec"]["digest"]);
    Ok(())
}

#[tokio::test]
async fn of_two_processes_on_a_volume_one_waits() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("twice").await?;
    let flags = ["--controllers=http", "--http-source-label-selector=test=twice"];
    let first = Producing::start(testbed, "http-twice-1", "http-twice", &flags)?;
    let server = ArtifactServer::start([
        ("blue", Answer::Bytes(noise(1000))),
        ("green", Answer::Bytes(noise(2000))),
    ])?;
    let file = |name: &str| json!({"url": server.url(name), "interval": "1h", "content": {"type": "File"}});
    labelled(&namespace, HTTP, "twice", "web", file("blue")).await?;
    let name = format!("http-{}-web", namespace.name());
    namespace.wait_ready(ARTIFACT, &name).await?;
    let second = Producing::start(testbed, "http-twice-2", "http-twice", &flags)?;
    eventually("the second to find the volume taken", async || {
        let is_told = second
            .process
            .output()
            .contains("waiting for the volume of artifacts");
        Ok(is_told.then_some(()))
    })
    .await?;
    let answer = get(&format!("http://{}/http/x/y/z.tar.gz", second.address)).await;
    assert!(answer.is_err_and(|error| error.to_string().contains(" 503 ")));
    labelled(&namespace, HTTP, "twice", "web", file("green")).await?;
    let green = |object: &DynamicObject| {
        object.data["spec"]["size"].as_u64() > Some(2000) && url(object).contains(&first.address)
    };
    let green = namespace.wait(ARTIFACT, &name, "is green", green).await?;
    assert_eq!(server.requests("green"), 1, "both have looked");

    // The first is lost: the second has its files, and says where they are now; nothing is downloaded.
    drop(first);
    let moved = |object: &DynamicObject| url(object).contains(&second.address) && is_ready(object);
    let moved = namespace.wait(ARTIFACT, &name, "has moved", moved).await?;
    for field in ["revision", "digest", "size", "lastUpdateTime"] {
        assert_eq!(moved.data["spec"][field], green.data["spec"][field], "{field}");
    }
    assert_eq!(moved.metadata.uid, green.metadata.uid);
    get(url(&moved)).await?;
    assert_eq!(server.requests("green"), 1);
    Ok(())
}

#[tokio::test]
async fn servers_of_one_namespace_that_say_nothing_hold_nobody_else_up() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let (slow, other) = (
        testbed.namespace("slow").await?,
        testbed.namespace("other").await?,
    );
    let flags = [
        "--controllers=http",
        "--http-source-label-selector=test=silence",
        "--http-source-concurrent=4",
    ];
    let _producer = Producing::start(testbed, "http-silence", "http-silence", &flags)?;
    let server = ArtifactServer::start([("silent", Answer::Silent), ("blue", Answer::Bytes(noise(1000)))])?;
    for number in 0..8 {
        let spec = json!({"url": server.url("silent")});
        labelled(&slow, HTTP, "silence", &format!("silent-{number}"), spec).await?;
    }
    eventually("some of them to be asked", async || {
        Ok((server.requests("silent") >= 3).then_some(()))
    })
    .await?;
    let spec = json!({"url": server.url("blue"), "content": {"type": "File"}});
    labelled(&other, HTTP, "silence", "web", spec).await?;
    other.wait_ready(HTTP, "web").await?;
    // It did not wait for one of them to be given up.
    for object in slow.list(HTTP).await? {
        ensure!(condition(&object, "Ready").is_none(), "{}", object.data["status"]);
    }
    Ok(())
}

#[tokio::test]
async fn who_is_replaced_under_its_name_offers_the_same_file_as_its_own() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("heir").await?;
    let _producer = Producing::start(
        testbed,
        "http-heir",
        "http-heir",
        &["--controllers=http", "--http-source-label-selector=test=heir"],
    )?;
    let server = ArtifactServer::start([("blue", Answer::Bytes(noise(1000)))])?;
    let spec = json!({"url": server.url("blue"), "interval": "1h", "content": {"type": "File"}});
    labelled(&namespace, HTTP, "heir", "web", spec.clone()).await?;
    let name = format!("http-{}-web", namespace.name());
    let before = namespace.wait_ready(ARTIFACT, &name).await?;
    namespace.delete(HTTP, "web").await?;
    labelled(&namespace, HTTP, "heir", "web", spec).await?;
    let heir = namespace.wait_ready(HTTP, "web").await?;
    // Whatever the garbage collector does to the one of before, the one of the heir stays.
    let is_its_own = |object: &DynamicObject| {
        let owners = object.owner_references();
        let owned = owners
            .iter()
            .any(|owner| Some(&owner.uid) == heir.metadata.uid.as_ref());
        owned && owners.len() == 1 && is_ready(object)
    };
    let after = namespace
        .wait(ARTIFACT, &name, "belongs to the heir", is_its_own)
        .await?;
    assert_ne!(
        after.metadata.uid, before.metadata.uid,
        "an owner was written over"
    );
    for field in ["url", "revision", "digest"] {
        assert_eq!(after.data["spec"][field], before.data["spec"][field], "{field}");
    }
    get(url(&after)).await?;
    Ok(())
}

/// The Leases of a controller that somebody holds.
async fn held(testbed: &Testbed, controller: &str) -> Result<usize> {
    let leases: Api<Lease> = Api::namespaced(testbed.client().await?, "flux-system");
    let all = leases.list(&ListParams::default()).await?.items;
    let held = all.iter().filter(|lease| {
        let holder = lease
            .spec
            .as_ref()
            .and_then(|spec| spec.holder_identity.as_deref());
        lease.name_any().starts_with(controller) && holder.is_some_and(|holder| !holder.is_empty())
    });
    Ok(held.count())
}

#[tokio::test]
async fn who_makes_two_kinds_leads_both_or_none() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("nested").await?;
    let archive = Archive::of(&[("a/settings.yaml", &config_map("settings", "blue"))]).pack()?;
    let server = ArtifactServer::start([("blue", Answer::Bytes(archive))])?;
    let common = [
        "--http-source-label-selector=test=nested",
        "--transform-label-selector=test=nested",
        "--enable-leader-election",
        "--leader-election-lease-duration=15s",
        "--leader-election-renew-deadline=10s",
        "--leader-election-retry-period=1s",
    ];
    let start = |name: &str, controllers: &str| {
        let controllers = format!("--controllers={controllers}");
        let mut flags = vec![controllers.as_str()];
        flags.extend(common);
        Producing::start(testbed, name, name, &flags)
    };
    let http = start("nested-http", "http")?;
    let spec = json!({"url": server.url("blue"), "interval": "1h"});
    labelled(&namespace, HTTP, "nested", "web", spec).await?;
    namespace.wait_ready(HTTP, "web").await?;
    assert_eq!(held(testbed, "http-source-controller").await?, 1);

    // The second runs both, and does not begin with one of them while somebody else leads the other.
    let both = start("nested-both", "http,transform")?;
    input(&namespace, &server, "fleet", "blue").await?;
    let spec = json!({
        "inputs": [{"name": "in", "sourceRef": {"kind": "Artifact", "name": "fleet"}}],
        "outputs": [{"name": "out", "copy": [{"from": "@in/a/", "to": "@artifact/"}]}],
    });
    labelled(&namespace, TRANSFORMATION, "nested", "split", spec).await?;
    eventually("the second to be asked for files", async || {
        let answer = get(&format!("http://{}/http/x/y/z.tar.gz", both.address)).await;
        Ok(answer
            .is_err_and(|error| error.to_string().contains(" 503 "))
            .then_some(()))
    })
    .await?;
    assert_eq!(held(testbed, "openflux-transformation").await?, 0);

    drop(http);
    let made = namespace.wait_ready(TRANSFORMATION, "split").await?;
    assert!(is_ready(&made));
    let name = format!("http-{}-web", namespace.name());
    let here = |object: &DynamicObject| url(object).contains(&both.address) && is_ready(object);
    let artifact = namespace.wait(ARTIFACT, &name, "is made anew", here).await?;
    get(url(&artifact)).await?;
    for controller in ["http-source-controller", "openflux-transformation"] {
        assert_eq!(held(testbed, controller).await?, 1, "{controller}");
    }
    Ok(())
}
