package action

import (
	"strings"
	"testing"
)

func TestThreat_A17_ToolNames(t *testing.T) {
	known := []string{"send_email", "read_file", "search", "calculator", "get", "mcp__mail__send", "delete_file", "run"}
	for _, c := range []struct{ name, near, flags string }{
		{"send_email", "", ""},
		{"mcp__mail__send", "", ""},
		{"get", "", ""},
		{"send_emaiI", "send_email", "confusable near_miss"},
		{"send_emai1", "send_email", "confusable near_miss"},
		{"Send_Email", "send_email", "confusable near_miss"},
		{"send-email", "send_email", "confusable near_miss"},
		{"send.email", "send_email", "confusable near_miss"},
		{"send__email", "send_email", "confusable double_underscore near_miss"},
		{"ｓｅｎｄ_email", "send_email", "bad_charset confusable near_miss non_ascii"},
		{"sеnd_email", "send_email", "bad_charset confusable near_miss non_ascii"}, // D5
		{"send_\u200bemail", "send_email", "bad_charset confusable near_miss non_ascii"},
		{"sendernail", "send_email", "edit_distance near_miss"},
		{"send_ernail", "send_email", "confusable near_miss"},
		{"5end_email", "send_email", "confusable near_miss"},
		{"send_email ", "send_email", "bad_charset edit_distance near_miss"},
		{"send_emails", "send_email", "edit_distance near_miss"},
		{"send_mail", "send_email", "edit_distance near_miss"},
		{"sned_email", "send_email", "edit_distance near_miss"},
		{"sendemail", "send_email", "edit_distance near_miss"},
		{"mcp__evil__send_email", "send_email", "confusable double_underscore near_miss"},
		{"evil/send_email", "send_email", "confusable near_miss"},
		{"evil:read_file", "read_file", "confusable near_miss"},
		{"mcp__x__y", "", "double_underscore"},
		{"write_file", "", ""},
		{"reed_file", "read_file", "edit_distance near_miss"},
		{"gat", "", ""},
		{"put", "", ""},
		{"launch", "", ""},
		{"s3arch", "search", "confusable near_miss"},
		{"tool; rm", "", "bad_charset"},
		{"", "", ""},
		{strings.Repeat("a", 129), "", "over_long"},
	} {
		isKnown, near, flags := CheckToolName(c.name, known)
		if isKnown != (c.near == "" && c.flags == "" && strings.Contains(" "+strings.Join(known, " ")+" ", " "+c.name+" ")) || near != c.near || strings.Join(flags, " ") != c.flags {
			t.Errorf("%q: %v %q %v, want %q %s", c.name, isKnown, near, flags, c.near, c.flags)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"abc", "cba", 2}, {"abc", "xyz", 3}, {"a", "abcdef", 3}, {"kitten", "sitting", 3}, {"é", "e", 1}} {
		if got := editDistance(c.a, c.b, 2); got != c.want {
			t.Errorf("%q, %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

// A long text must not become eleven times as long: U+FDFA does under NFKC.
func TestTypographyDoesNotMultiply(t *testing.T) {
	long := strings.Repeat("ﷺ", 10_000) + "ｈttp"
	if got := nfkc(long); len(got) > 2*len(long) || !strings.HasSuffix(got, "http") {
		t.Fatalf("%d bytes became %d, ending in %q", len(long), len(got), got[len(got)-4:])
	}
}
