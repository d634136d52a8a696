//! From a kind to its endpoint: the cluster's discovery, cached, and read again when a kind is missing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kube::Client;
use parking_lot::RwLock;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::mapping::{KindVersion, Mapping};
use crate::object::GroupKind;
use crate::rest::{Rest, RestError};

/// A kind that the cluster does not serve, or discovery that failed.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// No API group of the cluster serves the kind in this version.
    #[error("no matches for kind \"{kind}\" in version \"{api_version}\"")]
    NoMatch {
        /// Kind that was asked for.
        kind: String,
        /// `group/version` that was asked for.
        api_version: String,
    },
    /// The group is served by an extension API server that does not answer, so that its kinds are not known.
    #[error(
        "the API group \"{group}\" is served by an extension API server that does not answer, check its APIService"
    )]
    Stale {
        /// The group.
        group: String,
    },
    /// Discovery itself failed.
    #[error("failed to discover the APIs of the cluster: {0}")]
    Discovery(#[source] RestError),
}

/// The kinds that a cluster serves; clones share one cache.
#[derive(Clone)]
pub struct Mapper {
    rest: Rest,
    shared: Arc<Shared>,
}

struct Shared {
    table: RwLock<Table>,
    refreshed: Mutex<Option<Instant>>,
    /// Something has happened that discovery may not have shown yet.
    is_doubted: AtomicBool,
    /// Counts the changes of what is served.
    changes: watch::Sender<u64>,
    history: Mutex<History>,
}

/// What was served by the last discovery, and what has been until a moment ago.
#[derive(Default)]
struct History {
    served: HashSet<GroupKind>,
    gone: HashMap<GroupKind, Instant>,
}

#[derive(Default)]
struct Table {
    /// By group and kind: the served versions, preferred first.
    kinds: HashMap<GroupKind, Vec<Mapping>>,
    /// Groups whose extension API server did not answer the last discovery.
    stale: HashSet<String>,
}

/// A missing kind triggers discovery at most this often, so that an object of an unknown kind cannot flood the server.
const MIN_REFRESH: Duration = Duration::from_millis(500);

/// A kind that has been served until so long ago may be on its way back: its definition is being replaced.
const RECENTLY: Duration = Duration::from_mins(1);

impl Mapper {
    /// Creates a mapper that discovers on first use.
    pub fn new(client: Client) -> Self {
        Self::of(Rest::new(client))
    }

    /// Creates a mapper that discovers what `rest` is told.
    pub(crate) fn of(rest: Rest) -> Self {
        let (changes, _) = watch::channel(0);
        Self {
            rest,
            shared: Arc::new(Shared {
                table: RwLock::default(),
                refreshed: Mutex::default(),
                is_doubted: AtomicBool::default(),
                changes,
                history: Mutex::default(),
            }),
        }
    }

    /// Tells of each change of what is served, as far as discovery is read.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// A kind may be served by now that discovery did not list, or the other way round: whoever misses one reads
    /// discovery again, and whoever waits for one looks again.
    pub fn doubt(&self) {
        self.shared.is_doubted.store(true, Ordering::Relaxed);
        self.shared.changes.send_modify(|count| *count += 1);
    }

    /// Finds the endpoint of a kind in exactly this version.
    ///
    /// # Errors
    /// [`MapError::NoMatch`] after a fresh discovery did not list the kind.
    pub async fn mapping(&self, group: &str, version: &str, kind: &str) -> Result<Mapping, MapError> {
        self.find(group, kind, |mapping| mapping.version == version)
            .await?
            .ok_or_else(|| MapError::NoMatch {
                kind: kind.to_owned(),
                api_version: if group.is_empty() {
                    version.to_owned()
                } else {
                    format!("{group}/{version}")
                },
            })
    }

    /// Gives the endpoint of a kind in exactly this version if it is known already; asks nobody.
    pub fn known(&self, group: &str, version: &str, kind: &str) -> Option<Mapping> {
        let key = GroupKind {
            group: group.to_owned(),
            kind: kind.to_owned(),
        };
        let table = self.shared.table.read();
        let mut mappings = table.kinds.get(&key)?.iter();
        mappings.find(|mapping| mapping.version == version).cloned()
    }

    /// Finds the endpoint of a kind in the version that the server prefers.
    ///
    /// # Errors
    /// [`MapError::NoMatch`] after a fresh discovery did not list the kind.
    pub async fn preferred(&self, group: &str, kind: &str) -> Result<Mapping, MapError> {
        self.find(group, kind, |_| true)
            .await?
            .ok_or_else(|| MapError::NoMatch {
                kind: kind.to_owned(),
                api_version: group.to_owned(),
            })
    }

    /// Forgets everything, because a CustomResourceDefinition was applied or deleted.
    pub async fn invalidate(&self) {
        let mut refreshed = self.shared.refreshed.lock().await;
        *refreshed = None;
        *self.shared.table.write() = Table::default();
        drop(refreshed);
        self.doubt();
    }

    /// Forgets everything if a kind is known that is not served any more: `served` is what discovery lists now, the versions
    /// of all groups and `group/version/Kind`, in the order of texts.
    pub async fn forget_gone(&self, served: &[String]) {
        let is_outdated = {
            let table = self.shared.table.read();
            let mut known = table.kinds.values().flatten();
            known.any(|mapping| is_gone(mapping, served))
        };
        if is_outdated {
            self.invalidate().await;
        }
    }

    pub(crate) fn rest(&self) -> &Rest {
        &self.rest
    }

    /// Tells whether a kind was served until a moment ago.
    pub(crate) async fn is_just_gone(&self, kind: &KindVersion) -> bool {
        let key = GroupKind {
            group: kind.group.clone(),
            kind: kind.kind.clone(),
        };
        self.shared.history.lock().await.is_just_gone(&key)
    }

    async fn find(
        &self,
        group: &str,
        kind: &str,
        wanted: impl Fn(&Mapping) -> bool,
    ) -> Result<Option<Mapping>, MapError> {
        let key = GroupKind {
            group: group.to_owned(),
            kind: kind.to_owned(),
        };
        let lookup = || {
            self.shared
                .table
                .read()
                .kinds
                .get(&key)?
                .iter()
                .find(|m| wanted(m))
                .cloned()
        };
        if let Some(found) = lookup() {
            return Ok(Some(found));
        }
        let asked = Instant::now();
        let mut refreshed = self.shared.refreshed.lock().await;
        // Somebody else may have refreshed while this call waited for the lock.
        let is_doubted = self.shared.is_doubted.swap(false, Ordering::Relaxed);
        let fresh_enough =
            refreshed.is_some_and(|at| at >= asked || (asked - at < MIN_REFRESH && !is_doubted));
        if !fresh_enough {
            // Whoever waits for the lock waits for this.
            let discovering = Box::pin(discover(self.rest.client()));
            let table = self.rest.within(discovering).await.map_err(MapError::Discovery)?;
            let changed = self.shared.history.lock().await.follow(&table);
            *self.shared.table.write() = table;
            *refreshed = Some(Instant::now());
            if changed {
                self.shared.changes.send_modify(|count| *count += 1);
            }
        }
        let found = lookup();
        if found.is_none() && self.shared.table.read().stale.contains(group) {
            return Err(MapError::Stale {
                group: group.to_owned(),
            });
        }
        Ok(found)
    }
}

/// Tells whether discovery does not list a kind. Where it lists no kind of a version at all, nobody has told of them.
fn is_gone(mapping: &Mapping, served: &[String]) -> bool {
    if mapping.kind.is_empty() || served.is_empty() {
        return false;
    }
    let version = mapping.api_version();
    let kinds = format!("{version}/");
    let first = served.partition_point(|text| *text < kinds);
    let has_kinds = served.get(first).is_some_and(|text| text.starts_with(&kinds));
    let is_listed = |text: &String| served.binary_search(text).is_ok();
    !is_listed(&format!("{kinds}{}", mapping.kind)) && (has_kinds || !is_listed(&version))
}

impl History {
    /// Takes note of a discovery; tells whether other kinds are served than before.
    fn follow(&mut self, table: &Table) -> bool {
        let now = Instant::now();
        let before = std::mem::take(&mut self.served);
        self.served = table.kinds.keys().cloned().collect();
        self.gone
            .retain(|kind, at| now - *at < RECENTLY && !self.served.contains(kind));
        for kind in before.difference(&self.served) {
            self.gone.insert(kind.clone(), now);
        }
        before != self.served
    }

    fn is_just_gone(&self, kind: &GroupKind) -> bool {
        self.gone.get(kind).is_some_and(|at| at.elapsed() < RECENTLY)
    }
}

/// Reads both aggregated discovery documents: two requests, however many groups there are.
async fn discover(client: &Client) -> Result<Table, kube::Error> {
    let core = client.list_core_api_versions_aggregated().await?;
    let groups = client.list_api_groups_aggregated().await?;
    let mut table = Table::default();
    for group in core.items.into_iter().chain(groups.items) {
        let group_name = group
            .metadata
            .and_then(|metadata| metadata.name)
            .unwrap_or_default();
        for version in group.versions {
            let version_name = version.version.unwrap_or_default();
            if version.freshness.as_deref() == Some("Stale") {
                table.stale.insert(group_name.clone());
            }
            for resource in version.resources {
                let (Some(plural), Some(kind)) = (resource.resource, resource.response_kind) else {
                    continue;
                };
                let mapping = Mapping {
                    group: group_name.clone(),
                    version: version_name.clone(),
                    kind: kind.kind.unwrap_or_default(),
                    plural,
                    namespaced: resource.scope.as_deref() == Some("Namespaced"),
                };
                let key = GroupKind {
                    group: group_name.clone(),
                    kind: mapping.kind.clone(),
                };
                table.kinds.entry(key).or_default().push(mapping);
            }
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn discovery_that_is_never_answered_holds_nobody_for_ever() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("bound");
        let mut config = kube::Config::new(format!("http://{address}").parse().expect("a URL"));
        (config.connect_timeout, config.read_timeout) = (None, None);
        let mapper = Mapper::new(Client::try_from(config).expect("a client"));
        let answer = mapper.mapping("", "v1", "ConfigMap").await;
        let ended = matches!(answer, Err(MapError::Discovery(RestError::NoAnswer(_))));
        assert!(ended, "{answer:?}");
    }

    #[test]
    fn what_discovery_does_not_list_is_gone() {
        let served = [
            "apps/v1",
            "apps/v1/Deployment",
            "example.org/v1",
            "example.org/v1/Widget",
            "stale.example.org/v1",
            "v1",
            "v1/ConfigMap",
        ];
        let served = served.map(str::to_owned);
        let mapping = |group: &str, version: &str, kind: &str| Mapping {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            plural: String::new(),
            namespaced: true,
        };
        for (group, version, kind, gone) in [
            ("", "v1", "ConfigMap", false),
            ("", "v1", "Secret", true),
            ("apps", "v1", "Deployment", false),
            ("apps", "v1beta1", "Deployment", true),
            ("example.org", "v1", "Widget", false),
            ("example.org", "v1", "Gadget", true),
            ("other.example.org", "v1", "Widget", true),
            ("stale.example.org", "v1", "Thing", false),
            ("apps", "v1", "", false),
        ] {
            let mapping = mapping(group, version, kind);
            assert_eq!(is_gone(&mapping, &served), gone, "{mapping:?}");
            assert!(!is_gone(&mapping, &[]), "nothing was told");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_just_gone_is_remembered_for_a_while() {
        let kind = |name: &str| GroupKind {
            group: "example.org".into(),
            kind: name.into(),
        };
        let table = |names: &[&str]| Table {
            kinds: names.iter().map(|name| (kind(name), Vec::new())).collect(),
            stale: HashSet::new(),
        };
        let mut history = History::default();
        assert!(history.follow(&table(&["Widget", "Gadget"])));
        assert!(!history.follow(&table(&["Widget", "Gadget"])));
        assert!(history.follow(&table(&["Gadget"])));
        assert!(history.is_just_gone(&kind("Widget")) && !history.is_just_gone(&kind("Gadget")));
        tokio::time::advance(RECENTLY).await;
        assert!(!history.is_just_gone(&kind("Widget")), "it does not come back");

        history.follow(&table(&[]));
        assert!(history.is_just_gone(&kind("Gadget")));
        history.follow(&table(&["Gadget"]));
        assert!(!history.is_just_gone(&kind("Gadget")), "it is back");
    }

    #[test]
    fn paths_follow_the_scope_and_escape_names() {
        let deployments = Mapping {
            group: "apps".into(),
            version: "v1".into(),
            kind: "Deployment".into(),
            plural: "deployments".into(),
            namespaced: true,
        };
        assert_eq!(
            deployments.path("web", "a"),
            "/apis/apps/v1/namespaces/web/deployments/a"
        );
        let roles = Mapping {
            group: String::new(),
            version: "v1".into(),
            kind: "Namespace".into(),
            plural: "namespaces".into(),
            namespaced: false,
        };
        assert_eq!(
            roles.path("ignored", "system:a/../b"),
            "/api/v1/namespaces/system%3Aa%2F%2E%2E%2Fb"
        );
    }
}
