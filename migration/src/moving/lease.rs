//! The Lease that keeps two runs of one migration apart.

use std::io::Write as _;
use std::time::Duration;

use flux_fleet::moving::MANAGER;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;

use crate::cluster::CommandError;

/// How long a Lease holds that is not renewed.
const DURATION: Duration = Duration::from_mins(1);

/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(15);

/// A Lease that is held and renewed until it is given back.
pub(crate) struct Held {
    api: Api<Lease>,
    name: String,
    holder: String,
    renewing: tokio::task::JoinHandle<()>,
}

/// Takes the Lease of a migration; `lost` is told when somebody else has taken it.
pub(crate) async fn take(
    client: &Client,
    namespace: &str,
    name: &str,
    lost: watch::Sender<bool>,
) -> Result<Held, CommandError> {
    let api: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let holder = holder();
    let mut seen: Option<Option<MicroTime>> = None;
    loop {
        let what = || CommandError::api(format!("the Lease {namespace}/{name}"));
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let taken = match api.get_opt(name).await.map_err(what())? {
            None => {
                let mut lease = Lease::default();
                lease.metadata.name = Some(name.to_owned());
                lease.spec = Some(spec(&holder));
                api.create(&params, &lease).await
            }
            Some(mut lease) => {
                let held = lease.spec.clone().unwrap_or_default();
                let by = held.holder_identity.clone().unwrap_or_default();
                if !by.is_empty() && !is_dead(&by) && !is_expired(&held) {
                    if seen.as_ref().is_some_and(|before| *before != held.renew_time) {
                        return Err(CommandError::Usage(format!(
                            "somebody else is at this migration: {by}, by the Lease {namespace}/{name}"
                        )));
                    }
                    // Whoever was killed renews no more; who is alive does so within a while.
                    seen = Some(held.renew_time);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
                lease.spec = Some(spec(&holder));
                lease.metadata.managed_fields = None;
                api.replace(name, &params, &lease).await
            }
        };
        match taken {
            Ok(_) => break,
            // Somebody was faster: look who.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(what()(error)),
        }
    }
    let renewing = tokio::spawn(renew(api.clone(), name.to_owned(), holder.clone(), lost));
    Ok(Held {
        api,
        name: name.to_owned(),
        holder,
        renewing,
    })
}

impl Held {
    /// Gives it back.
    pub(crate) async fn give_back(self) {
        self.renewing.abort();
        let Ok(Some(lease)) = self.api.get_opt(&self.name).await else {
            return;
        };
        let by = lease
            .spec
            .as_ref()
            .and_then(|spec| spec.holder_identity.as_deref());
        if by == Some(self.holder.as_str()) {
            let params = DeleteParams {
                preconditions: Some(Preconditions {
                    resource_version: lease.resource_version(),
                    uid: lease.uid(),
                }),
                ..DeleteParams::default()
            };
            // What is left of it runs out by itself.
            let _ = self.api.delete(&self.name, &params).await;
        }
    }
}

async fn renew(api: Api<Lease>, name: String, holder: String, lost: watch::Sender<bool>) {
    let mut last = Timestamp::now();
    loop {
        tokio::time::sleep(RENEW).await;
        let renewed = async {
            let mut lease = api.get(&name).await?;
            let by = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone());
            if by.as_deref() != Some(&*holder) {
                return Ok(false);
            }
            lease.spec = Some(spec(&holder));
            lease.metadata.managed_fields = None;
            api.replace(&name, &PostParams::default(), &lease).await?;
            Ok::<_, kube::Error>(true)
        }
        .await;
        let now = Timestamp::now();
        match renewed {
            Ok(true) => last = now,
            Ok(false) => break,
            Err(_) if now.as_second() - last.as_second() < seconds(DURATION) => {}
            Err(_) => break,
        }
    }
    // Whoever closed stderr does not want to know.
    let _ = writeln!(
        std::io::stderr(),
        "the Lease {name} is not ours any more, so that somebody else may go on: stopping"
    );
    lost.send_replace(true);
}

fn spec(holder: &str) -> LeaseSpec {
    let now = MicroTime(Timestamp::now());
    LeaseSpec {
        holder_identity: Some(holder.to_owned()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        acquire_time: Some(now.clone()),
        renew_time: Some(now),
        ..LeaseSpec::default()
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn is_expired(spec: &LeaseSpec) -> bool {
    let renewed = spec.renew_time.as_ref().map(|time| time.0.as_second());
    renewed.is_none_or(|renewed| Timestamp::now().as_second() - renewed > seconds(DURATION))
}

/// This process, so that others on the same machine can see that it has ended.
fn holder() -> String {
    format!("{}/{}", host(), std::process::id())
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let name = name.unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        "unknown".to_owned()
    } else {
        name.to_owned()
    }
}

/// Whether the holder is a process of this machine that has ended.
fn is_dead(holder: &str) -> bool {
    let Some((at, process)) = holder.rsplit_once('/') else {
        return false;
    };
    let processes = std::path::Path::new("/proc");
    at == host()
        && !["unknown", "localhost"].contains(&at)
        && processes.join("self").exists()
        && !processes.join(process).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_this_machine_is_known_to_have_ended() {
        assert!(!is_dead(&holder()));
        assert!(!is_dead("elsewhere/1"));
        assert!(!is_dead("somebody"));
        if std::path::Path::new("/proc/self").exists() && host() != "unknown" {
            assert!(is_dead(&format!("{}/4194305", host())));
        }
    }

    #[test]
    fn a_lease_that_is_not_renewed_runs_out() {
        let mut spec = spec("x");
        assert!(!is_expired(&spec));
        spec.renew_time = Some(MicroTime(Timestamp::UNIX_EPOCH));
        assert!(is_expired(&spec));
    }
}
