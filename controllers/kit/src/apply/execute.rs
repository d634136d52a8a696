//! Carrying a plan out.

use super::engine::{Applier, ApplyOptions, Mode, Patience};
use super::interrupt::{ANSWER, Interrupt};
use super::memory::ApplyMemory;
use super::plan::{Plan, Planned, Step};
use super::verify::ATTEMPTS;
use super::{Action, ApplyError, Entry};
use crate::object::{Subject, metadata_text, resource_version};
use crate::ownership::owned_hash;
use crate::rest::{RestError, Seen};

/// A version that no object has: what is applied over it exists nowhere yet, or the apply is a conflict.
const NO_VERSION: &str = "1";

impl Applier<'_> {
    /// Does what a plan says, in its order, and appends to `entries` what became of each object.
    ///
    /// An object that somebody else has written since it was planned is planned anew; so is one that was to be created
    /// without a dry-run and was refused, for then it depends on what is there. The slot is given up while an
    /// object that is recreated goes away, and while the API server does not answer.
    ///
    /// # Errors
    /// An object that is rejected in spite of its dry-run ends the stage after those before it were applied; so does what
    /// ends planning, for an object whose apply is its own dry-run. What has been planned is not given up half-way.
    pub async fn carry_out(
        &self,
        plan: Plan,
        options: ApplyOptions,
        memory: &mut ApplyMemory,
        interrupt: &mut Interrupt<'_>,
        entries: &mut Vec<Entry>,
    ) -> Result<(), ApplyError> {
        for mut item in plan.items {
            let mut attempt = 1;
            // Until there is an answer it may exist or not, and whoever writes down what there is has to know of it.
            let mut in_doubt = matches!(item.step, Step::CreateDirectly);
            if in_doubt {
                entries.push(item.entry(Action::Unchanged));
            }
            let entry = loop {
                let last = attempt == ATTEMPTS;
                match self.execute(&mut item, last, options, memory, interrupt).await {
                    Err(error) if !last && (error.is_overtaken() || (in_doubt && error.is_answer())) => {
                        attempt += 1;
                        if in_doubt && error.is_refusal() {
                            entries.pop();
                            in_doubt = false;
                        }
                        let patience = Patience::begin(options);
                        let verifying = Box::pin(self.verify(item, options));
                        item = match interrupt.answer(verifying, patience.deadline()).await? {
                            Some(verified) => verified?,
                            None => return Err(patience.is_over(0, 1)),
                        };
                    }
                    other => break other?,
                }
            };
            if in_doubt {
                entries.pop();
            }
            entries.push(entry);
        }
        Ok(())
    }

    /// Does one step; `regardless` of what others have written since it was planned, where stock pays no heed to it
    /// at all.
    async fn execute(
        &self,
        item: &mut Planned,
        regardless: bool,
        options: ApplyOptions,
        memory: &mut ApplyMemory,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<Entry, ApplyError> {
        let action = item.step.action();
        let mut expected = None;
        match &item.step {
            Step::Skip => {
                memory.forget(&item.id);
                return Ok(item.entry(action));
            }
            Step::Keep { owned } => {
                if let Some(owned) = owned {
                    memory.remember(item.id.clone(), item.desired, *owned);
                }
                return Ok(item.entry(action));
            }
            Step::Create => {}
            Step::CreateDirectly => expected = Some(NO_VERSION.to_owned()),
            Step::Change {
                version,
                cleanup: None,
                ..
            }
            | Step::ChangeDirectly { version } => expected = Some(version.clone()),
            Step::Change {
                cleanup: Some(patch), ..
            } => {
                let path = item.path();
                let cleaning = self.rest.json_patch(&path, self.manager(), patch);
                let cleaned = interrupt.end_of(cleaning).await;
                let cleaned = cleaned.map_err(|source| ApplyError::CleanUp {
                    id: item.id.clone(),
                    source: self.discreet(item, source),
                })?;
                expected = Some(resource_version(&cleaned).to_owned());
            }
            Step::Recreate { uid, version } => {
                let seen = Seen {
                    uid,
                    resource_version: version,
                };
                let making_room = self.make_room(item, seen, options.timeout);
                let what = format!("the end of {}, which is recreated", Subject(&item.id));
                interrupt.slot.on(what).park(making_room).await?;
            }
        }
        let mode = match &expected {
            Some(version) if !regardless => Mode::If { version },
            _ => Mode::Always,
        };
        let applied = match item.step {
            Step::Recreate { .. } => {
                let creating = self.create_anew(item);
                interrupt.slot.on(ANSWER).park(creating).await
            }
            // It has not been planned, and is written only if it is what was known of it, now or never.
            Step::CreateDirectly | Step::ChangeDirectly { .. } => {
                let patience = Patience::begin(options);
                let applying = self.send(item, mode);
                let applied = interrupt.answer(applying, patience.deadline()).await?;
                applied.ok_or_else(|| patience.is_over(0, 1))?
            }
            _ => interrupt.end_of(self.send(item, mode)).await,
        };
        let applied = match applied {
            Ok(applied) => applied,
            Err(source) => return Err(self.apply_error(item, source)),
        };
        self.live.learn(&item.mapping, &applied);
        if item.mapping.kind == "CustomResourceDefinition" {
            self.mapper.invalidate().await;
        }
        let owned = owned_hash(&applied, self.live.managers());
        memory.remember(item.id.clone(), item.desired, owned);
        Ok(item.entry(match &item.step {
            Step::ChangeDirectly { version } if version == resource_version(&applied) => Action::Unchanged,
            // It was deleted in the meantime.
            Step::Change { uid, .. } if uid != metadata_text(&applied, "uid") => Action::Created,
            _ => action,
        }))
    }

    fn apply_error(&self, item: &Planned, source: RestError) -> ApplyError {
        let (id, source) = (item.id.clone(), self.discreet(item, source));
        match item.step {
            // Nothing of its stage has been applied before it.
            Step::CreateDirectly | Step::ChangeDirectly { .. } => ApplyError::dry_run(id, source),
            _ => ApplyError::Apply { id, source },
        }
    }
}
