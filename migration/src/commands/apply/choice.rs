//! Which objects move, in which waves: by names and labels, by a plan, or as a migration that is gone on with has it.

use std::collections::BTreeSet;

use flux_fleet::moving::report::Told;
use flux_fleet::moving::{Header, Journal, Step};
use flux_fleet::plan::MigrationPlan;
use flux_fleet::scan::{Class, Note, Verdict, Wave};
use flux_fleet::text::clean;
use flux_fleet::{Handle, Subject};
use jiff::Timestamp;
use kube::core::SelectorExt as _;

use super::args::{ApplyArgs, plan_file, via};
use crate::cluster::CommandError;
use crate::moving::setting::{self, Setting, Target, target};
use crate::moving::state::{Via, random};
use crate::moving::store::journals;
use crate::moving::waves::Numbered;

/// What is to move.
pub(super) struct Work {
    pub(super) header: Header,
    /// The waves that are to be gone through, without what is done.
    pub(super) waves: Vec<Numbered>,
    /// What was asked for and does not move.
    pub(super) left: Vec<Told>,
    /// What was asked for and has moved already.
    pub(super) already: Vec<Handle>,
    pub(super) plan: Option<MigrationPlan>,
}

/// What is left to be moved of a migration that is gone on with.
pub(super) fn resumed(journal: &Journal, plan: Option<MigrationPlan>, found: &[Verdict]) -> Work {
    let moved = moved(found);
    let is_done = |object: &Handle| {
        let progress = journal.progress.get(object);
        progress.is_some_and(|progress| progress.step == Step::Done) && moved.contains(object)
    };
    let mut waves = numbered(&journal.header.waves);
    for wave in &mut waves {
        wave.objects.retain(|object| !is_done(object));
    }
    Work {
        header: journal.header.clone(),
        waves,
        left: Vec::new(),
        already: Vec::new(),
        plan,
    }
}

impl Work {
    /// Leaves out objects and waves that are not meant now.
    pub(super) fn narrow(&mut self, args: &ApplyArgs, setting: &Setting) -> Result<(), CommandError> {
        let skipped = args.skip.iter().map(|object| handle(object, args, setting));
        let skipped: BTreeSet<Handle> = skipped.collect::<Result<_, _>>()?;
        for wave in &mut self.waves {
            wave.objects.retain(|object| !skipped.contains(object));
        }
        self.waves.retain(|wave| {
            let number = wave.number;
            let is_meant =
                args.wave.is_none_or(|only| only == number) && args.until.is_none_or(|last| number <= last);
            is_meant && !wave.objects.is_empty()
        });
        Ok(())
    }

    /// How many objects move.
    pub(super) fn moving(&self) -> usize {
        self.waves.iter().map(|wave| wave.objects.len()).sum()
    }
}

fn handle(word: &str, args: &ApplyArgs, setting: &Setting) -> Result<Handle, CommandError> {
    let namespace = args.namespace.as_deref().unwrap_or(&setting.cluster.namespace);
    match target(word, namespace) {
        Target::Object(handle) => Ok(handle),
        Target::Migration(word) => Err(CommandError::Usage(format!(
            "{word:?} names no object: write ks/NAME or hr/NAMESPACE/NAME"
        ))),
    }
}

/// Chooses what moves by what a scan says of it.
pub(super) fn choose(args: &ApplyArgs, setting: &Setting, found: &[Verdict]) -> Result<Work, CommandError> {
    let named: Result<BTreeSet<Handle>, _> = args
        .targets
        .iter()
        .map(|word| handle(word, args, setting))
        .collect();
    let named = named?;
    for handle in &named {
        if !found.iter().any(|verdict| verdict.object == *handle) {
            let unread = &setting.facts.world.unread;
            return Err(if unread.is_empty() {
                CommandError::NotFound(format!(
                    "there is no {handle}: openflux migrate scan says what there is, and -n where to look"
                ))
            } else {
                CommandError::Unread(unread.join("; "))
            });
        }
    }
    if named.is_empty() && args.selector.is_none() && !args.all {
        return Err(CommandError::Usage(
            "say what moves: names, -l SELECTOR, or --all; openflux migrate scan says what can".to_owned(),
        ));
    }
    let selector = args
        .selector
        .as_deref()
        .map(flux_api::selector::parse)
        .transpose()
        .map_err(|error| CommandError::Usage(format!("-l: {error}")))?;
    let subjects = Subject::all(&setting.facts.world);
    let is_meant = |verdict: &&Verdict| {
        if named.contains(&verdict.object) {
            return true;
        }
        let in_namespace = args
            .namespace
            .as_ref()
            .is_none_or(|namespace| *namespace == verdict.object.key.namespace);
        let labels = subjects.iter().find(|subject| subject.handle == verdict.object);
        let has_labels = || {
            let labels = labels.map(|subject| &subject.labels);
            match (&selector, labels) {
                (Some(selector), Some(labels)) => selector.matches(labels),
                _ => args.all,
            }
        };
        in_namespace && has_labels()
    };
    let mut waves = vec![Vec::new(); Wave::ALL.len()];
    let (mut left, mut already) = (Vec::new(), Vec::new());
    for verdict in found.iter().filter(is_meant) {
        let is_named = named.contains(&verdict.object);
        let is_root = verdict.wave == Wave::Roots && !args.include_roots;
        let why = match verdict.class {
            // The guard waits for what is not settled.
            Class::CanMove | Class::NotNow if is_root => {
                Some("M205 it applies Flux itself (--include-roots moves it all the same)".to_owned())
            }
            Class::CanMove | Class::NotNow => None,
            Class::Skipped if args.include_suspended => None,
            // What has moved needs no word.
            Class::Moved if !is_named => continue,
            Class::Moved => {
                already.push(verdict.object.clone());
                continue;
            }
            Class::Skipped => Some(format!(
                "{} (--include-suspended moves it all the same)",
                reasons(&verdict.notes)
            )),
            Class::Blocked | Class::Cannot => Some(reasons(&verdict.notes)),
        };
        if let Some(why) = why {
            left.push(Told {
                why,
                ..Told::new(verdict.object.clone(), Step::Skipped)
            });
        } else {
            let wave: &mut Vec<Handle> = &mut waves[verdict.wave.number() - 1];
            wave.push(verdict.object.clone());
        }
    }
    waves.retain(|wave| !wave.is_empty());
    let header = Header {
        migration: format!("{}-{}", Timestamp::now().strftime("%Y%m%d-%H%M%S"), random()?),
        cluster: setting.uid.clone(),
        label: format!("{}={}", setting.label.0, setting.label.1),
        started: Timestamp::now(),
        by: setting.by.clone(),
        waves,
        via_git: via(args) == Via::Git,
    };
    Ok(Work {
        waves: numbered(&header.waves),
        header,
        left,
        already,
        plan: None,
    })
}

/// What moves by a plan.
pub(super) fn planned(plan: MigrationPlan, args: &ApplyArgs, setting: &Setting) -> Work {
    let waves: Vec<Vec<Handle>> = plan
        .waves()
        .into_iter()
        .map(|number| plan.wave(number).map(|planned| planned.object.clone()).collect())
        .collect();
    let left = plan.objects.iter().filter(|planned| planned.wave.is_none());
    let left = left.map(|planned| {
        let codes: Vec<_> = planned.findings.iter().map(|finding| &*finding.code).collect();
        Told {
            why: codes.join(", "),
            ..Told::new(planned.object.clone(), Step::Skipped)
        }
    });
    let header = Header {
        migration: plan.id.clone(),
        cluster: setting.uid.clone(),
        label: format!("{}={}", plan.label.key, plan.label.value),
        started: Timestamp::now(),
        by: setting.by.clone(),
        waves,
        via_git: via(args) == Via::Git,
    };
    Work {
        waves: numbered(&header.waves),
        header,
        left: left.collect(),
        already: Vec::new(),
        plan: Some(plan),
    }
}

/// Refuses a plan that somebody has begun to carry out.
pub(super) async fn refuse_begun(setting: &Setting, plan: &MigrationPlan) -> Result<(), CommandError> {
    let journals = journals(&setting.cluster.client, &setting.home).await?;
    if journals.iter().any(|journal| journal.header.migration == plan.id) {
        return Err(CommandError::Usage(format!(
            "plan {} has been begun already: --resume goes on with it",
            plan.id
        )));
    }
    Ok(())
}

/// Reads the plan, if one is named.
pub(super) fn read_plan(args: &ApplyArgs) -> Result<Option<MigrationPlan>, CommandError> {
    let Some(file) = plan_file(args) else {
        return Ok(None);
    };
    let narrows = args.selector.is_some() || args.all || args.namespace.is_some() && args.skip.is_empty();
    if narrows && !args.resume {
        return Err(CommandError::Usage(
            "a plan says which objects move: leave out -l, --all and -n, or make a plan of fewer objects; --skip leaves single ones out"
                .to_owned(),
        ));
    }
    setting::read_plan(file).map(Some)
}

/// Refuses a plan that is about another label than the one that moves objects here.
pub(super) fn is_label(plan: &MigrationPlan, (key, value): &(String, String)) -> Result<(), CommandError> {
    if plan.label.key == *key && plan.label.value == *value {
        return Ok(());
    }
    Err(CommandError::Usage(format!(
        "the plan is about the label {}={}, and the one that moves objects here is {key}={value}: openflux migrate plan makes a new one",
        clean(&plan.label.key),
        clean(&plan.label.value)
    )))
}

fn numbered(waves: &[Vec<Handle>]) -> Vec<Numbered> {
    let waves = waves.iter().enumerate();
    let waves = waves.map(|(at, objects)| Numbered {
        number: at + 1,
        objects: objects.clone(),
    });
    waves.collect()
}

fn reasons(notes: &[Note]) -> String {
    let notes: Vec<_> = notes
        .iter()
        .map(|note| format!("{} {}", note.code, note.why))
        .collect();
    notes.join("; ")
}

fn moved(found: &[Verdict]) -> BTreeSet<Handle> {
    let moved = found.iter().filter(|verdict| verdict.class == Class::Moved);
    moved.map(|verdict| verdict.object.clone()).collect()
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};
    use serde_json::json;

    use super::*;

    fn plan() -> serde_json::Value {
        json!({
            "apiVersion": flux_fleet::API_VERSION, "kind": "MigrationPlan", "id": "p",
            "created": "2026-01-01T00:00:00Z", "cluster": {}, "versions": {},
            "label": {"key": "k", "value": "v"}, "objects": [],
        })
    }

    #[test]
    fn a_plan_is_carried_out_as_it_is() {
        let file = std::env::temp_dir().join(format!("openflux-plan-{}.json", std::process::id()));
        std::fs::write(&file, plan().to_string()).unwrap();
        let read = |words: &[&str]| {
            let words = [&["apply", file.to_str().unwrap()], words].concat();
            let matches = ApplyArgs::augment_args(Command::new("apply"))
                .try_get_matches_from(words)
                .unwrap();
            read_plan(&ApplyArgs::from_arg_matches(&matches).unwrap())
        };
        assert_eq!(read(&[]).unwrap().unwrap().id, "p");
        for refused in [&["-l", "a=b"][..], &["--all"], &["-n", "apps"]] {
            let why = read(refused).unwrap_err().to_string();
            assert!(why.contains("a plan says which objects move"), "{why}");
        }
        assert!(read(&["-n", "apps", "--skip", "ks/a"]).is_ok());
        assert!(read(&["-n", "apps", "--resume"]).is_ok());
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_plan_is_about_one_label() {
        let plan = MigrationPlan::read(&plan().to_string()).unwrap();
        let label = |value: &str| ("k".to_owned(), value.to_owned());
        assert!(is_label(&plan, &label("v")).is_ok());
        let why = is_label(&plan, &label("other")).unwrap_err().to_string();
        assert!(why.contains("k=v") && why.contains("k=other"), "{why}");
    }
}
