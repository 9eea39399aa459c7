// Package approvaltest is what every store of approvals must do, as tests. Only tests import it.
package approvaltest
