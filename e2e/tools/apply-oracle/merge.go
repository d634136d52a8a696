package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	_ "unsafe"

	"helm.sh/helm/v4/pkg/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/rest/fake"
)

//go:linkname createPatch helm.sh/helm/v4/pkg/kube.createPatch
func createPatch(original runtime.Object, target *resource.Info, threeWayMergeForUnstructured bool) ([]byte, types.PatchType, error)

// merge is one case: three documents, and what Helm makes of them.
type merge struct {
	Original json.RawMessage `json:"original"`
	Modified json.RawMessage `json:"modified"`
	Current  json.RawMessage `json:"current"`
	// Adopt is what an upgrade does that takes ownership: objects without a Go type are merged with the live one too.
	Adopt bool `json:"adopt,omitempty"`
	// Fits says whether the object has a Go type and fits it.
	Fits bool `json:"fits"`
	// Type is the content type of the patch.
	Type  string `json:"type,omitempty"`
	Patch string `json:"patch,omitempty"`
	Error string `json:"error,omitempty"`
}

func (m *merge) answer() (err error) {
	var original, modified unstructured.Unstructured
	if err := original.UnmarshalJSON(m.Original); err != nil {
		return err
	}
	if err := modified.UnmarshalJSON(m.Modified); err != nil {
		return err
	}
	gvk := modified.GroupVersionKind()
	client := &fake.RESTClient{
		NegotiatedSerializer: resource.UnstructuredPlusDefaultContentConfig().NegotiatedSerializer,
		GroupVersion:         gvk.GroupVersion(),
		Client: fake.CreateHTTPClient(func(*http.Request) (*http.Response, error) {
			header := http.Header{"Content-Type": []string{"application/json"}}
			return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(bytes.NewReader(m.Current))}, nil
		}),
	}
	target := &resource.Info{
		Client: client,
		Mapping: &meta.RESTMapping{
			Resource:         schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: "things"},
			GroupVersionKind: gvk,
			Scope:            meta.RESTScopeRoot,
		},
		Name:   modified.GetName(),
		Object: &modified,
	}
	_, untyped := kube.AsVersioned(target).(runtime.Unstructured)
	m.Fits = !untyped
	m.Type, m.Patch, m.Error = "", "", ""
	defer func() {
		if reason := recover(); reason != nil {
			m.Error = fmt.Sprintf("panic: %v", reason)
		}
	}()
	patch, kind, err := createPatch(&original, target, m.Adopt)
	m.Type = string(kind)
	if err != nil {
		m.Error = err.Error()
		return nil
	}
	m.Patch = string(patch)
	return nil
}

// randomMerges prints random cases with their answers.
func randomMerges(seed int64, count int, w io.Writer) error {
	g := generator{rand.New(rand.NewSource(seed)), 0}
	for range count {
		m := g.merge()
		if err := writeAnswer(m, w); err != nil {
			return err
		}
	}
	return nil
}

func writeAnswer(m *merge, w io.Writer) error {
	if err := m.answer(); err != nil {
		return err
	}
	// Maps are walked in any order upstream: where that decides about the outcome, there is none to compare with.
	again := *m
	for range 3 {
		if err := again.answer(); err != nil {
			return err
		}
		if again.Patch != m.Patch || again.Error != m.Error {
			return nil
		}
	}
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", line)
	return err
}
