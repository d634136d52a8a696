//! Builds whose outcome depends on the cluster or on other machines, ours and stock's alike.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, KUSTOMIZATION, SERVICE, Testbed};

use crate::app::{self, Owner};

/// A Service with fields that no Service has.
const MISSPELT: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  sesionAffinity: ClientIP
  ports: [{port: 80, nam: http}]
";

#[tokio::test]
async fn fields_that_a_built_in_kind_does_not_have_are_dropped_as_stock_drops_them() -> Result<()> {
    let testbed = Testbed::shared().await?;
    testbed.stock_kustomize_controller().await?;
    testbed.openflux_controller().await?;
    for owner in [Owner::Stock, Owner::Ours] {
        let namespace = testbed.namespace("misspelt").await?;
        let repo = app::repository(testbed, &namespace).await?;
        repo.commit("a Service", &[("deploy/service.yaml", MISSPELT)])
            .await?;
        app::deploy(&namespace, &repo, owner).await?;
        namespace.wait_ready(KUSTOMIZATION, "app").await?;
        let service = namespace.get(SERVICE, "web").await?.expect("it is applied");
        assert_eq!(service.data["spec"]["ports"][0]["port"], 80, "{owner:?}");
    }
    Ok(())
}

#[tokio::test]
async fn bases_of_other_machines_are_fetched() -> Result<()> {
    let testbed = Testbed::shared().await?;
    testbed.openflux_controller().await?;
    let namespace = testbed.namespace("remote").await?;
    let base = testbed
        .git()
        .await?
        .create(&format!("{}-base", namespace.name()))
        .await?;
    let settings = ("base/settings.yaml", &*app::settings("green"));
    let kustomization = ("base/kustomization.yaml", "resources: [settings.yaml]\n");
    base.commit("base", &[settings, kustomization]).await?;
    let repo = app::repository(testbed, &namespace).await?;
    let overlay = format!("resources: ['{}//base?ref=main']\n", base.url());
    repo.commit("overlay", &[("deploy/kustomization.yaml", &overlay)])
        .await?;
    app::deploy(&namespace, &repo, Owner::Ours).await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    let settings = namespace.get(CONFIG_MAP, "settings").await?;
    let settings = settings.expect("it is applied");
    assert_eq!(settings.data["data"]["colour"], "green");
    Ok(())
}
