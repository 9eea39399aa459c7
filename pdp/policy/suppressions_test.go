package policy

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

func suppressing(b *Bundle, change map[string]any) {
	row := map[string]any{
		"name": "demo keys", "rule": "credential.key", "owner": "ann@site.test", "until": "2026-12-31", "reason": "the demo's own key",
	}
	for field, value := range change {
		if value == nil {
			delete(row, field)
		} else {
			row[field] = value
		}
	}
	b.Data["tables"].(map[string]any)["suppressions"] = map[string]any{"suppressions": []any{row}}
}

func TestThreat_F12_ASuppressionNeedsAnOwnerAndAnEnd(t *testing.T) {
	cases := map[string]refusal{}
	for name, c := range map[string]struct {
		change map[string]any
		says   string
	}{
		"no owner":       {map[string]any{"owner": nil}, "owner"},
		"blank owner":    {map[string]any{"owner": "  "}, "owner"},
		"no end":         {map[string]any{"until": nil}, "until"},
		"never ends":     {map[string]any{"until": "never"}, "until"},
		"no such day":    {map[string]any{"until": "2026-02-30"}, "until"},
		"no reason":      {map[string]any{"reason": nil}, "reason"},
		"no name":        {map[string]any{"name": nil}, "no name"},
		"unknown rule":   {map[string]any{"rule": "credential.kee"}, "credential.kee"},
		"unknown tool":   {map[string]any{"tool": "ad"}, "misspelt"},
		"no pointer":     {map[string]any{"field": "body"}, "JSON pointer"},
		"unknown column": {map[string]any{"untill": "2026-12-31"}, "untill"},
	} {
		cases[name] = refusal{func(b *Bundle) { suppressing(b, c.change) }, []string{"tables/suppressions", c.says}}
	}
	checkRefusals(t, cases)
}

func TestThreat_F12_ASuppressionEnds(t *testing.T) {
	b := small(t)
	suppressing(b, map[string]any{"tenant": "acme", "tool": "add", "field": "/arguments/body"})
	s, err := Load(t.Context(), b, LoadOptions{Toolchain: tools(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	lastMoment := time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC)
	found := scan.Finding{Rule: "credential.key", Pointer: "/arguments/body"}
	below := scan.Finding{Rule: "credential.key", Pointer: "/arguments/body/0"}
	for name, c := range map[string]struct {
		finding      scan.Finding
		tenant, tool string
		now          time.Time
		want         bool
	}{
		"what it is for":   {found, "acme", "add", lastMoment, true},
		"below the field":  {below, "acme", "add", lastMoment, true},
		"the day is over":  {found, "acme", "add", lastMoment.Add(time.Second), false},
		"another tenant":   {found, "other", "add", lastMoment, false},
		"another tool":     {found, "acme", "send", lastMoment, false},
		"another rule":     {scan.Finding{Rule: "decode.undecoded", Pointer: "/arguments/body"}, "acme", "add", lastMoment, false},
		"another field":    {scan.Finding{Rule: "credential.key", Pointer: "/arguments/bodyguard"}, "acme", "add", lastMoment, false},
		"over many fields": {scan.Finding{Rule: "credential.key"}, "acme", "add", lastMoment, false},
	} {
		if got := s.Tables.Suppressed(c.finding, c.tenant, c.tool, c.now); got != c.want {
			t.Errorf("%s: suppressed %t", name, got)
		}
	}
	if n := len(s.Tables.Expired(lastMoment)); n != 0 {
		t.Errorf("%d expired on the last day", n)
	}

	var log bytes.Buffer
	m := &Manager{now: func() time.Time { return lastMoment.Add(time.Second) }, log: slog.New(slog.NewTextHandler(&log, nil))}
	m.swap(s)
	if out := log.String(); !strings.Contains(out, "level=WARN") || !strings.Contains(out, "demo keys") || !strings.Contains(out, "ann@site.test") {
		t.Errorf("the load does not say that a suppression has expired: %q", out)
	}
}

func TestABundleNeedsNoSuppressions(t *testing.T) {
	s, err := Load(t.Context(), small(t), LoadOptions{Toolchain: tools(), Now: time.Now})
	if err != nil || s.Tables.Suppressed(scan.Finding{Rule: "credential.key"}, "", "", time.Now()) {
		t.Errorf("%v", err)
	}
}
