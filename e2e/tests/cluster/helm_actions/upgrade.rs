//! `helm upgrade` and `helm rollback`.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, SECRET};
use helm::release::Status;
use std::time::Duration;

use super::install::OBJECTS;
use super::world::{NAME, World, text, values};

const EXTRA: (&str, &str) = (
    "templates/extra.yaml",
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: extra\n  annotations: {helm.sh/resource-policy: {{ .Values.policy | default \"none\" }}}\n",
);

#[tokio::test]
async fn revisions_follow_each_other_as_with_helm() -> Result<()> {
    let world = World::start("actions-upgrade").await?;
    let with_extra = world.pack("1.0.0", &[&OBJECTS[..], &[EXTRA]].concat()).await?;
    let without = world.pack("1.1.0", &OBJECTS).await?;
    let (first, second) = (text(&with_extra.archive)?, text(&without.archive)?);
    let (none, given) = (values("{}")?, values("greeting: bye\n")?);
    world
        .actions()
        .install(&world.install(), &world.wanted(&with_extra, &none))
        .await?;
    world.helm(&["install", NAME, first, "--wait"]).await?;

    let mut actions = world.actions();
    let release = actions
        .upgrade(&world.upgrade(), &world.wanted(&without, &given))
        .await?;
    world
        .helm(&[
            "upgrade",
            NAME,
            second,
            "--wait",
            "--set=greeting=bye",
            "--force-conflicts",
        ])
        .await?;
    assert_eq!((release.version, release.info.status.as_str()), (2, "deployed"));
    let written: Vec<_> = actions
        .written()
        .iter()
        .map(|release| (release.version, release.info.status.to_string()))
        .collect();
    assert_eq!(
        written,
        [(1, "superseded".to_owned()), (2, "deployed".to_owned())]
    );
    world.assert_same("upgraded").await?;
    assert!(world.ours.get(CONFIG_MAP, "extra").await?.is_none());

    // The values of the release before are the base of the new ones.
    let (mut upgrade, more) = (world.upgrade(), values("more: {a: 1}\n")?);
    upgrade.reuse_values = true;
    world
        .actions()
        .upgrade(&upgrade, &world.wanted(&with_extra, &more))
        .await?;
    world
        .helm(&[
            "upgrade",
            NAME,
            first,
            "--wait",
            "--reuse-values",
            "--set=more.a=1",
        ])
        .await?;
    world.assert_same("upgraded with old values").await?;

    world.actions().rollback(&World::rollback(1)).await?;
    world.helm(&["rollback", NAME, "1", "--wait"]).await?;
    world.assert_same("rolled back").await?;
    let error = world
        .actions()
        .rollback(&World::rollback(9))
        .await
        .expect_err("there is none");
    let theirs = world.helm(&["rollback", NAME, "9"]).await.expect_err("neither");
    world.assert_same_error(&error, &theirs)?;

    // Old records make room, but for the one that is deployed.
    let mut upgrade = world.upgrade();
    upgrade.max_history = 2;
    world
        .actions()
        .upgrade(&upgrade, &world.wanted(&with_extra, &none))
        .await?;
    world
        .helm(&[
            "upgrade",
            NAME,
            first,
            "--wait",
            "--history-max=2",
            "--reset-values",
        ])
        .await?;
    world.assert_same("pruned").await?;
    assert_eq!(world.storage().history(NAME).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_failed_upgrade_leaves_what_was_and_cleans_up_if_it_is_to() -> Result<()> {
    let world = World::start("actions-upgrade-fails").await?;
    let packed = world.pack("1.0.0", &OBJECTS).await?;
    let with_extra = world.pack("1.1.0", &[&OBJECTS[..], &[EXTRA]].concat()).await?;
    let (none, unready) = (values("{}")?, values("replicas: 1\n")?);
    world
        .actions()
        .install(&world.install(), &world.wanted(&packed, &none))
        .await?;
    let mut upgrade = world.upgrade();
    (upgrade.cleanup_on_fail, upgrade.waiting.timeout) = (true, Duration::from_secs(2));
    let mut actions = world.actions();
    let error = actions
        .upgrade(&upgrade, &world.wanted(&with_extra, &unready))
        .await
        .expect_err("no pod runs");
    let records = world.storage().history(NAME).await?;
    let told: Vec<_> = records
        .iter()
        .map(|record| record.info.status.to_string())
        .collect();
    assert_eq!(told, ["deployed", "failed"]);
    assert_eq!(
        records[1].info.description,
        format!("Upgrade \"web\" failed: {error}")
    );
    assert!(
        world.ours.get(CONFIG_MAP, "extra").await?.is_none(),
        "it was created and cleaned up"
    );

    // The next upgrade rests on what is deployed.
    let release = world
        .actions()
        .upgrade(&world.upgrade(), &world.wanted(&packed, &none))
        .await?;
    assert_eq!((release.version, release.info.status), (3, Status::Deployed));
    Ok(())
}

#[tokio::test]
async fn helm_goes_on_with_our_releases_and_we_with_its() -> Result<()> {
    let world = World::start("actions-interop").await?;
    let files = [
        &OBJECTS[..],
        &[(
            "templates/secret.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata: {name: secret}\n",
        )],
    ]
    .concat();
    let packed = world.pack("1.0.0", &files).await?;
    let archive = text(&packed.archive)?;
    let (none, given) = (values("{}")?, values("greeting: bye\n")?);
    // Ours, then helm's.
    world
        .actions()
        .install(&world.install(), &world.wanted(&packed, &none))
        .await?;
    world
        .actions()
        .upgrade(&world.upgrade(), &world.wanted(&packed, &given))
        .await?;
    let ours = &world.ours;
    for (arguments, told) in [
        (vec!["list"], "hello-1.0.0"),
        (vec!["status", NAME], "STATUS: deployed"),
        (vec!["history", NAME], "Upgrade complete"),
        (vec!["get", "all", NAME], "greeting: bye"),
        (vec!["get", "notes", NAME], "Say bye."),
    ] {
        let output = world.helm_in(ours, &arguments).await?;
        assert!(output.contains(told), "{arguments:?}: {output}");
    }
    world
        .helm_in(ours, &["rollback", NAME, "1", "--wait", "--force-conflicts"])
        .await?;
    world.helm_in(ours, &["test", NAME]).await?;
    let last = world.storage().last(NAME).await?.expect("a record");
    assert_eq!(
        (last.version, last.info.description.as_str()),
        (3, "Rollback to 1")
    );
    world.helm_in(ours, &["uninstall", NAME, "--wait"]).await?;
    assert!(world.storage().last(NAME).await?.is_none());
    assert!(ours.get(SECRET, "secret").await?.is_none());

    // Helm's, then ours.
    let theirs = &world.theirs;
    world.helm(&["install", NAME, archive, "--wait"]).await?;
    let mut upgrade = world.upgrade();
    theirs.name().clone_into(&mut upgrade.namespace);
    let release = world
        .actions_in(theirs)
        .upgrade(&upgrade, &world.wanted(&packed, &given))
        .await?;
    assert_eq!((release.version, release.is_server_side()), (2, true));
    world.actions_in(theirs).rollback(&World::rollback(1)).await?;
    let history = world.helm(&["history", NAME]).await?;
    assert!(history.contains("Rollback to 1"), "{history}");
    world.actions_in(theirs).uninstall(&World::uninstall()).await;
    assert!(theirs.get(SECRET, "secret").await?.is_none());
    let list = world.helm(&["list", "--short"]).await?;
    assert_eq!(list.trim(), "");
    Ok(())
}
