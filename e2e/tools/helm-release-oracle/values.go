package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/chartutil"
	"github.com/go-logr/logr"
	"github.com/opencontainers/go-digest"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v2 "github.com/fluxcd/helm-controller/api/v2"
)

// ValuesCase is the objects of a cluster, and a HelmRelease that refers to them.
type ValuesCase struct {
	ConfigMaps map[string]map[string]string `json:"configMaps"`
	Secrets    map[string]map[string][]byte `json:"secrets"`
	Spec       v2.HelmReleaseSpec           `json:"spec"`
}

// ValuesResult is the values in the notation of show and their digest, or an error.
type ValuesResult struct {
	Values any    `json:"values,omitempty"`
	Digest string `json:"digest,omitempty"`
	Error  string `json:"error,omitempty"`
}

func valuesFrom(c ValuesCase) ValuesResult {
	object := v2.HelmRelease{Spec: c.Spec}
	references := make([]meta.ValuesReference, 0, len(c.Spec.ValuesFrom))
	references = append(references, c.Spec.ValuesFrom...)
	values, err := chartutil.ChartValuesFromReferences(
		context.Background(), logr.Discard(), cluster{of: c}, "apps", object.GetValues(), references...)
	if err != nil {
		return ValuesResult{Error: err.Error()}
	}
	return ValuesResult{
		Values: show(map[string]any(values)),
		Digest: chartutil.DigestValues(digest.Canonical, values).String(),
	}
}

// cluster has the objects of a case.
type cluster struct {
	client.Client
	of ValuesCase
}

func (c cluster) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	switch object := object.(type) {
	case *corev1.ConfigMap:
		data, ok := c.of.ConfigMaps[key.Name]
		if !ok {
			return apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, key.Name)
		}
		object.Data = data
	case *corev1.Secret:
		data, ok := c.of.Secrets[key.Name]
		if !ok {
			return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, key.Name)
		}
		object.Data = data
	default:
		return fmt.Errorf("there are no objects of type %T", object)
	}
	return nil
}

// show writes a value with the Go types of its scalars.
func show(value any) any {
	switch value := value.(type) {
	case map[string]any:
		shown := map[string]any{}
		for key, entry := range value {
			shown[key] = show(entry)
		}
		return shown
	case []any:
		shown := []any{}
		for _, item := range value {
			shown = append(shown, show(item))
		}
		return shown
	case string:
		return "string " + value
	case float64:
		return "float64 " + strconv.FormatFloat(value, 'g', -1, 64)
	case nil:
		return nil
	default:
		return fmt.Sprintf("%T %v", value, value)
	}
}
