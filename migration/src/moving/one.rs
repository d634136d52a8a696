//! The way of one object, step by step.

use flux_fleet::Handle;
use flux_fleet::moving::journal::Facts;
use flux_fleet::moving::report::Told;
use flux_fleet::moving::step::next;
use flux_fleet::moving::{Ending, Event, Next, Progress, Step};

use super::flux::said;
use super::state::{Move, Mover, News, Via, token};
use crate::cluster::CommandError;

impl Mover {
    /// Moves an object, or goes on with that, or takes it back when the way begins with [`Step::Back`].
    pub(crate) async fn walk(&self, handle: &Handle, from: Option<Step>) -> (Told, Ending) {
        let mut walk = Move {
            mover: self,
            handle,
            facts: Facts::default(),
            told: Told::new(handle.clone(), Step::Guard),
            seen: None,
            generation: None,
            asks: false,
        };
        match walk.run(from).await {
            Ok(ending) => (walk.told, ending),
            Err(error) => {
                // Nothing more can be done here: the label says who has it.
                walk.told.why = said(&error);
                (walk.told, Ending::Stopped)
            }
        }
    }
}

impl Move<'_> {
    async fn run(&mut self, from: Option<Step>) -> Result<Ending, CommandError> {
        let mut step = match from {
            Some(step) => step,
            None => self.begin().await?,
        };
        let mut ending = Ending::Done;
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
                return Ok(ending);
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
                        return Ok(ending);
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
                        return Ok(ending);
                    }
                    step = Step::Back;
                }
                Next::Lost(why) => {
                    self.note(&why);
                    return Ok(Ending::Lost);
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
            // Whether the request was made is not known, and one more does no harm.
            self.facts.token = token()?;
            self.asks = true;
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
