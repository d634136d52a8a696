package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"reflect"
	"sort"
	"strconv"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsv1beta1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
)

type generator struct {
	*rand.Rand
	// shift makes integers small enough for those who read them as floats.
	shift int
}

func (g generator) pick(choices ...string) string { return choices[g.Intn(len(choices))] }

var frequent = []schema.GroupVersionKind{
	{Group: "apps", Version: "v1", Kind: "Deployment"}, {Group: "apps", Version: "v1", Kind: "Deployment"},
	{Group: "apps", Version: "v1", Kind: "StatefulSet"}, {Version: "v1", Kind: "Service"}, {Version: "v1", Kind: "Pod"},
	{Version: "v1", Kind: "ServiceAccount"}, {Version: "v1", Kind: "Secret"}, {Version: "v1", Kind: "ConfigMap"},
	{Group: "batch", Version: "v1", Kind: "CronJob"}, {Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfiguration"},
	{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"},
	{Group: "apiextensions.k8s.io", Version: "v1beta1", Kind: "CustomResourceDefinition"},
	{Group: "example.org", Version: "v1", Kind: "Deployment"},
}

// merge makes three documents that have one origin.
func (g generator) merge() *merge {
	kinds := helmKinds()
	gvk := frequent[g.Intn(len(frequent))]
	if g.Intn(3) == 0 {
		gvk = kinds[g.Intn(len(kinds))]
	}
	t, typed := helmTypes[gvk]
	if !typed {
		t = helmTypes[frequent[g.Intn(3)]]
	}
	depth := 4 + g.Intn(5)
	modified := g.structure(t, depth, 25+g.Intn(50))
	// How much the three differ: not at all, hardly, much.
	odds := []int{0, 60, 30, 12, 6}
	original := g.changed(modified, t, odds[g.Intn(5)])
	current := g.changed(g.either(original, modified), t, odds[g.Intn(5)])
	for _, object := range []any{original, modified, current} {
		document := object.(map[string]any)
		document["apiVersion"], document["kind"] = gvk.ToAPIVersionAndKind()
		metadata, ok := document["metadata"].(map[string]any)
		if !ok {
			metadata = map[string]any{}
			document["metadata"] = metadata
		}
		metadata["name"] = "x"
	}
	if g.Intn(40) == 0 {
		current.(map[string]any)["metadata"].(map[string]any)["name"] = "y"
	}
	return &merge{Original: encode(original), Modified: encode(modified), Current: encode(current), Adopt: g.Intn(3) == 0}
}

func (g generator) either(a, b any) any {
	if g.Intn(2) == 0 {
		return a
	}
	return b
}

func encode(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// changed copies a value and changes one of so many values in it; none for 0.
func (g generator) changed(v any, t reflect.Type, odds int) any {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	hit := func() bool { return odds > 0 && g.Intn(odds) == 0 }
	switch v := v.(type) {
	case map[string]any:
		copied := map[string]any{}
		types := map[string]reflect.Type{}
		if t != nil && t.Kind() == reflect.Struct && !isLeaf(t) {
			for _, f := range fieldsOf(t) {
				types[f.name] = f.Type
			}
		}
		for _, key := range sortedKeys(v) {
			inner := types[key]
			if t != nil && t.Kind() == reflect.Map {
				inner = t.Elem()
			}
			if !hit() {
				copied[key] = g.changed(v[key], inner, odds)
			}
		}
		if hit() {
			for _, key := range sortedKeys(types) {
				if g.Intn(6) == 0 {
					copied[key] = g.value(types[key], 3, 40)
				}
			}
			if t != nil && t.Kind() == reflect.Map {
				copied["k"+strconv.Itoa(g.Intn(4))] = g.value(t.Elem(), 2, 40)
			}
		}
		if odds > 0 && g.Intn(odds*20) == 0 {
			copied[g.pick("$patch", "unknown", "$retainKeys", "$setElementOrder/containers")] = g.anything()
		}
		return copied
	case []any:
		var element reflect.Type
		if t != nil && t.Kind() == reflect.Slice {
			element = t.Elem()
		}
		copied := []any{}
		for _, item := range v {
			if !hit() {
				copied = append(copied, g.changed(item, element, odds))
			}
		}
		if hit() && len(copied) > 0 {
			copied = append(copied, g.changed(copied[g.Intn(len(copied))], element, odds))
		}
		if hit() && element != nil {
			copied = append(copied, g.value(element, 2, 40))
		}
		if hit() {
			g.Shuffle(len(copied), func(i, j int) { copied[i], copied[j] = copied[j], copied[i] })
		}
		return copied
	}
	if !hit() {
		return v
	}
	if t == nil || g.Intn(15) == 0 {
		return g.anything()
	}
	return g.value(t, 2, 40)
}

func (g generator) anything() any {
	return []any{nil, "a", "delete", 5, -0.5, 1e21, true, []any{}, map[string]any{}, []any{"a", 1}, []any{nil}, []any{[]any{}}, map[string]any{"a": nil, "b": 1}}[g.Intn(13)]
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

var leaves = map[reflect.Type]string{
	reflect.TypeFor[metav1.FieldsV1]():                 "raw",
	reflect.TypeFor[metav1.MicroTime]():                "time",
	reflect.TypeFor[metav1.Time]():                     "time",
	reflect.TypeFor[resource.Quantity]():               "quantity",
	reflect.TypeFor[runtime.RawExtension]():            "raw",
	reflect.TypeFor[intstr.IntOrString]():              "port",
	reflect.TypeFor[apiextensionsv1.JSON]():            "raw",
	reflect.TypeFor[apiextensionsv1beta1.JSON]():       "raw",
	reflect.TypeFor[apiextensionsv1.JSONSchemaProps](): "raw",
}

func isLeaf(t reflect.Type) bool { _, ok := leaves[t]; return ok }

func (g generator) structure(t reflect.Type, depth, percent int) any {
	object := map[string]any{}
	for _, f := range fieldsOf(t) {
		key := f.name == "name" || f.name == "type" || f.name == "key" || f.name == "containerPort" || f.name == "port" || f.name == "mountPath" || f.name == "ip" || f.name == "uid"
		if key && g.Intn(30) > 0 || g.Intn(100) < percent {
			object[f.name] = g.value(f.Type, depth-1, percent)
		}
	}
	return object
}

func (g generator) value(t reflect.Type, depth, percent int) any {
	if g.Intn(120) == 0 {
		return nil
	}
	switch leaves[t] {
	case "raw":
		return map[string]any{"type": "object", "k": g.Intn(3), "l": []any{1, "x"}, "m": map[string]any{"n": g.Intn(2)}}
	case "time":
		return g.pick("2024-01-02T03:04:05Z", "2025-01-02T03:04:05Z")
	case "quantity":
		if g.Intn(6) == 0 {
			return 0.5
		}
		return g.pick("1", "500m", "1Gi")
	case "port":
		if g.Intn(2) == 0 {
			return g.Intn(4)
		}
		return g.pick("http", "25%")
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.value(t.Elem(), depth, percent)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return g.pick("eA==", "eHg=")
		}
		items := []any{}
		if depth > 0 {
			for range []int{0, 1, 2, 3, 5}[g.Intn(5)] {
				items = append(items, g.value(t.Elem(), depth-1, percent))
			}
		}
		return items
	case reflect.Map:
		entries := map[string]any{}
		for i := range g.Intn(4) {
			entries["k"+strconv.Itoa(i)] = g.value(t.Elem(), depth-1, percent)
		}
		return entries
	case reflect.Struct:
		if depth <= 0 {
			return map[string]any{}
		}
		return g.structure(t, depth, percent)
	case reflect.Bool:
		return g.Intn(2) == 0
	case reflect.Int32, reflect.Int64:
		if g.Intn(20) == 0 {
			return g.Int63() >> g.shift
		}
		return g.Intn(5)
	case reflect.Float64:
		return []any{0.5, 1e21, 3}[g.Intn(3)]
	case reflect.String:
		return g.pick("a", "b", "c", "TCP", "<x&y>", "é", "10")
	}
	panic(fmt.Sprint("no value for ", t))
}
