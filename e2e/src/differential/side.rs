//! One of the two controllers: a control plane, and how its HelmReleases are labelled.

use anyhow::Result;

use super::charts::{Charts, own_archives};
use super::scenario::Scenario;
use crate::testbed::{NOT_OURS, Options, Process, Stock, Testbed};
use crate::tools::Tool;

/// The label by which releases are ours.
pub(super) const SHARD: &str = "sharding.fluxcd.io/key";

/// What both sides fetch charts from.
#[derive(Debug)]
pub struct Shared {
    charts: Charts,
}

/// Where the charts of a scenario are.
#[derive(Debug)]
pub struct Offered {
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
            charts: Charts::start()?,
        })
    }

    /// Packs the charts of a scenario; the registry is that of a side.
    pub(super) async fn offer(&self, scenario: &Scenario, side: &Side) -> Result<Offered> {
        let charts = self.charts.offer(scenario)?;
        let mut registry = String::new();
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
        Ok(Offered { charts, registry })
    }
}

/// One of the two controllers, on a control plane where the other one runs too.
#[derive(Debug)]
pub struct Side {
    plane: Plane,
    /// Whether releases are ours.
    pub(super) is_ours: bool,
    /// What the names of namespaces begin with, where both sides share a control plane.
    pub(super) prefix: &'static str,
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
    pub async fn start(is_ours: bool, pods: bool) -> Result<Self> {
        let options = Options {
            pods,
            ..Options::default()
        };
        let testbed = Testbed::start(options).await?;
        testbed.source_controller().await?;
        let stock = testbed.start_stock(
            Stock::Helm,
            &[
                NOT_OURS,
                "--requeue-dependency=2s",
                "--concurrent=10",
                "--feature-gates=ExternalArtifact=true",
            ],
        )?;
        let ours = testbed.start_openflux(
            "openflux-controller",
            &["--requeue-dependency=2s", "--concurrent=10"],
        )?;
        Ok(Self {
            plane: Plane::Own(Box::new(testbed)),
            is_ours,
            // No word that is in what is compared.
            prefix: "x-",
            _controllers: vec![stock, ours],
        })
    }

    /// The same on the control plane that the tests of one binary share.
    ///
    /// # Errors
    /// Something does not start.
    pub async fn shared(is_ours: bool) -> Result<Self> {
        let testbed = Testbed::shared().await?;
        testbed.source_controller().await?;
        testbed.openflux_controller().await?;
        testbed.stock_helm_controller().await?;
        Ok(Self {
            plane: Plane::Shared(testbed),
            is_ours,
            prefix: if is_ours { "diff-o-" } else { "diff-s-" },
            _controllers: Vec::new(),
        })
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
