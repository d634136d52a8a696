//! `openflux build ks` and `openflux build hr`: what they apply, made of files on this machine.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use controller_kit::{Mapping, Rest};
use flux_api::{HelmRelease, Kustomization};
use flux_fleet::{DeployerKind, Handle};
use helm::Capabilities;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sops::KeyService;

use super::Outcome;
use crate::checkout;
use crate::cluster::{Cluster, CommandError, ConnectArgs, Format, ScopeArgs};
use crate::helm_template::load_chart;
use crate::sops_decrypt::keys_of_directory;

/// Which object, of which files.
#[derive(Args, Debug)]
pub(crate) struct ObjectArgs {
    /// The name of the object.
    #[arg(value_name = "NAME")]
    name: String,
    /// For a Kustomization the folder that its source is made of, below which spec.path is; for a HelmRelease the folder of the chart.
    #[arg(long, value_name = "DIR")]
    path: PathBuf,
    /// The namespace; that of the context by default.
    #[arg(short, long, value_name = "NAME", help_heading = "Cluster")]
    namespace: Option<String>,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Which Kustomization, and how it is shown.
#[derive(Args, Debug)]
pub(crate) struct KustomizationArgs {
    /// A directory with the entries of a decryption Secret: age keys in files *.agekey, OpenPGP keys in files *.asc.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// The form of the result: yaml, json or name.
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Format,
    #[command(flatten)]
    object: ObjectArgs,
}

impl ObjectArgs {
    async fn connect(&self, kind: DeployerKind) -> Result<(Cluster, Rest, Handle), CommandError> {
        let cluster = self.connect.connect().await?;
        let scope = ScopeArgs {
            namespace: self.namespace.clone(),
            all_namespaces: false,
        };
        let handle = Handle::new(kind, scope.one(&cluster), self.name.as_str());
        let rest = Rest::new(cluster.client.clone());
        Ok((cluster, rest, handle))
    }
}

pub(super) async fn ks(args: &KustomizationArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let (_, rest, handle) = args.object.connect(DeployerKind::Kustomization).await?;
    let object: Kustomization = read(&rest, &handle).await?;
    let objects = kustomization(args, &rest, &object).await?;
    print(args.output, &objects, out)?;
    Ok(Outcome::Done)
}

pub(super) async fn hr(args: &ObjectArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let (cluster, rest, handle) = args.connect(DeployerKind::HelmRelease).await?;
    let object: HelmRelease = read(&rest, &handle).await?;
    let text = helm_release(&cluster, &args.path, &rest, &object).await?;
    out.write_all(text.as_bytes())?;
    Ok(Outcome::Done)
}

/// Reads the object from the cluster.
async fn read<T: DeserializeOwned>(rest: &Rest, handle: &Handle) -> Result<T, CommandError> {
    let kind = handle.kind;
    let mapping = Mapping {
        group: kind.group().to_owned(),
        version: kind.version().to_owned(),
        kind: kind.kind().to_owned(),
        plural: format!("{}s", kind.kind().to_lowercase()),
        namespaced: true,
    };
    let found = rest.get(&mapping, &handle.key.namespace, &handle.key.name).await;
    let found = found.map_err(|error| CommandError::NotFound(format!("{handle}: {error}")))?;
    let found = found.ok_or_else(|| CommandError::NotFound(format!("there is no {handle}")))?;
    serde_json::from_value(found)
        .map_err(|error| CommandError::NotFound(format!("{handle} cannot be read: {error}")))
}

async fn kustomization(
    args: &KustomizationArgs,
    rest: &Rest,
    object: &Kustomization,
) -> Result<Vec<Value>, CommandError> {
    let failed = |error: kustomize_controller::local::LocalError| CommandError::Build(error.to_string());
    let variables = kustomize_controller::local::variables(rest, object)
        .await
        .map_err(failed)?;
    let keys = match &args.keys {
        Some(folder) => {
            let keys = keys_of_directory(folder);
            Some(keys.map_err(|error| CommandError::Usage(format!("--keys: {error}")))?)
        }
        None => None,
    };
    let keys = keys.as_ref().map(|keys| keys as &dyn KeyService);
    let (checkout, _) = checkout::read(&args.object.path)?;
    kustomize_controller::local::build(&checkout.tree(), object, &variables, keys).map_err(failed)
}

async fn helm_release(
    cluster: &Cluster,
    path: &Path,
    rest: &Rest,
    object: &HelmRelease,
) -> Result<String, CommandError> {
    let failed = |error: helm_controller::local::LocalError| CommandError::Build(error.to_string());
    let values = helm_controller::local::compose(rest, object)
        .await
        .map_err(failed)?;
    let (chart, _) = load_chart(path, false, &helm::Limits::default())
        .map_err(|error| CommandError::Build(error.to_string()))?;
    let version = cluster
        .client
        .apiserver_version()
        .await
        .map_err(CommandError::api("the version of the API server"))?;
    let mut capabilities = Capabilities::default();
    if let Ok(version) = helm::KubeVersion::parse(&version.git_version) {
        capabilities.kube_version = version;
    }
    helm_controller::local::render(&chart, object, &values, capabilities).map_err(failed)
}

fn print(format: Format, objects: &[Value], out: &mut dyn Write) -> Result<(), CommandError> {
    match format {
        Format::Json => {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
            let text = serde_json::to_string_pretty(&list)
                .map_err(|error| CommandError::Document(error.to_string()))?;
            writeln!(out, "{text}")?;
        }
        Format::Name => {
            for object in objects {
                let text = |pointer: &str| {
                    object
                        .pointer(pointer)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                };
                let (kind, name) = (text("/kind"), text("/metadata/name"));
                match text("/metadata/namespace") {
                    "" => writeln!(out, "{kind}/{name}")?,
                    namespace => writeln!(out, "{kind}/{namespace}/{name}")?,
                }
            }
        }
        Format::Yaml => {
            for object in objects {
                let text = go_yaml::sigs::value_to_string(object)
                    .map_err(|error| CommandError::Document(error.to_string()))?;
                write!(out, "---\n{text}")?;
            }
        }
        Format::Table | Format::Wide | Format::Markdown => {
            return Err(CommandError::Usage("build has -o yaml, json and name".to_owned()));
        }
    }
    Ok(())
}
