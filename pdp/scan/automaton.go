package scan

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// What the automata may take, in states. An automaton that reaches its share starts afresh; if all of them together
// reach theirs, all do. Building a state costs budget, so a text that makes many of them ends as incomplete.
const (
	maxStates      = 4096
	maxStateBytes  = 24 << 20
	shrinkBytes    = maxStateBytes - 2<<20 // when to start afresh: the largest table grows by as much at a time
	stateCost      = 250                   // in steps, and threadCost for each of its threads
	threadCost     = 2
	checkpoint     = 32
	farCheckpoint  = 4096
	nearCheckpoint = 2048 // where checkpoints get rare
)

// automaton is a DFA built on demand from the programs of one or several regexes. It runs from one place of a text
// (it is anchored there) and tells where a match ends that begins there. What happened before that place comes in by
// the start state alone, so `^`, `$` and `\b` mean what they mean in regexp.
//
// Of one regex it keeps the threads in order of preference and drops those behind a match, so that the last match seen
// before it dies is the leftmost-first one: regexp's. Of several regexes (union) it keeps a set, and tells which rules
// match at all.
//
// States are shared by all goroutines. They are rows of a table, so that a step is one look-up, and states that were built one
// after the other, as a count goes on, are next to one another in memory.
type automaton struct {
	insts  []inst
	starts []uint32 // by preference
	union  bool
	zero   bool // there are assertions, so what stood before matters

	ascii   [utf8.RuneSelf]uint8
	bounds  []rune // the first runes of the intervals above ASCII
	class   []uint8
	example []rune    // a rune of each class; the class after the last is the end of the text
	accepts []byteset // set of runes → classes

	table atomic.Pointer[stateTable]

	mu    sync.Mutex
	bytes int
	pool  *statePool
	salt  uint64 // of the memo

	// Only under the mutex.
	seen []uint32 // marks of closure: pc was visited in pass seen[pc]
	pass uint32
}

// inst is an instruction of a program, with runes as a set shared by equal ones.
type inst struct {
	out, arg uint32 // arg is the rule for InstMatch
	runes    uint32 // index of the set
	op       syntax.InstOp
}

// before says what stands before a place, as far as assertions care.
type before uint8

const (
	beforeOther before = iota
	beforeBegin
	beforeNewline
	beforeWord
)

// stateTable has the states that were built so far. It only grows, and a larger one takes its place when it is full, with the
// same states in the same rows. Once there are too many, an empty one does; whoever still works with the old one may do so
// until a state is missing.
type stateTable struct {
	width  int             // of a row: the classes, and the end of the text
	next   []atomic.Uint32 // where a state leads by each class: a ref, or 0 if that is not built yet
	states []*state        // by row; written before any ref to it
	start  [4]atomic.Uint32

	// Under the mutex.
	index map[string]ref
	used  int // rows
}

// ref is a state of a table: where its row begins, and what nearly all steps only ask.
type ref uint32

const (
	refMatched = 1 << iota // a match ends before the rune that led here
	refDead                // nothing more can follow
	refShift   = iota
)

func (t *stateTable) at(r ref) *state { return t.states[int(r>>refShift)/t.width] }

type state struct {
	before  before
	threads []uint32
	rules   []int32 // union: those whose match ends here
	ref     ref
}

// statePool counts what all automata of a scanner hold.
type statePool struct {
	bytes    atomic.Int64
	mu       sync.Mutex
	automata []*automaton
}

func (p *statePool) register(a *automaton) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a.pool = p
	p.automata = append(p.automata, a)
	a.salt = uint64(len(p.automata)) * 0xD6E8FEB86659FD93
}

// shrink resets all automata, if it is still needed once it is our turn.
func (p *statePool) shrink() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes.Load() < shrinkBytes {
		return
	}
	for _, a := range p.automata {
		a.mu.Lock()
		a.reset()
		a.mu.Unlock()
	}
}

// newAutomaton makes the DFA of some programs; rules has the rule of each. One that is no union has one program. It must be
// registered with a pool before it runs.
func newAutomaton(union bool, progs []*syntax.Prog, rules []int32) *automaton {
	a := &automaton{union: union}
	n := 0
	for _, prog := range progs {
		n += len(prog.Inst)
	}
	a.insts = make([]inst, 0, n)
	sets := newRuneSets()
	for i, prog := range progs {
		base := uint32(len(a.insts))
		a.starts = append(a.starts, base+uint32(prog.Start))
		for j := range prog.Inst {
			in := &prog.Inst[j]
			next := inst{op: in.Op, out: base + in.Out, arg: base + in.Arg}
			switch in.Op {
			case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
				next.op = syntax.InstRune
				next.runes = uint32(sets.add(in))
			case syntax.InstEmptyWidth:
				next.arg = in.Arg
				a.zero = true
			case syntax.InstMatch:
				next.arg = uint32(rules[i])
			default: // the others lead on, or nowhere
			}
			a.insts = append(a.insts, next)
		}
	}
	a.seen = make([]uint32, len(a.insts))
	sets.partition(a)
	return a
}

// firstBytes are the bytes that a match may begin with: those of the instructions that can be reached whatever the
// assertions say.
func (a *automaton) firstBytes() (first byteset) {
	w := walk{a: a, flags: ^syntax.EmptyOp(0)}
	a.pass++
	for _, pc := range a.starts {
		w.cut = false
		w.follow(pc)
	}
	for _, pc := range w.found {
		set := a.accepts[a.insts[pc].runes]
		for c, class := range a.ascii {
			if set.has(class) {
				first.add(byte(c), byte(c))
			}
		}
		if slices.ContainsFunc(a.class, set.has) {
			first.add(utf8.RuneSelf, 0xFF)
		}
	}
	return first
}

// tooManyClasses says that the automaton can't be used: its rule has no plan.
func (a *automaton) tooManyClasses() bool { return len(a.example) > 254 }

// classOf is the class of the rune at text[pos], and its width.
func (a *automaton) classOf(text string, pos int) (class uint8, width int) {
	c, width := utf8.DecodeRuneInString(text[pos:])
	i, exact := slices.BinarySearch(a.bounds, c)
	if !exact {
		i--
	}
	return a.class[i], width
}

// after says what a rune is to what follows it.
func after(c rune) before {
	switch {
	case c == '\n':
		return beforeNewline
	case syntax.IsWordChar(c):
		return beforeWord
	}
	return beforeOther
}

// startAt is the state in which to begin at text[pos], and the table that it is of.
func (a *automaton) startAt(text string, pos int, budget *int) (*stateTable, ref) {
	b := beforeOther
	if a.zero {
		switch {
		case pos == 0:
			b = beforeBegin
		case text[pos-1] == '\n':
			b = beforeNewline
		case isWord(text[pos-1]):
			b = beforeWord
		}
	}
	if t := a.table.Load(); t != nil {
		if r := t.start[b].Load(); r != 0 {
			return t, ref(r)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	t, r := a.intern(a.starts, b, false, nil, budget)
	t.start[b].Store(uint32(r))
	return t, r
}

// step builds the transition from r, a state of t, by class. The table that it leads to may be another.
func (a *automaton) step(t *stateTable, r ref, class uint8, budget *int) (*stateTable, ref) {
	if a.pool.bytes.Load() >= shrinkBytes {
		a.pool.shrink()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := t.at(r)
	if now := a.table.Load(); now != t {
		if t, r = now, s.ref; now == nil || int(r>>refShift)/a.width() >= len(t.states) || t.at(r) != s {
			t, r = a.intern(s.threads, s.before, r&refMatched != 0, s.rules, budget)
			s = t.at(r)
		}
	}
	from := int(r>>refShift) + int(class)
	if next := t.next[from].Load(); next != 0 {
		return t, ref(next)
	}
	end := int(class) == len(a.example)
	c := rune(-1)
	if !end {
		c = a.example[class]
	}
	w := walk{a: a, flags: flagsBetween(s.before, c)}
	a.pass++
	for _, pc := range s.threads {
		if w.follow(pc); w.cut {
			break
		}
	}
	*budget -= max(w.visited-stateCost, 0) // what a state costs covers as many
	var threads []uint32
	b := beforeOther
	if !end {
		a.pass++
		for _, pc := range w.found {
			in := &a.insts[pc]
			if a.matches(in.runes, class) && a.seen[in.out] != a.pass {
				a.seen[in.out] = a.pass
				threads = append(threads, in.out)
			}
		}
		if a.zero && len(threads) > 0 {
			b = after(c)
		}
	}
	if a.union {
		slices.Sort(threads)
		slices.Sort(w.rules)
		w.rules = slices.Compact(w.rules)
	}
	to, next := a.intern(threads, b, w.matched, w.rules, budget)
	if from < len(to.next) && to.at(r) == s {
		to.next[from].Store(uint32(next))
	}
	return to, next
}

// width is the length of a row.
func (a *automaton) width() int { return len(a.example) + 1 }

// matches says whether the set of runes has the runes of the class.
func (a *automaton) matches(set uint32, class uint8) bool { return a.accepts[set].has(class) }

// flagsBetween are the assertions that hold between what stood before and a rune (-1: the end).
func flagsBetween(b before, c rune) syntax.EmptyOp {
	var flags syntax.EmptyOp
	switch b {
	case beforeBegin:
		flags = syntax.EmptyBeginText | syntax.EmptyBeginLine
	case beforeNewline:
		flags = syntax.EmptyBeginLine
	default:
	}
	switch c {
	case -1:
		flags |= syntax.EmptyEndText | syntax.EmptyEndLine
	case '\n':
		flags |= syntax.EmptyEndLine
	}
	if (b == beforeWord) != (c >= 0 && syntax.IsWordChar(c)) {
		return flags | syntax.EmptyWordBoundary
	}
	return flags | syntax.EmptyNoWordBoundary
}

// walk follows threads to the instructions that read a rune.
type walk struct {
	a       *automaton
	flags   syntax.EmptyOp
	found   []uint32
	rules   []int32
	visited int // instructions
	matched bool
	cut     bool // a match was met: what is less preferred is over
}

func (w *walk) follow(pc uint32) {
	a := w.a
	for {
		if a.seen[pc] == a.pass {
			return
		}
		a.seen[pc] = a.pass
		w.visited++
		in := &a.insts[pc]
		switch in.op {
		case syntax.InstAlt, syntax.InstAltMatch:
			if w.follow(in.out); w.cut {
				return
			}
			pc = in.arg
		case syntax.InstCapture, syntax.InstNop:
			pc = in.out
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(in.arg)&^w.flags != 0 {
				return
			}
			pc = in.out
		case syntax.InstMatch:
			w.matched = true
			if a.union {
				w.rules = append(w.rules, int32(in.arg))
			}
			w.cut = !a.union
			return
		case syntax.InstRune:
			w.found = append(w.found, pc)
			return
		default: // InstFail
			return
		}
	}
}

// intern gives the one state of these threads, in the table that is there then.
func (a *automaton) intern(threads []uint32, b before, matched bool, rules []int32, budget *int) (*stateTable, ref) {
	key := make([]byte, 0, 4*(len(threads)+len(rules))+2)
	flag := byte(b) << 1
	if matched {
		flag |= 1
	}
	key = append(key, flag)
	for _, pc := range threads {
		key = binary.LittleEndian.AppendUint32(key, pc)
	}
	key = append(key, 0xFF)
	for _, r := range rules {
		key = binary.LittleEndian.AppendUint32(key, uint32(r))
	}
	t := a.table.Load()
	if t != nil {
		if r, known := t.index[string(key)]; known {
			*budget -= stateCost/4 + threadCost*len(threads)
			return t, r
		}
	}
	*budget -= stateCost + threadCost*len(threads)
	t = a.room(t)
	r := ref(t.used*t.width) << refShift
	if matched {
		r |= refMatched
	}
	if len(threads) == 0 {
		r |= refDead
	}
	t.states[t.used] = &state{before: b, threads: slices.Clone(threads), rules: slices.Clone(rules), ref: r}
	t.index[string(key)] = r
	t.used++
	a.hold(160 + len(key) + 4*len(threads) + 4*len(rules))
	return t, r
}

// room gives a table with room for one more state: the one that is there, or one that takes its place.
func (a *automaton) room(t *stateTable) *stateTable {
	switch {
	case t == nil:
	case t.used < len(t.states):
		return t
	case t.used >= maxStates:
		a.reset()
		t = nil
	}
	n := 16
	if t != nil {
		n = min(2*len(t.states), maxStates)
	}
	width := a.width()
	// The first row stands for no state, as 0 is no ref.
	larger := &stateTable{width: width, next: make([]atomic.Uint32, n*width), states: make([]*state, n), index: make(map[string]ref), used: 1}
	a.hold(n * (4*width + 8))
	if t != nil {
		for i := range t.next {
			larger.next[i].Store(t.next[i].Load())
		}
		for i := range t.start {
			larger.start[i].Store(t.start[i].Load())
		}
		copy(larger.states, t.states)
		larger.index, larger.used = t.index, t.used
		a.hold(-len(t.states) * (4*width + 8))
	}
	a.table.Store(larger)
	return larger
}

// hold counts memory.
func (a *automaton) hold(bytes int) {
	a.bytes += bytes
	a.pool.bytes.Add(int64(bytes))
}

// reset forgets all states. The mutex must be held.
func (a *automaton) reset() {
	a.hold(-a.bytes)
	a.table.Store(nil)
}
