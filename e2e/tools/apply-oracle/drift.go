package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"strconv"
	"strings"

	"github.com/fluxcd/helm-controller/internal/diff"
	"github.com/fluxcd/pkg/ssa/jsondiff"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v2 "github.com/fluxcd/helm-controller/api/v2"
)

// drift is one case: an object as a release says it, as it is, and as a server-side apply would make it.
type drift struct {
	Desired json.RawMessage `json:"desired"`
	// Live is null for an object that is not there.
	Live   json.RawMessage `json:"live"`
	DryRun json.RawMessage `json:"dryRun"`
	Rules  []rule          `json:"rules,omitempty"`
	// What upstream finds out.
	Type    string `json:"type,omitempty"`
	Patch   string `json:"patch,omitempty"`
	Summary string `json:"summary,omitempty"`
	Error   string `json:"error,omitempty"`
}

type rule struct {
	Paths  []string           `json:"paths"`
	Target *jsondiff.Selector `json:"target,omitempty"`
}

// cluster answers what is asked about the object of a case.
type cluster struct {
	client.Client
	*drift
}

func (c cluster) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	if string(c.Live) == "null" {
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	return object.(*unstructured.Unstructured).UnmarshalJSON(c.Live)
}

func (c cluster) Patch(_ context.Context, object client.Object, _ client.Patch, _ ...client.PatchOption) error {
	return object.(*unstructured.Unstructured).UnmarshalJSON(c.DryRun)
}

func (d *drift) answer() error {
	var desired unstructured.Unstructured
	if err := desired.UnmarshalJSON(d.Desired); err != nil {
		return err
	}
	// The options are those of helm-controller's internal/action.
	options := []jsondiff.ListOption{
		jsondiff.FieldOwner("helm-controller"),
		jsondiff.ExclusionSelector{v2.DriftDetectionMetadataKey: v2.DriftDetectionDisabledValue},
		jsondiff.Rationalize(true),
		jsondiff.Graceful(true),
	}
	var rules jsondiff.IgnoreRules
	for _, rule := range d.Rules {
		rules = append(rules, jsondiff.IgnoreRule{Paths: rule.Paths, Selector: rule.Target})
	}
	if len(rules) > 0 {
		options = append(options, rules)
	}
	d.Type, d.Patch, d.Summary, d.Error = "", "", "", ""
	defer func() {
		if reason := recover(); reason != nil {
			d.Error = fmt.Sprintf("panic: %v", reason)
		}
	}()
	set, err := jsondiff.UnstructuredList(context.Background(), cluster{drift: d}, []*unstructured.Unstructured{&desired}, options...)
	if err != nil {
		d.Error = err.Error()
		return nil
	}
	d.Type = string(set[0].Type)
	if len(set[0].Patch) > 0 {
		patch, err := json.Marshal(set[0].Patch)
		if err != nil {
			return err
		}
		d.Patch = string(patch)
	}
	d.Summary = diff.SummarizeDiffSet(set)
	return nil
}

// randomDrifts prints random cases with their answers.
func randomDrifts(seed int64, count int, w io.Writer) error {
	g := generator{rand.New(rand.NewSource(seed)), 11}
	for range count {
		d := g.drift()
		if err := d.answer(); err != nil {
			return err
		}
		line, err := json.Marshal(d)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s\n", line); err != nil {
			return err
		}
	}
	return nil
}

func (g generator) drift() *drift {
	gvk := frequent[g.Intn(len(frequent))]
	t, typed := helmTypes[gvk]
	if !typed {
		t = helmTypes[frequent[0]]
	}
	live := g.structure(t, 4+g.Intn(4), 20+g.Intn(40)).(map[string]any)
	odds := []int{0, 80, 40, 15, 6}
	dryRun := g.changed(live, t, odds[g.Intn(5)]).(map[string]any)
	for _, object := range []map[string]any{live, dryRun} {
		object["apiVersion"], object["kind"] = gvk.ToAPIVersionAndKind()
		metadata, ok := object["metadata"].(map[string]any)
		if !ok {
			metadata = map[string]any{}
			object["metadata"] = metadata
		}
		metadata["name"], metadata["namespace"], metadata["resourceVersion"] = "x", "apps", "7"
		for _, field := range []string{"labels", "annotations"} {
			if _, ok := metadata[field].(map[string]any); !ok {
				metadata[field] = map[string]any{"k0": g.pick("a", "b"), "app.kubernetes.io/name": "x"}
			}
		}
	}
	desired := map[string]any{"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": map[string]any{
		"name": "x", "namespace": "apps", "labels": map[string]any{"k0": "a"},
	}}
	d := &drift{Desired: encode(desired), Live: encode(live), DryRun: encode(dryRun)}
	if g.Intn(3) > 0 {
		return d
	}
	r := rule{}
	for range 1 + g.Intn(3) {
		r.Paths = append(r.Paths, g.pointer(g.either(live, dryRun), ""))
	}
	if g.Intn(3) == 0 {
		r.Target = &jsondiff.Selector{
			Kind: g.pick("", gvk.Kind, "Deploy.*", "x"), Name: g.pick("", "x|y", "y"), Group: g.pick("", gvk.Group),
			LabelSelector: g.pick("", "k0=a", "k0 in (b,c)", "!k1"), Namespace: g.pick("", "app", "app."),
		}
	}
	d.Rules = []rule{r}
	return d
}

// pointer chooses a place in a document, most often one that is there.
func (g generator) pointer(v any, path string) string {
	if g.Intn(40) == 0 {
		return path + "/" + g.pick("missing", "-1", "0", "-", "")
	}
	if path != "" && g.Intn(4) == 0 {
		return path
	}
	switch v := v.(type) {
	case map[string]any:
		keys := sortedKeys(v)
		if len(keys) > 0 {
			key := keys[g.Intn(len(keys))]
			if path == "" && key == "kind" {
				// Upstream cannot read an object without its kind.
				key = "metadata"
			}
			return g.pointer(v[key], path+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(key))
		}
	case []any:
		if len(v) > 0 {
			at := g.Intn(len(v))
			return g.pointer(v[at], path+"/"+strconv.Itoa(at))
		}
	}
	return path
}
