//! The steps of a move, and what follows on what.

use serde::{Deserialize, Serialize};

/// A step of the move of one object. Each is written down before it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Wait until stock has just ended a run.
    Guard,
    /// Prove that ours would change nothing.
    Prove,
    /// Look at all that was applied.
    Snapshot,
    /// Set the label.
    Label,
    /// Wait until ours has ended a run.
    Taken,
    /// Compare, and compare again after a second run.
    Verify,
    /// Go on comparing for a while.
    Soak,
    /// It has moved.
    Done,
    /// Take the label away, and wait until stock has ended a run.
    Back,
    /// It is with stock again, and why is written down.
    Returned,
    /// It was not touched, and why is written down.
    Skipped,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
        Self::Guard,
        Self::Prove,
        Self::Snapshot,
        Self::Label,
        Self::Taken,
        Self::Verify,
        Self::Soak,
        Self::Done,
        Self::Back,
        Self::Returned,
        Self::Skipped,
    ];

    /// Returns whether nothing more is to be done.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::Returned | Self::Skipped)
    }

    /// Returns what is being waited for, for people.
    pub const fn doing(self) -> &'static str {
        match self {
            Self::Guard => "waiting for stock to end a run",
            Self::Prove => "proving",
            Self::Snapshot => "looking at what was applied",
            Self::Label => "setting the label",
            Self::Taken => "waiting for openflux to end a run",
            Self::Verify => "comparing",
            Self::Soak => "watching",
            Self::Back => "giving back to stock",
            Self::Done | Self::Returned | Self::Skipped => "",
        }
    }
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is as it has to be for the next step.
    Well,
    /// Stock is not idle, and did not become so in time; or the object is none that moves.
    NotNow(String),
    /// It is not as it has to be.
    Wrong(String),
    /// Somebody else has written the object since it was looked at.
    Conflict,
}

/// What follows on a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another step.
    Go(Step),
    /// The object stays where it is, and others may go on.
    Skip(String),
    /// The object stays where it is, and no other is begun.
    Stop(String),
    /// The object returns, and no other is begun.
    Return(String),
    /// Nobody knows who has the object, or it has no one: it could not be put right.
    Lost(String),
}

/// How often the label is tried to be set when others write the object at the same time.
pub const MAX_CONFLICTS: usize = 5;

/// Says what follows on a step with this outcome; `conflicts` were there before.
///
/// Before the label is set, the object is with stock and stays there; afterwards it returns.
pub fn next(step: Step, event: Event, conflicts: usize) -> Next {
    use Next::{Go, Lost, Return, Skip, Stop};
    match (step, event) {
        (Step::Guard, Event::Well) => Go(Step::Prove),
        (Step::Prove, Event::Well) => Go(Step::Snapshot),
        (Step::Snapshot, Event::Well) => Go(Step::Label),
        (Step::Label, Event::Well) => Go(Step::Taken),
        (Step::Taken, Event::Well) => Go(Step::Verify),
        (Step::Verify, Event::Well) => Go(Step::Soak),
        (Step::Soak, Event::Well) => Go(Step::Done),
        (Step::Back, Event::Well) => Go(Step::Returned),
        (Step::Label, Event::Conflict) if conflicts < MAX_CONFLICTS => Go(Step::Guard),
        (Step::Label, Event::Conflict) => {
            Stop("others write the object all the time, so that the label could not be set".to_owned())
        }
        (Step::Guard, Event::NotNow(why) | Event::Wrong(why)) | (Step::Prove, Event::NotNow(why)) => {
            Skip(why)
        }
        (Step::Prove, Event::Wrong(why))
        | (Step::Snapshot | Step::Label, Event::NotNow(why) | Event::Wrong(why)) => Stop(why),
        (Step::Taken | Step::Verify | Step::Soak, Event::NotNow(why) | Event::Wrong(why)) => Return(why),
        // Ours is in the middle of an action of Helm: the object stays with it.
        (Step::Back, Event::NotNow(why)) => Stop(why),
        (Step::Back, Event::Wrong(why)) => Lost(why),
        // Only the label is set on the condition that nobody wrote; others look again.
        (step, Event::Conflict) => Go(step),
        (step @ (Step::Done | Step::Returned | Step::Skipped), _) => Go(step),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_well_until_it_is_done() {
        let mut step = Step::Guard;
        let mut steps = Vec::new();
        while !step.is_end() {
            steps.push(step);
            let Next::Go(following) = next(step, Event::Well, 0) else {
                panic!("{step:?} does not go on");
            };
            step = following;
        }
        assert_eq!(step, Step::Done);
        assert_eq!(steps, Step::ALL[..7]);
    }

    #[test]
    fn what_goes_wrong_leaves_the_object_wholly_with_one() {
        let wrong = || Event::Wrong("why".to_owned());
        let why = || "why".to_owned();
        for (step, expected) in [
            (Step::Guard, Next::Skip(why())),
            (Step::Prove, Next::Stop(why())),
            (Step::Snapshot, Next::Stop(why())),
            (Step::Label, Next::Stop(why())),
            (Step::Taken, Next::Return(why())),
            (Step::Verify, Next::Return(why())),
            (Step::Soak, Next::Return(why())),
            (Step::Back, Next::Lost(why())),
        ] {
            assert_eq!(next(step, wrong(), 0), expected, "{step:?}");
            let not_now = match step {
                Step::Prove => Next::Skip(why()),
                Step::Back => Next::Stop(why()),
                _ => expected,
            };
            assert_eq!(next(step, Event::NotNow(why()), 0), not_now, "{step:?}");
        }
    }

    #[test]
    fn a_conflict_begins_anew_and_not_for_ever() {
        assert_eq!(next(Step::Label, Event::Conflict, 0), Next::Go(Step::Guard));
        assert!(matches!(
            next(Step::Label, Event::Conflict, MAX_CONFLICTS),
            Next::Stop(_)
        ));
    }
}
