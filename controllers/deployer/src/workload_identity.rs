//! Tokens of clouds and of the cluster, for clusters that a ConfigMap names and for whoever else needs some.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud_auth::{ClusterSettings, Identities, Identity, Way};
use controller_kit::cloud::{Accounts, ProcessSurroundings};
use controller_kit::{Rest, TokenSource};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::settings::WorkloadIdentity;

/// How long a way is taken without looking whether the account still is what it was.
const UNSEEN: Duration = Duration::from_mins(1);

/// Whoever gets tokens, by requests to the cluster that the controller runs in and as the controller itself.
pub(crate) fn identities(rest: Rest, settings: &WorkloadIdentity) -> Identities {
    Identities {
        network: Arc::new(settings.network.clone()),
        around: Arc::new(ProcessSurroundings),
        cluster: Arc::new(Accounts(rest)),
        tokens: Arc::clone(&settings.tokens),
        involved: None,
    }
}

/// The tokens of one cluster, for each request that is made there.
pub(crate) struct ClusterTokens {
    identities: Identities,
    settings: ClusterSettings,
    who: Identity,
    last: Mutex<(Instant, Way)>,
    /// Held by whoever asks.
    asking: tokio::sync::Mutex<()>,
}

impl ClusterTokens {
    /// Begins with the way that was just found.
    pub(crate) fn new(identities: Identities, settings: ClusterSettings, who: Identity, way: Way) -> Self {
        Self {
            identities,
            settings,
            who,
            last: Mutex::new((Instant::now(), way)),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// The token that was given last, as long as that is worth something and not long ago.
    fn known(&self) -> Option<String> {
        let last = self.last.lock();
        let (seen, way) = &*last;
        // A clock that is set back makes no token younger.
        let is_good = seen.elapsed() < UNSEEN && way.token.expires.is_none_or(|end| Timestamp::now() < end);
        is_good.then(|| way.token.token.as_str().to_owned())
    }

    async fn ask(&self) -> Result<String, String> {
        if let Some(token) = self.known() {
            return Ok(token);
        }
        let _asking = self.asking.lock().await;
        if let Some(token) = self.known() {
            return Ok(token);
        }
        let way = self.identities.way(&self.settings, &self.who).await;
        let way = way.map_err(|error| error.to_string())?;
        let token = way.token.token.as_str().to_owned();
        *self.last.lock() = (Instant::now(), way);
        Ok(token)
    }
}

impl TokenSource for ClusterTokens {
    fn token(&self) -> BoxFuture<'_, Result<String, String>> {
        self.ask().boxed()
    }
}
