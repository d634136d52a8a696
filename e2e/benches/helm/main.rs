//! Stock helm-controller and ours under the same loads: `cargo xtask bench helm-controller --help`.
//!
//! As `controllers`, with which it shares phases, floor and tables (`deployers`): each contender gets a control plane of its
//! own, one after the other. The charts are in OCIRepositories whose `status.artifact` is written by this program.

#[path = "../deployers/mod.rs"]
mod deployers;
mod load;

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use serde_json::json;

use crate::deployers::rollout::Load;
use crate::deployers::table::{Measured, Row};
use crate::deployers::{harness, rollout, stuck};
use crate::load::Size;

/// Stock helm-controller and ours, side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Releases of one small chart: install, and upgrade of one object of four.
    Small,
    /// Releases of one chart with as many objects as kube-prometheus-stack has.
    Large,
    /// Healthy releases beside stuck ones.
    Stuck,
}

/// How many releases of the large chart there are at most.
const LARGE: usize = 50;

impl Scenario {
    fn load(self, count: usize) -> Load {
        let is_large = self == Self::Large;
        Load {
            count: if is_large { count.min(LARGE) } else { count },
            one_source: true,
            wait: true,
            concurrent: 10,
            size: if is_large { Size::Many } else { Size::Four },
            more: |_| json!({}),
        }
    }
}

impl harness::Scenario for Scenario {
    const NAME: &'static str = "helm-controller";
    const TITLE: &'static str = "Helm controllers, side by side";
    const INTRODUCTION: &'static str = INTRODUCTION;
    const COUNT: u16 = 300;
    const LIMIT: Duration = Duration::from_mins(25);

    fn title(self, count: usize) -> String {
        let count = self.load(count).count;
        match self {
            Self::Small => format!("`small`: {count} releases of a chart of four objects, `--concurrent=10`"),
            Self::Large => format!("`large`: {count} releases of a chart of 94 objects, `--concurrent=10`"),
            Self::Stuck => "`stuck`: 20 releases that never become ready".to_owned(),
        }
    }

    async fn measure(self, count: usize, only_ours: bool) -> Result<Measured> {
        match self {
            Self::Small | Self::Large => self.load(count).measure(only_ours).await,
            Self::Stuck => stuck::measure(only_ours).await,
        }
    }

    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Small | Self::Large => rollout::COLUMNS,
            Self::Stuck => stuck::COLUMNS,
        }
    }

    fn conclude(self, rows: &[Row]) -> String {
        match self {
            Self::Small | Self::Large => rollout::conclude(rows),
            Self::Stuck => String::new(),
        }
    }
}

fn main() -> Result<()> {
    harness::main::<Scenario>()
}

const INTRODUCTION: &str = "
Each contender has a control plane of its own, one after the other, in one run. API server, etcd,
kube-controller-manager, the contender and the load share the machine. All releases are of one chart in one
OCIRepository and wait for their objects; the upgrade is another version of the chart, which changes one object besides
what tells the version. The times end when a watch shows the last HelmRelease ready.

CPU is the controller's from its start to the end of the upgrade, mirroring of the source included for ours; RSS is taken
after its start with nothing to do (ours with both deployers), at its peak, and five seconds after the upgrade. The floor
is the API server's share: the very requests of a roll-out by our controller, taken from the audit log, sent again to a
fresh control plane by as many connections as the controller has workers.
";
