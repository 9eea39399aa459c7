package scan

// reach is the leftmost place where a match may begin whose prefix, of least to most bytes of a set, ends at start. tail
// tells plans apart.
func (f *Scratch) reach(prefix *byteset, text string, start, least, most int, tail int32) int {
	if least == most {
		return start - most
	}
	from, stop := start, max(start-most, 0)
	if tail == noTail {
		for from > stop && prefix.has(text[from-1]) {
			from--
		}
		f.budget -= (start - from) / 4
	} else {
		w := &f.walks[tail]
		if w.epoch != f.epoch {
			*w = walks{epoch: f.epoch}
		}
		from = w.back(prefix, text, start, stop, &f.budget)
	}
	if from == 0 && most >= unbounded {
		f.overran = f.overran || f.cut
	}
	return from
}

// walks are the last two stretches of a plan's prefix that were walked through. A place in one of them, or behind it, need
// not be walked back from again; without that a text with many places would cost its square. Two, for places come in the order
// of the text but for a few bytes.
type walks struct {
	epoch        uint32
	last, before stretch
}

// stretch is text[from:end], all of one set: as much of it as there was, or as the prefix may take.
type stretch struct{ from, end int32 }

// back is the leftmost place from stop on from which all up to start is of the prefix.
func (w *walks) back(prefix *byteset, text string, start, stop int, budget *int) int {
	s := &w.last
	if start < int(s.from) {
		s = &w.before
	}
	from, end := start, int(s.end)
	joins := start >= int(s.from) && start <= end
	if !joins {
		for from > stop && from != end && prefix.has(text[from-1]) {
			from--
		}
		joins = from == end
	}
	steps := start - from
	if joins {
		at := max(int(s.from), stop)
		for from = at; from > stop && prefix.has(text[from-1]); {
			from--
		}
		steps += at - from
	} else if s == &w.last {
		w.before = w.last
	}
	if *budget -= steps / 4; start > end || !joins {
		*s = stretch{int32(from), int32(start)}
	}
	return from
}
