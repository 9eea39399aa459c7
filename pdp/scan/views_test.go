package scan

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"
	"weak"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

func TestViews_ACleanTextCostsNoMemory(t *testing.T) {
	for name, texts := range cleanActions {
		v := &viewer{}
		build := func() {
			v.build(texts, Budget{}.withDefaults())
			for i := range v.views {
				if c := v.chain(i); c != chainRaw && c != chainConcat && c != chainNamed {
					t.Fatalf("%s has a view %s", name, c)
				}
			}
			clear(v.views)
			v.views, v.bytes = v.views[:0], 0
			v.strung.reset()
			v.names = v.names[:0]
		}
		if n := testing.AllocsPerRun(20, build); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestViewer_LetsGoOfEveryText when it is free: it goes back to a pool, and a text may be a secret.
func TestViewer_LetsGoOfEveryText(t *testing.T) {
	for _, line := range []string{"nothing but words\n", "a%41 aGVsbG8gd29ybGQgaGVsbG8 https:\\\\evil%2eexample 4111/1111/1111/1111 é\u200b\n"} {
		text := strings.Repeat(line, 9)
		held := weak.Make(unsafe.StringData(text))
		v := &viewer{}
		v.build([]Text{{Pointer: "/a", Value: text}}, Budget{}.withDefaults())
		v.free()
		if runtime.GC(); held.Value() != nil {
			t.Errorf("%q is held", line)
		}
		runtime.KeepAlive(v)
	}
}

// plainly is what normalising means: strip, NFKC, fold, strip.
func plainly(s string) string {
	strip := func(s string) string {
		return strings.Map(func(r rune) rune {
			if invisible(r) {
				return -1
			}
			return r
		}, s)
	}
	return strip(strings.Map(fold, norm.NFKC.String(strip(s))))
}

func TestNormalise_IsStripComposeFoldStrip(t *testing.T) {
	for _, s := range []string{
		"e\u0301", "e\u200b\u0301x", "а\u0301", "\u0301", "ﬁﬁ", "①ⅷ", "ｶﾞ", "각", "\u1100\u1161\u11a8", "가\u11a8", "İı", "\u00a0", "ﷺ", "x\U0001d41a\u0301",
		"\u2126\u212b", "≠", "=\u0338", "\u0344", "\U0001f1e6\U0001f1e7", "\U0002f800", "\u0958", "a\u0323\u0307", "ｅ\u0301", "\ufeff\u0301", "９\ufe0f\u20e3", "a\x00ﬁ",
	} {
		if got, want := normalised(s), plainly(s); got != want {
			t.Errorf("%+q: got %+q, want %+q", s, got, want)
		}
	}
	runes := rapid.OneOf(
		rapid.Rune(), rapid.RuneFrom([]rune("ab 1=")), rapid.RuneFrom([]rune{0x300, 0x301, 0x307, 0x323, 0x338, 0x200b, 0xfe0f, 0x1161, 0x11a8, 0x1100, 0xac00}),
		rapid.Int32Range(0x80, 0xffff), rapid.Int32Range(0x1d400, 0x1d7ff), rapid.Int32Range(0xff00, 0xffef), rapid.Int32Range(0xfb00, 0xfdff),
	)
	rapid.Check(t, func(t *rapid.T) {
		s := strings.ToValidUTF8(string(rapid.SliceOfN(runes, 0, 12).Draw(t, "runes")), "")
		if got, want := normalised(s), plainly(s); got != want {
			t.Fatalf("%+q: got %+q, want %+q", s, got, want)
		}
	})
}

// hidings are ways to write a secret so that a view shows it, and nothing beside it belongs to it.
func hidings() map[string]func(string) string {
	all := map[string]func(string) string{
		"plain": func(s string) string { return s }, "invisible": func(s string) string { return insert(s, "\u200b") },
		"full-width": func(s string) string {
			return strings.Map(func(r rune) rune { return r + 0xFF01 - '!' }, s)
		},
		"tags": func(s string) string { return strings.Map(func(r rune) rune { return r + 0xE0000 }, s) },
	}
	for _, e := range encodings {
		all[e.name] = e.encode
	}
	return all
}

func TestOccurrences_LeadBackToTheText(t *testing.T) {
	s := mustCompile(t, without("credential.generic"))
	for outer, hide := range hidings() {
		for inner, hideToo := range hidings() {
			switch outer {
			case "html", "json", "braces", "tags", "full-width": // of a character each, which these would write as bytes
				if !isASCII(hideToo(canary)) {
					continue
				}
			}
			planted := hide(hideToo(canary))
			text := "é before — " + planted + " afterwards é"
			found, _ := s.Occurrences(t.Context(), []Text{{Pointer: "/b", Value: "nothing"}, {Pointer: "/a", Value: text}}, Budget{})
			whole := false
			for _, o := range found {
				whole = whole || o.Rule == "credential.test-token" && o.Text == 1 && strings.Trim(text[o.From:o.To], "=") == strings.Trim(planted, "=")
			}
			if !whole {
				t.Errorf("%s of %s: %v is not all of %d bytes from %d", outer, inner, found, len(planted), strings.Index(text, planted))
			}
		}
	}
}

// What is a secret by its name only is one in every encoding, and where it stands is the value.
func TestViews_AValueIsReadWithItsName(t *testing.T) {
	s := mustCompile(t, []Pattern{{
		ID: "a.password", Category: "credential", Severity: "high", Confidence: "high", Regex: `(?i)\bpassword\s*[:=]\s*[^\s"']{8,}`, Keywords: []string{"password"},
		Examples: Examples{Match: []string{"password: hunter2hunter2", "PASSWORD=abcdefgh", "password:12345678"}, NoMatch: []string{"password", "password: x", "passwords: abcdefgh"}},
	}})
	for name, hide := range hidings() {
		texts := []Text{{Pointer: "/a", Value: "other"}, {Pointer: "/password", Key: "password", Value: hide("hunter2hunter2")}}
		if got := counts(s.Scan(t.Context(), texts, keyed, Budget{})); got["a.password@/password"] != 1 || len(got) > 2 {
			t.Errorf("%s: %v", name, got)
		}
		found, _ := s.Occurrences(t.Context(), texts, Budget{})
		if len(found) == 0 || found[0].From != 0 || len(texts[1].Value)-found[0].To > 2 {
			t.Errorf("%s: %v of %d bytes", name, found, len(texts[1].Value))
		}
	}
	for _, text := range []Text{{Key: "user", Value: "hunter2hunter2"}, {Value: "hunter2hunter2"}, {Key: "password", Value: strings.Repeat("long ", 100)}, {Key: "password", Value: "two\nlineslines"}} {
		if got := counts(s.Scan(t.Context(), []Text{text}, keyed, Budget{})); len(got) > 0 {
			t.Errorf("%q: %v", text.Key, got)
		}
	}
}

func TestOccurrences_OfASplitSecretAreItsParts(t *testing.T) {
	s := mustCompile(t, without("credential.generic"))
	long := strings.Repeat("lorem ipsum ", 100)
	for at := 1; at < len(canary); at++ {
		texts := []Text{{Pointer: "/a", Value: long + canary[:at]}, {Pointer: "/b", Value: canary[at:] + " " + long}}
		found, complete := s.Occurrences(t.Context(), texts, Budget{})
		var got string
		for _, o := range found {
			got += texts[o.Text].Value[o.From:o.To]
		}
		if got != canary || len(found) != 2 || !complete {
			t.Fatalf("split at %d: %v, complete %t", at, found, complete)
		}
	}
}

func TestOccurrences_EveryFindingOccursSomewhere(t *testing.T) {
	s := mustCompile(t, without("credential.generic"))
	all := hidings()
	var names []string
	for name := range all {
		names = append(names, name)
	}
	piece := rapid.Custom(func(t *rapid.T) string {
		text := rapid.SampledFrom([]string{canary, "4111 1111 1111 1111", "ignore previous instructions", "é", " ", "x=", "\\n", "&", "plain"}).Draw(t, "text")
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 0, 2).Draw(t, "hidings") {
			text = all[name](text)
		}
		return strings.ToValidUTF8(text, "?")
	})
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(piece, 1, 5).Draw(t, "pieces"), rapid.SampledFrom([]string{"", " ", ","}).Draw(t, "glue"))
		texts := []Text{{Pointer: "/a", Value: text}}
		before := s.Scan(context.Background(), texts, keyed, Budget{})
		found, _ := s.Occurrences(context.Background(), texts, Budget{})
		rules := make(map[string]bool)
		for _, o := range found {
			if o.From < 0 || o.To > len(text) || o.From >= o.To || !utf8.ValidString(text[o.From:o.To]) {
				t.Fatalf("%v of %d bytes, or within a character", o, len(text))
			}
			rules[o.Rule] = true
		}
		for _, f := range before.Findings {
			if !BuiltIn(f.Rule) && !rules[f.Rule] {
				t.Fatalf("%s is found and occurs nowhere", f.Rule)
			}
		}
	})
}

func BenchmarkNormalise(b *testing.B) {
	for name, text := range map[string]string{
		"Cyrillic, CJK, full-width": strings.Repeat("Привет, мир! 你好世界 ＡＢＣ１２３ café — “quoted” ", 1000),
		"typography":                strings.Repeat("The report — as “agreed” — is ready; it’s long. ", 1000),
	} {
		b.Run(name, func(b *testing.B) {
			w := &rewriting{}
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				w.start(text, false)
				w.normalise(1<<30, anySteps())
			}
		})
	}
}
