//! Making what is wanted: the list of outputs, then one after the other, each unless it is offered already.

use std::sync::Arc;

use artifact_crd::{GROUP, TRANSFORMATION_KIND};
use artifact_producer::Owner;
use artifact_producer::publish::names;
use controller_kit::events::Severity;
use flux_api::REQUESTED_AT;
use flux_transform::spec::OnNone;
use flux_transform::{Inputs, Wanted, build, outputs};

use crate::controller::Controller;
use crate::failure::{Failure, Fate};
use crate::heavy::Waits;
use crate::inputs::Snapshot;
use crate::kind::{OutputStatus, Status, Transformation, is_first};
use crate::report::{Outcome, brief};
use crate::said::{Common, key};

impl Controller {
    /// Makes and offers all outputs, and puts into `outcome` what becomes of each as soon as it is known.
    #[expect(clippy::too_many_arguments, reason = "everything that is known about a run")]
    pub(crate) async fn make(
        &self,
        found: &Transformation,
        owner: &Owner,
        before: &Status,
        snapshot: &Snapshot,
        is_requested: bool,
        waits: &Waits,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let inputs = Arc::new(self.files(snapshot, is_requested).await?);
        let (spec, from, digests) = (found.spec.clone(), Arc::clone(&inputs), snapshot.digests());
        let listing = self.heavy(waits, "the list of the outputs", move |work| {
            let wanted = outputs(&spec, &from, work)?.into_iter();
            let keyed = wanted.map(|wanted| (wanted.key(&from, |name| digests.get(name).cloned()), wanted));
            Ok::<Vec<_>, flux_transform::Failure>(keyed.collect())
        });
        let wanted = listing.await?.0.map_err(|failure| Failure::from(&failure))?;
        let is_empty_by_choice = found
            .spec
            .discover
            .as_ref()
            .is_some_and(|discover| discover.on_none == OnNone::Empty);
        if wanted.is_empty() && is_empty_by_choice && !before.outputs.is_empty() && !is_requested {
            let message = format!(
                "discover.pattern matches nothing any more; {} artifacts stay until somebody asks with the annotation {REQUESTED_AT}",
                before.outputs.len()
            );
            return Err(Failure::new(Fate::Edit, "NothingMatched", message));
        }
        let common = Common {
            owner,
            metadata: found.spec.common_metadata.as_ref(),
            snapshot,
            waits,
            bare_capture_labels: found
                .spec
                .discover
                .as_ref()
                .is_some_and(|discover| discover.bare_capture_labels),
        };
        outcome.outputs = Some(Vec::new());
        for (at, (build_key, wanted)) in wanted.into_iter().enumerate() {
            let name = wanted.name.clone().unwrap_or_else(|| default_name(owner));
            let is_first = is_first(&found.spec, at);
            let known = before.outputs.iter().find(|output| output.artifact_name == name);
            let key = key(&build_key, &common, &wanted, is_first);
            let one = self.one(found, &common, wanted, &name, is_first, key, known, &inputs);
            let output = match one.await {
                Ok((output, is_changed)) => {
                    if is_changed {
                        outcome.changed.push(name);
                    }
                    output
                }
                Err(failure) => {
                    // What it offered stays, and the others go on.
                    let mut output = known.cloned().unwrap_or_else(|| OutputStatus {
                        artifact_name: name,
                        ..OutputStatus::default()
                    });
                    output.failure = Some(brief(&failure.message));
                    outcome.failures.push(failure);
                    output
                }
            };
            outcome.outputs.get_or_insert_default().push(output);
        }
        let made = outcome.outputs.iter().flatten();
        let keep: Vec<_> = made.map(|output| output.artifact_name.as_str()).collect();
        match self.withdraw(owner, &keep).await {
            Ok(gone) => {
                for name in gone {
                    let message = format!("artifact {name} is not wanted any more, and was removed");
                    self.record(found, Severity::Info, "OutputRemoved", &message, &[]);
                }
            }
            Err(failure) => outcome.failures.push(failure),
        }
        Ok(())
    }

    /// Makes and offers one output, unless it is offered already.
    #[expect(
        clippy::too_many_arguments,
        reason = "everything that is known about an output"
    )]
    async fn one(
        &self,
        found: &Transformation,
        common: &Common<'_>,
        wanted: Wanted,
        name: &str,
        is_first: bool,
        key: String,
        known: Option<&OutputStatus>,
        inputs: &Arc<Inputs>,
    ) -> Result<(OutputStatus, bool), Failure> {
        if let Some(known) = known.filter(|known| known.build_key == key)
            && self.is_intact(common.owner, known).await
        {
            return Ok((known.clone(), false));
        }
        let wanted = Arc::new(wanted);
        let (what, from) = (Arc::clone(&wanted), Arc::clone(inputs));
        let said = format!("the build of output {name}");
        let memo = Arc::clone(&self.memo);
        let building = self.heavy(common.waits, &said, move |work| {
            build(&what, &from, &work.clone().remembering(memo))
        });
        let (built, permit) = building.await?;
        let built = built.map_err(|failure| Failure::from(&failure))?;
        let warnings = built.warnings.clone();
        let (output, is_changed) = self
            .offer(common, &wanted, name, is_first, (built, permit), key, known)
            .await?;
        if is_changed {
            for warning in warnings {
                let message = format!("output {name}: {warning}");
                self.record(found, Severity::Info, "BuildWarning", &message, &[]);
            }
        }
        Ok((output, is_changed))
    }
}

/// The name of the Artifact of an output that has none.
fn default_name(owner: &Owner) -> String {
    let [name, _] = names(GROUP, TRANSFORMATION_KIND, &owner.namespace, &owner.name);
    name
}
