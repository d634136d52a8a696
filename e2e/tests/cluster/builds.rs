//! Builds whose outcome depends on the cluster or on other machines.

use anyhow::Result;
use e2e::testbed::SERVICE;
use serde_json::json;

use crate::app::{App, Owner, config_map};

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
    for owner in [Owner::Stock, Owner::Ours] {
        let app = App::owned_by(owner, "misspelt", &[("deploy/service.yaml", MISSPELT)]).await?;
        app.deploy_ready("app", json!({})).await?;
        let service = app.existing(SERVICE, "web").await?;
        assert_eq!(service.data["spec"]["ports"][0]["port"], 80, "{owner:?}");
    }
    Ok(())
}

#[tokio::test]
async fn bases_of_other_machines_are_fetched() -> Result<()> {
    let base = [
        ("base/settings.yaml", &*config_map("settings", "green")),
        ("base/kustomization.yaml", "resources: [settings.yaml]\n"),
    ];
    let base = App::start("base", &base).await?;
    let overlay = format!("resources: ['{}//base?ref=main']\n", base.url());
    let app = App::start("remote", &[("deploy/kustomization.yaml", &overlay)]).await?;
    app.deploy_ready("app", json!({})).await?;
    assert_eq!(app.colour("settings").await?.as_deref(), Some("green"));
    Ok(())
}
