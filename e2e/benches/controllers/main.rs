//! Stock kustomize-controller and ours under the same loads: `cargo xtask bench controllers --help`.
//!
//! Each contender gets a control plane of its own, one after the other. Kustomizations have four objects, impersonate a
//! service account and substitute three variables; their sources' `status.artifact` is written by this program, all with
//! one digest. Time runs from creating the first Kustomization, or writing the first new artifact, until a watch shows
//! the last Kustomization ready with that revision. API server, etcd, kube-controller-manager, contender and this
//! program share the machine.

mod chain;
#[path = "../deployers/mod.rs"]
mod deployers;
mod load;
mod remote;

use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use serde_json::json;

use crate::deployers::rollout::Load;
use crate::deployers::table::{Measured, Row};
use crate::deployers::{harness, rollout, stuck};
use crate::load::Size;

/// Stock kustomize-controller and ours, side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Kustomizations that wait for their objects: install, and upgrade of one object of four.
    Wait,
    /// The same without waiting.
    NoWait,
    /// Kustomizations on one source.
    Shared,
    /// Healthy Kustomizations beside stuck ones.
    Stuck,
    /// A chain of dependencies.
    Chain,
    /// As `wait`, with one encrypted Secret each.
    Encrypted,
    /// Kustomizations that deploy to ten other clusters.
    Remote,
}

impl Scenario {
    /// 300 of 500, as the published loads have it.
    fn share(count: usize) -> usize {
        (count * 3 / 5).max(1)
    }

    fn load(self, count: usize) -> Load {
        let shared = self == Self::Shared;
        Load {
            count: if shared { Self::share(count) } else { count },
            one_source: shared,
            wait: matches!(self, Self::Wait | Self::Encrypted | Self::Remote),
            concurrent: if shared { 4 } else { 20 },
            size: match self {
                Self::Encrypted => Size::Encrypted,
                Self::Remote => Size::Still,
                _ => Size::Four,
            },
            more: match self {
                Self::Encrypted => |_| load::decryption(),
                Self::Remote => remote::through,
                _ => |_| json!({}),
            },
        }
    }
}

impl harness::Scenario for Scenario {
    const NAME: &'static str = "controllers";
    const TITLE: &'static str = "kustomize controllers, side by side";
    const INTRODUCTION: &'static str = INTRODUCTION;
    const COUNT: u16 = 500;
    const LIMIT: Duration = Duration::from_mins(20);

    fn title(self, count: usize) -> String {
        match self {
            Self::Wait => {
                format!("`wait`: {count} Kustomizations, each with its own source, `--concurrent=20`")
            }
            Self::NoWait => {
                format!("`no-wait`: {count} Kustomizations with `wait: false`, `--concurrent=20`")
            }
            Self::Shared => format!(
                "`shared`: {} Kustomizations on one source, `--concurrent=4`",
                Self::share(count)
            ),
            Self::Stuck => "`stuck`: 20 Kustomizations that never become ready".to_owned(),
            Self::Chain => "`chain`: 10 Kustomizations, each depending on the one before".to_owned(),
            Self::Encrypted => {
                format!(
                    "`encrypted`: {count} Kustomizations with one encrypted Secret each, `--concurrent=20`"
                )
            }
            Self::Remote => format!(
                "`remote`: {count} Kustomizations for {} other clusters, `--concurrent=20`",
                remote::CLUSTERS
            ),
        }
    }

    async fn measure(self, count: usize, only_ours: bool) -> Result<Measured> {
        match self {
            Self::Wait | Self::NoWait | Self::Shared | Self::Encrypted => {
                self.load(count).measure(only_ours).await
            }
            Self::Remote => remote::measure(self.load(count), only_ours).await,
            Self::Stuck => stuck::measure(only_ours).await,
            Self::Chain => chain::measure(only_ours).await,
        }
    }

    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Wait | Self::NoWait | Self::Shared | Self::Encrypted | Self::Remote => rollout::COLUMNS,
            Self::Stuck => stuck::COLUMNS,
            Self::Chain => chain::COLUMNS,
        }
    }

    fn conclude(self, rows: &[Row]) -> String {
        match self {
            Self::Wait | Self::NoWait | Self::Shared | Self::Encrypted | Self::Remote => {
                rollout::conclude(rows)
            }
            Self::Stuck | Self::Chain => String::new(),
        }
    }
}

fn main() -> Result<()> {
    harness::main::<Scenario>()
}

const INTRODUCTION: &str = "
Each contender has a control plane of its own, one after the other, in one run. API server, etcd,
kube-controller-manager, the contender and the load share the machine. A Kustomization has four objects, impersonates a
service account and substitutes three variables; the upgrade changes one object of four. The times end when a watch
shows the last Kustomization ready.

CPU is the controller's from its start to the end of the upgrade, mirroring of sources included for ours; RSS is taken
after its start with nothing to do, at its peak, and five seconds after the upgrade. The floor is the API server's
share: the very requests of a roll-out by our controller, taken from the audit log, sent again to a fresh control plane
by as many connections as the controller has workers, with nothing decided or waited for in between.
";
