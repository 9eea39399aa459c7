package scan

import "testing"

// What the processor has.
var processorVectors, processorMarks = hasVectors, wideMarks

// byAssembly says whether what there is in assembly and in Go is done by assembly, if the processor can. It is for tests that
// nothing runs beside.
func byAssembly(use bool) { hasVectors, wideMarks = use && processorVectors, use && processorMarks }

// inBothWays runs a test with assembly and without.
func inBothWays(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	defer byAssembly(true)
	if processorVectors || processorMarks {
		t.Run("assembly", test)
	}
	byAssembly(false)
	t.Run("portable", test)
}
