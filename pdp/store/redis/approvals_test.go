package redis

import (
	"crypto/rand"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/approval/approvaltest"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// TestApprovalsConformance runs the contract of stores of approvals against a real Redis. Each case has keys of its own.
func TestApprovalsConformance(t *testing.T) {
	r := join(t, Config{URL: redistest.Start(t).URL()})
	approvaltest.Run(t, func(_ *testing.T, window int) approval.Store {
		scope := rand.Text()
		return r.approvalsAt("\x00"+scope, scope+":{approvals}:", window)
	})
}
