//! `helm uninstall`, and records that are pending.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT};
use helm::release::Status;
use helm_controller::machine::UninstallResult;

use super::install::OBJECTS;
use super::world::{NAME, World, is_done, text, values};

#[tokio::test]
async fn what_is_uninstalled_is_gone_but_what_is_to_be_kept() -> Result<()> {
    let world = World::start("actions-uninstall").await?;
    let kept = (
        "templates/kept.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: kept\n  annotations: {helm.sh/resource-policy: \" Keep\"}\n",
    );
    let packed = world.pack("1.0.0", &[&OBJECTS[..], &[kept]].concat()).await?;
    let archive = text(&packed.archive)?;
    let given = values("{}")?;
    for keeps in [true, false] {
        let mut actions = world.actions();
        actions
            .install(&world.install(), &world.wanted(&packed, &given))
            .await?;
        world
            .helm(&["install", NAME, archive, "--wait", "--take-ownership"])
            .await?;
        let mut uninstall = World::uninstall();
        uninstall.keep_history = keeps;
        let mut actions = world.actions();
        let result = actions.uninstall(&uninstall).await;
        assert!(is_done(&result), "{result:?}");
        let flag = format!("--keep-history={keeps}");
        world.helm(&["uninstall", NAME, "--wait", &flag]).await?;
        world.assert_same("uninstalled").await?;
        let last = actions.written().last().expect("a record was written");
        let status = if keeps {
            Status::Uninstalled
        } else {
            Status::Uninstalling
        };
        assert_eq!(last.info.status, status);
        assert!(world.ours.get(CONFIG_MAP, "kept").await?.is_some());
        assert!(world.ours.get(DEPLOYMENT, "web").await?.is_none());

        let again = world.actions().uninstall(&uninstall).await;
        if keeps {
            let said = "the release named \"web\" is already deleted";
            assert_eq!(again, UninstallResult::AlreadyDeleted(said.to_owned()));
            uninstall.keep_history = false;
            assert!(is_done(&world.actions().uninstall(&uninstall).await));
            world.helm(&["uninstall", NAME]).await?;
            world.assert_same("purged").await?;
        } else {
            let said = "uninstall: Release not loaded: web: release: not found";
            assert_eq!(again, UninstallResult::NotFound(said.to_owned()));
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_pending_release_is_marked_as_failed() -> Result<()> {
    let world = World::start("actions-unlock").await?;
    let packed = world.pack("1.0.0", &OBJECTS).await?;
    let given = values("{}")?;
    let mut actions = world.actions();
    assert!(actions.unlock(NAME).await?.is_none(), "there is none");
    actions
        .install(&world.install(), &world.wanted(&packed, &given))
        .await?;
    assert!(actions.unlock(NAME).await?.is_none(), "it is deployed");

    // Somebody has died in the middle of an upgrade.
    world.make_pending(2).await?;
    let error = world
        .actions()
        .upgrade(&world.upgrade(), &world.wanted(&packed, &given))
        .await
        .expect_err("it is pending");
    assert_eq!(
        error.to_string(),
        "another operation (install/upgrade/rollback) is in progress"
    );
    let mut actions = world.actions();
    let unlocked = actions.unlock(NAME).await?.expect("it was pending");
    assert!(unlocked.result.is_ok());
    assert_eq!(unlocked.was, Status::PendingUpgrade);
    let stored = world.storage().last(NAME).await?.expect("a record");
    assert_eq!(stored.info.status, Status::Failed);
    assert_eq!(
        stored.info.description,
        "Release unlocked from stale 'pending-upgrade' state"
    );
    let release = world
        .actions()
        .upgrade(&world.upgrade(), &world.wanted(&packed, &given))
        .await?;
    assert_eq!((release.version, release.info.status.as_str()), (3, "deployed"));
    Ok(())
}

#[tokio::test]
async fn damaged_records_are_named_and_passed_over() -> Result<()> {
    let world = World::start("actions-damaged").await?;
    let packed = world.pack("1.0.0", &OBJECTS).await?;
    let given = values("{}")?;
    world
        .actions()
        .install(&world.install(), &world.wanted(&packed, &given))
        .await?;
    let damaged = |version: i64| {
        format!(
            "{{apiVersion: v1, kind: Secret, type: helm.sh/release.v1, data: {{release: ISE=}}, metadata: {{\
             name: sh.helm.release.v1.web.v{version}, labels: {{owner: helm, name: web, status: deployed, version: \"{version}\"}}}}}}"
        )
    };
    world.ours.apply(&damaged(2)).await?;
    let last = world.storage().last(NAME).await?.expect("one can be read");
    assert_eq!(last.version, 1);
    let error = world
        .storage()
        .get(NAME, 2)
        .await
        .expect_err("it is damaged")
        .to_string();
    assert_eq!(
        error,
        "get: failed to decode data \"sh.helm.release.v1.web.v2\": illegal base64 data at input byte 0"
    );
    let result = world.actions().uninstall(&World::uninstall()).await;
    assert!(matches!(result, UninstallResult::Done(Some(_))), "{result:?}");
    assert!(world.storage().last(NAME).await?.is_none());
    world.ours.apply(&damaged(1)).await?;
    let error = world
        .storage()
        .last(NAME)
        .await
        .expect_err("none can be read")
        .to_string();
    assert!(
        error.starts_with("no revision for release \"web\": sh.helm.release.v1.web.v1 is damaged: "),
        "{error}"
    );
    Ok(())
}
