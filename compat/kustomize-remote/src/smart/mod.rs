//! Repositories over HTTP, without the `git` program: git's "smart" protocol, packs, and work trees.
//!
//! The pieces that gitoxide has are used where what they take is bounded by what they are given: packet lines, trees,
//! names, attributes and their conversions. Its clone as a whole is not, since a server says how much memory its references, its
//! deltas and its index take. Here nothing of what a server sends is kept but the pack, which is a file, and some bytes for each
//! object.

mod checkout;
mod convert;
mod delta;
mod fetch;
mod index;
mod objects;
mod packets;
mod refs;
mod server;

use std::path::Path;

use kustomize::RemoteError;

use self::refs::Wish;
use self::server::Server;
use crate::bounds::Bounds;
use crate::wanted::{CheckedOut, Wanted};
use crate::{Network, Policy};

/// What is to be cloned.
pub(crate) struct Repository<'a> {
    pub(crate) address: &'a str,
    pub(crate) wanted: &'a Wanted,
    pub(crate) policy: &'a Policy,
    pub(crate) network: &'a dyn Network,
}

impl Repository<'_> {
    /// Checks the repository out into an empty directory; `scratch` is a directory for files that vanish, `bounds`
    /// begins a step, of which fetching is one and checking out another.
    pub(crate) fn clone_into<'b>(
        &self,
        root: &Path,
        scratch: &Path,
        bounds: &dyn Fn() -> Bounds<'b>,
    ) -> Result<CheckedOut, RemoteError> {
        let fetching = bounds();
        let wish = Wish::new(self.wanted)?;
        let server = Server::new(self.address, self.network, self.policy, fetching)?;
        let (commit, mut packets) = fetch::fetch(server, wish)?;
        let objects = index::receive(&mut packets, scratch, &fetching)?;
        drop(packets);
        checkout::check_out(objects, commit, root, &bounds())
    }
}
