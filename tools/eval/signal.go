package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/portcullis-pdp/portcullis/pdp/scan/signal"
)

// samples are the texts that the signal learns from: all of injection-text-dev, and the benign texts of the others as more
// of what must not be flagged. Texts that are there twice, and words alone, teach nothing.
func samples(texts []text) (out []signal.Sample, sources []string) {
	seen := map[string]bool{}
	for _, t := range texts {
		if len(t.value) < 16 || seen[t.value] {
			continue
		}
		seen[t.value] = true
		out = append(out, signal.Sample{Text: t.value, Attack: t.attack})
		sources = append(sources, t.source)
	}
	return out, sources
}

// train writes the model that is shipped.
func train(texts []text, file string) error {
	learn, _ := samples(texts)
	m := signal.Train(learn)
	m.SetRates(learn, signal.CrossValidate(learn))
	return os.WriteFile(file, m.Encode(), 0o644)
}

// cross is the cross-validation: how the attacks of each source stand against all benign texts of injection-text-dev.
type cross struct {
	benign  int
	sources map[string]*curve
}

// curve is what a source comes to: how many attacks, what part is reached at 1 % false positives, and the area under the
// curve, the chance that an attack scores above a benign text.
type curve struct {
	attacks     int
	recall, auc float64
}

const falsePositives = 0.01

func crossValidate(texts []text) cross {
	learn, sources := samples(texts)
	scores := signal.CrossValidate(learn)
	var benign []float64
	attacks := map[string][]float64{}
	for i, s := range learn {
		switch {
		case s.Attack:
			attacks[sources[i]] = append(attacks[sources[i]], scores[i])
			attacks["all"] = append(attacks["all"], scores[i])
		case sources[i] != "agentdojo-dev" && sources[i] != "tau2-airline-dev":
			benign = append(benign, scores[i])
		}
	}
	slices.Sort(benign)
	threshold := signal.Threshold(benign, falsePositives)
	out := cross{benign: len(benign), sources: map[string]*curve{}}
	for source, list := range attacks {
		c := &curve{attacks: len(list)}
		above, reached := 0.0, 0
		for _, s := range list {
			at, _ := slices.BinarySearch(benign, s)
			above += float64(at) / float64(len(benign))
			if s >= threshold {
				reached++
			}
		}
		c.recall, c.auc = percent(reached, len(list)), above/float64(len(list))
		out.sources[source] = c
	}
	return out
}

func (r *report) signal(c cross) {
	r.table(fmt.Sprintf("Injection signal, cross-validated on injection-text-dev (%d benign texts)", c.benign), func(w io.Writer) {
		fmt.Fprintf(w, "attacks of\ttexts\trecall at %.0f %% false positives\tAUC\n", 100*falsePositives)
		for _, source := range slices.Sorted(maps.Keys(c.sources)) {
			s := c.sources[source]
			fmt.Fprintf(w, "%s\t%d\t%.1f %%\t%.4f\n", source, s.attacks, s.recall, s.auc)
		}
	})
}
