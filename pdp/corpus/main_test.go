package corpus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func readFile(t *testing.T, name string) *Corpus {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := Read(filepath.Base(name), f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func excerpt(t *testing.T, name string) *Corpus {
	t.Helper()
	return readFile(t, filepath.Join("testdata", name+".jsonl"))
}

// released is a file of the corpora that stand beside the repository, where they do.
func released(t *testing.T, name string) *Corpus {
	t.Helper()
	dir := os.Getenv("PORTCULLIS_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	file := filepath.Join(dir, name)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		t.Skip("no corpora here: set PORTCULLIS_CORPORA")
	}
	return readFile(t, file)
}

// script is a decider with known answers: by tool, and allow for all others.
type script struct {
	answers map[string]Answer
	fail    map[string]error
	busy    map[string]int // how often a tool's call is first answered as busy

	mu        sync.Mutex
	n         int
	log       []string
	approved  map[string]bool
	succeeded []string
}

func (d *script) Decide(_ context.Context, s Session, c Call, approval string) (Answer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fail[c.Tool]; err != nil {
		return Answer{}, err
	}
	d.n++
	id := fmt.Sprintf("d%d", d.n)
	d.note("call %s %s", c.Tool, c.Arguments)
	if d.busy[c.Tool] > 0 {
		d.busy[c.Tool]--
		return Answer{Decision: id, Effect: Deny, Reasons: []string{"LIMIT_EXCEEDED"}, Busy: 20 * time.Second}, nil
	}
	if approval != "" && d.approved[approval] {
		return Answer{Decision: id, Effect: Allow}, nil
	}
	a, ok := d.answers[c.Tool]
	if !ok {
		a = Answer{Effect: Allow}
	}
	a.Decision = id
	if a.Effect == Ask {
		a.Approval, a.Digest = "a-"+id, "pc1:"+s.ID
	}
	return a, nil
}

func (d *script) Result(_ context.Context, _ Session, decision, tool, text string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.note("result of %s %s: %s", decision, tool, text)
	return d.fail["result"]
}

func (d *script) Succeeded(_ context.Context, decision string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.succeeded = append(d.succeeded, decision)
	return nil
}

func (d *script) Review(_ context.Context, approval, digest string, yes bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !strings.HasPrefix(digest, "pc1:") {
		return errors.New("no digest")
	}
	if d.approved == nil {
		d.approved = map[string]bool{}
	}
	d.approved[approval] = yes
	d.note("review %s: %t", approval, yes)
	return nil
}

func (d *script) note(format string, args ...any) {
	d.log = append(d.log, fmt.Sprintf(format, args...))
}

// play plays all runs and counts.
func play(t *testing.T, c *Corpus, d *script, oracle bool) *Summary {
	t.Helper()
	p := Player{Decider: d}
	if oracle {
		p.Reviewer, p.Oracle = d, true
	}
	s := NewSummary(c, oracle)
	n := 0
	for run := range c.Runs(All) {
		n++
		s.Add(p.Play(t.Context(), run, fmt.Sprintf("s%d", n)))
	}
	return s
}

func runs(c *Corpus, which Which) []Run { return slices.Collect(c.Runs(which)) }
