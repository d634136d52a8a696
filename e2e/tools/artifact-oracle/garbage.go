package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/artifact/storage"
)

// retention is what is kept of some files, one written each second, of which the last is the artifact.
type retention struct {
	Files   int     `json:"files"`
	Records int     `json:"records"`
	TTL     float64 `json:"ttl"`
	// Collected has the numbers of the files that are garbage, from 1 for the oldest.
	Collected []int `json:"collected"`
}

func garbage() error {
	for _, of := range []retention{
		{Files: 5, Records: 2, TTL: 600}, {Files: 5, Records: 4, TTL: 3.5}, {Files: 6, Records: 4, TTL: 5.5},
		{Files: 6, Records: 4, TTL: 3.5}, {Files: 6, Records: 2, TTL: 3.5}, {Files: 6, Records: 2, TTL: 4.5},
		{Files: 1, Records: 1, TTL: 0.5}, {Files: 3, Records: 1, TTL: 600}, {Files: 3, Records: 5, TTL: 1.5},
	} {
		if err := of.answer(); err != nil {
			return err
		}
		line, err := json.Marshal(of)
		if err != nil {
			return err
		}
		fmt.Println(string(line))
	}
	return nil
}

func (of *retention) answer() error {
	work, err := os.MkdirTemp("", "artifact-oracle")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	now, name := time.Now(), func(number int) string { return fmt.Sprintf("%d.tar.gz", number) }
	for number := 1; number <= of.Files; number++ {
		path := filepath.Join(work, name(number))
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			return err
		}
		// The last one was written just now, the one before it a second ago.
		written := now.Add(-time.Duration(of.Files-number) * time.Second)
		if err := os.Chtimes(path, written, written); err != nil {
			return err
		}
	}
	store, current := storage.Storage{BasePath: work}, meta.Artifact{Path: name(of.Files)}
	ttl := time.Duration(of.TTL * float64(time.Second))
	files, err := store.GetGarbageFiles(current, storage.GarbageCountLimit, of.Records, ttl)
	if err != nil {
		return err
	}
	of.Collected = []int{}
	for number := 1; number <= of.Files; number++ {
		if slices.Contains(files, filepath.Join(work, name(number))) {
			of.Collected = append(of.Collected, number)
		}
	}
	return nil
}
