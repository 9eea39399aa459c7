package scan

import "unicode/utf8"

// The memo of runs: long runs leave checkpoints, so that a later run of the same rule that comes to the same state at
// the same place takes over the outcome. Without it a text such as `key=key=key=…` would cost its square: each `key=`
// starts a run over all that follow. Places near a run's start are frequent, those far from it rare, and all are
// multiples of a grid, so that runs meet.
const memoSize = 4096 // entries; a later one takes the place of an earlier one

type memoEntry struct {
	state *state
	pos   int
	end   int // of the last match after pos, or -1
	death int
}

type visit struct {
	slot  int
	pos   int
	state *state
}

// run tells where the match ends that begins at text[p], or -1, and how far the text decides that: text[:death], or
// the end of the text. It stops when the budget is used up, which then is negative.
func (f *Scratch) run(a *automaton, text string, p int) (end, death int) {
	budget := f.budget
	t, s := a.startAt(text, p, &budget)
	end = -1
	pos := p
	base := p                                // since when steps are not paid
	check := nextCheckpoint(p, p+checkpoint) // most runs are over by then, and have nothing to do with the memo
	visits := f.visits[:0]
	for s&refDead == 0 {
		s, pos = a.coast(t, s, text, pos, min(check-1, len(text)))
		class, width := uint8(len(a.example)), 1
		if pos < len(text) {
			if b := text[pos]; b < utf8.RuneSelf {
				class = a.ascii[b]
			} else {
				class, width = a.classOf(text, pos)
			}
		}
		next := ref(t.next[int(s>>refShift)+int(class)].Load())
		if next == 0 {
			if t, next = a.step(t, s, class, &budget); budget < pos-base {
				break // states cost so much that it can't wait for the next checkpoint
			}
		}
		s = next
		if s&refMatched != 0 {
			end = pos
		}
		pos += width
		if pos >= check && s&refDead == 0 {
			budget -= pos - base
			base = pos
			if budget < 0 {
				break
			}
			slot, here := memoSlot(pos, a), t.at(s)
			if f.memo == nil {
				f.memo = make([]memoEntry, memoSize)
			}
			if m := &f.memo[slot]; m.state == here && m.pos == pos {
				if m.end >= 0 {
					end = m.end
				}
				pos = m.death
				base = pos
				break
			}
			visits = append(visits, visit{slot, pos, here})
			check = nextCheckpoint(p, pos)
		}
	}
	budget -= pos - base + 2
	f.budget = budget
	pos = min(pos, len(text))
	if budget >= 0 {
		for _, v := range visits {
			e := end
			if e < v.pos {
				e = -1
			}
			f.memo[v.slot] = memoEntry{v.state, v.pos, e, pos}
			f.dirty = append(f.dirty, int32(v.slot))
		}
	}
	f.visits = visits
	return end, pos
}

// coast goes on to text[stop] at most, over ASCII, as long as each state that it comes to is known and nothing comes of it. That is
// what most steps are like, and a processor has little more to do for one than to wait for the last one.
func (a *automaton) coast(t *stateTable, s ref, text string, pos, stop int) (now ref, at int) {
	next := t.next
	for ; pos < stop; pos++ {
		b := text[pos]
		if b >= utf8.RuneSelf {
			break
		}
		to := ref(next[int(s>>refShift)+int(a.ascii[b])].Load())
		if to == 0 || to&(refMatched|refDead) != 0 {
			break
		}
		s = to
	}
	return s, pos
}

// nextCheckpoint is where a run that began at p and stands at pos is to look into the memo next.
func nextCheckpoint(p, pos int) int {
	if pos-p < nearCheckpoint {
		return (pos | (checkpoint - 1)) + 1
	}
	return (pos | (farCheckpoint - 1)) + 1
}

func memoSlot(pos int, a *automaton) int {
	return int((uint64(pos)>>5*0x9E3779B97F4A7C15 + a.salt) >> 40 % memoSize)
}

// forget drops what belongs to one text, so that a scratch in a pool keeps nothing of a text or a policy alive.
func (f *Scratch) forget() {
	if len(f.dirty) == 0 {
		return
	}
	for _, i := range f.dirty {
		f.memo[i] = memoEntry{}
	}
	f.dirty = f.dirty[:0]
	clear(f.visits[:cap(f.visits)])
}

// isBoundary says whether regexp, which reads rune by rune, would ever try text[p:].
func isBoundary(text string, p int) bool {
	if p >= len(text) || utf8.RuneStart(text[p]) {
		return true
	}
	for q := p - 1; q >= 0 && q >= p-3; q-- {
		if utf8.RuneStart(text[q]) {
			_, width := utf8.DecodeRuneInString(text[q:])
			return q+width <= p
		}
	}
	return true
}
