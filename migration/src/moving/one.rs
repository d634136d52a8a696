//! The way of one object, step by step.

use flux_fleet::Handle;
use flux_fleet::moving::journal::Facts;
use flux_fleet::moving::report::Told;
use flux_fleet::moving::step::next;
use flux_fleet::moving::{Ending, Event, HELD_SINCE, Next, Progress, Step};

use super::flux::said;
use super::state::{Move, Mover, News, Via, token};
use crate::cluster::CommandError;

impl Mover {
    /// Begins with an object.
    pub(crate) fn begin<'a>(&'a self, handle: &'a Handle) -> Move<'a> {
        Move {
            mover: self,
            handle,
            facts: Facts::default(),
            told: Told::new(handle.clone(), Step::Guard),
            seen: None,
            generation: None,
            asks: false,
            held: None,
            leaders: None,
            is_unknown: false,
        }
    }
}

/// How far an object has come.
pub(crate) enum Walked<'a> {
    /// To its end.
    Ended(Box<Told>, Ending),
    /// All is known that has to be known before its label.
    Ready(Box<Move<'a>>),
}

impl<'a> Move<'a> {
    /// Moves the object, or goes on with that, or takes it back when the way begins with [`Step::Back`]; halts before its label if that
    /// is asked for.
    pub(crate) async fn walk(mut self, from: Option<Step>, halts: bool) -> Walked<'a> {
        match self.run(from, halts).await {
            Ok(Some(ending)) => Walked::Ended(Box::new(self.told), ending),
            Ok(None) => Walked::Ready(Box::new(self)),
            Err(error) => {
                // Nothing more can be done here: the label says who has it.
                self.told.why = said(&error);
                Walked::Ended(Box::new(self.told), Ending::Stopped)
            }
        }
    }

    /// Gives how it has ended; nothing if it halts before the label.
    async fn run(&mut self, from: Option<Step>, halts: bool) -> Result<Option<Ending>, CommandError> {
        let mut step = match from {
            Some(step) => step,
            None => self.begin().await?,
        };
        let mut ending = Ending::Done;
        if step == Step::Taken && self.is_unknown {
            // It has an owner and goes on, but nobody can say that nothing has changed.
            self.note("it carried the label before it was known what it looked like, so that nothing was compared with that");
            ending = Ending::Skipped;
        }
        if from.is_none() && step == Step::Back {
            // It was given back for a reason, and whoever goes on with that hears it.
            if self.facts.why.is_empty() {
                self.note("it was being given back when the run before ended");
            }
            self.told.why.clone_from(&self.facts.why);
            ending = Ending::Stopped;
        }
        let mut conflicts = 0;
        loop {
            self.told.step = step;
            match step {
                Step::Guard => {
                    self.facts = Facts {
                        token: token()?,
                        ..Facts::default()
                    };
                }
                Step::Label | Step::Back => self.facts.token = token()?,
                _ => {}
            }
            if let Some(store) = &self.mover.store {
                store.write(self.handle, step, &self.facts).await?;
            }
            if step.is_end() {
                return Ok(Some(ending));
            }
            if halts && step == Step::Label {
                return Ok(None);
            }
            let news = News {
                object: self.handle.clone(),
                doing: match (step, self.mover.options.via) {
                    (Step::Label, Via::Git) => "waiting for its label to come from Git",
                    _ => step.doing(),
                },
            };
            // Nobody listens any more when the run was interrupted.
            let _ = self.mover.news.send(news);
            let event = match self.take(step).await {
                Ok(event) => event,
                Err(error) => Event::Wrong(said(&error)),
            };
            match next(step, event, conflicts) {
                Next::Go(following) => {
                    conflicts += usize::from(step == Step::Label && following == Step::Guard);
                    step = following;
                }
                Next::Skip(why) => {
                    ending = ending.max(Ending::Skipped);
                    self.note(&why);
                    step = Step::Skipped;
                }
                Next::Stop(why) => {
                    self.note(&why);
                    ending = ending.max(Ending::Stopped);
                    if step == Step::Back {
                        return Ok(Some(ending));
                    }
                    step = Step::Skipped;
                }
                Next::Return(why) => {
                    self.note(&why);
                    ending = ending.max(Ending::Stopped);
                    if self.mover.options.keep_failed {
                        self.facts
                            .why
                            .push_str("; it stays with openflux (--keep-failed)");
                        self.told.why.clone_from(&self.facts.why);
                        return Ok(Some(ending));
                    }
                    step = Step::Back;
                }
                Next::Lost(why) => {
                    self.note(&why);
                    return Ok(Some(Ending::Lost));
                }
            }
        }
    }

    /// Says with which step to go on, by the journal and the label.
    async fn begin(&mut self) -> Result<Step, CommandError> {
        let progress = self
            .mover
            .store
            .as_ref()
            .and_then(|store| store.progress(self.handle));
        let Some(object) = self.mover.flux.get(self.handle).await? else {
            return Ok(Step::Guard);
        };
        let (key, value) = &self.mover.flux.label;
        let labels = object.metadata.labels.as_ref();
        let labelled = labels.and_then(|labels| labels.get(key)) == Some(value);
        let step = Progress::resume(progress.as_ref(), labelled);
        if let Some(progress) = progress.filter(|_| step != Step::Guard) {
            self.facts = progress.facts;
        }
        if step == Step::Taken {
            let is_remote = object.data["spec"]["kubeConfig"].is_object();
            self.is_unknown = self.facts.snapshot.is_none() && !is_remote;
            // Whether the request was made is not known, and one more does no harm.
            self.facts.token = token()?;
            self.asks = true;
            let annotations = object.metadata.annotations.as_ref();
            let is_held = annotations.is_some_and(|annotations| annotations.contains_key(HELD_SINCE));
            self.held = object.metadata.resource_version.filter(|_| is_held);
        }
        Ok(step)
    }

    async fn take(&mut self, step: Step) -> Result<Event, CommandError> {
        match step {
            Step::Guard => self.guard().await,
            Step::Prove => Ok(self.prove().await),
            Step::Snapshot => self.snapshot().await,
            Step::Label => self.label().await,
            Step::Taken => self.taken().await,
            Step::Verify => self.verify().await,
            Step::Soak => self.soak().await,
            Step::Back => self.back().await,
            Step::Done | Step::Returned | Step::Skipped => Ok(Event::Well),
        }
    }
}
