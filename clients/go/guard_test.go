package portcullis

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

const (
	succeeded = portcullisv1.OutcomeStatus_OUTCOME_STATUS_SUCCEEDED
	failed    = portcullisv1.OutcomeStatus_OUTCOME_STATUS_FAILED
	unknown   = portcullisv1.OutcomeStatus_OUTCOME_STATUS_UNKNOWN
)

func verdict(st portcullisv1.ApprovalState) func(*portcullisv1.WatchVerdictRequest, grpc.ServerStreamingServer[portcullisv1.WatchVerdictResponse]) error {
	return func(in *portcullisv1.WatchVerdictRequest, out grpc.ServerStreamingServer[portcullisv1.WatchVerdictResponse]) error {
		return out.Send(&portcullisv1.WatchVerdictResponse{ApprovalId: in.GetApprovalId(), State: st, Sequence: 2, Comment: "hm"})
	}
}

// asking wants an approval for what comes without one, and allows what comes with the right one.
func asking(_ context.Context, in *portcullisv1.DecideRequest) (*portcullisv1.DecideResponse, error) {
	switch in.GetApprovalId() {
	case "":
		return answer(ask), nil
	case "ap1":
		return answer(allow), nil
	}
	return nil, refusal(codes.NotFound, "APPROVAL_NOT_FOUND")
}

func deniedBy(t *testing.T, err error, reason string) *DeniedError {
	t.Helper()
	denied, ok := errors.AsType[*DeniedError](err)
	if !ok {
		t.Fatalf("not denied: %v", err)
	}
	if denied.Decision.Reasons[0].Code != reason {
		t.Fatalf("denied by %v, want %s", denied.Decision.Reasons, reason)
	}
	return denied
}

func never(t *testing.T) func(context.Context, *Run) error {
	t.Helper()
	return func(context.Context, *Run) error {
		t.Error("the action ran")
		return nil
	}
}

func TestGuardRunsWhatIsAllowedAndReports(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for name, tc := range map[string]struct {
		err     error
		outcome portcullisv1.OutcomeStatus
	}{"success": {nil, succeeded}, "failure": {boom, failed}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pdp := &fakePDP{decide: always(answer(allow))}
			client := start(t, pdp)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := client.Guard(ctx, ToolCall("x", nil), func(_ context.Context, run *Run) error {
				run.Actual = &portcullisv1.Usage{Tokens: 5}
				cancel() // the report is due nevertheless
				return tc.err
			})
			if !errors.Is(err, tc.err) {
				t.Fatalf("got %v", err)
			}
			report := <-pdp.reports
			if report.GetDecisionId() != "d1" || report.GetStatus() != tc.outcome || report.GetActual().GetTokens() != 5 {
				t.Fatalf("reported %v", report)
			}
		})
	}
}

func TestGuardReportsAPanicAsUnknown(t *testing.T) {
	t.Parallel()
	pdp := &fakePDP{decide: always(answer(allow))}
	client := start(t, pdp)
	defer func() {
		if r := recover(); r != "boom" {
			t.Errorf("recovered %v", r)
		}
		if report := <-pdp.reports; report.GetStatus() != unknown {
			t.Errorf("reported %v", report)
		}
	}()
	_ = client.Guard(t.Context(), ToolCall("x", nil), func(context.Context, *Run) error { panic("boom") })
}

func TestGuardDenies(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pdp    *fakePDP
		action Action
		opts   []Option
		reason string
		open   bool
	}{
		"deny":             {&fakePDP{decide: always(answer(deny))}, ToolCall("x", nil), nil, "BECAUSE", false},
		"bad arguments":    {&fakePDP{}, ToolCall("x", "text"), nil, ReasonArgumentsInvalid, false},
		"ask, no wait":     {&fakePDP{decide: asking}, ToolCall("x", nil), nil, "BECAUSE", true},
		"rejected":         {&fakePDP{decide: asking, watch: verdict(rejected)}, ToolCall("x", nil), []Option{WaitFor(time.Minute)}, ReasonRejected, false},
		"nobody answers":   {&fakePDP{decide: asking, watch: verdict(pending)}, ToolCall("x", nil), []Option{WaitFor(50 * time.Millisecond)}, ReasonWaitTimeout, true},
		"unknown approval": {&fakePDP{decide: asking}, ToolCall("x", nil), []Option{Redeem("ap2")}, "APPROVAL_NOT_FOUND", false},
		"asked twice":      {&fakePDP{decide: always(answer(ask)), watch: verdict(approved)}, ToolCall("x", nil), []Option{WaitFor(time.Minute)}, "BECAUSE", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := start(t, tc.pdp)
			denied := deniedBy(t, client.Guard(t.Context(), tc.action, never(t), tc.opts...), tc.reason)
			if denied.Decision.NeedsApproval() != tc.open {
				t.Fatalf("open: %v", denied.Decision.NeedsApproval())
			}
			if tc.open && !strings.Contains(denied.Error(), "ap1") {
				t.Fatalf("the error does not name the approval: %v", denied)
			}
			if len(tc.pdp.reports) > 0 {
				t.Fatal("an outcome was reported")
			}
		})
	}
}

func TestGuardWaitsAndRedeems(t *testing.T) {
	t.Parallel()
	pdp := &fakePDP{decide: asking, watch: verdict(approved)}
	client := start(t, pdp)
	ran := 0
	err := client.Guard(t.Context(), ToolCall("x", nil), func(context.Context, *Run) error { ran++; return nil }, WaitFor(time.Minute), RequestID("r"))
	if err != nil || ran != 1 {
		t.Fatalf("ran %d times: %v", ran, err)
	}
}

func TestThreat_B1_ArgumentsThatChangeWhileAPersonThinksAreNotRun(t *testing.T) {
	t.Parallel()
	arguments := map[string]any{"to": "ann"}
	pdp := &fakePDP{decide: asking, watch: func(in *portcullisv1.WatchVerdictRequest, out grpc.ServerStreamingServer[portcullisv1.WatchVerdictResponse]) error {
		arguments["to"] = "mallory"
		return verdict(approved)(in, out)
	}}
	client := start(t, pdp)
	_ = deniedBy(t, client.Guard(t.Context(), ToolCall("x", arguments), never(t), WaitFor(time.Minute)), ReasonArgumentsChanged)
}

func TestThreat_B1_RequestThatChangesIsNotRun(t *testing.T) {
	t.Parallel()
	request := &portcullisv1.HttpRequest{Method: "GET", Url: "https://example.com"}
	client := start(t, &fakePDP{decide: func(_ context.Context, in *portcullisv1.DecideRequest) (*portcullisv1.DecideResponse, error) {
		if in.GetAction().GetHttp().GetUrl() != "https://example.com" {
			return nil, status.Error(codes.InvalidArgument, "another request was asked about")
		}
		request.Url = "https://example.net"
		return answer(allow), nil
	}})
	action := Action{Kind: portcullisv1.ActionKind_ACTION_KIND_HTTP_REQUEST, HTTP: request}
	_ = deniedBy(t, client.Guard(t.Context(), action, never(t)), ReasonArgumentsChanged)
}

func TestGuardHandsOnWhatThePDPGivesInstead(t *testing.T) {
	t.Parallel()
	in := answer(allow)
	in.EffectiveArgumentsJson, in.EffectiveContent = `{"to":"redacted-1"}`, "redacted-2"
	in.Obligations = []*portcullisv1.Obligation{{Id: "o1", Type: "use_effective"}}
	client := start(t, &fakePDP{decide: always(in)})
	action := Action{Tool: "x", Arguments: map[string]any{"to": "secret"}, Content: "secret"}
	_ = deniedBy(t, client.Guard(t.Context(), action, never(t)), ReasonArgumentsChanged)
	err := client.Guard(t.Context(), action, func(_ context.Context, run *Run) error {
		if string(run.Arguments) != in.GetEffectiveArgumentsJson() || run.Content != "redacted-2" || run.HTTP != nil {
			t.Errorf("got %s, %q, %v", run.Arguments, run.Content, run.HTTP)
		}
		return nil
	}, UseEffective())
	if err != nil {
		t.Fatal(err)
	}
	client = start(t, &fakePDP{decide: always(answer(allow))})
	err = client.Guard(t.Context(), action, func(_ context.Context, run *Run) error {
		if string(run.Arguments) != `{"to":"secret"}` || run.Content != "secret" {
			t.Errorf("got %s, %q", run.Arguments, run.Content)
		}
		return nil
	}, UseEffective())
	if err != nil {
		t.Fatal(err)
	}
}

func TestGuardMeetsObligationsFirst(t *testing.T) {
	t.Parallel()
	in := answer(allow)
	in.Obligations = []*portcullisv1.Obligation{{Id: "o1", Type: "notice"}}
	pdp := &fakePDP{decide: always(in)}
	var met error
	client := start(t, pdp, func(c *Config) {
		c.Obligations = map[string]func(context.Context, *portcullisv1.Obligation) error{
			"notice": func(context.Context, *portcullisv1.Obligation) error { return met },
		}
	})
	if err := client.Guard(t.Context(), ToolCall("x", nil), func(context.Context, *Run) error { return nil }); err != nil {
		t.Fatal(err)
	}
	met = errors.New("no printer")
	denied := deniedBy(t, client.Guard(t.Context(), ToolCall("x", nil), never(t)), ReasonObligationUnmet)
	if !errors.Is(denied, met) {
		t.Fatalf("cause lost: %v", denied)
	}
}

func TestThreat_C4_AllowThatRanOutIsNotUsed(t *testing.T) {
	t.Parallel()
	in := answer(allow)
	in.Obligations = []*portcullisv1.Obligation{{Id: "o1", Type: "slow"}}
	client := start(t, &fakePDP{decide: always(in)})
	late := false
	client.now = func() time.Time {
		if late {
			return time.Now().Add(time.Hour)
		}
		return time.Now()
	}
	client.obligations = map[string]func(context.Context, *portcullisv1.Obligation) error{
		"slow": func(context.Context, *portcullisv1.Obligation) error { late = true; return nil },
	}
	_ = deniedBy(t, client.Guard(t.Context(), ToolCall("x", nil), never(t)), ReasonExpired)
}
