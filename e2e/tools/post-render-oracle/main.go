// Command post-render-oracle renders releases as the real helm-controller does, for the tests of this repository.
//
//	post-render-oracle CASE...    reads release.json and templates/ of each case, writes manifest and hooks, or error
//
// Its module path lies below the controller's, because the post-renderers are internal to it.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fluxcd/helm-controller/internal/postrender"
	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/kube/fake"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage"
	"helm.sh/helm/v4/pkg/storage/driver"

	v2 "github.com/fluxcd/helm-controller/api/v2"
)

func main() {
	for _, dir := range os.Args[1:] {
		if err := record(dir); err != nil {
			fmt.Fprintln(os.Stderr, dir, err)
			os.Exit(1)
		}
	}
}

func record(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "release.json"))
	if err != nil {
		return err
	}
	var spec v2.HelmRelease
	if err := json.Unmarshal(text, &spec); err != nil {
		return err
	}
	templates, err := readTemplates(dir)
	if err != nil {
		return err
	}
	for _, old := range []string{"manifest", "hooks", "error"} {
		if err := os.Remove(filepath.Join(dir, old)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	rel, err := render(&spec, templates)
	if err != nil {
		return os.WriteFile(filepath.Join(dir, "error"), []byte(err.Error()+"\n"), 0o644)
	}
	var hooks strings.Builder
	for _, hook := range rel.Hooks {
		fmt.Fprintf(&hooks, "---\n# Source: %s\n%s\n", hook.Path, hook.Manifest)
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest"), []byte(rel.Manifest), 0o644); err != nil {
		return err
	}
	if hooks.Len() == 0 {
		return nil
	}
	return os.WriteFile(filepath.Join(dir, "hooks"), []byte(hooks.String()), 0o644)
}

func readTemplates(dir string) ([]*common.File, error) {
	var files []*common.File
	root := filepath.Join(dir, "templates")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files = append(files, &common.File{Name: name, Data: data})
		return nil
	})
	return files, err
}

func render(spec *v2.HelmRelease, templates []*common.File) (*release.Release, error) {
	install := action.NewInstall(&action.Configuration{
		Releases:     storage.Init(driver.NewMemory()),
		KubeClient:   &fake.FailingKubeClient{PrintingKubeClient: fake.PrintingKubeClient{Out: os.Stderr}},
		Capabilities: common.DefaultCapabilities,
	})
	install.DryRunStrategy = action.DryRunClient
	install.ReleaseName = spec.Name
	install.Namespace = spec.Namespace
	install.PostRenderer = postrender.BuildPostRenderers(spec)
	install.PostRenderStrategy = action.PostRenderStrategy(spec.Spec.PostRenderStrategy)
	packed := &chart.Chart{
		Metadata:  &chart.Metadata{APIVersion: "v2", Name: "chart", Version: "1.0.0"},
		Templates: templates,
	}
	rendered, err := install.Run(packed, nil)
	if err != nil {
		return nil, err
	}
	result, ok := rendered.(*release.Release)
	if !ok {
		return nil, fmt.Errorf("unexpected release type %T", rendered)
	}
	return result, nil
}
