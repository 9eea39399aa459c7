// Package bundles is what is shipped beside the default policies: overlays, and the built-ins that policies may use.
package bundles

import "embed"

// Capabilities is the OPA capabilities file that every bundle is compiled with: no clock, no network, no randomness.
//
//go:embed capabilities.json
var Capabilities []byte

// Demo is the overlay that development mode adds: agents to try things with.
//
//go:embed demo
var Demo embed.FS
