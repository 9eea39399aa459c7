package scan_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// hostileToShipped are texts made to cost the most with the shipped patterns: they come out of the patterns themselves, and
// so grow with them.
func hostileToShipped(size int) map[string]string {
	fill := func(s string) string { return strings.Repeat(s, size/len(s)+1)[:size] }
	rnd := rand.New(rand.NewPCG(2, 5)) // #nosec G404 -- the same in every run
	var keywords, noMatch, match, damaged, grams []string
	for _, p := range shipped() {
		keywords = append(keywords, p.Keywords...)
		noMatch = append(noMatch, p.Examples.NoMatch...)
		match = append(match, p.Examples.Match...)
		for _, e := range p.Examples.Match {
			damaged = append(damaged, e[:len(e)*3/4]) // the gate lets it in, and nothing comes of it
			for at := rnd.IntN(4); at+6 < len(e); at += 4 {
				grams = append(grams, e[at:at+6]) // some of them are what the gate knows the pattern by
			}
		}
	}
	one := func(list []string, glue string) string {
		list = slices.Clone(list)
		rnd.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		return fill(strings.Join(list, glue) + glue)
	}
	return map[string]string{
		"all-keywords":       one(keywords, " "),
		"all-keywords-dense": one(keywords, ""),
		"all-near-misses":    one(noMatch, " "),
		"all-begun":          one(damaged, " "),
		"all-begun-dense":    one(damaged, ""),
		"all-found":          one(match, "\n"),
		"all-grams":          one(grams, ""),
		"all-grams-apart":    one(grams, " "),
		"mixed-scripts":      one(match, " аβ中 "),
		"dfa-blow-up":        fill("password = aaaaaaaa token: bbbbbbbb secret: cccc "),
		"quadratic-suffix":   fill("curl -u a:b -u c:d "),
		"quadratic-mail":     fill("a.a.a.a.a.a.a.a@"),
		"mail-beyond-ASCII":  fill("vrsa1PLE-EXo.EXAMPLE-EXMPLE@é"),
		"quadratic-key":      fill("-----BEGIN RSA PRIVATE KEY-----\n"),
		"quadratic-runs":     fill(strings.Repeat("a", 60) + "+"),
		"quadratic-numbers":  fill("1 2-3.4 5-6 "),
		"words-of-20":        fill(strings.Repeat("Ab1", 9) + " "),
	}
}

// BenchmarkHostileShipped is what the patterns' own parts cost.
func BenchmarkHostileShipped(b *testing.B) {
	const size = 256 << 10
	s, texts := engine(), hostileToShipped(size)
	for _, name := range sorted(texts) {
		b.Run(name, func(b *testing.B) {
			var f scan.Scratch
			hostile(b, size, func() bool {
				_, complete := s.Find(context.Background(), texts[name], &f)
				return complete
			})
		})
	}
}

// hostileToViews are texts that read in many ways.
func hostileToViews(size int) map[string]string {
	fill := func(s string) string { return strings.Repeat(s, size/len(s)+1)[:size] }
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	zipped := func(s string) string {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		_, _ = z.Write([]byte(s))
		_ = z.Close()
		return out.String()
	}
	nested := strings.Repeat("some text that is long enough to be read ", 20)
	for range 4 {
		nested = b64(nested)
	}
	escaped := "%41%42%43"
	for range 3 {
		escaped = url.QueryEscape(escaped)
	}
	var accents strings.Builder        // no two clusters alike
	rnd := rand.New(rand.NewPCG(8, 5)) // #nosec G404 -- the same in every run
	for accents.Len() < size {
		accents.WriteRune(rune('a' + rnd.IntN(26)))
		for range 4 {
			accents.WriteRune(rune(0x300 + rnd.IntN(0x4F)))
		}
	}
	return map[string]string{
		"nested-base64":     fill(nested + " "),
		"nested-percent":    fill(escaped),
		"many-short-base64": fill(b64("twelve bytes and some") + " "),
		"gzip-bombs":        fill(b64(zipped(strings.Repeat(" ", 1<<20))) + " "),
		"json-in-json":      fill(`{\\\"a\\\":\\\"\\\\u0041\\\"}`),
		"entities":          fill("&#x41;&amp;lt;&#66;"),
		"tags-in-words":     fill("i<b></b>g<i></i>n<!-- x -->ore "),
		"zero-width":        fill("a\u200bb\u00adc\u2060"),
		"mixed-scripts":     fill("аbβcԁeｆ中"),
		"combining":         fill("a\u0301\u0323\u0307\u0308"),
		"combining-all":     accents.String()[:size],
		"ligatures":         fill("\ufdfa"), // eighteen characters in NFKC
		"tag-characters":    fill("\U000e0041\U000e0042"),
		"numbers-apart":     fill("4/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1 219/09/9998 "),
		"odd-urls":          fill(`https:\\ev%2eil.example\x `),
	}
}

// BenchmarkHostileViews is the whole inspection of what reads in many ways. The result may be incomplete or undecoded, which
// policy does not take for clean.
func BenchmarkHostileViews(b *testing.B) {
	const size = 256 << 10
	s, texts := engine(), hostileToViews(size)
	for _, name := range sorted(texts) {
		list := []scan.Text{{Pointer: "/a", Value: texts[name]}}
		b.Run(name, func(b *testing.B) {
			hostile(b, size, func() bool {
				r := s.Scan(context.Background(), list, nil, scan.Budget{})
				return !r.Incomplete && !r.Undecoded
			})
		})
	}
}

func sorted(texts map[string]string) (names []string) {
	for name := range texts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// hostile reports the best of some runs, and whether one was incomplete.
func hostile(b *testing.B, size int, run func() (complete bool)) {
	b.Helper()
	best, incomplete := time.Hour, 0.0
	for b.Loop() {
		start := time.Now()
		complete := run()
		best = min(best, time.Since(start))
		if !complete {
			incomplete = 1
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(size)/1e6/best.Seconds(), "MB/s")
	b.ReportMetric(incomplete, "incomplete")
}

// What the benchmarks take for hostile stays within the bounds of every text.
func TestThreat_E1_HostileTextsStayWithinTheirBudgets(t *testing.T) {
	const size = 16 << 10
	s := engine()
	for name, text := range hostileToViews(size) {
		r := s.Scan(t.Context(), []scan.Text{{Pointer: "/a", Value: text}}, nil, scan.Budget{})
		if r.BytesScanned > scan.DefaultMaxBytes || len(r.Findings) > scan.DefaultMaxFindings {
			t.Errorf("%s: %d bytes of readings, %d findings", name, r.BytesScanned, len(r.Findings))
		}
	}
	for name, text := range hostileToShipped(size) {
		if said := scan.Overdrawn(s, text); said != "" {
			t.Errorf("%s: %s", name, said)
		}
	}
}

// TestThreat_E1_AFileFullOfCredentialsIsInspectedInFull: what a text has by right must not use up its budget, not even with
// automata that no text was seen by before.
func TestThreat_E1_AFileFullOfCredentialsIsInspectedInFull(t *testing.T) {
	s, err := scan.Compile(shipped())
	if err != nil {
		t.Fatal(err)
	}
	var env strings.Builder
	n := 0
	for _, p := range shipped() {
		if p.Category == "credential" && n < 60 {
			env.WriteString("export NAME_" + strings.ToUpper(strings.Map(func(r rune) rune {
				if r == '.' || r == '-' {
					return '_'
				}
				return r
			}, p.ID)) + "=" + p.Examples.Match[0] + "\n")
			n++
		}
	}
	var f scan.Scratch
	found, complete := s.Find(t.Context(), env.String(), &f)
	if !complete || len(found) < n/2 {
		t.Errorf("%d findings of %d, complete %t, in %d bytes", len(found), n, complete, env.Len())
	}
}
