//! The namespace that the user's kubeconfig, or the pod that this runs in, stands for.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde::Deserialize;
use serde_json::Value as Json;

/// Where a pod finds what its service account may use.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// What the command line and Helm's variables say of the cluster, over what the kubeconfig says.
#[derive(Debug, Default)]
pub(super) struct Overrides<'a> {
    pub(super) kubeconfig: Option<&'a str>,
    pub(super) context: Option<&'a str>,
    pub(super) token: Option<&'a str>,
    pub(super) ca_file: Option<&'a str>,
    pub(super) insecure: bool,
    pub(super) user: Option<&'a str>,
    pub(super) has_groups: bool,
}

/// The namespace of the context that Helm would use; nothing if that is not usable, in which case Helm goes on too.
///
/// The files are those of `--kubeconfig`, else of `$KUBECONFIG`, else `~/.kube/config`; what the first of them says
/// counts. Where none names a namespace, a pod has that of its service account.
pub(super) fn namespace(overrides: &Overrides<'_>) -> Option<String> {
    let config = Config::load(overrides.kubeconfig.filter(|path| !path.is_empty()))?;
    let named = overrides.context.filter(|name| !name.is_empty());
    let current = named.or(config.current.as_deref());
    let context = match current {
        // A name that stands for nothing makes the configuration unusable.
        Some(name) => Some(config.contexts.get(name)?),
        None => None,
    };
    let user = config.users.get(context.map_or("", |context| &context.user));
    let cluster = config
        .clusters
        .get(context.map_or("", |context| &context.cluster));
    if !is_usable_user(user, overrides) || !is_usable_cluster(cluster, overrides) {
        return None;
    }
    context
        .map(|context| context.namespace.clone())
        .filter(|namespace| !namespace.is_empty())
        .or_else(|| namespace_of_pod(Path::new(SERVICE_ACCOUNT)))
}

/// The namespace of the pod that this runs in, if it is one.
fn namespace_of_pod(service_account: &Path) -> Option<String> {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let has_token = fs::metadata(service_account.join("token")).is_ok_and(|file| !file.is_dir());
    if !is_set("KUBERNETES_SERVICE_HOST") || !is_set("KUBERNETES_SERVICE_PORT") || !has_token {
        return None;
    }
    if let Some(namespace) = env::var("POD_NAMESPACE").ok().filter(|name| !name.is_empty()) {
        return Some(namespace);
    }
    let text = fs::read_to_string(service_account.join("namespace")).ok()?;
    Some(text.trim().to_owned()).filter(|namespace| !namespace.is_empty())
}

/// What the files say together.
#[derive(Debug, Default)]
struct Config {
    current: Option<String>,
    contexts: BTreeMap<String, Context>,
    clusters: BTreeMap<String, Cluster>,
    users: BTreeMap<String, User>,
}

/// A kubeconfig file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    #[serde(rename = "apiVersion")]
    api_version: Option<String>,
    kind: Option<String>,
    #[serde(rename = "current-context")]
    current_context: Option<String>,
    contexts: Option<Vec<NamedContext>>,
    clusters: Option<Vec<NamedCluster>>,
    users: Option<Vec<NamedUser>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Context {
    cluster: String,
    user: String,
    namespace: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Cluster {
    certificate_authority: String,
    certificate_authority_data: String,
    proxy_url: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct User {
    client_certificate: String,
    client_certificate_data: String,
    client_key: String,
    client_key_data: String,
    token: String,
    username: String,
    password: String,
    #[serde(rename = "as")]
    impersonate: String,
    as_uid: String,
    as_groups: Vec<String>,
    as_user_extra: BTreeMap<String, Vec<String>>,
    auth_provider: Option<Json>,
    exec: Option<Exec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Exec {
    command: String,
    api_version: String,
    interactive_mode: String,
    env: Option<Vec<ExecVariable>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ExecVariable {
    name: String,
}

impl Config {
    /// Reads the files; nothing if one of them is no kubeconfig, or if the one that was asked for is not there.
    fn load(explicit: Option<&str>) -> Option<Self> {
        let mut config = Self::default();
        for path in paths(explicit) {
            match fs::read(&path) {
                Ok(text) => config.add(File::parse(&text)?, &path)?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && explicit.is_none() => {}
                Err(_) => return None,
            }
        }
        Some(config)
    }

    /// Adds what a file says of things that the files before it do not name.
    fn add(&mut self, file: File, path: &Path) -> Option<()> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let resolve = |path: &mut String| {
            if !path.is_empty() {
                *path = folder.join(&*path).to_string_lossy().into_owned();
            }
        };
        self.current = self
            .current
            .take()
            .or(file.current_context.filter(|name| !name.is_empty()));
        let contexts = file.contexts.unwrap_or_default().into_iter();
        add_all(
            &mut self.contexts,
            contexts.map(|named| (named.name, named.context)),
        )?;
        let clusters = file.clusters.unwrap_or_default().into_iter().map(|mut named| {
            resolve(&mut named.cluster.certificate_authority);
            (named.name, named.cluster)
        });
        add_all(&mut self.clusters, clusters)?;
        let users = file.users.unwrap_or_default().into_iter().map(|mut named| {
            resolve(&mut named.user.client_certificate);
            resolve(&mut named.user.client_key);
            (named.name, named.user)
        });
        add_all(&mut self.users, users)
    }
}

/// Adds what is not there yet; nothing if the file itself has a name twice.
fn add_all<T>(known: &mut BTreeMap<String, T>, added: impl Iterator<Item = (String, T)>) -> Option<()> {
    let mut names = HashSet::new();
    for (name, value) in added {
        if !names.insert(name.clone()) {
            return None;
        }
        known.entry(name).or_insert(value);
    }
    Some(())
}

impl File {
    fn parse(text: &[u8]) -> Option<Self> {
        let mut document = go_yaml::sigs::to_value(text, &go_yaml::Limits::default()).ok()?;
        if document.is_null() {
            return Some(Self::default());
        }
        drop_nulls(&mut document);
        let file: Self = serde_json::from_value(document).ok()?;
        let is_config = matches!(file.api_version.as_deref(), None | Some("" | "v1"))
            && matches!(file.kind.as_deref(), None | Some("" | "Config"));
        is_config.then_some(file)
    }
}

/// Takes out what is null, which Go leaves at its zero value whatever its type.
fn drop_nulls(value: &mut Json) {
    match value {
        Json::Object(entries) => {
            entries.retain(|_, value| !value.is_null());
            entries.values_mut().for_each(drop_nulls);
        }
        Json::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn paths(explicit: Option<&str>) -> Vec<PathBuf> {
    if let Some(path) = explicit {
        return vec![path.into()];
    }
    match env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) {
        Some(list) => env::split_paths(&list)
            .filter(|path| !path.as_os_str().is_empty())
            .collect(),
        None => vec![PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".kube/config")],
    }
}

fn can_be_opened(path: &str) -> bool {
    path.is_empty() || fs::File::open(path).is_ok()
}

fn is_usable_cluster(cluster: Option<&Cluster>, overrides: &Overrides<'_>) -> bool {
    let none = Cluster::default();
    let cluster = cluster.unwrap_or(&none);
    let ca_file = overrides.ca_file.unwrap_or_default();
    let (authority, has_data) = if overrides.insecure || !ca_file.is_empty() {
        (ca_file, false)
    } else {
        (
            cluster.certificate_authority.as_str(),
            !cluster.certificate_authority_data.is_empty(),
        )
    };
    let proxy = &cluster.proxy_url;
    let is_proxy = proxy.is_empty()
        || ["http:", "https:", "socks5:"]
            .iter()
            .any(|scheme| proxy.starts_with(scheme));
    is_proxy && (authority.is_empty() || !has_data) && can_be_opened(authority)
}

fn is_usable_user(user: Option<&User>, overrides: &Overrides<'_>) -> bool {
    let none = User::default();
    let user = user.unwrap_or(&none);
    let is_given =
        |flag: Option<&str>, own: &str| flag.is_some_and(|flag| !flag.is_empty()) || !own.is_empty();
    let has_token = is_given(overrides.token, &user.token);
    let has_password = !user.username.is_empty() || !user.password.is_empty();
    if has_token && has_password {
        return false;
    }
    let has_certificate = !user.client_certificate.is_empty() || !user.client_certificate_data.is_empty();
    if has_certificate && !is_usable_certificate(user) {
        return false;
    }
    if user.exec.as_ref().is_some_and(|exec| !is_usable_exec(exec, user)) {
        return false;
    }
    let asks_for_more = !user.as_uid.is_empty()
        || !user.as_groups.is_empty()
        || !user.as_user_extra.is_empty()
        || overrides.has_groups;
    !asks_for_more || is_given(overrides.user, &user.impersonate)
}

fn is_usable_certificate(user: &User) -> bool {
    let both = |file: &str, data: &str| !file.is_empty() && !data.is_empty();
    let has_key = !user.client_key.is_empty() || !user.client_key_data.is_empty();
    has_key
        && !both(&user.client_certificate, &user.client_certificate_data)
        && !both(&user.client_key, &user.client_key_data)
        && can_be_opened(&user.client_certificate)
        && can_be_opened(&user.client_key)
}

fn is_usable_exec(exec: &Exec, user: &User) -> bool {
    let mode_is_known = match exec.interactive_mode.as_str() {
        // Only the first versions of the interface do not ask for it.
        "" => matches!(
            exec.api_version.as_str(),
            "client.authentication.k8s.io/v1alpha1" | "client.authentication.k8s.io/v1beta1"
        ),
        mode => matches!(mode, "Never" | "IfAvailable" | "Always"),
    };
    mode_is_known
        && user.auth_provider.is_none()
        && !exec.command.is_empty()
        && !exec.api_version.is_empty()
        && exec
            .env
            .iter()
            .flatten()
            .all(|variable| !variable.name.is_empty())
}
