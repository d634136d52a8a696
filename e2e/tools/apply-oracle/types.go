package main

import (
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"sort"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsv1beta1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// helmTypes are the types that Helm merges by: those of client-go and of CRDs.
var helmTypes = func() map[schema.GroupVersionKind]reflect.Type {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, apiextensionsv1beta1.AddToScheme, apiextensionsv1.AddToScheme} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	object := reflect.TypeFor[metav1.Object]()
	found := map[schema.GroupVersionKind]reflect.Type{}
	for gvk, t := range s.AllKnownTypes() {
		if gvk.Version != runtime.APIVersionInternal && reflect.PointerTo(t).Implements(object) {
			found[gvk] = t
		}
	}
	return found
}()

func helmKinds() []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for gvk := range helmTypes {
		kinds = append(kinds, gvk)
	}
	sort.Slice(kinds, func(i, j int) bool { return kinds[i].String() < kinds[j].String() })
	return kinds
}

// printTypes prints the kinds and, once each, the structs that they reach: the fields that hold other values, with how
// lists and objects in them are merged. A field that holds none is never asked about.
func printTypes(w io.Writer) error {
	fmt.Fprintf(w, "# The Go types of Helm %s for strategic merges; `cargo xtask generate patch-types`.\n", version("helm.sh/helm/v4"))
	t := types_{}
	for _, gvk := range helmKinds() {
		fmt.Fprintf(w, "kind %s %s %s\n", gvk.GroupVersion(), gvk.Kind, t.shape(helmTypes[gvk]))
	}
	var names []string
	for name := range t {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(w, "type %s\n", name)
		for _, f := range fieldsOf(t[name]) {
			shape := t.shape(f.Type)
			if !strings.ContainsAny(shape, "[{.") {
				continue
			}
			fmt.Fprintf(w, " %s %s", f.name, shape)
			strategy, key := f.Tag.Get("patchStrategy"), f.Tag.Get("patchMergeKey")
			if strategy != "" || key != "" {
				fmt.Fprintf(w, " %s %s", strategy, key)
			}
			fmt.Fprintln(w)
		}
	}
	return nil
}

func version(path string) string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == path {
			return module.Version
		}
	}
	return "of an unknown version"
}

type types_ map[string]reflect.Type

// shape names a type: `*T`, `[T]`, `{T}` for pointers, slices and maps, structs by package and name, others by kind.
func (t types_) shape(of reflect.Type) string {
	switch of.Kind() {
	case reflect.Pointer:
		return "*" + t.shape(of.Elem())
	case reflect.Slice:
		return "[" + t.shape(of.Elem()) + "]"
	case reflect.Map:
		return "{" + t.shape(of.Elem()) + "}"
	case reflect.Struct:
		name := structName(of)
		if known, ok := t[name]; ok && known != of {
			panic(fmt.Sprintf("%s and %s are both called %s", known, of, name))
		} else if !ok {
			t[name] = of
			for _, f := range fieldsOf(of) {
				t.shape(f.Type)
			}
		}
		return name
	}
	return of.Kind().String()
}

func structName(of reflect.Type) string {
	path := of.PkgPath()
	for _, prefix := range []string{"k8s.io/api/", "k8s.io/apimachinery/pkg/apis/", "k8s.io/apimachinery/pkg/", "k8s.io/apiextensions-apiserver/pkg/apis/"} {
		path = strings.TrimPrefix(path, prefix)
	}
	return path + "." + of.Name()
}

type field struct {
	reflect.StructField
	name string
}

// fieldsOf lists the fields of a struct with those of the structs that lie inline in it.
func fieldsOf(of reflect.Type) []field {
	var fields []field
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		if name == "" && f.Anonymous && f.Type.Kind() == reflect.Struct {
			fields = append(fields, fieldsOf(f.Type)...)
			continue
		}
		if name == "" {
			name = f.Name
		}
		fields = append(fields, field{f, name})
	}
	return fields
}
