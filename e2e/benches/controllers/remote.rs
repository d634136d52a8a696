//! Kustomizations that deploy to ten other clusters.

use anyhow::Result;
use e2e::testbed::{Audit, Options, Testbed};
use serde_json::{Value, json};

use crate::deployers::rollout::Load;
use crate::deployers::stage::{Contender, Stage};
use crate::deployers::table::Measured;
use crate::load;

pub(crate) const CLUSTERS: usize = 10;

/// The part of a spec that leads to one of them.
pub(crate) fn through(number: usize) -> Value {
    json!({"kubeConfig": {"secretRef": {"name": secret(number % CLUSTERS)}}})
}

fn secret(cluster: usize) -> String {
    format!("cluster-{cluster}")
}

pub(crate) async fn measure(load: Load, only_ours: bool) -> Result<Measured> {
    let mut rows = Vec::new();
    let contenders = [Contender::Stock, Contender::Ours];
    for contender in &contenders[usize::from(only_ours)..] {
        let stage = Stage::set(&load.releases()?.each_ref(), Audit::Nothing).await?;
        let _clusters = clusters(&stage).await?;
        rows.push(load.roll_out(&stage, *contender).await?.row(contender.name()));
    }
    Ok(Measured {
        rows,
        note: "The other clusters are an API server and its store each, on the same machine; they are the same for both.".to_owned(),
    })
}

/// Starts the clusters, which have the namespace and the service account of the stage, and puts their kubeconfigs into Secrets.
async fn clusters(stage: &Stage) -> Result<Vec<Testbed>> {
    let options = Options {
        bare: true,
        ..Options::default()
    };
    let mut clusters = Vec::new();
    for number in 0..CLUSTERS {
        let cluster = Testbed::start(options).await?;
        let namespace = cluster.namespace_called(stage.namespace.name()).await?;
        namespace.apply(&load::before(namespace.name())).await?;
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret(number)},
            "stringData": {"value": cluster.portable_kubeconfig()?},
        });
        stage.namespace.apply(&kubeconfig.to_string()).await?;
        clusters.push(cluster);
    }
    Ok(clusters)
}
