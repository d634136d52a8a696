//! `openflux migrate plan`: what can move, proven by our controller, in which order, and the way back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum as _};
use flux_api::selector;
use flux_fleet::doctor::Facts;
use flux_fleet::git::{Changes, Repository, label};
use flux_fleet::plan::{Asked, ClusterId, MigrationPlan, Versions, WaveBy, plan as make};
use flux_fleet::scan::{Class, verdicts};
use flux_fleet::status::flux_version;
use flux_fleet::text::clean;
use flux_fleet::{Handle, Subject};
use flux_proof::{Answer, Name, Prover};
use jiff::Timestamp;
use kube::core::SelectorExt as _;

use super::Outcome;
use super::refresh::refresh;
use crate::checkout;
use crate::cluster::{
    Cluster, CommandError, ConnectArgs, Controller, Format, LocalArgs, ScopeArgs, ShadowArgs, StyleArgs,
    duration, facts as read_facts, print_lines, tell_what_is_missing,
};

/// Which objects, in which order, and what becomes of the plan.
#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    /// The objects, as ks/NAME, hr/NAME or with the namespace ks/NAMESPACE/NAME; all if none is named.
    #[arg(value_name = "OBJECT")]
    objects: Vec<String>,
    /// Objects with these labels.
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// How objects of the same risk are put into waves: size, namespace, or label=KEY.
    #[arg(long, value_name = "HOW", default_value = "size", value_parser = wave_by)]
    wave_by: WaveBy,
    /// Plan objects that apply Flux itself too; they move last.
    #[arg(long)]
    include_roots: bool,
    /// Ask stock for a run of each object first, so that it has read what changed since its last one, such as variables. That is the
    /// one thing that a plan writes: the annotation of flux reconcile.
    #[arg(long)]
    refresh: bool,
    /// How long such a run may take.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m", requires = "refresh")]
    timeout: Duration,
    /// A checkout of the repository that defines the objects: the plan says where in it their labels go.
    #[arg(long, value_name = "DIR")]
    git: Option<PathBuf>,
    /// table, json, yaml or markdown; or a file, such as plan.json, into which the plan is written.
    #[arg(short, long, value_name = "FORMAT|FILE", default_value = "table")]
    output: String,
    /// End with 0 even if objects cannot move.
    #[arg(long)]
    exit_zero: bool,
    #[command(flatten)]
    style: StyleArgs,
    #[command(flatten)]
    local: LocalArgs,
    #[command(flatten)]
    shadow: ShadowArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

fn wave_by(text: &str) -> Result<WaveBy, String> {
    match (text, text.strip_prefix("label=")) {
        ("size", _) => Ok(WaveBy::Size),
        ("namespace", _) => Ok(WaveBy::Namespace),
        (_, Some(key)) if !key.is_empty() => Ok(WaveBy::Label(key.to_owned())),
        _ => Err("write size, namespace or label=KEY".to_owned()),
    }
}

/// Where a plan goes.
enum Target {
    Printed(Format),
    File(PathBuf),
}

fn target(text: &str) -> Result<Target, CommandError> {
    match Format::from_str(text, false) {
        Ok(format @ (Format::Table | Format::Json | Format::Yaml | Format::Markdown)) => {
            Ok(Target::Printed(format))
        }
        Err(_) if text.contains(['.', '/']) => Ok(Target::File(PathBuf::from(text))),
        _ => Err(CommandError::Usage(format!(
            "migrate plan has no -o {text}: it has table, json, yaml and markdown, or a file such as plan.json"
        ))),
    }
}

pub(crate) async fn plan(args: &PlanArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let target = target(&args.output)?;
    let cluster = args.connect.connect().await?;
    let mut facts = read_facts(&cluster, false).await?;
    tell_what_is_missing(&facts);
    let uid = cluster_uid(&facts)?;
    let objects = chosen(args, &cluster, &facts)?;
    if args.refresh {
        let candidates = candidates(&facts, &objects);
        let tell = |line: &str| say(&format!("{line}\n"));
        refresh(&cluster, facts.label(), &candidates, args.timeout, tell).await;
        facts = read_facts(&cluster, false).await?;
    }
    let pods = facts.pods.as_ref().map(Vec::as_slice).unwrap_or_default();
    let (answers, version) = match candidates(&facts, &objects) {
        empty if empty.is_empty() => (BTreeMap::new(), String::new()),
        candidates => {
            let controller = match args.local.start(&args.connect, &facts).await? {
                Some(controller) => controller,
                None => Controller::find(&args.shadow, &args.connect, pods).await?,
            };
            let answers = prove(&controller, candidates).await?;
            (answers, controller.version)
        }
    };
    let places = match &args.git {
        Some(path) => Some(places(path, &facts, &objects)?),
        None => None,
    };
    let asked = Asked {
        cluster: ClusterId {
            uid,
            server: cluster.server.clone(),
            context: cluster.context.clone(),
        },
        versions: Versions {
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            controller: version,
            flux: flux_version(&facts.world).unwrap_or_default(),
            kubernetes: facts.world.kubernetes.clone(),
        },
        now: Timestamp::now(),
        objects: Some(objects),
        wave_by: args.wave_by.clone(),
        include_roots: args.include_roots,
    };
    let plan = make(&facts, &answers, places.as_ref(), &asked);
    show(args, &plan, &target, out)?;
    let is_stuck = |class| !matches!(class, Class::CanMove | Class::Moved | Class::Skipped);
    let has_findings = !plan.unread.is_empty() || plan.objects.iter().any(|object| is_stuck(object.verdict));
    Ok(if has_findings && !args.exit_zero {
        Outcome::Finding
    } else {
        Outcome::Done
    })
}

fn show(
    args: &PlanArgs,
    plan: &MigrationPlan,
    target: &Target,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    match target {
        Target::File(path) => {
            let text = serde_json::to_string_pretty(plan)
                .map_err(|error| CommandError::Document(error.to_string()))?;
            fs::write(path, text + "\n")?;
            let style = args.style.printer(Format::Table).style;
            print_lines(out, plan.lines(style, Some(&path.display().to_string())))
        }
        Target::Printed(format) => {
            let printer = args.style.printer(*format);
            if *format == Format::Markdown {
                print_lines(out, plan.markdown())?;
            } else if !printer.document(out, plan)? {
                print_lines(out, plan.lines(printer.style, None))?;
            }
            Ok(())
        }
    }
}

/// The uid that tells this cluster from others.
fn cluster_uid(facts: &Facts) -> Result<String, CommandError> {
    let namespaces = facts.namespaces.as_ref();
    let namespaces = namespaces.map_err(|why| {
        CommandError::NotFound(format!(
            "clusters cannot be told apart without their namespaces: {why}"
        ))
    })?;
    let mut uids = namespaces
        .iter()
        .filter(|namespace| namespace.metadata.name.as_deref() == Some("kube-system"))
        .filter_map(|namespace| namespace.metadata.uid.clone());
    uids.next()
        .ok_or_else(|| CommandError::NotFound("the cluster has no namespace kube-system".to_owned()))
}

/// The objects that are asked for.
fn chosen(args: &PlanArgs, cluster: &Cluster, facts: &Facts) -> Result<BTreeSet<Handle>, CommandError> {
    let subjects = Subject::all(&facts.world);
    if !args.objects.is_empty() {
        let namespace = args.scope.one(cluster);
        let mut chosen = BTreeSet::new();
        for text in &args.objects {
            let handle =
                Handle::parse(text, &namespace).map_err(|error| CommandError::Usage(error.to_string()))?;
            if subjects.iter().all(|subject| subject.handle != handle) {
                return Err(CommandError::NotFound(format!("there is no {handle}")));
            }
            chosen.insert(handle);
        }
        return Ok(chosen);
    }
    let wanted = match &args.selector {
        None => None,
        Some(text) => {
            let parsed = selector::parse(text);
            Some(parsed.map_err(|error| CommandError::Usage(format!("-l {text}: {error}")))?)
        }
    };
    let namespace = args.scope.namespace.as_deref();
    Ok(subjects
        .into_iter()
        .filter(|subject| namespace.is_none_or(|only| subject.handle.key.namespace == only))
        .filter(|subject| {
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted.matches(&subject.labels))
        })
        .map(|subject| subject.handle)
        .collect())
}

/// The objects about which a proof has something to say.
fn candidates(facts: &Facts, objects: &BTreeSet<Handle>) -> Vec<Handle> {
    verdicts(facts)
        .into_iter()
        .filter(|verdict| objects.contains(&verdict.object))
        .filter(|verdict| matches!(verdict.class, Class::CanMove | Class::NotNow | Class::Blocked))
        .map(|verdict| verdict.object)
        .collect()
}

/// Has our controller compare the objects.
async fn prove(
    controller: &Controller,
    objects: Vec<Handle>,
) -> Result<BTreeMap<Handle, Answer>, CommandError> {
    let all = objects.len();
    let (mut answers, mut progress) = (BTreeMap::new(), Progress::new(all, &controller.version));
    let names = objects.iter().map(Name::from).collect();
    controller
        .shadow(names, false, |mut answer| {
            if let Some(proof) = answer.proof.as_mut().filter(|_| controller.is_local) {
                proof.by = Prover::Local;
            }
            if let Ok(handle) = Handle::try_from(&answer.object) {
                progress.answered(&handle, &answer);
                answers.insert(handle, answer);
            }
        })
        .await?;
    progress.end();
    Ok(answers)
}

/// Says on standard error how far it is: one line that changes on a terminal, a line for each object elsewhere.
struct Progress {
    is_terminal: bool,
    head: String,
    done: usize,
    all: usize,
}

impl Progress {
    fn new(all: usize, version: &str) -> Self {
        let progress = Self {
            is_terminal: std::io::stderr().is_terminal(),
            head: format!(
                "proving {all} objects with openflux-controller {}",
                clean(version)
            ),
            done: 0,
            all,
        };
        if !progress.is_terminal {
            say(&format!("{}\n", progress.head));
        }
        progress
    }

    fn answered(&mut self, handle: &Handle, answer: &Answer) {
        self.done += 1;
        if self.is_terminal {
            say(&format!("\r{} ... {}/{}", self.head, self.done, self.all));
            return;
        }
        let said = match &answer.proof {
            Some(proof) => format!("{}/{}", proof.counts.identical, proof.counts.compared),
            None => "not compared".to_owned(),
        };
        say(&format!("{} {said}\n", clean(&handle.to_string())));
    }

    fn end(&self) {
        if self.is_terminal {
            say("\n");
        }
    }
}

fn say(text: &str) {
    // Whoever closes standard error wants no progress.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Where in a checkout the labels go.
fn places(path: &Path, facts: &Facts, objects: &BTreeSet<Handle>) -> Result<Changes, CommandError> {
    let (checkout, _) = checkout::read(path)?;
    let repository = Repository::starting_at(&checkout, None);
    let paths: Vec<_> = Subject::all(&facts.world)
        .into_iter()
        .map(|subject| subject.path)
        .collect();
    let cluster = repository.cluster_at(&paths).ok_or_else(|| {
        CommandError::NotFound(
            "the checkout has no folder that a Kustomization of this cluster begins with".to_owned(),
        )
    })?;
    let objects: Vec<_> = objects.iter().cloned().collect();
    let (key, value) = facts.label();
    Ok(label(&checkout, &repository, cluster, &objects, (&key, &value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_printed_or_goes_into_a_file() {
        assert!(matches!(target("table"), Ok(Target::Printed(Format::Table))));
        assert!(matches!(target("json"), Ok(Target::Printed(Format::Json))));
        assert!(matches!(target("web.json"), Ok(Target::File(_))));
        assert!(matches!(target("./web"), Ok(Target::File(_))));
        assert!(target("name").is_err());
        assert!(target("jsn").is_err());
    }

    #[test]
    fn waves_are_asked_for_in_words() {
        assert_eq!(wave_by("size"), Ok(WaveBy::Size));
        assert_eq!(wave_by("label=team"), Ok(WaveBy::Label("team".to_owned())));
        assert!(wave_by("label=").is_err());
        assert!(wave_by("risk").is_err());
    }
}
