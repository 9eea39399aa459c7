package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"runtime"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// How long each way of going through a text is timed.
const (
	rounds = 5
	aRound = 100 * time.Millisecond // at least, or one run
	long   = 5 * time.Second        // a run that takes longer is not repeated
)

// timed is how long the runs of one way took. The best counts; where the worst is far from it, the machine was busy.
type timed struct {
	best, worst time.Duration
	runs        int
}

func (t *timed) take(d time.Duration) {
	if t.runs++; t.runs == 1 || d < t.best {
		t.best = d
	}
	t.worst = max(t.worst, d)
}

// String shows both, so that nobody trusts what a busy machine gave.
func (t timed) String() string {
	if t.runs == 1 {
		return short(t.best) + ", once"
	}
	return short(t.best) + " to " + short(t.worst)
}

// times is how many times as long this takes.
func (t timed) times(other timed) float64 { return float64(t.best) / float64(max(other.best, 1)) }

func short(d time.Duration) string { return d.Round(d/1000 + 1).String() }

// inTurns times several ways of going through the same text, by the processor's clock. They take turns, so that what slows the
// machine down for a while slows all of them.
func inTurns(ways ...func()) []timed {
	all := make([]timed, len(ways))
	for range rounds {
		for i, way := range ways {
			if all[i].best > long {
				continue
			}
			runtime.GC() // what ran before has left its own
			for begin := used(); used()-begin < aRound; {
				start := used()
				way()
				all[i].take(used() - start)
			}
		}
	}
	return all
}

// used is the time that the processor has given to this program.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		log.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// search is a way of going through a text: with an engine.
func search(s *scan.Scanner, text string) func() {
	var f scan.Scratch
	return func() { s.Find(context.Background(), text, &f) }
}

// table is one for people, on a terminal.
type table struct{ *tabwriter.Writer }

func newTable(to io.Writer, columns ...any) table {
	t := table{tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)}
	t.row(columns...)
	return t
}

func (t table) row(cells ...any) {
	for i, c := range cells {
		switch factor, is := c.(float64); {
		case is && factor < 10:
			cells[i] = fmt.Sprintf("%.2f", factor)
		case is:
			cells[i] = fmt.Sprintf("%.0f", factor)
		}
	}
	fmt.Fprintf(t, strings.Repeat("%v\t", len(cells)-1)+"%v\n", cells...)
}
