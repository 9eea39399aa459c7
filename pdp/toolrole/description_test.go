package toolrole_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/toolrole"
)

func TestHintsCountAgainstTheToolAlwaysAndForItOnlyIfTrusted(t *testing.T) {
	l := lexicon(t)
	yes, no := true, false
	for name, c := range map[string]struct {
		tool    string
		d       toolrole.Description
		trusted bool
		want    toolrole.Role
	}{
		"says that it reads":             {"send_mail", toolrole.Description{ReadOnly: &yes}, false, toolrole.Role{Writes: true, Source: "name"}},
		"says so, and is trusted":        {"send_mail", toolrole.Description{ReadOnly: &yes}, true, toolrole.Role{Source: "schema"}},
		"says that it writes":            {"get_mail", toolrole.Description{ReadOnly: &no}, false, toolrole.Role{Writes: true, Source: "schema"}},
		"says that it destroys":          {"get_mail", toolrole.Description{Destructive: &yes}, false, toolrole.Role{Writes: true, Irreversible: true, Source: "schema"}},
		"says that it stays in":          {"send_mail", toolrole.Description{Open: &no}, false, toolrole.Role{Writes: true, Source: "name"}},
		"stays in, and is trusted":       {"send_mail", toolrole.Description{Open: &no}, true, toolrole.Role{Writes: true, Open: &no, Source: "schema"}},
		"destroys by name, says nothing": {"get_and_purge", toolrole.Description{}, false, toolrole.Role{Irreversible: true, Source: "name"}},
		"destroys, says that it reads":   {"get_and_purge", toolrole.Description{ReadOnly: &yes}, false, toolrole.Role{Irreversible: true, Source: "name"}},
		"reads, and is trusted":          {"get_and_purge", toolrole.Description{ReadOnly: &yes}, true, toolrole.Role{Source: "schema"}},
		"a row wins over what is said":   {"send_nothing", toolrole.Description{ReadOnly: &no}, false, toolrole.Role{Source: "table"}},
		"says nothing":                   {"get_mail", toolrole.Description{}, true, toolrole.Role{Source: "name"}},
		"a schema that is no JSON":       {"get_mail", toolrole.Description{Schema: "{"}, true, toolrole.Role{Source: "name"}},
		"a schema that is nested deeply": {"get_mail", toolrole.Description{Schema: strings.Repeat(`{"properties":{"a":`, 200) + "1" + strings.Repeat("}}", 200)}, true, toolrole.Role{Source: "name"}},
	} {
		if got := l.Role(toolrole.Tool{Name: c.tool, Said: c.d.Said(), Trusted: c.trusted}); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestASchemaMakesSinks(t *testing.T) {
	l := lexicon(t)
	d := toolrole.Description{Schema: `{"properties": {"where": {"type": "array", "items": {"format": "uri"}}, "a": {"properties": {"b": {"format": "email"}}}, "subject": {"title": "x"}}}`}
	got := l.Sinks(toolrole.Tool{Name: "send_mail", Said: d.Said(), Trusted: true}, []toolrole.Argument{{Name: "where", Text: "x"}, {Name: "b", Text: "x"}, {Name: "subject", Text: "x"}, {Name: "other", Text: "x"}})
	if fmt.Sprint(got) != "[true true false false]" {
		t.Errorf("%v", got)
	}
}

// Neither a schema nor an argument that the tool does not have may stand before the true recipient.
func TestThreat_A1_NoSinkHidesBehindAnother(t *testing.T) {
	l := lexicon(t)
	args := []toolrole.Argument{{Name: "biller", Text: "evil"}, {Name: "note", Text: "bob"}}
	extra := []toolrole.Argument{{Name: "biller", Text: "evil"}, {Name: "email", Text: "bob@example.com", Address: true}}
	for name, c := range map[string]struct {
		schema  string
		trusted bool
		args    []toolrole.Argument
		want    string
	}{
		"a schema that points elsewhere":     {`{"properties": {"biller": {}, "note": {"format": "email"}}}`, false, args, "[true true]"},
		"the same, of a trusted server":      {`{"properties": {"biller": {}, "note": {"format": "email"}}}`, true, args, "[false true]"},
		"an argument that is not there":      {`{"properties": {"biller": {}}}`, true, extra, "[true true]"},
		"one that is there":                  {`{"properties": {"biller": {}, "email": {}}}`, false, extra, "[false true]"},
		"a schema that says of no arguments": {`{}`, false, extra, "[false true]"},
	} {
		d := toolrole.Description{Schema: c.schema}
		if got := fmt.Sprint(l.Sinks(toolrole.Tool{Name: "send_it", Said: d.Said(), Trusted: c.trusted}, c.args)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestADayIsNobody(t *testing.T) {
	got := lexicon(t).Sinks(toolrole.Tool{Name: "send_it"}, []toolrole.Argument{{Name: "x", Text: "2026-11-25"}, {Name: "y", Text: "15:04"}, {Name: "z", Text: "2026-11"}})
	if fmt.Sprint(got) != "[false false true]" {
		t.Errorf("%v", got)
	}
}

func TestRegistryIsBounded(t *testing.T) {
	r := toolrole.NewRegistry()
	var many []toolrole.Description
	for i := range 300 {
		many = append(many, toolrole.Description{Server: "s", Name: fmt.Sprint("t", i)})
	}
	if _, whole := r.Register("a", many, true); whole {
		t.Error("300 tools fit")
	}
	if got := r.Find("a", "s", "t299", ""); got.State != toolrole.Undescribed {
		t.Errorf("%+v", got)
	}
	for i := range 5_000 {
		r.Register(fmt.Sprint("session ", i), many[:1], true)
	}
	if got := r.Find("a", "s", "t0", ""); got.State != toolrole.Undescribed {
		t.Errorf("the oldest of 5,001 sessions is still there: %+v", got)
	}
}

func TestThreat_E5_MadeUpToolsDoNotKeepOutRealOnes(t *testing.T) {
	r := toolrole.NewRegistry()
	var many []toolrole.Description
	for i := range 256 {
		many = append(many, toolrole.Description{Server: "s", Name: fmt.Sprint("t", i)})
	}
	r.Register("a", many, false)
	yes := true
	tool := []toolrole.Description{{Server: "s", Name: "tidy", Destructive: &yes}}
	if _, whole := r.Register("a", tool, false); whole {
		t.Error("an agent's own made room")
	}
	if _, whole := r.Register("a", tool, true); !whole || r.Find("a", "s", "tidy", "").State != toolrole.Described {
		t.Errorf("whole is %v, the tool %+v", whole, r.Find("a", "s", "tidy", ""))
	}
	gone := 0
	for _, d := range many {
		if r.Find("a", "s", d.Name, "").State == toolrole.Undescribed {
			gone++
		}
	}
	if gone != 1 {
		t.Errorf("%d were forgotten", gone)
	}
}

func TestADescriptionIsVouchedForOnlyAsItIs(t *testing.T) {
	r := toolrole.NewRegistry()
	d := toolrole.Description{Server: "s", Name: "t", Text: "one"}
	digests, _ := r.Register("a", []toolrole.Description{d}, true)
	if got := r.Find("a", "s", "t", digests[0]); got.State != toolrole.Described || !got.Vouched {
		t.Errorf("%+v", got)
	}
	d.Text = "two"
	r.Register("a", []toolrole.Description{d}, false)
	if got := r.Find("a", "s", "t", ""); got.State != toolrole.Changed || got.Vouched {
		t.Errorf("%+v", got)
	}
	if got := r.Find("a", "s", "t", digests[0]); got.State != toolrole.Mismatched {
		t.Errorf("%+v", got)
	}
	if got := r.Find("a", "other", "t", ""); got.State != toolrole.Elsewhere {
		t.Errorf("%+v", got)
	}
}

func FuzzDescription(f *testing.F) {
	f.Add("look_up", "The recipient", `{"properties": {"to": {"format": "uri", "items": {"anyOf": []}}}}`)
	f.Add("", "\xff", `[]`)
	f.Fuzz(func(t *testing.T, name, text, schema string) {
		d := toolrole.Description{Name: name, Text: text, Schema: schema}
		if len(d.Digest()) != 64 {
			t.Error("no digest")
		}
		said := d.Said()
		l := toolrole.Compile(toolrole.Table{Reads: []string{"look"}, Described: []string{"recipient"}})
		args := []toolrole.Argument{{Name: name, Text: "x"}}
		if without, with := l.Sinks(toolrole.Tool{Name: name}, args), l.Sinks(toolrole.Tool{Name: name, Said: said}, args); without[0] && !with[0] {
			t.Error("a schema took a sink away")
		}
	})
}
