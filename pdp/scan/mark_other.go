//go:build !amd64

package scan

const hasVectors = false

// markVectors is for other processors.
func markVectors(_ *[bitmapWords]uint64, _ string, from, _ int, _ *[gramBatch]int32) (n, next int, high uint32) {
	return 0, from, 0
}
