//! One commit of a repository and nothing of its history, in the second version of the protocol or in the first.

use gix_hash::ObjectId;
use kustomize::RemoteError;

use super::packets::{DELIMITER, FLUSH, Line, Packets, nonsense, push};
use super::refs::Wish;
use super::server::{AGENT, Server};

/// Bytes of references and of what a server can do.
const LIST_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes beside those of a pack: progress, and what holds its pieces together.
const BESIDE_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of all that a server says it can do.
const CAPABILITIES_BYTES: usize = 64 * 1024;

/// What a server says that it can do.
struct Capabilities {
    is_v2: bool,
    /// One in each line.
    text: String,
}

impl Capabilities {
    /// The value of a capability, empty if it has none.
    fn get(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| {
            let value = line.strip_prefix(name)?;
            value.strip_prefix('=').or(value.is_empty().then_some(""))
        })
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn check_format(&self) -> Result<(), RemoteError> {
        match self.get("object-format") {
            None | Some("sha1") => Ok(()),
            Some(other) => Err(unsupported(&format!("objects named by {other:?}"))),
        }
    }
}

fn unsupported(what: &str) -> RemoteError {
    RemoteError::Failed(format!("the server has {what}, which is not supported"))
}

/// Asks for what is wished; gives the object that it is, and the packets with its pack.
pub(crate) fn fetch(mut server: Server<'_>, mut wish: Wish) -> Result<(ObjectId, Packets<'_>), RemoteError> {
    let bounds = server.bounds;
    let body = server.discover()?;
    let capabilities = advertised(Packets::new(body, LIST_BYTES, bounds), &mut wish)?;
    capabilities.check_format()?;
    if capabilities.is_v2 && matches!(wish, Wish::Name { .. }) {
        let mut request = command("ls-refs", &capabilities);
        request.extend_from_slice(DELIMITER);
        for prefix in wish.prefixes() {
            push(&mut request, &format!("ref-prefix {prefix}"));
        }
        request.extend_from_slice(FLUSH);
        let mut packets = Packets::new(server.post(&request)?, LIST_BYTES, bounds);
        while packets.advance()? == Line::Data {
            wish.look_at(packets.text())?;
        }
    }
    let id = wish.object()?;
    let request = if capabilities.is_v2 {
        request_v2(id, &capabilities)?
    } else {
        request_v1(id, &wish, &capabilities)?
    };
    let bytes = bounds.room.left().saturating_add(BESIDE_BYTES);
    let mut packets = Packets::new(server.post(&request)?, bytes, bounds);
    if capabilities.is_v2 {
        to_pack_v2(&mut packets)?;
    } else {
        to_pack_v1(&mut packets)?;
    }
    Ok((id, packets))
}

/// Reads what the server can do, and in the first version of the protocol its references.
fn advertised(mut packets: Packets<'_>, wish: &mut Wish) -> Result<Capabilities, RemoteError> {
    let mut line = packets.advance()?;
    if line == Line::Data && packets.text().starts_with(b"# service=") {
        while packets.advance()? == Line::Data {}
        line = packets.advance()?;
    }
    if line == Line::Data && packets.text() == b"version 1" {
        line = packets.advance()?;
    }
    let mut capabilities = Capabilities {
        is_v2: line == Line::Data && packets.text() == b"version 2",
        text: String::new(),
    };
    if capabilities.is_v2 {
        while packets.advance()? == Line::Data {
            add(&mut capabilities.text, packets.text())?;
        }
        return Ok(capabilities);
    }
    while line == Line::Data {
        let text = packets.text();
        let mut parts = text.splitn(2, |byte| *byte == 0);
        let reference = parts.next().unwrap_or_default();
        for capability in parts.flat_map(|said| said.split(|byte| *byte == b' ')) {
            add(&mut capabilities.text, capability)?;
        }
        if !reference.starts_with(b"shallow ") {
            wish.look_at(reference)?;
        }
        line = packets.advance()?;
    }
    Ok(capabilities)
}

fn add(capabilities: &mut String, said: &[u8]) -> Result<(), RemoteError> {
    if capabilities.len() + said.len() > CAPABILITIES_BYTES {
        return Err(nonsense());
    }
    capabilities.push_str(&String::from_utf8_lossy(said));
    capabilities.push('\n');
    Ok(())
}

fn command(name: &str, capabilities: &Capabilities) -> Vec<u8> {
    let mut request = Vec::new();
    push(&mut request, &format!("command={name}"));
    if capabilities.has("agent") {
        push(&mut request, AGENT);
    }
    if capabilities.has("object-format") {
        push(&mut request, "object-format=sha1");
    }
    request
}

fn request_v2(id: ObjectId, capabilities: &Capabilities) -> Result<Vec<u8>, RemoteError> {
    let can = capabilities.get("fetch").unwrap_or_default();
    if !can.split(' ').any(|feature| feature == "shallow") {
        return Err(unsupported("no shallow fetches"));
    }
    let mut request = command("fetch", capabilities);
    request.extend_from_slice(DELIMITER);
    for argument in [
        "no-progress",
        "ofs-delta",
        "deepen 1",
        &format!("want {id}"),
        "done",
    ] {
        push(&mut request, argument);
    }
    request.extend_from_slice(FLUSH);
    Ok(request)
}

fn request_v1(id: ObjectId, wish: &Wish, capabilities: &Capabilities) -> Result<Vec<u8>, RemoteError> {
    let hidden = matches!(
        wish,
        Wish::Object {
            is_advertised: false,
            ..
        }
    );
    let gives_out = ["allow-tip-sha1-in-want", "allow-reachable-sha1-in-want"];
    if hidden && !gives_out.iter().any(|name| capabilities.has(name)) {
        let text = format!("Server does not allow request for unadvertised object {id}");
        return Err(RemoteError::Failed(text));
    }
    if !capabilities.has("shallow") {
        return Err(unsupported("no shallow fetches"));
    }
    let first_of = |names: &[&'static str]| names.iter().copied().find(|name| capabilities.has(name));
    let Some(band) = first_of(&["side-band-64k", "side-band"]) else {
        return Err(unsupported("no side bands"));
    };
    let mut features = vec![band];
    // Some servers insist on one of these, although there is nothing to agree about.
    features.extend(first_of(&["multi_ack_detailed", "multi_ack"]));
    features.extend(
        ["ofs-delta", "no-progress"]
            .iter()
            .filter(|name| capabilities.has(name)),
    );
    if capabilities.has("agent") {
        features.push(AGENT);
    }
    let mut request = Vec::new();
    push(&mut request, &format!("want {id} {}", features.join(" ")));
    push(&mut request, "deepen 1");
    request.extend_from_slice(FLUSH);
    push(&mut request, "done");
    Ok(request)
}

/// Reads up to the section with the pack.
fn to_pack_v2(packets: &mut Packets<'_>) -> Result<(), RemoteError> {
    while packets.advance()? == Line::Data {
        if packets.text() == b"packfile" {
            return Ok(());
        }
        // Nothing else that a server tells is needed to make one commit complete.
        while packets.advance()? == Line::Data {}
    }
    Err(nonsense())
}

/// Reads what stands before the pack.
fn to_pack_v1(packets: &mut Packets<'_>) -> Result<(), RemoteError> {
    loop {
        match packets.advance()? {
            // Where the history was cut off.
            Line::Flush => {}
            Line::Data if packets.text().starts_with(b"shallow ") => {}
            Line::Data if packets.text().starts_with(b"unshallow ") => {}
            Line::Data if packets.text() == b"NAK" => return Ok(()),
            _ => return Err(nonsense()),
        }
    }
}
