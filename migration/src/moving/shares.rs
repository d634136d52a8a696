//! Who has how many objects in the end.

use std::collections::BTreeMap;

use flux_fleet::moving::report::Shares;
use flux_fleet::{DeployerKind, Handle, Owner};
use kube::Api;
use kube::api::{DynamicObject, ListParams};

use super::flux::{Flux, patiently, resource};
use crate::cluster::CommandError;

/// Says who has how many of these objects now; and which have no owner, or two.
pub(crate) async fn shares(flux: &Flux, objects: &[Handle]) -> Result<(Shares, Vec<Handle>), CommandError> {
    let owners = flux.owners().await?;
    let mut found: BTreeMap<Handle, Owner> = BTreeMap::new();
    for kind in DeployerKind::ALL {
        if !objects.iter().any(|object| object.kind == kind) {
            continue;
        }
        let api: Api<DynamicObject> = Api::all_with(flux.client.clone(), &resource(kind));
        let all = patiently(async || {
            let all = api.list_metadata(&ListParams::default()).await;
            all.map_err(CommandError::api(format!("{}s", kind.kind())))
        })
        .await?;
        for object in all.items {
            let meta = object.metadata;
            let handle = Handle::new(
                kind,
                meta.namespace.unwrap_or_default(),
                meta.name.unwrap_or_default(),
            );
            let owner = owners.owner_with(&handle, &meta.labels.unwrap_or_default());
            found.insert(handle, owner);
        }
    }
    let (mut shares, mut lost) = (Shares::default(), Vec::new());
    for object in objects {
        match found.get(object) {
            Some(Owner::Openflux { .. }) => shares.openflux += 1,
            Some(Owner::Stock { .. }) => shares.stock += 1,
            Some(Owner::Contested { .. } | Owner::Nobody { .. }) => {
                shares.none += 1;
                lost.push(object.clone());
            }
            // What is gone has no owner and needs none.
            None => {}
        }
    }
    Ok((shares, lost))
}
