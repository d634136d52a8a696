//! The step back to stock.

use std::time::Instant;

use flux_api::ObjectKey;
use flux_fleet::moving::sight::{idle, returned};
use flux_fleet::moving::way_back::way_back;
use flux_fleet::moving::{Event, Return};
use flux_fleet::{Handle, Owner, Subject};

use super::flux::{Flux, Waited};
use super::state::{Move, Mover, elapsed};
use crate::cluster::CommandError;

impl Move<'_> {
    pub(super) async fn back(&mut self) -> Result<Event, CommandError> {
        let Mover { flux, options, .. } = self.mover;
        let begun = Instant::now();
        let owners = flux.owners().await?;
        let Some(object) = flux.get(self.handle).await? else {
            return Ok(Event::Well);
        };
        let sight = Flux::sight(self.handle, &object, &owners)?;
        if matches!(sight.owner, Owner::Openflux { .. }) {
            match flux
                .wait(self.handle, options.idle_timeout, |sight| idle(sight, true))
                .await?
            {
                Waited::Now(_) | Waited::Gone => {}
                Waited::Never(why) | Waited::Late(why) => {
                    return Ok(Event::NotNow(format!(
                        "{why}, so that it stays with openflux: try again when that has ended"
                    )));
                }
            }
        } else if sight.is_pending() {
            self.note(&format!(
                "its release is {}: stock unlocks it and tries the action again",
                sight.subject.release
            ));
        }
        // It may have been written while it was waited for.
        let Some(object) = flux.get(self.handle).await? else {
            return Ok(Event::Well);
        };
        let uid = object.metadata.uid.clone().unwrap_or_default();
        match way_back(&object.metadata, &flux.label) {
            Return::Nothing => {
                let owner = sight.owner;
                return Ok(match owner {
                    Owner::Nobody { why } => Event::Wrong(format!("nobody has it: {why}")),
                    _ => Event::Well,
                });
            }
            Return::Remove => flux.release(self.handle, &uid, None, &self.facts.token).await?,
            Return::Restore(former) => {
                flux.release(self.handle, &uid, Some(&former), &self.facts.token)
                    .await?;
            }
            Return::Strip => flux.strip(self.handle, &uid, &self.facts.token).await?,
            Return::InGit(_) if options.strip => flux.strip(self.handle, &uid, &self.facts.token).await?,
            Return::InGit(managers) => {
                let managers = managers.join(", ");
                return Ok(Event::NotNow(format!(
                    "its label is brought by {managers}: revert it there, or openflux migrate rollback --now {}",
                    self.handle
                )));
            }
        }
        let token = self.facts.token.clone();
        let waited = flux
            .wait(self.handle, options.timeout, |sight| returned(sight, &token))
            .await?;
        self.told.taken_ms = Some(elapsed(begun));
        self.told.idle_ms = None;
        Ok(match waited {
            Waited::Now(_) | Waited::Gone => Event::Well,
            Waited::Never(why) => Event::Wrong(why),
            Waited::Late(why) => self.late(why).await?,
        })
    }

    /// Says what it means that stock has not ended a run in time: it is stock's all the same, unless the label is there again.
    async fn late(&mut self, why: String) -> Result<Event, CommandError> {
        let flux = &self.mover.flux;
        let owners = flux.owners().await?;
        let Some(object) = flux.get(self.handle).await? else {
            return Ok(Event::Well);
        };
        let owner = Flux::sight(self.handle, &object, &owners)?.owner;
        let event = has_returned(&owner, &why);
        if event == Event::Well {
            self.note(&why);
        }
        Ok(event)
    }
}

fn has_returned(owner: &Owner, late: &str) -> Event {
    match owner {
        Owner::Stock { .. } | Owner::Contested { .. } => Event::Well,
        Owner::Openflux { .. } => Event::NotNow(format!(
            "{late}: it stays with openflux; find out who sets the label again, and try once more"
        )),
        Owner::Nobody { why } => Event::Wrong(format!("nobody has it: {why}")),
    }
}

/// The parent of an object, as its labels say.
pub(crate) fn parent_of(subject: &Subject) -> Option<Handle> {
    subject.parent.clone().filter(|parent| {
        let ObjectKey { namespace, name } = &parent.key;
        *parent != subject.handle && !namespace.is_empty() && !name.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_still_ours_has_not_returned() {
        let deployment = || "flux-system/d".to_owned();
        let stock = Owner::Stock {
            deployment: deployment(),
            stopped: false,
        };
        assert_eq!(has_returned(&stock, "late"), Event::Well);
        let ours = Owner::Openflux {
            deployment: deployment(),
        };
        assert!(
            matches!(has_returned(&ours, "late"), Event::NotNow(why) if why.contains("stays with openflux"))
        );
        let nobody = Owner::Nobody {
            why: "none".to_owned(),
        };
        assert!(matches!(has_returned(&nobody, "late"), Event::Wrong(_)));
    }
}
