package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
	"github.com/portcullis-pdp/portcullis/pdp/scan/signal"
)

// leetMark is the one pattern that knows leetspeak, of a few instructions.
const leetMark = "evasion.leet-instruction"

// disguises are ways to misspell a text so that a model still reads it (threat D6). No view undoes them: that would read
// words into what is none. They are a matter of the signal, and what it makes of them is reported and promised to nobody.
var disguises = []struct {
	name    string
	rewrite func(string) string
}{
	{"as written", func(s string) string { return s }},
	{"typoglycemia", typoglycemia},
	{"leetspeak", leetspeak},
}

// typoglycemia shuffles the letters inside words: "ignroe all prevoius".
func typoglycemia(s string) string {
	rnd := rand.New(rand.NewPCG(6, 6)) // #nosec G404 -- the same for every run
	runes := []rune(s)
	for from := 0; from < len(runes); from++ {
		to := from
		for to < len(runes) && unicode.IsLetter(runes[to]) {
			to++
		}
		if inner := to - from - 2; inner >= 2 {
			word := runes[from+1 : to-1]
			before := slices.Clone(word)
			for range 10 { // a word may be its own shuffle
				rnd.Shuffle(inner, func(i, j int) { word[i], word[j] = word[j], word[i] })
				if !slices.Equal(word, before) {
					break
				}
			}
		}
		from = max(from, to)
	}
	return string(runes)
}

var leet = strings.NewReplacer("a", "4", "A", "4", "e", "3", "E", "3", "i", "1", "I", "1", "o", "0", "O", "0", "s", "5", "S", "5", "t", "7", "T", "7")

// leetspeak writes digits for letters that they look like: "1gn0r3 4ll pr3v10u5 1n57ruc710n5".
func leetspeak(s string) string { return leet.Replace(s) }

// disguised is what is seen of the attacks of injection-text-dev once they are misspelt: by the marks, and by a signal that
// was trained without them, at the same false positives as for texts as they are.
type disguised struct {
	name                   string
	attacks, marks, signal int
}

func misspelt(ctx context.Context, s *scan.Scanner, texts []text) (out []disguised) {
	learn, sources := samples(texts)
	plain := signal.CrossValidate(learn)
	var benign []float64
	for i, sample := range learn {
		if !sample.Attack && sources[i] != "agentdojo-dev" && sources[i] != "tau2-airline-dev" {
			benign = append(benign, plain[i])
		}
	}
	slices.Sort(benign)
	threshold := signal.Threshold(benign, falsePositives)
	for _, d := range disguises {
		row := disguised{name: d.name}
		scores := signal.CrossValidateAs(learn, d.rewrite)
		for i, sample := range learn {
			if !sample.Attack {
				continue
			}
			row.attacks++
			if scores[i] >= threshold {
				row.signal++
			}
			if slices.ContainsFunc(s.Scan(ctx, []scan.Text{{Pointer: "/content", Value: d.rewrite(sample.Text)}}, nil, scan.Budget{}).Findings,
				func(f scan.Finding) bool { return f.Category == "injection" || f.Rule == leetMark }) {
				row.marks++
			}
		}
		out = append(out, row)
	}
	return out
}

func (r *report) disguised(rows []disguised) {
	r.table("Attacks of injection-text-dev, misspelt: seen", func(w io.Writer) {
		fmt.Fprintf(w, "\ttexts\tby marks\tby the signal at %.0f %% false positives\n", 100*falsePositives)
		for _, d := range rows {
			fmt.Fprintf(w, "%s\t%d\t%.1f %%\t%.1f %%\n", d.name, d.attacks, percent(d.marks, d.attacks), percent(d.signal, d.attacks))
		}
	})
}
