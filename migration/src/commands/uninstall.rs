//! `openflux uninstall`: takes our controller away, and nothing that it has deployed.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use flux_api::ObjectKey;
use flux_fleet::World;
use flux_fleet::moving::Ending;
use flux_fleet::text::clean;
use flux_fleet::uninstall::{
    INSTALLED, Obstacle, Witness, bridged, deployed_from_bridge, made_by_others, obstacles,
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Preconditions};
use kube::core::GroupVersionKind;
use kube::{Api, Client, ResourceExt};

use super::Outcome;
use crate::cluster::{Cluster, CommandError, ConnectArgs, Wanted, duration, list, print_lines, read};
use crate::moving::asking::confirm;

/// What is taken away, and how.
#[derive(Args, Debug)]
pub(crate) struct UninstallArgs {
    /// Delete the CustomResourceDefinitions too, and with them all Artifacts, whoever made them.
    #[arg(long)]
    crds: bool,
    /// How long the pods may take to end; a release in progress is not cut off.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "11m")]
    timeout: Duration,
    /// Say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Ask nothing.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// A kind of what is installed: API group, version, kind and plural.
type Kind = (&'static str, &'static str, &'static str, &'static str);

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

const DEPLOYMENTS: Kind = ("apps", "v1", "Deployment", "deployments");
const EXTERNAL_ARTIFACTS: Kind = (
    flux_api::SOURCE_GROUP,
    "v1",
    "ExternalArtifact",
    "externalartifacts",
);
const DEFINITIONS: Kind = (
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
);

/// The kinds of this project.
const KINDS: [Kind; 3] = [
    (
        artifact_crd::GROUP,
        artifact_crd::VERSION,
        artifact_crd::KIND,
        artifact_crd::PLURAL,
    ),
    (
        artifact_crd::HTTP_GROUP,
        artifact_crd::HTTP_VERSION,
        artifact_crd::HTTP_KIND,
        artifact_crd::HTTP_PLURAL,
    ),
    (
        artifact_crd::GROUP,
        artifact_crd::VERSION,
        artifact_crd::TRANSFORMATION_KIND,
        artifact_crd::TRANSFORMATION_PLURAL,
    ),
];

/// What goes when the Deployments have gone, in this order: who may do something last.
const REST: [Kind; 9] = [
    ("", "v1", "Service", "services"),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    (
        ADMISSION,
        "v1",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
    ),
    (
        ADMISSION,
        "v1",
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
    ),
    (RBAC, "v1", "RoleBinding", "rolebindings"),
    (RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings"),
    (RBAC, "v1", "Role", "roles"),
    (RBAC, "v1", "ClusterRole", "clusterroles"),
    ("", "v1", "ServiceAccount", "serviceaccounts"),
];

pub(crate) async fn uninstall(args: &UninstallArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let cluster = args.connect.connect().await?;
    let world = read(&cluster, &Wanted::default()).await?;
    let found = obstacles(&world);
    if !found.is_empty() {
        print_lines(out, found.iter().map(told))?;
        print_lines(out, ways_out(&found))?;
        return Err(CommandError::Usage("nothing was done".to_owned()));
    }
    let mut plan = Plan::make(&cluster.client, &world, args.crds).await?;
    if plan.is_empty() {
        print_lines(
            out,
            ["openflux-controller is not installed: there is nothing to do.".to_owned()],
        )?;
        return Ok(Outcome::Done);
    }
    print_lines(out, plan.lines(&world))?;
    if args.dry_run {
        print_lines(out, ["Nothing was written (--dry-run).".to_owned()])?;
        return Ok(Outcome::Done);
    }
    let question = format!("Delete this from {}?", cluster.name);
    if !confirm(&question, args.yes)? {
        return Err(CommandError::Usage("nothing was done".to_owned()));
    }
    // Somebody may have moved an object while the question stood.
    let world = read(&cluster, &Wanted::default()).await?;
    if let Some(obstacle) = obstacles(&world).first() {
        return Err(CommandError::Usage(format!(
            "nothing was done: {}",
            told(obstacle)
        )));
    }
    plan = Plan::make(&cluster.client, &world, args.crds).await?;
    plan.carry_out(&cluster, args.timeout, out).await?;
    look_again(&cluster, &world, out).await
}

/// Compares the Flux objects with what they were.
async fn look_again(cluster: &Cluster, before: &World, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let after = read(cluster, &Wanted::default()).await?;
    let witness = Witness::of(before);
    let mut lines = witness.changes(&Witness::of(&after));
    lines.extend(obstacles(&after).iter().map(told));
    if lines.is_empty() {
        let done = format!(
            "Done. What there is of Flux is as it was ({} looked at); journals of migrations and Leases are left.",
            counted(witness.len(), "object")
        );
        print_lines(out, [done])?;
        return Ok(Outcome::Done);
    }
    print_lines(out, lines.iter().map(|line| clean(line).into_owned()))?;
    print_lines(
        out,
        ["It was taken away, but somebody has changed these meanwhile: look at them.".to_owned()],
    )?;
    Ok(Outcome::Ended(Ending::Stopped.exit_code()))
}

fn told(obstacle: &Obstacle) -> String {
    let text = match obstacle {
        Obstacle::Unread(why) => format!("cannot be read: {why}"),
        Obstacle::Orphan(handle) => format!("{handle} would have no controller"),
        Obstacle::Brought { deployment, instead } => {
            format!("Deployment {deployment} would be brought back: {instead}")
        }
    };
    clean(&text).into_owned()
}

/// What to do first.
fn ways_out(found: &[Obstacle]) -> Vec<String> {
    let mut lines = Vec::new();
    if found
        .iter()
        .any(|obstacle| matches!(obstacle, Obstacle::Orphan(_)))
    {
        lines.push("First give them back to stock: openflux migrate rollback --all".to_owned());
        lines.push(
            "(where Git has their labels, take them out there: openflux migrate rollback --all says how)"
                .to_owned(),
        );
    }
    if found
        .iter()
        .any(|obstacle| matches!(obstacle, Obstacle::Unread(_)))
    {
        lines.push(
            "Who may not read all of Flux cannot know that nothing is left without a controller.".to_owned(),
        );
    }
    lines
}

fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// What is deleted.
struct Plan {
    deployments: Vec<Installed>,
    rest: Vec<Installed>,
    /// ExternalArtifacts that the bridge made.
    bridged: Vec<Installed>,
    definitions: Vec<Installed>,
    /// How many objects of the kinds there are, with their plural names, that people have written.
    written: Vec<(&'static str, usize)>,
}

/// One object that is deleted.
struct Installed {
    kind: Kind,
    namespace: String,
    name: String,
    uid: Option<String>,
}

impl Plan {
    async fn make(client: &Client, world: &World, crds: bool) -> Result<Self, CommandError> {
        let mut rest = Vec::new();
        for kind in REST {
            rest.extend(installed(client, kind).await?);
        }
        let (mut definitions, mut written) = (Vec::new(), Vec::new());
        if crds {
            for kind in KINDS {
                let (group, _, _, plural) = kind;
                definitions.extend(one(client, DEFINITIONS, &format!("{plural}.{group}")).await?);
                if plural != artifact_crd::PLURAL {
                    let all = all_of(client, kind, None).await?;
                    written.push((plural, all.len()));
                }
            }
        }
        let bridged = bridged(world).map(|source| Installed {
            kind: EXTERNAL_ARTIFACTS,
            namespace: source.key.namespace.clone(),
            name: source.key.name.clone(),
            uid: Some(source.uid.clone()),
        });
        Ok(Self {
            deployments: installed(client, DEPLOYMENTS).await?,
            rest,
            bridged: bridged.collect(),
            definitions,
            written,
        })
    }

    fn is_empty(&self) -> bool {
        self.deployments.is_empty()
            && self.rest.is_empty()
            && self.bridged.is_empty()
            && self.definitions.is_empty()
    }

    /// Says what goes, and who will miss it.
    fn lines(&self, world: &World) -> Vec<String> {
        let all = self.deployments.iter().chain(&self.rest);
        let mut lines: Vec<_> = all.map(Installed::shown).collect();
        let bridged = self.bridged.iter();
        lines.extend(bridged.map(|object| format!("{}, which the bridge made", object.shown())));
        for (handle, key) in deployed_from_bridge(world) {
            lines.push(format!(
                "! {handle} deploys ExternalArtifact {key}: it will stall"
            ));
        }
        lines.extend(self.definitions.iter().map(Installed::shown));
        if !self.definitions.is_empty() {
            let mut lost = vec![counted(world.artifacts.len(), "artifact")];
            lost.extend(
                self.written
                    .iter()
                    .map(|(plural, number)| format!("{number} {plural}")),
            );
            lines.push(format!(
                "! with them go all objects of these kinds: {}",
                lost.join(", ")
            ));
            let lost = made_by_others(world);
            let lost = lost.iter();
            lines.extend(lost.map(|key| format!("! Artifact {key} is no mirror of a source of Flux")));
        }
        lines.iter().map(|line| clean(line).into_owned()).collect()
    }

    /// Deletes it all: the controller first, and what it needs only when it has ended.
    async fn carry_out(
        &self,
        cluster: &Cluster,
        timeout: Duration,
        out: &mut dyn Write,
    ) -> Result<(), CommandError> {
        let client = &cluster.client;
        for object in &self.deployments {
            object.delete(client, out).await?;
        }
        await_end(client, timeout, out).await?;
        for object in &self.rest {
            object.delete(client, out).await?;
        }
        for object in self.bridged.iter().chain(&self.definitions) {
            object.delete(client, out).await?;
        }
        Ok(())
    }
}

impl Installed {
    fn of(kind: Kind, object: &impl ResourceExt) -> Self {
        Self {
            kind,
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid(),
        }
    }

    fn shown(&self) -> String {
        let (_, _, kind, _) = self.kind;
        if self.namespace.is_empty() {
            format!("{kind} {}", self.name)
        } else {
            format!("{kind} {}/{}", self.namespace, self.name)
        }
    }

    /// Deletes it, if it is still the object that was looked at.
    async fn delete(&self, client: &Client, out: &mut dyn Write) -> Result<(), CommandError> {
        let resource = resource(self.kind);
        let api: Api<DynamicObject> = if self.namespace.is_empty() {
            Api::all_with(client.clone(), &resource)
        } else {
            Api::namespaced_with(client.clone(), &self.namespace, &resource)
        };
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: self.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        match api.delete(&self.name, &params).await {
            Ok(_) => print_lines(out, [format!("✔ {}  deleted", clean(&self.shown()))])?,
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(CommandError::api(self.shown())(error)),
        }
        out.flush()?;
        Ok(())
    }
}

fn resource((group, version, kind, plural): Kind) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

/// Lists what is installed of a kind.
async fn installed(client: &Client, kind: Kind) -> Result<Vec<Installed>, CommandError> {
    all_of(client, kind, Some(INSTALLED)).await
}

/// Lists the objects of a kind; one that the cluster does not have has none.
async fn all_of(client: &Client, kind: Kind, selector: Option<&str>) -> Result<Vec<Installed>, CommandError> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource(kind));
    let params = ListParams {
        label_selector: selector.map(str::to_owned),
        ..ListParams::default()
    };
    match api.list_metadata(&params).await {
        Ok(list) => {
            let objects = list.items.iter();
            Ok(objects.map(|object| Installed::of(kind, object)).collect())
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(CommandError::api(kind.3)(error)),
    }
}

async fn one(client: &Client, kind: Kind, name: &str) -> Result<Option<Installed>, CommandError> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource(kind));
    let found = api.get_opt(name).await.map_err(CommandError::api(name))?;
    Ok(found.map(|object| Installed::of(kind, &object)))
}

/// Waits until no pod of ours is left.
async fn await_end(client: &Client, timeout: Duration, out: &mut dyn Write) -> Result<(), CommandError> {
    let end = tokio::time::Instant::now() + timeout;
    let mut said = false;
    loop {
        let pods = list::<Pod>(client, None, Some(INSTALLED)).await;
        let pods = pods.map_err(CommandError::Unread)?;
        let Some(pod) = pods.first() else {
            return Ok(());
        };
        let shown = ObjectKey::of(pod);
        if tokio::time::Instant::now() >= end {
            return Err(CommandError::Usage(format!(
                "pod {shown} has not ended after {}s: kubectl describe says why; openflux uninstall goes on",
                timeout.as_secs()
            )));
        }
        if !said {
            print_lines(
                out,
                [format!("◎ waiting for pod {} to end", clean(&shown.to_string()))],
            )?;
            out.flush()?;
            said = true;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
