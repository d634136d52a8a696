//go:build tools

// Package tools pins the main packages that the testbed builds.
package tools

import (
	_ "sigs.k8s.io/kustomize/kustomize/v5"
)
