package scan

import (
	"regexp/syntax"
	"slices"
)

// ahead tells what may stand at each of the bytes behind a route, all ways of going on from it taken together. A route ends
// where the ways part, or where what it has is rare enough; what comes then still tells most places apart where it stands.
type ahead struct {
	prog *syntax.Prog
	// seqs are the sequences of bytes that an instruction reads, by instruction.
	seqs          [][][]byteset
	threads, next []aheadThread
	sets          []byteset
	seen          []aheadSeen // by instruction
	pass          uint32
}

// aheadSeen says with which limits, and behind what, closure was there in a pass.
type aheadSeen struct {
	pass uint32
	with uint16
}

// aheadThread is amidst one of the sequences of an instruction.
type aheadThread struct {
	pc      uint32
	seq, at uint8
	limit   aheadLimit
}

// aheadLimit is what a word boundary before a byte says about it.
type aheadLimit uint8

const (
	anyLimit aheadLimit = iota
	wordLimit
	apartLimit
)

const (
	aheadBytes   = expandBytes + 4
	aheadThreads = 48 // more tell too little
	aheadClass   = 8
	// Numbers of no instruction: whatever may stand there.
	lost = 1<<32 - 1
)

// newAhead is for routes that begin at some nodes, or nil.
func newAhead(nodes []*syntax.Regexp) *ahead {
	begin, _ := beginOf(&syntax.Regexp{Op: syntax.OpConcat, Sub: nodes}, aheadBytes+1)
	prog, err := syntax.Compile(begin.Simplify())
	if err != nil {
		return nil
	}
	return aheadOf(prog)
}

// beginOf is a regex that goes on as another one does for its first runes, and says how many fewer than those it may take. To
// compile a long repeat takes much longer than to look at its begin.
func beginOf(re *syntax.Regexp, runes int) (begin *syntax.Regexp, missing int) {
	switch {
	case re.Op == syntax.OpRepeat && re.Max > runes && minLength(re.Sub[0]) > 0:
		re = &syntax.Regexp{Op: syntax.OpRepeat, Flags: re.Flags, Min: min(re.Min, runes), Max: runes, Sub: re.Sub}
	case re.Op == syntax.OpRepeat && re.Max < 0 && re.Min > runes && minLength(re.Sub[0]) > 0:
		re = &syntax.Regexp{Op: syntax.OpRepeat, Flags: re.Flags, Min: runes, Max: runes, Sub: re.Sub}
	case re.Op == syntax.OpConcat:
		concat := &syntax.Regexp{Op: syntax.OpConcat, Flags: re.Flags}
		for _, sub := range re.Sub {
			if runes <= 0 {
				break
			}
			sub, runes = beginOf(sub, runes)
			concat.Sub = append(concat.Sub, sub)
		}
		return concat, runes
	}
	return re, runes - minLength(re)
}

func aheadOf(prog *syntax.Prog) *ahead {
	return &ahead{prog: prog, seqs: make([][][]byteset, len(prog.Inst)), seen: make([]aheadSeen, len(prog.Inst))}
}

// behind gives the sets of a route and of the bytes behind it, as long as they say something. They are good until the next call.
func (a *ahead) behind(route []byteset) []byteset {
	a.sets = append(a.sets[:0], route...)
	a.threads = a.threads[:0]
	a.pass++
	a.threads = a.follow(a.threads, uint32(a.prog.Start), anyByte, anyLimit)
	for i := range aheadBytes {
		allowed := anyByte
		if i < len(route) {
			allowed = route[i]
		}
		var may byteset
		a.next = a.next[:0]
		a.pass++
		for _, t := range a.threads {
			may.union(a.step(t, allowed))
		}
		a.threads, a.next = a.next, a.threads
		if len(a.threads) > aheadThreads || len(a.threads) == 0 || may == anyByte {
			break
		}
		if i >= len(route) {
			a.sets = append(a.sets, may)
		}
	}
	return a.sets
}

// step lets a thread read one byte of those allowed, and gives those that it may read.
func (a *ahead) step(t aheadThread, allowed byteset) byteset {
	set, last := anyByte, true
	if t.pc != lost {
		seq := a.sequences(t.pc)[t.seq]
		set, last = seq[t.at], int(t.at)+1 == len(seq)
	}
	switch t.limit {
	case wordLimit:
		allowed = allowed.both(wordBytes)
	case apartLimit:
		allowed = allowed.both(aroundWords)
	default:
	}
	if set = set.both(allowed); set == (byteset{}) {
		return set
	}
	switch {
	case t.pc == lost:
		a.next = a.leave(a.next, anyLimit)
	case last:
		a.next = a.follow(a.next, a.prog.Inst[t.pc].Out, set, anyLimit)
	default:
		t.at, t.limit = t.at+1, anyLimit
		if !slices.Contains(a.next, t) {
			a.next = append(a.next, t)
		}
	}
	return set
}

// leave adds that whatever may stand there.
func (a *ahead) leave(threads []aheadThread, limit aheadLimit) []aheadThread {
	t := aheadThread{pc: lost, limit: limit}
	if !slices.Contains(threads, t) {
		threads = append(threads, t)
	}
	return threads
}

// follow adds what an instruction comes to without reading, behind one of some bytes.
func (a *ahead) follow(threads []aheadThread, pc uint32, behind byteset, limit aheadLimit) []aheadThread {
	before := behindAny
	switch word, apart := behind.intersects(wordBytes), behind.intersects(aroundWords); {
	case !apart:
		before = behindWord
	case !word:
		before = behindApart
	}
	return a.closure(threads, pc, before, limit)
}

// What stands before: a word character, none, or either.
const (
	behindWord = iota
	behindApart
	behindAny
)

// closure is follow once it is known what stands before, which matters to boundaries only.
func (a *ahead) closure(threads []aheadThread, pc uint32, behind int, limit aheadLimit) []aheadThread {
	seen, with := &a.seen[pc], uint16(1)<<(3*int(limit)+behind)
	if seen.pass != a.pass {
		*seen = aheadSeen{pass: a.pass}
	}
	if seen.with&with != 0 {
		return threads
	}
	seen.with |= with
	in := &a.prog.Inst[pc]
	switch in.Op {
	case syntax.InstAlt, syntax.InstAltMatch:
		return a.closure(a.closure(threads, in.Out, behind, limit), in.Arg, behind, limit)
	case syntax.InstCapture, syntax.InstNop:
		return a.closure(threads, in.Out, behind, limit)
	case syntax.InstEmptyWidth:
		if op := syntax.EmptyOp(in.Arg); limit == anyLimit && behind != behindAny {
			switch {
			case op&syntax.EmptyWordBoundary != 0 && behind == behindWord, op&syntax.EmptyNoWordBoundary != 0 && behind == behindApart:
				limit = apartLimit
			case op&(syntax.EmptyWordBoundary|syntax.EmptyNoWordBoundary) != 0:
				limit = wordLimit
			}
		}
		return a.closure(threads, in.Out, behind, limit)
	case syntax.InstMatch:
		return a.leave(threads, limit)
	case syntax.InstFail:
		return threads
	default:
		seqs := a.sequences(pc)
		for i := range seqs {
			threads = append(threads, aheadThread{pc: pc, seq: uint8(i), limit: limit})
		}
		if len(seqs) == 0 {
			threads = a.leave(threads, limit)
		}
		return threads
	}
}

// sequences are what an instruction reads, or none if that is too much to tell.
func (a *ahead) sequences(pc uint32) [][]byteset {
	if a.seqs[pc] == nil {
		in := &a.prog.Inst[pc]
		if before := pc - 1; pc > 0 && a.seqs[before] != nil && sameRunes(in, &a.prog.Inst[before]) {
			a.seqs[pc] = a.seqs[before] // a repeat
			return a.seqs[pc]
		}
		ranges := in.Rune
		if len(ranges) == 1 {
			ranges = literalRanges(ranges[0], syntax.Flags(in.Arg))
		}
		seqs, ok := byteSequences(ranges, aheadClass)
		if !ok || in.Op == syntax.InstRuneAny || in.Op == syntax.InstRuneAnyNotNL {
			seqs = [][]byteset{}
		}
		a.seqs[pc] = seqs
	}
	return a.seqs[pc]
}
