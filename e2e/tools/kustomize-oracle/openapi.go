package main

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	"google.golang.org/protobuf/proto"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/kustomize/kyaml/openapi/kubernetesapi"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// dumpOpenAPI prints what merging and scoping need of the schema that kustomize embeds: the definitions as the library
// sees them after loading, and the scope of every kind that has a path in the API.
func dumpOpenAPI(w io.Writer) error {
	fmt.Fprintf(w, "# Kubernetes %s and the Kustomization kinds, from kyaml's embedded schemas; `cargo xtask generate openapi`.\n",
		kubernetesapi.DefaultOpenAPI)
	kinds, err := kindsWithPaths()
	if err != nil {
		return err
	}
	for _, scoped := range []bool{false, true} {
		word := map[bool]string{false: "cluster", true: "namespaced"}[scoped]
		for _, t := range kinds {
			if namespaced, found := openapi.IsNamespaceScoped(t); found && namespaced == scoped {
				fmt.Fprintf(w, "%s %s %s\n", word, t.APIVersion, t.Kind)
			}
		}
	}
	definitions := openapi.Schema().Definitions
	for _, name := range sortedKeys(definitions) {
		definition := definitions[name]
		fmt.Fprintf(w, "type %s\n", strings.TrimSuffix(short(name)+" "+shape(definition), " "))
		for _, gvk := range gvks(definition) {
			fmt.Fprintf(w, " : %s %s\n", gvk.APIVersion, gvk.Kind)
		}
		var plain []string
		for _, field := range sortedKeys(definition.Properties) {
			property := definition.Properties[field]
			switch text := shape(property); text {
			case "":
				plain = append(plain, field)
			default:
				fmt.Fprintf(w, " %s %s%s\n", field, text, merge(property))
			}
		}
		if len(plain) > 0 {
			fmt.Fprintf(w, " . %s\n", strings.Join(plain, " "))
		}
	}
	return nil
}

// shape is the nested part of a schema: a name for a reference, `[...]` for a list, `{...}` for a map of equal values.
func shape(s spec.Schema) string {
	switch {
	case s.Ref.String() != "":
		return short(strings.TrimPrefix(s.Ref.String(), "#/definitions/"))
	case len(s.Type) == 1 && s.Type[0] == "array":
		return "[" + shape(*s.Items.Schema) + "]"
	case s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil:
		return "{" + shape(*s.AdditionalProperties.Schema) + "}"
	default:
		return ""
	}
}

// merge is ` merge` and the keys if the elements of a list are merged.
func merge(s spec.Schema) string {
	strategy, keys := (&openapi.ResourceSchema{Schema: &s}).PatchStrategyAndKeyList()
	if !slices.Contains(strings.Split(strategy, ","), "merge") {
		return ""
	}
	return strings.TrimSuffix(" merge "+strings.Join(keys, ","), " ")
}

func short(name string) string { return strings.TrimPrefix(name, "io.k8s.") }

func gvks(s spec.Schema) (result []yaml.TypeMeta) {
	list, _ := s.Extensions["x-kubernetes-group-version-kind"].([]interface{})
	for _, entry := range list {
		result = append(result, typeMeta(entry))
	}
	return result
}

func typeMeta(extension interface{}) yaml.TypeMeta {
	m, _ := extension.(map[string]interface{})
	group, _ := m["group"].(string)
	version, _ := m["version"].(string)
	kind, _ := m["kind"].(string)
	if group != "" {
		version = group + "/" + version
	}
	return yaml.TypeMeta{APIVersion: version, Kind: kind}
}

// kindsWithPaths lists the kinds that the embedded API description serves, and the one kind that kustomize knows beside it.
func kindsWithPaths() ([]yaml.TypeMeta, error) {
	asset := "kubernetesapi/" + strings.ReplaceAll(kubernetesapi.DefaultOpenAPI, ".", "_") + "/swagger.pb"
	document := &openapi_v2.Document{}
	if err := proto.Unmarshal(kubernetesapi.OpenAPIMustAsset[kubernetesapi.DefaultOpenAPI](asset), document); err != nil {
		return nil, err
	}
	var swagger spec.Swagger
	if _, err := swagger.FromGnostic(document); err != nil {
		return nil, err
	}
	set := map[yaml.TypeMeta]bool{{APIVersion: "policy/v1beta1", Kind: "PodSecurityPolicy"}: true}
	for _, item := range swagger.Paths.Paths {
		if item.Get == nil {
			continue
		}
		if gvk, ok := item.Get.Extensions["x-kubernetes-group-version-kind"]; ok {
			set[typeMeta(gvk)] = true
		}
	}
	var list []yaml.TypeMeta
	for t := range set {
		list = append(list, t)
	}
	sort.Slice(list, func(i, j int) bool {
		a, b := list[i], list[j]
		return a.APIVersion < b.APIVersion || a.APIVersion == b.APIVersion && a.Kind < b.Kind
	})
	return list, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
