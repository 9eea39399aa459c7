package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"regexp"

	"github.com/portcullis-pdp/portcullis/pdp/policy"
)

// againstRegexp compares the engine with all shipped patterns one by one through regexp.
func againstRegexp(to io.Writer, texts []text, shipped *policy.Snapshot) (missed []string, err error) {
	var plain []*regexp.Regexp
	for _, p := range shipped.Tables.Patterns {
		plain = append(plain, regexp.MustCompile(p.Regex))
	}
	t := newTable(to, "text", "KB", "SHA-256", fmt.Sprintf("engine, %d patterns", len(plain)), "times SHA-256", "regexp one by one", "times the engine")
	for _, in := range texts {
		raw := []byte(in.text)
		took := inTurns(
			func() { sha256.Sum256(raw) },
			search(shipped.Scanner, in.text),
			func() {
				for _, re := range plain {
					re.FindAllStringIndex(in.text, -1)
				}
			})
		sum, engine, byRegexp := took[0], took[1], took[2]
		factor := byRegexp.times(engine)
		t.row(in.kind, len(in.text)>>10, short(sum.best), short(engine.best), engine.times(sum), byRegexp, factor)
		if factor < timesRegexp && in.kind != credentials {
			missed = append(missed, fmt.Sprintf("%s: these patterns take %.0f times as long by regexp, not %d", in.kind, factor, timesRegexp))
		}
	}
	fmt.Fprintln(t)
	return missed, t.Flush()
}
