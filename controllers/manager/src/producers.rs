//! Those that make artifacts, with the one volume and file server that they share.

use artifact_crd::{HTTP_KIND, TRANSFORMATION_KIND};
use artifact_producer::StorageSettings;
use controller_process::Process;
use futures::FutureExt as _;
use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::flags::{Controller, RunFlags};
use crate::http::Http;
use crate::running::Running;
use crate::transform::Transform;

/// Those that make artifacts.
pub(crate) struct Producers {
    storage: StorageSettings,
    http: Option<Http>,
    transform: Option<Transform>,
}

impl Producers {
    /// Reads their flags; nothing where none of them is to run.
    ///
    /// # Errors
    /// A flag that cannot be read.
    pub(crate) fn read(flags: &RunFlags) -> anyhow::Result<Option<Self>> {
        let runs = |controller| flags.controllers.contains(&controller);
        let (http, transform) = (runs(Controller::Http), runs(Controller::Transform));
        let kinds = [(http, HTTP_KIND), (transform, TRANSFORMATION_KIND)];
        let kinds: Vec<_> = kinds
            .into_iter()
            .filter(|(runs, _)| *runs)
            .map(|(_, kind)| kind)
            .collect();
        if kinds.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            storage: flags.storage.settings(&kinds, &flags.process.artifacts)?,
            http: http.then(|| Http::read(flags)).transpose()?,
            transform: transform.then(|| Transform::read(flags)).transpose()?,
        }))
    }

    /// Takes the address of the file server, and runs them beside it.
    ///
    /// # Errors
    /// The address is in use, or metrics are not valid.
    pub(crate) async fn start(
        self,
        process: &Process,
        mut token: impl FnMut() -> CancellationToken,
    ) -> anyhow::Result<()> {
        let storage = process.serve_artifacts(self.storage).await?;
        let (mut all, mut leases) = (Vec::new(), Vec::new());
        if let Some(http) = self.http {
            all.push(http.start(process, storage.clone(), token())?);
            leases.push(http_source::CONTROLLER);
        }
        if let Some(transform) = self.transform {
            all.push(transform.start(process, storage, token()));
            leases.push(transform_controller::CONTROLLER);
        }
        // They share a volume, which one process alone may write: whoever runs both leads both, one Lease after the other.
        let mut running: Running = Box::pin(join_all(all).map(drop));
        for lease in leases.into_iter().rev() {
            let leading = process.clone();
            running = Box::pin(async move { leading.as_leader(lease, "", running).await });
        }
        process.spawn(running);
        Ok(())
    }
}
