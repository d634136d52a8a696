// Command flux-kustomize-oracle writes what kustomize-controller's own library makes of case directories.
//
// Each argument is a directory with in/, the artifact, and spec.yaml, the spec of a Kustomization. The file that the
// library generates goes to generated.yaml, the build to out.yaml, and what fails to err.txt. Where the spec has
// postBuild, its variables are substituted in the build, and objects.json has the objects that the controller reads from
// that.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	"github.com/fluxcd/pkg/kustomize"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/yaml"
)

func main() {
	for _, dir := range os.Args[1:] {
		if err := record(dir); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", dir, err)
			os.Exit(1)
		}
	}
}

func record(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "spec.yaml"))
	if err != nil {
		return err
	}
	spec := map[string]any{}
	if err := yaml.Unmarshal(text, &spec); err != nil {
		return err
	}
	root, err := os.MkdirTemp("", "artifact-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return err
	}
	if err := copyTree(filepath.Join(dir, "in"), root); err != nil {
		return err
	}
	generated, out, failure := build(root, spec)
	objects := ""
	if _, substituted := spec["postBuild"]; substituted && failure == "" {
		if objects, err = read(out); err != nil {
			return err
		}
	}
	files := map[string]string{"generated.yaml": generated, "out.yaml": out, "err.txt": failure, "objects.json": objects}
	for name, content := range files {
		file := filepath.Join(dir, name)
		if content == "" {
			err = os.RemoveAll(file)
		} else {
			err = os.WriteFile(file, []byte(strings.ReplaceAll(content, root, "")), 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// build does what the controller does with an unpacked artifact.
func build(root string, spec map[string]any) (generated, out, failure string) {
	object := unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	path, _ := spec["path"].(string)
	dir, err := securejoin.SecureJoin(root, path)
	if err != nil {
		return "", "", err.Error()
	}
	manifest, _, _, err := kustomize.NewGenerator(root, object).GenerateManifest(dir)
	if err != nil {
		return "", "", err.Error()
	}
	generated = string(manifest)
	if _, err := kustomize.NewGenerator(root, object).WriteFile(dir); err != nil {
		return generated, "", err.Error()
	}
	objects, err := kustomize.SecureBuild(root, dir, true)
	if err != nil {
		return generated, "", err.Error()
	}
	if _, substituted := spec["postBuild"]; substituted {
		if err := substitute(object, objects); err != nil {
			return generated, "", err.Error()
		}
	}
	yaml, err := objects.AsYaml()
	if err != nil {
		return generated, "", err.Error()
	}
	return generated, string(yaml), ""
}

// substitute does what the controller does with the objects of a build.
func substitute(object unstructured.Unstructured, objects resmap.ResMap) error {
	for _, built := range objects.Resources() {
		changed, err := kustomize.SubstituteVariables(context.Background(), nil, object, built,
			kustomize.SubstituteWithStrict(true))
		if err != nil {
			return fmt.Errorf("post build failed for '%s/%s': %w", built.GetGvk(), built.GetName(), err)
		}
		if changed != nil {
			if _, err := objects.Replace(built); err != nil {
				return err
			}
		}
	}
	return nil
}

// read gives the objects that the controller sends, as JSON.
func read(out string) (string, error) {
	var objects []any
	decoder := yamlutil.NewYAMLOrJSONDecoder(bytes.NewReader([]byte(out)), 2048)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return "", err
		}
		objects = append(objects, object.Object)
	}
	text, err := json.MarshalIndent(objects, "", "  ")
	return string(text) + "\n", err
}

// copyTree copies files, directories and symbolic links; what is absent in a case is an empty artifact.
func copyTree(from, to string) error {
	entries, err := os.ReadDir(from)
	if os.IsNotExist(err) {
		return nil
	} else if err != nil {
		return err
	}
	for _, entry := range entries {
		source, target := filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())
		switch {
		case entry.Type()&os.ModeSymlink != 0:
			link, err := os.Readlink(source)
			if err != nil {
				return err
			}
			if err := os.Symlink(link, target); err != nil {
				return err
			}
		case entry.IsDir():
			if err := os.Mkdir(target, 0o755); err != nil {
				return err
			}
			if err := copyTree(source, target); err != nil {
				return err
			}
		default:
			content, err := os.ReadFile(source)
			if err != nil {
				return err
			}
			if err := os.WriteFile(target, content, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
