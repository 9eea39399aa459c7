package scan

// leastTraits is how many bytes avx2Traits needs.
const leastTraits = 32

func traitsOf(text string) traits {
	if wideMarks && len(text) >= leastTraits {
		return traits(avx2Traits(text))
	}
	return portableTraits(text)
}

// avx2Traits reads text, of which there must be leastTraits bytes, and nothing else.
//
//go:noescape
func avx2Traits(text string) uint8
