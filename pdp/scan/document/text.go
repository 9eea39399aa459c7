package document

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// A text is looked at in windows that overlap, in every reading. What is longer than the overlap, or has its keyword in
// another window, is found by a stream over all of it, as it is.
const (
	window  = 256 << 10
	overlap = 16 << 10
)

// Text inspects a text of any size. UTF-16 is read if it begins with a byte-order mark. ErrBinary says that there is a
// NUL in its first window; any other error is the reader's.
func (s *Scanner) Text(ctx context.Context, r io.Reader) (Report, error) {
	t := text{scanner: s, line: 1, column: 1, seen: map[string]int64{}}
	first := make([]byte, 2)
	n, err := io.ReadFull(r, first)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return Report{}, err
	}
	r = io.MultiReader(bytes.NewReader(first[:n]), r)
	if mark := string(first[:n]); mark == "\xff\xfe" || mark == "\xfe\xff" {
		r = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Reader(r)
	}
	err = t.read(ctx, r)
	return t.report, err
}

// text is a text on its way past the window.
type text struct {
	scanner *Scanner
	report  Report
	held    []byte
	start   int64 // of held, in bytes of the text
	line    int   // of held's first character
	column  int
	seen    map[string]int64 // where the last finding of a rule ends, in bytes of the text
	stream  *stream          // of a text of more than a window
}

func (t *text) read(ctx context.Context, r io.Reader) error {
	for whole := false; !whole; {
		if err := ctx.Err(); err != nil {
			return err
		}
		have := len(t.held)
		t.held = append(t.held, make([]byte, window-have)...)
		n, err := io.ReadFull(r, t.held[have:])
		t.held = t.held[:have+n]
		t.report.Bytes += int64(n)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			whole = true
		case err != nil:
			return err
		}
		if t.start == 0 && bytes.IndexByte(t.held, 0) >= 0 {
			return ErrBinary
		}
		t.look(ctx, whole)
	}
	return nil
}

// look inspects what is held, and lets go of all but the overlap.
func (t *text) look(ctx context.Context, whole bool) {
	next := len(t.held)
	if !whole {
		next = boundary(t.held, len(t.held)-overlap)
		if t.stream == nil {
			t.stream = newStream(t.scanner.scanner)
		}
	}
	texts := []scan.Text{{Value: readable(t.held)}}
	if found := t.scanner.look(ctx, texts, &t.report); len(found) > 0 {
		t.place(ctx, texts, found, next)
	}
	if t.scanner.options.Suspicions {
		t.suspect(texts[0].Value, next)
	}
	if t.stream != nil {
		t.follow(t.stream.write(ctx, texts[0].Value[:next]))
		if whole {
			rest, complete := t.stream.Close(ctx)
			t.follow(rest)
			t.report.Incomplete = t.report.Incomplete || !complete
		}
	}
	t.advance(t.held[:next])
	t.held = append(t.held[:0], t.held[next:]...)
	t.scanner.progress(t.start)
}

// place says where in the text each finding is.
func (t *text) place(ctx context.Context, texts []scan.Text, found []scan.Finding, next int) {
	occurrences, _ := t.scanner.scanner.Occurrences(ctx, texts, scan.Budget{})
	at, line, column := 0, t.line, t.column
	for _, o := range occurrences {
		begin, end := t.start+int64(o.From), t.start+int64(o.To)
		if o.From >= next || begin < t.seen[o.Rule] {
			continue // the next window's, or the rest of one that was told
		}
		t.seen[o.Rule] = end
		line, column = after(line, column, t.held[at:o.From])
		at = o.From
		f := t.scanner.finding(o.Rule)
		f.Line, f.Column = line, column
		t.report.add(f)
		if t.stream != nil {
			t.stream.told[place{o.Rule, begin}] = true
		}
	}
	for _, f := range found {
		if scan.BuiltIn(f.Rule) { // about a window, not a place in it
			own := t.scanner.finding(f.Rule)
			own.Line = t.line
			t.report.add(own)
		}
	}
}

func (t *text) advance(over []byte) {
	t.line, t.column = after(t.line, t.column, over)
	t.start += int64(len(over))
}

// after is the line and column behind a text.
func after(line, column int, text []byte) (newLine, newColumn int) {
	if n := bytes.Count(text, []byte("\n")); n > 0 {
		line += n
		column = 1
		text = text[bytes.LastIndexByte(text, '\n')+1:]
	}
	return line, column + utf8.RuneCount(text)
}

// boundary is the beginning of a line at or before a place, if there is one in reach, or of a character.
func boundary(text []byte, at int) int {
	if line := bytes.LastIndexByte(text[at-overlap:at], '\n'); line >= 0 {
		return at - overlap + line + 1
	}
	for !utf8.RuneStart(text[at]) && at > len(text)-overlap-utf8.UTFMax {
		at--
	}
	return at
}

// readable is a copy as a text. Each byte that belongs to no character becomes a question mark, so that places stay what
// they are.
func readable(held []byte) string {
	if utf8.Valid(held) {
		return string(held)
	}
	b := bytes.Clone(held)
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			b[i] = '?'
		}
		i += size
	}
	return string(b)
}

// String says where a finding is, as compilers do.
func (f Finding) String() string {
	switch {
	case f.Pointer != "":
		return "#" + f.Pointer
	case f.Column > 0:
		return fmt.Sprintf("%d:%d", f.Line, f.Column)
	}
	return fmt.Sprintf("%d", f.Line)
}
