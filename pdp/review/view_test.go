package review

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

func scanner(t *testing.T) *scan.Scanner {
	t.Helper()
	examples := scan.Examples{Match: []string{"key-AAAA", "key-BBBB", "key-CCCC"}, NoMatch: []string{"a", "b", "c"}}
	names := scan.Examples{Match: []string{"ann@x", "bob@x", "cat@x"}, NoMatch: []string{"a", "b", "c"}}
	s, err := scan.Compile([]scan.Pattern{
		{ID: "a.key", Category: "credential", Severity: "high", Confidence: "high", Regex: `key-[A-Z]{4}`, Examples: examples},
		{ID: "a.mail", Category: "personal", Severity: "low", Confidence: "high", Regex: `[a-z]{3}@x`, Examples: names},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestThreat_A15_AReviewerSeesWhatIsThere: nothing in the action or in the agent's words about it can hide, move or pass
// for something else.
func TestThreat_A15_AReviewerSeesWhatIsThere(t *testing.T) {
	for text, want := range map[string]string{
		"plain, Zoë, 日本":                          "plain, Zoë, 日本",
		"a\x1b[2Jb\x07":                           `a\u001b[2Jb\u0007`,
		"pay \u202eeva\u202c":                     `pay \u202eeva\u202c`,
		"z\u200b\u00ad\ufeffz":                    `z\u200b\u00ad\ufeffz`,
		"tag\U000e0041":                           `tag\U000e0041`,
		"filler\u3164\uffa0\u2800":                `filler\u3164\uffa0\u2800`,
		"vs\ufe0f\u034f":                          `vs\ufe0f\u034f`,
		"no break\u00a0":                          `no break\u00a0`,
		"line\u2028sep":                           `line\u2028sep`,
		"e\u0301\u0302\u0303\u0304":               "e\u0301\u0302" + `\u0303\u0304`,
		"bad\xff":                                 `bad\ufffd`,
		"⟦masked 9 bytes⟧":                        `\u27e6masked 9 bytes\u27e7`,
		"**APPROVED** <b>":                        "**APPROVED** <b>",
		"a" + strings.Repeat(" ", 16) + "b":       "a" + strings.Repeat(" ", 16) + "b",
		"a" + strings.Repeat(" ", 17) + "b":       "a⟦17 spaces and line breaks⟧b",
		"a" + strings.Repeat(` \n\t`, 3000) + "b": "a⟦9000 spaces and line breaks⟧b",
		`back\\nslash`:                            `back\\nslash`,
		strings.Repeat("=", 64):                   strings.Repeat("=", 64),
		strings.Repeat("=", 10_000) + "> pay":     "=⟦10000 times⟧> pay",
		strings.Repeat("\u200b", 5_000) + "pay":   `\u200b⟦5000 times⟧pay`,
		strings.Repeat("日", 65):                   "日⟦65 times⟧",
	} {
		if got := Readable(text); got != want {
			t.Errorf("Readable(%.40q) = %q, want %q", text, got, want)
		}
	}
	s := scanner(t)
	v := New(s, []byte(`{}`), nil, []byte(`{"why":"**APPROVED** \u001b[2J`+"\u202e"+` key-ABCD ⟦cut⟧ `+strings.Repeat("do it now ", 1000)+`"}`))
	for _, never := range []string{"\u202e", "key-ABCD", "⟦cut⟧ do"} {
		if strings.Contains(v.Says, never) {
			t.Errorf("%q in the agent's words: %.200q", never, v.Says)
		}
	}
	if !strings.HasSuffix(v.Says, " ⟦cut⟧") || utf8.RuneCountInString(v.Says) > maxSaysRunes+10 || !strings.Contains(v.Says, "⟦masked 8 bytes⟧") {
		t.Errorf("the agent's words are not cut or not masked: %.100q", v.Says)
	}
}

// TestThreat_B17_NoPartOfALongActionIsOutOfReach: the pages of an action are the whole of it, each byte once, whatever is
// masked; and each of them is bounded.
func TestThreat_B17_NoPartOfALongActionIsOutOfReach(t *testing.T) {
	s := scanner(t)
	var text strings.Builder
	for i := 0; text.Len() < 1<<20; i++ {
		fmt.Fprintf(&text, "line %d é日 key-ABCD ann@x; and so on, for some more bytes of it, until the end of this one, which is far away, as anybody can see;", i)
	}
	long := text.String()
	v := New(s, []byte(long), nil, nil)
	if len(v.Masked) < 1000 {
		t.Fatalf("%d places are masked", len(v.Masked))
	}
	whole := map[bool]string{true: long, false: strings.ReplaceAll(long, "key-ABCD", "⟦masked 8 bytes⟧")}
	for revealed, want := range whole {
		var read strings.Builder
		pages, offset := 0, 0
		for {
			page := v.Page([]byte(long), int64(offset), revealed)
			if page.Offset != offset || page.Next != 0 && page.Next <= offset || page.Next-page.Offset > PageBytes {
				t.Fatalf("page at %d: %d to %d", offset, page.Offset, page.Next)
			}
			read.WriteString(page.Text)
			pages++
			if offset = page.Next; offset == 0 {
				break
			}
		}
		if read.String() != want || pages < 16 {
			t.Errorf("revealed %t: %d pages have %d bytes of %d", revealed, pages, read.Len(), len(want))
		}
	}
}

// TestPagesFromAnywhere: an offset that nobody gave out shows no half of a character, and nothing of what is masked.
func TestPagesFromAnywhere(t *testing.T) {
	s := scanner(t)
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{"key-ABCD", "é", "日", " ", "x", strings.Repeat("w", 30_000), "\u200b"}), 0, 12).Draw(t, "parts")
		text := strings.Join(parts, "")
		v := New(s, []byte(text), nil, nil)
		offset := rapid.Int64Range(0, int64(len(text)+10)).Draw(t, "offset")
		page := v.Page([]byte(text), offset, false)
		if strings.Contains(page.Text, "key-") || strings.Contains(page.Text, "ABCD") || strings.Contains(page.Text, `\ufffd`) {
			t.Fatalf("page at %d of %d: %.100q", offset, len(text), page.Text)
		}
		if int64(page.Offset) > offset || page.Next != 0 && page.Next <= page.Offset {
			t.Fatalf("page at %d begins at %d and ends at %d", offset, page.Offset, page.Next)
		}
		for _, r := range page.Text {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q is not printable", r)
			}
		}
	})
}

func TestViewsAreKept(t *testing.T) {
	v := New(scanner(t), []byte("x key-ABCD"), []scan.Finding{{Rule: "a.key", Count: 1}}, []byte(`{"a":1}`))
	back, err := Decode(v.Encode())
	if err != nil || len(back.Findings) != 1 || back.Says != `{"a":1}` || len(back.Masked) != 1 || back.Masked[0] != (scan.Place{From: 2, To: 10}) {
		t.Errorf("%+v, %v", back, err)
	}
	if _, err := Decode([]byte("{")); err == nil {
		t.Error("a damaged view is read")
	}
	if strings.Contains(string(v.Encode()), "ABCD") {
		t.Error("the view holds text of the action")
	}
	if empty := New(scanner(t), nil, nil, nil); empty.Says != "" || empty.Page(nil, 5, false) != (Page{}) {
		t.Errorf("%+v", empty)
	}
}

func TestLayOutChangesNothingButSpace(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":1,"b":["x,y{","\"]"]}`: "{\n  \"a\": 1,\n  \"b\": [\n    \"x,y{\",\n    \"\\\"]\"\n  ]\n}",
		`"back\\","x"`:               "\"back\\\\\",\n\"x\"",
		`}}}`:                        "\n}\n}\n}",
	} {
		if got := LayOut(in); got != want {
			t.Errorf("%s is laid out as %q, want %q", in, got, want)
		}
	}
}

// TestThreat_A15_LayoutIsTheActionsOwn: no text of an agent is laid out as if it were structure, nor structure as if it were text:
// not by where a page begins, and not by what is counted instead of shown.
func TestThreat_A15_LayoutIsTheActionsOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SampledFrom([]string{`,to:ann,`, `{`, `]`, `"`, `\`, "\n", strings.Repeat(`\`, 33), strings.Repeat(`\`, 70) + `"`, "\x01", "é", "x"})
		texts := rapid.SliceOfN(rapid.SliceOfN(parts, 0, 8), 1, 4).Draw(t, "texts")
		padding := rapid.IntRange(PageBytes-30, PageBytes+10).Draw(t, "padding")
		action := map[string]string{"a": strings.Repeat("ab", padding)[:padding]}
		for i, text := range texts {
			action[fmt.Sprint("t", i)] = strings.Join(text, "")
		}
		canonical, err := json.Marshal(action)
		if err != nil {
			t.Fatal(err)
		}
		var shown strings.Builder
		for offset, pages := int64(0), 0; offset > 0 || pages == 0; pages++ {
			page := View{}.Page(canonical, offset, false)
			if page.Offset != int(offset) || pages > 2 {
				t.Fatalf("page %d, asked for at %d, is at %d", pages, offset, page.Offset)
			}
			shown.WriteString(LayOut(page.Text))
			offset = int64(page.Next)
		}
		if want := len(action) + 1; strings.Count(shown.String(), "\n") != want { // after the brace and each comma, and before the last brace
			t.Fatalf("%d line breaks, want %d, in %.200s", strings.Count(shown.String(), "\n"), want, strings.ReplaceAll(shown.String(), "ab", ""))
		}
	})
}

// TestWhatIsMaskedIsContent: names, texts and numbers are, with all of an escape, and what stands around them is not. What a
// match that reached too far had in it is found again.
func TestWhatIsMaskedIsContent(t *testing.T) {
	s, err := scan.Compile([]scan.Pattern{{
		ID: "a.word", Category: "credential", Severity: "high", Confidence: "high", Regex: `pw \S{4,}|pin":\d{4}|key-[A-Z]{4}`,
		Examples: scan.Examples{Match: []string{"pw abcd", `pin":1234`, "key-ABCD"}, NoMatch: []string{"a", "b", "c"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for doc, want := range map[string]string{
		`{"a":"pw abcd","b":"x"}`:                `{"a":"⟦masked 7 bytes⟧","b":"x"}`,
		`{"a":"pw abcd","b":["key-ABCD","y z"]}`: `{"a":"⟦masked 7 bytes⟧","b":["⟦masked 8 bytes⟧","y z"]}`,
		`{"a":["pw abcd",{"b":7}],"c":true}`:     `{"a":["⟦masked 7 bytes⟧",{"b":7}],"c":true}`,
		`{"pin":1234,"b":"x"}`:                   `{"⟦masked 3 bytes⟧":⟦masked 4 bytes⟧,"b":"x"}`,
		`{"pw abcd":"v","b":"x"}`:                `{"⟦masked 7 bytes⟧":"⟦masked 1 bytes⟧","b":"x"}`,
		`["pw a\"b\\c\u0001"," x"]`:              `["⟦masked 16 bytes⟧"," x"]`,
		`"pw abcd"`:                              `"⟦masked 7 bytes⟧"`,
	} {
		if got := New(s, []byte(doc), nil, nil).Page([]byte(doc), 0, false).Text; got != want {
			t.Errorf("%s is shown as %s, want %s", doc, got, want)
		}
	}
}
