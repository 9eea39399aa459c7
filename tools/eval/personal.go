package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// labelledText is a text whose personal data somebody has marked.
type labelledText struct {
	Source string  `json:"source"`
	Labels []label `json:"labels"`
	Text   string  `json:"text"`
}

// label says that a value is of a kind, wherever it stands in the text.
type label struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

func readSample(name string) ([]labelledText, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read labelled texts: %w", err)
	}
	var out []labelledText
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		var t labelledText
		if err := json.Unmarshal(lines.Bytes(), &t); err != nil {
			return nil, fmt.Errorf("%s line %d: %w", name, n, err)
		}
		for _, l := range t.Labels {
			if !strings.Contains(t.Text, l.Value) {
				return nil, fmt.Errorf("%s line %d: the text has no %q", name, n, l.Value)
			}
		}
		out = append(out, t)
	}
	return out, lines.Err()
}

// kindOf is the label that a rule's findings should have. Rules that are not named keep their own, and are wrong wherever
// they find something: the sample has nothing of theirs.
var kindOf = map[string]string{
	"personal.email": "email", "personal.phone-international": "phone", "personal.phone-us": "phone", "personal.phone-labelled": "phone",
	"personal.iban": "account", "personal.iban-labelled": "account", "personal.iban-shaped": "account", "personal.bank-account": "account",
	"personal.payment-card": "card", "personal.payment-card-grouped": "card", "personal.payment-card-labelled": "card", "personal.card-security-code": "card-code",
	"personal.street-address": "address", "personal.street-address-number-last": "address",
	"personal.birth-date": "birth-date", "personal.birth-date-in-words": "birth-date", "personal.medical-record": "medical",
}

// span is a place in a text: [from, to) in bytes.
type span struct{ from, to int }

func (s span) meets(o span) bool { return s.from < o.to && o.from < s.to }

// score counts, for a kind, the marked values that were found, those that were not, and what was found beside them.
type score struct{ right, missed, wrong int }

func (s score) precision() float64 { return percent(s.right, s.right+s.wrong) }
func (s score) recall() float64    { return percent(s.right, s.right+s.missed) }

// personal compares what is found in each text, as it stands, with its labels. Two findings of one kind at one place are
// one.
func personal(ctx context.Context, s *scan.Scanner, texts []labelledText) map[string]score {
	out := map[string]score{}
	var scratch scan.Scratch
	for _, t := range texts {
		want, got := map[string][]span{}, map[string][]span{}
		for _, l := range t.Labels {
			for at := 0; ; {
				i := strings.Index(t.Text[at:], l.Value)
				if i < 0 {
					break
				}
				at += i + len(l.Value)
				want[l.Kind] = add(want[l.Kind], span{at - len(l.Value), at})
			}
		}
		matches, _ := s.Find(ctx, t.Text, &scratch)
		for _, m := range matches {
			rule := s.Rule(m.Rule)
			if rule.Category != "personal" {
				continue
			}
			kind, named := kindOf[rule.ID]
			if !named {
				kind = rule.ID
			}
			got[kind] = add(got[kind], span{m.Start, m.End})
		}
		for kind := range maps.Keys(union(want, got)) {
			c := out[kind]
			for _, w := range want[kind] {
				if slices.ContainsFunc(got[kind], w.meets) {
					c.right++
				} else {
					c.missed++
				}
			}
			for _, g := range got[kind] {
				if !slices.ContainsFunc(want[kind], g.meets) {
					c.wrong++
				}
			}
			out[kind] = c
		}
	}
	return out
}

// add takes a span in, joined with one that it meets.
func add(spans []span, s span) []span {
	for i, o := range spans {
		if o.meets(s) {
			spans[i] = span{min(o.from, s.from), max(o.to, s.to)}
			return spans
		}
	}
	return append(spans, s)
}

func union(a, b map[string][]span) map[string]bool {
	out := map[string]bool{}
	for k := range a {
		out[k] = true
	}
	for k := range b {
		out[k] = true
	}
	return out
}

const personalTarget = 95

func (r *report) personal(by map[string]score) {
	r.table("Personal data in the texts labelled by hand", func(w io.Writer) {
		fmt.Fprintln(w, "kind\tfound\tmissed\twrong\tprecision\trecall")
		var all score
		for _, kind := range slices.Sorted(maps.Keys(by)) {
			c := by[kind]
			all = score{all.right + c.right, all.missed + c.missed, all.wrong + c.wrong}
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%.1f %%\t%.1f %%\n", kind, c.right, c.missed, c.wrong, c.precision(), c.recall())
		}
		fmt.Fprintf(w, "all\t%d\t%d\t%d\t%.1f %%\t%.1f %%\ttarget %d %% each\t%s\n", all.right, all.missed, all.wrong, all.precision(), all.recall(),
			personalTarget, r.mark(all.precision() >= personalTarget && all.recall() >= personalTarget))
	})
}
