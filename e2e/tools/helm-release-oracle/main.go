// Command helm-release-oracle says what the real helm-controller makes of parts of a HelmRelease, before Helm is at work.
//
//	helm-release-oracle KIND    reads a JSON list of cases from standard input, writes one of results
//
// Its module path lies below the controller's, because what it asks is internal to it.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

var kinds = map[string]func(json.RawMessage) (any, error){
	"values-from":   each(valuesFrom),
	"chart-version": each(chartVersion),
	"helm-chart":    each(helmChart),
	"spec-digests":  each(specDigests),
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "helm-release-oracle:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 || kinds[os.Args[1]] == nil {
		return fmt.Errorf("say what is asked: one of %d kinds", len(kinds))
	}
	var cases json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		return err
	}
	results, err := kinds[os.Args[1]](cases)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(results)
}

// each answers a list of cases one by one.
func each[C, R any](answer func(C) R) func(json.RawMessage) (any, error) {
	return func(text json.RawMessage) (any, error) {
		var cases []C
		if err := json.Unmarshal(text, &cases); err != nil {
			return nil, err
		}
		results := make([]R, 0, len(cases))
		for _, c := range cases {
			results = append(results, answer(c))
		}
		return results, nil
	}
}
