package main

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"strings"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/artifact/storage"
	"github.com/fluxcd/pkg/sourceignore"
)

// tree is a directory, and what becomes of it.
type tree struct {
	Entries []entry `json:"entries"`
	// Filtered says that ignore rules hold: those of the tree's own files, and then these.
	Filtered bool   `json:"filtered"`
	Rules    string `json:"rules,omitempty"`
	// Content is the SHA-256 of the uncompressed archive.
	Content string `json:"content"`
}

type entry struct {
	Path string `json:"path"`
	// Kind is one of directory, file and link.
	Kind string `json:"kind"`
	// Size of a file without text, whose byte at i is 7*i + size.
	Size int    `json:"size,omitempty"`
	Text string `json:"text,omitempty"`
	// Mode has the permissions of a file.
	Mode uint32 `json:"mode,omitempty"`
}

var (
	sizes = []int{0, 0, 1, 5, 511, 512, 513, 1024, 1500}
	modes = []uint32{0o644, 0o644, 0o755, 0o600, 0o666, 0o777, 0o444, 0o710, 0o601, 0o4755}
)

func component(random *rand.Rand) string {
	switch random.Intn(8) {
	case 0:
		return strings.Repeat(pick(random, []string{"a", "b", "long"}), 1+random.Intn(60))
	case 1:
		return pick(random, []string{"ü", "日本", "é.yaml"}) + strings.Repeat(pick(random, []string{"x", "ä"}), random.Intn(110))
	case 2:
		return strings.Repeat("n", 88+random.Intn(70))
	default:
		return pick(random, names)
	}
}

func entries(random *rand.Rand) []entry {
	directories, seen := []string{""}, map[string]bool{}
	var all []entry
	for range 1 + random.Intn(12) {
		parent := pick(random, directories)
		path := component(random)
		if parent != "" {
			path = parent + "/" + path
		}
		if seen[path] || len(path) > 1000 {
			continue
		}
		seen[path] = true
		switch roll := random.Intn(10); {
		case roll < 4:
			directories = append(directories, path)
			all = append(all, entry{Path: path, Kind: "directory"})
		case roll == 4:
			all = append(all, entry{Path: path, Kind: "link"})
		case filepath.Base(path) == sourceignore.IgnoreFile:
			all = append(all, entry{Path: path, Kind: "file", Text: rules(random, 3), Mode: 0o644})
		default:
			size := sizes[random.Intn(len(sizes))]
			all = append(all, entry{Path: path, Kind: "file", Size: size, Mode: modes[random.Intn(len(modes))]})
		}
	}
	return all
}

func archived(random *rand.Rand) (any, error) {
	result := tree{Entries: entries(random)}
	if random.Intn(3) > 0 {
		result.Filtered = true
		if random.Intn(2) > 0 {
			result.Rules = rules(random, 4)
		}
	}
	content, err := archive(result)
	result.Content = content
	return result, err
}

func archive(of tree) (string, error) {
	work, err := os.MkdirTemp("", "artifact-oracle")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	dir := filepath.Join(work, "tree")
	if err := of.write(dir); err != nil {
		return "", err
	}
	var filter storage.ArchiveFileFilter
	if of.Filtered {
		domain := strings.Split(dir, string(filepath.Separator))
		patterns, err := sourceignore.LoadIgnorePatterns(dir, domain)
		if err != nil {
			return "", err
		}
		patterns = append(patterns, sourceignore.ReadPatterns(strings.NewReader(of.Rules), domain)...)
		filter = storage.SourceIgnoreFilter(patterns, domain)
	}
	store, made := storage.Storage{BasePath: work, Hostname: "host"}, meta.Artifact{Path: "made/artifact.tar.gz"}
	if err := store.MkdirAll(made); err != nil {
		return "", err
	}
	if err := store.Archive(&made, dir, filter); err != nil {
		return "", err
	}
	return contentOf(store.LocalPath(made))
}

func (of tree) write(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, entry := range of.Entries {
		path := filepath.Join(dir, entry.Path)
		var err error
		switch entry.Kind {
		case "directory":
			err = os.Mkdir(path, 0o755)
		case "link":
			err = os.Symlink("nowhere", path)
		case "file":
			content := []byte(entry.Text)
			for at := range entry.Size {
				content = append(content, byte(7*at+entry.Size))
			}
			if err = os.WriteFile(path, content, 0o644); err == nil {
				err = os.Chmod(path, os.FileMode(entry.Mode&0o777))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func contentOf(file string) (string, error) {
	compressed, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer compressed.Close()
	plain, err := gzip.NewReader(compressed)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, plain); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
