//! Keeps ssh to an address that was judged before, where a network judges them.
//!
//! git and ssh resolve names by themselves: ssh is given one address, and the name for its host keys.

use kustomize::RemoteError;

use crate::{Network, NetworkError, host};

/// Gives the options for ssh, as a shell reads them; none where it may find its way by itself.
pub(crate) fn options(network: &dyn Network, address: &str) -> Result<String, RemoteError> {
    let Some((host, port)) = host::of_ssh(address) else {
        return Ok(String::new());
    };
    let addresses = network
        .addresses("ssh", &host, port.unwrap_or(22))
        .map_err(|error| unreachable_host(&host, error))?;
    let Some(addresses) = addresses else {
        return Ok(String::new());
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    let Some(judged) = addresses.first().filter(|_| host.chars().all(plain)) else {
        let text = format!("cannot clone: {host:?} is not the name of a host");
        return Err(RemoteError::Failed(text));
    };
    let keys = match port {
        Some(port) if port != 22 => format!("[{host}]:{port}"),
        _ => host,
    };
    Ok(format!(
        " -o HostName={judged} -o 'HostKeyAlias={keys}' -o CheckHostIP=no"
    ))
}

fn unreachable_host(host: &str, error: NetworkError) -> RemoteError {
    match error {
        NetworkError::TimedOut => RemoteError::TimedOut(format!("no answer from host {host:?}")),
        NetworkError::TooLarge => RemoteError::TooLarge(format!("the answer of host {host:?} is too large")),
        NetworkError::Failed(reason) => RemoteError::Failed(format!("cannot reach host {host:?}: {reason}")),
    }
}
