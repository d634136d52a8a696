//! What is written down of a migration, and how somebody else goes on from it.
//!
//! A journal is a header and records, one JSON document a line. It says what was about to be done; whether it was done says the label in
//! the cluster. So any beginning of a journal is one to go on from, and even without a journal nothing is lost but what objects looked
//! like before.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Snapshot, Step};
use crate::Handle;

/// What is known of a migration from its beginning on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Its name.
    pub migration: String,
    /// The UID of the namespace `kube-system`, which tells clusters apart.
    pub cluster: String,
    /// The label that moves objects, as `key=value`.
    pub label: String,
    /// When it began.
    pub started: Timestamp,
    /// Who began it.
    pub by: String,
    /// The objects of each wave, in order.
    pub waves: Vec<Vec<Handle>>,
    /// Whether the labels come by commits, so that none is set in the cluster.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub via_git: bool,
}

impl Header {
    /// Returns the label as key and value.
    pub fn label(&self) -> (String, String) {
        let (key, value) = self.label.split_once('=').unwrap_or((&self.label, ""));
        (key.to_owned(), value.to_owned())
    }

    /// Returns all objects, in order.
    pub fn objects(&self) -> impl Iterator<Item = &Handle> {
        self.waves.iter().flatten()
    }
}

/// A step that is about to be taken, or that has ended the move of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// When, by the clock of whoever wrote it.
    pub at: Timestamp,
    /// Which record of the object it is, from one: clocks of two machines need not agree on what came first.
    #[serde(default)]
    pub number: u64,
    /// Of which object.
    pub object: Handle,
    /// The step.
    pub step: Step,
    /// What else has to be known to go on from here.
    #[serde(flatten)]
    pub facts: Facts,
}

/// What has to be known to go on with an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Facts {
    /// The request that the controller is to handle.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token: String,
    /// The value that the label had before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former: Option<String>,
    /// The revision that was applied before.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// How the move was proven, or why it was not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub proof: String,
    /// What all objects looked like before; nothing if it is too large for where the record is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Snapshot>,
    /// Why it ended like this.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// How far the move of an object has come, as far as a journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The step that was begun last.
    pub step: Step,
    /// When.
    pub at: Timestamp,
    /// How many records there were.
    pub number: u64,
    /// What was known.
    pub facts: Facts,
}

impl Progress {
    /// Returns the step to go on with, when the object carries the label now or does not.
    pub fn resume(progress: Option<&Self>, labelled: bool) -> Step {
        let Some(progress) = progress else {
            return if labelled { Step::Taken } else { Step::Guard };
        };
        match (progress.step, labelled) {
            (Step::Done, true) => Step::Done,
            (Step::Back, _) => Step::Back,
            // Whether the label was set before the end came, only the label says.
            (_, true) => Step::Taken,
            (_, false) => Step::Guard,
        }
    }
}

/// A journal that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// The migration.
    pub header: Header,
    /// How far each object has come.
    pub progress: BTreeMap<Handle, Progress>,
}

impl Journal {
    /// Begins a journal.
    pub const fn new(header: Header) -> Self {
        Self {
            header,
            progress: BTreeMap::new(),
        }
    }

    /// Reads the lines of a journal; one that was not written to its end is left out.
    ///
    /// Returns nothing if there is no header.
    pub fn read(text: &str) -> Option<Self> {
        let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let mut journal = Self::new(serde_json::from_str(lines.next()?).ok()?);
        for line in lines {
            // One that was cut off may be in the middle, when somebody has gone on behind it.
            if let Ok(record) = serde_json::from_str(line) {
                journal.note(record);
            }
        }
        Some(journal)
    }

    /// Takes note of a record. What a later one does not say, an earlier one has said.
    pub fn note(&mut self, record: Record) {
        let facts = match self.progress.remove(&record.object) {
            // A move that begins anew has nothing from before.
            Some(before) if record.step != Step::Guard => merge(before.facts, record.facts),
            _ => record.facts,
        };
        let progress = Progress {
            step: record.step,
            at: record.at,
            number: record.number,
            facts,
        };
        self.progress.insert(record.object, progress);
    }

    /// Adds what another copy of the same journal says, where that goes further.
    ///
    /// This one is that of the cluster, in which anybody may have gone on since; the other one may know what was too large for it.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        for (object, progress) in other.progress {
            match self.progress.get_mut(&object) {
                Some(known) if known.number >= progress.number => {
                    let is_same = known.facts.token == progress.facts.token;
                    if is_same && known.facts.snapshot.is_none() {
                        known.facts.snapshot = progress.facts.snapshot;
                    }
                }
                _ => {
                    self.progress.insert(object, progress);
                }
            }
        }
        self
    }

    /// Returns the number of the first wave that has not ended, from zero; the number of waves if all have.
    pub fn wave(&self) -> usize {
        let is_open = |object: &Handle| {
            self.progress
                .get(object)
                .is_none_or(|progress| !progress.step.is_end())
        };
        let waves = self.header.waves.iter();
        let ended = waves.take_while(|wave| !wave.iter().any(is_open));
        ended.count()
    }
}

fn merge(before: Facts, after: Facts) -> Facts {
    let text = |before: String, after: String| if after.is_empty() { before } else { after };
    Facts {
        token: text(before.token, after.token),
        former: after.former.or(before.former),
        revision: text(before.revision, after.revision),
        proof: text(before.proof, after.proof),
        snapshot: after.snapshot.or(before.snapshot),
        why: text(before.why, after.why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeployerKind;

    fn app(name: &str) -> Handle {
        Handle::new(DeployerKind::Kustomization, "apps", name)
    }

    fn header() -> Header {
        Header {
            migration: "m-1".to_owned(),
            cluster: "uid".to_owned(),
            label: "sharding.fluxcd.io/key=openflux".to_owned(),
            started: Timestamp::UNIX_EPOCH,
            by: "alice".to_owned(),
            waves: vec![vec![app("one")], vec![app("two")]],
            via_git: false,
        }
    }

    fn record(object: &str, step: Step, facts: Facts) -> Record {
        Record {
            at: Timestamp::UNIX_EPOCH,
            number: 1,
            object: app(object),
            step,
            facts,
        }
    }

    /// The journal of a move that went well, line by line.
    fn whole() -> Vec<String> {
        let mut lines = vec![serde_json::to_string(&header()).unwrap()];
        for object in ["one", "two"] {
            for step in &Step::ALL[..8] {
                let facts = match step {
                    Step::Guard => Facts {
                        token: "first".to_owned(),
                        ..Facts::default()
                    },
                    Step::Label => Facts {
                        token: "second".to_owned(),
                        snapshot: Some(Snapshot::default()),
                        ..Facts::default()
                    },
                    _ => Facts::default(),
                };
                lines.push(serde_json::to_string(&record(object, *step, facts)).unwrap());
            }
        }
        lines
    }

    #[test]
    fn any_beginning_of_a_journal_is_one_to_go_on_from() {
        let lines = whole();
        for end in 1..=lines.len() {
            let text = lines[..end].join("\n") + "\n";
            let journal = Journal::read(&text).unwrap();
            let progress = journal.progress.get(&app("one"));
            // Before the label was to be set nothing was done, and afterwards the label says whether it was.
            for labelled in [false, true] {
                let next = Progress::resume(progress, labelled);
                let expected = match (labelled, end) {
                    (false, _) => Step::Guard,
                    (true, ..9) => Step::Taken,
                    (true, _) => Step::Done,
                };
                assert_eq!(next, expected, "{end} lines, labelled: {labelled}");
            }
            // What has to be known afterwards was written before.
            if let Some(progress) = progress.filter(|progress| progress.step >= Step::Label) {
                assert_eq!(progress.facts.token, "second");
                assert!(progress.facts.snapshot.is_some());
            }
            let expected_wave = match end {
                ..9 => 0,
                9..17 => 1,
                _ => 2,
            };
            assert_eq!(journal.wave(), expected_wave, "{end} lines");
        }
    }

    #[test]
    fn a_line_that_was_not_written_to_its_end_does_not_count() {
        let lines = whole();
        let text = lines.join("\n");
        for end in lines[0].len() + 1..text.len() {
            if text.is_char_boundary(end) {
                let journal = Journal::read(&text[..end]).unwrap();
                assert!(journal.progress.len() <= 2);
            }
        }
        assert_eq!(Journal::read(&lines[0]), None);
        assert_eq!(Journal::read("nonsense\n"), None);
    }

    #[test]
    fn a_return_is_gone_on_with() {
        let mut journal = Journal::new(header());
        journal.note(record("one", Step::Back, Facts::default()));
        let progress = journal.progress.get(&app("one"));
        assert_eq!(Progress::resume(progress, true), Step::Back);
        assert_eq!(Progress::resume(progress, false), Step::Back);
        journal.note(record("one", Step::Returned, Facts::default()));
        let progress = journal.progress.get(&app("one"));
        assert_eq!(Progress::resume(progress, false), Step::Guard);
    }

    #[test]
    fn whoever_has_gone_on_counts_whatever_the_clocks_say() {
        let copy = |step: Step, number: u64, at: i64, facts: Facts| {
            let mut journal = Journal::new(header());
            journal.note(Record {
                at: Timestamp::from_second(at).unwrap(),
                number,
                ..record("one", step, facts)
            });
            journal
        };
        let token = |token: &str| Facts {
            token: token.to_owned(),
            ..Facts::default()
        };
        let step = |journal: Journal| journal.progress[&app("one")].step;
        // A clock that is a minute ahead said that it was being given back; somebody has gone on since.
        let (cluster, file) = (
            copy(Step::Done, 12, 1_000, token("b")),
            copy(Step::Back, 9, 1_060, token("a")),
        );
        assert_eq!(step(cluster.join(file)), Step::Done);
        // It was killed between the file and the cluster.
        let (cluster, file) = (
            copy(Step::Snapshot, 3, 1_000, token("a")),
            copy(Step::Label, 4, 940, token("a")),
        );
        assert_eq!(step(cluster.join(file)), Step::Label);
        let large = Facts {
            snapshot: Some(Snapshot::default()),
            ..token("a")
        };
        let joined = copy(Step::Taken, 5, 1_000, token("a")).join(copy(Step::Taken, 5, 1_000, large.clone()));
        assert!(joined.progress[&app("one")].facts.snapshot.is_some());
        let joined = copy(Step::Taken, 5, 1_000, token("b")).join(copy(Step::Taken, 5, 1_000, large));
        assert!(joined.progress[&app("one")].facts.snapshot.is_none());
    }

    #[test]
    fn a_move_that_begins_anew_has_nothing_from_before() {
        let mut journal = Journal::new(header());
        let facts = Facts {
            why: "it failed".to_owned(),
            snapshot: Some(Snapshot::default()),
            ..Facts::default()
        };
        journal.note(record("one", Step::Returned, facts));
        journal.note(record("one", Step::Guard, Facts::default()));
        assert_eq!(journal.progress[&app("one")].facts, Facts::default());
    }
}
