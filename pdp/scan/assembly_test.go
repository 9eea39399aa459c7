package scan

import "testing"

// skill is what of the engine is done in assembly and not in Go.
type skill struct {
	name                                   string
	has512, gathers, hasVectors, wideMarks bool
}

// best is all that the processor can, and plain is all in Go.
var best, plain = skill{"best", has512, gathers, hasVectors, wideMarks}, skill{name: "portable"}

// ways are all that differ on this processor.
var ways = func() []skill {
	all := []skill{plain}
	if hasVectors || wideMarks {
		all = append(all, skill{"AVX2", false, false, hasVectors, wideMarks})
	}
	if has512 {
		all = append(all, skill{"AVX-512, as others do", true, !gathers, hasVectors, wideMarks}, best)
	}
	return all
}()

// take has all done in that way from now on. It is for tests that nothing runs beside.
func (w skill) take() {
	has512, gathers, hasVectors, wideMarks = w.has512, w.gathers, w.hasVectors, w.wideMarks
}

// inAllWays runs a test in each.
func inAllWays(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	inWays(t, ways, test)
}

// byAssembly runs a test in each that has some.
func byAssembly(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	if len(ways) == 1 {
		t.Skip("there is no assembly for this processor")
	}
	inWays(t, ways[1:], test)
}

func inWays(t *testing.T, ways []skill, test func(t *testing.T)) {
	t.Helper()
	defer best.take()
	for _, w := range ways {
		w.take()
		t.Run(w.name, test)
	}
}
