package document

import (
	"context"
	"slices"
	"strings"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// linesKept is how far behind a stream may tell of a match, in bytes: more than it keeps itself.
const linesKept = 6 << 20

// stream looks at a long text as a whole, beside the windows.
type stream struct {
	*scan.Stream
	scanner *scan.Scanner
	size    int64          // written so far
	lines   []int64        // where the latest lines begin
	before  int            // lines that begin before those
	told    map[place]bool // what windows have told
}

// place is where a rule has found something.
type place struct {
	rule string
	at   int64
}

func newStream(s *scan.Scanner) *stream {
	return &stream{Stream: s.Stream(), scanner: s, lines: []int64{0}, told: map[place]bool{}}
}

// write gives the matches that are certain with a further piece.
func (s *stream) write(ctx context.Context, piece string) []scan.Match {
	for at := 0; ; {
		i := strings.IndexByte(piece[at:], '\n')
		if i < 0 {
			break
		}
		at += i + 1
		s.lines = append(s.lines, s.size+int64(at))
	}
	s.size += int64(len(piece))
	if old, _ := slices.BinarySearch(s.lines, s.size-linesKept); old > 1 {
		s.before += old - 1
		s.lines = slices.Delete(s.lines, 0, old-1)
	}
	return s.Write(ctx, piece)
}

// line is the number of the line in which a place is.
func (s *stream) line(at int64) int {
	i, begins := slices.BinarySearch(s.lines, at)
	if begins {
		i++
	}
	return s.before + max(i, 1)
}

// follow tells of the stream's matches, less those that windows have told.
func (t *text) follow(found []scan.Match) {
	for _, m := range found {
		f := t.scanner.finding(t.stream.scanner.Rule(m.Rule).ID)
		if t.stream.told[place{f.Rule, int64(m.Start)}] {
			continue
		}
		f.Line = t.stream.line(int64(m.Start))
		t.report.add(f)
	}
}

// suspect asks the injection signal about each paragraph that begins before next.
func (t *text) suspect(window string, next int) {
	line := t.line
	for at := 0; at < next; {
		end := len(window)
		if i := strings.Index(window[at:], "\n\n"); i >= 0 {
			end = at + i + 2
		}
		for _, f := range scan.Suspicions([]scan.Text{{Value: window[at:end]}}) {
			own := told(f)
			own.Line = line
			t.report.add(own)
		}
		line += strings.Count(window[at:end], "\n")
		at = end
	}
}
