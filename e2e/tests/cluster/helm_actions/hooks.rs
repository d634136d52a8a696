//! Hooks: their order, what becomes of them, and of the release when one fails.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT};
use helm::release::{Phase, Status};

use super::world::{JOB, NAME, World, text, values};

/// A Job that has nothing to do, and one that never does what it has to.
fn job(name: &str, annotations: &str, work: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations: {{{annotations}}}\nspec:\n  {work}\n  template:\n    \
         spec:\n      restartPolicy: Never\n      containers: [{{name: a, image: a}}]\n"
    )
}

const NOTHING_TO_DO: &str = "completions: 0";
const FAILS: &str = "activeDeadlineSeconds: 1";

fn config_map(name: &str, annotations: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  annotations: {{{annotations}}}\n")
}

#[tokio::test]
async fn hooks_run_and_go_as_with_helm() -> Result<()> {
    let world = World::start("actions-hooks").await?;
    let hook = |event: &str, weight: &str, policy: &str| {
        let policy = if policy.is_empty() {
            String::new()
        } else {
            format!(", helm.sh/hook-delete-policy: \"{policy}\"")
        };
        format!("helm.sh/hook: \"{event}\", helm.sh/hook-weight: \"{weight}\"{policy}")
    };
    let all = "pre-install,post-install,pre-upgrade,post-upgrade,pre-delete";
    let files = [
        (
            "templates/kept.yaml",
            job("kept", &hook("pre-install", "5", ""), NOTHING_TO_DO),
        ),
        (
            "templates/gone.yaml",
            job(
                "gone",
                &(hook("post-install", "0", "hook-succeeded")
                    + ", helm.sh/hook-output-log-policy: \"hook-succeeded,hook-failed\""),
                NOTHING_TO_DO,
            ),
        ),
        (
            "templates/often.yaml",
            config_map("often", &hook(all, "-3", "before-hook-creation,hook-failed")),
        ),
        ("templates/object.yaml", config_map("object", "")),
    ];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, content)| (*path, content.as_str()))
        .collect();
    let packed = world.pack("1.0.0", &files).await?;
    let (given, mut actions) = (values("{}")?, world.actions());
    actions
        .install(&world.install(), &world.wanted(&packed, &given))
        .await?;
    let archive = text(&packed.archive)?;
    world.helm(&["install", NAME, archive, "--wait"]).await?;
    world.assert_same("installed").await?;
    assert!(world.ours.get(JOB, "kept").await?.is_some() && world.ours.get(JOB, "gone").await?.is_none());

    let mut actions = world.actions();
    actions
        .upgrade(&world.upgrade(), &world.wanted(&packed, &given))
        .await?;
    world.helm(&["upgrade", NAME, archive, "--wait"]).await?;
    world.assert_same("upgraded").await?;
    let mut actions = world.actions();
    actions.uninstall(&World::uninstall()).await;
    world.helm(&["uninstall", NAME, "--wait"]).await?;
    world.assert_same("uninstalled").await?;
    assert!(
        world.ours.get(CONFIG_MAP, "often").await?.is_some(),
        "hooks are nobody's to delete"
    );
    Ok(())
}

#[tokio::test]
async fn a_hook_that_fails_ends_the_action() -> Result<()> {
    let world = World::start("actions-hook-fails").await?;
    let files = [
        (
            "templates/first.yaml",
            job(
                "first",
                "helm.sh/hook: pre-install, helm.sh/hook-delete-policy: hook-succeeded",
                NOTHING_TO_DO,
            ),
        ),
        (
            "templates/second.yaml",
            job(
                "second",
                "helm.sh/hook: pre-install, helm.sh/hook-weight: \"1\"",
                FAILS,
            ),
        ),
        (
            "templates/third.yaml",
            job(
                "third",
                "helm.sh/hook: pre-install, helm.sh/hook-weight: \"2\"",
                NOTHING_TO_DO,
            ),
        ),
        ("templates/object.yaml", config_map("object", "")),
    ];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, content)| (*path, content.as_str()))
        .collect();
    let packed = world.pack("1.0.0", &files).await?;
    let (given, mut actions) = (values("{}")?, world.actions());
    let error = actions
        .install(&world.install(), &world.wanted(&packed, &given))
        .await
        .expect_err("the second hook fails");
    let said = format!(
        "failed pre-install: failed early due to stalled resources: [Job/{}/second status: 'Failed']",
        world.ours.name()
    );
    assert_eq!(error.to_string(), said);
    let stored = world.storage().last(NAME).await?.expect("a record");
    assert_eq!(stored.info.status, Status::Failed);
    assert_eq!(stored.info.description, format!("Release \"web\" failed: {said}"));
    let phase = |name: &str| {
        let hook = stored
            .hooks
            .iter()
            .find(|hook| hook.name == name)
            .expect("a hook");
        (hook.last_run.phase.clone(), hook.last_run.completed_at.is_zero())
    };
    assert_eq!(phase("first"), (Phase::Succeeded, false));
    assert_eq!(phase("second"), (Phase::Failed, false));
    assert_eq!(phase("third"), (Phase::default(), true));
    for (kind, name, exists) in [
        (JOB, "first", false),
        (JOB, "second", true),
        (JOB, "third", false),
        (CONFIG_MAP, "object", false),
        (DEPLOYMENT, "web", false),
    ] {
        assert_eq!(world.ours.get(kind, name).await?.is_some(), exists, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn tests_are_recorded_as_helm_records_them() -> Result<()> {
    let world = World::start("actions-tests").await?;
    let files = [
        (
            "templates/b.yaml",
            job("b-test", "helm.sh/hook: test", NOTHING_TO_DO),
        ),
        (
            "templates/a.yaml",
            job("a-test", "helm.sh/hook: test", NOTHING_TO_DO),
        ),
        (
            "templates/c.yaml",
            job(
                "c-test",
                "helm.sh/hook: test, helm.sh/hook-delete-policy: hook-succeeded",
                NOTHING_TO_DO,
            ),
        ),
        ("templates/object.yaml", config_map("object", "")),
    ];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, content)| (*path, content.as_str()))
        .collect();
    let packed = world.pack("1.0.0", &files).await?;
    let (given, mut actions) = (values("{}")?, world.actions());
    actions
        .install(&world.install(), &world.wanted(&packed, &given))
        .await?;
    world
        .helm(&["install", NAME, text(&packed.archive)?, "--wait"])
        .await?;

    let mut actions = world.actions();
    let tested = actions.test(&World::test()).await?;
    world.helm(&["test", NAME]).await?;
    world.assert_same("tested").await?;
    assert_eq!(tested.test_hooks().len(), 3);
    assert!(world.ours.get(JOB, "c-test").await?.is_none());

    let mut filtered = World::test();
    filtered.exclude = vec!["b-test".to_owned()];
    world.actions().test(&filtered).await?;
    world.helm(&["test", NAME, "--filter=!name=b-test"]).await?;
    world.assert_same("tested with filters").await
}
