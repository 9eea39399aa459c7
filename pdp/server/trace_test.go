package server

import (
	"fmt"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/action"
)

func TestTracesNameTheCallAndNoValue(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	r := start(t, func(_ *Config, r *rig) { r.deps.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)) })
	if _, err := r.decisions().Decide(r.as("agent"), toolCall()); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := r.wait(); err != nil { // a span ends after its call's answer
		t.Fatal(err)
	}
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].Name() != "portcullis.v1.DecisionService/Decide" {
		t.Fatalf("spans %v", ended)
	}
	if text := fmt.Sprint(ended[0].Attributes(), ended[0].Events()); strings.Contains(text, "expression") || strings.Contains(text, "Bearer") {
		t.Errorf("the span holds a value: %s", text)
	}
}

func TestActionFromProto(t *testing.T) {
	got, err := ActionFromProto(toolCall().GetAction())
	if err != nil || got.Kind != action.KindToolCall || got.Tool != "calculator" {
		t.Errorf("%+v %v", got, err)
	}
	for want, in := range map[string]*portcullisv1.Action{
		"kind":                  {},
		"action.tool":           {Kind: portcullisv1.ActionKind_ACTION_KIND_TOOL_CALL},
		"action.arguments_json": {Kind: portcullisv1.ActionKind_ACTION_KIND_TOOL_CALL, Tool: "x", Args: &portcullisv1.Action_ArgumentsJson{ArgumentsJson: "["}},
	} {
		if _, err := ActionFromProto(in); err == nil || !strings.HasPrefix(err.Error(), want+": ") {
			t.Errorf("%s: %v", want, err)
		}
	}
}
