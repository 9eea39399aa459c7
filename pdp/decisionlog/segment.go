package decisionlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A segment is one file of the log. Its name holds the number of its first line, so that names sort like lines
// and an empty one still says where the count stands.
type segment struct {
	path  string
	first uint64
	size  int64
}

var segmentName = regexp.MustCompile(`^decisions-([0-9]{20})\.jsonl$`)

func segmentPath(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("decisions-%020d.jsonl", first))
}

// segments lists the files of a log, oldest first.
func segments(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("decision log: %w", err)
	}
	var segs []segment
	for _, e := range entries {
		m := segmentName.FindStringSubmatch(e.Name())
		if m == nil || !e.Type().IsRegular() {
			continue
		}
		first, err := strconv.ParseUint(m[1], 10, 64)
		if err != nil || first == 0 {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // pruned between the two looks
		}
		if err != nil {
			return nil, fmt.Errorf("decision log: %w", err)
		}
		segs = append(segs, segment{path: filepath.Join(dir, e.Name()), first: first, size: info.Size()})
	}
	slices.SortFunc(segs, func(a, b segment) int { return strings.Compare(a.path, b.path) })
	return segs, nil
}

// settle finds where the newest segment's last whole line ends, keeps aside what a crash left after it, and sets
// the segment's size to that end; the writer cuts the file to it before it writes. It returns the number of the
// last line and how many bytes are left over.
func settle(seg *segment) (last uint64, torn int64, err error) {
	f, err := os.Open(seg.path)
	if err != nil {
		return 0, 0, fmt.Errorf("decision log: %w", err)
	}
	defer f.Close()
	// Two of the longest lines hold at least one whole one, if there is one.
	start := max(0, seg.size-2*maxLineBytes)
	tail := make([]byte, seg.size-start)
	if _, err := io.ReadFull(io.NewSectionReader(f, start, seg.size-start), tail); err != nil {
		return 0, 0, fmt.Errorf("decision log: read %s: %w", seg.path, err)
	}
	last, end := lastLine(tail)
	switch {
	case end == 0 && start > 0:
		return 0, 0, &Error{Reason: Damaged, Op: "open", Err: fmt.Errorf("no readable line in the last %d bytes of %s: move it aside", len(tail), seg.path)}
	case end == 0:
		last = seg.first - 1
	case last < seg.first:
		return 0, 0, &Error{Reason: Damaged, Op: "open", Err: fmt.Errorf("%s ends with line %d: move it aside", seg.path, last)}
	}
	rest := tail[end:]
	if len(rest) == 0 {
		return last, 0, nil
	}
	good := start + int64(end)
	// Blanks are what a probe of the disk left, and nobody's line.
	if len(bytes.Trim(rest, " ")) > 0 {
		if err := setAside(fmt.Sprintf("%s.%d.torn", seg.path, good), rest); err != nil {
			return 0, 0, err
		}
	}
	seg.size = good
	return last, int64(len(rest)), nil
}

// lastLine finds the last readable line, and where it ends; end is 0 if there is none.
func lastLine(tail []byte) (seq uint64, end int) {
	for end = bytes.LastIndexByte(tail, '\n') + 1; end > 0; {
		begin := bytes.LastIndexByte(tail[:end-1], '\n') + 1
		if e, err := decode(tail[begin : end-1]); err == nil {
			return e.Seq, end
		}
		end = begin
	}
	return 0, 0
}

func setAside(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("decision log: keep the torn line: %w", err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("decision log: keep the torn line: %w", err)
	}
	return nil
}

// prune removes the oldest segments, with what was set aside of them, until the rest fits. The newest stays.
// It returns what is left.
func prune(segs []segment, maxFiles int, maxBytes int64) ([]segment, error) {
	total := int64(0)
	for _, s := range segs {
		total += s.size
	}
	for len(segs) > 1 && (len(segs) > maxFiles || total > maxBytes) {
		torn, err := tornOf(segs[0].path)
		if err != nil {
			return segs, fmt.Errorf("decision log: prune: %w", err)
		}
		for _, path := range append(torn, segs[0].path) {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return segs, fmt.Errorf("decision log: prune: %w", err)
			}
		}
		total -= segs[0].size
		segs = segs[1:]
	}
	return segs, nil
}

// tornOf lists what was set aside of one segment.
func tornOf(path string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var torn []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), filepath.Base(path)+".") && strings.HasSuffix(e.Name(), ".torn") {
			torn = append(torn, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	return torn, nil
}

// syncDir makes a new name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
