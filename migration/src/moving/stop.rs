//! The early end of a run: by Ctrl-C, or since its Lease is lost.

use std::io::Write as _;

use tokio::sync::watch;

/// Whether the run is to end early.
#[derive(Clone)]
pub(crate) struct Stop {
    asked: watch::Receiver<bool>,
    /// Asked for a second time, or the Lease is lost.
    now: watch::Receiver<bool>,
}

impl Stop {
    pub(super) const fn new(asked: watch::Receiver<bool>, now: watch::Receiver<bool>) -> Self {
        Self { asked, now }
    }

    /// Listens for Ctrl-C: once for the end after the current objects, twice for the end.
    pub(crate) fn listen(now: watch::Sender<bool>) -> Self {
        let (asks, asked) = watch::channel(false);
        let stop = Self::new(asked, now.subscribe());
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if asks.send_replace(true) {
                    now.send_replace(true);
                    break;
                }
                let _ = writeln!(
                    std::io::stderr(),
                    "stopping when the current objects are done; once more to stop now"
                );
            }
        });
        stop
    }

    pub(super) fn is_asked(&self) -> bool {
        *self.asked.borrow() || *self.now.borrow()
    }

    /// Waits until the run is to end.
    pub(super) async fn wait(&self) {
        let (mut asked, mut now) = (self.asked.clone(), self.now.clone());
        tokio::select! {
            Ok(_) = asked.wait_for(|asked| *asked) => {}
            Ok(_) = now.wait_for(|now| *now) => {}
            // Nobody can say so any more.
            else => std::future::pending().await,
        }
    }

    /// Hears when the run is to end at once.
    pub(super) fn now(&self) -> watch::Receiver<bool> {
        self.now.clone()
    }
}
