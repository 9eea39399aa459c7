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
}

func newRuneSets() *runeSets { return &runeSets{byKey: make(map[string]int)} }

func (r *runeSets) add(in *syntax.Inst) int {
	key := make([]byte, 0, 16)
	key = append(key, byte(in.Op))
	if in.Op == syntax.InstRune || in.Op == syntax.InstRune1 {
		key = append(key, byte(in.Arg))
		for _, c := range in.Rune {
			key = binary.LittleEndian.AppendUint32(key, uint32(c))
		}
	}
	i, known := r.byKey[string(key)]
	if !known {
		i = len(r.insts)
		r.byKey[string(key)] = i
		r.insts = append(r.insts, in)
	}
	return i
}

// partition divides all runes into classes that no instruction tells apart, and turns the sets into classes.
func (r *runeSets) partition(a *automaton) {
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
	classes := make(map[string]uint8)
	classOf := func(c rune) uint8 {
		key := make([]byte, 0, len(r.insts)/8+2)
		var b byte
		for i, in := range r.insts {
			if in.MatchRune(c) {
				b |= 1 << (i & 7)
			}
			if i&7 == 7 {
				key, b = append(key, b), 0
			}
		}
		key = append(key, b)
		if a.zero {
			key = append(key, byte(after(c)))
		}
		id, known := classes[string(key)]
		if !known {
			id = uint8(min(len(classes), 255)) // see tooManyClasses
			classes[string(key)] = id
			a.example = append(a.example, c)
		}
		return id
	}
	for c := range rune(utf8.RuneSelf) {
		a.ascii[c] = classOf(c)
	}
	a.bounds = cuts
	for _, c := range cuts {
		a.class = append(a.class, classOf(c))
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
