package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// live is how long an edit may take on a busy machine; a second is what is promised on a quiet one.
const live = 30 * time.Second

func edit(t *testing.T, path, before, after string) {
	t.Helper()
	text := mustRead(t, path)
	changed := strings.Replace(text, before, after, 1)
	if changed == text {
		t.Fatalf("%s does not hold %q", filepath.Base(path), before)
	}
	// As editors do: a new file in the place of the old one.
	mustWrite(t, path+".new", changed)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestPolicyEditIsLive edits tables and rules of a running server: good edits count at once, broken ones change nothing
// but say where they are broken.
func TestPolicyEditIsLive(t *testing.T) {
	t.Parallel()
	dir := policies(t)
	p := start(t, "--bundle", dir)
	a, admin, s := p.agent(t), p.admin(t), session(t)
	profiles, rule := filepath.Join(dir, "tables", "profiles", "data.yaml"), filepath.Join(dir, "rules", "size.rego")
	mail := func() pb.Effect {
		n := additions.Add(1) // in one session it would be a loop, and go past the limits of a session
		body := fmt.Sprintf(`{"to": "ann@example.com", "body": "Lunch %d?"}`, n)
		return a.decide(t, call("demo-basic", fmt.Sprintf("%s-%d", s, n), "send_email", body)).GetEffect()
	}
	status := func() *pb.GetStatusResponse {
		got, err := admin.GetStatus(t.Context(), &pb.GetStatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	before := status().GetBundleRevision()
	if got := mail(); got != deny {
		t.Fatalf("demo-basic sends mail: %s", got)
	}

	edit(t, profiles, "[read_file, search, calculator]", "[read_file, search, calculator, send_email]")
	t.Logf("a table is live after %s", eventually(t, live, "the edit is live", func() bool { return mail() == ask }))
	good := status().GetBundleRevision()
	if good == before {
		t.Error("another policy has the same revision")
	}

	broken := []struct{ name, path, before, after, want string }{
		{"table", profiles, "approve_high: always", "approve_high: [", "data.yaml:"},
		{"profile that is none", filepath.Join(dir, "tables", "agents", "data.yaml"), "default_profile: airgapped", "default_profile: airgaped", "tables/agents"},
		{"limit without a window", filepath.Join(dir, "tables", "limits", "data.yaml"), "window_seconds: 60", "window_seconds: 0", "session_calls_per_minute"},
		{"syntax", rule, "deny contains", "deny contains contains", "size.rego:"},
		{"misspelt field", rule, "input.action.", "input.acton.", "size.rego:"},
		{"rule that breaks its tests", rule, "> data.tables.size.max_arguments_bytes", "< data.tables.size.max_arguments_bytes", "size_test.rego"},
	}
	for _, b := range broken {
		whole := mustRead(t, b.path)
		edit(t, b.path, b.before, b.after)
		eventually(t, live, b.name+": the status says what is wrong", func() bool { return status().GetBundleError() != "" })
		got := status()
		if !strings.Contains(got.GetBundleError(), b.want) || got.GetBundleRevision() != good || !got.GetServing() {
			t.Fatalf("%s: revision %s (want %s), serving %v, error %q, want it to name %s",
				b.name, got.GetBundleRevision(), good, got.GetServing(), got.GetBundleError(), b.want)
		}
		if printed := p.cli(t, "status").ok(t).out; !strings.Contains(printed, "LAST LOAD FAILED") || !strings.Contains(printed, b.want) {
			t.Errorf("%s: portcullis status:\n%s", b.name, printed)
		}
		if got := mail(); got != ask {
			t.Fatalf("%s: the last good bundle does not decide: %s", b.name, got)
		}
		mustWrite(t, b.path, whole)
		eventually(t, live, b.name+": mended", func() bool { return status().GetBundleError() == "" })
	}

	mustWrite(t, filepath.Join(dir, "rules", "quiet.rego"), quietRule)
	t.Logf("a new rule is live after %s", eventually(t, live, "the new rule is live", func() bool {
		return status().GetBundleRevision() != good
	}))
	a.wants(t, call("demo-basic", s, "send_email", lunch), deny, "QUIET_HOURS")
}

const quietRule = `# METADATA
# title: Quiet hours
package portcullis.rules.quiet

import data.portcullis.lib.reason

# METADATA
# title: No mail
# custom:
#   id: quiet.mail
#   code: QUIET_HOURS
#   severity: low
#   message: No mail is sent now.
deny contains reason.of(rego.metadata.rule(), {}, []) if input.action.tool == "send_email"

passed if is_string(input.action.tool)
`

// TestThreat_B5_PolicyChangedWhileAPersonThinks: what was approved under one policy is not allowed under another.
func TestThreat_B5_PolicyChangedWhileAPersonThinks(t *testing.T) {
	t.Parallel()
	dir := overlay(t, "size", "max_tokens: 7000\n")
	p := start(t, "--bundle", dir)
	a, s := p.agent(t), session(t)
	asked := a.wants(t, email(s), ask)
	id := asked.GetApproval().GetId()
	p.cli(t, "approvals", "approve", id).ok(t)
	edit(t, filepath.Join(dir, "tables", "size", "data.yaml"), "7000", "6000")
	eventually(t, live, "the edit is live", func() bool {
		return a.decide(t, call("demo-filtered", s, "calculator", "")).GetBundleRevision() != asked.GetBundleRevision()
	})
	_, err := a.Decide(t.Context(), redeem(email(s), id))
	refused(t, err, codes.FailedPrecondition, "APPROVAL_MISMATCH")
}
