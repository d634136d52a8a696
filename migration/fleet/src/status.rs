//! `status`: one screen about controllers, sources, what is deployed, and what fails.

use std::collections::BTreeMap;

use flux_api::{Arguments, controller_container};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube_core::ResourceExt;
use serde::Serialize;

use crate::artifacts::is_mirror;
use crate::owner::OPENFLUX;
use crate::text::{Sign, Style, Table, Tone, age, clean, count, shorten};
use crate::{API_VERSION, DeployerKind, Handle, Owner, Owners, State, Subject, World};

/// The most failures that are shown.
const SHOWN: usize = 20;

/// What there is and how it is doing.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    api_version: &'static str,
    kind: &'static str,
    /// Version of the API server.
    kubernetes: String,
    /// Version of Flux, as the labels of its Deployments have it.
    flux: Option<String>,
    controllers: Vec<Controller>,
    sources: Numbers,
    artifacts: Artifacts,
    kustomizations: Numbers,
    helm_releases: Numbers,
    /// What fails, longest first.
    failing: Vec<Failure>,
    /// What has no owner, or two.
    unowned: Vec<Unowned>,
    /// What could not be read.
    unread: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Controller {
    name: String,
    wanted: i32,
    ready: i32,
    version: String,
    /// Its `--watch-label-selector`; empty for everything.
    selector: String,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Numbers {
    total: usize,
    ready: usize,
    failing: usize,
    progressing: usize,
    suspended: usize,
    /// By owner; empty for sources.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    owners: BTreeMap<&'static str, usize>,
}

#[derive(Clone, Debug, Serialize)]
struct Artifacts {
    total: usize,
    mirrors: usize,
    others: usize,
}

#[derive(Clone, Debug, Serialize)]
struct Failure {
    object: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'static str>,
    reason: String,
    message: String,
}

#[derive(Clone, Debug, Serialize)]
struct Unowned {
    object: Handle,
    #[serde(flatten)]
    owner: Owner,
}

impl Status {
    /// Sums up a cluster.
    pub fn of(world: &World) -> Self {
        let owners = Owners::of(world);
        let subjects = Subject::all(world);
        let owned: Vec<_> = subjects
            .iter()
            .map(|subject| (subject, owners.owner(subject)))
            .collect();
        let numbers = |kind: DeployerKind| {
            let mut numbers = Numbers::default();
            for (subject, owner) in owned.iter().filter(|(subject, _)| subject.handle.kind == kind) {
                numbers.add(subject.state);
                *numbers.owners.entry(owner.as_str()).or_default() += 1;
            }
            numbers
        };
        let mut sources = Numbers::default();
        for source in &world.sources {
            sources.add(match source.ready() {
                _ if source.suspended => State::Suspended,
                Some(ready) if ready.status == "True" => State::Ready,
                Some(ready) if ready.status == "False" => State::Failing,
                // A HelmRepository of type oci, or an ExternalArtifact, may say nothing.
                None if source.artifact.is_some() || source.kind == "HelmRepository" => State::Ready,
                _ => State::Progressing,
            });
        }
        let mirrors = world
            .artifacts
            .iter()
            .filter_map(|artifact| artifact.0.as_ref().ok());
        let mirrors = mirrors.filter(|artifact| is_mirror(artifact)).count();
        Self {
            api_version: API_VERSION,
            kind: "Status",
            kubernetes: world.kubernetes.clone(),
            flux: flux_version(world),
            controllers: world.stock.iter().chain(&world.ours).map(controller).collect(),
            sources,
            artifacts: Artifacts {
                total: world.artifacts.len(),
                mirrors,
                others: world.artifacts.len() - mirrors,
            },
            kustomizations: numbers(DeployerKind::Kustomization),
            helm_releases: numbers(DeployerKind::HelmRelease),
            failing: failing(world, &owned),
            unowned: owned
                .iter()
                .filter(|(_, owner)| !owner.is_sound())
                .map(|(subject, owner)| Unowned {
                    object: subject.handle.clone(),
                    owner: owner.clone(),
                })
                .collect(),
            unread: world.unread.clone(),
        }
    }

    /// Returns whether there is something to look at.
    pub fn has_findings(&self) -> bool {
        !self.failing.is_empty() || !self.unowned.is_empty() || !self.unread.is_empty()
    }

    /// Returns the lines for people.
    pub fn lines(&self, style: Style, now: Timestamp) -> Vec<String> {
        let version = |name: &str, version: &str| {
            let version = if version.is_empty() { "not known" } else { version };
            format!("{name} {}", clean(version))
        };
        let mut lines = vec![
            [
                version("Kubernetes", &self.kubernetes),
                version("Flux", self.flux.as_deref().unwrap_or_default()),
            ]
            .join("   "),
            String::new(),
            "controllers".to_owned(),
        ];
        lines.extend(self.controller_lines(style));
        lines.push(String::new());
        lines.extend(self.number_lines(style));
        let others = match self.artifacts.others {
            0 => String::new(),
            others => format!(", {others} of custom sources"),
        };
        lines.push(format!(
            "{}: {} of stock sources{others}",
            count(self.artifacts.total, "Artifact"),
            self.artifacts.mirrors,
        ));
        if !self.failing.is_empty() {
            lines.extend([String::new(), "failing, longest first".to_owned()]);
            lines.extend(self.failure_lines(style, now));
        }
        if !self.unowned.is_empty() {
            lines.extend([String::new(), "without exactly one controller at work".to_owned()]);
            for unowned in self.unowned.iter().take(SHOWN) {
                let why = match &unowned.owner {
                    Owner::Nobody { why } => why.clone(),
                    Owner::Contested { stock, openflux } => {
                        format!("{stock} selects it, and so does {openflux}")
                    }
                    Owner::Stock { deployment, .. } => format!("{deployment} is scaled to zero"),
                    Owner::Openflux { .. } => String::new(),
                };
                lines.push(format!(
                    "  {} {}  {}: {}",
                    style.sign(Sign::Bad),
                    clean(&unowned.object.to_string()),
                    unowned.owner,
                    clean(&why)
                ));
            }
            lines.extend(more(self.unowned.len()));
        }
        for unread in &self.unread {
            lines.push(format!("{} not read: {}", style.sign(Sign::Bad), clean(unread)));
        }
        lines
    }

    fn controller_lines(&self, style: Style) -> Vec<String> {
        if self.controllers.is_empty() {
            return vec![format!(
                "  {} no Deployment with the label app.kubernetes.io/part-of=flux",
                style.sign(Sign::Bad)
            )];
        }
        let mut table = Table::new(&["", "", "", "", ""]).indented(2);
        let ascii = Style {
            colour: false,
            ..style
        };
        for controller in &self.controllers {
            let (sign, tone) = match controller {
                Controller { wanted: 0, .. } => (Sign::Neutral, Tone::Faint),
                controller if controller.ready >= controller.wanted => (Sign::Good, Tone::Good),
                _ => (Sign::Bad, Tone::Bad),
            };
            let selects = match controller.selector.as_str() {
                "" => String::new(),
                selector => format!("selects {selector}"),
            };
            table.row([
                (ascii.sign(sign).as_str(), tone),
                (controller.name.as_str(), Tone::Plain),
                (
                    format!("{}/{} ready", controller.ready, controller.wanted).as_str(),
                    Tone::Plain,
                ),
                (controller.version.as_str(), Tone::Plain),
                (selects.as_str(), Tone::Plain),
            ]);
        }
        table.lines(style)
    }

    fn number_lines(&self, style: Style) -> Vec<String> {
        let heads = [
            "",
            "TOTAL",
            "READY",
            "FAILING",
            "PROGRESSING",
            "SUSPENDED",
            "STOCK",
            "OPENFLUX",
            "OTHERS",
        ];
        let mut table = (1..heads.len()).fold(Table::new(&heads), Table::right);
        let kinds = [
            ("Sources", &self.sources),
            ("Kustomizations", &self.kustomizations),
            ("HelmReleases", &self.helm_releases),
        ];
        for (name, numbers) in kinds {
            let owned = |owner: &str| numbers.owners.get(owner).copied().unwrap_or_default();
            let (stock, ours) = (owned("stock"), owned("openflux"));
            let others: usize = numbers.owners.values().sum::<usize>() - stock - ours;
            let is_source = name == "Sources";
            let cells = [
                (numbers.total.to_string(), Tone::Plain),
                (numbers.ready.to_string(), Tone::Plain),
                (numbers.failing.to_string(), bad_unless_none(numbers.failing)),
                (numbers.progressing.to_string(), Tone::Plain),
                (numbers.suspended.to_string(), Tone::Plain),
            ];
            let owners = [
                (stock.to_string(), Tone::Plain),
                (ours.to_string(), Tone::Plain),
                (others.to_string(), bad_unless_none(others)),
            ];
            let owners = owners.into_iter().filter(|_| !is_source);
            let cells: Vec<_> = cells.into_iter().chain(owners).collect();
            let texts = cells.iter().map(|(text, tone)| (text.as_str(), *tone));
            table.row(std::iter::once((name, Tone::Plain)).chain(texts));
        }
        table.lines(style)
    }

    fn failure_lines(&self, style: Style, now: Timestamp) -> Vec<String> {
        let mut table = Table::new(&["", "", "", "", ""]).indented(2);
        let sign = Style {
            colour: false,
            ..style
        }
        .sign(Sign::Bad);
        for failure in self.failing.iter().take(SHOWN) {
            let since = failure.since.map(|since| age(since, now)).unwrap_or_default();
            let why = shorten(&format!("{}: {}", failure.reason, failure.message), 160);
            table.row([
                (sign.as_str(), Tone::Bad),
                (failure.object.as_str(), Tone::Plain),
                (since.as_str(), Tone::Plain),
                (failure.owner.unwrap_or_default(), Tone::Plain),
                (why.as_str(), Tone::Plain),
            ]);
        }
        let mut lines = table.lines(style);
        lines.extend(more(self.failing.len()));
        lines
    }
}

fn more(all: usize) -> Option<String> {
    (all > SHOWN).then(|| format!("  ... {} more: -o json has all", all - SHOWN))
}

fn bad_unless_none(number: usize) -> Tone {
    if number == 0 { Tone::Plain } else { Tone::Bad }
}

impl Numbers {
    fn add(&mut self, state: State) {
        self.total += 1;
        match state {
            State::Ready => self.ready += 1,
            State::Failing => self.failing += 1,
            State::Progressing => self.progressing += 1,
            State::Suspended => self.suspended += 1,
        }
    }
}

fn failing(world: &World, owned: &[(&Subject, Owner)]) -> Vec<Failure> {
    let deployed = owned
        .iter()
        .filter(|(subject, _)| subject.state == State::Failing);
    let deployed = deployed.map(|(subject, owner)| Failure {
        object: subject.handle.to_string(),
        since: subject.since,
        owner: Some(owner.as_str()),
        reason: subject.reason.clone(),
        message: clean(&subject.message).into_owned(),
    });
    let sources = world.sources.iter().filter(|source| !source.suspended);
    let sources = sources.filter_map(|source| {
        let ready = source.ready().filter(|ready| ready.status == "False")?;
        Some(Failure {
            object: format!("{}/{}", source.kind, source.key),
            since: Some(ready.last_transition_time.0),
            owner: None,
            reason: ready.reason.clone(),
            message: clean(&ready.message).into_owned(),
        })
    });
    let mut all: Vec<_> = sources.chain(deployed).collect();
    // A failure that was there before everything else is the likelier cause.
    all.sort_by_key(|failure| failure.since);
    all
}

/// The version of Flux, as the labels of its Deployments have it.
pub fn flux_version(world: &World) -> Option<String> {
    let versions = world.stock.iter().filter_map(|deployment| {
        let version = deployment.labels().get("app.kubernetes.io/version")?;
        Some(version.clone())
    });
    versions.max()
}

fn controller(deployment: &Deployment) -> Controller {
    let spec = deployment.spec.as_ref();
    let status = deployment.status.as_ref();
    let names = ["kustomize-controller", "helm-controller", OPENFLUX];
    let known = names
        .into_iter()
        .find_map(|name| controller_container(name, deployment));
    let pod = spec.and_then(|spec| spec.template.spec.as_ref());
    let container = known.or_else(|| pod?.containers.first());
    let image = container
        .and_then(|container| container.image.as_deref())
        .unwrap_or_default();
    let arguments = container.map(Arguments::of).unwrap_or_default();
    Controller {
        name: format!(
            "{}/{}",
            deployment.namespace().unwrap_or_default(),
            deployment.name_any()
        ),
        wanted: spec.and_then(|spec| spec.replicas).unwrap_or(1),
        ready: status
            .and_then(|status| status.ready_replicas)
            .unwrap_or_default(),
        version: image_version(image).to_owned(),
        selector: arguments
            .value("watch-label-selector")
            .unwrap_or_default()
            .to_owned(),
    }
}

/// The tag of an image, without its digest.
pub fn image_version(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    let last = name.rsplit('/').next().unwrap_or_default();
    last.split_once(':').map_or("", |(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::owner::tests::deployment;

    fn world() -> World {
        let kustomization = |name: &str, ready: &str, shard: Option<&str>| {
            json!({
                "metadata": {"name": name, "namespace": "apps", "generation": 1,
                    "labels": shard.map(|shard| json!({"sharding.fluxcd.io/key": shard}))},
                "spec": {"sourceRef": {"kind": "GitRepository", "name": "app"}},
                "status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": ready, "reason": "Why",
                    "message": "because\nof this", "lastTransitionTime": "1970-01-01T00:00:00Z"}]},
            })
        };
        let list = json!([
            kustomization("good", "True", None),
            kustomization("moved", "True", Some("openflux")),
            kustomization("bad", "False", None),
            kustomization("lost", "True", Some("nowhere")),
        ]);
        World {
            kubernetes: "v1.36.3".to_owned(),
            stock: vec![deployment(
                "kustomize-controller",
                &["--watch-label-selector=!sharding.fluxcd.io/key"],
                1,
                1,
            )],
            ours: vec![deployment(OPENFLUX, &["run"], 1, 1)],
            kustomizations: serde_json::from_value(list).unwrap(),
            unread: vec!["HelmReleases: forbidden".to_owned()],
            ..World::default()
        }
    }

    #[test]
    fn one_screen_says_what_there_is_and_what_fails() {
        let status = Status::of(&world());
        assert!(status.has_findings());
        let now = Timestamp::from_second(840).unwrap();
        assert_eq!(
            status.lines(Style::default(), now),
            [
                "Kubernetes v1.36.3   Flux v2.9.5",
                "",
                "controllers",
                "  ✔  flux-system/kustomize-controller  1/1 ready  v1  selects !sharding.fluxcd.io/key",
                "  ✔  flux-system/openflux-controller   1/1 ready  v1",
                "",
                "                TOTAL  READY  FAILING  PROGRESSING  SUSPENDED  STOCK  OPENFLUX  OTHERS",
                "Sources             0      0        0            0          0",
                "Kustomizations      4      3        1            0          0      2         1       1",
                "HelmReleases        0      0        0            0          0      0         0       0",
                "0 Artifacts: 0 of stock sources",
                "",
                "failing, longest first",
                "  ✗  ks/apps/bad  14m  stock  Why: because of this",
                "",
                "without exactly one controller at work",
                "  ✗ ks/apps/lost  nobody: no Deployment of a kustomize-controller selects it",
                "✗ not read: HelmReleases: forbidden",
            ]
        );
    }

    #[test]
    fn the_document_has_a_version_and_a_kind() {
        let json = serde_json::to_value(Status::of(&world())).unwrap();
        assert_eq!(json["apiVersion"], API_VERSION);
        assert_eq!(json["kind"], "Status");
        assert_eq!(json["kustomizations"]["owners"]["stock"], 2);
        assert_eq!(json["unowned"][0]["object"], "ks/apps/lost");
        assert_eq!(json["unowned"][0]["owner"], "nobody");
    }

    #[test]
    fn the_version_of_an_image_is_its_tag() {
        for (image, version) in [
            ("ghcr.io/fluxcd/kustomize-controller:v1.9.5@sha256:00", "v1.9.5"),
            ("registry:5000/kc", ""),
            ("registry:5000/kc:v2", "v2"),
        ] {
            assert_eq!(image_version(image), version);
        }
    }
}
