package scan

import (
	"context"
	"maps"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzScan looks for panics, for views beyond their bounds, and for a difference from the plain meaning.
func FuzzScan(f *testing.F) {
	f.Add("plain", "text")
	f.Add(canary, "4111 1111 1111 1111")
	f.Add(insert(canary, "\u200b"), "\xff\xfe%")
	f.Add(`\u00`, `\ud83d\u`)
	f.Add("&#x110000;&", "%4")
	f.Add("0x"+encodings[2].encode(canary), "A"+encodings[0].encode(canary)+"===")
	f.Add(strings.Repeat(encodings[0].encode(strings.Repeat("line ", 20)), 3), strings.Repeat("QUJD\n", 40))
	for _, outer := range encodings {
		for _, inner := range encodings {
			f.Add(outer.encode(inner.encode(canary)), "")
		}
	}
	patterns := pack()
	s := mustCompile(f, patterns)
	f.Fuzz(func(t *testing.T, a, b string) {
		texts := []Text{{Pointer: "/a", Value: a}, {Pointer: "/b", Value: b}}
		budget := Budget{MaxBytes: 1 << 16, MaxViews: 64}
		r := s.Scan(context.Background(), texts, keyed, budget)
		defer best.take()
		for _, w := range ways {
			w.take()
			if other := s.Scan(context.Background(), texts, keyed, budget); !r.Incomplete && !other.Incomplete && !reflect.DeepEqual(r, other) {
				t.Errorf("%v, %s %v", r, w.name, other)
			}
		}
		views, _ := Views(texts, budget)
		total, decoded := 0, 0
		for _, v := range views {
			total += len(v.Text)
			if !utf8.ValidString(v.Text) {
				t.Errorf("%s is not valid UTF-8", v.Chain)
			}
			if last := v.Chain[strings.LastIndexByte(v.Chain, '>')+1:]; last != chainRaw && last != chainConcat && last != chainNormalised {
				decoded += len(v.Text)
			}
		}
		// Replacing an invalid byte makes three of it.
		if total > 1<<16 || len(views) > 64 || len(r.Findings) > DefaultMaxFindings || decoded > maxDecodeRatio*3*(len(a)+len(b)) {
			t.Errorf("%d bytes, %d decoded, %d views, %d findings", total, decoded, len(views), len(r.Findings))
		}
		if r.Incomplete {
			return
		}
		got := byPatterns(r)
		if want := oneByOne(patterns, views); !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}
