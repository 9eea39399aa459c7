package scan

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

// tails is an automaton of what patterns want to stand from the places on that a gate finds. Most words that a gate finds
// are not followed by what their pattern wants, and a few steps tell. What it says is that a match may be there, never that
// there is one: it knows ASCII only, and not all of that apart; behind anything else that the pattern may want, it says so at
// once. It takes whatever stands before the place for what the pattern wants there, and gives up after some bytes. In return
// its states are rows of one table, so that a step is one look-up in memory that is next to what was looked up before; and
// whichever texts come, it holds no more than maxTailStates of them.
type tails struct {
	table    atomic.Pointer[tailTable]
	followed []int32 // by tail: for how many bytes
	room     int     // for states: as many as bytes are followed

	// The rest only under the mutex.
	mu     sync.Mutex
	probes int                // of the gate
	nodes  [][]*syntax.Regexp // by tail: what stands one after the other
	starts []uint32           // by tail: its first instruction, or 0 if it was never asked for
	insts  []tailInst
	seen   []uint32 // by instruction: the pass in which follow was there
	pass   uint32
}

// tailInst is an instruction; one that reads a byte has the classes of which it takes some.
type tailInst struct {
	op       syntax.InstOp
	out, arg uint32
	takes    uint64 // of tailClass
}

// tailTable has the states that were built so far. It only grows; when it is full, a new one takes its place, and whoever
// still works with the old one may do so.
type tailTable struct {
	next []atomic.Uint32 // by state and class, two to each
	// entries has the state behind the letters that the gate compared, by probe, and then that of each tail as a whole.
	entries []atomic.Uint32
	used    atomic.Uint32 // states
	most    uint32

	// Under the mutex of tails.
	states  map[string]uint32
	threads [][]uint32
	before  []before
}

// What stands for no state of its own.
const (
	tailUnknown = iota // not built yet
	tailDead           // no match begins like this
	tailMaybe          // one may
	tailStates         // the first real one
)

const (
	// maxTail is how many bytes of a text are looked at. Whatever goes on further is left to the pattern's own automaton,
	// which remembers what it saw of a long text.
	maxTail = 64
	// maxWideTail is the same where a match may begin at many places before the tail. That automaton would run from each of them.
	maxWideTail   = 512
	maxTailStates = 1 << 14 // 2 MiB; a state's number has 16 bits
	noTail        = -1

	// beforeAny is what stands before the begin of a tail: whatever its assertions want.
	beforeAny = beforeWord + 1
	allFlags  = ^syntax.EmptyOp(0)
)

// followedFor is how many bytes the tail of a plan is followed for. In a gap, tails that begin one behind the other would all go on,
// and where there are gaps, what refuses nearly all places is cheap; see roughOf.
func followedFor(p *plan) int32 {
	if p.most-p.least < openingFrom {
		return maxTail
	}
	for _, node := range p.nodes {
		if _, gaps := uncounted(node); gaps || goesOnLong(node) {
			return maxTail
		}
	}
	return maxWideTail
}

// goesOnLong says whether a regex repeats something without end, or more often than an ordinary tail is followed for.
func goesOnLong(re *syntax.Regexp) bool {
	if re.Op == syntax.OpStar || re.Op == syntax.OpPlus || re.Op == syntax.OpRepeat && (re.Max < 0 || re.Max > maxTail) {
		return true
	}
	return slices.ContainsFunc(re.Sub, goesOnLong)
}

// tailClasses is how many classes the tails tell bytes apart in: few, so that the states of a text are near one another in
// memory. The last has all that is not ASCII.
const (
	tailClasses = 64
	tailBeyond  = tailClasses - 1
)

// tailClass is the class of each byte. All of a class are letters, digits or underscores, or none is, and a new line has one
// of its own: nothing else is asked of what stands around.
var tailClass, tailExample = func() (class [256]uint8, example [tailClasses]rune) {
	for b := range class {
		class[b] = tailBeyond
	}
	n := uint8(0)
	take := func(bytes string) {
		for i := range len(bytes) {
			class[bytes[i]], example[n] = n, rune(bytes[i])
		}
		n++
	}
	for c := byte('a'); c <= 'z'; c++ {
		take(string([]byte{c, c - 'a' + 'A'}))
	}
	// The most frequent ones first: what a text needs of a state is in one line of memory then.
	for _, bytes := range []string{" ", "\n", ".", ",", ":", "=", "\t", "\r\f\v", "'\"`", "([{", ")]}", "!^~%&"} {
		take(bytes)
	}
	var controls []byte
	for c := range byte(utf8.RuneSelf) {
		switch {
		case class[c] != tailBeyond:
		case c < ' ' || c == 0x7F:
			controls = append(controls, c)
		default:
			take(string(rune(c)))
		}
	}
	take(string(controls))
	return class, example
}()

// add registers the tail of a plan.
func (t *tails) add(p *plan) int32 {
	if p.nodes == nil {
		return noTail
	}
	t.nodes = append(t.nodes, p.nodes)
	t.starts = append(t.starts, 0)
	t.followed = append(t.followed, followedFor(p))
	t.room += int(t.followed[len(t.followed)-1])
	return int32(len(t.nodes) - 1)
}

// fits says whether text[start:] may be as the pattern of a probe wants it. compared says that the first letters of the
// probe are there.
func (t *tails) fits(f *Scratch, gate *gramGate, text string, start int, id int32, compared bool) bool {
	table := t.current()
	pos := start
	s := uint32(tailUnknown)
	if compared {
		pos += int(gate.letters[id])
		s = table.entries[id].Load()
	}
	if s == tailUnknown {
		s = t.enter(table, gate, id, compared, &f.budget)
	}
	return t.goesOn(f, table, text, pos, gate.tailEnd(text, start, id), s)
}

// current is the table to work with.
func (t *tails) current() *tailTable {
	table := t.table.Load()
	if table == nil || table.used.Load() >= table.most {
		table = t.renew(table)
	}
	return table
}

// goesOn is fits from a place and its state on, up to a stop.
func (t *tails) goesOn(f *Scratch, table *tailTable, text string, pos, stop int, s uint32) bool {
	budget, from := f.budget-2, pos
	for ; s >= tailStates; pos++ {
		if pos >= stop || budget < 0 {
			s = tailMaybe
			break
		}
		class := uint32(tailClass[text[pos]])
		next := table.to(s, class)
		if next == tailUnknown {
			next = t.step(table, s, class, &budget)
		}
		s = next
	}
	f.budget = budget - (pos - from)
	return s == tailMaybe
}

// renew publishes an empty table in the place of one that is full.
func (t *tails) renew(full *tailTable) *tailTable {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.table.Load(); now != full {
		return now
	}
	most := min(maxTailStates, t.room+256)
	table := &tailTable{
		next:    make([]atomic.Uint32, most*tailClasses/2),
		entries: make([]atomic.Uint32, t.probes+len(t.nodes)),
		states:  make(map[string]uint32),
		threads: make([][]uint32, tailStates, most),
		before:  make([]before, tailStates, most),
		most:    uint32(most),
	}
	for s := uint32(tailDead); s < tailStates; s++ {
		for class := range uint32(tailClasses) {
			table.set(s, class, s)
		}
	}
	table.used.Store(tailStates)
	t.table.Store(table)
	return table
}

// enter is the state behind the first letters of a probe, or of a tail that nothing was compared of.
func (t *tails) enter(table *tailTable, gate *gramGate, id int32, compared bool, budget *int) uint32 {
	p := &gate.probes[id]
	entry := &table.entries[id]
	if !compared {
		entry = &table.entries[t.probes+int(p.tail)]
	}
	if s := entry.Load(); s != tailUnknown {
		return s
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.intern(table, []uint32{t.start(p.tail)}, beforeAny, budget)
	for i := 0; compared && i < int(gate.letters[id]) && s >= tailStates; i++ {
		s = t.stepLocked(table, s, uint32(tailClass[gate.sets[p.sets[i]].least()]), budget)
	}
	entry.Store(s)
	return s
}

// start is the first instruction of a tail.
func (t *tails) start(tail int32) uint32 {
	if t.starts[tail] != 0 {
		return t.starts[tail]
	}
	if len(t.insts) == 0 {
		t.insts, t.seen = append(t.insts, tailInst{op: syntax.InstFail}), append(t.seen, 0) // so that no tail begins at 0
	}
	base := uint32(len(t.insts))
	tree := &syntax.Regexp{Op: syntax.OpConcat, Sub: t.nodes[tail]}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil { // never, for the whole pattern compiles; if so, everything fits
		t.insts, t.seen = append(t.insts, tailInst{op: syntax.InstMatch}), append(t.seen, 0)
		t.starts[tail] = base
		return base
	}
	for i := range prog.Inst {
		in := &prog.Inst[i]
		next := tailInst{op: in.Op, out: base + in.Out, arg: base + in.Arg}
		switch in.Op {
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			next.op = syntax.InstRune
			for c := range rune(utf8.RuneSelf) {
				if in.MatchRune(c) {
					next.takes |= 1 << tailClass[c]
				}
			}
			if takesBeyond(in) {
				next.takes |= 1 << tailBeyond
			}
		case syntax.InstEmptyWidth:
			next.arg = in.Arg
		default: // the others lead on, or nowhere
		}
		t.insts = append(t.insts, next)
	}
	t.seen = append(t.seen, make([]uint32, len(t.insts)-len(t.seen))...)
	t.starts[tail] = base + uint32(prog.Start)
	return t.starts[tail]
}

// takesBeyond says whether an instruction takes any character beyond ASCII, of which that of a byte that is no character's is one.
func takesBeyond(in *syntax.Inst) bool {
	switch {
	case len(in.Rune) != 1: // ranges, in order; those of a dot too
		return len(in.Rune) > 0 && in.Rune[len(in.Rune)-1] >= utf8.RuneSelf
	case syntax.Flags(in.Arg)&syntax.FoldCase == 0:
		return in.Rune[0] >= utf8.RuneSelf
	}
	for r := unicode.SimpleFold(in.Rune[0]); ; r = unicode.SimpleFold(r) {
		if r >= utf8.RuneSelf {
			return true
		} else if r == in.Rune[0] {
			return false
		}
	}
}

// to is where a state leads by a class.
func (t *tailTable) to(s, class uint32) uint32 {
	return t.next[s*(tailClasses/2)+class/2].Load() >> (class % 2 * 16) & 0xFFFF
}

// set says where.
func (t *tailTable) set(s, class, to uint32) {
	both := &t.next[s*(tailClasses/2)+class/2]
	shift := class % 2 * 16
	both.Store(both.Load()&^(0xFFFF<<shift) | to<<shift)
}

// step builds the transition of a state by a class.
func (t *tails) step(table *tailTable, s, class uint32, budget *int) uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stepLocked(table, s, class, budget)
}

func (t *tails) stepLocked(table *tailTable, s, class uint32, budget *int) uint32 {
	if known := table.to(s, class); known != tailUnknown {
		return known
	}
	if class == tailBeyond {
		table.set(s, class, tailMaybe)
		return tailMaybe
	}
	c := tailExample[class]
	flags := allFlags
	if table.before[s] != beforeAny {
		flags = flagsBetween(table.before[s], c)
	}
	w := t.walk(table.threads[s], flags)
	to := uint32(tailMaybe)
	if !w.matched {
		var threads []uint32
		for _, pc := range w.reads {
			if in := &t.insts[pc]; in.takes>>class&1 != 0 {
				threads = append(threads, in.out)
			}
		}
		slices.Sort(threads)
		to = t.intern(table, slices.Compact(threads), after(c), budget)
	}
	table.set(s, class, to)
	return to
}

// intern gives the one state of these threads.
func (t *tails) intern(table *tailTable, threads []uint32, b before, budget *int) uint32 {
	if len(threads) == 0 {
		return tailDead
	}
	sure := t.walk(threads, 0)
	if sure.matched {
		return tailMaybe
	}
	if !sure.asserts && b != beforeAny {
		b = beforeOther
	}
	key := make([]byte, 1, 1+4*len(threads))
	key[0] = byte(b)
	for _, pc := range threads {
		key = binary.LittleEndian.AppendUint32(key, pc)
	}
	if s, known := table.states[string(key)]; known {
		*budget -= stateCost/4 + threadCost*len(threads)
		return s
	}
	*budget -= stateCost + threadCost*len(threads)
	s := table.used.Load()
	if s >= table.most {
		return tailMaybe // whoever comes next finds a new table
	}
	table.used.Store(s + 1)
	table.states[string(key)] = s
	table.threads = append(table.threads, threads)
	table.before = append(table.before, b)
	if most := t.walk(threads, allFlags); !most.matched {
		takes := uint64(0)
		for _, pc := range most.reads {
			takes |= t.insts[pc].takes
		}
		for class := range uint32(tailClasses) {
			if takes>>class&1 == 0 {
				table.set(s, class, tailDead)
			}
		}
	}
	return s
}

// tailWalk is what threads come to without reading anything.
type tailWalk struct {
	reads   []uint32 // instructions that read a byte
	matched bool
	asserts bool // one has to do with what stands around
}

func (t *tails) walk(threads []uint32, flags syntax.EmptyOp) (w tailWalk) {
	t.pass++
	for _, pc := range threads {
		t.follow(&w, pc, flags)
	}
	return w
}

func (t *tails) follow(w *tailWalk, pc uint32, flags syntax.EmptyOp) {
	for t.seen[pc] != t.pass {
		t.seen[pc] = t.pass
		in := &t.insts[pc]
		switch in.op {
		case syntax.InstAlt, syntax.InstAltMatch:
			t.follow(w, in.out, flags)
			pc = in.arg
		case syntax.InstCapture, syntax.InstNop:
			pc = in.out
		case syntax.InstEmptyWidth:
			w.asserts = true
			if syntax.EmptyOp(in.arg)&^flags != 0 {
				return
			}
			pc = in.out
		case syntax.InstMatch:
			w.matched = true
			return
		case syntax.InstRune:
			w.reads = append(w.reads, pc)
			return
		default: // InstFail
			return
		}
	}
}
