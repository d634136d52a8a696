//! Client-side apply, changes between both ways, replacing, and waiting as Helm 3 did.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT};
use helm::release::Status;
use helm_controller::action::ServerSide;
use helm_controller::cluster::WaitStrategy;
use serde_json::json;
use std::time::Duration;

use super::world::{NAME, PROVIDER, World, text, values};

/// Objects of built-in kinds with lists that are merged by keys, and one of a custom kind.
const OBJECTS: [(&str, &str); 3] = [
    (
        "values.yaml",
        "extra: true\nreplicas: 0\naddress: https://example.com/a\n",
    ),
    (
        "templates/objects.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  labels: {extra: {{ .Values.extra | quote }}}\nspec:\n  \
         replicas: {{ .Values.replicas }}\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n      - name: web\n        image: web\n        ports: [{containerPort: 80}]\n        \
         env:\n        - {name: A, value: \"1\"}\n{{- if .Values.extra }}\n        - {name: B, value: \"2\"}\n      - {name: side, image: side}\n{{- end }}\n\
         ---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  a: b\n{{- if .Values.extra }}\n  extra: c\n{{- end }}\n",
    ),
    (
        "templates/provider.yaml",
        "apiVersion: notification.toolkit.fluxcd.io/v1beta3\nkind: Provider\nmetadata:\n  name: alerts\nspec:\n  type: generic\n  \
         address: {{ .Values.address }}\n{{- if .Values.extra }}\n  channel: extra\n{{- end }}\n",
    ),
];

/// What somebody else does to the objects meanwhile.
async fn meddle(world: &World) -> Result<()> {
    for side in [&world.ours, &world.theirs] {
        side.patch(
            CONFIG_MAP,
            "settings",
            json!({"data": {"a": "changed", "other": "kept"}}),
        )
        .await?;
        side.patch(PROVIDER, "alerts", json!({"spec": {"username": "somebody"}}))
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_applied_by_the_client_is_what_helm_makes_of_it() -> Result<()> {
    let world = World::start("actions-client").await?;
    let packed = world.pack("1.0.0", &OBJECTS).await?;
    let archive = text(&packed.archive)?;
    let (none, less) = (
        values("{}")?,
        values("extra: false\naddress: https://example.com/b\n")?,
    );
    let less_flags = ["--set=extra=false", "--set=address=https://example.com/b"];
    let mut install = world.install();
    install.server_side = false;
    let release = world
        .actions()
        .install(&install, &world.wanted(&packed, &none))
        .await?;
    assert_eq!(release.apply_method, "csa");
    world
        .helm(&["install", NAME, archive, "--wait", "--server-side=false"])
        .await?;
    world.assert_same("installed").await?;

    meddle(&world).await?;
    world
        .actions()
        .upgrade(&world.upgrade(), &world.wanted(&packed, &less))
        .await?;
    world
        .helm(&[&["upgrade", NAME, archive, "--wait"], &less_flags[..]].concat())
        .await?;
    world.assert_same("upgraded").await?;
    let settings = world
        .ours
        .get(CONFIG_MAP, "settings")
        .await?
        .expect("it is there");
    assert_eq!(settings.data["data"], json!({"a": "b", "other": "kept"}));
    let provider = world.ours.get(PROVIDER, "alerts").await?.expect("it is there");
    assert_eq!(
        provider.data["spec"],
        json!({"type": "generic", "address": "https://example.com/b", "username": "somebody"})
    );

    world.actions().rollback(&World::rollback(1)).await?;
    world.helm(&["rollback", NAME, "1", "--wait"]).await?;
    world.assert_same("rolled back").await?;
    Ok(())
}

#[tokio::test]
async fn releases_change_from_one_way_to_the_other_and_back() -> Result<()> {
    let world = World::start("actions-ways").await?;
    let packed = world.pack("1.0.0", &OBJECTS).await?;
    let archive = text(&packed.archive)?;
    let (none, less) = (values("{}")?, values("extra: false\n")?);
    let mut install = world.install();
    install.server_side = false;
    world
        .actions()
        .install(&install, &world.wanted(&packed, &none))
        .await?;
    world
        .helm(&["install", NAME, archive, "--wait", "--server-side=false"])
        .await?;
    let mut upgrade = world.upgrade();
    for (server_side, flags, given) in [
        (
            ServerSide::Enabled,
            vec!["--server-side=true", "--force-conflicts", "--set=extra=false"],
            &less,
        ),
        (
            ServerSide::Auto,
            vec!["--force-conflicts", "--reset-values"],
            &none,
        ),
        (
            ServerSide::Disabled,
            vec!["--server-side=false", "--set=extra=false"],
            &less,
        ),
        (ServerSide::Auto, vec!["--reset-values"], &none),
    ] {
        upgrade.server_side = server_side;
        world
            .actions()
            .upgrade(&upgrade, &world.wanted(&packed, given))
            .await?;
        world
            .helm(&[&["upgrade", NAME, archive, "--wait"], &flags[..]].concat())
            .await?;
        world.assert_same(&format!("{server_side:?}")).await?;
    }
    // To a revision that was applied on the server side.
    world.actions().rollback(&World::rollback(2)).await?;
    world
        .helm(&["rollback", NAME, "2", "--wait", "--force-conflicts"])
        .await?;
    world.assert_same("rolled back").await
}

#[tokio::test]
async fn what_is_forced_replaces_what_is_there() -> Result<()> {
    let world = World::start("actions-force").await?;
    let packed = world.pack("1.0.0", &OBJECTS).await?;
    let archive = text(&packed.archive)?;
    let none = values("{}")?;
    let mut install = world.install();
    install.server_side = false;
    world
        .actions()
        .install(&install, &world.wanted(&packed, &none))
        .await?;
    world
        .helm(&["install", NAME, archive, "--wait", "--server-side=false"])
        .await?;
    meddle(&world).await?;
    let mut upgrade = world.upgrade();
    upgrade.force = true;
    world
        .actions()
        .upgrade(&upgrade, &world.wanted(&packed, &none))
        .await?;
    world
        .helm(&["upgrade", NAME, archive, "--wait", "--force-replace"])
        .await?;
    world.assert_same("forced").await?;
    let settings = world
        .ours
        .get(CONFIG_MAP, "settings")
        .await?
        .expect("it is there");
    assert_eq!(settings.data["data"], json!({"a": "b", "extra": "c"}));
    Ok(())
}

#[tokio::test]
async fn what_was_there_is_taken_by_the_client_too() -> Result<()> {
    let world = World::start("actions-client-adopt").await?;
    let packed = world.pack("1.0.0", &OBJECTS).await?;
    let archive = text(&packed.archive)?;
    for side in [&world.ours, &world.theirs] {
        side.apply(
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: z, other: kept}}",
        )
        .await?;
        side.apply(
            "{apiVersion: notification.toolkit.fluxcd.io/v1beta3, kind: Provider, metadata: {name: alerts}, \
             spec: {type: slack, address: 'https://example.com', username: a}}",
        )
        .await?;
    }
    let mut install = world.install();
    (install.server_side, install.take_ownership) = (false, true);
    let none = values("{}")?;
    world
        .actions()
        .install(&install, &world.wanted(&packed, &none))
        .await?;
    world
        .helm(&[
            "install",
            NAME,
            archive,
            "--wait",
            "--server-side=false",
            "--take-ownership",
        ])
        .await?;
    world.assert_same("taken").await
}

#[tokio::test]
async fn immutable_fields_fail_as_with_helm() -> Result<()> {
    let world = World::start("actions-immutable").await?;
    let template = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 0\n  \
                    selector: {matchLabels: {app: {{ .Values.app }}}}\n  template:\n    metadata: {labels: {app: {{ .Values.app }}}}\n    spec:\n      containers: [{name: a, image: a}]\n";
    let files = [("values.yaml", "app: a\n"), ("templates/a.yaml", template)];
    let packed = world.pack("1.0.0", &files).await?;
    let archive = text(&packed.archive)?;
    let (none, other) = (values("{}")?, values("app: b\n")?);
    for (server_side, flag) in [(false, "--server-side=false"), (true, "--server-side=true")] {
        let mut install = world.install();
        install.server_side = server_side;
        world
            .actions()
            .install(&install, &world.wanted(&packed, &none))
            .await?;
        world.helm(&["install", NAME, archive, "--wait", flag]).await?;
        let error = world
            .actions()
            .upgrade(&world.upgrade(), &world.wanted(&packed, &other))
            .await
            .expect_err("the field is immutable");
        let theirs = world
            .helm(&["upgrade", NAME, archive, "--wait", "--set=app=b"])
            .await
            .expect_err("it is");
        world.assert_same_error(&error, &theirs)?;
        let stored = world.storage().last(NAME).await?.expect("a record");
        assert_eq!(stored.info.status, Status::Failed);
        assert_eq!(
            stored.info.description,
            format!("Upgrade \"web\" failed: {error}")
        );
        world.actions().uninstall(&World::uninstall()).await;
        world.helm(&["uninstall", NAME, "--wait"]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn objects_are_waited_for_as_helm_3_did() -> Result<()> {
    let world = World::start("actions-legacy").await?;
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: NAME\n  annotations: {helm.sh/hook: HOOK}\nspec:\n  \
               WORK\n  template:\n    spec:\n      restartPolicy: Never\n      containers: [{name: a, image: a}]\n";
    let job = |name: &str, hook: &str, work: &str| {
        job.replace("NAME", name)
            .replace("HOOK", hook)
            .replace("WORK", work)
    };
    let hook = job("hook", "post-install", "completions: 0");
    let packed = world
        .pack(
            "1.0.0",
            &[&OBJECTS[..], &[("templates/hook.yaml", &*hook)]].concat(),
        )
        .await?;
    let archive = text(&packed.archive)?;
    let mut install = world.install();
    install.waiting.strategy = WaitStrategy::Legacy;
    let none = values("{}")?;
    world
        .actions()
        .install(&install, &world.wanted(&packed, &none))
        .await?;
    world.helm(&["install", NAME, archive, "--wait=legacy"]).await?;
    world.assert_same("installed").await?;

    let failing = job("failing", "pre-upgrade", "activeDeadlineSeconds: 1");
    let failing = world
        .pack(
            "1.1.0",
            &[&OBJECTS[..], &[("templates/hook.yaml", &*failing)]].concat(),
        )
        .await?;
    let mut upgrade = world.upgrade();
    upgrade.waiting.strategy = WaitStrategy::Legacy;
    let error = world
        .actions()
        .upgrade(&upgrade, &world.wanted(&failing, &none))
        .await
        .expect_err("the hook fails");
    let theirs = world
        .helm(&["upgrade", NAME, text(&failing.archive)?, "--wait=legacy"])
        .await
        .expect_err("so it does");
    world.assert_same_error(&error, &theirs)?;
    assert_eq!(
        error.to_string(),
        "pre-upgrade hooks failed: job failing failed: DeadlineExceeded"
    );
    world.assert_same("failed").await?;

    (upgrade.waiting.timeout, upgrade.disable_hooks) = (Duration::from_secs(3), true);
    let unready = values("replicas: 1\n")?;
    let error = world
        .actions()
        .upgrade(&upgrade, &world.wanted(&packed, &unready))
        .await
        .expect_err("no pod runs");
    let arguments = [
        "upgrade",
        NAME,
        archive,
        "--wait=legacy",
        "--set=replicas=1",
        "--timeout=3s",
        "--no-hooks",
    ];
    let theirs = world.helm(&arguments).await.expect_err("none does");
    world.assert_same_error(&error, &theirs)?;
    world.assert_same("not ready").await?;
    world.actions().uninstall(&World::uninstall()).await;
    assert!(world.ours.get(DEPLOYMENT, "web").await?.is_none());
    Ok(())
}
