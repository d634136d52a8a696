//! The requests that Helm makes for objects.

use std::time::Duration;

use controller_kit::{Ask, ObjectPath, Rest, RestError};
use http::Method;
use serde_json::{Value, json};

use super::resource::Resource;

/// Who owns what is applied, as the API server notes it.
pub(crate) const MANAGER: &str = "helm-controller";

/// What becomes of the dependents of an object that is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted afterwards.
    #[default]
    Background,
    /// They are deleted before.
    Foreground,
    /// They stay.
    Orphan,
}

impl Propagation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Background => "Background",
            Self::Foreground => "Foreground",
            Self::Orphan => "Orphan",
        }
    }
}

/// How often a request is made that comes to nothing because somebody else was faster.
const ATTEMPTS: u32 = 5;

/// The pause between two of them.
const PAUSE: Duration = Duration::from_millis(10);

/// The attempts to change an object that somebody else writes meanwhile, perhaps many times a second.
#[derive(Debug, Default)]
pub(super) struct Attempts(u32);

impl Attempts {
    /// How many there are; the pauses between them come to a second and a quarter.
    const MOST: u32 = 8;

    /// Tells whether the next attempt is the last one.
    pub(super) fn is_last(&self) -> bool {
        self.0 + 1 == Self::MOST
    }

    /// Pauses before the next attempt, longer each time; tells whether there is one.
    pub(super) async fn pause(&mut self) -> bool {
        if self.is_last() {
            return false;
        }
        tokio::time::sleep(PAUSE * (1 << self.0)).await;
        self.0 += 1;
        true
    }
}

/// Makes a request, and once more if the store of the API server has just changed hands.
async fn ask(rest: &Rest, ask: &Ask<'_>) -> Result<Value, RestError> {
    match rest.ask(ask).await {
        Err(error) if is_of_store(&error) => rest.ask(ask).await,
        answer => answer,
    }
}

fn is_of_store(error: &RestError) -> bool {
    let text = error.to_string();
    error.code().is_some_and(|code| code >= 500)
        && (text.ends_with("etcdserver: leader changed") || text.ends_with("raft proposal dropped"))
}

/// Makes a request again as long as it fails in a way that passes.
async fn persist(
    rest: &Rest,
    request: &Ask<'_>,
    passes: impl Fn(&RestError) -> bool,
) -> Result<Value, RestError> {
    for _ in 1..ATTEMPTS {
        match ask(rest, request).await {
            Err(error) if passes(&error) => tokio::time::sleep(PAUSE).await,
            answer => return answer,
        }
    }
    ask(rest, request).await
}

/// Reads an object; nothing if it does not exist.
pub(super) async fn get(rest: &Rest, at: &ObjectPath<'_>) -> Result<Option<Value>, RestError> {
    match ask(rest, &Ask::new(Method::GET, &at.path())).await {
        Err(error) if error.is_not_found() => Ok(None),
        answer => answer.map(Some),
    }
}

/// Applies an object on the server side; the API server checks its fields.
pub(super) async fn apply(rest: &Rest, resource: &Resource, force: bool) -> Result<Value, RestError> {
    if resource.name.is_empty() {
        return Err(RestError::Request("resource name may not be empty".to_owned()));
    }
    let path = format!(
        "{}?fieldManager={MANAGER}&fieldValidation=Strict&force={force}",
        resource.at().path()
    );
    let request = Ask::new(Method::PATCH, &path).with("application/apply-patch+yaml", &resource.object);
    persist(rest, &request, is_quota_conflict).await
}

/// A quota that somebody else has used meanwhile.
fn is_quota_conflict(error: &RestError) -> bool {
    let text = error.to_string();
    error.is_conflict()
        && text.contains("Operation cannot be fulfilled on resourcequotas")
        && text.contains("the object has been modified")
}

/// Creates an object.
pub(super) async fn create(rest: &Rest, resource: &Resource) -> Result<Value, RestError> {
    let mut object = resource.object.clone();
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.remove("resourceVersion");
    }
    let collection = resource.mapping.collection(&resource.namespace);
    let path = format!("{collection}?fieldManager={MANAGER}");
    let request = Ask::new(Method::POST, &path).with("application/json", &object);
    persist(rest, &request, RestError::is_conflict).await
}

/// Replaces an object, whatever it is by now.
pub(super) async fn replace(rest: &Rest, resource: &Resource) -> Result<Value, RestError> {
    let mut object = resource.object.clone();
    // Without an object, or without its version, the API server says what it thinks of that.
    if let Ok(Some(live)) = get(rest, &resource.at()).await {
        let version = controller_kit::object::resource_version(&live);
        object["metadata"]["resourceVersion"] = version.into();
    }
    let path = format!(
        "{}?fieldManager={MANAGER}&fieldValidation=Strict",
        resource.at().path()
    );
    ask(
        rest,
        &Ask::new(Method::PUT, &path).with("application/json", &object),
    )
    .await
}

/// Changes an object by a patch of a media type.
pub(super) async fn patch(
    rest: &Rest,
    at: &ObjectPath<'_>,
    content: &str,
    patch: &Value,
) -> Result<Value, RestError> {
    let path = format!("{}?fieldManager={MANAGER}", at.path());
    ask(rest, &Ask::new(Method::PATCH, &path).with(content, patch)).await
}

/// Deletes an object, in whatever state it is.
pub(super) async fn delete(
    rest: &Rest,
    resource: &Resource,
    propagation: Propagation,
) -> Result<Value, RestError> {
    let options = json!({
        "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation.as_str(),
    });
    delete_with(rest, &resource.at(), &options).await
}

/// Deletes an object that was looked at, if nobody has written it since.
pub(super) async fn delete_seen(rest: &Rest, at: &ObjectPath<'_>, live: &Value) -> Result<Value, RestError> {
    let seen = controller_kit::Seen::of(live);
    let options = json!({
        "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": Propagation::Background.as_str(),
        "preconditions": {"uid": seen.uid, "resourceVersion": seen.resource_version},
    });
    ask(
        rest,
        &Ask::new(Method::DELETE, &at.path()).with("application/json", &options),
    )
    .await
}

async fn delete_with(rest: &Rest, at: &ObjectPath<'_>, options: &Value) -> Result<Value, RestError> {
    let path = at.path();
    let request = Ask::new(Method::DELETE, &path).with("application/json", options);
    persist(rest, &request, RestError::is_conflict).await
}

/// Changes an object by a JSON patch.
pub(super) async fn json_patch(rest: &Rest, at: &ObjectPath<'_>, patch: &Value) -> Result<Value, RestError> {
    let path = format!("{}?fieldManager={MANAGER}&fieldValidation=Strict", at.path());
    ask(
        rest,
        &Ask::new(Method::PATCH, &path).with("application/json-patch+json", patch),
    )
    .await
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn failure(code: u16, reason: &str, message: &str) -> RestError {
        let status = Status::failure(message, reason).with_code(code);
        RestError::Api(Box::new(status))
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_come_to_an_end() {
        let (mut attempts, start) = (Attempts::default(), tokio::time::Instant::now());
        let mut count = 1;
        while attempts.pause().await {
            count += 1;
        }
        assert!(attempts.is_last());
        assert_eq!(count, Attempts::MOST);
        // The clock of tests counts whole milliseconds, upwards.
        let took = start.elapsed().as_millis();
        assert!((1270..1290).contains(&took), "{took}");
    }

    #[test]
    fn what_passes_is_known() {
        let quota = "Operation cannot be fulfilled on resourcequotas \"q\": the object has been modified";
        assert!(is_quota_conflict(&failure(409, "Conflict", quota)));
        assert!(!is_quota_conflict(&failure(
            409,
            "Conflict",
            "Apply failed with 1 conflict"
        )));
        assert!(!is_quota_conflict(&failure(403, "Forbidden", quota)));
        assert!(is_of_store(&failure(
            500,
            "InternalError",
            "etcdserver: leader changed"
        )));
        assert!(!is_of_store(&failure(
            404,
            "NotFound",
            "etcdserver: leader changed"
        )));
        assert!(!is_of_store(&failure(
            500,
            "InternalError",
            "etcdserver: too large"
        )));
    }
}
