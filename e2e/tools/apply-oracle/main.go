// Command apply-oracle shows how the real Helm and helm-controller bring objects to what a release says.
//
//	apply-oracle patch-types                  prints the Go types of built-in kinds with how their fields are merged
//	apply-oracle merge SEED COUNT             prints that many random three-way merges with Helm's patch, one a line
//	apply-oracle merge-file FILE              answers the merges of a file in place
//	apply-oracle drift SEED COUNT             prints that many random objects that have drifted with their patches
//	apply-oracle drift-file FILE              answers the cases of drift of a file in place
//
// Its module path lies below the controller's, because what it asks is internal to it.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	switch {
	case len(args) == 1 && args[0] == "patch-types":
		return printTypes(out)
	case len(args) == 3:
		seed, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil {
			return err
		}
		count, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		switch args[0] {
		case "merge":
			return randomMerges(seed, count, out)
		case "drift":
			return randomDrifts(seed, count, out)
		}
	case len(args) == 2 && args[0] == "merge-file":
		return answerFile(args[1], func() answering { return &merge{} })
	case len(args) == 2 && args[0] == "drift-file":
		return answerFile(args[1], func() answering { return &drift{} })
	}
	return fmt.Errorf("see the comment at the top of main.go")
}

// answering is a case that can be asked again.
type answering interface{ answer() error }

// answerFile fills in the answers of a file of cases.
func answerFile(path string, empty func() answering) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		c := empty()
		if err := json.Unmarshal(line, c); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
		if err := c.answer(); err != nil {
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
