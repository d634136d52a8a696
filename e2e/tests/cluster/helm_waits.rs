//! What releases wait for, where the labels do not say whose it is.

use anyhow::Result;
use serde_json::{Value, json};

use crate::app::Owner;
use crate::release_app::ReleaseApp;
use crate::release_state::{States, compare};

/// A Job that has nothing to do, and is done with it as soon as somebody looks.
pub(crate) fn job(name: &str, annotations: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}, annotations: {{{annotations}}}}}\nspec:\n  completions: 0\n  \
         template: {{spec: {{restartPolicy: Never, containers: [{{name: a, image: a}}]}}}}\n"
    )
}

/// A release whose hooks get the origin labels, then not, then again; Jobs and ConfigMaps are watched by then.
async fn hooks(owner: Owner) -> Result<Vec<Value>> {
    let app = ReleaseApp::owned_by(owner, "hooks", &["1.0.0"]).await?;
    let labelled = json!({"values": {"name": "plain", "raw": job("plain", "")}});
    app.release_ready("plain", labelled).await?;
    let mut states = States::of(&app);
    let hook = job("hook", "helm.sh/hook: 'pre-install,pre-upgrade'");
    let spec =
        |strategy: &str| json!({"postRenderStrategy": strategy, "values": {"raw": hook, "colour": strategy}});
    for (at, strategy) in ["nohooks", "combined", "nohooks", "separate"]
        .into_iter()
        .enumerate()
    {
        let object = if at == 0 {
            app.release_ready("app", spec(strategy)).await?
        } else {
            app.change("app", spec(strategy)).await?
        };
        states.add(object).await?;
    }
    Ok(states.all())
}

#[tokio::test]
async fn hooks_without_labels_are_seen_to_end_and_to_go() -> Result<()> {
    let (stock, ours) = tokio::try_join!(hooks(Owner::Stock), hooks(Owner::Ours))?;
    compare(&["without", "with", "without again", "with again"], &stock, &ours);
    Ok(())
}
