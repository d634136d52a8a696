//! The files of `crds/`.

use anyhow::{Context as _, Result};
use helm_controller::action::{CrdPolicy, Origin};
use kube::api::{Api, DynamicObject};
use serde_json::Value;

use super::world::{NAME, World, values};

fn definition(group: &str, description: &str) -> String {
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: widgets.{group}}}\nspec:\n  group: {group}\n  \
         scope: Namespaced\n  names: {{kind: Widget, plural: widgets}}\n  versions:\n  - name: v1\n    served: true\n    storage: true\n    \
         schema: {{openAPIV3Schema: {{type: object, description: {description}, x-kubernetes-preserve-unknown-fields: true}}}}\n"
    )
}

const WIDGET: &str = "{{ if .Capabilities.APIVersions.Has \"GROUP/v1/Widget\" -}}\napiVersion: GROUP/v1\nkind: Widget\nmetadata: {name: a}\n{{- end }}\n";

async fn read(world: &World, group: &str) -> Result<Value> {
    let gvk = kube::core::GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let resource = kube::api::ApiResource::from_gvk_with_plural(&gvk, "customresourcedefinitions");
    let api: Api<DynamicObject> = Api::all_with(world.ours.client().clone(), &resource);
    let object = api.get_opt(&format!("widgets.{group}")).await?;
    Ok(serde_json::to_value(object.context("a definition")?)?)
}

#[tokio::test]
async fn definitions_are_there_before_their_objects_and_changed_by_the_policy() -> Result<()> {
    const GROUP: &str = "actions.openflux.test";
    let world = World::start("actions-crds").await?;
    let pack = async |version: &str, description: &str| {
        let (definition, widget) = (definition(GROUP, description), WIDGET.replace("GROUP", GROUP));
        let files = [
            ("crds/widgets.yaml", definition.as_str()),
            (
                "crds/other.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: not-a-definition}\n",
            ),
            ("templates/widget.yaml", widget.as_str()),
        ];
        world.pack(version, &files).await
    };
    let description = async || -> Result<String> {
        let found = read(&world, GROUP).await?;
        let path = "/spec/versions/0/schema/openAPIV3Schema/description";
        Ok(found
            .pointer(path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned())
    };
    let none = values("{}")?;
    let mut install = world.install();
    install.origin = Origin {
        name: "app".to_owned(),
        namespace: "apps".to_owned(),
    };
    let packed = pack("1.0.0", "first").await?;
    let release = world
        .actions()
        .install(&install, &world.wanted(&packed, &none))
        .await?;
    assert!(!release.manifest.read().contains("Widget"), "nothing was applied");

    install.crds = CrdPolicy::Create;
    install.replace = true;
    world.actions().uninstall(&World::uninstall()).await;
    let mut actions = world.actions();
    let release = actions.install(&install, &world.wanted(&packed, &none)).await?;
    assert!(
        release.manifest.read().contains("kind: Widget"),
        "{}",
        release.manifest.read()
    );
    assert_eq!(actions.crds().len(), 2);
    assert_eq!(description().await?, "first");
    let labels = &read(&world, GROUP).await?["metadata"]["labels"];
    assert_eq!(labels["helm.toolkit.fluxcd.io/name"], "app");
    assert_eq!(labels["helm.toolkit.fluxcd.io/namespace"], "apps");
    let (inventory, warnings) = world.cluster.inventory(&release, actions.crds()).await?;
    let ids: Vec<&str> = inventory.entries.iter().map(|entry| entry.id.as_str()).collect();
    let widget = format!("{}_a_{GROUP}_Widget", world.ours.name());
    let definition = format!("_widgets.{GROUP}_apiextensions.k8s.io_CustomResourceDefinition");
    let other = "_not-a-definition__ConfigMap";
    assert_eq!(ids, [widget.as_str(), other, definition.as_str()]);
    assert!(warnings.is_empty(), "{warnings:?}");

    let packed = pack("1.1.0", "second").await?;
    let mut upgrade = world.upgrade();
    for (policy, expected) in [(CrdPolicy::Create, "first"), (CrdPolicy::CreateReplace, "second")] {
        upgrade.crds = policy;
        let release = world
            .actions()
            .upgrade(&upgrade, &world.wanted(&packed, &none))
            .await?;
        assert_eq!(release.name, NAME);
        assert_eq!(description().await?, expected);
    }
    let packed = pack("1.2.0", "third").await?;
    upgrade.server_side = helm_controller::action::ServerSide::Disabled;
    world
        .actions()
        .upgrade(&upgrade, &world.wanted(&packed, &none))
        .await?;
    assert_eq!(description().await?, "third", "it is replaced");
    world.actions().uninstall(&World::uninstall()).await;
    assert_eq!(description().await?, "third", "definitions are never deleted");
    Ok(())
}
