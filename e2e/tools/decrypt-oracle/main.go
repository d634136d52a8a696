// Command decrypt-oracle shows what the real kustomize-controller makes of encrypted objects.
//
//	decrypt-oracle objects FILE KEY...       answers the cases of a file in place
//	decrypt-oracle tree IN OUT KEY...        decrypts the sources of the kustomization in IN, builds it and decrypts what comes
//	                                         out: OUT/in-place has the files that changed, OUT/out.yaml the objects
//	decrypt-oracle bench FILE COUNT KEY...   decrypts a file that often, with keys imported once; tells the time of each in ns
//
// Keys are files as the entries of a decryption Secret.
//
// Its module path lies below the controller's, because its decryptor is internal to it.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/fluxcd/kustomize-controller/internal/decryptor"
	"github.com/fluxcd/pkg/apis/meta"
	generator "github.com/fluxcd/pkg/kustomize"
	"github.com/getsops/sops/v3/cmd/sops/formats"
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

func run(command string, args []string) error {
	switch command {
	case "objects":
		return answer(args[0], args[1:])
	case "tree":
		return tree(args[0], args[1], args[2:])
	case "bench":
		return bench(args[0], args[1], args[2:])
	default:
		return fmt.Errorf("there is no command %q", command)
	}
}

// newDecryptor gives the decryptor of a Kustomization whose Secret has these keys.
func newDecryptor(root string, keys []string) (*decryptor.Decryptor, func(), error) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "keys"}, Data: map[string][]byte{}}
	for i, key := range keys {
		text, err := os.ReadFile(key)
		if err != nil {
			return nil, nil, err
		}
		secret.Data[strconv.Itoa(i)+filepath.Ext(key)] = text
	}
	kustomization := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "app"}}
	kustomization.Spec.Decryption = &kustomizev1.Decryption{Provider: "sops", SecretRef: &meta.LocalObjectReference{Name: "keys"}}
	client := fake.NewClientBuilder().WithObjects(secret).Build()
	d, cleanup, err := decryptor.New(client, kustomization, decryptor.WithRoot(root))
	if err != nil {
		return nil, nil, err
	}
	if err := d.ImportKeys(context.Background()); err != nil {
		cleanup()
		return nil, nil, err
	}
	return d, cleanup, nil
}

// tree does what the controller does between a download and the substitution of variables.
func tree(in, out string, keys []string) error {
	root, err := os.MkdirTemp("", "decrypt-oracle-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return err
	}
	if err := os.CopyFS(root, os.DirFS(in)); err != nil {
		return err
	}
	d, cleanup, err := newDecryptor(root, keys)
	if err != nil {
		return err
	}
	defer cleanup()
	if err := d.DecryptSources(root); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(out, "in-place")); err != nil {
		return err
	}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		before, err := os.ReadFile(filepath.Join(in, name))
		if err != nil {
			return err
		}
		after, err := os.ReadFile(path)
		if err != nil || bytes.Equal(before, after) {
			return err
		}
		to := filepath.Join(out, "in-place", name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, after, 0o644)
	})
	if err != nil {
		return err
	}
	built, err := generator.SecureBuild(root, root, false)
	if err != nil {
		return err
	}
	for _, object := range built.Resources() {
		decrypted, err := d.DecryptResource(object)
		if err != nil {
			return err
		}
		if decrypted == nil {
			continue
		}
		if _, err := built.Replace(object); err != nil {
			return err
		}
	}
	text, err := built.AsYaml()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "out.yaml"), text, 0o644)
}

// bench decrypts a file that often, as the controller decrypts a source: no state is kept between two files.
func bench(path, count string, keys []string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	d, cleanup, err := newDecryptor(filepath.Dir(path), keys)
	if err != nil {
		return err
	}
	defer cleanup()
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	format := formats.FormatForPath(path)
	start := time.Now()
	for range n {
		if _, err := d.SopsDecryptWithFormat(text, format, format); err != nil {
			return err
		}
	}
	fmt.Println(time.Since(start).Nanoseconds() / int64(n))
	return nil
}

func answer(path string, keys []string) error {
	d, cleanup, err := newDecryptor("", keys)
	if err != nil {
		return err
	}
	defer cleanup()
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
