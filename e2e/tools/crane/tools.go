//go:build tools

// Package tools pins the main packages that the testbed builds.
package tools

import (
	_ "github.com/google/go-containerregistry/cmd/crane"
)
