// Command kustomize-oracle runs the real kustomize libraries for the tests of this repository.
//
//	kustomize-oracle openapi   prints the embedded schema in the compact form of compat/kustomize
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
	if len(args) == 1 {
		switch args[0] {
		case "openapi":
			return dumpOpenAPI(os.Stdout)
		case "build":
			return buildAll(os.Stdin, os.Stdout)
		}
	}
	return fmt.Errorf("usage: kustomize-oracle openapi|build")
}
