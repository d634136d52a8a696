package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"path"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// A buildCase is a file tree below / with the kustomization to build in /Path.
type buildCase struct {
	Path  string            `json:"path"`
	Files map[string]string `json:"files"`
}

// A buildResult is what the command prints, or the text of its error.
type buildResult struct {
	Yaml  string `json:"yaml,omitempty"`
	Error string `json:"error,omitempty"`
	Panic bool   `json:"panic,omitempty"`
}

// buildAll answers each case, one JSON value per line, with one line.
func buildAll(r io.Reader, w io.Writer) error {
	log.SetOutput(io.Discard)
	in := json.NewDecoder(bufio.NewReaderSize(r, 1<<20))
	out := bufio.NewWriterSize(w, 1<<20)
	encoder := json.NewEncoder(out)
	for {
		var c buildCase
		if err := in.Decode(&c); err == io.EOF {
			return out.Flush()
		} else if err != nil {
			return err
		}
		if err := encoder.Encode(build(c)); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

// build builds a case in memory.
func build(c buildCase) buildResult {
	files := filesys.MakeFsInMemory()
	for name, content := range c.Files {
		if strings.Contains(content, "openapi:") {
			// Parsing the embedded schema anew takes longer than anything else here.
			openapi.ResetOpenAPI()
			defer openapi.ResetOpenAPI()
		}
		if err := files.WriteFile(path.Join("/", name), []byte(content)); err != nil {
			return buildResult{Error: err.Error()}
		}
	}
	return buildIn(files, path.Join("/", c.Path))
}

// buildIn does what the kustomize command does with its default flags.
func buildIn(files filesys.FileSystem, root string) (result buildResult) {
	defer func() {
		if p := recover(); p != nil {
			result = buildResult{Error: fmt.Sprint(p), Panic: true}
		}
	}()
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionLegacy
	options.LoadRestrictions = types.LoadRestrictionsRootOnly
	objects, err := krusty.MakeKustomizer(options).Run(files, root)
	if err != nil {
		return buildResult{Error: err.Error()}
	}
	yaml, err := objects.AsYaml()
	if err != nil {
		return buildResult{Error: err.Error()}
	}
	return buildResult{Yaml: string(yaml)}
}
