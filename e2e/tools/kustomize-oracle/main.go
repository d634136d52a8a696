// Command kustomize-oracle runs the real kustomize libraries for the tests of this repository.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := dumpOpenAPI(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
