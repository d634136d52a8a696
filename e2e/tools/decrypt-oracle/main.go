// Command decrypt-oracle shows what the real kustomize-controller makes of encrypted objects.
//
//	decrypt-oracle FILE KEY...    answers the cases of a file in place, with the age keys of the other files
//
// Its module path lies below the controller's, because its decryptor is internal to it.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"github.com/fluxcd/kustomize-controller/internal/decryptor"
	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/kustomize/api/provider"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
)

// decryption is one case: an object of a build, and what becomes of it.
type decryption struct {
	Object json.RawMessage `json:"object"`
	// Result is null for an object that stays as it is.
	Result json.RawMessage `json:"result"`
	Error  string          `json:"error,omitempty"`
}

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string, keys []string) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "keys"}, Data: map[string][]byte{}}
	for i, key := range keys {
		text, err := os.ReadFile(key)
		if err != nil {
			return err
		}
		secret.Data[strconv.Itoa(i)+".agekey"] = text
	}
	kustomization := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "app"}}
	kustomization.Spec.Decryption = &kustomizev1.Decryption{Provider: "sops", SecretRef: &meta.LocalObjectReference{Name: "keys"}}
	d, cleanup, err := decryptor.New(fake.NewClientBuilder().WithObjects(secret).Build(), kustomization)
	if err != nil {
		return err
	}
	defer cleanup()
	if err := d.ImportKeys(context.Background()); err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var c decryption
		if err := json.Unmarshal(line, &c); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
		if err := c.answer(d); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
		answered, err := json.Marshal(c)
		if err != nil {
			return err
		}
		out.Write(append(answered, '\n'))
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func (c *decryption) answer(d *decryptor.Decryptor) error {
	factory := provider.NewDefaultDepProvider().GetResourceFactory()
	object, err := factory.FromBytes(c.Object)
	if err != nil {
		return err
	}
	c.Result, c.Error = nil, ""
	decrypted, err := d.DecryptResource(object)
	if err != nil {
		c.Error = err.Error()
		return nil
	}
	if decrypted == nil {
		return nil
	}
	c.Result, err = decrypted.MarshalJSON()
	return err
}
