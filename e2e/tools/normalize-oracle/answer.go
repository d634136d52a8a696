package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strings"

	"github.com/fluxcd/pkg/ssa/normalize"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// recorded is one line of a case file.
type recorded struct {
	In json.RawMessage `json:"in"`
	// Out is left out where the object does not fit its type, and only gets what every object gets.
	Out json.RawMessage `json:"out,omitempty"`
	// Unknown lists the fields that the type does not know.
	Unknown []string `json:"unknown,omitempty"`
}

// answer normalises an object.
func answer(in []byte) ([]byte, error) {
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(in); err != nil {
		return nil, fmt.Errorf("%s: %w", in, err)
	}
	before := object.DeepCopy()
	result := recorded{In: in}
	fits := false
	if typed, err := scheme.Scheme.New(object.GroupVersionKind()); err == nil {
		err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.DeepCopy().Object, typed, true)
		fits = err == nil
		if strict, ok := runtime.AsStrictDecodingError(err); ok {
			fits = true
			for _, unknown := range strict.Errors() {
				path := strings.TrimSuffix(strings.TrimPrefix(unknown.Error(), `unknown field "`), `"`)
				result.Unknown = append(result.Unknown, path)
			}
			sort.Strings(result.Unknown)
		}
	}
	if isRole(object) {
		// These are not converted, so that nothing of them is left out.
		result.Unknown = nil
	}
	if err := normalize.UnstructuredList([]*unstructured.Unstructured{object}); err != nil {
		return nil, fmt.Errorf("%s: %w", in, err)
	}
	if fits || !reflect.DeepEqual(object.Object, untyped(before)) {
		out, err := json.Marshal(object.Object)
		if err != nil {
			return nil, err
		}
		result.Out = out
	}
	return json.Marshal(result)
}

func isRole(object *unstructured.Unstructured) bool {
	kind := object.GroupVersionKind()
	return kind.GroupVersion() == rbacv1.SchemeGroupVersion && (kind.Kind == "Role" || kind.Kind == "ClusterRole")
}

// untyped is what happens to an object that does not fit its type.
func untyped(object *unstructured.Unstructured) map[string]any {
	_ = unstructured.SetNestedField(object.Object, nil, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(object.Object, "status")
	return object.Object
}
