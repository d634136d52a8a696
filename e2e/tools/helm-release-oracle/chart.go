package main

import (
	_ "unsafe"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"k8s.io/apimachinery/pkg/runtime"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/helm-controller/internal/controller"
	"github.com/fluxcd/helm-controller/internal/postrender"
	_ "github.com/fluxcd/helm-controller/internal/reconcile"
	"github.com/opencontainers/go-digest"
)

//go:linkname mutateChartWithSourceRevision github.com/fluxcd/helm-controller/internal/controller.(*HelmReleaseReconciler).mutateChartWithSourceRevision
func mutateChartWithSourceRevision(*controller.HelmReleaseReconciler, *chart.Chart, sourcev1.Source) (string, error)

//go:linkname buildHelmChartFromTemplate github.com/fluxcd/helm-controller/internal/reconcile.buildHelmChartFromTemplate
func buildHelmChartFromTemplate(*v2.HelmRelease) *sourcev1.HelmChart

// VersionCase is a chart, and the artifact that it came in.
type VersionCase struct {
	Kind     string `json:"kind"`
	Version  string `json:"version"`
	Revision string `json:"revision"`
}

// VersionResult is the version of the chart and the digest that is remembered, or an error.
type VersionResult struct {
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest,omitempty"`
	Error   string `json:"error,omitempty"`
}

func chartVersion(c VersionCase) VersionResult {
	loaded := &chart.Chart{Metadata: &chart.Metadata{Name: "chart", Version: c.Version}}
	artifact := &meta.Artifact{Revision: c.Revision}
	var source sourcev1.Source
	switch c.Kind {
	case "OCIRepository":
		source = &sourcev1.OCIRepository{Status: sourcev1.OCIRepositoryStatus{Artifact: artifact}}
	case "ExternalArtifact":
		source = &sourcev1.ExternalArtifact{Status: sourcev1.ExternalArtifactStatus{Artifact: artifact}}
	default:
		source = &sourcev1.HelmChart{Status: sourcev1.HelmChartStatus{Artifact: artifact}}
	}
	found, err := mutateChartWithSourceRevision(&controller.HelmReleaseReconciler{}, loaded, source)
	if err != nil {
		return VersionResult{Error: err.Error()}
	}
	return VersionResult{Version: loaded.Metadata.Version, Digest: found}
}

// helmChart builds the HelmChart of a HelmRelease, as the object that is applied but for the labels of its owner.
func helmChart(object v2.HelmRelease) map[string]any {
	built, err := runtime.DefaultUnstructuredConverter.ToUnstructured(buildHelmChartFromTemplate(&object))
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	return built
}

// DigestsResult is what a status remembers of a spec.
type DigestsResult struct {
	PostRenderers  string `json:"postRenderers"`
	CommonMetadata string `json:"commonMetadata"`
}

func specDigests(object v2.HelmRelease) DigestsResult {
	var result DigestsResult
	if object.Spec.PostRenderers != nil {
		result.PostRenderers = postrender.Digest(digest.Canonical, object.Spec.PostRenderers).String()
	}
	if object.Spec.CommonMetadata != nil {
		result.CommonMetadata = postrender.CommonMetadataDigest(digest.Canonical, object.Spec.CommonMetadata).String()
	}
	return result
}
