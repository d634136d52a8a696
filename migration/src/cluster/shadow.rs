//! Asking our controller what its next run of objects would change.
//!
//! Its endpoint listens on loopback of its pod alone, and is reached through a port that kubectl forwards: whoever may do that, may ask.
//! kubectl speaks the protocols of all API servers for it, with the credentials that the user has. A port that is lost, with the pod that
//! it led to or without, is forwarded anew, and what was not answered is asked again.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use flux_proof::{Answer, Name, Question};
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::{CommandError, ConnectArgs, our_pods};

/// The port of the endpoint, where `install` puts it.
const PORT: u16 = 9292;
/// How long it may take until a port is forwarded.
const FORWARDING: Duration = Duration::from_secs(20);
/// How long a short answer may take.
const ANSWERING: Duration = Duration::from_secs(20);
/// How often the way to the controller is looked for again in the course of one question, for how long each time, and how soon again.
const REOPENINGS: usize = 3;
const REOPENING: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_secs(1);
/// How long there may be silence until the next answer about an object: a controller gives up after ten minutes.
const SILENCE: Duration = Duration::from_mins(11);
/// The longest answer about one object.
const MAX_LINE: usize = 8 << 20;
/// The longest other answer.
const MAX_ANSWER: usize = 64 << 20;

/// Where our controller is asked.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ShadowArgs {
    /// Ask our controller at this address, such as http://127.0.0.1:9292, instead of through a port that kubectl forwards to it.
    #[arg(long, value_name = "URL", env = "OPENFLUX_SHADOW_URL")]
    shadow_url: Option<String>,
}

/// Our controller, as long as it can be asked.
pub(crate) struct Controller {
    way: Mutex<Way>,
    args: ShadowArgs,
    connect: ConnectArgs,
    /// Its version.
    pub(crate) version: String,
    /// Whether it runs on this machine, for this tool alone.
    pub(crate) is_local: bool,
}

/// How it is reached.
struct Way {
    address: String,
    /// What forwards the port, or the controller itself; they end with this.
    _children: Vec<Child>,
    /// How often another way was found.
    number: usize,
}

/// What of the list of what a controller reconciles counts here.
#[derive(Deserialize)]
struct OwnedObjects {
    version: String,
}

impl Controller {
    /// Finds the controller: at the address that is named, or in the one of these pods that answers, which is the one that leads.
    pub(crate) async fn find(
        args: &ShadowArgs,
        connect: &ConnectArgs,
        pods: &[Pod],
    ) -> Result<Self, CommandError> {
        let (way, version) = Way::find(args, connect, pods).await?;
        Ok(Self {
            way: Mutex::new(way),
            args: args.clone(),
            connect: connect.clone(),
            version,
            is_local: false,
        })
    }

    /// A controller of this machine, at this address, which ends with `children`; waits until its caches are complete.
    pub(crate) async fn here(
        address: String,
        children: Vec<Child>,
        patience: Duration,
    ) -> Result<Self, CommandError> {
        let end = Instant::now() + patience;
        let version = loop {
            match owned(&address).await {
                Ok(owned) => break owned.version,
                Err(why) if Instant::now() >= end => return Err(CommandError::Controller(why)),
                Err(_) => sleep(PAUSE).await,
            }
        };
        let way = Way {
            address,
            _children: children,
            number: 0,
        };
        Ok(Self {
            way: Mutex::new(way),
            args: ShadowArgs::default(),
            connect: ConnectArgs::default(),
            version,
            is_local: true,
        })
    }

    /// Asks about objects, and hands over each answer as it comes; with all `differences`, or only with what keeps an object from moving.
    ///
    /// Answers that were lost on the way are asked for again, if the controller can be reached again.
    pub(crate) async fn shadow(
        &self,
        objects: Vec<Name>,
        differences: bool,
        mut answered: impl FnMut(Answer),
    ) -> Result<(), CommandError> {
        let mut left: BTreeSet<Name> = objects.into_iter().collect();
        let mut reopened = 0;
        loop {
            let (address, number) = {
                let way = self.way.lock().await;
                (way.address.clone(), way.number)
            };
            let question = Question {
                objects: left.iter().cloned().collect(),
                differences,
            };
            let hand_over = |answer: Answer| {
                left.remove(&answer.object);
                answered(answer);
            };
            let asked = ask(&address, &question, hand_over).await;
            match asked {
                Ok(()) if left.is_empty() => return Ok(()),
                Err(error) if reopened >= REOPENINGS => return Err(error),
                Ok(()) if reopened >= REOPENINGS => {
                    return Err(CommandError::Controller(format!(
                        "it says nothing about {} of the objects",
                        left.len()
                    )));
                }
                Ok(()) | Err(_) => {
                    reopened += 1;
                    self.reopen(number).await?;
                }
            }
        }
    }

    /// Looks for the controller again, unless somebody else has since.
    async fn reopen(&self, number: usize) -> Result<(), CommandError> {
        let mut way = self.way.lock().await;
        if way.number != number {
            return Ok(());
        }
        if self.is_local {
            return Err(CommandError::Controller(
                "that of this machine has ended".to_owned(),
            ));
        }
        let end = Instant::now() + REOPENING;
        loop {
            sleep(PAUSE).await;
            let found = async {
                let pods = match &self.args.shadow_url {
                    Some(_) => Vec::new(),
                    None => our_pods(&self.connect.connect().await?).await?,
                };
                Way::find(&self.args, &self.connect, &pods).await
            };
            match found.await {
                Ok((mut found, _)) => {
                    found.number = number + 1;
                    *way = found;
                    return Ok(());
                }
                Err(error) if Instant::now() >= end => return Err(error),
                Err(_) => {}
            }
        }
    }
}

impl Way {
    /// Finds a way to the controller, and its version.
    async fn find(
        args: &ShadowArgs,
        connect: &ConnectArgs,
        pods: &[Pod],
    ) -> Result<(Self, String), CommandError> {
        let way = |address: String, forwarding: Option<Child>| Self {
            address,
            _children: forwarding.into_iter().collect(),
            number: 0,
        };
        if let Some(url) = &args.shadow_url {
            let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
            let version = owned(address).await.map_err(CommandError::Controller)?.version;
            return Ok((way(address.to_owned(), None), version));
        }
        let mut reasons = Vec::new();
        for pod in pods.iter().filter(|pod| is_running(pod)) {
            let name = format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
            match forward_to_pod(connect, pod).await {
                Ok((address, forwarding)) => match owned(&address).await {
                    Ok(owned) => return Ok((way(address, Some(forwarding)), owned.version)),
                    Err(error) => reasons.push(format!("pod {name}: {error}")),
                },
                Err(error) => reasons.push(format!("pod {name}: {error}")),
            }
        }
        if reasons.is_empty() {
            reasons.push("no pod of it is running".to_owned());
        }
        Err(CommandError::Controller(reasons.join("; ")))
    }
}

/// Asks once.
async fn ask(
    address: &str,
    question: &Question,
    mut answered: impl FnMut(Answer),
) -> Result<(), CommandError> {
    let body = serde_json::to_vec(question).map_err(|error| CommandError::Document(error.to_string()))?;
    let response = heard(send(address, Method::POST, "/v1/shadow", body), SILENCE).await?;
    let mut response = response.map_err(CommandError::Controller)?.into_body();
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = heard(response.frame(), SILENCE).await? {
        let frame = frame.map_err(|error| CommandError::Controller(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        rest.extend_from_slice(&data);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let answer = serde_json::from_slice(&line)
                .map_err(|error| CommandError::Controller(format!("it answers something else: {error}")))?;
            answered(answer);
        }
        if rest.len() > MAX_LINE {
            return Err(CommandError::Controller("its answer is too long".to_owned()));
        }
    }
    Ok(())
}

/// Waits for something from our controller, but not for ever.
async fn heard<T>(answer: impl Future<Output = T>, silence: Duration) -> Result<T, CommandError> {
    timeout(silence, answer)
        .await
        .map_err(|_| CommandError::Controller(format!("it has said nothing for {} s", silence.as_secs())))
}

fn is_running(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
}

async fn owned(address: &str) -> Result<OwnedObjects, String> {
    let asking = async {
        let response = send(address, Method::GET, "/v1/owned", Vec::new()).await?;
        let body = http_body_util::Limited::new(response.into_body(), MAX_ANSWER);
        let body = body.collect().await.map_err(|error| error.to_string())?;
        serde_json::from_slice(&body.to_bytes())
            .map_err(|error| format!("it answers something else: {error}"))
    };
    timeout(ANSWERING, asking)
        .await
        .map_err(|_| "it does not answer".to_owned())?
}

/// Sends one request over a connection of its own.
async fn send(
    address: &str,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> Result<Response<Incoming>, String> {
    let failed = |error: hyper::Error| error.to_string();
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("{address}: {error}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    // It ends with the answer, or says so there.
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, address)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(failed)?;
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(response);
    }
    if status == StatusCode::NOT_FOUND {
        return Err(format!(
            "what answers at {address} knows no such question: it is another program, or openflux-controller in an earlier version, which is \
             to be updated"
        ));
    }
    let body = http_body_util::Limited::new(response.into_body(), MAX_LINE);
    let said = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    Err(format!("{status}: {}", String::from_utf8_lossy(&said).trim()))
}

/// Has kubectl forward a port of this machine to the endpoint of a pod.
async fn forward_to_pod(connect: &ConnectArgs, pod: &Pod) -> Result<(String, Child), String> {
    let namespace = pod.namespace().unwrap_or_default();
    forward(connect, &namespace, &format!("pod/{}", pod.name_any()), PORT).await
}

/// Has kubectl forward a port of this machine to something in a cluster; gives the address.
pub(super) async fn forward(
    connect: &ConnectArgs,
    namespace: &str,
    to: &str,
    port: u16,
) -> Result<(String, Child), String> {
    let mut child = Command::new("kubectl")
        .args(connect.kubectl_flags())
        .args(["--namespace", namespace])
        .arg("port-forward")
        .arg("--address=127.0.0.1")
        .arg(to)
        .arg(format!(":{port}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("kubectl: {error}"))?;
    let Some(said) = child.stdout.take() else {
        return Err("kubectl says nothing".to_owned());
    };
    let mut lines = BufReader::new(said).lines();
    let first = timeout(FORWARDING, lines.next_line())
        .await
        .map_err(|_| "kubectl forwards no port in time".to_owned())?;
    let Ok(Some(line)) = first else {
        let mut why = String::new();
        if let Some(stderr) = child.stderr.take() {
            // What it said is all that there is to tell.
            let _ = timeout(ANSWERING, stderr.take(4096).read_to_string(&mut why)).await;
        }
        return Err(format!("kubectl port-forward: {}", why.trim()));
    };
    let address = forwarded(&line).ok_or_else(|| format!("kubectl says {line:?}"))?;
    // What else it says is read, so that it never waits for that.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((address, child))
}

/// Reads the address in `Forwarding from 127.0.0.1:40123 -> 9292`.
fn forwarded(line: &str) -> Option<String> {
    let (address, _) = line.strip_prefix("Forwarding from ")?.split_once(" -> ")?;
    Some(address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubectl_says_first_names_the_address() {
        let address = forwarded("Forwarding from 127.0.0.1:40123 -> 9292");
        assert_eq!(address.as_deref(), Some("127.0.0.1:40123"));
        assert_eq!(forwarded("error: pod not found"), None);
    }

    #[tokio::test]
    async fn silence_is_not_waited_for_for_ever() {
        let silence = Duration::from_millis(1);
        let error = heard(std::future::pending::<()>(), silence).await.unwrap_err();
        assert!(error.to_string().contains("said nothing"), "{error}");
        assert_eq!(heard(std::future::ready(1), silence).await.unwrap(), 1);
    }

    #[test]
    fn only_pods_that_run_are_asked() {
        let pod = |phase: &str| -> Pod {
            let pod = serde_json::json!({"metadata": {"name": "p"}, "status": {"phase": phase}});
            serde_json::from_value(pod).unwrap()
        };
        assert!(is_running(&pod("Running")));
        assert!(!is_running(&pod("Pending")));
    }
}
