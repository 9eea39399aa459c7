package scan

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// runeSets are the distinct sets of runes of a program.
type runeSets struct {
	byKey map[string]int
	insts []*syntax.Inst
	key   []byte
}

func newRuneSets() *runeSets { return &runeSets{byKey: make(map[string]int)} }

func (r *runeSets) add(in *syntax.Inst) int {
	if n := len(r.insts); n > 0 && sameRunes(in, r.insts[n-1]) {
		return n - 1
	}
	r.key = append(r.key[:0], byte(in.Op))
	if in.Op == syntax.InstRune || in.Op == syntax.InstRune1 {
		r.key = append(r.key, byte(in.Arg))
		for _, c := range in.Rune {
			r.key = binary.LittleEndian.AppendUint32(r.key, uint32(c))
		}
	}
	i, known := r.byKey[string(r.key)]
	if !known {
		i = len(r.insts)
		r.byKey[string(r.key)] = i
		r.insts = append(r.insts, in)
	}
	return i
}

// sameRunes says whether two instructions were made of the same class or letter, as those of a repeat are.
func sameRunes(a, b *syntax.Inst) bool {
	return a.Op == b.Op && a.Arg == b.Arg && len(a.Rune) == len(b.Rune) && len(a.Rune) > 0 && &a.Rune[0] == &b.Rune[0]
}

// partition divides all runes into classes that no instruction tells apart, and turns the sets into classes.
func (r *runeSets) partition(a *automaton) {
	a.bounds = r.bounds()
	// One rune of each interval, and those of ASCII by themselves, in order; so are the classes.
	n := utf8.RuneSelf + len(a.bounds)
	var room partitionRoom
	runes, within := atLeast(room.runes[:], n), atLeast(room.within[:], n)
	for i := range utf8.RuneSelf {
		runes[i] = rune(i)
	}
	copy(runes[utf8.RuneSelf:], a.bounds)
	p := partition{of: atLeast(room.of[:], n), halves: atLeast(room.halves[:], n), classes: 1}
	for _, in := range r.insts {
		runesWithin(in, runes, within)
		p.divide(within)
	}
	if a.zero {
		for _, b := range [...]before{beforeNewline, beforeWord} {
			for i, c := range runes {
				within[i] = after(c) == b
			}
			p.divide(within)
		}
	}
	a.class = make([]uint8, len(a.bounds))
	for i, c := range runes {
		if int(p.of[i]) == len(a.example) {
			a.example = append(a.example, c)
		}
		if class := uint8(min(p.of[i], 255)); i < utf8.RuneSelf { // see tooManyClasses
			a.ascii[i] = class
		} else {
			a.class[i-utf8.RuneSelf] = class
		}
	}
	a.accepts = make([]byteset, len(r.insts))
	for i, in := range r.insts {
		for class, c := range a.example {
			if class < 256 && in.MatchRune(c) {
				a.accepts[i].add(byte(class), byte(class))
			}
		}
	}
}

// bounds are the first runes of the intervals above ASCII.
func (r *runeSets) bounds() []rune {
	cuts := []rune{utf8.RuneSelf}
	cut := func(lo, hi rune) {
		if hi >= utf8.RuneSelf {
			cuts = append(cuts, max(lo, utf8.RuneSelf), hi+1)
		}
	}
	for _, in := range r.insts {
		if in.Op != syntax.InstRune && in.Op != syntax.InstRune1 {
			continue
		}
		if len(in.Rune) == 1 {
			first := in.Rune[0]
			cut(first, first)
			for f := unicode.SimpleFold(first); f != first; f = unicode.SimpleFold(f) {
				cut(f, f)
			}
			continue
		}
		for i := 0; i+1 < len(in.Rune); i += 2 {
			cut(in.Rune[i], in.Rune[i+1])
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	if cuts[len(cuts)-1] > unicode.MaxRune {
		cuts = cuts[:len(cuts)-1]
	}
	return cuts
}

// runesWithin says which of some runes, those of ASCII first, an instruction reads.
func runesWithin(in *syntax.Inst, runes []rune, within []bool) {
	from := 0
	if len(in.Rune) > 1 {
		clear(within[:utf8.RuneSelf])
		for i := 0; i+1 < len(in.Rune); i += 2 {
			for c := in.Rune[i]; c <= min(in.Rune[i+1], utf8.RuneSelf-1); c++ {
				within[c] = true
			}
		}
		from = utf8.RuneSelf
	}
	for i, c := range runes[from:] {
		within[from+i] = in.MatchRune(c)
	}
}

// partitionRoom is memory for a partition of nearly any pattern.
type partitionRoom struct {
	runes  [partitionRunes]rune
	within [partitionRunes]bool
	of     [partitionRunes]int32
	halves [partitionRunes][2]int32
}

const partitionRunes = utf8.RuneSelf + 64

// atLeast gives n values, from the room that there is if it is enough.
func atLeast[T any](room []T, n int) []T {
	if n <= len(room) {
		return room[:n]
	}
	return make([]T, n)
}

// partition is of some runes, in classes that are numbered in the order of their first runes.
type partition struct {
	of      []int32 // by rune
	classes int
	halves  [][2]int32 // by class: what becomes of what is not in a set and of what is, counted from one
}

// divide tells apart what is within a set.
func (p *partition) divide(within []bool) {
	clear(p.halves[:p.classes])
	p.classes = 0
	for i, in := range within {
		half := 0
		if in {
			half = 1
		}
		to := &p.halves[p.of[i]][half]
		if *to == 0 {
			p.classes++
			*to = int32(p.classes) // #nosec G115 -- there are no more than runes
		}
		p.of[i] = *to - 1
	}
}
