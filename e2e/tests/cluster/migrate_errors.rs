//! What goes wrong when somebody moves objects for the first time: each error names the object or the field, and says what to do next.

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{DEPLOYMENT, KUSTOMIZATION};
use serde_json::{Value, json};

use crate::beside::Fleet;
use crate::migrate_git::git;

/// Runs the tool, which has to end like this; gives all that it said.
async fn says(fleet: &Fleet, code: i32, words: &[&str], parts: &[&str]) -> Result<()> {
    let output = fleet.beside.openflux(words).await?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let ended = output.status.code();
    ensure!(ended == Some(code), "{}: {ended:?}\n{text}", words.join(" "));
    for part in parts {
        ensure!(
            text.contains(part),
            "{}: {part:?} is not in\n{text}",
            words.join(" ")
        );
    }
    Ok(())
}

#[tokio::test]
async fn errors_of_connections_rights_and_words_say_what_to_do() -> Result<()> {
    let fleet = Fleet::start("migrate-errors").await?;
    let app = fleet.handle("ks", "app");
    let apply = ["migrate", "apply", &app, "--yes"];
    let with = |more: &[&'static str]| -> Vec<String> {
        apply.iter().chain(more).map(|word| (*word).to_owned()).collect()
    };
    let dead = fleet.journal("dead").with_extension("yaml");
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "dead",
        "clusters": [{"name": "dead", "cluster": {"server": "http://127.0.0.1:9"}}],
        "contexts": [{"name": "dead", "context": {"cluster": "dead", "user": "dead"}}],
        "users": [{"name": "dead", "user": {}}],
    });
    std::fs::write(&dead, kubeconfig.to_string())?;
    let none = fleet.handle("ks", "none");
    let dead = dead.display().to_string();
    for (words, parts) in [
        (
            with(&["--kubeconfig", "/nowhere/config"]),
            &["/nowhere/config", "--kubeconfig and --context choose"][..],
        ),
        (
            with(&["--context", "nowhere"]),
            &["nowhere", "kubectl config get-contexts"],
        ),
        (
            with(&["--as", "nobody@example.com"]),
            &["cannot", "nobody@example.com", "Ask for that right", "D102"],
        ),
        (with(&["--git", "."]), &["--git is for --via=git"]),
        (with(&["--resume"]), &["there is no journal", "migrate status"]),
    ] {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        says(&fleet, 2, &words, parts).await?;
    }
    let words = [&apply[..], &["--kubeconfig", &dead]].concat();
    says(&fleet, 2, &words, &["cannot be reached", "kubectl cluster-info"]).await?;
    let words = ["migrate", "apply", &none, "--yes"];
    says(&fleet, 2, &words, &[none.as_str(), "migrate scan"]).await?;
    says(&fleet, 2, &["migrate", "apply"], &["-l SELECTOR", "migrate scan"]).await?;
    says(&fleet, 2, &apply[..3], &["Move 1 object", "--yes"]).await?;
    ensure!(fleet.label(KUSTOMIZATION, "app").await?.is_none(), "it has moved");
    Ok(())
}

#[tokio::test]
async fn errors_of_plans_checkouts_and_controllers_say_what_to_do() -> Result<()> {
    let fleet = Fleet::start("migrate-mistakes").await?;
    let app = fleet.handle("ks", "app");
    // Plans that are none, or not for this cluster.
    let plan = fleet.journal("plan").with_extension("json");
    let path = plan.display().to_string();
    let made = ["migrate", "plan", &app, "-o", &path];
    fleet.beside.ends(0, &made).await?;
    let text = std::fs::read_to_string(&plan)?;
    let mut other: Value = serde_json::from_str(&text)?;
    other["cluster"]["uid"] = json!("another");
    let half = text.get(..text.len() / 2).context("it is short")?.to_owned();
    for (content, parts) in [
        (half, &["damaged", "migrate plan -o FILE"][..]),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap"}).to_string(),
            &["no plan but a ConfigMap", "migrate plan -o FILE"],
        ),
        (other.to_string(), &["another cluster", "--context"]),
    ] {
        std::fs::write(&plan, content)?;
        says(&fleet, 2, &["migrate", "apply", &path, "--yes"], parts).await?;
    }

    // A checkout with changes.
    let checkout = fleet.clone_to("checkout").await?;
    let file = checkout.join("root/app.yaml");
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, format!("{text}# mine\n"))?;
    let folder = checkout.display().to_string();
    let finish = [
        "migrate", "finish", &app, "--git", &folder, "--path", "root", "--write",
    ];
    let parts = ["commit them first", "--allow-dirty", "root/app.yaml"];
    says(&fleet, 2, &finish, &parts).await?;
    let elsewhere = [
        "migrate", "finish", &app, "--git", &folder, "--path", "nowhere", "--write",
    ];
    says(&fleet, 2, &elsewhere, &["nowhere", "there are"]).await?;
    git(&checkout, &["checkout", "--quiet", "--", "."]).await?;

    // What is switched off, and a controller that is not there or is another program.
    fleet.suspend("app", true).await?;
    let apply = ["migrate", "apply", &app, "--yes", "--soak", "0"];
    let parts = [
        app.as_str(),
        "M103",
        "--include-suspended",
        "openflux explain M103",
    ];
    says(&fleet, 1, &apply, &parts).await?;
    fleet.suspend("app", false).await?;
    fleet.settled(KUSTOMIZATION, "app").await?;
    let server = fleet.repo.url().trim_start_matches("http://");
    let server = server.split('/').next().unwrap_or_default().to_owned();
    let url = format!("http://{server}");
    let asked = ["migrate", "plan", &app, "--shadow-url", &url];
    says(&fleet, 2, &asked, &["earlier version", "--shadow-url"]).await?;
    let flux = fleet.beside.testbed.home().await?;
    let scale = |replicas: u32| json!({"spec": {"replicas": replicas}});
    flux.patch(DEPLOYMENT, "openflux-controller", scale(0)).await?;
    let parts = [
        app.as_str(),
        "M119",
        "openflux-controller",
        "openflux explain M119",
    ];
    let ended = says(&fleet, 1, &apply, &parts).await;
    flux.patch(DEPLOYMENT, "openflux-controller", scale(1)).await?;
    fleet.beside.await_deployments(4).await?;
    ended?;
    ensure!(fleet.label(KUSTOMIZATION, "app").await?.is_none(), "it has moved");
    Ok(())
}
