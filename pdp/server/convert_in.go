package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/decision"
	"github.com/portcullis-pdp/portcullis/pdp/delegation"
	"github.com/portcullis-pdp/portcullis/pdp/provenance/origin"
	"github.com/portcullis-pdp/portcullis/pdp/toolrole"
)

// The bounds of what the caller may say besides its action.
const (
	maxContextBytes = 64 << 10
	maxContextDepth = 32
)

// requestFrom translates one question whose fields keep the contract's own rules. What it refuses, it names.
func requestFrom(in *portcullisv1.DecideRequest) (decision.Request, error) {
	act, err := actionFrom(in.GetAction())
	if err != nil {
		return decision.Request{}, err
	}
	says, err := claimFrom(in.GetContext())
	if err != nil {
		return decision.Request{}, err
	}
	return decision.Request{
		RequestID:  in.GetRequestId(),
		Principal:  principalFrom(in.GetPrincipal()),
		Action:     act,
		ApprovalID: in.GetApprovalId(), RequestState: in.GetRequestState(),
		Says: says,
	}, nil
}

func principalFrom(p *portcullisv1.Principal) decision.Principal {
	return decision.Principal{
		Tenant: p.GetTenant(), Agent: p.GetAgent(), Session: p.GetSession(), Run: p.GetRun(), User: p.GetUser(),
		Delegation: p.GetDelegation(),
	}
}

func delegationFrom(holder string, r *portcullisv1.DelegatedRights) decision.Delegation {
	out := decision.Delegation{
		Holder: holder, Lifetime: time.Duration(r.GetLifetimeSeconds()) * time.Second,
		Rights: delegation.Rights{
			MaxRisk: r.GetMaxRisk(), MaxCostMicroUSD: r.GetMaxCostMicroUsd(), Session: r.GetSession(), User: r.GetUser(), Depth: int(r.GetDepth()),
		},
	}
	if r.GetNotBefore().IsValid() {
		out.NotBefore = r.GetNotBefore().AsTime()
	}
	for _, t := range r.GetTools() {
		out.Rights.Tools = append(out.Rights.Tools, delegation.Tool{Name: t.GetTool(), Server: t.GetServer()})
	}
	return out
}

// observable are the origins that a caller may name. Any other is none, which the engine refuses.
var observable = map[portcullisv1.Origin]origin.Kind{
	portcullisv1.Origin_ORIGIN_USER: origin.User, portcullisv1.Origin_ORIGIN_UNTRUSTED: origin.Untrusted, portcullisv1.Origin_ORIGIN_AGENT: origin.Agent,
}

func observationFrom(in *portcullisv1.ObserveRequest) decision.Observation {
	out := decision.Observation{Principal: principalFrom(in.GetPrincipal())}
	for _, s := range in.GetSpans() {
		out.Spans = append(out.Spans, decision.Span{Origin: observable[s.GetOrigin()], Name: s.GetName(), Text: s.GetText()})
	}
	for _, t := range in.GetTools() {
		hints := t.GetAnnotations()
		if hints == nil {
			hints = &portcullisv1.ToolAnnotations{}
		}
		out.Tools = append(out.Tools, toolrole.Description{
			Server: t.GetServer(), Name: t.GetName(), Text: t.GetDescription(), Schema: t.GetInputSchemaJson(),
			ReadOnly: hints.ReadOnlyHint, Destructive: hints.DestructiveHint, Idempotent: hints.IdempotentHint, Open: hints.OpenWorldHint,
		})
	}
	return out
}

// ActionFromProto checks an action by the contract's rules and translates it, for programs that look at actions without
// a server.
func ActionFromProto(in *portcullisv1.Action) (*action.Action, error) {
	rules, err := contractRules()
	if err != nil {
		return nil, err
	}
	if err := fromRules(rules.Validate(in)); err != nil {
		return nil, err
	}
	out, err := actionFrom(in)
	if err != nil {
		if f, foreseen := explain(err); foreseen {
			err = f
		}
		return nil, err
	}
	return &out, nil
}

func actionFrom(in *portcullisv1.Action) (action.Action, error) {
	out := action.Action{
		Kind:   action.Kind(strings.TrimPrefix(in.GetKind().String(), "ACTION_KIND_")),
		CallID: in.GetCallId(), Tool: in.GetTool(), Server: in.GetServer(), SchemaDigest: in.GetSchemaDigest(),
		Content: in.GetContent(), Estimate: usageFrom(in.GetEstimate()),
		InReplyTo: in.GetInReplyTo(), FromAgent: in.GetFromAgent(),
	}
	if m := in.GetMemory(); m != nil {
		out.Memory = &action.MemoryRef{Layer: m.GetLayer(), Key: m.GetKey(), Seal: m.GetSeal()}
	}
	if h := in.GetHttp(); h != nil {
		out.HTTP = &action.HTTPRequest{Method: h.GetMethod(), URL: h.GetUrl(), Body: h.GetBody()}
		for _, header := range h.GetHeaders() {
			out.HTTP.Headers = append(out.HTTP.Headers, action.Header{Name: header.GetName(), Value: header.GetValue()})
		}
	}
	if err := checkShape(out); err != nil {
		return out, err
	}
	if err := checkNames(out); err != nil {
		return out, err
	}
	return out, readArguments(in, &out)
}

// checkShape refuses an action that lacks what its kind is about, or has what belongs to another kind.
func checkShape(a action.Action) error {
	isMemory := a.Kind == action.KindMemoryWrite || a.Kind == action.KindMemoryRead || a.Kind == action.KindMemoryDelete
	for _, field := range []struct {
		name             string
		needed, set      bool
		refusedElsewhere bool
	}{
		{"tool", a.Kind == action.KindToolCall, a.Tool != "", false},
		{"memory", isMemory, a.Memory != nil, true},
		{"http", a.Kind == action.KindHTTPRequest, a.HTTP != nil, true},
		{"in_reply_to", a.Kind == action.KindToolResult, a.InReplyTo != "", false},
		{"from_agent", a.Kind == action.KindMessage, a.FromAgent != "", false},
	} {
		switch {
		case field.needed && !field.set:
			return invalid("FIELD_REQUIRED", "action."+field.name, "is required for the kind "+string(a.Kind))
		case !field.needed && field.set && field.refusedElsewhere:
			return invalid("FIELD_NOT_ALLOWED", "action."+field.name, "does not belong to the kind "+string(a.Kind))
		}
	}
	if isMemory && (a.Arguments != nil || a.Tool != "") { // its seal would not cover them
		return invalid("FIELD_NOT_ALLOWED", "action.arguments", "and tool do not belong to the kind "+string(a.Kind))
	}
	return nil
}

// checkNames refuses control characters where a name stands: a NUL or a line break in it makes two readers see two
// names (threat A17).
func checkNames(a action.Action) error {
	names := []struct{ field, value string }{
		{"tool", a.Tool}, {"server", a.Server}, {"call_id", a.CallID},
	}
	if a.Memory != nil {
		names = append(names, struct{ field, value string }{"memory.key", a.Memory.Key})
	}
	if a.HTTP != nil {
		names = append(names, struct{ field, value string }{"http.url", a.HTTP.URL})
		for _, h := range a.HTTP.Headers {
			names = append(names, struct{ field, value string }{"http.headers", h.Name},
				struct{ field, value string }{"http.headers", strings.ReplaceAll(h.Value, "\t", " ")})
		}
	}
	for _, n := range names {
		if strings.ContainsFunc(n.value, unicode.IsControl) {
			return invalid("CONTROL_CHARACTER", "action."+n.field, "holds a control character")
		}
	}
	return nil
}

// readArguments parses the arguments once, in whichever form they came.
func readArguments(in *portcullisv1.Action, out *action.Action) error {
	var parsed map[string]any
	var err error
	field := "arguments"
	switch args := in.GetArgs().(type) {
	case nil:
		return nil
	case *portcullisv1.Action_ArgumentsJson:
		field = "arguments_json"
		parsed, err = action.ParseArguments(args.ArgumentsJson, action.Bounds{})
		out.ArgumentsBytes = len(args.ArgumentsJson)
	case *portcullisv1.Action_Arguments:
		parsed, err = action.FromMap(plainMap(args.Arguments), action.Bounds{})
		out.ArgumentsBytes = proto.Size(args.Arguments) // never less than its texts
	}
	if err != nil {
		return atField(err, "action."+field)
	}
	out.Arguments = parsed
	return nil
}

// plainMap is AsMap of a Struct, but for what AsMap would hide: it turns NaN into the text "NaN", and a value without
// a kind into null. Both reach FromMap as what they are, and are refused there.
func plainMap(s *structpb.Struct) map[string]any {
	m := make(map[string]any, len(s.GetFields()))
	for key, v := range s.GetFields() {
		m[key] = plainValue(v)
	}
	return m
}

func plainValue(v *structpb.Value) any {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_NullValue:
		return nil
	case *structpb.Value_NumberValue:
		return kind.NumberValue
	case *structpb.Value_StringValue:
		return kind.StringValue
	case *structpb.Value_BoolValue:
		return kind.BoolValue
	case *structpb.Value_StructValue:
		return plainMap(kind.StructValue)
	case *structpb.Value_ListValue:
		list := make([]any, len(kind.ListValue.GetValues()))
		for i, item := range kind.ListValue.GetValues() {
			list[i] = plainValue(item)
		}
		return list
	}
	return struct{}{} // no kind: a type that JSON does not have
}

// claimFrom bounds what the caller claims, and writes it down for reviewers. Nothing that decides reads it.
func claimFrom(s *structpb.Struct) ([]byte, error) {
	if len(s.GetFields()) == 0 {
		return nil, nil
	}
	claim, err := action.FromMap(plainMap(s), action.Bounds{MaxBytes: maxContextBytes, MaxDepth: maxContextDepth})
	if err != nil {
		return nil, atField(err, "context")
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(claim); err != nil {
		return nil, fmt.Errorf("write the context down: %w", err)
	}
	return bytes.TrimSpace(text.Bytes()), nil
}

// atField gives an error of package action the contract's name of the field.
func atField(err error, field string) error {
	f, foreseen := explain(err)
	if !foreseen {
		return err
	}
	return invalid(f.reason, field, f.message)
}

func usageFrom(u *portcullisv1.Usage) action.Usage {
	return action.Usage{
		CostMicroUSD: u.GetCostMicroUsd(), Tokens: u.GetTokens(),
		Model: u.GetModel(), InputTokens: u.GetInputTokens(), OutputTokens: u.GetOutputTokens(),
	}
}

func outcomeFrom(in *portcullisv1.ReportOutcomeRequest) decision.Outcome {
	out := decision.Outcome{
		DecisionID: in.GetDecisionId(),
		Status:     decision.OutcomeStatus(strings.TrimPrefix(in.GetStatus().String(), "OUTCOME_STATUS_")),
	}
	if in.GetActual() != nil {
		actual := usageFrom(in.GetActual())
		out.Actual = &actual
	}
	return out
}

// maxCommentRunes is how much of a person's comment is kept.
const maxCommentRunes = 1000

// cleanComment takes out of a comment what would change how the text around it reads: control characters, bidirectional
// overrides, and everything else that Unicode calls a format character. Line breaks become spaces.
func cleanComment(text string) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.TrimSpace(text) {
		switch {
		case n == maxCommentRunes:
			return b.String()
		case r == '\n' || r == '\t' || r == '\u2028' || r == '\u2029':
			r = ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r):
			continue
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}
