//! The custom source `Http`: something to download becomes an Artifact.
//!
//! It is written on the public API of the producer library. One look is: read the spec (`request`), read the Secrets
//! (`credentials`), ask the server (`fetch`), verify what came (`verify`), and take of it what is asked for (`content`). What goes
//! wrong is sorted by `outcome`, and by what the library has for that.

mod content;
mod credentials;
mod fetch;
mod guard;
mod metrics;
mod outcome;
mod request;
#[cfg(test)]
mod tests;
mod upstream;
mod verify;

use std::collections::HashMap;

use artifact_crd::Http;
use artifact_producer::{Failure, Fate, Produce, Produced, Run};
use controller_kit::events::Severity;
use controller_kit::http::HostList;
use controller_kit::{Metrics, ObjectKey};
use flux_archive::Limits;
use ipnet::IpNet;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::credentials::Credentials;
use crate::fetch::{Clients, Fetched, Fetcher};
use crate::metrics::HttpMetrics;
use crate::request::Request;
use crate::upstream::{UPSTREAM, Upstream};

/// The name of the controller: of its field manager, its Lease, and whatever reports.
pub const CONTROLLER: &str = "http-source-controller";

/// Bodies that are unpacked at once.
const UNPACKING: usize = 2;

/// What sources may ask of the controller.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The only hosts that may be asked (`--http-source-hosts`).
    pub hosts: Option<HostList>,
    /// Whether private addresses may be asked (`--http-source-allow-private`).
    pub allow_private: bool,
    /// Networks and addresses that are not asked: that of the API server.
    pub closed: Vec<IpNet>,
    /// Whether connections may be without TLS (`--insecure-allow-http`).
    pub allow_http: bool,
    /// The longest body (`--artifact-max-bytes`).
    pub max_bytes: u64,
    /// How much a body may unpack to (`--artifact-max-unpacked-bytes`, `--artifact-max-entries`).
    pub unpack: Limits,
    /// The address of the controller's own file server, which is not asked.
    pub own_address: String,
}

/// Downloads sources.
pub struct HttpSource {
    settings: Settings,
    unpacking: Semaphore,
    clients: Clients,
    /// What servers said at the last look, where it was the same content, and of which incarnation of a source.
    memory: Mutex<HashMap<ObjectKey, (String, Upstream)>>,
    metrics: HttpMetrics,
}

impl HttpSource {
    /// Makes a producer.
    ///
    /// # Errors
    /// Its metrics are registered already.
    pub fn new(settings: Settings, metrics: &Metrics) -> Result<Self, prometheus::Error> {
        Ok(Self {
            metrics: HttpMetrics::register(metrics)?,
            settings,
            unpacking: Semaphore::new(UNPACKING),
            clients: Clients::default(),
            memory: Mutex::default(),
        })
    }
}

impl Produce for HttpSource {
    type Source = Http;

    fn forget(&self, source: &ObjectKey) {
        self.memory.lock().remove(source);
        self.metrics.forget(source);
    }

    async fn produce(&self, http: &Http, run: &mut Run) -> Result<Produced, Failure> {
        let request = Request::read(&http.spec, &self.settings)?;
        if request.digest.is_some() && run.is_fresh() {
            // It has the digest that is asked for, and nothing else could.
            return Ok(Produced::Unchanged);
        }
        let credentials = Credentials::read(&http.spec, run).await?;
        run.step("asking the server");
        let fetcher = Fetcher::new(&self.settings, &self.clients, &request, &credentials)?;
        let expected = match (&request.digest, &request.checksums) {
            (Some(digest), _) => Some(digest.clone()),
            (None, Some((url, file))) => Some(verify::listed(&fetcher.list(url).await?, url, file)?),
            (None, None) => None,
        };
        let (key, uid) = (ObjectKey::of(http), http.metadata.uid.clone().unwrap_or_default());
        let known = self.known(&key, &uid, run, expected.as_deref());
        let fetched = fetcher.body(known.as_ref()).await;
        self.metrics.fetched(match &fetched {
            Ok(Fetched::Body(..)) => "body",
            Ok(Fetched::NotModified) => "unchanged",
            Err(failure) => failure.reason(),
        });
        if fetched.is_ok() {
            self.metrics.checked(&key, Timestamp::now().as_second());
        }
        let (body, mut upstream) = match fetched? {
            Fetched::NotModified => return Ok(Produced::Unchanged),
            Fetched::Body(body, upstream) => (body, upstream),
        };
        run.step("unpacking what the server sent");
        // It is never closed.
        let _permit = self.unpacking.acquire().await;
        let (spec, wanted) = (http.spec.clone(), expected.clone());
        let made = spawn_blocking(move || content::make(body, &spec, &request, wanted.as_deref()));
        let made = made.await.map_err(|error| {
            Failure::new(Fate::Bug, "InternalError", format!("unpacking panicked: {error}"))
        })?;
        let made = made?;
        if made.left_out > 0 {
            let message = format!(
                "{} links were left out, as Flux leaves them out: {}",
                made.left_out,
                made.links.join(", ")
            );
            run.event(Severity::Error, "LinksSkipped", message);
        }
        upstream.digest = Some(made.digest);
        self.memory.lock().insert(key, (uid, upstream.clone()));
        let mut content = made.content.remember(UPSTREAM, upstream.to_json());
        if let Some(digest) = expected {
            content = content.verified(format!("the body has the digest {digest}"));
        }
        Ok(content.into())
    }
}

impl HttpSource {
    /// What the server said about what is stored, if that may be compared with.
    fn known(&self, key: &ObjectKey, uid: &str, run: &Run, expected: Option<&str>) -> Option<Upstream> {
        if !run.is_fresh() {
            self.memory.lock().remove(key);
            return None;
        }
        let newest = self.memory.lock().get(key).cloned();
        let newest = newest.and_then(|(of, upstream)| (of == uid).then_some(upstream));
        let known = newest.or_else(|| Upstream::from_json(run.remembered(UPSTREAM)?));
        known.filter(|known| expected.is_none_or(|expected| known.digest.as_deref() == Some(expected)))
    }
}
