//! The clusters that objects are brought to: our own, and those that they name.
//!
//! A cluster is shared by all objects that name it in the same words. It is kept, with its watches, as long as one of them
//! does; beyond a number of them, the one that was not used for longest is dropped, and connected to anew when it is needed:
//! what was known of its objects is then read again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kube::Client;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cluster::{Cluster, Remote};
use crate::fair::FairBudget;
use crate::live::LiveStore;
use crate::mapper::Mapper;
use crate::ownership::FieldManagers;
use crate::remote::TIMEOUT;
use crate::rest::Rest;
use crate::watch::ObjectKey;

/// How many runs work on other clusters at once.
const PLACES: usize = 32;

/// What all clusters have in common.
pub struct ClusterRecipe {
    /// The field managers by which ownership is judged.
    pub managers: FieldManagers,
    /// The label of applied objects, by which they are watched.
    pub owner_label: String,
    /// How many runs work on one cluster at once.
    pub concurrent: usize,
    /// How many clusters besides our own are kept at once.
    pub most: usize,
    /// Fires when the process ends.
    pub shutdown: CancellationToken,
}

/// All clusters.
pub struct Clusters {
    home: Cluster,
    recipe: ClusterRecipe,
    places: FairBudget,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: HashMap<Arc<str>, Known>,
    /// Which cluster an object is brought to, if it is not our own.
    users: HashMap<ObjectKey, Arc<str>>,
}

struct Known {
    cluster: Cluster,
    users: HashSet<ObjectKey>,
    used: Instant,
}

impl Clusters {
    /// Begins with our own.
    pub fn new(home: Cluster, recipe: ClusterRecipe) -> Self {
        Self {
            home,
            places: FairBudget::new(PLACES.max(recipe.concurrent), recipe.concurrent),
            recipe,
            state: Mutex::default(),
        }
    }

    /// Gives the cluster that the controller runs in, as the controller itself.
    pub fn home(&self) -> &Cluster {
        &self.home
    }

    /// Gives a cluster that is known; `user` uses it from now on, and no other.
    pub fn known(&self, id: &str, user: &ObjectKey) -> Option<Cluster> {
        let mut state = self.state.lock();
        let (id, known) = state.known.get_key_value(id)?;
        let (id, cluster) = (Arc::clone(id), known.cluster.clone());
        state.uses(user, &id);
        Some(cluster)
    }

    /// Gets to know a cluster that `client` leads to; `user` uses it from now on, and no other.
    ///
    /// Where somebody was faster, theirs is given.
    pub fn meet(&self, id: &str, client: Client, user: &ObjectKey) -> Cluster {
        let id = Arc::<str>::from(id);
        let mut state = self.state.lock();
        if !state.known.contains_key(&id) {
            let known = Known {
                cluster: self.make(&id, client),
                users: HashSet::new(),
                used: Instant::now(),
            };
            state.known.insert(Arc::clone(&id), known);
        }
        state.uses(user, &id);
        state.drop_idle(self.recipe.most, &id);
        match state.known.get(&id) {
            Some(known) => known.cluster.clone(),
            // The last one is never dropped.
            None => self.home.clone(),
        }
    }

    /// `user` uses no cluster but our own, or is gone.
    pub fn release(&self, user: &ObjectKey) {
        self.state.lock().release(user);
    }

    /// Tells whether two objects are brought to the same cluster, if that is known of both.
    pub fn is_same(&self, one: &ObjectKey, other: &ObjectKey) -> Option<bool> {
        let state = self.state.lock();
        Some(state.users.get(one)? == state.users.get(other)?)
    }

    /// Tells how many clusters are kept besides our own.
    pub fn count(&self) -> usize {
        self.state.lock().known.len()
    }

    fn make(&self, id: &Arc<str>, client: Client) -> Cluster {
        let end = self.recipe.shutdown.child_token();
        let rest = Rest::to_remote(client.clone(), TIMEOUT);
        let mapper = Mapper::of(rest.clone());
        let short = id.get(..8).unwrap_or(id);
        let live = LiveStore::at(
            client,
            mapper.clone(),
            self.recipe.managers.clone(),
            &self.recipe.owner_label,
            None,
            end.clone(),
            format!(" to cluster {short}"),
        );
        let remote = Remote {
            id: Arc::clone(id),
            places: self.places.clone(),
            _end: end.drop_guard(),
        };
        Cluster::remote(rest, mapper, live, remote)
    }
}

/// Names a cluster by the kubeconfig that leads there; nobody can tell that by the name.
///
/// Whoever has the words has the credentials in them, so that whoever says the same may use the same client.
pub fn cluster_id(kubeconfig: &[u8]) -> String {
    shortened(blake3::hash(kubeconfig))
}

/// Names a cluster that an identity leads to, by words that are no secret.
///
/// No kubeconfig is hashed to such a name, whatever is written into it: the client behind it has tokens of that identity.
pub fn identity_cluster_id(words: &[u8]) -> String {
    shortened(blake3::derive_key("openflux: clusters by workload identity", words).into())
}

fn shortened(hash: blake3::Hash) -> String {
    hash.to_hex().as_str().get(..32).unwrap_or_default().to_owned()
}

impl State {
    fn uses(&mut self, user: &ObjectKey, id: &Arc<str>) {
        if self.users.get(user) != Some(id) {
            self.release(user);
            self.users.insert(user.clone(), Arc::clone(id));
        }
        if let Some(known) = self.known.get_mut(id) {
            known.users.insert(user.clone());
            known.used = Instant::now();
        }
    }

    fn release(&mut self, user: &ObjectKey) {
        let Some(id) = self.users.remove(user) else { return };
        if let Some(known) = self.known.get_mut(&id) {
            known.users.remove(user);
            if known.users.is_empty() {
                self.known.remove(&id);
            }
        }
    }

    /// Drops the clusters that were not used for longest, but `kept`, until there are not too many. Runs in progress
    /// go on with what they have.
    fn drop_idle(&mut self, most: usize, kept: &Arc<str>) {
        while self.known.len() > most.max(1) {
            let idle = self.known.iter().filter(|(id, _)| *id != kept);
            let Some(oldest) = idle
                .min_by_key(|(_, known)| known.used)
                .map(|(id, _)| Arc::clone(id))
            else {
                return;
            };
            tracing::debug!(cluster = %oldest, "there are more clusters than are kept at once");
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        let nowhere = kube::Config::new("http://127.0.0.1:9".parse().unwrap());
        Client::try_from(nowhere).unwrap()
    }

    fn clusters(most: usize) -> Clusters {
        let managers = FieldManagers {
            own: "kustomize-controller".to_owned(),
            overridden: Vec::new(),
        };
        let (mapper, shutdown) = (Mapper::new(client()), CancellationToken::new());
        let live = LiveStore::new(
            client(),
            mapper.clone(),
            managers.clone(),
            "owner",
            None,
            shutdown.clone(),
        );
        let recipe = ClusterRecipe {
            managers,
            owner_label: "owner".to_owned(),
            concurrent: 4,
            most,
            shutdown,
        };
        Clusters::new(Cluster::home(Rest::new(client()), mapper, live), recipe)
    }

    fn app(name: &str) -> ObjectKey {
        ObjectKey::new("apps", name)
    }

    #[tokio::test]
    async fn a_cluster_is_shared_and_goes_with_its_last_user() {
        let clusters = clusters(8);
        assert!(clusters.known("one", &app("a")).is_none());
        let first = clusters.meet("one", client(), &app("a"));
        let again = clusters.known("one", &app("b")).unwrap();
        assert_eq!((first.id(), again.id()), ("one", "one"));
        assert!(!first.is_home() && clusters.home().is_home());
        assert_eq!(clusters.is_same(&app("a"), &app("b")), Some(true));
        assert_eq!(clusters.is_same(&app("a"), &app("c")), None);

        // Who moves to another one leaves the first.
        clusters.meet("two", client(), &app("b"));
        assert_eq!(clusters.is_same(&app("a"), &app("b")), Some(false));
        assert_eq!(clusters.count(), 2);
        clusters.release(&app("a"));
        clusters.release(&app("a"));
        assert_eq!(clusters.count(), 1);
        assert!(clusters.known("one", &app("b")).is_none());
        clusters.release(&app("b"));
        assert_eq!(clusters.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_were_not_used_for_longest_make_room() {
        let clusters = clusters(2);
        for (id, user) in [("one", "a"), ("two", "b")] {
            clusters.meet(id, client(), &app(user));
            tokio::time::advance(std::time::Duration::from_secs(1)).await;
        }
        clusters.known("one", &app("a")).unwrap();
        clusters.meet("three", client(), &app("c"));
        assert_eq!(clusters.count(), 2);
        assert!(clusters.known("two", &app("b")).is_none());
        assert!(clusters.known("one", &app("a")).is_some());
        // It comes back when it is needed.
        clusters.meet("two", client(), &app("b"));
        assert_eq!(clusters.count(), 2);
    }

    #[test]
    fn no_kubeconfig_has_the_name_of_what_an_identity_leads_to() {
        let words = b"everything about an identity, which is no secret";
        assert_ne!(identity_cluster_id(words), cluster_id(words));
        assert_ne!(identity_cluster_id(words), identity_cluster_id(b"another"));
    }

    #[tokio::test]
    async fn the_watches_of_a_cluster_end_with_it() {
        let clusters = clusters(8);
        let cluster = clusters.meet("one", client(), &app("a"));
        let identity = cluster.impersonating("apps", "deployer").unwrap().identity();
        assert_eq!(identity, "system:serviceaccount:apps:deployer at one");
        assert_eq!(cluster.spares("flux-system"), "");
        assert_eq!(clusters.home().spares("flux-system"), "flux-system");
        let end = cluster.live.shutdown().clone();
        clusters.release(&app("a"));
        assert!(!end.is_cancelled(), "a run goes on");
        drop(cluster);
        assert!(end.is_cancelled());
    }
}
