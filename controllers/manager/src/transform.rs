//! The controller of Transformations, as its flags want it.

use anyhow::anyhow;
use artifact_consumer::Access;
use artifact_producer::Storage;
use controller_kit::selector;
use controller_process::Process;
use tokio_util::sync::CancellationToken;
use transform_controller::{Connections, Settings};

use crate::flags::RunFlags;
use crate::running::Running;

/// The controller of Transformations.
pub(crate) struct Transform {
    settings: Settings,
}

impl Transform {
    /// Reads its flags.
    ///
    /// # Errors
    /// A selector that is none.
    pub(crate) fn read(flags: &RunFlags) -> anyhow::Result<Self> {
        let own = &flags.transform;
        let selector = selector::parse(&own.transform_label_selector);
        Ok(Self {
            settings: Settings {
                selector: selector.map_err(|reason| anyhow!("--transform-label-selector: {reason}"))?,
                concurrent: own.transform_concurrent,
                access: Access {
                    no_cross_namespace_refs: !own.allow_cross_namespace_inputs,
                    ..Access::default()
                },
                ..Settings::default()
            },
        })
    }

    /// Gives the controller, which runs as long as it is awaited.
    pub(crate) fn start(self, process: &Process, storage: Storage, synced: CancellationToken) -> Running {
        let connections = Connections {
            client: process.client(),
            artifacts: process.artifacts(),
            content: process.content(),
            recorder: process.recorder(),
            metrics: process.metrics(),
            namespace: process.namespace(),
            storage,
        };
        let shutdown = process.shutdown();
        Box::pin(transform_controller::run(
            connections,
            self.settings,
            synced,
            shutdown,
        ))
    }
}
