//! One of the two controllers: a control plane, and how what is this side's is labelled.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::charts::{offer, own_archives};
use super::deployer::Deployer;
use super::notes::Notes;
use super::scenario::Scenario;
use super::shelf::Shelf;
use crate::testbed::{NOT_OURS, Options, Process, Testbed};
use crate::tools::Tool;

/// The label by which HelmReleases and Kustomizations are ours.
pub(super) const SHARD: &str = "sharding.fluxcd.io/key";

/// What both sides fetch charts and artifacts from.
#[derive(Debug)]
pub struct Shared {
    shelf: Shelf,
}

/// Where the charts of a scenario are, and where its artifacts can be put.
#[derive(Debug)]
pub struct Offered {
    /// What serves everything.
    pub(super) shelf: Shelf,
    /// The URL of its Helm repository.
    pub(super) charts: String,
    /// The URL of its charts in the registry.
    pub(super) registry: String,
}

impl Shared {
    /// Starts it.
    ///
    /// # Errors
    /// There is no free port.
    pub fn start() -> Result<Self> {
        Ok(Self {
            shelf: Shelf::start()?,
        })
    }

    /// Packs the charts of a scenario; the registry is that of a side.
    pub(super) async fn offer(&self, scenario: &Scenario, side: &Side) -> Result<Offered> {
        let (mut charts, mut registry) = (String::new(), String::new());
        if scenario.deployer == Deployer::Helm {
            charts = offer(&self.shelf, scenario)?;
        }
        if !scenario.registry.is_empty() {
            let testbed = side.testbed();
            registry = testbed.registry().await?.url(&scenario.name);
            let folder = tempfile::tempdir()?;
            for (name, version, archive) in own_archives(&scenario.name, &scenario.registry)? {
                let path = folder.path().join(format!("{name}-{version}.tgz"));
                std::fs::write(&path, archive)?;
                let path = path.display().to_string();
                testbed
                    .run(Tool::Helm, &["push", &path, &registry, "--plain-http"])
                    .await?;
            }
        }
        Ok(Offered {
            shelf: self.shelf.clone(),
            charts,
            registry,
        })
    }
}

/// One of the two controllers, on a control plane where the other one runs too.
#[derive(Debug)]
pub struct Side {
    plane: Plane,
    /// Whether everything is ours.
    pub(super) is_ours: bool,
    /// A kubeconfig of its own control plane, in base64.
    pub(super) kubeconfig: String,
    /// What the names of namespaces begin with, where both sides share a control plane.
    pub(super) prefix: &'static str,
    /// What its controllers send to notification-controller, if they are its own.
    pub(super) notes: Option<Notes>,
    _controllers: Vec<Process>,
}

#[derive(Debug)]
enum Plane {
    Own(Box<Testbed>),
    Shared(&'static Testbed),
}

impl Side {
    /// Starts a control plane with both controllers; this side's are those of stock, or ours.
    ///
    /// # Errors
    /// Something does not start.
    pub async fn start(deployer: Deployer, is_ours: bool, pods: bool) -> Result<Self> {
        let options = Options {
            pods,
            ..Options::default()
        };
        let testbed = Testbed::start(options).await?;
        let notes = Notes::start()?;
        let address = format!("--events-addr={}", notes.url());
        let mut both = vec!["--requeue-dependency=2s", "--concurrent=10", &address];
        match deployer {
            Deployer::Helm => {
                testbed.source_controller().await?;
            }
            // The sources of Kustomizations are the scenarios themselves.
            Deployer::Kustomize => both.push("--http-retry=1"),
        }
        let stock = [NOT_OURS, "--feature-gates=ExternalArtifact=true"];
        let stock = testbed.start_stock(deployer.stock(), &[&both[..], &stock].concat())?;
        let ours = testbed.start_openflux("openflux-controller", &both)?;
        Ok(Self {
            kubeconfig: kubeconfig(&testbed)?,
            plane: Plane::Own(Box::new(testbed)),
            is_ours,
            // No word that is in what is compared.
            prefix: "x-",
            notes: Some(notes),
            _controllers: vec![stock, ours],
        })
    }

    /// The same on the control plane that the tests of one binary share.
    ///
    /// # Errors
    /// Something does not start.
    pub async fn shared(deployer: Deployer, is_ours: bool) -> Result<Self> {
        let testbed = Testbed::shared().await?;
        testbed.openflux_controller().await?;
        match deployer {
            Deployer::Helm => {
                testbed.source_controller().await?;
                testbed.stock_helm_controller().await?;
            }
            Deployer::Kustomize => {
                testbed.stock_kustomize_controller().await?;
            }
        }
        Ok(Self {
            kubeconfig: kubeconfig(testbed)?,
            plane: Plane::Shared(testbed),
            is_ours,
            prefix: if is_ours { "diff-o-" } else { "diff-s-" },
            notes: None,
            _controllers: Vec::new(),
        })
    }

    /// Whether namespaces of the same scenario are called differently on both sides.
    pub(super) fn shares_plane(&self) -> bool {
        matches!(self.plane, Plane::Shared(_))
    }

    /// The control plane.
    pub fn testbed(&self) -> &Testbed {
        match &self.plane {
            Plane::Own(testbed) => testbed,
            Plane::Shared(testbed) => testbed,
        }
    }
}

/// The value of the label that says whose a release is.
pub(super) fn label(is_ours: bool) -> Option<&'static str> {
    is_ours.then_some("openflux")
}

fn kubeconfig(testbed: &Testbed) -> Result<String> {
    Ok(STANDARD.encode(testbed.portable_kubeconfig()?))
}
