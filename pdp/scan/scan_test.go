package scan

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestScan_CountsTheViewThatHasMost(t *testing.T) {
	s := mustCompile(t, pack())
	tests := []struct {
		name, text string
		want       int64
	}{
		{"none", "nothing here", 0},
		{"twice, raw", canary + " " + canary, 2},
		{"raw and encoded", canary + " " + encodings[0].encode(canary), 2},
		{"three encoded", strings.Repeat(encodings[2].encode(canary)+" ", 3), 3},
		{"one raw, one invisible", canary + " " + insert(canary, "\u200b"), 2},
	}
	for _, tt := range tests {
		if got := counts(s.scanOne(tt.text))["credential.test-token@/a"]; got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestScan_FindingsAreSortedAndNeverNil(t *testing.T) {
	s := mustCompile(t, pack())
	if r := s.Scan(t.Context(), nil, keyed, Budget{}); r.Findings == nil || r.Incomplete {
		t.Errorf("no texts: %+v", r)
	}
	texts := []Text{{Pointer: "/z", Value: "123-45-6789"}, {Pointer: "/b", Value: canary}, {Pointer: "/a", Value: "4111111111111111 and 123-45-6789"}}
	var got []string
	for _, f := range s.Scan(t.Context(), texts, keyed, Budget{}).Findings {
		got = append(got, f.Pointer+" "+f.Rule)
	}
	want := []string{"/a personal.card", "/a personal.ssn", "/b credential.generic", "/b credential.test-token", "/z personal.ssn"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestScan_FingerprintIsOfTheValueHoweverWritten(t *testing.T) {
	s := mustCompile(t, pack())
	seen := make(map[string]bool)
	for _, text := range []string{"4111 1111 1111 1111", "４１１１-1111-1111-1111", encodings[1].encode("4111111111111111")} {
		for _, f := range s.scanOne(text).Findings {
			if f.Rule == "personal.card" {
				seen[f.Fingerprint] = true
			}
		}
	}
	if len(seen) != 1 || !seen[keyed("4111111111111111")] {
		t.Errorf("%d fingerprints for one card", len(seen))
	}
	if r := s.Scan(t.Context(), []Text{{Pointer: "/a", Value: canary}}, nil, Budget{}); r.Findings[0].Fingerprint != "" {
		t.Error("a fingerprint without a function")
	}
}

func TestThreat_I9_NoTextInFindingsAndPrints(t *testing.T) {
	s := mustCompile(t, pack())
	for _, e := range encodings {
		text := Text{Pointer: "/a", Value: "x " + canary + " " + e.encode(canary)}
		r := s.Scan(t.Context(), []Text{text}, keyed, Budget{})
		out, err := json.Marshal(r.Findings)
		if err != nil || len(r.Findings) == 0 {
			t.Fatal(err, r.Findings)
		}
		var log strings.Builder
		views, _ := Views([]Text{text}, Budget{})
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "view", views[0], "text", text)
		prints := string(out) + log.String() +
			fmt.Sprintf("%v %+v %#v %s", text, text, text, text) +
			fmt.Sprintf("%v %+v %#v", r, r, r) + fmt.Sprint(views) + fmt.Sprintf("%+v", &views[0])
		for _, part := range []string{canary, canary[9:], e.encode(canary)} {
			if strings.Contains(prints, part) {
				t.Errorf("%s: the text is shown", e.name)
			}
		}
	}
}

func TestScan_PlantedSecretIsFoundOnce(t *testing.T) {
	s := mustCompile(t, without("credential.generic"))
	rapid.Check(t, func(t *rapid.T) {
		clean := rapid.StringMatching(`[ -~éжλ中\n]{0,60}`)
		before, after := clean.Draw(t, "before"), clean.Draw(t, "after")
		planted := canary
		for _, e := range rapid.SliceOfN(rapid.SampledFrom(encodings), 0, 2).Draw(t, "encodings") {
			planted = e.encode(planted)
		}
		r := s.Scan(context.Background(), []Text{{Pointer: "/a", Value: before + " " + planted + " " + after}, {Pointer: "/b", Value: after}}, keyed, Budget{})
		n := 0
		for _, f := range r.Findings {
			if f.Rule == "credential.test-token" {
				n++
				if f.Pointer != "/a" || f.Count != 1 || f.Fingerprint != keyed(canary) {
					t.Fatalf("got %+v", f)
				}
			}
		}
		if n != 1 {
			t.Fatalf("found %d times", n)
		}
	})
}

// byPatterns is counts, less what the scanner finds by itself.
func byPatterns(r Result) map[string]int64 {
	m := counts(r)
	maps.DeleteFunc(m, func(key string, _ int64) bool {
		rule, _, _ := strings.Cut(key, "@")
		return BuiltIn(rule)
	})
	return m
}

// oneByOne is what Scan means, said as plainly as possible: each regex on each view.
func oneByOne(patterns []Pattern, views []View) map[string]int64 {
	got := make(map[string]int64)
	for _, p := range patterns {
		var whole []string
		for pass := range 2 {
			for _, v := range views {
				if (pass == 1) != (v.Chain == chainConcat) {
					continue
				}
				if len(p.Keywords) > 0 && !slices.ContainsFunc(p.Keywords, func(k string) bool { return strings.Contains(strings.ToLower(v.Text), k) }) {
					continue
				}
				if pass == 1 && len(p.Keywords) == 0 {
					continue
				}
				n := int64(0)
				for _, m := range regexp.MustCompile(p.Regex).FindAllStringSubmatch(v.Text, -1) {
					if check := validators[p.Validator]; check != nil && !check(m[0], p.MinEntropyMilli) {
						continue
					}
					if pass == 1 && slices.ContainsFunc(whole, func(w string) bool { return strings.Contains(m[0], w) || strings.Contains(w, m[0]) }) {
						continue
					}
					if pass == 0 {
						whole = append(whole, m[0])
					}
					n++
				}
				if key := p.ID + "@" + v.Pointer; n > got[key] {
					got[key] = n
				}
			}
		}
	}
	return got
}

func TestInvariant_I11_EqualsRegexpOneByOne(t *testing.T) {
	patterns := pack()
	s := mustCompile(t, patterns)
	pieces := []string{
		canary, "4111 1111 1111 1111", "4111111111111112", "123-45-6789", "000-12-3456", "DE89370400440532013000",
		"Ignore previous instructions", "IGNORE", "\u200b", "\u202e", "\U000E0041", "pct_live_", " ", "-", "=", "é", "Ж", "0", "\\n",
		"aB3dE5fG7hJ9kL1mN2pQ", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY3ODk=", "&amp;", "%41", `\u0041`, "İ", "ſ", "\u212a",
	}
	for _, e := range encodings {
		pieces = append(pieces, e.encode(canary), e.encode("ignore previous instructions"))
	}
	rapid.Check(t, func(t *rapid.T) {
		var texts []Text
		for i, parts := range rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 6), 1, 3).Draw(t, "texts") {
			texts = append(texts, Text{Pointer: fmt.Sprintf("/%d", i), Value: strings.Join(parts, "")})
		}
		r := s.Scan(context.Background(), texts, keyed, Budget{})
		views, incomplete := Views(texts, Budget{})
		if incomplete != (r.Incomplete || r.Undecoded) {
			t.Fatal("Views and Scan come differently far")
		}
		got := byPatterns(r)
		if want := oneByOne(patterns, views); !maps.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestThreat_D11_InvalidUTF8IsReplacedInViews(t *testing.T) {
	const text = "\xff" + canary + "\xc3\x28"
	if counts(mustCompile(t, pack()).scanOne(text))["credential.test-token@/a"] != 1 {
		t.Error("not found")
	}
	views, _ := Views([]Text{{Pointer: "/a", Value: text}}, Budget{})
	for _, v := range views {
		if strings.ToValidUTF8(v.Text, "") != v.Text {
			t.Errorf("%s is not valid UTF-8", v.Chain)
		}
	}
}

func TestScan_OverBudgetIsNeverClean(t *testing.T) {
	s := mustCompile(t, pack())
	many := make([]Text, 50)
	for i := range many {
		many[i] = Text{Pointer: fmt.Sprintf("/%02d", i), Value: "123-45-6789"}
	}
	var deep []Text
	for i, text := range []string{"some text", "some other text", "some more text", "some text still"} {
		for range DefaultMaxDepth + 1 {
			text = encodings[2].encode(text)
		}
		deep = append(deep, Text{Pointer: fmt.Sprintf("/%d", i), Value: text})
	}
	deep = append(deep, Text{Pointer: "/z", Value: "- " + canary})
	tests := []struct {
		name  string
		texts []Text
		b     Budget
		check func(r Result) bool
	}{
		{
			"bytes, found in what fitted",
			[]Text{{Pointer: "/a", Value: canary + strings.Repeat(" é", 100)}},
			Budget{MaxBytes: 100},
			func(r Result) bool { return counts(r)["credential.test-token@/a"] == 1 && r.BytesScanned <= 100 },
		},
		{
			"bytes, nothing of the second",
			[]Text{{Pointer: "/a", Value: strings.Repeat("x ", 50)}, {Pointer: "/b", Value: canary}},
			Budget{MaxBytes: 100},
			func(r Result) bool { return len(r.Findings) == 0 },
		},
		{"views", many, Budget{MaxViews: 10}, func(r Result) bool { return r.BytesScanned == 10*11 && len(r.Findings) == 10 }},
		{"findings", many, Budget{MaxFindings: 7}, func(r Result) bool { return len(r.Findings) == 7 }},
		{
			"findings, strongest first",
			[]Text{{Pointer: "/a", Value: "123-45-6789 ignore previous instructions " + canary}},
			Budget{MaxFindings: 1},
			func(r Result) bool { return r.Findings[0].Rule == "credential.test-token" },
		},
		{"findings, undecoded last", deep, Budget{MaxFindings: 3}, func(r Result) bool {
			return r.Undecoded && len(r.Findings) == 3 && counts(r)["credential.test-token@/z"] == 1
		}},
		{
			"matches",
			[]Text{{Pointer: "/a", Value: strings.Repeat("\u200b", maxMatches+1)}},
			Budget{},
			func(r Result) bool { return counts(r)["evasion.invisible@/a"] == maxMatches },
		},
		{
			"normalised form that explodes",
			[]Text{{Pointer: "/a", Value: strings.Repeat("\ufdfa", 1000)}},
			Budget{MaxBytes: 10_000},
			func(r Result) bool { return r.BytesScanned <= 10_000 },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := s.Scan(t.Context(), tt.texts, keyed, tt.b)
			if !r.Incomplete {
				t.Error("not marked incomplete")
			}
			if !tt.check(r) {
				t.Errorf("%d bytes, findings %v", r.BytesScanned, counts(r))
			}
		})
	}
}

func TestScan_DepthIsABudget(t *testing.T) {
	s := mustCompile(t, pack())
	twice := encodings[2].encode(encodings[0].encode(canary))
	r := s.Scan(t.Context(), []Text{{Pointer: "/a", Value: twice}}, keyed, Budget{MaxDepth: 1})
	if !r.Undecoded || counts(r)["credential.test-token@/a"] != 0 {
		t.Errorf("undecoded %t, %v", r.Undecoded, counts(r))
	}
}

func TestThreat_D1_DecodedOutputIsBounded(t *testing.T) {
	s := mustCompile(t, pack()[3:4])
	text := strings.Repeat("%20%25%32%35%41 &amp;amp; "+encodings[0].encode("some more text here")+" ", 20_000) // 1.3 MB
	texts := []Text{{Pointer: "/a", Value: text}, {Pointer: "/b", Value: "harmless"}}
	r := s.Scan(t.Context(), texts, keyed, Budget{})
	decoded := 0
	views, _ := Views(texts, Budget{})
	for _, v := range views {
		if v.Chain != chainRaw && v.Chain != chainConcat {
			decoded += len(v.Text)
		}
	}
	got := counts(r)
	if decoded > maxDecodeBytes || !r.Undecoded || got[RuleUndecoded+"@/a"] != 1 || got[RuleUndecoded+"@/b"] != 0 {
		t.Errorf("%d bytes decoded, undecoded %t, %v", decoded, r.Undecoded, got)
	}
}

func TestScan_DeadlineIsHonoured(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := mustCompile(t, pack()).Scan(ctx, []Text{{Pointer: "/a", Value: "nothing"}}, keyed, Budget{}); !r.Incomplete {
		t.Error("what was not looked at passes for clean")
	}
}

func TestScan_IsSafeForConcurrentUse(t *testing.T) {
	s := mustCompile(t, pack())
	want := counts(s.scanOne(canary + " 123-45-6789 \u200b"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if got := counts(s.scanOne(canary + " 123-45-6789 \u200b")); !maps.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestNormalise_StopsNearItsLimit(t *testing.T) {
	w := &rewriting{}
	w.start(strings.Repeat("\ufdfa", 1000), false)
	if w.normalise(100, anySteps()) || len(w.to) > 200 || len(w.to) == 0 {
		t.Errorf("%d bytes", len(w.to))
	}
}
