package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// record builds the kustomization of each case directory CASES/topic/case, which is in its folder in/overlay, or in/ if
// there is no such folder, and writes what came out beside it: out.yaml or err.txt. The files are read from a copy on
// disk, and the place of the copy is taken out of errors.
func record(cases string) error {
	folders, err := filepath.Glob(filepath.Join(cases, "*", "*", "in"))
	if err != nil {
		return err
	}
	for _, in := range folders {
		if err := recordCase(filepath.Dir(in)); err != nil {
			return errors.Join(errors.New(in), err)
		}
	}
	return nil
}

func recordCase(folder string) error {
	temporary, err := os.MkdirTemp("", "case")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	if temporary, err = filepath.EvalSymlinks(temporary); err != nil {
		return err
	}
	root := filepath.Join(temporary, "in")
	if err := copyTree(filepath.Join(folder, "in"), root); err != nil {
		return err
	}
	if overlay := filepath.Join(root, "overlay"); isDir(overlay) {
		root = overlay
	}
	openapi.ResetOpenAPI()
	result := buildIn(filesys.MakeFsOnDisk(), root)
	name, other, text := "out.yaml", "err.txt", result.Yaml
	if result.Error != "" {
		name, other, text = other, name, strings.ReplaceAll(result.Error, temporary, "")
	}
	if err := os.Remove(filepath.Join(folder, other)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
}
