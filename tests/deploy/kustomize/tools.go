//go:build tools

// Names what scripts/kustomize.sh builds, so that go.mod and go.sum hold the versions and hashes of all of it.
// The newest kustomize that Debian 12's Go compiles.
package tools

import _ "sigs.k8s.io/kustomize/kustomize/v5"
