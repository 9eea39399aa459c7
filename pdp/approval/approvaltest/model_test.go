package approvaltest

import (
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// The cases are true of the model, so that a store which fails one does not fail for the case's sake.
func TestTheModelConforms(t *testing.T) {
	Run(t, func(_ *testing.T, window int) approval.Store { return NewModel(window) })
}
