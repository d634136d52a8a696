// Command artifact-oracle tells what source-controller's libraries archive, ignore and collect.
//
//	artifact-oracle tars SEED COUNT     random trees, and the SHA-256 of the tar that fluxcd/pkg/artifact makes of each
//	artifact-oracle ignores SEED COUNT  random ignore rules and paths, and the verdicts of fluxcd/pkg/sourceignore
//	artifact-oracle garbage             which of some files fluxcd/pkg/artifact collects
//
// Each case is one line of JSON.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
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
	if len(args) == 1 && args[0] == "garbage" {
		return garbage()
	}
	if len(args) != 3 {
		return fmt.Errorf("usage: artifact-oracle tars|ignores SEED COUNT, or garbage")
	}
	seed, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	var answer func(*rand.Rand) (any, error)
	switch args[0] {
	case "tars":
		answer = archived
	case "ignores":
		answer = ignored
	default:
		return fmt.Errorf("nothing is known of %q", args[0])
	}
	random := rand.New(rand.NewSource(seed))
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for range count {
		line, err := answer(random)
		if err != nil {
			return err
		}
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}
