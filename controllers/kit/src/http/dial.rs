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
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::resolve::GuardedResolver;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Connects to what the guarded resolver gives, or to a proxy, which resolves by itself.
#[derive(Clone)]
pub(super) struct Dial {
    direct: HttpConnector<GuardedResolver>,
    to_proxy: HttpConnector,
    proxies: Option<Arc<Matcher>>,
}

impl Dial {
    pub(super) fn new(resolver: GuardedResolver, proxies: Option<Arc<Matcher>>) -> Self {
        let mut direct = HttpConnector::new_with_resolver(resolver);
        let mut to_proxy = HttpConnector::new();
        direct.enforce_http(false);
        direct.set_connect_timeout(Some(super::client::CONNECT));
        to_proxy.set_connect_timeout(Some(super::client::CONNECT));
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
        if target.scheme_str() == Some("https") {
            let mut tunnel = Tunnel::new(proxy.uri().clone(), self.to_proxy.clone());
            if let Some(credentials) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(credentials.clone());
            }
            let dialed = tunnel.call(target);
            return async move { Ok(Stream::new(dialed.await?, false)) }.boxed();
        }
        let dialed = self.to_proxy.call(proxy.uri().clone());
        async move { Ok(Stream::new(dialed.await?, true)) }.boxed()
    }
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
