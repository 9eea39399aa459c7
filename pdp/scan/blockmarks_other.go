//go:build !amd64

package scan

// wideMarks is for tests, which have more to do elsewhere.
var wideMarks = false

func markBlocks(marks []blockMarks, text string) { portableMarks(marks, text) }

func startBits(_ []blockMarks, _ int, _, _ *[markBatch]int32) (n, m int) { return 0, 0 }
