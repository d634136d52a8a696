//! What each action is told: counterparts of helm-controller's tables for its actions.

use serde_json::json;

use super::*;

const HELM_4: Defaults = Defaults { helm3: false };
const HELM_3: Defaults = Defaults { helm3: true };

/// A HelmRelease `apps/web` whose actions have a minute, unless it says something else.
fn object(spec: &Value) -> HelmRelease {
    let mut base =
        json!({"interval": "10m", "timeout": "1m", "chartRef": {"kind": "OCIRepository", "name": "web"}});
    for (key, value) in spec.as_object().unwrap() {
        base[key] = value.clone();
    }
    let metadata = json!({"name": "web", "namespace": "apps"});
    serde_json::from_value(json!({"metadata": metadata, "spec": base})).unwrap()
}

fn install(spec: &Value, defaults: Defaults) -> Install {
    Install::of(&object(&json!({"install": spec})), defaults).unwrap()
}

fn upgrade(spec: &Value, defaults: Defaults) -> Upgrade {
    Upgrade::of(&object(&json!({"upgrade": spec})), defaults).unwrap()
}

fn rollback(spec: &Value, defaults: Defaults) -> Rollback {
    Rollback::of(&object(&json!({"rollback": spec})), "web", 3, defaults).unwrap()
}

#[test]
fn an_action_has_its_own_time_or_that_of_all() {
    let own = json!({"timeout": "10s"});
    for (name, spec, seconds) in [("own", own, 10), ("all", json!({}), 60)] {
        let expected = Duration::from_secs(seconds);
        assert_eq!(install(&spec, HELM_4).waiting.timeout, expected, "{name}");
        assert_eq!(upgrade(&spec, HELM_4).waiting.timeout, expected, "{name}");
        assert_eq!(rollback(&spec, HELM_4).waiting.timeout, expected, "{name}");
        let of = |action: &str| object(&json!({action: spec}));
        let uninstall = Uninstall::of(&of("uninstall"), "web", HELM_4).unwrap();
        assert_eq!(uninstall.waiting.timeout, expected, "{name}");
        assert_eq!(Test::of(&of("test")).unwrap().timeout, expected, "{name}");
    }
    // Nobody says anything: five minutes.
    let silent = object(&json!({"timeout": null}));
    let install = Install::of(&silent, HELM_4).unwrap();
    assert_eq!(install.waiting.timeout, Duration::from_mins(5));
}

#[test]
fn an_install_does_what_its_spec_says() {
    let plain = install(&json!({}), HELM_4);
    assert_eq!((plain.name.as_str(), plain.namespace.as_str()), ("web", "apps"));
    assert!(plain.take_ownership && plain.waiting.for_jobs);
    assert!(!plain.replace && !plain.disable_hooks && !plain.create_namespace);
    assert_eq!(plain.crds, CrdPolicy::Create);
    let told = install(
        &json!({"replace": true, "disableHooks": true, "disableTakeOwnership": true, "disableWaitForJobs": true,
            "createNamespace": true, "crds": "CreateReplace", "disableSchemaValidation": true}),
        HELM_4,
    );
    assert!(told.replace && told.disable_hooks && told.rendering.skip_schema_validation);
    assert!(!told.take_ownership && !told.waiting.for_jobs);
    assert_eq!(told.crds, CrdPolicy::CreateReplace);
    // Its own namespace is there already.
    assert!(!told.create_namespace);
    let elsewhere = json!({"targetNamespace": "other", "install": {"createNamespace": true}});
    let elsewhere = Install::of(&object(&elsewhere), HELM_4).unwrap();
    assert!(elsewhere.create_namespace);
    assert_eq!(
        (elsewhere.name.as_str(), elsewhere.namespace.as_str()),
        ("other-web", "other")
    );
}

#[test]
fn an_upgrade_does_what_its_spec_says() {
    let plain = upgrade(&json!({}), HELM_4);
    assert!(plain.take_ownership && !plain.reuse_values && !plain.force && !plain.cleanup_on_fail);
    assert_eq!(plain.max_history, 5);
    assert_eq!(plain.crds, CrdPolicy::Create);
    let told = upgrade(
        &json!({"force": true, "preserveValues": true, "cleanupOnFail": true, "disableTakeOwnership": true,
            "disableHooks": true, "crds": "Skip"}),
        HELM_4,
    );
    assert!(told.force && told.reuse_values && told.cleanup_on_fail && told.disable_hooks);
    assert!(!told.take_ownership);
    assert_eq!(told.crds, CrdPolicy::Skip);
    let few = Upgrade::of(&object(&json!({"maxHistory": 2})), HELM_4).unwrap();
    assert_eq!(few.max_history, 2);
    let unknown = object(&json!({"upgrade": {"crds": "Hope"}}));
    assert!(Upgrade::of(&unknown, HELM_4).is_err());
}

#[test]
fn a_rollback_goes_where_it_is_sent() {
    let plain = rollback(&json!({}), HELM_4);
    assert_eq!((plain.version, plain.max_history, plain.force), (3, 5, false));
    let told = rollback(
        &json!({"force": true, "cleanupOnFail": true, "disableHooks": true, "disableWaitForJobs": true}),
        HELM_4,
    );
    assert!(told.force && told.cleanup_on_fail && told.disable_hooks && !told.waiting.for_jobs);
}

#[test]
fn an_uninstall_does_what_its_spec_says() {
    for (propagation, expected) in [
        (json!(null), Propagation::Background),
        (json!("background"), Propagation::Background),
        (json!("foreground"), Propagation::Foreground),
        (json!("orphan"), Propagation::Orphan),
    ] {
        let spec = json!({"uninstall": {"keepHistory": true, "disableHooks": true, "deletionPropagation": propagation}});
        let told = Uninstall::of(&object(&spec), "web", HELM_4).unwrap();
        assert_eq!(told.propagation, expected, "{propagation}");
        assert!(told.keep_history && told.disable_hooks);
    }
    let plain = Uninstall::of(&object(&json!({})), "web", HELM_4).unwrap();
    assert!(!plain.keep_history && !plain.disable_hooks);
}

#[test]
fn tests_are_told_apart_by_their_filters() {
    let filters = json!([{"name": "a"}, {"name": "b", "exclude": true}, {"name": "c"}]);
    let told = Test::of(&object(&json!({"test": {"filters": filters}}))).unwrap();
    assert_eq!(told.include, ["a", "c"]);
    assert_eq!(told.exclude, ["b"]);
}

#[test]
fn objects_are_applied_as_asked_or_as_helm_would() {
    let said = |value: bool| json!({"serverSideApply": value});
    for (spec, defaults, expected) in [
        (json!({}), HELM_4, true),
        (json!({}), HELM_3, false),
        (said(true), HELM_3, true),
        (said(true), HELM_4, true),
        (said(false), HELM_4, false),
        (said(false), HELM_3, false),
    ] {
        assert_eq!(
            install(&spec, defaults).server_side,
            expected,
            "{spec} {defaults:?}"
        );
    }
    // What follows goes on as it was begun, whatever the defaults are.
    for defaults in [HELM_4, HELM_3] {
        for (mode, expected) in [
            ("", ServerSide::Auto),
            ("auto", ServerSide::Auto),
            ("enabled", ServerSide::Enabled),
            ("disabled", ServerSide::Disabled),
        ] {
            let spec = json!({"serverSideApply": mode});
            assert_eq!(upgrade(&spec, defaults).server_side, expected, "{mode}");
            assert_eq!(rollback(&spec, defaults).server_side, expected, "{mode}");
        }
    }
    let unknown = json!({"serverSideApply": "hope"});
    assert!(Upgrade::of(&object(&json!({"upgrade": unknown})), HELM_4).is_err());
}

#[test]
fn manifests_are_post_rendered_as_asked_or_as_helm_would() {
    use PostRenderStrategy::{Combined, NoHooks, Separate};
    for (named, defaults, expected) in [
        ("", HELM_4, Combined),
        ("", HELM_3, NoHooks),
        ("combined", HELM_3, Combined),
        ("separate", HELM_4, Separate),
        ("nohooks", HELM_4, NoHooks),
    ] {
        let object = object(&json!({"postRenderStrategy": named}));
        let install = Install::of(&object, defaults).unwrap();
        let upgrade = Upgrade::of(&object, defaults).unwrap();
        for rendering in [install.rendering, upgrade.rendering] {
            assert_eq!(rendering.post_render_strategy, expected, "{named} {defaults:?}");
        }
    }
    let unknown = object(&json!({"postRenderStrategy": "hope"}));
    assert!(Install::of(&unknown, HELM_4).is_err());
}

#[test]
fn waits_are_those_that_are_asked_for() {
    use WaitStrategy::{HookOnly, Legacy, Poller};
    for (disabled, named, defaults, expected) in [
        (true, None, HELM_4, HookOnly),
        (true, None, HELM_3, HookOnly),
        (false, None, HELM_3, Legacy),
        (false, None, HELM_4, Poller),
        (false, Some("poller"), HELM_3, Poller),
        (false, Some("legacy"), HELM_4, Legacy),
        (true, Some("poller"), HELM_4, HookOnly),
    ] {
        let wait = json!({"disableWait": disabled});
        let mut spec = json!({"install": wait, "upgrade": wait, "rollback": wait, "uninstall": wait});
        if let Some(name) = named {
            spec["waitStrategy"] = json!({"name": name});
        }
        let object = object(&spec);
        let waits = [
            Install::of(&object, defaults).unwrap().waiting,
            Upgrade::of(&object, defaults).unwrap().waiting,
            Rollback::of(&object, "web", 0, defaults).unwrap().waiting,
            Uninstall::of(&object, "web", defaults).unwrap().waiting,
        ];
        for waiting in waits {
            assert_eq!(waiting.strategy, expected, "{disabled} {named:?} {defaults:?}");
        }
    }
}
