//! `helm install`.

use anyhow::{Result, ensure};
use e2e::testbed::{CONFIG_MAP, SERVICE};
use helm::release::Status;
use helm_controller::machine::Record as _;
use serde_json::json;
use std::time::Duration;

use super::world::{NAME, World, text, values};

const DIGEST: helm_controller::DigestAlgorithm = helm_controller::DigestAlgorithm::Sha256;

/// A chart with objects of several kinds, in an order that is not that of their creation.
pub(super) const OBJECTS: [(&str, &str); 4] = [
    ("values.yaml", "greeting: hello\nreplicas: 0\n"),
    (
        "templates/a-service.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: {{ .Release.Name }}}\nspec:\n  selector: {app: web}\n  ports: [{port: 80}]\n",
    ),
    (
        "templates/objects.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  replicas: {{ .Values.replicas }}\n  \
         selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n      - {name: web, image: web}\n\
         ---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: listed}\n\
         ---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  greeting: {{ .Values.greeting | quote }}\n  \
         revision: {{ .Release.Revision | quote }}\n  serves: {{ .Capabilities.APIVersions.Has \"apps/v1/Deployment\" | quote }}\n  \
         version: {{ .Capabilities.KubeVersion }}\n  found: {{ (lookup \"v1\" \"Namespace\" \"\" .Release.Namespace).kind | default \"none\" }}\n",
    ),
    ("templates/NOTES.txt", "Say {{ .Values.greeting }}.\n"),
];

#[tokio::test]
async fn a_release_is_what_helm_makes_of_it() -> Result<()> {
    let world = World::start("actions-install").await?;
    let packed = world.pack("1.0.0", &OBJECTS).await?;
    let archive = text(&packed.archive)?;
    world
        .helm(&[
            "install",
            NAME,
            archive,
            "--wait",
            "--wait-for-jobs",
            "--set=greeting=hi",
        ])
        .await?;
    let given = values("greeting: hi\n")?;
    let mut actions = world.actions();
    let release = actions
        .install(&world.install(), &world.wanted(&packed, &given))
        .await?;
    assert_eq!(release.info.status, Status::Deployed);
    assert_eq!(release.info.notes, "Say hi.\n");
    assert_eq!(actions.written().len(), 1, "one revision was written");
    world.assert_same("installed").await?;

    // What the status would remember is what is stored.
    let stored = world.storage().last(NAME).await?.expect("a record");
    assert_eq!(
        stored.snapshot(DIGEST, ""),
        actions.written()[0].snapshot(DIGEST, "")
    );
    let log = actions.log();
    assert!(log.contains("creating resource(s): {\"resources\":4}"), "{log}");
    let settings = world
        .ours
        .get(CONFIG_MAP, "settings")
        .await?
        .expect("it was applied");
    assert_eq!(settings.data["data"]["found"], "Namespace");

    let error = actions
        .install(&world.install(), &world.wanted(&packed, &given))
        .await
        .expect_err("the name is taken");
    let theirs = world
        .helm(&["install", NAME, archive])
        .await
        .expect_err("the name is taken");
    world.assert_same_error(&error, &theirs)?;
    world.assert_same("nothing changed").await
}

#[tokio::test]
async fn what_belongs_to_others_is_taken_only_if_that_is_wanted() -> Result<()> {
    let world = World::start("actions-adopt").await?;
    let packed = world.pack("1.0.0", &OBJECTS).await?;
    let archive = text(&packed.archive)?;
    let foreign =
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {greeting: bye, other: kept}}";
    for side in [&world.ours, &world.theirs] {
        side.apply(foreign).await?;
    }
    let (given, mut actions) = (values("{}")?, world.actions());
    let error = actions
        .install(&world.install(), &world.wanted(&packed, &given))
        .await
        .expect_err("it belongs to somebody else");
    let theirs = world
        .helm(&["install", NAME, archive])
        .await
        .expect_err("so it does");
    world.assert_same_error(&error, &theirs)?;
    assert!(actions.written().is_empty(), "nothing has happened");
    world.assert_same("refused").await?;

    let mut install = world.install();
    install.take_ownership = true;
    actions.install(&install, &world.wanted(&packed, &given)).await?;
    world
        .helm(&[
            "install",
            NAME,
            archive,
            "--take-ownership",
            "--force-conflicts",
            "--wait",
        ])
        .await?;
    world.assert_same("taken").await?;
    let settings = world
        .ours
        .get(CONFIG_MAP, "settings")
        .await?
        .expect("it is there");
    assert_eq!(
        (
            &settings.data["data"]["greeting"],
            &settings.data["data"]["other"]
        ),
        (&json!("hello"), &json!("kept"))
    );
    Ok(())
}

#[tokio::test]
async fn what_does_not_become_ready_fails_the_release() -> Result<()> {
    let world = World::start("actions-unready").await?;
    let packed = world.pack("1.0.0", &OBJECTS).await?;
    let (given, mut actions) = (values("replicas: 1\n")?, world.actions());
    let mut install = world.install();
    install.waiting.timeout = Duration::from_secs(2);
    let error = actions
        .install(&install, &world.wanted(&packed, &given))
        .await
        .expect_err("no pod runs");
    let namespace = world.ours.name();
    let said = format!("timeout waiting for: [Deployment/{namespace}/web status: 'InProgress']");
    assert_eq!(error.to_string(), said);
    let stored = world.storage().last(NAME).await?.expect("a record");
    assert_eq!(stored.info.status, Status::Failed);
    assert_eq!(stored.info.description, format!("Release \"web\" failed: {said}"));
    assert_eq!(
        stored.snapshot(DIGEST, ""),
        actions.written()[0].snapshot(DIGEST, "")
    );

    // The place of a failed release may be taken.
    install.replace = true;
    let given = values("{}")?;
    let release = actions.install(&install, &world.wanted(&packed, &given)).await?;
    assert_eq!((release.version, release.info.status.as_str()), (2, "deployed"));
    assert_eq!(world.storage().history(NAME).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn what_the_cluster_does_not_take_is_told_as_helm_tells_it() -> Result<()> {
    let world = World::start("actions-refused").await?;
    let unknown = [(
        "templates/a.yaml",
        "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\n",
    )];
    let unknown = world.pack("1.0.0", &unknown).await?;
    let misspelt = [
        (
            "templates/a.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndatum: {a: b}\n",
        ),
        (
            "templates/b.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n",
        ),
    ];
    let misspelt = world.pack("1.0.1", &misspelt).await?;
    for (packed, written) in [(unknown, 0), (misspelt, 1)] {
        let (given, mut actions) = (values("{}")?, world.actions());
        let error = actions
            .install(&world.install(), &world.wanted(&packed, &given))
            .await
            .expect_err("it is not taken");
        let archive = text(&packed.archive)?;
        let theirs = world
            .helm(&["install", NAME, archive, "--wait"])
            .await
            .expect_err("neither");
        world.assert_same_error(&error, &theirs)?;
        assert_eq!(actions.written().len(), written);
        world.assert_same("refused").await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_namespace_is_created_as_helm_creates_it() -> Result<()> {
    let world = World::start("actions-namespace").await?;
    let packed = world.pack("1.0.0", &OBJECTS).await?;
    let (name, theirs) = (
        format!("{}-new", world.ours.name()),
        format!("{}-new", world.theirs.name()),
    );
    let archive = text(&packed.archive)?;
    world
        .testbed
        .run(
            e2e::tools::Tool::Helm,
            &[
                "install",
                NAME,
                archive,
                "--create-namespace",
                "--namespace",
                &theirs,
            ],
        )
        .await?;
    let mut install = world.install();
    (install.create_namespace, install.namespace) = (true, name.clone());
    let (given, mut actions) = (values("{}")?, world.actions());
    actions.install(&install, &world.wanted(&packed, &given)).await?;
    let fields = async |name: &str| -> Result<String> {
        let kubectl = [
            "get",
            "namespace",
            name,
            "--show-managed-fields",
            "-o",
            "jsonpath={.metadata.managedFields[?(@.operation==\"Apply\")].fieldsV1}{.metadata.labels.name}",
        ];
        let told = world.testbed.run(e2e::tools::Tool::Kubectl, &kubectl).await?;
        Ok(told.replace(name, "NAME"))
    };
    assert_eq!(fields(&name).await?, fields(&theirs).await?);
    // Objects lie in the namespace of the release, records in that of the storage.
    let elsewhere = world
        .testbed
        .run(
            e2e::tools::Tool::Kubectl,
            &["get", "service", "-n", &name, "-o", "name"],
        )
        .await?;
    ensure!(elsewhere.contains("service/web"), "{elsewhere}");
    assert!(world.ours.get(SERVICE, "web").await?.is_none());
    assert!(world.storage().last(NAME).await?.is_some());
    Ok(())
}
