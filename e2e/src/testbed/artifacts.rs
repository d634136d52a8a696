//! Artifacts without a source-controller: archives made by hand, served well or badly, with a count of downloads.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use super::server::HttpServer;
use super::services::hex;

/// A gzip-compressed tar archive that is being written, entry by entry, hostile ones included.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    tar: Vec<u8>,
}

impl Archive {
    /// An archive of regular files.
    pub fn of(files: &[(&str, &str)]) -> Self {
        files.iter().fold(Self::default(), |archive, (path, content)| {
            archive.file(path, content.as_bytes())
        })
    }

    /// Adds a regular file, whatever its path.
    #[must_use]
    pub fn file(self, path: &str, content: &[u8]) -> Self {
        self.entry(path, tar::EntryType::Regular, "", content)
    }

    /// Adds a link, hard or symbolic.
    #[must_use]
    pub fn link(self, path: &str, kind: tar::EntryType, target: &str) -> Self {
        self.entry(path, kind, target, &[])
    }

    /// Adds an entry that says something about the one after it, such as a long name.
    #[must_use]
    pub fn about_the_next(self, kind: tar::EntryType, content: &[u8]) -> Self {
        self.entry("././@LongLink", kind, "", content)
    }

    /// Adds a file of zeros, none of which are in the archive.
    #[must_use]
    pub fn sparse(mut self, path: &str, size: u64) -> Self {
        let mut header = tar::Header::new_gnu();
        let bytes = header.as_mut_bytes().iter_mut();
        bytes.zip(path.as_bytes()).for_each(|(to, from)| *to = *from);
        header.set_entry_type(tar::EntryType::GNUSparse);
        header.set_size(0);
        header.set_mode(0o644);
        if let Some(gnu) = header.as_gnu_mut() {
            gnu.set_real_size(size);
            // One piece of no length at its end.
            for (to, from) in gnu.sparse[0]
                .offset
                .iter_mut()
                .zip(format!("{size:011o}").bytes())
            {
                *to = from;
            }
            gnu.sparse[0].numbytes = *b"00000000000\0";
        }
        header.set_cksum();
        self.tar.extend_from_slice(header.as_bytes());
        self
    }

    /// The header is written byte by byte, because the tar crate refuses to write hostile paths.
    fn entry(mut self, path: &str, kind: tar::EntryType, target: &str, content: &[u8]) -> Self {
        let mut header = tar::Header::new_ustar();
        let bytes = header.as_mut_bytes();
        bytes
            .iter_mut()
            .zip(path.as_bytes())
            .for_each(|(to, from)| *to = *from);
        let link = bytes.iter_mut().skip(157).take(100);
        link.zip(target.as_bytes()).for_each(|(to, from)| *to = *from);
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        self.tar.extend_from_slice(header.as_bytes());
        self.tar.extend_from_slice(content);
        self.tar.resize(self.tar.len().next_multiple_of(512), 0);
        self
    }

    /// The finished archive.
    pub fn pack(mut self) -> Result<Vec<u8>> {
        self.tar.resize(self.tar.len() + 1024, 0);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&self.tar)?;
        Ok(gzip.finish()?)
    }
}

/// What a URL answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These bytes, although the header promises one more; then the connection breaks.
    Truncated(Vec<u8>),
    /// Zeros without an end.
    Endless,
    /// A head, and then nothing more, for ever.
    Silent,
    /// A page for people.
    Html,
    /// A redirect to another URL.
    Redirect(String),
    /// A status without a body.
    Status(u16),
}

/// Serves artifacts on a loopback port.
#[derive(Debug)]
pub struct ArtifactServer {
    http: HttpServer,
    answers: Arc<HashMap<String, Served>>,
}

#[derive(Debug)]
struct Served {
    answer: Answer,
    requests: AtomicUsize,
}

impl ArtifactServer {
    /// Starts serving each answer under its name.
    pub fn start<'a>(answers: impl IntoIterator<Item = (&'a str, Answer)>) -> Result<Self> {
        let served = answers.into_iter().map(|(name, answer)| {
            let served = Served {
                answer,
                requests: AtomicUsize::new(0),
            };
            (format!("/{name}"), served)
        });
        let answers: Arc<HashMap<String, Served>> = Arc::new(served.collect());
        let router = Router::new().fallback(serve).with_state(Arc::clone(&answers));
        Ok(Self {
            http: HttpServer::start(router)?,
            answers,
        })
    }

    /// The URL of an answer.
    pub fn url(&self, name: &str) -> String {
        self.http.url(&format!("/{name}"))
    }

    /// The digest of what a name answers; that of nothing where it does not answer bytes.
    pub fn digest(&self, name: &str) -> String {
        let bytes = match self.answers.get(&format!("/{name}")).map(|served| &served.answer) {
            Some(Answer::Bytes(bytes) | Answer::Truncated(bytes)) => bytes.as_slice(),
            _ => &[],
        };
        format!("sha256:{}", hex(&Sha256::digest(bytes)))
    }

    /// How often a name was asked for.
    pub fn requests(&self, name: &str) -> usize {
        self.answers
            .get(&format!("/{name}"))
            .map_or(0, |served| served.requests.load(Ordering::Relaxed))
    }
}

async fn serve(State(answers): State<Arc<HashMap<String, Served>>>, request: Request) -> Response {
    let Some(served) = answers.get(request.uri().path()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    served.requests.fetch_add(1, Ordering::Relaxed);
    match served.answer.clone() {
        Answer::Bytes(bytes) => bytes.into_response(),
        Answer::Truncated(bytes) => {
            let length = bytes.len() + 1;
            let broken = Err(std::io::Error::other("the connection breaks"));
            let parts = [Ok(Bytes::from(bytes)), broken];
            let body = Body::from_stream(futures::stream::iter(parts));
            ([(header::CONTENT_LENGTH, length)], body).into_response()
        }
        Answer::Endless => {
            let zeros = Bytes::from(vec![0; 1 << 16]);
            let zeros = futures::stream::repeat_with(move || Ok::<_, std::io::Error>(zeros.clone()));
            Body::from_stream(zeros).into_response()
        }
        Answer::Silent => {
            Body::from_stream(futures::stream::pending::<std::io::Result<Bytes>>()).into_response()
        }
        Answer::Html => (
            [(header::CONTENT_TYPE, "text/html")],
            "<!doctype html><title>Sign in</title>",
        )
            .into_response(),
        Answer::Redirect(url) => Redirect::temporary(&url).into_response(),
        Answer::Status(code) => StatusCode::from_u16(code)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            .into_response(),
    }
}
