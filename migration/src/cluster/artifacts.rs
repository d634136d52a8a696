//! What sources of a cluster offer: their artifacts, downloaded, verified and unpacked.

use bytes::Bytes;
use controller_kit::artifact::{
    Digest, FetchOptions, Fetcher, HostAllowList, StandIns, UnpackLimits, measure, unpack,
};
use controller_kit::{MapError, Mapper};
use flux_api::ORIGIN_REVISION;
use flux_transform::{File, Tree};
use kube::Api;
use kube::api::DynamicObject;

use super::{Cluster, CommandError};

/// What a source offers.
pub(crate) struct Offered {
    /// Its files.
    pub(crate) files: Tree,
    /// Its revision.
    pub(crate) revision: String,
    /// Where it comes from, if that is told.
    pub(crate) origin: Option<String>,
}

/// Reads what sources offer.
pub(crate) struct Artifacts {
    cluster: Cluster,
    mapper: Mapper,
    fetcher: Fetcher,
}

impl Artifacts {
    /// Takes artifacts from `hosts`, or, where there are none, from services of the cluster. As for the controllers,
    /// `SOURCE_CONTROLLER_LOCALHOST` and `SOURCE_WATCHER_LOCALHOST` name the near end of a forwarded port.
    pub(crate) fn new(cluster: &Cluster, hosts: &[String]) -> Result<Self, CommandError> {
        let hosts = if hosts.is_empty() {
            HostAllowList::in_cluster()
        } else {
            HostAllowList::parse(hosts.iter().map(String::as_str))
                .map_err(|error| CommandError::Usage(format!("--artifact-hosts: {error}")))?
        };
        let options = FetchOptions {
            hosts,
            stand_ins: StandIns::from_environment(),
            ..FetchOptions::default()
        };
        let fetcher = Fetcher::new(options);
        Ok(Self {
            cluster: cluster.clone(),
            mapper: Mapper::new(cluster.client.clone()),
            fetcher: fetcher
                .map_err(|error| CommandError::Build(format!("no artifact can be fetched: {error}")))?,
        })
    }

    /// Gives an object; nothing where it is not there, or its kind is not served.
    pub(crate) async fn object(
        &self,
        group: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<DynamicObject>, CommandError> {
        let what = format!("{kind} {namespace}/{name}");
        let mapping = match self.mapper.preferred(group, kind).await {
            Ok(mapping) => mapping,
            Err(MapError::NoMatch { .. }) => return Ok(None),
            Err(error) => return Err(CommandError::Unread(format!("{what}: {error}"))),
        };
        let resource = mapping.api_resource();
        let api: Api<DynamicObject> = Api::namespaced_with(self.cluster.client.clone(), namespace, &resource);
        api.get_opt(name).await.map_err(CommandError::api(what))
    }

    /// Gives what an object has in `status.artifact`; nothing where there is no such object, or it offers nothing.
    pub(crate) async fn offered(
        &self,
        group: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Offered>, CommandError> {
        let Some(object) = self.object(group, kind, namespace, name).await? else {
            return Ok(None);
        };
        let artifact = &object.data["status"]["artifact"];
        let text = |field: &str| artifact[field].as_str().map(str::to_owned);
        let (Some(url), Some(digest)) = (text("url"), text("digest")) else {
            return Ok(None);
        };
        let unread = |why: &dyn std::fmt::Display| {
            CommandError::Unread(format!("the artifact of {kind} {namespace}/{name}: {why}"))
        };
        let digest = digest.parse::<Digest>().map_err(|error| unread(&error))?;
        let download = self.fetcher.fetch(&url, &digest, namespace).await;
        let download = download.map_err(|error| unread(&error))?;
        let origin = artifact["metadata"][ORIGIN_REVISION].as_str();
        Ok(Some(Offered {
            files: files(&download.bytes).map_err(|why| unread(&why))?,
            revision: text("revision").unwrap_or_default(),
            origin: origin.map(str::to_owned),
        }))
    }
}

fn files(archive: &Bytes) -> Result<Tree, String> {
    let limits = UnpackLimits::default();
    let measured = measure(archive, limits).map_err(|error| error.to_string())?;
    let unpacked = unpack(archive, limits, measured).map_err(|error| error.to_string())?;
    let mut tree = Tree::new();
    for (path, file) in unpacked.files() {
        let file = File {
            content: file.content.clone(),
            executable: file.executable,
        };
        tree.insert(path, file).map_err(|error| error.to_string())?;
    }
    Ok(tree)
}
