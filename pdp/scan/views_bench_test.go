package scan

import (
	"crypto/sha256"
	"strings"
	"testing"
)

// cleanActions are texts of 1 KB in which there is nothing to find and nothing to decode.
var cleanActions = map[string][]Text{
	"prose": {{Pointer: "/body", Value: strings.Repeat("The quarterly report is ready; please review section two before Friday. ", 15)[:1024]}},
	"code":  {{Pointer: "/code", Value: strings.Repeat("func (s *Server) handleRequest(ctx context.Context, id int) error {\n\treturn s.store.findByIdentifier(ctx, id)\n}\n\n", 10)[:1024]}},
	"call": {
		{Pointer: "/arguments/to#key", Value: "to", Name: true},
		{Pointer: "/arguments/to", Key: "to", Value: "the team of Ann Miller"},
		{Pointer: "/arguments/subject#key", Value: "subject", Name: true},
		{Pointer: "/arguments/subject", Key: "subject", Value: "Minutes of the meeting on 2026-03-14"},
		{Pointer: "/arguments/body#key", Value: "body", Name: true},
		{Pointer: "/arguments/body", Key: "body", Value: strings.Repeat("We agreed to move the release by two weeks, and Ann will tell the customers. ", 13)[:950]},
		{Pointer: "/tool", Value: "send_email", Name: true},
	},
}

// BenchmarkViews is what it costs to find out that a clean text has but one reading, and SHA-256 of the same bytes.
func BenchmarkViews(b *testing.B) {
	for name, texts := range cleanActions {
		var all []byte
		for _, t := range texts {
			all = append(all, t.Value...)
		}
		b.Run(name+"/views", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v := viewers.Get().(*viewer)
				v.build(texts, Budget{}.withDefaults())
				if len(v.undecoded) > 0 || v.incomplete {
					b.Fatal("not clean")
				}
				v.free()
			}
		})
		b.Run(name+"/sha256", func(b *testing.B) {
			for b.Loop() {
				sha256.Sum256(all)
			}
		})
	}
}
