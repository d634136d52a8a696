// Command kustomize-oracle runs the real kustomize libraries for the tests of this repository.
//
//	kustomize-oracle openapi   prints the embedded schema in the compact form of compat/kustomize
//	kustomize-oracle record CASES    builds every case below a directory and writes out.yaml or err.txt into it
//	kustomize-oracle build     reads cases from stdin, one JSON value per line, and answers each with a line
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "openapi":
		return dumpOpenAPI(os.Stdout)
	case len(args) == 1 && args[0] == "build":
		return buildAll(os.Stdin, os.Stdout)
	case len(args) == 2 && args[0] == "record":
		return record(args[1])
	}
	return fmt.Errorf("usage: kustomize-oracle openapi | build | record CASES")
}
