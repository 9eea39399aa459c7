package embedded

import (
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/approval/approvaltest"
)

// TestApprovalsConformance runs the contract of stores of approvals.
func TestApprovalsConformance(t *testing.T) {
	approvaltest.Run(t, func(t *testing.T, window int) approval.Store {
		t.Helper()
		return openApprovals(t, window)
	})
}
