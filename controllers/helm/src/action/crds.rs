//! The files of `crds/`, which helm-controller applies ahead of everything else, and never deletes.

use std::time::Duration;

use controller_kit::object::set_metadata_entry;
use serde_json::Value;

use super::config::{CrdPolicy, Origin, Waiting};
use super::error::{ActionError, During as _};
use super::{Actions, Wanted};
use crate::cluster::{ApplyError, Method, ORIGIN_LABEL, Resource, WaitStrategy};

/// How long the definitions may take to be served.
const TIMEOUT: Duration = Duration::from_mins(1);

/// How long discovery may take to tell of them, and the time between two looks.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

const ORIGIN_NAMESPACE_LABEL: &str = "helm.toolkit.fluxcd.io/namespace";

impl Actions<'_> {
    /// Applies the definitions of a chart by the policy, and waits until they are served.
    ///
    /// With [`CrdPolicy::Create`] those that exist stay as they are, also with server-side apply, where stock overwrites
    /// them against what it documents.
    pub(super) async fn apply_crds(
        &mut self,
        wanted: &Wanted<'_>,
        policy: CrdPolicy,
        origin: &Origin,
        namespace: &str,
        server_side: bool,
        strategy: WaitStrategy,
    ) -> Result<(), ActionError> {
        if !wanted.chart.has_crds() {
            return Ok(());
        }
        let crds = helm::crds_for(wanted.chart, wanted.values, wanted.limits)
            .during(|| "failed to process chart dependencies".to_owned())?;
        if policy == CrdPolicy::Skip {
            self.log.debug(
                "skipping CustomResourceDefinition apply: policy is set to Skip",
                &[],
            );
            self.crds = crds;
            return Ok(());
        }
        let mut resources = Vec::new();
        for file in &crds {
            let failed = || format!("failed to parse CustomResourceDefinitions from {}", file.name);
            let text = file.content.bytes().map(|bytes| String::from_utf8_lossy(bytes));
            let Ok(text) = text else { continue };
            resources.extend(self.build(&text, namespace).await.during(failed)?);
        }
        self.crds = crds;
        resources.retain(is_definition);
        for resource in &mut resources {
            set_metadata_entry(&mut resource.object, "labels", ORIGIN_LABEL, &origin.name);
            set_metadata_entry(
                &mut resource.object,
                "labels",
                ORIGIN_NAMESPACE_LABEL,
                &origin.namespace,
            );
        }
        let applied = self.apply_definitions(resources, policy, server_side).await?;
        if applied.is_empty() {
            return Ok(());
        }
        self.cluster.mapper.invalidate().await;
        let waiting = Waiting {
            strategy,
            timeout: TIMEOUT,
            for_jobs: false,
        };
        self.wait_ready(applied.clone(), waiting)
            .await
            .during(|| "failed to wait for CustomResourceDefinition(s)".to_owned())?;
        self.wait_until_told(&applied).await?;
        let message = format!(
            "successfully applied {} CustomResourceDefinition(s)",
            applied.len()
        );
        self.log.debug(&message, &[]);
        self.log.debug("clearing REST mapper cache", &[]);
        Ok(())
    }

    /// Waits until discovery tells of the kinds: that comes a moment after they are established, and templates may ask.
    async fn wait_until_told(&self, definitions: &[Resource]) -> Result<(), ActionError> {
        let kinds: Vec<String> = definitions.iter().flat_map(kinds).collect();
        let told = async {
            loop {
                let versions = self.cluster.discovery.served().await?;
                if kinds.iter().all(|kind| versions.contains(kind)) {
                    return Ok(());
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        // What is not told by then is left to the templates, as in Helm, which does not look.
        tokio::time::timeout(PATIENCE, told).await.unwrap_or(Ok(()))
    }

    /// Gives the definitions that were created or changed.
    async fn apply_definitions(
        &mut self,
        mut definitions: Vec<Resource>,
        policy: CrdPolicy,
        server_side: bool,
    ) -> Result<Vec<Resource>, ActionError> {
        let policy_name = match policy {
            CrdPolicy::CreateReplace => "CreateReplace",
            CrdPolicy::Create | CrdPolicy::Skip => "Create",
        };
        let message = format!("applying CustomResourceDefinition(s) with policy {policy_name}");
        self.log.debug(&message, &[]);
        self.go_on()?;
        if policy == CrdPolicy::CreateReplace {
            if definitions.is_empty() {
                return Ok(definitions);
            }
            // What was there before is no concern of theirs: definitions are never deleted.
            let method = Method::changing(server_side, true);
            let (_, result) = self
                .cluster
                .update(
                    &[],
                    &mut definitions,
                    method,
                    false,
                    &self.log,
                    &mut self.patience,
                )
                .await;
            result.during(|| "failed to update CustomResourceDefinition(s)".to_owned())?;
            return Ok(definitions);
        }
        let live = self.cluster.look_at(&definitions).await;
        let mut created = Vec::new();
        for (definition, live) in definitions.into_iter().zip(live) {
            let failed = || format!("failed to create CustomResourceDefinition {}", definition.name);
            let live = live.map_err(ApplyError::Look).during(failed)?;
            if live.is_some() {
                let message = format!(
                    "CustomResourceDefinition {} is already present. Skipping.",
                    definition.name
                );
                self.log.debug(&message, &[]);
                continue;
            }
            let mut one = [definition.clone()];
            let method = if server_side {
                Method::changing(true, false)
            } else {
                Method::creating(false)
            };
            match self
                .cluster
                .create(&mut one, method, &self.log, &mut self.patience)
                .await
            {
                Ok(()) => created.extend(one),
                // Somebody else was faster.
                Err(ApplyError::Refused(error)) if error.is_already_there() => {}
                Err(error) => return Err(error).during(failed),
            }
        }
        Ok(created)
    }
}

/// The kinds that a definition has served, as discovery names them.
fn kinds(definition: &Resource) -> Vec<String> {
    let spec = &definition.object["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, kind) = (text(&spec["group"]), text(&spec["names"]["kind"]));
    let versions = spec["versions"].as_array().into_iter().flatten();
    versions
        .filter(|version| version["served"] == true)
        .map(|version| format!("{group}/{}/{kind}", text(&version["name"])))
        .collect()
}

/// Whatever else lies in `crds/` is left alone.
fn is_definition(resource: &Resource) -> bool {
    let mapping = &resource.mapping;
    let is_definition =
        (&*mapping.group, &*mapping.kind) == ("apiextensions.k8s.io", "CustomResourceDefinition");
    if !is_definition {
        tracing::warn!(
            kind = mapping.kind,
            name = resource.name,
            "the chart's crds/ directory is reserved for CustomResourceDefinition objects, move others to templates/"
        );
    }
    is_definition
}
