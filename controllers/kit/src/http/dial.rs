//! Opens connections: to a host itself, or to the proxy that the environment names for it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::resolve::GuardedResolver;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Connects to what the guarded resolver gives, or to a proxy, which resolves by itself.
#[derive(Clone)]
pub(super) struct Dial {
    direct: HttpConnector<GuardedResolver>,
    to_proxy: ToProxy,
    proxies: Option<Arc<Matcher>>,
}

/// How a proxy is connected to: one of the operator wherever it is, one of a tenant where the guard allows.
#[derive(Clone)]
enum ToProxy {
    Anywhere(HttpConnector),
    Guarded(HttpConnector<GuardedResolver>),
}

impl Dial {
    /// Connects directly, or through one of `proxies`, which may be a tenant's.
    pub(super) fn new(resolver: GuardedResolver, proxies: Option<Arc<Matcher>>, of_tenant: bool) -> Self {
        let mut direct = HttpConnector::new_with_resolver(resolver);
        direct.enforce_http(false);
        direct.set_connect_timeout(Some(super::client::CONNECT));
        let to_proxy = if of_tenant {
            ToProxy::Guarded(direct.clone())
        } else {
            let mut anywhere = HttpConnector::new();
            anywhere.set_connect_timeout(Some(super::client::CONNECT));
            ToProxy::Anywhere(anywhere)
        };
        Self {
            direct,
            to_proxy,
            proxies,
        }
    }
}

impl Service<Uri> for Dial {
    type Response = Stream;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Stream, Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.direct.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let proxies = self.proxies.as_ref();
        let Some(proxy) = proxies.and_then(|proxies| proxies.intercept(&target)) else {
            let dialed = self.direct.call(target);
            return async move { Ok(Stream::new(dialed.await?, false)) }.boxed();
        };
        match &self.to_proxy {
            ToProxy::Anywhere(connector) => through(connector.clone(), &proxy, target),
            ToProxy::Guarded(connector) => through(connector.clone(), &proxy, target),
        }
    }
}

/// Connects through a proxy: by a tunnel for https, and otherwise by telling it the whole URL.
fn through<C>(mut connector: C, proxy: &Intercept, target: Uri) -> BoxFuture<'static, Result<Stream, Error>>
where
    C: Service<Uri, Response = TokioIo<TcpStream>> + Clone + Send + 'static,
    C::Future: Send + 'static,
    C::Error: Into<Error>,
{
    if target.scheme_str() == Some("https") {
        let mut tunnel = Tunnel::new(proxy.uri().clone(), connector);
        if let Some(credentials) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        let dialed = tunnel.call(target);
        return async move { Ok(Stream::new(dialed.await?, false)) }.boxed();
    }
    let dialed = connector.call(proxy.uri().clone());
    async move { Ok(Stream::new(dialed.await.map_err(Into::into)?, true)) }.boxed()
}

/// A connection, which knows whether a proxy is to be told the whole URL.
#[derive(Debug)]
pub(super) struct Stream {
    io: TokioIo<TcpStream>,
    to_proxy: bool,
}

impl Stream {
    fn new(io: TokioIo<TcpStream>, to_proxy: bool) -> Self {
        Self { io, to_proxy }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.io.inner().connected().proxy(self.to_proxy)
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, buffers)
    }
}
