package review

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// PageBytes is how much of an action one page shows at most, in bytes of its canonical form.
const PageBytes = 64 << 10

// maxSaysRunes bounds what is shown of the agent's own words.
const maxSaysRunes = 2000

// View is what a reviewer needs beside the action itself. It is made once, when a person is asked, under the policy that
// asks, and kept encrypted with the approval until that ends. It holds no text of the action.
type View struct {
	Findings []scan.Finding `json:"findings,omitempty"`
	// Masked are the places of the canonical action that are not shown, in order, apart from each other.
	Masked []scan.Place `json:"masked,omitempty"`
	// SessionSaw are the categories of what was found in what the session took in before.
	SessionSaw []string `json:"session_saw,omitempty"`
	// Says is what the agent says about the action, ready to be shown.
	Says string `json:"says,omitempty"`
	// Origins are where the values came from, as far as the session had seen them, sinks first.
	Origins []Origin `json:"origins,omitempty"`
}

// Origin is where one value of the action came from.
type Origin struct {
	Pointer string   `json:"pointer"`
	Sink    bool     `json:"sink,omitempty"`
	Origins []string `json:"origins"`
}

// Masks says whether what a rule finds is kept from reviewers. What business letters are full of is not: they must see to
// whom something goes.
func Masks(r scan.Rule) bool {
	return r.Category == "credential" || r.Category == "personal" && r.Severity != "low"
}

// New makes the view of an action. says is what the agent's request claims about it, as JSON, or empty.
func New(s *scan.Scanner, canonical []byte, findings []scan.Finding, says []byte) View {
	return View{Findings: findings, Masked: masked(s, canonical), Says: words(s, string(says))}
}

// words shows what the agent says like anything else that it wrote, and briefly.
func words(s *scan.Scanner, text string) string {
	shown := show(text, s.Places(text, Masks), 0, len(text))
	if utf8.RuneCountInString(shown) > maxSaysRunes {
		shown = string([]rune(shown)[:maxSaysRunes]) + " " + mark("cut")
	}
	return shown
}

// Encode is the form in which a view is kept.
func (v View) Encode() []byte {
	raw, err := json.Marshal(v)
	if err != nil { // strings and numbers only
		panic(fmt.Sprintf("encode view: %v", err))
	}
	return raw
}

// Decode reads what Encode wrote.
func Decode(raw []byte) (View, error) {
	var v View
	if err := json.Unmarshal(raw, &v); err != nil {
		return View{}, fmt.Errorf("read the reviewer's view: %w", err)
	}
	return v, nil
}

// Page is a part of an action as it is shown. Offsets are bytes of the canonical action.
type Page struct {
	Text   string // begins with a mark where it goes on with a text of the page before
	Offset int    // where it begins: at most where it was asked to, never inside of a character or of what is masked
	Next   int    // where the next one begins, 0 after the last
}

// Page shows the page that begins at an offset; beyond the end it is empty. Unless it is revealed, what is masked is not
// there.
func (v View) Page(canonical []byte, offset int64, revealed bool) Page {
	masked := v.Masked
	if revealed {
		masked = nil
	}
	from := len(canonical)
	if offset < int64(from) {
		from = max(int(offset), 0)
	}
	for from > 0 && from < len(canonical) && !utf8.RuneStart(canonical[from]) {
		from--
	}
	from, _ = stand(canonical, from)
	if p, inside := around(masked, from); inside {
		from = p.From
	}
	to := min(from+PageBytes, len(canonical))
	for to < len(canonical) && !utf8.RuneStart(canonical[to]) {
		to--
	}
	to, _ = stand(canonical, to)
	if p, inside := around(masked, to); inside {
		if to = p.From; to <= from {
			to = p.To
		}
	}
	page := Page{Text: show(string(canonical), masked, from, to), Offset: from}
	if _, quoted := stand(canonical, from); quoted && page.Text != "" {
		page.Text = goesOn + page.Text
	}
	if to < len(canonical) {
		page.Next = to
	}
	return page
}

// stand says whether a position in JSON is within a string, and where it is or, in the middle of an escape, where that begins.
func stand(doc []byte, at int) (begin int, quoted bool) {
	begin = at
	units(doc[:min(at+maxEscape, len(doc))], func(from, to int, inside bool) {
		switch {
		case from >= at:
		case to > at:
			begin, quoted = from, true
		case doc[from] == '"' && !inside:
			quoted = !quoted
		}
	})
	return begin, quoted
}

// maxEscape is the length of the longest escape of JSON.
const maxEscape = len(`\u0000`)

// around finds the place that a position is in the middle of.
func around(places []scan.Place, at int) (scan.Place, bool) {
	i := slices.IndexFunc(places, func(p scan.Place) bool { return p.From < at && at < p.To })
	if i < 0 {
		return scan.Place{}, false
	}
	return places[i], true
}

// show spells out text[from:to] with marks in the place of what is masked.
func show(text string, masked []scan.Place, from, to int) string {
	var b strings.Builder
	for _, p := range masked {
		if p.To <= from || p.From >= to {
			continue
		}
		b.WriteString(Readable(text[from:max(p.From, from)]))
		b.WriteString(mark(fmt.Sprintf("masked %d bytes", p.To-p.From)))
		from = min(p.To, to)
	}
	b.WriteString(Readable(text[from:to]))
	return b.String()
}
