//! The moment between stock and ours: whether stock has begun a run of an object before it was told of the label.
//!
//! Stock reads objects from a cache, and writes their status on no condition. So a run that it began right before the label goes on
//! behind it, and nothing that is asked of the API server can keep it from that. But ours lets the object be as long as it is told to
//! ([`HELD_SINCE`](flux_fleet::moving::HELD_SINCE)), so that whatever is written meanwhile is stock's, and its end is waited for. What
//! remains is a stock controller that has read an object and says nothing of it for longer than is waited here.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use flux_fleet::Owner;
use flux_fleet::moving::Event;
use flux_fleet::moving::sight::{at_work, heard};

use super::flux::{Carried, Flux, LabelError, Waited};
use super::leaders::leaders;
use super::state::{Move, Mover, News};
use crate::cluster::CommandError;

/// For how long nobody may have written an object before ours is let in.
const QUIET: Duration = Duration::from_secs(1);

/// For how long if stock was started anew meanwhile: it begins a run of all objects at once, and is slow to say so.
const QUIET_ANEW: Duration = Duration::from_secs(5);

/// How long stock is waited for at most: it does not find an object in its cache any more that carries the label, so that the end of what
/// it began may never be said.
const LONGEST: Duration = Duration::from_secs(30);

/// After how long ours is told anew to wait, which it does for half a minute otherwise.
const RENEW: Duration = Duration::from_secs(10);

impl Move<'_> {
    /// Takes note of who leads the controllers of whoever has an object.
    pub(super) async fn note_leaders(&mut self, owner: &Owner) {
        self.leaders = match owner {
            Owner::Stock { deployment, .. } => {
                let now = self.leaders_of(deployment).await;
                Some((deployment.clone(), now))
            }
            _ => None,
        };
    }

    async fn leaders_of(&self, deployment: &str) -> BTreeSet<String> {
        let controller = self.handle.kind.controller();
        leaders(&self.mover.flux.client, deployment, controller).await
    }

    /// Whether stock was started anew since that was taken note of.
    async fn is_started_anew(&self) -> bool {
        match &self.leaders {
            Some((deployment, before)) => self.leaders_of(deployment).await != *before,
            None => false,
        }
    }

    /// Waits until stock is done with an object that carries the label since it was at `version`, and that ours lets be; gives what is
    /// wrong.
    pub(super) async fn await_quiet(&mut self, mut version: String) -> Result<Option<Event>, CommandError> {
        let Mover { flux, options, .. } = self.mover;
        let end = Instant::now() + options.timeout.min(LONGEST);
        let news = News {
            object: self.handle.clone(),
            doing: "waiting until stock is done with it",
        };
        // Nobody listens any more when the run was interrupted.
        let _ = self.mover.news.send(news);
        let (mut quiet, mut told) = (QUIET, Instant::now());
        let mut was_at_work = false;
        loop {
            let waited = flux
                .wait(self.handle, quiet, |sight| heard(sight, &version))
                .await?;
            let (sight, is_written) = match waited {
                // It is listened to once more.
                Waited::Now(sight) => (*sight, true),
                Waited::Late(_) => {
                    let Some(object) = flux.get(self.handle).await? else {
                        return Ok(Some(Event::Wrong("it was deleted".to_owned())));
                    };
                    let sight = Flux::sight(self.handle, &object, &flux.owners().await?)?;
                    let is_written = sight.version != version;
                    (sight, is_written)
                }
                Waited::Never(why) => return Ok(Some(Event::Wrong(why))),
                Waited::Gone => return Ok(Some(Event::Wrong("it was deleted".to_owned()))),
            };
            version.clone_from(&sight.version);
            let busy = at_work(&sight);
            was_at_work |= busy.is_some();
            let busy = busy.or_else(|| is_written.then(|| "it is written all the time".to_owned()));
            match busy {
                None => {
                    if quiet == QUIET_ANEW || !self.is_started_anew().await {
                        break;
                    }
                    quiet = QUIET_ANEW;
                    self.note("stock was started anew meanwhile, and had time to see the label");
                }
                Some(why) if Instant::now() >= end => {
                    self.note(&format!(
                        "stock has not said that it ended what it began before it saw the label ({why}), and was waited for long enough"
                    ));
                    break;
                }
                Some(_) => {}
            }
            if told.elapsed() >= RENEW {
                version = self.hold_on(version).await?;
                told = Instant::now();
            }
        }
        if was_at_work {
            self.note("stock had begun a run of it before it saw the label, which was waited for");
        }
        Ok(None)
    }

    /// Tells ours to go on letting an object be; gives its version.
    async fn hold_on(&self, version: String) -> Result<String, CommandError> {
        let flux = &self.mover.flux;
        let Some(object) = flux.get(self.handle).await? else {
            return Ok(version);
        };
        let Some(carried) = Carried::by(&object.metadata) else {
            return Ok(version);
        };
        let carried = Carried {
            is_held: true,
            ..carried
        };
        match flux.set_label(self.handle, &version, &carried, None).await {
            Ok(meta) => Ok(meta.resource_version.unwrap_or_default()),
            // Whatever it was is looked at next.
            Err(LabelError::Conflict | LabelError::Owned(_)) => Ok(version),
            Err(LabelError::Other(error)) => Err(error),
        }
    }
}
