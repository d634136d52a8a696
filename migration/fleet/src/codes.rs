//! The codes of findings, and what `explain` says about each.

/// A code, and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code.
    pub code: &'static str,
    /// A name for it.
    pub slug: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl Code {
    /// Finds a code by its letters or its name.
    pub fn find(text: &str) -> Option<&'static Self> {
        CODES
            .iter()
            .find(|code| code.code.eq_ignore_ascii_case(text) || code.slug == text)
    }
}

/// All codes, in order.
pub const CODES: &[Code] = &[
    Code {
        code: "D101",
        slug: "kubernetes-version",
        meaning: "Flux 2.9 wants Kubernetes 1.33 or later, and so does this project; 1.36 is the newest that was tested.",
        remedy: "Upgrade the cluster; a newer one than tested works as far as its API is stable.",
    },
    Code {
        code: "D102",
        slug: "your-rights",
        meaning: "Your account may not do what the next step needs. Reading Kustomizations, HelmReleases, sources, Artifacts and Deployments is needed by every command; changing Kustomizations and HelmReleases only by those that move them from here instead of in Git.",
        remedy: "Ask for the right that is named, or use another --context or --as.",
    },
    Code {
        code: "D103",
        slug: "clock-skew",
        meaning: "The clock of the API server and that of this machine differ. Leases, tokens and ages depend on clocks that agree.",
        remedy: "Set the clocks by NTP.",
    },
    Code {
        code: "D104",
        slug: "webhooks-on-flux",
        meaning: "A mutating webhook matches Kustomizations or HelmReleases. If it removes labels or changes specs, objects move back or are edited by somebody whom nobody expects.",
        remedy: "Look at what the webhook does; exclude the two kinds if it has no business with them.",
    },
    Code {
        code: "D111",
        slug: "flux-version",
        meaning: "What stock writes (field managers, owner labels, inventories, digests of releases) is the same here for the tested version of Flux, so that moving an object writes nothing. Other versions may differ.",
        remedy: "Upgrade Flux to the tested minor version.",
    },
    Code {
        code: "D112",
        slug: "flux-definitions",
        meaning: "A definition of Flux is missing, is not served in the version that is read, still stores objects in an old version, or was replaced by one that takes sources of any kind.",
        remedy: "`flux migrate` rewrites what is stored in old versions. With the stock definitions a custom source is written as kind ExternalArtifact, with the apiVersion of the source and the annotation openfluxcd.ocm.software/source-kind.",
    },
    Code {
        code: "D113",
        slug: "stock-controllers",
        meaning: "A stock controller is not there, not ready, or has a selector that is not understood. One whose selector is not understood counts as selecting everything, so that ours leaves its objects alone.",
        remedy: "Look at its pods; correct the argument.",
    },
    Code {
        code: "D114",
        slug: "stock-leases",
        meaning: "Each stock controller holds a Lease while it leads. While its selector changes, old and new pod hold two different Leases, and both may reconcile for a moment.",
        remedy: "Wait until the older pod has ended.",
    },
    Code {
        code: "D121",
        slug: "stock-selects-ours",
        meaning: "A live stock Deployment selects objects that carry the label which moves them. Our controller then leaves them alone and says so in the condition OwnershipConflict: nothing is applied twice, and nothing moves.",
        remedy: "Add --watch-label-selector=!<key> to the arguments of every stock kustomize-controller and helm-controller, those of tenants and shards too, in the bootstrap repository or in spec.kustomize.patches of the FluxInstance.",
    },
    Code {
        code: "D122",
        slug: "exclusion-live-only",
        meaning: "The exclusion was set on the Deployment in the cluster, while Git or a FluxInstance brings the rest of it. The next upgrade takes the exclusion back; objects that have moved are then left alone by ours, and stock goes on with them.",
        remedy: "Put the patch where the Deployment is defined.",
    },
    Code {
        code: "D123",
        slug: "roll-out",
        meaning: "A stock Deployment is rolling out. Pods with the former arguments may still reconcile what is excluded now.",
        remedy: "Wait for the roll-out to end.",
    },
    Code {
        code: "D124",
        slug: "selector-given-twice",
        meaning: "A flag that is given twice counts as it was given last, so that one of the selectors has no effect.",
        remedy: "Write one selector, with a comma between its requirements.",
    },
    Code {
        code: "D125",
        slug: "labelled-sources",
        meaning: "A source carries the label that moves objects, and every source-controller excludes it: it is never fetched again, and says nothing about that. commonMetadata of a Kustomization, and the labels of a kustomization file, put their labels on sources too.",
        remedy: "Label Kustomizations and HelmReleases alone. Leave source-controller without a selector.",
    },
    Code {
        code: "D131",
        slug: "shards-without-controller",
        meaning: "Objects carry a shard label that no live controller selects: nobody reconciles them.",
        remedy: "Start the controllers of the shard, or correct the label where the object is defined.",
    },
    Code {
        code: "D141",
        slug: "artifact-definition",
        meaning: "The definition of Artifacts is missing, or is that of the Go controllers, whose status keeps nothing.",
        remedy: "openflux-controller install --export | kubectl apply --server-side -f -",
    },
    Code {
        code: "D142",
        slug: "openflux-controller",
        meaning: "Our controller is not installed, has no ready pod, or is of another minor version than this tool.",
        remedy: "Look at its pods and its log; install the version that fits.",
    },
    Code {
        code: "D143",
        slug: "controller-rights",
        meaning: "The service account of our controller may not do what every run needs.",
        remedy: "Apply the manifests of openflux-controller install again; they have the roles.",
    },
    Code {
        code: "D144",
        slug: "network-policies",
        meaning: "Network policies keep our pods from source-controller, whose files they fetch, or from notification-controller, which takes their events. Those of Flux let in pods of its own namespace alone.",
        remedy: "Install into the namespace of Flux, which is the default, or add a policy there.",
    },
    Code {
        code: "D145",
        slug: "artifact-hosts",
        meaning: "Our controller fetches artifacts from listed hosts alone, so that nobody who may write an Artifact can send it anywhere. A source of this cluster serves from a host that is not listed.",
        remedy: "Install with --artifact-hosts.",
    },
    Code {
        code: "D146",
        slug: "memory",
        meaning: "Our controller has no memory limit, or was ended for passing it.",
        remedy: "Raise the limit; --artifact-max-unpacked-bytes and --concurrent bound what is needed.",
    },
    Code {
        code: "D151",
        slug: "flags-to-mirror",
        meaning: "A flag of a stock controller says what is forbidden, or which account applies where none is named, and ours does not have it: a moved object could do more than before. Other differences change speed or features.",
        remedy: "Give our controller the same flag; --kustomize.NAME and --helm.NAME set one for one kind alone.",
    },
    Code {
        code: "D161",
        slug: "artifacts-behind",
        meaning: "A source has an artifact, and there is no Artifact of it or an older one: what has moved would wait or stay behind.",
        remedy: "Read the log of openflux-source-adapter, and D145.",
    },
    Code {
        code: "D162",
        slug: "foreign-artifacts",
        meaning: "An Artifact of a stock source was written by another program. Ours stands back from it.",
        remedy: "Stop the other one, and delete its Artifacts.",
    },
    Code {
        code: "D163",
        slug: "bridge-gate",
        meaning: "The bridge offers Artifacts of custom sources to stock deployers, which take them only with the feature gate ExternalArtifact.",
        remedy: "Add --feature-gates=ExternalArtifact=true to the stock deployers.",
    },
    Code {
        code: "D171",
        slug: "owners",
        meaning: "An object is reconciled by nobody, by a controller that is scaled to zero, or is selected by two. Who reconciles is computed from the selectors of live Deployments, because everything that is written looks the same on purpose.",
        remedy: "Nobody: start the controller, or take the label away, which gives the object to stock at once. Two: D121.",
    },
    Code {
        code: "D172",
        slug: "unsupported-fields",
        meaning: "The object uses a field that is not supported yet. Were it moved, it would not be half-reconciled: it would become Stalled, with the field named.",
        remedy: "Leave it with stock.",
    },
    Code {
        code: "D173",
        slug: "moved-not-in-git",
        meaning: "The label is in the cluster and not in Git. A cluster that is built anew has the object with stock. What kubectl has set, stock takes back when the parent is applied next.",
        remedy: "Set the label where the object is defined.",
    },
    Code {
        code: "D175",
        slug: "applied-by-two",
        meaning: "Two Kustomizations or HelmReleases list the same object. They write over each other, whoever reconciles them, and the one that goes away deletes it.",
        remedy: "Take it out of one; the annotation kustomize.toolkit.fluxcd.io/prune: disabled keeps the object meanwhile.",
    },
    Code {
        code: "D176",
        slug: "dependencies",
        meaning: "An object waits for one that is not there, or for itself in the end.",
        remedy: "Correct dependsOn.",
    },
    Code {
        code: "D181",
        slug: "label-writers",
        meaning: "Where tenants may edit their Kustomizations, they may also set the label that moves them. Their rights stay the same, as the service account does.",
        remedy: "A ValidatingAdmissionPolicy keeps the label to those who should set it.",
    },
    Code {
        code: "D182",
        slug: "artifact-writers",
        meaning: "Whoever may write an Artifact decides what is deployed from it.",
        remedy: "openflux-controller install --export --artifact-writers adds a policy.",
    },
    Code {
        code: "D191",
        slug: "other-tools",
        meaning: "Another tool brings the stock Deployments, and takes back what is changed on them.",
        remedy: "Make the change where that tool reads it: for a FluxInstance in spec.kustomize.patches.",
    },
    Code {
        code: "M101",
        slug: "stock-selects",
        meaning: "A stock controller would select the object in spite of the label, so that ours would leave it alone.",
        remedy: "Exclude the label from every stock kustomize-controller and helm-controller: D121 says how.",
    },
    Code {
        code: "M102",
        slug: "unsupported-field",
        meaning: "The object uses a field that is not supported yet, or cannot be read. Were it moved, it would become Stalled with the field named, and nothing would be applied.",
        remedy: "Leave it with stock.",
    },
    Code {
        code: "M103",
        slug: "suspended",
        meaning: "The object is suspended. Nobody reconciles it, and nothing can be said about what its next run would do.",
        remedy: "Resume it first.",
    },
    Code {
        code: "M104",
        slug: "not-settled",
        meaning: "The object fails, is being worked on, or has not applied what its source has now. What a move changes could not be told from what the next run changes anyway.",
        remedy: "Wait, or put right what fails.",
    },
    Code {
        code: "M105",
        slug: "no-artifact",
        meaning: "The source has no artifact, or there is no Artifact of it that is up to date: ours would have nothing to deploy.",
        remedy: "D161 and D145 say why.",
    },
    Code {
        code: "M106",
        slug: "would-prune",
        meaning: "Our controller would delete an object that stock has applied, because it is in the inventory and was not rendered.",
        remedy: "If the object is in Git, please report this with the file that defines it. If it is not, stock deletes it with its next run, and there is nothing to compare before that.",
    },
    Code {
        code: "M107",
        slug: "would-create",
        meaning: "Our controller would create an object that is not there.",
        remedy: "If it was deleted by hand, stock brings it back with its next run. If it is not in Git, please report this with the file that it comes from.",
    },
    Code {
        code: "M108",
        slug: "rendering-differs",
        meaning: "A field that stock alone owns would get another value, or the objects could not be rendered: ours makes something else than stock of the same input. This is our fault.",
        remedy: "Leave the object with stock, and report it: the object and the field are named, and `openflux build` shows what is rendered.",
    },
    Code {
        code: "M109",
        slug: "ownership-changes",
        meaning: "No value would change, but who owns a field would: an apply that looks like nothing would still write.",
        remedy: "Please report this with the field that is named. A former tool that still owns fields is named with them; stock takes those over with its next run.",
    },
    Code {
        code: "M110",
        slug: "dry-run-refused",
        meaning: "The API server, or a webhook that it asks, does not say what applying the object would do.",
        remedy: "A webhook has to have sideEffects: None or NoneOnDryRun. Other refusals are told in the words of the API server.",
    },
    Code {
        code: "M111",
        slug: "missing-rights",
        meaning: "Who was to compare may not do so: applying by dry-run needs the same rights as applying.",
        remedy: "Give the account the right that is named: the service account of the object, or that of our controller.",
    },
    Code {
        code: "M112",
        slug: "helm-pending",
        meaning: "The release is in the middle of an action. A controller that takes it over would unlock and repeat the action.",
        remedy: "Wait until the action has ended.",
    },
    Code {
        code: "M113",
        slug: "release-differs",
        meaning: "The release in the cluster is not the one that stock has noted in the status, or its digest is another.",
        remedy: "Look at `helm history`; a run of stock puts the status right.",
    },
    Code {
        code: "M114",
        slug: "configuration-differs",
        meaning: "The values that ours composes are not those that stock has noted, so that an upgrade would follow the move.",
        remedy: "If a ConfigMap or Secret was changed, stock upgrades with its next run. If none was, please report this.",
    },
    Code {
        code: "M115",
        slug: "chart-differs",
        meaning: "The chart is not the one that stock has installed, or an upgrade would render something else from it.",
        remedy: "If the source has a newer chart, stock upgrades with its next run. If it has not, please report this.",
    },
    Code {
        code: "M116",
        slug: "remote-cluster",
        meaning: "The object applies to another cluster in a way that is not supported.",
        remedy: "Leave it with stock.",
    },
    Code {
        code: "M117",
        slug: "label-owned",
        meaning: "The label has another value, and somebody else owns it, so that it cannot be set in the cluster without taking it from them.",
        remedy: "Set the label where the object is defined: openflux migrate finish.",
    },
    Code {
        code: "M118",
        slug: "being-deleted",
        meaning: "The object is being deleted.",
        remedy: "Let its controller end that.",
    },
    Code {
        code: "M119",
        slug: "nobody-would",
        meaning: "No live controller of ours would reconcile the object with the label.",
        remedy: "Install our controller, or start it: D142.",
    },
    Code {
        code: "M120",
        slug: "not-proven",
        meaning: "Nothing was compared: our controller did not answer, or not about this object.",
        remedy: "openflux doctor says whether our controller runs and answers; start it with --shadow-addr.",
    },
    Code {
        code: "M201",
        slug: "existing-drift",
        meaning: "A field is not what Git asks for, because somebody else has changed it. Stock would take that back with its next run, and so would ours.",
        remedy: "Wait for the next run of stock, or undo the change; then make the plan again.",
    },
    Code {
        code: "M202",
        slug: "random-chart",
        meaning: "The chart makes values up with each rendering: passwords, certificates, times. With the next upgrade they change, whoever makes it.",
        remedy: "Give the values that are named, so that the chart need not make them up.",
    },
    Code {
        code: "M203",
        slug: "not-in-git",
        meaning: "The label is in the cluster and not in Git: a cluster that is built anew has the object with stock.",
        remedy: "openflux migrate finish puts it into a checkout.",
    },
    Code {
        code: "M204",
        slug: "shared-file",
        meaning: "The file that defines the object is used by several clusters, so that the label goes into a patch where they part.",
        remedy: "Nothing; look at the patch.",
    },
    Code {
        code: "M205",
        slug: "applies-flux",
        meaning: "The object applies Flux itself. It moves last, if at all: stock's controllers should not depend on ours for their own upgrade.",
        remedy: "Leave it with stock.",
    },
    Code {
        code: "M206",
        slug: "no-health-check",
        meaning: "The object has neither wait nor healthChecks, so that Ready says less about what it applied.",
        remedy: "Nothing; look at what it applied after the move.",
    },
    Code {
        code: "M207",
        slug: "history-entry",
        meaning: "The digest of what was rendered is not the one in status.history, although every object is the same to its last field: the history gets one entry more.",
        remedy: "Nothing.",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_found_by_letters_and_by_name() {
        assert_eq!(
            Code::find("d121").map(|code| code.slug),
            Some("stock-selects-ours")
        );
        assert_eq!(Code::find("memory").map(|code| code.code), Some("D146"));
        assert_eq!(Code::find("D999"), None);
    }

    #[test]
    fn no_code_is_there_twice() {
        let codes: Vec<_> = CODES.iter().map(|code| code.code).collect();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        assert_eq!(codes, sorted);
        let slugs: BTreeSet<_> = CODES.iter().map(|code| code.slug).collect();
        assert_eq!(slugs.len(), CODES.len());
    }
}
