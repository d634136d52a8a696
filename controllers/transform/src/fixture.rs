//! What several tests begin with.

use artifact_crd::TRANSFORMATION_KIND;
use artifact_producer::Owner;

use crate::kind::api_version;

/// The transformation `web`, in one of its incarnations.
pub(crate) fn owner(uid: &str) -> Owner {
    Owner {
        api_version: api_version(),
        kind: TRANSFORMATION_KIND.into(),
        namespace: "apps".into(),
        name: "web".into(),
        uid: uid.into(),
    }
}
