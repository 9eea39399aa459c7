package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/scan/document"
)

// What scan ends with, as such programs do in CI.
const (
	scanFound  = 1
	scanFailed = 2
)

// maxJSON is how large a JSON document is read as one; a larger one is read as text.
const maxJSON = 16 << 20

type scanCmd struct {
	policyFlag
	Paths       []string `arg:"" help:"Files, folders, or - for standard input."`
	JSON        bool     `help:"Print JSON, for scripts."`
	MaxSize     int64    `help:"Skip files of more bytes than this; 0 skips none: memory does not grow with the file."`
	Category    []string `help:"Only these: credential, personal, exfiltration, injection, evasion, suspicion." enum:"credential,personal,exfiltration,injection,evasion,suspicion"`
	Suspicions  bool     `help:"Also score paragraphs and JSON values by the injection signal. It is made for what agents read, and suspects much of source code; a suspicion alone does not change what the command ends with, unless --category names it."`
	MinSeverity string   `default:"low" enum:"low,medium,high,critical" help:"Only findings at least this severe."`
}

// located is a finding in one of several files.
type located struct {
	File string `json:"file"`
	document.Finding
}

type skipped struct {
	File string `json:"file"`
	Why  string `json:"why"`
}

// scanned is what scan prints with --json.
type scanned struct {
	Findings   []located `json:"findings"`
	Incomplete bool      `json:"incomplete"`
	Unfinished []string  `json:"unfinished"` // files that could not be inspected to the end
	Files      int       `json:"files"`
	Bytes      int64     `json:"bytes"`
	Skipped    []skipped `json:"skipped"`
	// Suspicions are those of Findings that are no reason to fail.
	Suspicions int      `json:"suspicions"`
	Errors     []string `json:"errors"`
}

// maxReported is how many findings of all files --json prints; with more, it says that it is incomplete.
const maxReported = 100_000

// Run inspects files with the pack that the server has. It ends with 0 if all is clean, 1 if something was found or
// could not be inspected to the end, 2 if something could not be read.
func (c scanCmd) Run(ctx context.Context, io streams) error {
	s, err := c.snapshot(ctx)
	if err != nil {
		return &exitError{scanFailed, err}
	}
	w := &scanWalk{cmd: c, out: scanned{Findings: []located{}, Unfinished: []string{}, Skipped: []skipped{}, Errors: []string{}}, io: io}
	w.progress = newScanProgress(io.err)
	w.scanner = document.New(s.Scanner, document.Options{
		Suspicions: c.Suspicions || slices.Contains(c.Category, suspicionCategory),
		Progress:   func(n int64) { w.progress.show(w.out.Files, w.out.Bytes+n, w.found) },
	})
	for _, path := range c.Paths {
		w.path(ctx, path)
	}
	w.progress.clear()
	if c.JSON {
		err = json.NewEncoder(io.out).Encode(w.out)
	}
	switch {
	case err != nil:
		return &exitError{scanFailed, err}
	case len(w.out.Errors) > 0:
		return &exitError{scanFailed, errors.New(strings.Join(w.out.Errors, "; "))}
	case w.out.Incomplete:
		return &exitError{scanFound, fmt.Errorf("%s; not inspected to the end: %s", w.summary(), plain(strings.Join(w.out.Unfinished, ", ")))}
	case w.found > w.out.Suspicions || w.found > 0 && slices.Contains(c.Category, suspicionCategory):
		return &exitError{scanFound, errors.New(w.summary())}
	}
	return nil
}

// scanWalk is one run over all paths.
type scanWalk struct {
	cmd      scanCmd
	scanner  *document.Scanner
	out      scanned
	io       streams
	progress *scanProgress
	found    int // findings, also those that are only printed
}

const suspicionCategory = "suspicion"

func (w *scanWalk) summary() string {
	suspicions := ""
	if w.out.Suspicions > 0 {
		suspicions = fmt.Sprintf(" (%d of them suspicions)", w.out.Suspicions)
	}
	return fmt.Sprintf("%d findings%s in %d files, %d skipped", w.found, suspicions, w.out.Files, len(w.out.Skipped))
}

func (w *scanWalk) path(ctx context.Context, path string) {
	if path == "-" {
		w.document(ctx, "-", w.io.in)
		return
	}
	info, err := os.Stat(path)
	if err != nil {
		w.fail(path, err)
		return
	}
	if !info.IsDir() { // one that was asked for by name, whatever it is called
		w.file(ctx, path, info)
		return
	}
	err = filepath.WalkDir(path, func(at string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			w.fail(at, err)
			return nil
		case entry.IsDir() && entry.Name() == ".git":
			return fs.SkipDir
		case !entry.Type().IsRegular(): // folders, and links, which lead to what is met elsewhere or does not belong here
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			w.fail(at, err)
			return nil
		}
		w.file(ctx, at, info)
		return nil
	})
	if err != nil {
		w.fail(path, err)
	}
}

func (w *scanWalk) file(ctx context.Context, path string, info fs.FileInfo) {
	if w.cmd.MaxSize > 0 && info.Size() > w.cmd.MaxSize {
		w.out.Skipped = append(w.out.Skipped, skipped{path, fmt.Sprintf("more than %d bytes", w.cmd.MaxSize)})
		return
	}
	f, err := os.Open(path)
	if err != nil {
		w.fail(path, err)
		return
	}
	defer f.Close()
	w.document(ctx, path, f)
}

// document inspects what can be read under a name, as JSON if it is that.
func (w *scanWalk) document(ctx context.Context, name string, r io.Reader) {
	head, err := io.ReadAll(io.LimitReader(r, maxJSON+1))
	if err != nil {
		w.fail(name, err)
		return
	}
	var report document.Report
	if len(head) <= maxJSON && document.IsJSON(head) {
		report, err = w.scanner.JSON(ctx, head)
	} else {
		report, err = w.scanner.Text(ctx, io.MultiReader(bytes.NewReader(head), r))
	}
	w.take(name, report, err)
}

func (w *scanWalk) take(name string, report document.Report, err error) {
	switch {
	case errors.Is(err, document.ErrBinary):
		w.out.Skipped = append(w.out.Skipped, skipped{name, "binary"})
		return
	case err != nil:
		w.fail(name, err)
	}
	w.out.Files++
	w.out.Bytes += report.Bytes
	if report.Incomplete {
		w.out.Incomplete = true
		w.out.Unfinished = append(w.out.Unfinished, name)
	}
	for _, f := range report.Findings {
		if !w.wanted(f) {
			continue
		}
		w.found++
		if f.Category == suspicionCategory {
			w.out.Suspicions++
		}
		switch {
		case w.cmd.JSON && len(w.out.Findings) < maxReported:
			w.out.Findings = append(w.out.Findings, located{name, f})
		case w.cmd.JSON:
			w.out.Incomplete = true
		default:
			w.progress.clear()
			fmt.Fprintf(w.io.out, "%s:%s  %s  %s  %s\n", plain(name), plain(f.String()), f.Severity, f.Category, f.Rule)
		}
	}
	w.progress.show(w.out.Files, w.out.Bytes, w.found)
}

func (w *scanWalk) wanted(f document.Finding) bool {
	order := []string{"low", "medium", "high", "critical"}
	return slices.Index(order, f.Severity) >= slices.Index(order, w.cmd.MinSeverity) &&
		(len(w.cmd.Category) == 0 || slices.Contains(w.cmd.Category, f.Category) || w.cmd.Suspicions && f.Category == suspicionCategory)
}

func (w *scanWalk) fail(name string, err error) {
	w.out.Errors = append(w.out.Errors, plain(name)+": "+plain(err.Error()))
}

// scanProgress is one line on a terminal that says how far a long command is. It is silent on anything else.
type scanProgress struct {
	to    io.Writer
	last  time.Time
	shown bool
}

// progressEvery is how often the line changes; nothing is shown of what is over before.
const progressEvery = 500 * time.Millisecond

func newScanProgress(to io.Writer) *scanProgress {
	f, ok := to.(*os.File)
	if !ok {
		return &scanProgress{}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &scanProgress{}
	}
	return &scanProgress{to: f, last: time.Now()}
}

func (p *scanProgress) show(files int, size int64, findings int) {
	if p.to == nil || time.Since(p.last) < progressEvery {
		return
	}
	p.last, p.shown = time.Now(), true
	fmt.Fprintf(p.to, "\r\x1b[K%d files, %d MB, %d findings", files, size>>20, findings)
}

// clear takes the line away before something else is printed.
func (p *scanProgress) clear() {
	if p.shown {
		p.shown = false
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}
