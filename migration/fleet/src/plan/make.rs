//! From what was read and what was proven to a plan.

use std::collections::{BTreeMap, BTreeSet};

use flux_proof::{Answer, Finding};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest as _, Sha256};

use super::data::{Carrier, ClusterId, KIND, Label, MigrationPlan, PlannedObject, Versions};
use super::waves::{Candidate, WaveBy, waves};
use crate::doctor::Facts;
use crate::git::Changes;
use crate::scan::{Class, Note, Verdict, Wave, verdicts};
use crate::{API_VERSION, Handle, Subject};

/// What a plan is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The cluster.
    pub cluster: ClusterId,
    /// Who takes part.
    pub versions: Versions,
    /// Now.
    pub now: Timestamp,
    /// The objects; all if there are none.
    pub objects: Option<BTreeSet<Handle>>,
    /// How they are put into waves.
    pub wave_by: WaveBy,
    /// Whether objects that apply Flux itself move too.
    pub include_roots: bool,
}

impl Asked {
    /// Returns whether an object is asked for.
    pub fn has(&self, handle: &Handle) -> bool {
        self.objects.as_ref().is_none_or(|asked| asked.contains(handle))
    }
}

/// Makes a plan of what was read of a cluster, of what was answered about its objects, and of where a checkout has their labels.
pub fn plan(
    facts: &Facts,
    answers: &BTreeMap<Handle, Answer>,
    places: Option<&Changes>,
    asked: &Asked,
) -> MigrationPlan {
    let subjects = Subject::all(&facts.world);
    let subjects: BTreeMap<&Handle, &Subject> = subjects
        .iter()
        .map(|subject| (&subject.handle, subject))
        .collect();
    let judged: Vec<_> = verdicts(facts)
        .into_iter()
        .filter(|verdict| asked.has(&verdict.object))
        .map(|verdict| {
            let (class, findings) = judge(&verdict, answers.get(&verdict.object), asked);
            (verdict, class, findings)
        })
        .collect();
    let candidates = judged
        .iter()
        .filter(|(_, class, _)| *class == Class::CanMove)
        .filter_map(|(verdict, ..)| {
            Some(Candidate {
                subject: subjects.get(&verdict.object)?,
                risk: verdict.wave,
                size: verdict.objects,
            })
        })
        .collect();
    let order = waves(candidates, &asked.wave_by);
    let position: BTreeMap<&Handle, (usize, u32)> = order
        .iter()
        .enumerate()
        .map(|(at, (handle, wave))| (handle, (at, *wave)))
        .collect();
    let mut objects: Vec<_> = judged
        .into_iter()
        .map(|(verdict, class, findings)| {
            let subject = subjects.get(&verdict.object);
            let inventory = subject.and_then(|subject| subject.inventory.as_ref());
            let inventory = inventory.into_iter().flatten().map(|entry| entry.id.clone());
            PlannedObject {
                uid: subject.map(|subject| subject.uid.clone()).unwrap_or_default(),
                generation: subject.map(|subject| subject.generation).unwrap_or_default(),
                verdict: class,
                wave: position.get(&verdict.object).map(|(_, wave)| *wave),
                findings,
                proof: answers
                    .get(&verdict.object)
                    .and_then(|answer| answer.proof.clone()),
                carrier: places.and_then(|places| carrier(places, &verdict.object)),
                former_label: verdict.label.filter(|_| class != Class::Moved),
                inventory: inventory.collect(),
                object: verdict.object,
            }
        })
        .collect();
    objects.sort_by_cached_key(|object| {
        let at = position.get(&object.object).map_or(usize::MAX, |(at, _)| *at);
        (at, object.verdict, object.object.clone())
    });
    let (key, value) = facts.label();
    MigrationPlan {
        api_version: API_VERSION.to_owned(),
        kind: KIND.to_owned(),
        id: id(asked, &objects),
        created: Time(whole_second(asked.now)),
        cluster: asked.cluster.clone(),
        versions: asked.versions.clone(),
        label: Label { key, value },
        objects,
        unread: facts.world.unread.clone(),
    }
}

/// Says whether an object can move, by what a scan says and by what was proven.
fn judge(verdict: &Verdict, answer: Option<&Answer>, asked: &Asked) -> (Class, Vec<Finding>) {
    let proven: &[Finding] = answer.map_or(&[], |answer| &answer.findings);
    let of_scan = verdict.notes.iter().map(finding);
    // What was looked at more closely says more.
    let of_scan = of_scan.filter(|note| proven.iter().all(|finding| finding.code != note.code));
    let mut findings: Vec<Finding> = of_scan.chain(proven.iter().cloned()).collect();
    if verdict.class == Class::Moved {
        return (Class::Moved, findings);
    }
    let is_open = verdict.class == Class::CanMove && findings.iter().all(Finding::is_remark);
    if is_open && !answer.is_some_and(Answer::is_proven) {
        let why = match answer {
            None => "it was not compared",
            Some(_) => "what was compared does not add up",
        };
        findings.push(Finding::new("M120", why));
    }
    let worst = findings
        .iter()
        .filter_map(|finding| class_of(&finding.code))
        .max_by_key(|class| weight(*class));
    let mut class = match worst {
        Some(worst) if weight(worst) > weight(verdict.class) => worst,
        _ => verdict.class,
    };
    if class == Class::CanMove && verdict.wave == Wave::Roots && !asked.include_roots {
        class = Class::Skipped;
    }
    // What keeps it from moving is said first.
    findings.sort_by_key(Finding::is_remark);
    (class, findings)
}

fn finding(note: &Note) -> Finding {
    Finding::new(note.code, note.why.as_str())
}

/// What a code that a proof may give means for an object; nothing if it is a remark.
pub(super) fn class_of(code: &str) -> Option<Class> {
    match code {
        "M103" => Some(Class::Skipped),
        "M104" | "M112" | "M201" => Some(Class::NotNow),
        "M101" | "M106" | "M107" | "M108" | "M109" | "M113" | "M114" | "M115" | "M119" => {
            Some(Class::Blocked)
        }
        "M102" | "M105" | "M110" | "M111" | "M116" | "M118" | "M120" => Some(Class::Cannot),
        _ => None,
    }
}

const fn weight(class: Class) -> u8 {
    match class {
        Class::CanMove => 0,
        Class::Skipped => 1,
        Class::NotNow => 2,
        Class::Blocked => 3,
        Class::Cannot => 4,
        Class::Moved => 5,
    }
}

fn carrier(places: &Changes, object: &Handle) -> Option<Carrier> {
    if let Some(place) = places.labelled.iter().find(|place| place.object == *object) {
        return Some(Carrier {
            kind: place.carrier.to_owned(),
            file: place.file.clone(),
            line: Some(place.line),
            why: place.why.clone(),
        });
    }
    if places.done.contains(object) {
        return Some(Carrier {
            kind: "git".to_owned(),
            ..Carrier::default()
        });
    }
    let unplaced = places.unplaced.iter().find(|place| place.object == *object)?;
    Some(Carrier {
        kind: "producer".to_owned(),
        why: unplaced.why.clone(),
        ..Carrier::default()
    })
}

/// Names a plan by what is in it.
fn id(asked: &Asked, objects: &[PlannedObject]) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    };
    add(&asked.cluster.uid);
    add(&asked.now.to_string());
    for object in objects {
        add(&object.object.to_string());
        add(&object.uid);
        add(object.proof.as_ref().map_or("", |proof| proof.inputs.as_str()));
    }
    let hash = hash.finalize();
    let start = hash.iter().take(6);
    start.fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
