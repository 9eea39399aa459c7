package toolrole_test

import (
	"slices"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/toolrole"
)

func lexicon(t *testing.T) *toolrole.Lexicon {
	t.Helper()
	no := false
	table := toolrole.Table{
		Addresses: []string{"url"}, Sinks: []string{"recipient", "to", "email", "id"}, Contents: []string{"body", "subject"},
		Irreversible: []string{"purge"}, Reads: []string{"get", "search"}, Writes: []string{"send", "update"},
		Tools: []toolrole.Row{{Tool: "send_nothing", Writes: &no, Sinks: []string{}}, {Tool: "odd", Writes: new(true), Sinks: []string{"x"}}},
	}
	if err := table.Validate(); err != nil {
		t.Fatal(err)
	}
	return toolrole.Compile(table)
}

func TestRole(t *testing.T) {
	l := lexicon(t)
	for tool, want := range map[string]toolrole.Role{
		"get_mail":        {Writes: false, Source: "name"},
		"GmailSearchMail": {Writes: false, Source: "name"},
		"get_and_send":    {Writes: true, Source: "name"},
		"GmailSendEmail":  {Writes: true, Source: "name"},
		"frobnicate":      {Writes: true, Source: "name"},
		"":                {Writes: true, Source: "name"},
		"target":          {Writes: true, Source: "name"}, // not `get`
		"send_nothing":    {Writes: false, Source: "table"},
	} {
		if got := l.Role(toolrole.Tool{Name: tool}); got != want {
			t.Errorf("%s: got %+v, want %+v", tool, got, want)
		}
	}
	if got := (*toolrole.Lexicon)(nil).Role(toolrole.Tool{Name: "get_mail"}); !got.Writes {
		t.Error("without a table a tool is known to read")
	}
}

func TestSinks(t *testing.T) {
	l := lexicon(t)
	for _, c := range []struct {
		tool string
		args []toolrole.Argument
		want []bool
	}{
		{"send_mail", []toolrole.Argument{{Name: "recipientEmail", Text: "a"}, {Name: "email_body", Text: "b"}, {Name: "amount", Text: "1"}}, []bool{true, false, false}},
		{"send_mail", []toolrole.Argument{{Name: "to"}, {Name: "x", Text: "b"}}, []bool{false, true}},
		{"frobnicate", []toolrole.Argument{{Name: "x", Text: "a"}, {Name: "y", Text: "b"}}, []bool{true, true}},
		{"frobnicate", []toolrole.Argument{{Name: "x", Text: "a"}, {Name: "subject", Text: "b"}}, []bool{true, false}},
		{"get_x", []toolrole.Argument{{Name: "x", Text: "a"}, {Name: "customer_id", Text: "b"}}, []bool{false, true}},
		{"get_x", []toolrole.Argument{{Name: "x", Text: "https://a.b", Address: true}}, []bool{true}},
		{"odd", []toolrole.Argument{{Name: "x", Text: "a"}, {Name: "to", Text: "b"}}, []bool{true, false}},
		{"send_nothing", []toolrole.Argument{{Name: "to", Text: "b"}}, []bool{false}},
	} {
		if got := l.Sinks(toolrole.Tool{Name: c.tool}, c.args); !slices.Equal(got, c.want) {
			t.Errorf("%s %+v: got %v, want %v", c.tool, c.args, got, c.want)
		}
	}
	if got := (*toolrole.Lexicon)(nil).Sinks(toolrole.Tool{Name: "get_x"}, []toolrole.Argument{{Name: "x", Text: "a"}}); !got[0] {
		t.Error("without a table a value is known to be no sink")
	}
}

func TestFetches(t *testing.T) {
	l := lexicon(t)
	for _, c := range []struct {
		arg  toolrole.Argument
		want bool
	}{
		{toolrole.Argument{Name: "pageUrl", Text: "a.com"}, true},
		{toolrole.Argument{Name: "url"}, false},
		{toolrole.Argument{Name: "x", Text: "https://a.com", Address: true}, true},
		{toolrole.Argument{Name: "to", Text: "a"}, false},
	} {
		if got := l.Fetches([]toolrole.Argument{c.arg}); got != c.want {
			t.Errorf("%+v: %v", c.arg, got)
		}
	}
}

func TestTheTableIsChecked(t *testing.T) {
	for name, table := range map[string]toolrole.Table{
		"two words":  {Sinks: []string{"to_account"}},
		"upper case": {Reads: []string{"Get"}},
		"no writes":  {Tools: []toolrole.Row{{Tool: "a"}}},
		"no tool":    {Tools: []toolrole.Row{{Writes: new(true)}}},
		"twice":      {Tools: []toolrole.Row{{Tool: "a", Writes: new(true)}, {Tool: "a", Writes: new(true)}}},
	} {
		if table.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
