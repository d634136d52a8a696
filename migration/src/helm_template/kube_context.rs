//! The namespace that the user's kubeconfig, or the pod that this runs in, stands for.

use std::path::{Path, PathBuf};
use std::{env, fs};

use kubeconfig::{Cluster, Config, User};

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
    let config = load(overrides.kubeconfig.filter(|path| !path.is_empty()))?;
    let named = overrides.context.filter(|name| !name.is_empty());
    let current = named.or(Some(config.current.as_str()).filter(|name| !name.is_empty()));
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

/// Reads the files; nothing if one of them is no kubeconfig, or if the one that was asked for is not there.
fn load(explicit: Option<&str>) -> Option<Config> {
    let mut config = Config::default();
    for path in paths(explicit) {
        match fs::read(&path) {
            Ok(text) => add(&mut config, Config::parse(&text).ok()?, &path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && explicit.is_none() => {}
            Err(_) => return None,
        }
    }
    Some(config)
}

/// Adds what a file says of things that the files before it do not name.
fn add(config: &mut Config, file: Config, path: &Path) {
    let folder = path.parent().unwrap_or(Path::new(""));
    let resolve = |path: &mut String| {
        if !path.is_empty() {
            *path = folder.join(&*path).to_string_lossy().into_owned();
        }
    };
    if config.current.is_empty() {
        config.current = file.current;
    }
    for (name, context) in file.contexts {
        config.contexts.entry(name).or_insert(context);
    }
    for (name, mut cluster) in file.clusters {
        resolve(&mut cluster.certificate_authority);
        config.clusters.entry(name).or_insert(cluster);
    }
    for (name, mut user) in file.users {
        resolve(&mut user.client_certificate);
        resolve(&mut user.client_key);
        config.users.entry(name).or_insert(user);
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
    cluster.problem_of_proxy().is_none() && (authority.is_empty() || !has_data) && can_be_opened(authority)
}

fn is_usable_user(user: Option<&User>, overrides: &Overrides<'_>) -> bool {
    let mut user = user.cloned().unwrap_or_default();
    for (flag, own) in [
        (overrides.token, &mut user.token),
        (overrides.user, &mut user.impersonate),
    ] {
        if let Some(flag) = flag.filter(|flag| !flag.is_empty()) {
            flag.clone_into(own);
        }
    }
    if overrides.has_groups {
        user.as_groups.push(String::new());
    }
    user.problems("").is_empty() && is_usable_certificate(&user)
}

fn is_usable_certificate(user: &User) -> bool {
    let both = |file: &str, data: &[u8]| !file.is_empty() && !data.is_empty();
    let has_none = user.client_certificate.is_empty() && user.client_certificate_data.is_empty();
    has_none
        || !both(&user.client_certificate, &user.client_certificate_data)
            && !both(&user.client_key, &user.client_key_data)
            && can_be_opened(&user.client_certificate)
            && can_be_opened(&user.client_key)
}
