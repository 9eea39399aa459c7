package decision

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// maxViewBytes is how much of an action a reviewer is shown.
const maxViewBytes = 64 << 10

// View is what a reviewer sees, built from the canonical action and never from the agent's words about it. It is
// stored encrypted with the approval and erased with it.
type View struct {
	ActionJSON  string         `json:"action_json"`
	ActionBytes int64          `json:"action_bytes"`
	Truncated   bool           `json:"truncated"`
	Findings    []scan.Finding `json:"findings"`
}

// view builds the reviewer's view: the canonical action with what DLP found masked and every
// character that could deceive a reader spelt out.
func (j *judgement) view(canonical []byte) []byte {
	v := View{ActionBytes: int64(len(canonical)), Findings: j.findings}
	// What business letters are full of stays: a reviewer must see to whom something goes.
	masked := j.snapshot.Scanner.Mask(string(canonical), func(r scan.Rule) bool {
		return r.Category == "credential" || r.Category == "personal" && r.Severity != "low"
	})
	v.ActionJSON, v.Truncated = cut(readable(masked), maxViewBytes)
	raw, err := json.Marshal(v)
	if err != nil { // strings and numbers only
		panic(fmt.Sprintf("encode view: %v", err))
	}
	return raw
}

// readable spells out control, invisible and bidirectional characters.
func readable(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range text {
		if r == ' ' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		if r > 0xffff {
			fmt.Fprintf(&b, "\\U%08x", r)
			continue
		}
		fmt.Fprintf(&b, "\\u%04x", r)
	}
	return b.String()
}

func cut(text string, most int) (string, bool) {
	if len(text) <= most {
		return text, false
	}
	for !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most], true
}
