//! What a program of controllers needs around them: flags, probes, metrics, Lease, signals, logs.
//!
//! `openflux-controller` is a thin command line over this, and so is any other program of deployers:
//!
//! ```no_run
//! use clap::Parser;
//! use controller_process::{DeployerFlags, DeployerGates, Process, ProcessFlags};
//! use flux_deployer::Deployer;
//!
//! #[derive(Parser)]
//! struct Flags {
//!     #[command(flatten)]
//!     process: ProcessFlags,
//!     #[command(flatten)]
//!     deployer: DeployerFlags,
//! }
//!
//! fn run<D: Deployer>(deployer: D) -> Result<(), Box<dyn std::error::Error>> {
//!     let flags = Flags::parse();
//!     controller_process::block_on(async move {
//!         let settings = flags.deployer.settings(&DeployerGates::default())?;
//!         let process = Process::start(flags.process, "my-controller").await?;
//!         let (connections, leading) = (process.connections(&flags.deployer), process.clone());
//!         // Nothing of this program mirrors sources into Artifacts.
//!         process.mirrored().cancel();
//!         process.spawn(async move {
//!             let (ready, shutdown) = (leading.ready(), leading.shutdown());
//!             let controller = flux_deployer::run(deployer, connections, settings, ready, shutdown);
//!             leading.as_leader("my-controller", "", Box::pin(controller)).await;
//!         });
//!         process.until_signal().await?;
//!         Ok(())
//!     })?
//! }
//! ```
//!
//! Whoever writes a source, a deployer or a transformation of a kind of their own needs nothing of that: a [`Manager`] is the
//! whole program around it.
//!
//! Deployers of one program share their flags; [`own`] has what is meant for one of them alone.

mod deployer_flags;
mod flags;
mod manager;
mod process;
mod runtime;
mod signals;
mod storage_flags;

pub mod gates;
pub mod own;
pub mod values;

pub use deployer_flags::{DeployerFlags, DeployerGates, FlagError, NO_GATE};
pub use flags::{ArtifactFlags, LogEncoding, ProcessFlags, own_namespace};
pub use manager::{Manager, Transform, Transforming};
pub use process::{LeadershipLost, Process, StartError};
pub use runtime::block_on;
pub use storage_flags::StorageFlags;
