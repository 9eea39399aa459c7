//go:build !amd64

package scan

func traitsOf(text string) traits { return portableTraits(text) }
