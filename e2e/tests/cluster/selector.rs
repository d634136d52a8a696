//! Whose a Kustomization is: with an empty selector everything is ours, labelled or not.

use anyhow::Result;
use e2e::testbed::{Answer, Archive, ArtifactServer, KUSTOMIZATION, Options, Testbed};
use serde_json::json;

use crate::app::{Owner, config_map};
use crate::artifacts::{consume_as, offer};

#[tokio::test]
async fn an_empty_selector_takes_everything() -> Result<()> {
    // A control plane of its own: everything there would include what other tests have.
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = testbed.namespace("everything").await?;
    let archive = Archive::of(&[("a.yaml", &config_map("a", "blue"))]).pack()?;
    let server = ArtifactServer::start([("app", Answer::Bytes(archive))])?;
    offer(&namespace, "app", &server, "app").await?;
    let _controller = testbed.start_openflux("openflux-controller", &["--watch-label-selector="])?;
    for (name, owner) in [("plain", Owner::Stock), ("labelled", Owner::Ours)] {
        let spec = json!({"namePrefix": format!("{name}-")});
        consume_as(owner, &namespace, name, "app", spec).await?;
        namespace.wait_ready(KUSTOMIZATION, name).await?;
    }
    Ok(())
}
