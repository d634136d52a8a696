package main

import (
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// special names the types that read and write themselves.
var special = map[reflect.Type]string{
	reflect.TypeFor[metav1.FieldsV1]():      "raw",
	reflect.TypeFor[metav1.MicroTime]():     "microtime",
	reflect.TypeFor[metav1.Time]():          "time",
	reflect.TypeFor[resource.Quantity]():    "quantity",
	reflect.TypeFor[runtime.RawExtension](): "raw",
	reflect.TypeFor[intstr.IntOrString]():   "intorstring",
}

// builtInKinds are the kinds that are converted: those of client-go's scheme that have metadata.
func builtInKinds() []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	object := reflect.TypeFor[metav1.Object]()
	for gvk, t := range scheme.Scheme.AllKnownTypes() {
		if gvk.Version != runtime.APIVersionInternal && reflect.PointerTo(t).Implements(object) {
			kinds = append(kinds, gvk)
		}
	}
	sort.Slice(kinds, func(i, j int) bool {
		a, b := kinds[i], kinds[j]
		return a.Group < b.Group || a.Group == b.Group && (a.Version < b.Version || a.Version == b.Version && a.Kind < b.Kind)
	})
	return kinds
}

func goType(gvk schema.GroupVersionKind) reflect.Type {
	return scheme.Scheme.AllKnownTypes()[gvk]
}

// printTable prints the kinds and, once each, the structs that they reach.
func printTable(w io.Writer) error {
	fmt.Fprintf(w, "# The Go types of client-go %s; `cargo xtask generate go-types`.\n", clientGoVersion())
	t := table{structs: map[string]reflect.Type{}}
	for _, gvk := range builtInKinds() {
		root := goType(gvk)
		name, err := t.shape(root)
		if err != nil {
			return fmt.Errorf("%v: %w", gvk, err)
		}
		fmt.Fprintf(w, "kind %s %s %s\n", gvk.GroupVersion(), gvk.Kind, name)
	}
	names := make([]string, 0, len(t.structs))
	for name := range t.structs {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(w, "type %s\n", name)
		fields, err := fieldsOf(t.structs[name])
		if err != nil {
			return err
		}
		for _, field := range fields {
			shape, err := t.shape(field.Type)
			if err != nil {
				return err
			}
			mark := ""
			if field.omitted {
				mark = "?"
			}
			fmt.Fprintf(w, " %s%s %s\n", field.name, mark, shape)
		}
	}
	return nil
}

func clientGoVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "k8s.io/client-go" {
			return module.Version
		}
	}
	return "of an unknown version"
}

type table struct{ structs map[string]reflect.Type }

// shape names a type: `*T`, `[T]`, `{T}` for pointers, slices and maps from strings, and structs by package and name.
func (t table) shape(of reflect.Type) (string, error) {
	if name, ok := special[of]; ok {
		return name, nil
	}
	entry := value.TypeReflectEntryOf(of)
	if of.Kind() != reflect.Pointer && (entry.CanConvertFromUnstructured() || entry.CanConvertToUnstructured()) {
		return "", fmt.Errorf("%s reads and writes itself in a way that is not known here", of)
	}
	switch of.Kind() {
	case reflect.String, reflect.Bool, reflect.Int32, reflect.Int64:
		return of.Kind().String(), nil
	case reflect.Pointer:
		return t.wrapped("*", of.Elem(), "")
	case reflect.Slice:
		if of.Elem().Kind() == reflect.Uint8 {
			return "bytes", nil
		}
		return t.wrapped("[", of.Elem(), "]")
	case reflect.Map:
		if of.Key().Kind() != reflect.String {
			return "", fmt.Errorf("%s is not a map from strings", of)
		}
		return t.wrapped("{", of.Elem(), "}")
	case reflect.Struct:
		return t.reach(of)
	}
	return "", fmt.Errorf("%s is of a kind that is not known here", of)
}

func (t table) wrapped(before string, of reflect.Type, after string) (string, error) {
	inner, err := t.shape(of)
	return before + inner + after, err
}

// reach registers a struct and all that it reaches.
func (t table) reach(of reflect.Type) (string, error) {
	name := structName(of)
	if known, ok := t.structs[name]; ok {
		if known != of {
			return "", fmt.Errorf("%s and %s are both called %s", known, of, name)
		}
		return name, nil
	}
	t.structs[name] = of
	fields, err := fieldsOf(of)
	if err != nil {
		return "", err
	}
	for _, field := range fields {
		if _, err := t.shape(field.Type); err != nil {
			return "", fmt.Errorf("%s.%s: %w", of, field.Name, err)
		}
	}
	return name, nil
}

func structName(of reflect.Type) string {
	path := of.PkgPath()
	path = strings.TrimPrefix(path, "k8s.io/api/")
	path = strings.TrimPrefix(path, "k8s.io/apimachinery/pkg/apis/")
	path = strings.TrimPrefix(path, "k8s.io/apimachinery/pkg/")
	return path + "." + of.Name()
}

type field struct {
	reflect.StructField
	name string
	// omitted says that the zero value is not written.
	omitted bool
}

// fieldsOf lists the fields of a struct with those of the structs that lie inline in it.
func fieldsOf(of reflect.Type) ([]field, error) {
	var fields []field
	names := map[string]bool{}
	for i := range of.NumField() {
		f := of.Field(i)
		items := strings.Split(f.Tag.Get("json"), ",")
		if items[0] == "" && f.Anonymous {
			if f.Type.Kind() != reflect.Struct {
				return nil, fmt.Errorf("%s.%s lies inline and is not a struct", of, f.Name)
			}
			inner, err := fieldsOf(f.Type)
			if err != nil {
				return nil, err
			}
			fields = append(fields, inner...)
			continue
		}
		if items[0] == "" || items[0] == "-" || !f.IsExported() {
			return nil, fmt.Errorf("%s.%s has no name in JSON", of, f.Name)
		}
		result := field{StructField: f, name: items[0]}
		for _, option := range items[1:] {
			switch option {
			case "omitempty":
				// A struct is never empty.
				result.omitted = result.omitted || f.Type.Kind() != reflect.Struct
			case "omitzero":
				if f.Type != reflect.TypeFor[metav1.Time]() {
					return nil, fmt.Errorf("%s.%s: omitzero is known for times only", of, f.Name)
				}
				result.omitted = true
			default:
				return nil, fmt.Errorf("%s.%s: %s is not known here", of, f.Name, option)
			}
		}
		fields = append(fields, result)
	}
	for _, f := range fields {
		if names[f.name] {
			return nil, fmt.Errorf("%s has two fields %s", of, f.name)
		}
		names[f.name] = true
	}
	return fields, nil
}
