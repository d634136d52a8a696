// Command envsubst-oracle writes what Flux's envsubst makes of case directories.
//
// Each argument is a directory with in.txt and, when there are variables, vars.json. The result goes to out.txt or
// err.txt, that of the strict mode to strict-out.txt or strict-err.txt.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fluxcd/pkg/envsubst"
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
	input, err := os.ReadFile(filepath.Join(dir, "in.txt"))
	if err != nil {
		return err
	}
	vars := map[string]string{}
	text, err := os.ReadFile(filepath.Join(dir, "vars.json"))
	if err == nil {
		err = json.Unmarshal(text, &vars)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return err
	}
	lax := func(name string) (string, bool) { return vars[name], true }
	strict := func(name string) (string, bool) { value, found := vars[name]; return value, found }
	return errors.Join(write(dir, "", string(input), lax), write(dir, "strict-", string(input), strict))
}

func write(dir, prefix, input string, lookup func(string) (string, bool)) error {
	out, errFile := filepath.Join(dir, prefix+"out.txt"), filepath.Join(dir, prefix+"err.txt")
	os.Remove(out)
	os.Remove(errFile)
	result, err := envsubst.Eval(input, lookup)
	if err != nil {
		return os.WriteFile(errFile, []byte(err.Error()), 0o644)
	}
	return os.WriteFile(out, []byte(result), 0o644)
}
