package e2e

import (
	"maps"
	"testing"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// TestProfiles holds the table of risk levels and allowlists, every cell of it, through the two demo agents and their like.
func TestProfiles(t *testing.T) {
	t.Parallel()
	a := plain.get(t).agent(t)
	type row map[string]string // tool to what is answered: allow, ask, or the code of a deny
	deniedToAll := row{
		"execute_code": "TOOL_BLOCKED", "shell_command": "TOOL_BLOCKED", "database_delete": "TOOL_BLOCKED",
		"file_delete": "TOOL_NOT_ALLOWED", "database_write": "TOOL_NOT_ALLOWED", "http_request": "TOOL_NOT_ALLOWED",
		"made_up": "TOOL_UNKNOWN",
	}
	for name, own := range map[string]row{
		"demo-basic":     {"read_file": "allow", "search": "allow", "calculator": "allow", "send_email": "TOOL_NOT_ALLOWED"},
		"demo-filtered":  {"read_file": "allow", "search": "allow", "calculator": "allow", "send_email": "ask"},
		"demo-airgapped": {"read_file": "allow", "search": "TOOL_NOT_ALLOWED", "calculator": "allow", "send_email": "TOOL_NOT_ALLOWED"},
		// An agent that no table names gets the strictest profile.
		"stranger": {"read_file": "allow", "search": "TOOL_NOT_ALLOWED", "calculator": "allow", "send_email": "TOOL_NOT_ALLOWED"},
		// Each level of risk: LOW, MEDIUM, HIGH, CRITICAL.
		"demo-operator": {
			"read_file": "allow", "search": "allow", "calculator": "allow", "database_write": "allow", "http_request": "allow",
			"send_email": "ask", "file_delete": "ask", "execute_code": "ask", "shell_command": "ask",
		},
	} {
		want := row{}
		maps.Copy(want, deniedToAll)
		maps.Copy(want, own)
		for tool, answer := range want {
			t.Run(name+"/"+tool, func(t *testing.T) {
				t.Parallel()
				req := call(name, session(t), tool, "")
				switch answer {
				case "allow":
					a.wants(t, req, allow)
				case "ask":
					asked := a.wants(t, req, ask, "RISK_NEEDS_APPROVAL")
					if asked.GetApproval().GetState() != pb.ApprovalState_APPROVAL_STATE_PENDING || asked.GetApproval().GetQuorum() != 1 {
						t.Errorf("approval %v", asked.GetApproval())
					}
				default:
					a.wants(t, req, deny, answer)
				}
			})
		}
	}
}
