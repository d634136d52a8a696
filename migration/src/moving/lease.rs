//! The Leases that keep two runs of one migration apart.
//!
//! Whether a holder is alive is judged by the clock of whoever looks: a Lease holds as long as it was seen to change less than its
//! duration ago. What it says of times was written by another machine, whose clock may be wrong.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use flux_fleet::moving::MANAGER;
use flux_fleet::text::clean;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{DeleteParams, ListParams, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;
use tokio::time::Instant;

use super::flux::patiently;
use super::holder::{holder, is_dead};
use crate::cluster::CommandError;

/// How long a Lease holds that is not renewed.
const DURATION: Duration = Duration::from_mins(1);

/// How long one of somebody else is waited for at most, whatever it says.
const LONGEST: Duration = Duration::from_mins(5);

/// How often it is renewed, and how soon again when that has failed.
const RENEW: Duration = Duration::from_secs(15);
const AGAIN: Duration = Duration::from_secs(3);

/// How long one renewal may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Without a renewal for so long the run stops, before anybody else may go on.
const DEADLINE: Duration = Duration::from_secs(40);

/// How often a Lease of somebody else is looked at.
const GLANCE: Duration = Duration::from_secs(1);

/// A Lease that is held and renewed until it is given back.
pub(crate) struct Held {
    api: Api<Lease>,
    name: String,
    holder: String,
    renewing: tokio::task::JoinHandle<()>,
}

/// A Lease of somebody else, as it was seen.
struct Seen {
    record: LeaseSpec,
    /// When it was first seen like this.
    since: Instant,
}

/// What a look at a Lease says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Nobody has it any more.
    Free,
    /// Its holder may be alive.
    Held,
    /// Its holder is alive.
    Renewed,
}

impl Seen {
    /// Takes note of what a Lease says now.
    fn look(seen: &mut Option<Self>, record: &LeaseSpec, now: Instant) -> Look {
        let holder = record.holder_identity.as_deref().unwrap_or_default();
        if holder.is_empty() || is_dead(holder) {
            return Look::Free;
        }
        let duration = u64::try_from(record.lease_duration_seconds.unwrap_or_default());
        let duration = duration.map_or(DURATION, Duration::from_secs).min(LONGEST);
        match seen {
            Some(before) if before.record == *record => {
                if now.saturating_duration_since(before.since) >= duration {
                    Look::Free
                } else {
                    Look::Held
                }
            }
            Some(_) => Look::Renewed,
            None => {
                *seen = Some(Self {
                    record: record.clone(),
                    since: now,
                });
                Look::Held
            }
        }
    }
}

/// Takes the Lease of a migration; `lost` is told when somebody else may take it.
pub(crate) async fn take(
    client: &Client,
    namespace: &str,
    name: &str,
    lost: watch::Sender<bool>,
) -> Result<Held, CommandError> {
    let api: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let holder = holder();
    let mut seen = None;
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
                let record = lease.spec.clone().unwrap_or_default();
                let by = record.holder_identity.clone().unwrap_or_default();
                let is_first = seen.is_none();
                match Seen::look(&mut seen, &record, Instant::now()) {
                    Look::Renewed => {
                        return Err(CommandError::Usage(format!(
                            "somebody else is at this migration: {}, by the Lease {namespace}/{name}. Wait until that has ended, and \
                             try again",
                            clean(&by)
                        )));
                    }
                    Look::Held => {
                        if is_first {
                            say(&format!(
                                "{} had the Lease {namespace}/{name}: waiting whether it renews it, for a minute at most",
                                clean(&by)
                            ));
                        }
                        tokio::time::sleep(GLANCE).await;
                        continue;
                    }
                    Look::Free => {}
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

/// Takes Leases in their order, all or none.
pub(crate) async fn take_all(
    client: &Client,
    namespace: &str,
    names: &BTreeSet<String>,
    lost: &watch::Sender<bool>,
) -> Result<Vec<Held>, CommandError> {
    let mut all = Vec::new();
    for name in names {
        match take(client, namespace, name, lost.clone()).await {
            Ok(held) => all.push(held),
            Err(error) => {
                give_back_all(all).await;
                return Err(error);
            }
        }
    }
    Ok(all)
}

/// Gives Leases back.
pub(crate) async fn give_back_all(all: Vec<Held>) {
    for held in all {
        held.give_back().await;
    }
}

/// The names of the Leases that somebody has, or had when it was killed.
pub(crate) async fn names(client: &Client, namespace: &str) -> Result<BTreeSet<String>, CommandError> {
    let api: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let all = patiently(async || {
        let all = api.list_metadata(&ListParams::default()).await;
        all.map_err(CommandError::api("the Leases"))
    })
    .await?;
    Ok(all.items.iter().map(ResourceExt::name_any).collect())
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
    let (mut last, mut rest) = (Moment::now(), RENEW);
    loop {
        pause(rest).await;
        let begun = Moment::now();
        let renewed = async {
            let mut lease = api.get(&name).await?;
            let held = lease.spec.clone().unwrap_or_default();
            if held.holder_identity.as_deref() != Some(&*holder) {
                return Ok(false);
            }
            lease.spec = Some(LeaseSpec {
                acquire_time: held.acquire_time,
                ..spec(&holder)
            });
            lease.metadata.managed_fields = None;
            api.replace(&name, &PostParams::default(), &lease).await?;
            Ok::<_, kube::Error>(true)
        };
        match tokio::time::timeout(ANSWER, renewed).await {
            // Others count from when they see it, which is not before it was asked for.
            Ok(Ok(true)) => (last, rest) = (begun, RENEW),
            Ok(Ok(false)) => break,
            Ok(Err(_)) | Err(_) if last.elapsed() < DEADLINE => rest = AGAIN,
            Ok(Err(_)) | Err(_) => break,
        }
    }
    say(&format!(
        "the Lease {name} is not ours any more, so that somebody else may go on: stopping"
    ));
    lost.send_replace(true);
}

fn say(text: &str) {
    // Whoever closed stderr does not want to know.
    let _ = writeln!(std::io::stderr(), "{text}");
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

/// When something was, by both clocks: one stands still while the machine sleeps, the other may be set.
#[derive(Clone, Copy, Debug)]
struct Moment {
    steady: Instant,
    wall: SystemTime,
}

impl Moment {
    fn now() -> Self {
        Self {
            steady: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// How long ago it was at most, as far as anybody can say.
    fn elapsed(&self) -> Duration {
        self.steady.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}

/// Waits so long, and no longer when the machine has slept meanwhile.
async fn pause(length: Duration) {
    let begun = Moment::now();
    while begun.elapsed() < length {
        tokio::time::sleep(GLANCE.min(length)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_machine_that_has_slept_looks_at_once() {
        let (begun, length) = (Instant::now(), Duration::from_millis(5));
        pause(length).await;
        assert!(begun.elapsed() >= length);
        // Its steady clock has stood still.
        let slept = Moment {
            steady: Instant::now(),
            wall: SystemTime::now().checked_sub(DURATION).unwrap(),
        };
        assert!(slept.elapsed() >= DURATION);
        // And one that was set back is not believed.
        let set_back = Moment {
            steady: Instant::now(),
            wall: SystemTime::now().checked_add(DURATION).unwrap(),
        };
        assert!(set_back.elapsed() < RENEW);
    }

    #[test]
    fn a_lease_is_judged_by_when_it_was_seen_to_change() {
        // The clock of its holder is ahead of ours, or far behind it.
        let held = spec("elsewhere/1");
        for skew in [3600, -3600] {
            let written = |seconds: i64| LeaseSpec {
                renew_time: Some(MicroTime(
                    Timestamp::from_second(1_800_000_000 + skew + seconds).unwrap(),
                )),
                ..held.clone()
            };
            let (begun, mut seen) = (Instant::now(), None);
            let at = |seconds: u64| begun + Duration::from_secs(seconds);
            assert_eq!(Seen::look(&mut seen, &written(0), at(0)), Look::Held);
            assert_eq!(Seen::look(&mut seen, &written(0), at(59)), Look::Held);
            assert_eq!(Seen::look(&mut seen, &written(0), at(60)), Look::Free);
            assert_eq!(Seen::look(&mut seen, &written(15), at(16)), Look::Renewed);
        }
        let nobody = LeaseSpec::default();
        assert_eq!(Seen::look(&mut None, &nobody, Instant::now()), Look::Free);
    }

    #[test]
    fn a_run_stops_before_others_may_go_on() {
        assert!(DEADLINE + ANSWER < DURATION);
        assert!(RENEW < DEADLINE);
    }
}
