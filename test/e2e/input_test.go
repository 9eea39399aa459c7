package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// TestMissingFields leaves out what is required, for each kind of action.
func TestMissingFields(t *testing.T) {
	t.Parallel()
	p := plain.get(t)
	a, people, admin := p.agent(t), p.approver(t), p.admin(t)
	action := func(kind pb.ActionKind, change func(*pb.Action)) *pb.DecideRequest {
		r := call("a", "s", "t", "")
		r.Action.Kind = kind
		if change != nil {
			change(r.Action)
		}
		return r
	}
	for field, r := range map[string]*pb.DecideRequest{
		"principal":          {Action: email("s").Action},
		"principal.agent":    {Principal: &pb.Principal{Session: "s"}, Action: email("s").Action},
		"principal.session":  {Principal: &pb.Principal{Agent: "a"}, Action: email("s").Action},
		"action":             {Principal: email("s").Principal},
		"action.kind":        action(pb.ActionKind_ACTION_KIND_UNSPECIFIED, nil),
		"action.tool":        call("a", "s", "", ""),
		"action.memory":      action(pb.ActionKind_ACTION_KIND_MEMORY_WRITE, nil),
		"action.memory.key":  action(pb.ActionKind_ACTION_KIND_MEMORY_READ, func(a *pb.Action) { a.Memory = &pb.MemoryRef{} }),
		"action.in_reply_to": action(pb.ActionKind_ACTION_KIND_TOOL_RESULT, nil),
		"action.from_agent":  action(pb.ActionKind_ACTION_KIND_MESSAGE, nil),
		"action.http":        action(pb.ActionKind_ACTION_KIND_HTTP_REQUEST, nil),
		"action.http.url":    action(pb.ActionKind_ACTION_KIND_HTTP_REQUEST, func(a *pb.Action) { a.Http = &pb.HttpRequest{Method: "GET"} }),
		"action.http.method": action(pb.ActionKind_ACTION_KIND_HTTP_REQUEST, func(a *pb.Action) { a.Http = &pb.HttpRequest{Url: "https://example.com/"} }),
		"action.http.headers[0].name": action(pb.ActionKind_ACTION_KIND_HTTP_REQUEST, func(a *pb.Action) {
			a.Http = &pb.HttpRequest{Method: "GET", Url: "https://example.com/", Headers: []*pb.HttpHeader{{}}}
		}),
		"action.arguments_json": action(pb.ActionKind_ACTION_KIND_TOOL_CALL, func(a *pb.Action) { a.Args = &pb.Action_ArgumentsJson{} }),
	} {
		t.Run(field, func(t *testing.T) {
			_, err := a.Decide(t.Context(), r)
			names(t, err, field)
		})
	}
	for field, err := range map[string]error{
		"requests":    second(a.DecideBatch(t.Context(), &pb.DecideBatchRequest{})),
		"decision_id": second(a.ReportOutcome(t.Context(), &pb.ReportOutcomeRequest{Status: 1})),
		"status":      second(a.ReportOutcome(t.Context(), &pb.ReportOutcomeRequest{DecisionId: "d"})),
		"approval_id": second(people.GetApproval(t.Context(), &pb.GetApprovalRequest{})),
		"verdict":     second(people.SubmitVerdict(t.Context(), &pb.SubmitVerdictRequest{ApprovalId: "a"})),
		"agent":       second(admin.ResetBreaker(t.Context(), &pb.ResetBreakerRequest{})),
	} {
		t.Run(field, func(t *testing.T) { names(t, err, field) })
	}
}

func second[T any](_ T, err error) error { return err }

// nested is n levels of opening and closing.
func nested(opening, core, closing string, n int) string {
	return strings.Repeat(opening, n) + core + strings.Repeat(closing, n)
}

// TestThreat_D_Arguments sends arguments that two readers could read differently, or that cost more than they may.
func TestThreat_D_Arguments(t *testing.T) {
	t.Parallel()
	p := plain.get(t)
	a := p.agent(t)
	for name, text := range map[string]string{
		"D9 duplicate keys":       `{"to": "a", "to": "b"}`,
		"D9 duplicate keys, deep": `{"x": [{"to": "a", "to": "b"}]}`,
		"D9 escaped duplicate":    `{"to": "a", "\u0074o": "b"}`,
		"D10 NaN":                 `{"x": NaN}`,
		"D10 infinity":            `{"x": 1e999}`,
		"D10 hundred digits":      `{"x": ` + strings.Repeat("9", 100) + `}`,
		"D11 lone surrogate":      `{"x": "\ud800"}`,
		"D11 NUL":                 `{"x": "a\u0000b"}`,
		"D11 byte-order mark":     "\ufeff{}",
		"D13 65 levels":           nested(`{"a":`, `1`, `}`, 65),
		"D13 10,000 levels":       nested(`{"a":`, `1`, `}`, 10_000),
		"D13 100,000 open arrays": `{"a":` + strings.Repeat(`[`, 100_000),
		"D13 50,001 values":       `{"a":[` + strings.Repeat("1,", 50_000) + `1]}`,
		"D13 many keys":           `{` + manyKeys(60_000) + `}`,
		"top level is an array":   `[1]`,
		"top level is null":       `null`,
		"top level is text":       `"x"`,
		"blank":                   "  ",
		"cut short":               `{"x": `,
		"text after the object":   `{} {}`,
		"a comment":               `{} // really`,
		"single quotes":           `{'x': 1}`,
		"a trailing comma":        `{"x": 1,}`,
		"a control character":     "{\"x\": \"\n\"}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, err := a.Decide(t.Context(), call("demo-basic", "s", "calculator", text))
			names(t, err, "action.arguments_json")
			if took := time.Since(began); took > inBoundedTime {
				t.Errorf("it took %s", took)
			}
			if strings.Contains(fmt.Sprint(err), "really") {
				t.Error("the error repeats a value")
			}
		})
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"k%d":1,`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// TestThreat_D13_Structs does the same through JSON, where arguments and context are part of the message.
func TestThreat_D13_Structs(t *testing.T) {
	t.Parallel()
	p := plain.get(t)
	d := door{method: "DecisionService/Decide", token: strings.TrimSpace(mustRead(t, p.agentToken())), p: p}
	request := func(action, rest string) string {
		return `{"principal": {"agent": "demo-basic", "session": "s"}, "action": {"kind": "ACTION_KIND_TOOL_CALL", "tool": "calculator"` + action + `}` + rest + `}`
	}
	for name, c := range map[string]struct{ body, field string }{
		"arguments too deep":     {request(`, "arguments": `+nested(`{"a":`, `1`, `}`, 65), ""), "action.arguments"},
		"arguments far too deep": {request(`, "arguments": `+nested(`{"a":`, `1`, `}`, 20_000), ""), "action.arguments"},
		"arguments twice":        {request(`, "arguments": {}, "arguments_json": "{}"`, ""), "action.arguments_json"},
		"arguments a list":       {request(`, "arguments": []`, ""), "action.arguments"},
		"context too deep":       {request("", `, "context": `+nested(`{"a":`, `1`, `}`, 33)), "context"},
		"context too large":      {request("", `, "context": {"a": "`+strings.Repeat("x", 65<<10)+`"}`), "context"},
		"a field twice":          {request("", `, "request_id": "a", "request_id": "b"`), "request_id"},
		"a nested field twice":   {request(`, "tool": "send_email"`, ""), "action.tool"},
		"a field in two ways":    {request("", `, "request_id": "a", "requestId": "b"`), "request_id"},
		"a field that is none":   {request(`, "tol": "x"`, ""), "action.tol"},
		"invalid UTF-8":          {request(`, "content": "`+"\xff"+`"`, ""), "action.content"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if code, message := d.post(t, c.body); code != "invalid_argument" || !strings.Contains(message, c.field) {
				t.Errorf("%s %q, want invalid_argument about %s", code, message, c.field)
			}
		})
	}
	for name, body := range map[string]string{"nothing": "", "not JSON": "hello", "a list": "[]", "cut short": `{"principal": {`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if code, message := d.post(t, body); code != "invalid_argument" || message == "" {
				t.Errorf("%s %q", code, message)
			}
		})
	}
}

// TestFrames sends what is no message at all, and one that is larger than gRPC takes.
func TestFrames(t *testing.T) {
	t.Parallel()
	p := plain.get(t)
	for d := range doors(t, p) {
		t.Run(d.method, func(t *testing.T) {
			t.Parallel()
			if st := status.Convert(d.send(t, []byte{0xff, 0xff, 0xff})); st.Code() != codes.InvalidArgument {
				t.Errorf("noise: %s %q", st.Code(), st.Message())
			}
			if st := status.Convert(d.send(t, make([]byte, 5<<20))); st.Code() != codes.ResourceExhausted {
				t.Errorf("5 MiB: %s %q", st.Code(), st.Message())
			}
		})
	}
}

// TestBatch: one bad question is its own result.
func TestBatch(t *testing.T) {
	t.Parallel()
	a, s := plain.get(t).agent(t), session(t)
	got, err := a.DecideBatch(t.Context(), &pb.DecideBatchRequest{Requests: []*pb.DecideRequest{
		call("demo-basic", s, "calculator", ""), call("demo-basic", s, "", ""), call("demo-basic", s, "calculator", `{"x": 1, "x": 2}`), call("demo-basic", s, "send_email", ""),
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := got.GetResults()
	if len(r) != 4 || r[0].GetResponse().GetEffect() != allow || r[1].GetError().GetCode() != "INVALID_ARGUMENT" ||
		r[2].GetError().GetReason() != "DUPLICATE_KEY" || r[3].GetResponse().GetEffect() != deny {
		t.Fatalf("%v", r)
	}
	many := &pb.DecideBatchRequest{}
	for range 101 {
		many.Requests = append(many.Requests, call("demo-basic", s, "calculator", ""))
	}
	_, err = a.DecideBatch(t.Context(), many)
	names(t, err, "requests")
}
