use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::ClusterSettings;
use crate::script::{CA, Script, settings, somebody};

const ROLE: &str = "eks.amazonaws.com/role-arn";
const STS: &str = "https://sts.eu-west-1.amazonaws.com/";
/// What moto's STS answers, with the values of a test.
const ASSUMED: &str = include_str!("assumed.xml");

fn far(more: &[(&str, &str)]) -> ClusterSettings {
    let fields = [
        ("provider", "aws"),
        ("cluster", "arn:aws:eks:eu-west-1:123456789012:cluster/far"),
        ("serviceAccountName", "me"),
    ];
    settings(&[&fields, more].concat())
}

fn script() -> Script {
    let role = "arn:aws:iam::123456789012:role/far";
    Script::default()
        .account("apps/me", &[(ROLE, role)])
        .answer(STS, 200, ASSUMED)
}

#[test]
fn a_token_of_the_cluster_becomes_a_signed_url() {
    let authority = json!({"data": STANDARD.encode(CA)});
    let described = json!({"cluster": {"endpoint": "https://far.eks", "certificateAuthority": authority}});
    let eks = "https://eks.eu-west-1.amazonaws.com/clusters/far";
    let world = script().answer(eks, 200, &described.to_string());
    let way = world.way(&far(&[]), &somebody()).unwrap();
    assert_eq!(
        (way.server.as_str(), way.authorities.as_str()),
        ("https://far.eks", CA)
    );
    assert_eq!(way.token.expires.unwrap().as_second(), 900);
    let url = way.token.token.strip_prefix("k8s-aws-v1.").unwrap();
    let url = String::from_utf8(URL_SAFE_NO_PAD.decode(url).unwrap()).unwrap();
    let expected = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&\
                    X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIA%2F19700101%2Feu-west-1%2Fsts%2Faws4_request&\
                    X-Amz-Date=19700101T000000Z&X-Amz-Expires=900&X-Amz-Security-Token=session%2F%2B%3D&\
                    X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature=";
    assert!(url.starts_with(expected), "{url}");

    let form = "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Ffar&\
                RoleSessionName=me.apps.eu-west-1.fluxcd.io&Version=2011-06-15&WebIdentityToken=apps%2Fme%3Fsts.amazonaws.com";
    assert_eq!(world.bodies(), [form]);
    let headers = &world.sent()[1].headers;
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["x-amz-date", "x-amz-security-token", "authorization"]);
}

#[test]
fn what_the_config_map_says_is_not_asked_for() {
    let world = script();
    let known = far(&[("address", "mine:443"), ("ca.crt", CA)]);
    let way = world.way(&known, &somebody()).unwrap();
    assert_eq!(way.server, "https://mine:443");
    assert_eq!(world.sent().len(), 1, "only the role was assumed");
}

#[test]
fn what_is_wrong_is_told() {
    let refusal = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized</Message></Error>\
                   <RequestId>r</RequestId></ErrorResponse>";
    let denied = script().answer(STS, 403, refusal);
    let error = denied.way(&far(&[]), &somebody()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to get access token for cluster: failed to create provider access token for service account 'apps/me': \
         operation error STS: AssumeRoleWithWebIdentity, https response error StatusCode: 403, RequestID: r, \
         api error AccessDenied: Not authorized"
    );
    let plain = Script::default().account("apps/me", &[]);
    let error = plain.way(&far(&[]), &somebody()).unwrap_err().to_string();
    let expected = "failed to get access token for cluster: failed to get provider identity from service account \
                    'apps/me' annotations: invalid eks.amazonaws.com/role-arn annotation: ''. must match";
    assert!(error.starts_with(expected), "{error}");
    for bad in [
        "far",
        "arn:aws:eks:eu-west-1:x:cluster/far",
        "arn:aws:eks:eu-west-1:1:cluster/..",
    ] {
        let error = script().way(&far(&[("cluster", bad)]), &somebody()).unwrap_err();
        let expected = format!("invalid EKS cluster ARN: '{bad}'. must match ");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    let elsewhere = far(&[("cluster", "arn:aws:eks:x.evil/:1:cluster/far")]);
    let world = script();
    let error = world.way(&elsewhere, &somebody()).unwrap_err().to_string();
    assert!(error.ends_with("invalid input region x.evil/"), "{error}");
    assert!(world.sent().is_empty());
    let insecure = far(&[("address", "http://mine"), ("ca.crt", CA)]);
    let error = script().way(&insecure, &somebody()).unwrap_err().to_string();
    assert!(error.ends_with("must use https scheme"), "{error}");
}

#[test]
fn the_process_has_credentials_of_its_own() {
    let own = far(&[
        ("serviceAccountName", ""),
        ("address", "https://mine"),
        ("ca.crt", CA),
    ]);
    let by_role = Script::default()
        .with_variable("AWS_ROLE_ARN", "arn:aws:iam::1:role/own")
        .with_variable("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")
        .with_variable("AWS_ROLE_SESSION_NAME", "me")
        .with_file("/token", "own-token\n")
        .answer(STS, 200, ASSUMED);
    by_role.way(&own, &somebody()).unwrap();
    let form = "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fown&RoleSessionName=me&\
                Version=2011-06-15&WebIdentityToken=own-token";
    assert_eq!(by_role.bodies(), [form]);

    let kept = json!({"AccessKeyId": "A", "SecretAccessKey": "S", "Token": "T", "Expiration": "1970-01-01T06:00:00Z"});
    let pod = Script::default()
        .with_variable(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://169.254.170.23/v1/credentials",
        )
        .with_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/pod")
        .with_file("/pod", "pod-token")
        .answer("http://169.254.170.23/v1/credentials", 200, &kept.to_string());
    pod.way(&own, &somebody()).unwrap();
    assert_eq!(pod.sent()[0].headers, [("authorization", "pod-token".to_owned())]);

    let base = "http://169.254.169.254/latest";
    let roles = format!("{base}/meta-data/iam/security-credentials/");
    let node = Script::default()
        .answer(&format!("{base}/api/token"), 200, "session")
        .answer(&roles, 200, "node-role\n")
        .answer(&format!("{roles}node-role"), 200, &kept.to_string());
    node.way(&own, &somebody()).unwrap();
    let sent = node.sent();
    assert_eq!(sent[0].method, "PUT");
    assert_eq!(
        sent[2].headers,
        [("x-aws-ec2-metadata-token", "session".to_owned())]
    );
}
