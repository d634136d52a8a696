//! Resolves names as the system does, and leaves out what the guard refuses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

use super::Guard;

/// The addresses of a host that may be connected to; one that stands in a URL itself never comes here.
#[derive(Clone)]
pub(super) struct GuardedResolver {
    system: GaiResolver,
    guard: Arc<Guard>,
}

impl GuardedResolver {
    pub(super) fn new(guard: Arc<Guard>) -> Self {
        Self {
            system: GaiResolver::new(),
            guard,
        }
    }

    /// Gives the addresses of a host for somebody else who connects.
    pub(super) async fn addresses(mut self, host: &str) -> io::Result<Vec<IpAddr>> {
        let name = host.parse().map_err(io::Error::other)?;
        Ok(self.call(name).await?.map(|address| address.ip()).collect())
    }
}

impl Service<Name> for GuardedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (host, guard) = (name.to_string(), Arc::clone(&self.guard));
        let found = self.system.call(name);
        async move {
            let (mut allowed, mut refused) = (Vec::new(), None);
            for address in found.await? {
                match guard.check_address(&host, address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(error) => refused = Some(error),
                }
            }
            match refused {
                Some(error) if allowed.is_empty() => {
                    Err(io::Error::new(io::ErrorKind::PermissionDenied, error))
                }
                _ => Ok(allowed.into_iter()),
            }
        }
        .boxed()
    }
}
