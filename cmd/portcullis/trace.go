package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/corpus"
)

// maxBroken is how many runs may break before the trace gives up: then it is the server, not a row.
const maxBroken = 10

type traceCmd struct {
	remote
	Files         []string      `arg:"" name:"file" help:"Corpora: one JSON object a line. What they are is seen from their fields."`
	Runs          string        `default:"all" enum:"all,benign,attacked" help:"Play only runs without an attacker (benign), or only those with one (attacked)."`
	Concurrency   int           `default:"4" help:"How many sessions at once, 1 to 256."`
	Oracle        bool          `help:"A reviewer approves exactly the calls that the user's task needs, and the trace redeems them. Needs an approver's credential."`
	ApproverToken string        `help:"The approver's credential to use instead of the development server's." env:"PORTCULLIS_APPROVER_TOKEN"`
	KeepAsks      bool          `help:"Leave asks open. Without it they are rejected at once where an approver's credential is found: only so many of an agent's may wait."`
	NoPrompt      bool          `help:"Do not tell the server what the user asked for: then nothing can be proven, and only values that were seen in something untrusted ask."`
	MaxWait       time.Duration `default:"3m" help:"How long one call may wait for limits that sessions share; 0: take the denial as the answer."`
}

// Validate is called by the parser.
func (c *traceCmd) Validate() error {
	if c.Concurrency < 1 || c.Concurrency > 256 {
		return fmt.Errorf("--concurrency is 1 to 256, not %d", c.Concurrency)
	}
	if c.Oracle && c.KeepAsks {
		return errors.New("--oracle and --keep-asks exclude each other")
	}
	return nil
}

// Run plays each file and prints what came of it. It ends with 1 if a row, a file or a run could not be played: the
// others are played all the same.
func (c traceCmd) Run(ctx context.Context, io streams) error {
	player, done, err := c.player(io)
	if err != nil {
		return err
	}
	defer done()
	t := tracePlay{player: player, cmd: c, io: io, progress: newProgress(io.err), nonce: rand.Text()[:10]}
	player.Waiting = t.progress.wait
	var failures []error
	var summaries []*corpus.Summary
	for _, file := range c.Files {
		s, err := t.file(ctx, file)
		if err != nil {
			failures = append(failures, err)
		}
		if ctx.Err() != nil {
			return errors.Join(append(failures, ctx.Err())...)
		}
		if s == nil {
			continue
		}
		summaries = append(summaries, s)
		if c.JSON {
			if err := json.NewEncoder(io.out).Encode(s); err != nil {
				return err
			}
		}
		if errors.Is(err, errGaveUp) {
			break
		}
	}
	if !c.JSON && len(summaries) > 0 {
		if err := printSummaries(io.out, summaries); err != nil {
			return err
		}
	}
	return errors.Join(failures...)
}

// tracePlay is one trace: the files go through it one after another.
type tracePlay struct {
	player   *corpus.Player
	cmd      traceCmd
	io       streams
	progress *progress
	nonce    string // makes the sessions of this trace its own
	sessions int
}

func (t *tracePlay) file(ctx context.Context, name string) (*corpus.Summary, error) {
	c, err := readCorpus(name)
	if err != nil {
		return nil, err
	}
	s, err := t.play(ctx, c)
	if len(c.Refused) > 0 {
		for _, r := range c.Refused[:min(20, len(c.Refused))] {
			fmt.Fprintln(t.io.err, plain(r.Error()))
		}
		err = errors.Join(err, fmt.Errorf("%s: %d malformed rows were left out", plain(c.Name), len(c.Refused)))
	}
	return s, err
}

func readCorpus(name string) (*corpus.Corpus, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return corpus.Read(filepath.Base(name), f)
}

var errGaveUp = errors.New("gave up")

// job is a run and the session that it gets.
type job struct {
	run     corpus.Run
	session string
}

// play plays a corpus, several sessions at once, and counts in the order in which they end.
func (t *tracePlay) play(ctx context.Context, c *corpus.Corpus) (*corpus.Summary, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	which := corpus.Which(t.cmd.Runs)
	jobs, results := make(chan job), make(chan corpus.Played)
	go t.deal(ctx, c, which, jobs)
	var workers sync.WaitGroup
	for range t.cmd.Concurrency {
		workers.Go(func() {
			for j := range jobs {
				results <- t.player.Play(ctx, j.run, j.session)
			}
		})
	}
	go func() { workers.Wait(); close(results) }()

	s := corpus.NewSummary(c, t.cmd.Oracle)
	s.PromptsObserved = !t.cmd.NoPrompt
	broken := brokenRuns{file: c.Name}
	t.progress.begin(c.Name, c.Count(which))
	for p := range results {
		t.progress.step()
		if ctx.Err() != nil { // what was under way when it ended says nothing
			continue
		}
		s.Add(p)
		if broken.add(p) >= maxBroken {
			stop()
		}
	}
	t.progress.end()
	return s, broken.err()
}

// deal hands the runs out.
func (t *tracePlay) deal(ctx context.Context, c *corpus.Corpus, which corpus.Which, jobs chan<- job) {
	defer close(jobs)
	for run := range c.Runs(which) {
		t.sessions++
		select {
		case jobs <- job{run, fmt.Sprintf("trace-%s-%d", t.nonce, t.sessions)}:
		case <-ctx.Done():
			return
		}
	}
}

// brokenRuns tells of runs that could not be played, each cause once.
type brokenRuns struct {
	file  string
	n     int
	said  map[string]int
	first []error
}

func (b *brokenRuns) add(p corpus.Played) int {
	if p.Err == nil {
		return b.n
	}
	b.n++
	if b.said == nil {
		b.said = map[string]int{}
	}
	text := plain(p.Err.Error())
	if b.said[text]++; b.said[text] == 1 {
		b.first = append(b.first, fmt.Errorf("%s:%d: run %s: %s", plain(b.file), p.Run.Line, plain(p.Run.ID), text))
	}
	return b.n
}

func (b *brokenRuns) err() error {
	if b.n == 0 {
		return nil
	}
	count := fmt.Errorf("%s: %d runs could not be played", plain(b.file), b.n)
	if b.n >= maxBroken {
		count = fmt.Errorf("%s: %w after %d runs could not be played", plain(b.file), errGaveUp, b.n)
	}
	return errors.Join(append(b.first, count)...)
}

// progress is a single line that is drawn again and again, if somebody watches.
type progress struct {
	out   *os.File // nil: nobody watches
	name  string
	total int
	done  int
	drawn time.Time
	waits atomic.Int64
}

func newProgress(w any) *progress {
	f, ok := w.(*os.File)
	if !ok {
		return &progress{}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &progress{}
	}
	return &progress{out: f}
}

func (p *progress) begin(name string, total int) {
	p.name, p.total, p.done = plain(name), total, 0
	p.draw(true)
}

func (p *progress) step() {
	p.done++
	p.draw(p.done == p.total)
}

// wait may be called by any session.
func (p *progress) wait(time.Duration) { p.waits.Add(1) }

func (p *progress) draw(now bool) {
	if p.out == nil || (!now && time.Since(p.drawn) < 100*time.Millisecond) {
		return
	}
	p.drawn = time.Now()
	note := ""
	if n := p.waits.Load(); n > 0 {
		note = fmt.Sprintf("  (waited %d times for limits that sessions share)", n)
	}
	fmt.Fprintf(p.out, "\r\x1b[K%s  %d / %d sessions%s", p.name, p.done, p.total, note)
}

func (p *progress) end() {
	if p.out != nil {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
