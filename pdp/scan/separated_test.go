package scan

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// separators that a number may be written with, and what none of its patterns expects.
var oddSeparators = []string{"/", "_", "|", ":", "*", "~", "\\", "·", "•", " - ", " / ", "--", "  ", "\t", " . "}

func spaced(s, with string, sizes ...int) string {
	var parts []string
	for _, n := range sizes {
		parts, s = append(parts, s[:n]), s[n:]
	}
	if s != "" {
		parts = append(parts, s)
	}
	return strings.Join(parts, with)
}

func TestThreat_D16_NumbersWithAnySeparators(t *testing.T) {
	s := mustCompile(t, pack())
	texts := map[string][]string{}
	for _, with := range append([]string{" ", ".", "-", ""}, oddSeparators...) {
		texts["personal.card"] = append(texts["personal.card"],
			spaced("4111111111111111", with, 4, 4, 4), spaced("378282246310005", with, 4, 6), insert("4111111111111111", with), spaced("4111111111111111", with, 2, 2, 2, 2, 2, 2, 2))
		texts["personal.iban"] = append(texts["personal.iban"],
			spaced("DE89370400440532013000", with, 4, 4, 4, 4, 4), spaced("DE89370400440532013000", with, 2, 2, 8), spaced("GB82WEST12345698765432", with, 4, 4, 6, 4),
			"DE"+with+insert("89370400440532013000", with))
		if with != "" && with != "." {
			texts["personal.ssn"] = append(texts["personal.ssn"], spaced("219099998", with, 3, 2))
		}
	}
	// Of different kinds.
	texts["personal.card"] = append(texts["personal.card"], "4111/1111 1111-1111", "41_11/11:11 1111.1111", "4111 / 1111 - 1111 _ 1111")
	texts["personal.iban"] = append(texts["personal.iban"], "DE89/3704.0044 0532_0130-00")
	for rule, written := range texts {
		for _, text := range written {
			for name, hide := range map[string]func(string) string{
				"": func(s string) string { return s },
				"full-width ": func(s string) string {
					return strings.Map(func(r rune) rune {
						if r > ' ' && r <= '~' {
							return r + 0xFF01 - '!'
						}
						return r
					}, s)
				},
				"Arabic-Indic ": func(s string) string {
					return strings.Map(func(r rune) rune {
						if r >= '0' && r <= '9' {
							return r + 0x660 - '0'
						}
						return r
					}, s)
				},
				"base64 ": encodings[0].encode,
			} {
				if got := counts(s.scanOne("nr " + hide("is "+text+" ok") + " there")); got[rule+"@/a"] != 1 {
					t.Errorf("%s%q: %v, want one %s", name, text, got, rule)
				}
			}
		}
	}
}

// The fingerprint is that of the number, however it is written, and what is replaced is all of it.
func TestThreat_D16_ANumberLeadsBackToWhatIsWritten(t *testing.T) {
	s := mustCompile(t, pack())
	for rule, texts := range map[string][]string{
		"personal.card": {"4111/1111/1111/1111", "4111 - 1111 - 1111 - 1111", "4111•1111•1111•1111", "４１１１／１１１１／１１１１／１１１１"},
		"personal.iban": {"DE89/3704/0044/0532/0130/00", "DE 89 370400440532013000"},
		"personal.ssn":  {"219/09/9998", "219_09_9998"},
	} {
		want := map[string]string{"personal.card": keyed("4111111111111111"), "personal.iban": keyed("DE89370400440532013000"), "personal.ssn": keyed("219099998")}[rule]
		for _, written := range texts {
			for _, text := range []string{written, strings.Repeat("é filler 12/13 ", 200) + written + strings.Repeat(" filler 7:30 é", 200), written + "\n" + written} {
				texts := []Text{{Pointer: "/a", Value: text}}
				found, complete := s.Occurrences(t.Context(), texts, Budget{})
				if !complete || len(found) == 0 || found[0].Rule != rule || text[found[0].From:found[0].To] != written {
					t.Errorf("%q: %v", written, found)
				}
				if r := s.Scan(t.Context(), texts, keyed, Budget{}); len(r.Findings) != 1 || r.Findings[0].Fingerprint != want {
					t.Errorf("%q: %v", written, r.Findings)
				}
				after, complete := s.Redact(t.Context(), texts, Budget{}, func(Found) (string, bool) { return "x", true })
				if !complete || strings.ReplaceAll(text, written, "x") != after[0] {
					t.Errorf("%q: redacted to %.99q", written, after[0])
				}
			}
		}
	}
}

func TestViews_OrdinaryNumbersHaveOneReading(t *testing.T) {
	for _, text := range []string{
		"2024-01-02 03:04:05", "on 12/31/2024 at 23:59:59.999", "192.168.100.200:8080", "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]", "1,234,567,890.12",
		"+1 (212) 555-0100", "tel. 030 1234567", "4111 1111 1111 1111", "4111-1111-1111-1111", "219-09-9998", "DE89 3704 0044 0532 0130 00", "DE89370400440532013000",
		"550e8400-e29b-41d4-a716-446655440000", "3/4 + 1/2", "00:1a:2b:3c:4d:5e", "v1.2.3-4", "a1/b2/c3/d4/e5/f6/g7/h8/i9", "1/2/3/4/5/6/7/8", "ISO 8601", "DE 89", "/var/log/2024/11/25.log",
		"12/345/6789012345678901/2", strings.Repeat("1/", 40),
	} {
		if views, incomplete := Views([]Text{{Pointer: "/a", Value: text}}, Budget{}); len(views) != 1 || incomplete {
			t.Errorf("%q has %d readings: %q", text, len(views), views[len(views)-1].Text)
		}
	}
}

// Only a pattern with check digits sees neighbours as one number.
func TestThreat_D16_OnlyCheckDigitsAreLookedForAcrossSeparators(t *testing.T) {
	rows := pack()
	for i := range rows {
		if rows[i].ID == "personal.card" {
			rows[i].ID, rows[i].Regex, rows[i].Validator = "a.digits", `\b\d{16}\b`, ""
			rows[i].Examples = Examples{Match: []string{"4111111111111111", "5500000000000004", "4111111111111112"}, NoMatch: []string{"411111111111111", "4111 1111 1111 1111", "x"}}
		}
	}
	if got := counts(mustCompile(t, rows).scanOne("4111/1111/1111/1111")); len(got) != 0 {
		t.Errorf("found %v", got)
	}
}

func TestViews_SeparatedNumbersAreExcerptsWithinBounds(t *testing.T) {
	text := strings.Repeat("lorem ipsum ", 20_000) + "219/09/9998" + strings.Repeat(" dolor sit", 20_000) + " 4111/1111/1111/1111" + strings.Repeat(" amet", 1000)
	views, incomplete := Views([]Text{{Pointer: "/a", Value: text}}, Budget{})
	if len(views) != 3 || incomplete || len(views[1].Text) > 4*aboutNumber+64 || views[1].Chain != "joined" || views[2].Chain != "dashed" {
		t.Fatalf("%v", views)
	}
	for i, want := range []string{"ipsum 219099998 dolor", "ipsum 219-09-9998 dolor"} {
		if got := views[i+1].Text; !strings.Contains(got, want) || strings.HasPrefix(got, "m ") {
			t.Errorf("%q", got)
		}
	}
	// However many there are, what is about them is no more than the text.
	views, _ = Views([]Text{{Pointer: "/a", Value: strings.Repeat("219/09/9998 ", 10_000)}}, Budget{})
	for _, v := range views {
		if len(v.Text) > 120_000 {
			t.Errorf("%v", v)
		}
	}
	// A row without end is looked at in pieces, and no part of it is lost at a border.
	s := mustCompile(t, pack())
	for lead := range 2 * maxParts {
		got := counts(s.scanOne(strings.Repeat("7 ", lead) + "4111/1111/1111/1111"))
		if got["personal.card@/a"] == 0 {
			t.Errorf("behind %d numbers: %v", lead, got)
		}
	}
}

func TestViews_SeparatedNumbersOfAnyText(t *testing.T) {
	piece := rapid.SampledFrom(append([]string{"1", "12", "4111", "1111", "DE", "DE89", "3704", "0044", "0532", "0130", "00", "WEST", "x", "é", "/", "\n"}, oddSeparators...))
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(piece, 0, 60).Draw(t, "pieces"), rapid.SampledFrom([]string{"", "/", " "}).Draw(t, "glue"))
		for _, dashed := range []bool{false, true} {
			w := &rewriting{}
			w.start(text, true)
			if w.separated(dashed, &numberRow{}); !w.any {
				continue
			}
			got, from := w.text(), 0
			if !utf8.ValidString(got) || len(got) > len(text)+maxParts*len(text) {
				t.Fatalf("%q becomes %q", text, got)
			}
			for _, e := range w.edits {
				if e.from < from || e.to < e.from || e.to > len(text) {
					t.Fatalf("edits of %q: %v", text, w.edits)
				}
				from = e.to
				if dropped := text[e.from:e.to]; got[e.at:e.end] == "" && e.to-e.from < maxSeparator && strings.ContainsAny(dropped, "0123456789") {
					t.Fatalf("%q is dropped of %q", dropped, text)
				}
			}
		}
	})
}

func BenchmarkSeparated(b *testing.B) {
	for name, text := range map[string]string{"json": strings.Repeat(`{"id": 4711, "at": "2026-03-14T09:26:53Z", "sum": 1234.56, "ip": "10.0.0.1"}, `, 100), "numbers": strings.Repeat("12/34 5.6 ", 1000), "none": strings.Repeat("lorem ipsum ", 1000)} {
		b.Run(name, func(b *testing.B) {
			w := &rewriting{}
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				w.start(text, false)
				w.separated(false, &numberRow{})
			}
		})
	}
}
