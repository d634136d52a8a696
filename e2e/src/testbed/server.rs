//! A small HTTP server on its own thread, so that it outlives the runtime of the test that started it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;

use anyhow::{Context as _, Result};
use axum::Router;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::ports::free_port;

/// Serves a router on a loopback port until it is dropped.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    _stop: DropGuard,
}

impl HttpServer {
    /// Starts serving on a free port.
    pub fn start(router: Router) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let (ready, wait) = mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name(format!("http-{}", address.port()))
            .spawn(move || {
                runtime.block_on(async move {
                    let listener = match tokio::net::TcpListener::bind(address).await {
                        Ok(listener) => listener,
                        Err(error) => return ready.send(Err(error)).unwrap_or(()),
                    };
                    ready.send(Ok(())).unwrap_or(());
                    tokio::select! {
                        () = stopped.cancelled_owned() => {}
                        // It ends only when the listener breaks, which its clients will notice.
                        _ = axum::serve(listener, router).into_future() => {}
                    }
                });
            })?;
        wait.recv()
            .context("the server thread ended")?
            .with_context(|| format!("listening on {address}"))?;
        Ok(Self {
            address,
            _stop: stop.drop_guard(),
        })
    }

    /// The host and port, as in a URL.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path, which starts with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
