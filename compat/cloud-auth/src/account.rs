//! Whom a service account stands for in a cloud, as its annotations say.

use std::collections::BTreeMap;

use crate::error::AuthError;

const ROLE: &str = "eks.amazonaws.com/role-arn";
const TENANT: &str = "azure.workload.identity/tenant-id";
const CLIENT: &str = "azure.workload.identity/client-id";
const EMAIL: &str = "iam.gke.io/gcp-service-account";
const POOL: &str = "gcp.auth.fluxcd.io/workload-identity-provider";

/// A service account of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Account {
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    fn annotation(&self, name: &str) -> &str {
        self.annotations.get(name).map_or("", String::as_str)
    }

    /// The role that it may have in AWS.
    pub(crate) fn role(&self) -> Result<&str, AuthError> {
        let role = self.annotation(ROLE);
        let is_role = || {
            let (partition, rest) = role.strip_prefix("arn:aws")?.split_once(":iam::")?;
            let (number, name) = rest.split_once(":role/")?;
            let is_right = is_partition(partition) && is_number(number) && is_short(name, 200);
            is_right.then_some(())
        };
        let pattern = r"^arn:aws[\w-]*:iam::[0-9]{1,30}:role/.{1,200}$";
        is_role().map(|()| role).ok_or_else(|| wrong(ROLE, role, pattern))
    }

    /// Tenant and client that it is in Azure.
    pub(crate) fn azure(&self) -> Result<(&str, &str), AuthError> {
        let get = |what: &str, key: &str| {
            let value = self.annotations.get(key).map(String::as_str);
            let why = || format!("azure {what} ID is not set in the service account annotation {key}");
            value.ok_or_else(|| AuthError::Configuration(why()))
        };
        Ok((get("tenant", TENANT)?, get("client", CLIENT)?))
    }

    /// The service account of Google that it takes on; empty for none.
    pub(crate) fn email(&self) -> Result<&str, AuthError> {
        let email = self.annotation(EMAIL);
        let is_name = |text: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (1..=100).contains(&text.len()) && text.bytes().all(fits)
        };
        let parts = email
            .strip_suffix(".iam.gserviceaccount.com")
            .and_then(|rest| rest.split_once('@'));
        if email.is_empty() || parts.is_some_and(|(name, project)| is_name(name) && is_name(project)) {
            return Ok(email);
        }
        let pattern = r"^[a-zA-Z0-9-]{1,100}@[a-zA-Z0-9-]{1,100}\.iam\.gserviceaccount\.com$";
        Err(wrong(EMAIL, email, pattern))
    }

    /// The provider of identities at Google that it names, where the cluster is not Google's.
    pub(crate) fn pool(&self) -> Result<Option<String>, AuthError> {
        let pool = self.annotation(POOL);
        if pool.is_empty() {
            return Ok(None);
        }
        let is_right = match pool.split('/').collect::<Vec<_>>()[..] {
            [
                "projects",
                number,
                "locations",
                "global",
                "workloadIdentityPools",
                pool,
                "providers",
                provider,
            ] => is_number(number) && is_short(pool, 100) && is_short(provider, 100),
            _ => false,
        };
        if is_right {
            return Ok(Some(format!("//iam.googleapis.com/{pool}")));
        }
        let pattern =
            r"^projects/\d{1,30}/locations/global/workloadIdentityPools/[^/]{1,100}/providers/[^/]{1,100}$";
        Err(wrong(POOL, pool, pattern))
    }
}

fn wrong(key: &str, value: &str, pattern: &str) -> AuthError {
    AuthError::Configuration(format!(
        "invalid {key} annotation: '{value}'. must match {pattern}"
    ))
}

/// What follows `aws` in the name of a partition.
pub(crate) fn is_partition(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// The number of an account or a project.
pub(crate) fn is_number(text: &str) -> bool {
    (1..=30).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A line of at most so many characters, and of one at least.
pub(crate) fn is_short(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && !text.contains('\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(key: &str, value: &str) -> Account {
        Account {
            namespace: "apps".to_owned(),
            name: "me".to_owned(),
            annotations: [(key.to_owned(), value.to_owned())].into(),
        }
    }

    #[test]
    fn annotations_say_who_an_account_is() {
        assert!(account(ROLE, "arn:aws-cn:iam::1:role/a/b").role().is_ok());
        for role in [
            "",
            "arn:aws:iam::x:role/a",
            "arn:aws:iam::1:user/a",
            "arn:aws:iam::1:role/",
        ] {
            let error = account(ROLE, role).role().unwrap_err().to_string();
            let expected = format!("invalid {ROLE} annotation: '{role}'. must match ^arn:aws");
            assert!(error.starts_with(&expected), "{error}");
        }
        assert_eq!(account(EMAIL, "").email(), Ok(""));
        assert!(account(EMAIL, "a@b.iam.gserviceaccount.com").email().is_ok());
        assert!(
            account(EMAIL, "a/../x@b.iam.gserviceaccount.com")
                .email()
                .is_err()
        );
        let right = "projects/1/locations/global/workloadIdentityPools/p/providers/q";
        assert_eq!(account(POOL, "").pool(), Ok(None));
        let named = Some(format!("//iam.googleapis.com/{right}"));
        assert_eq!(account(POOL, right).pool(), Ok(named));
        let wrong = right.replace("/1/", "/x/");
        assert!(account(POOL, &wrong).pool().is_err());
        let error = account(TENANT, "t").azure().unwrap_err().to_string();
        let expected =
            "azure client ID is not set in the service account annotation azure.workload.identity/client-id";
        assert_eq!(error, expected);
    }
}
