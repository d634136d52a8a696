//! The steps until an object carries the label.

use std::time::Instant;

use flux_fleet::carrier::{is_set_by_hand, label_managers};
use flux_fleet::moving::sight::guard;
use flux_fleet::moving::{Event, Readiness, Sight};
use flux_fleet::{DeployerKind, Owner, State};

use super::flux::{Carried, Flux, LabelError, Waited, whole_second};
use super::look::{Applied, Look};
use super::prove::{Proven, Seen};
use super::state::{Move, Mover, Via, elapsed};
use crate::cluster::CommandError;

/// Why an object whose label has come from Git too early is not one that has moved.
const EARLY: &str = "its label has come from Git before it was proven and known what it looked like: openflux has it, and nothing is \
                     compared. Look at it with openflux migrate verify, or revert the commit";

impl Move<'_> {
    pub(super) async fn guard(&mut self) -> Result<Event, CommandError> {
        let Mover { flux, options, .. } = self.mover;
        let begun = Instant::now();
        let owners = flux.owners().await?;
        let Some(object) = flux.get(self.handle).await? else {
            return Ok(Event::NotNow("it is not there any more".to_owned()));
        };
        let sight = Flux::sight(self.handle, &object, &owners)?;
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let via_git = options.via == Via::Git;
        if via_git && matches!(sight.owner, Owner::Openflux { .. }) {
            return Ok(Event::NotNow(EARLY.to_owned()));
        }
        // Nobody is asked for anything about an object that would not move.
        let handled = sight.handled.clone();
        if let Readiness::Never(why) = guard(&sight, &handled, options.include_suspended) {
            return Ok(Event::NotNow(why));
        }
        let mut labels = sight.subject.labels.clone();
        let former = labels.insert(flux.label.0.clone(), flux.label.1.clone());
        match owners.owner_with(self.handle, &labels) {
            Owner::Openflux { .. } => {}
            Owner::Nobody { why } => return Ok(Event::NotNow(format!("M119 {why}"))),
            other => return Ok(Event::NotNow(format!("M101 with the label it would be {other}"))),
        }
        let managers = label_managers(&object.metadata, &flux.label.0);
        let is_forced = is_set_by_hand(&managers);
        self.facts.former = former;
        let is_suspended = sight.subject.state == State::Suspended;
        if !is_suspended && !via_git {
            self.note_leaders(&sight.owner).await;
        }
        let idle = if is_suspended || via_git {
            Waited::Now(Box::new(sight))
        } else {
            flux.ask(self.handle, &object, &self.facts.token).await?;
            let token = self.facts.token.clone();
            flux.wait(self.handle, options.idle_timeout, |sight| {
                guard(sight, &token, options.include_suspended)
            })
            .await?
        };
        self.told.idle_ms = Some(elapsed(begun));
        match idle {
            Waited::Now(sight) => {
                self.facts.revision.clone_from(&sight.subject.revision);
                self.generation = Some(sight.subject.generation);
                let release = self.release().await?;
                self.seen = Some(Seen {
                    handle: self.handle.clone(),
                    generation: object.metadata.generation.unwrap_or_default(),
                    uid,
                    version: sight.version.clone(),
                    subject: sight.subject,
                    release,
                    is_forced,
                });
                Ok(Event::Well)
            }
            Waited::Never(why) | Waited::Late(why) => Ok(Event::NotNow(why)),
            Waited::Gone => Ok(Event::NotNow("it is not there any more".to_owned())),
        }
    }

    /// Namespace and name of the records of a release.
    pub(super) async fn release(&self) -> Result<Option<(String, String)>, CommandError> {
        if self.handle.kind != DeployerKind::HelmRelease {
            return Ok(None);
        }
        let Some(object) = self.mover.flux.get(self.handle).await? else {
            return Ok(None);
        };
        let status = &object.data["status"];
        let name = status["history"][0]["name"].as_str();
        let namespace = status["storageNamespace"]
            .as_str()
            .unwrap_or(&self.handle.key.namespace);
        Ok(name.map(|name| (namespace.to_owned(), name.to_owned())))
    }

    pub(super) async fn prove(&mut self) -> Event {
        let proven = match &self.seen {
            Some(seen) => self.mover.prover.prove(seen).await,
            None => Proven::Unknown("nothing was seen of it".to_owned()),
        };
        match proven {
            Proven::Identical(how) => {
                self.facts.proof.clone_from(&how);
                self.told.proof = how;
                Event::Well
            }
            Proven::Not(why) => Event::Wrong(why),
            Proven::NotNow(why) => Event::NotNow(why),
            Proven::Unknown(why) => {
                let how = format!("not proven: {why}");
                self.facts.proof.clone_from(&how);
                self.told.proof = how;
                Event::Well
            }
        }
    }

    pub(super) async fn snapshot(&mut self) -> Result<Event, CommandError> {
        let Some(look) = self.look(None).await? else {
            return Ok(Event::Well);
        };
        if let Some(first) = look.missing.first() {
            return Ok(Event::Wrong(format!(
                "M107 {} of its inventory not there, and would be made: {first}",
                match look.missing.len() {
                    1 => "1 object is".to_owned(),
                    number => format!("{number} objects are"),
                }
            )));
        }
        if self.mover.options.via == Via::Git {
            // What it looked like before is known only if it had no label until now.
            let owners = self.mover.flux.owners().await?;
            let Some(object) = self.mover.flux.get(self.handle).await? else {
                return Ok(Event::NotNow("it is not there any more".to_owned()));
            };
            let sight = Flux::sight(self.handle, &object, &owners)?;
            if !matches!(sight.owner, Owner::Stock { .. }) {
                return Ok(Event::NotNow(EARLY.to_owned()));
            }
        }
        self.told.compared = Some(look.snapshot.len());
        self.facts.snapshot = Some(look.snapshot);
        Ok(Event::Well)
    }

    /// Looks at what the object has applied; nothing if that is in another cluster.
    pub(super) async fn look(&self, salt: Option<&str>) -> Result<Option<Look>, CommandError> {
        let (subject, release) = if let Some(seen) = &self.seen {
            (seen.subject.clone(), seen.release.clone())
        } else {
            let Some(object) = self.mover.flux.get(self.handle).await? else {
                let why = format!("{} is not there any more", self.handle);
                return Err(CommandError::NotFound(why));
            };
            let owners = self.mover.flux.owners().await?;
            let sight = Flux::sight(self.handle, &object, &owners)?;
            (sight.subject, self.release().await?)
        };
        if subject.is_remote {
            return Ok(None);
        }
        let applied = Applied {
            handle: self.handle.clone(),
            entries: subject
                .inventory
                .iter()
                .flatten()
                .filter_map(|entry| Some((entry.object_id().ok()?, entry.version.clone())))
                .collect(),
            release,
        };
        let salt = salt.unwrap_or(&self.mover.salt);
        Ok(Some(self.mover.looker.look(&applied, salt).await?))
    }

    pub(super) async fn label(&mut self) -> Result<Event, CommandError> {
        let Mover { flux, options, .. } = self.mover;
        let Some(seen) = &self.seen else {
            return Ok(Event::Conflict);
        };
        if options.via == Via::Git {
            return self.arrive().await;
        }
        let carried = Carried {
            at: whole_second(),
            by: self.mover.by.clone(),
            from: self.facts.former.clone().unwrap_or_default(),
            is_forced: seen.is_forced,
            // Of what is suspended there is no run, neither stock's nor ours.
            is_held: seen.subject.state != State::Suspended,
        };
        let is_held = carried.is_held;
        match flux.set_label(self.handle, &seen.version, &carried, None).await {
            Ok(meta) => {
                self.held = meta.resource_version.filter(|_| is_held);
                Ok(Event::Well)
            }
            Err(LabelError::Conflict) => Ok(Event::Conflict),
            Err(LabelError::Owned(why)) => Ok(Event::Wrong(why)),
            Err(LabelError::Other(error)) => {
                // The answer may be lost and the label be set.
                let labelled = flux.get(self.handle).await?.filter(|object| {
                    let labels = object.metadata.labels.as_ref();
                    labels.and_then(|labels| labels.get(&flux.label.0)) == Some(&flux.label.1)
                });
                let Some(labelled) = labelled else {
                    return Err(error);
                };
                self.held = labelled.metadata.resource_version.filter(|_| is_held);
                Ok(Event::Well)
            }
        }
    }

    /// Waits until the label has come from Git, and asks for a run.
    pub(super) async fn arrive(&mut self) -> Result<Event, CommandError> {
        let Mover { flux, options, .. } = self.mover;
        let arrived = |sight: &Sight| {
            match &sight.owner {
            Owner::Openflux { .. } | Owner::Nobody { .. } => Readiness::Now,
            Owner::Contested { .. } => Readiness::Never(format!(
                "its label has come from Git, and it would be {}: revert the commit",
                sight.owner
            )),
            Owner::Stock { .. } => Readiness::Wait(
                "its label has not come from Git: commit and push it, wait until the parent has applied that, and go on"
                    .to_owned(),
            ),
        }
        };
        let mut waited = flux.wait(self.handle, options.arrival, arrived).await?;
        if matches!(&waited, Waited::Now(sight) if matches!(sight.owner, Owner::Nobody { .. })) {
            let has_owner = |sight: &Sight| match &sight.owner {
                Owner::Nobody { why } => Readiness::Wait(format!(
                    "its label has come from Git, and nobody has it: {why}. Revert the commit"
                )),
                _ => arrived(sight),
            };
            waited = flux.wait(self.handle, options.timeout, has_owner).await?;
        }
        match waited {
            Waited::Now(_) => {
                self.ask_moved().await?;
                Ok(Event::Well)
            }
            Waited::Never(why) | Waited::Late(why) => Ok(Event::NotNow(why)),
            Waited::Gone => Ok(Event::NotNow("it is not there any more".to_owned())),
        }
    }
}
