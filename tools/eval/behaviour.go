package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/behaviour"
	"github.com/portcullis-pdp/portcullis/pdp/corpus"
)

// told is how well surprise tells attacked runs from benign ones.
type told struct {
	corpus           string
	benign, attacked int
	auc              float64
	benignRare       float64 // percent of runs with a call that is `rare` as shipped
	attackedRare     float64
}

// rarePercent is where the table `behaviour` has `rare`, as it is shipped.
const rarePercent = 85

// surprising scores each run by its most surprising call, by what all other tasks of the corpus have taught: neither the task
// itself nor any attack is among them. Recordings have no times and no verdict about sinks, so that tools, their order and their
// sizes are all there is to go by.
func surprising(dir string) ([]told, error) {
	var out []told
	for _, name := range []string{"agentdojo-dev", "asb-dev", "injecagent-dev", "injecagent-realcalls-dev", "tau2-airline-dev"} {
		c, err := openCorpus(filepath.Join(dir, name+".jsonl"))
		if err != nil {
			return nil, err
		}
		out = append(out, surprisingIn(name, c))
	}
	return out, nil
}

func openCorpus(path string) (*corpus.Corpus, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read corpora (-corpora says where they are): %w", err)
	}
	defer f.Close()
	return corpus.Read(filepath.Base(path), f)
}

// folds bounds the work: with more tasks than these, so many are kept out at a time.
const folds = 40

func surprisingIn(name string, c *corpus.Corpus) told {
	benign, attacked := slices.Collect(c.Runs(corpus.Benign)), slices.Collect(c.Runs(corpus.Attacked))
	out := told{corpus: name, benign: len(benign), attacked: len(attacked)}
	var good, bad []float64
	for fold := range folds {
		teacher := newTeacher()
		for _, r := range benign {
			if r.Line%folds != fold {
				teacher.learn(r)
			}
		}
		for _, r := range benign {
			if r.Line%folds == fold {
				good = append(good, teacher.score(r))
			}
		}
		for _, r := range attacked {
			if r.Line%folds == fold {
				bad = append(bad, teacher.score(r))
			}
		}
	}
	out.auc, out.benignRare, out.attackedRare = auc(good, bad), atLeast(good, rarePercent), atLeast(bad, rarePercent)
	return out
}

type teacher struct {
	models *behaviour.Models
	now    time.Time
	runs   int
}

func newTeacher() *teacher {
	t := &teacher{now: time.Unix(1e9, 0)}
	t.models = behaviour.New(behaviour.Config{}, func() time.Time { return t.now })
	return t
}

func (t *teacher) learn(r corpus.Run) {
	t.runs++
	t.walk(r, func(who behaviour.Who, call behaviour.Call) { t.models.Learn(who, call) })
}

// score lets the session of the run go on as it is scored, with nothing learned but what its last call was.
func (t *teacher) score(r corpus.Run) (most float64) {
	t.runs++
	t.walk(r, func(who behaviour.Who, call behaviour.Call) {
		most = max(most, float64(t.models.Look(who, call).Percent))
		t.models.Went(who, call.Tool)
	})
	return most
}

func (t *teacher) walk(r corpus.Run, see func(behaviour.Who, behaviour.Call)) {
	who := behaviour.Who{Tenant: "corpus", Agent: r.Agent, Session: fmt.Sprint(t.runs)}
	for _, s := range r.Steps {
		if s.Call.Tool != "" {
			t.now = t.now.Add(time.Second)
			see(who, behaviour.Call{Tool: s.Call.Tool, Bytes: int64(len(s.Call.Arguments))})
		}
	}
}

// auc is how often an attacked run scores above a benign one; even counts half. 0 without runs of both kinds.
func auc(benign, attacked []float64) float64 {
	if len(benign) == 0 || len(attacked) == 0 {
		return 0
	}
	won := 0.0
	for _, b := range benign {
		for _, a := range attacked {
			switch {
			case a > b:
				won++
			case a == b:
				won += 0.5
			}
		}
	}
	return won / float64(len(benign)*len(attacked))
}

// atLeast is the percentage of scores from a bound on.
func atLeast(scores []float64, bound float64) float64 {
	n := 0
	for _, s := range scores {
		if s >= bound {
			n++
		}
	}
	return percent(n, len(scores))
}

// share is a percentage of so many runs.
func share(runs int, percent float64) string {
	if runs == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", percent)
}

func (r *report) behaviour(rows []told) {
	r.table("Surprise: the most surprising call of a run, by what all other tasks have taught", func(w io.Writer) {
		fmt.Fprintf(w, "corpus\tbenign runs\tattacked\tAUC\tbenign with a rare call\tattacked\n")
		for _, t := range rows {
			area := "-"
			if t.auc > 0 {
				area = fmt.Sprintf("%.3f", t.auc)
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\n", t.corpus, t.benign, t.attacked, area, share(t.benign, t.benignRare), share(t.attacked, t.attackedRare))
		}
	})
}
