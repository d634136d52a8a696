//! What `openflux helm template` takes from its environment: variables of Helm, the kubeconfig, the pod that it runs in.
//!
//! What is expected is what helm 4.2.4 printed for the same settings.

#![expect(clippy::unwrap_used, reason = "a failing test should say where")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An empty home with a chart that says in which namespace it is installed.
struct Home {
    folder: PathBuf,
}

impl Home {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let templates = folder.join("chart/templates");
        fs::create_dir_all(&templates).unwrap();
        fs::write(
            folder.join("chart/Chart.yaml"),
            "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
        )
        .unwrap();
        fs::write(
            templates.join("a.yaml"),
            "namespace: {{ .Release.Namespace }}\napis: {{ .Capabilities.APIVersions.Has \"a/v1\" }}\n",
        )
        .unwrap();
        Self { folder }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).unwrap();
    }

    fn run(&self, variables: &[(&str, &str)], flags: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_openflux"))
            .args(["helm", "template", "release", "chart"])
            .args(flags)
            .current_dir(&self.folder)
            .env_clear()
            .env("HOME", &self.folder)
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }

    #[track_caller]
    fn namespace(&self, variables: &[(&str, &str)], flags: &[&str], expected: &str) {
        let output = self.run(variables, flags);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains(&format!("namespace: {expected}\n")),
            "{variables:?} {flags:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    #[track_caller]
    fn fails(&self, flags: &[&str], expected: &str) {
        let output = self.run(&[], flags);
        assert_eq!(output.status.code(), Some(1), "{flags:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            format!("Error: {expected}\n")
        );
    }
}

const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: a
contexts:
- {name: a, context: {cluster: c, user: plain, namespace: from-a}}
- {name: b, context: {cluster: c, user: plain, namespace: from-b}}
- {name: none, context: {cluster: c, user: plain}}
- {name: no-file, context: {cluster: no-file, user: plain, namespace: unseen}}
- {name: two-ways, context: {cluster: c, user: two-ways, namespace: unseen}}
- {name: exec, context: {cluster: c, user: exec, namespace: unseen}}
- {name: nowhere, context: {cluster: missing, user: missing, namespace: from-nowhere}}
clusters:
- {name: c, cluster: {server: 'https://c'}}
- {name: no-file, cluster: {server: 'https://c', certificate-authority: missing.crt}}
users:
- {name: plain, user: {username: u, password: p}}
- {name: two-ways, user: {username: u, password: p, token: t}}
- {name: exec, user: {exec: {command: x, apiVersion: client.authentication.k8s.io/v1}}}
";

#[test]
fn the_context_names_the_namespace() {
    let home = Home::new("context");
    home.namespace(&[], &[], "default");
    home.write("config", KUBECONFIG);
    let config = &[("KUBECONFIG", "config")][..];
    home.namespace(config, &[], "from-a");
    home.namespace(&[], &["--kubeconfig", "config"], "from-a");
    home.namespace(config, &["--kube-context", "b"], "from-b");
    home.namespace(config, &["-n", "given", "--kube-context", "b"], "given");
    home.namespace(config, &["-n", "", "--kube-context", "b"], "from-b");
    home.namespace(config, &["--kube-context", "none"], "default");
    home.namespace(config, &["--kube-context", "nowhere"], "from-nowhere");
    let variables = [("KUBECONFIG", "config"), ("HELM_KUBECONTEXT", "b")];
    home.namespace(&variables, &[], "from-b");
    home.namespace(&variables, &["--kube-context", "a"], "from-a");
    home.namespace(&[("HELM_NAMESPACE", "by-variable")], &[], "by-variable");
    home.namespace(&[("HELM_NAMESPACE", "by-variable")], &["-n", "given"], "given");
}

#[test]
fn a_configuration_that_is_not_usable_names_no_namespace() {
    let home = Home::new("unusable");
    home.write("config", KUBECONFIG);
    let config = &[("KUBECONFIG", "config")][..];
    for context in ["no-file", "two-ways", "exec", "not-there"] {
        home.namespace(config, &["--kube-context", context], "default");
    }
    home.namespace(&[], &["--kubeconfig", "missing"], "default");
    home.write("broken", "contexts: {");
    home.namespace(&[("KUBECONFIG", "config:broken")], &[], "default");
    home.namespace(&[("KUBECONFIG", "config:missing")], &[], "from-a");
    home.write("twice", "contexts: [{name: a}, {name: a}]");
    home.namespace(&[("KUBECONFIG", "config:twice")], &[], "default");
    // What Helm's flags and variables say counts too.
    home.namespace(config, &["--kube-token", "t"], "default");
    home.namespace(
        &[("KUBECONFIG", "config"), ("HELM_KUBETOKEN", "t")],
        &[],
        "default",
    );
    home.namespace(config, &["--kube-ca-file", "missing"], "default");
    home.namespace(config, &["--kube-as-group", "g"], "default");
    home.namespace(config, &["--kube-as-group", "g", "--kube-as-user", "u"], "from-a");
    home.namespace(
        config,
        &["--kube-context", "no-file", "--kube-insecure-skip-tls-verify"],
        "unseen",
    );
}

#[test]
fn list_flags_are_lines_of_csv() {
    let home = Home::new("lists");
    home.write("a,b.yaml", "");
    home.namespace(&[], &["-f", ""], "default");
    home.namespace(&[], &["-f", "\"a,b.yaml\"", "-a", ""], "default");
    let apis = home.run(&[], &["-a", "x/v1,\"a/v1\""]);
    assert!(String::from_utf8_lossy(&apis.stdout).contains("apis: true"));
    home.fails(
        &["-a", "a\"b"],
        "invalid argument \"a\\\"b\" for \"-a, --api-versions\" flag: parse error on line 1, column 2: bare \" in non-quoted-field",
    );
    home.fails(
        &["-f", "\"a"],
        "invalid argument \"\\\"a\" for \"-f, --values\" flag: parse error on line 1, column 3: extraneous or missing \" in quoted-field",
    );
    home.fails(
        &["-f", "\n"],
        "invalid argument \"\\n\" for \"-f, --values\" flag: EOF",
    );
    home.fails(&["-f", ","], "open : no such file or directory");
}

#[test]
fn helm_debug_is_the_flag_unless_it_is_given() {
    let home = Home::new("debug");
    home.write("chart/templates/b.yaml", "a: b: c\n");
    for (variable, flags, expected) in [
        ("true", &[][..], true),
        ("1", &[], true),
        ("yes", &[], false),
        ("", &[], false),
        ("true", &["--debug=false"], false),
        ("false", &["--debug"], true),
    ] {
        let output = home.run(&[("HELM_DEBUG", variable)], flags);
        assert_eq!(output.status.code(), Some(1));
        let shown = String::from_utf8_lossy(&output.stdout).contains("a: b: c");
        assert_eq!(shown, expected, "{variable:?} {flags:?}");
        let hint = String::from_utf8_lossy(&output.stderr).contains("Use --debug flag");
        assert_eq!(hint, !expected, "{variable:?} {flags:?}");
    }
}

/// Values and flags are as deep as the other files.
#[test]
fn json_of_a_flag_nests_as_deep_as_files() {
    let home = Home::new("deep-json");
    home.write("chart/templates/b.yaml", "# {{ toJson .Values | len }}\n");
    for depth in [100, 400] {
        let json = format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        let output = home.run(&[], &["--set-json", &json]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains(&format!("# {}\n", json.len())),
            "{depth}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
