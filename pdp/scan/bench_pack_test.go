package scan_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/bundles"
	"github.com/portcullis-pdp/portcullis/gen/schema"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
	"github.com/portcullis-pdp/portcullis/policies"
	"github.com/portcullis-pdp/portcullis/tools/texts"
)

// shipped are the patterns of the policies inside the program.
var shipped = sync.OnceValue(func() []scan.Pattern {
	tools, err := policy.NewToolchain(bundles.Capabilities, schema.Input)
	if err != nil {
		panic(err)
	}
	b, err := policy.ReadFS(policies.FS, "built in")
	if err != nil {
		panic(err)
	}
	s, err := policy.Load(context.Background(), b, policy.LoadOptions{Toolchain: tools, SkipTests: true, Now: time.Now})
	if err != nil {
		panic(err)
	}
	return s.Tables.Patterns
})

var engine = sync.OnceValue(func() *scan.Scanner {
	s, err := scan.Compile(shipped())
	if err != nil {
		panic(err)
	}
	return s
})

// benchTexts are a megabyte of each kind of text.
func benchTexts(tb testing.TB) map[string]string {
	tb.Helper()
	out, err := texts.Gather("../..", os.Getenv("PORTCULLIS_CORPORA"), 1<<20)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// rival times two ways of going through the same bytes, in turns, and reports the best of each and their ratio: on a
// machine with other work that is all one can trust. The bytes come in pieces, each with a best of its own, in every
// round all of them in order: the longer a piece takes, the less likely it is ever left undisturbed, and that must not
// count against the slower way.
func rival(b *testing.B, size, pieces int, one, other func(piece int)) {
	b.Helper()
	bests := [2][]time.Duration{slices.Repeat([]time.Duration{time.Hour}, pieces), slices.Repeat([]time.Duration{time.Hour}, pieces)}
	for b.Loop() {
		for i, f := range []func(int){one, other} {
			for piece := range pieces {
				start := time.Now()
				f(piece)
				bests[i][piece] = min(bests[i][piece], time.Since(start))
			}
		}
	}
	var best [2]time.Duration
	for i := range bests {
		for _, d := range bests[i] {
			best[i] += d
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(best[0].Nanoseconds())/float64(size)*1024, "scan-ns/KB")
	b.ReportMetric(float64(best[1].Nanoseconds())/float64(size)*1024, "sha256-ns/KB")
	b.ReportMetric(float64(best[0])/float64(best[1]), "times-sha256")
}

// BenchmarkPack scans text of several kinds and sizes with all shipped patterns, against SHA-256 of the same bytes.
func BenchmarkPack(b *testing.B) {
	s, byKind := engine(), benchTexts(b)
	for _, kind := range sorted(byKind) {
		for _, size := range []int{1 << 10, 16 << 10, 100 << 10, 1 << 20} {
			var parts []string
			var raw [][]byte
			for at := 0; at+size <= len(byKind[kind]) && len(parts) < 256; at += size {
				parts = append(parts, byKind[kind][at:at+size])
				raw = append(raw, []byte(byKind[kind][at:at+size]))
			}
			var f scan.Scratch
			found := 0
			b.Run(fmt.Sprintf("%s/%dKB", kind, size>>10), func(b *testing.B) {
				each := max(1, 64<<10/size) // parts of a piece
				rival(b, size*len(parts), len(parts)/each, func(piece int) {
					if piece == 0 {
						found = 0
					}
					for _, p := range parts[piece*each : (piece+1)*each] {
						m, _ := s.Find(context.Background(), p, &f)
						found += len(m)
					}
				}, func(piece int) {
					for _, r := range raw[piece*each : (piece+1)*each] {
						sha256.Sum256(r)
					}
				})
				b.ReportMetric(float64(found)/float64(size*len(parts)>>10), "found/KB")
			})
		}
	}
}

// BenchmarkCleanAction is a kilobyte in which nothing is found, once.
func BenchmarkCleanAction(b *testing.B) {
	s := engine()
	text := strings.Repeat("The quarterly report is ready; please review section two before Friday, and tell Ann what you think. ", 12)[:1024]
	raw := []byte(text)
	var f scan.Scratch
	b.ReportAllocs()
	rival(b, 1024*64, 1, func(int) {
		for range 64 {
			if found, complete := s.Find(context.Background(), text, &f); len(found) > 0 || !complete {
				b.Fatal("not clean")
			}
		}
	}, func(int) {
		for range 64 {
			sha256.Sum256(raw)
		}
	})
}

// BenchmarkCleanInspection is the whole inspection of a kilobyte with nothing in it: all its views, all patterns.
func BenchmarkCleanInspection(b *testing.B) {
	s := engine()
	for _, name := range slices.Sorted(maps.Keys(scan.CleanActions)) {
		action := scan.CleanActions[name]
		var raw []byte
		for _, t := range action {
			raw = append(raw, t.Value...)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			rival(b, len(raw)*64, 1, func(int) {
				for range 64 {
					if r := s.Scan(context.Background(), action, nil, scan.Budget{}); len(r.Findings) > 0 || r.Incomplete || r.Undecoded {
						b.Fatal("not clean")
					}
				}
			}, func(int) {
				for range 64 {
					sha256.Sum256(raw)
				}
			})
		})
	}
}

// BenchmarkOneByOne is what the engine saves: each regex over the same text by itself.
func BenchmarkOneByOne(b *testing.B) {
	s, text := engine(), benchTexts(b)[texts.Prose][:32<<10]
	var plain []*regexp.Regexp
	for _, p := range shipped() {
		plain = append(plain, regexp.MustCompile(p.Regex))
	}
	var f scan.Scratch
	start := time.Now()
	for _, re := range plain {
		re.FindAllStringIndex(text, -1)
	}
	slow := time.Since(start)
	best := time.Hour
	for b.Loop() {
		start := time.Now()
		s.Find(context.Background(), text, &f)
		best = min(best, time.Since(start))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(slow)/float64(best), "times-faster")
}

// BenchmarkGrowth compares 3,000 patterns with 300, all of a shape that credentials have.
func BenchmarkGrowth(b *testing.B) {
	build := func(n int) *scan.Scanner {
		var rows []scan.Pattern
		for i := range n {
			name := fmt.Sprintf("%c%c%c%c", 'b'+i%19, 'a'+i/19%23, 'f'+i/437%17, 'a'+i*7%26)
			token := name + "_live_" + strings.Repeat("A1b2", 6)
			rows = append(rows, scan.Pattern{
				ID: fmt.Sprintf("credential.kind-%d", i), Category: "credential", Severity: "high", Confidence: "high",
				Regex:    `\b` + name + `_(?:live|test)_[A-Za-z0-9]{24,40}\b`,
				Examples: scan.Examples{Match: []string{token, token + " ", "x=" + token}, NoMatch: []string{"a", "b", name}},
			})
		}
		s, err := scan.Compile(rows)
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	few, many := build(300), build(3000)
	text := benchTexts(b)[texts.Prose]
	var f, g scan.Scratch
	best := [2]time.Duration{time.Hour, time.Hour}
	for b.Loop() {
		for i, s := range []*scan.Scanner{few, many} {
			start := time.Now()
			s.Find(context.Background(), text, []*scan.Scratch{&f, &g}[i])
			best[i] = min(best[i], time.Since(start))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(best[0].Nanoseconds())/1024, "ns/KB-300")
	b.ReportMetric(float64(best[1].Nanoseconds())/1024, "ns/KB-3000")
	b.ReportMetric(float64(best[1])/float64(best[0]), "times")
}

// BenchmarkHostile scans what makes scanners slow, with all shipped patterns.
func BenchmarkHostile(b *testing.B) {
	s := engine()
	const size = 256 << 10
	texts := scan.HostileTexts(size)
	for _, name := range sorted(texts) {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			var f scan.Scratch
			hostile(b, size, func() bool {
				_, complete := s.Find(context.Background(), texts[name], &f)
				return complete
			})
		})
	}
}

// BenchmarkReload compiles 500 shipped patterns, each of them edited, so that no plan is known. What it says to be held is
// what a snapshot adds to the heap once the load is over; made is all that was ever allocated for it.
func BenchmarkReload(b *testing.B) {
	rows := slices.Clone(shipped()[:min(500, len(shipped()))])
	for i := range rows {
		rows[i].Regex += "(?:)"
	}
	best := time.Hour
	var held, made uint64
	for b.Loop() {
		var before, after runtime.MemStats
		scan.ForgetPlans() // those of earlier rounds
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := time.Now()
		s, err := scan.Compile(rows)
		best = min(best, time.Since(start))
		if err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		held, made = after.HeapAlloc-before.HeapAlloc, after.TotalAlloc-before.TotalAlloc
		runtime.KeepAlive(s)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(best.Microseconds())/1000, "ms")
	b.ReportMetric(float64(held)/1e6, "MB-held")
	b.ReportMetric(float64(made)/1e6, "MB-made")
}
