//! The steps from the label on: whether our controller has the object, and whether anything moved.

use std::time::{Duration, Instant};

use flux_fleet::moving::sight::{idle, taken};
use flux_fleet::moving::{Change, ChangeClass, Event, Sight, Snapshot};
use flux_fleet::text::count;
use flux_fleet::{Owner, State};

use super::flux::{Carried, LabelError, Waited};
use super::state::{Move, Mover, Via, elapsed, token};
use crate::cluster::CommandError;

/// How often a run is asked for when others write the object at the same time, and how long they have in between.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(250);

impl Move<'_> {
    pub(super) async fn taken(&mut self) -> Result<Event, CommandError> {
        let begun = Instant::now();
        if let Some(version) = self.held.take() {
            if let Some(event) = self.await_quiet(version).await? {
                return Ok(event);
            }
            // What asks for a run lets ours in.
            self.asks = true;
        }
        if std::mem::take(&mut self.asks) {
            self.ask_moved().await?;
        }
        let event = self.await_run().await?;
        self.told.taken_ms = Some(elapsed(begun));
        Ok(event)
    }

    /// Waits until our controller has ended the run that was asked for.
    pub(super) async fn await_run(&mut self) -> Result<Event, CommandError> {
        let Mover { flux, options, .. } = self.mover;
        let token = self.facts.token.clone();
        let waited = flux
            .wait(self.handle, options.timeout, |sight| {
                taken(sight, &token, options.include_suspended)
            })
            .await?;
        Ok(match waited {
            Waited::Now(sight) => {
                return Ok(self.arrived(&sight).await?.unwrap_or(Event::Well));
            }
            Waited::Never(why) | Waited::Late(why) => Event::Wrong(why),
            Waited::Gone => Event::Wrong("it was deleted".to_owned()),
        })
    }

    /// Takes note of the revision and the spec that are applied now. Those that are new may change objects as their author wants: what
    /// has changed is compared from there on, and what has not, with what was before.
    ///
    /// With labels that come from Git there is always a new revision, which has to bring the labels alone: then a change is what has gone
    /// wrong, and it is returned.
    pub(super) async fn arrived(&mut self, sight: &Sight) -> Result<Option<Event>, CommandError> {
        let revision = sight.subject.revision.clone();
        let is_new = self.is_new(sight);
        self.generation = Some(sight.subject.generation);
        self.told.revision.clone_from(&revision);
        if is_new && self.mover.options.via == Via::Git {
            self.facts.revision = revision;
            return self.compare_commit(sight).await;
        }
        if is_new {
            if let Some(seen) = &mut self.seen {
                seen.subject = sight.subject.clone();
            }
            let before = self.facts.snapshot.take();
            let salt = before.as_ref().map(|before| before.salt.clone());
            let look = self.look(salt.as_deref()).await?;
            self.facts.revision = revision;
            let is_same = |now: &Snapshot| {
                let before = before.as_ref();
                before.is_some_and(|before| before.len() == now.len() && before.changes(now).is_empty())
            };
            let is_changed = !look.as_ref().is_some_and(|look| is_same(&look.snapshot));
            self.facts.snapshot = look.map(|look| look.snapshot);
            if is_changed {
                self.note("a new revision or spec came during the move, and was compared from there on");
            }
        }
        Ok(None)
    }

    /// Compares what the commit with the labels has made with what was before it; gives what is wrong.
    async fn compare_commit(&mut self, sight: &Sight) -> Result<Option<Event>, CommandError> {
        if let Some(seen) = &mut self.seen {
            seen.subject = sight.subject.clone();
        }
        let Some(before) = self.facts.snapshot.clone() else {
            return Ok(None);
        };
        let Some(look) = self.look(Some(&before.salt)).await? else {
            return Ok(None);
        };
        self.told.compared = Some(before.len());
        let more = look.snapshot.objects.keys();
        let more = more.filter(|id| !before.objects.contains_key(*id)).count();
        let event = self.judge(&before, before.changes(&look.snapshot));
        let why = match event {
            Some(Event::Wrong(why)) => why,
            _ if more > 0 => format!("{} came", count(more, "object")),
            other => return Ok(other),
        };
        Ok(Some(Event::Wrong(format!(
            "{why}: something has changed with the commit or since it was proven; commit the labels alone"
        ))))
    }

    fn is_new(&self, sight: &Sight) -> bool {
        is_new(
            (&self.facts.revision, self.generation),
            (&sight.subject.revision, sight.subject.generation),
        )
    }

    /// Says whether a change is the work of a new revision or spec: then it is waited until that is applied, and what comes after is
    /// compared with that. Returns nothing if there is none.
    async fn renewed(&mut self) -> Result<Option<Event>, CommandError> {
        let Mover { flux, options, .. } = self.mover;
        let waited = flux
            .wait(self.handle, options.timeout, |sight| idle(sight, true))
            .await?;
        let wrong = |why: String| Ok(Some(Event::Wrong(why)));
        let sight = match waited {
            Waited::Now(sight) => sight,
            Waited::Never(why) | Waited::Late(why) => return wrong(why),
            Waited::Gone => return wrong("it was deleted".to_owned()),
        };
        if !self.is_new(&sight) {
            return Ok(None);
        }
        if !matches!(sight.owner, Owner::Openflux { .. }) {
            return wrong(format!("openflux has it no more, but {}", sight.owner));
        }
        if sight.subject.state == State::Failing {
            let subject = &sight.subject;
            return wrong(format!(
                "it fails with openflux: {}: {}",
                subject.reason, subject.message
            ));
        }
        Ok(Some(self.arrived(&sight).await?.unwrap_or(Event::Well)))
    }

    pub(super) async fn verify(&mut self) -> Result<Event, CommandError> {
        if let Some(event) = self.compare().await? {
            return Ok(event);
        }
        self.facts.token = token()?;
        self.ask_moved().await?;
        let event = self.await_run().await?;
        if event != Event::Well {
            return Ok(event);
        }
        Ok(self.compare().await?.unwrap_or(Event::Well))
    }

    /// Asks our controller for a run of an object that is moved: what this tool has set there stays, as long as the label is there.
    pub(super) async fn ask_moved(&self) -> Result<(), CommandError> {
        for _ in 0..ATTEMPTS {
            if self.try_to_ask().await? {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(CommandError::Usage(format!(
            "others write {} all the time, so that openflux could not be asked for a run",
            self.handle
        )))
    }

    /// Asks once, and says whether nobody wrote the object meanwhile.
    async fn try_to_ask(&self) -> Result<bool, CommandError> {
        let flux = &self.mover.flux;
        let Some(object) = flux.get(self.handle).await? else {
            return Ok(true);
        };
        let labels = object.metadata.labels.as_ref();
        let is_labelled = labels.and_then(|labels| labels.get(&flux.label.0)) == Some(&flux.label.1);
        if !is_labelled || object.data["spec"]["suspend"] == true {
            // Whoever took the label away wants it so, as the wait for the run says; and what is suspended handles no request.
            return Ok(true);
        }
        let Some(carried) = Carried::by(&object.metadata) else {
            // The label came from Git, or from somebody at a terminal.
            flux.ask(self.handle, &object, &self.facts.token).await?;
            return Ok(true);
        };
        let version = object.metadata.resource_version.clone().unwrap_or_default();
        match flux
            .set_label(self.handle, &version, &carried, Some(&self.facts.token))
            .await
        {
            Ok(_) | Err(LabelError::Owned(_)) => Ok(true),
            Err(LabelError::Conflict) => Ok(false),
            Err(LabelError::Other(error)) => Err(error),
        }
    }

    /// Compares with what was before; gives what is wrong.
    pub(super) async fn compare(&mut self) -> Result<Option<Event>, CommandError> {
        let Some(before) = self.facts.snapshot.clone() else {
            return Ok(None);
        };
        let Some(look) = self.look(Some(&before.salt)).await? else {
            return Ok(None);
        };
        self.told.compared = Some(before.len());
        let changes = before.changes(&look.snapshot);
        Ok(self.judge(&before, changes))
    }

    fn judge(&mut self, before: &Snapshot, changes: Vec<(String, Change)>) -> Option<Event> {
        let is_wrong =
            |change: &Change| change.class == ChangeClass::Moved || !self.mover.options.tolerate_foreign;
        let wrong = changes.iter().filter(|(_, change)| is_wrong(change)).count();
        self.told.changes = changes;
        (wrong > 0).then(|| {
            let what = format!("{} of {} changed", count(wrong, "object"), before.len());
            Event::Wrong(
                if self
                    .told
                    .changes
                    .iter()
                    .all(|(_, change)| change.class == ChangeClass::Foreign)
                {
                    format!("{what}, by others than Flux (--tolerate-foreign moves it all the same)")
                } else {
                    what
                },
            )
        })
    }

    pub(super) async fn soak(&mut self) -> Result<Event, CommandError> {
        let soak = self.mover.options.soak;
        let end = Instant::now() + soak;
        while let Some(before) = self.facts.snapshot.clone().filter(|_| !soak.is_zero()) {
            let Some(event) = self.watch(end, &before).await? else {
                self.told.soak_s = Some(soak.as_secs());
                break;
            };
            match self.renewed().await? {
                None => return Ok(event),
                Some(Event::Well) => self.told.changes.clear(),
                Some(other) => return Ok(other),
            }
        }
        Ok(Event::Well)
    }

    /// Goes on comparing until the end; gives what is wrong.
    async fn watch(&mut self, end: Instant, before: &Snapshot) -> Result<Option<Event>, CommandError> {
        while Instant::now() < end {
            let Some(look) = self.look(Some(&before.salt)).await? else {
                return Ok(None);
            };
            if let Some(event) = self.judge(before, before.changes(&look.snapshot)) {
                return Ok(Some(event));
            }
            let left = end
                .saturating_duration_since(Instant::now())
                .min(Duration::from_secs(25));
            let seconds = u32::try_from(left.as_secs().max(1)).unwrap_or(25);
            let begun = Instant::now();
            if let Ok(Some(change)) =
                tokio::time::timeout(left, self.mover.looker.watch_lists(&look.lists, seconds, before)).await
                && let Some(event) = self.judge(before, vec![change])
            {
                return Ok(Some(event));
            }
            // Watches that end at once are not asked for all the time.
            let rest = left.min(Duration::from_secs(1)).saturating_sub(begun.elapsed());
            tokio::time::sleep(rest).await;
        }
        self.compare().await
    }
}

/// Whether a revision or a generation is another than before; what is not known is not another.
fn is_new((revision, generation): (&str, Option<i64>), now: (&str, i64)) -> bool {
    !revision.is_empty() && revision != now.0 || generation.is_some_and(|generation| generation != now.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_commit_or_spec_is_told_from_the_same() {
        assert!(!is_new(("main@sha1:00", Some(3)), ("main@sha1:00", 3)));
        assert!(is_new(("main@sha1:00", Some(3)), ("main@sha1:01", 3)));
        assert!(is_new(("main@sha1:00", Some(3)), ("main@sha1:00", 4)));
        assert!(!is_new(("", None), ("main@sha1:00", 4)));
    }
}
