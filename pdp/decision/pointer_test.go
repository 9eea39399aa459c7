package decision

import (
	"strings"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

func TestThreat_E16_NamesThatHoldSecretsAreNotShown(t *testing.T) {
	findings := []scan.Finding{
		{Pointer: "/arguments/to"},
		{Pointer: "/arguments/AKIAIOSFODNN7EXAMPLE" + action.KeySuffix},
		{Pointer: "/arguments/AKIAIOSFODNN7EXAMPLE/0/body"},
		{Pointer: "/arguments/p\u00e4ssword=x"},
		{Pointer: "/http/headers/0/value"},
		{Pointer: ""},
	}
	facts := []action.Fact{{Pointer: "/arguments/AKIAIOSFODNN7EXAMPLE"}}
	hideNames(findings, facts, func(string) string { return "f" })
	for i, want := range []string{
		"/arguments/to", "/arguments/name:f" + action.KeySuffix, "/arguments/name:f/0/body", "/arguments/name:f",
		"/http/headers/0/value", "",
	} {
		if findings[i].Pointer != want {
			t.Errorf("finding %d is at %q, want %q", i, findings[i].Pointer, want)
		}
	}
	if facts[0].Pointer != "/arguments/name:f" {
		t.Errorf("fact is at %q", facts[0].Pointer)
	}
}

func TestAValueIsCalledByItsArgumentOrHeader(t *testing.T) {
	a := &action.Action{HTTP: &action.HTTPRequest{Headers: []action.Header{{Name: "Authorization"}, {Name: "odd\nname"}}}}
	for pointer, want := range map[string]string{
		"/arguments/password": "password", "/arguments/a/b/0/12": "b", "/arguments/0": "", "/arguments/0/1": "", "/arguments/a~1b": "", "/arguments/x#key": "",
		"/arguments/" + strings.Repeat("x", 65): "", "/content": "", "/http/body": "", "/http/headers/0/value": "Authorization", "/http/headers/0/name": "",
		"/http/headers/1/value": "", "/http/headers/9/value": "", "/arguments/arguments": "arguments", "/arguments/": "",
	} {
		if got := keyOf(a, pointer); got != want {
			t.Errorf("%s: %q, want %q", pointer, got, want)
		}
	}
}
