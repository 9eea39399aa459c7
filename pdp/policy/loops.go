package policy

import (
	"fmt"
	"slices"
)

// Level is how far a loop has come. Policy sees levels and no counts, so that answers can be remembered.
type Level string

// The levels, lowest first.
const (
	LevelNone Level = "none"
	LevelWarn Level = "warn"
	LevelAsk  Level = "ask"
	LevelDeny Level = "deny"
)

// Loops is the table `loops`: from how many calls on a loop is at which level.
type Loops struct {
	Repeats Thresholds `json:"repeats"`
	Cycles  Thresholds `json:"cycles"`
	// ExemptTools may be called again and again, as one that waits for something is.
	ExemptTools []string `json:"exempt_tools"`
}

// Thresholds are numbers of calls, the one that is being decided counted.
type Thresholds struct {
	WarnCalls int64 `json:"warn_calls"`
	AskCalls  int64 `json:"ask_calls"`
	DenyCalls int64 `json:"deny_calls"`
}

// Level is the level of so many calls. Reached says that they have come to it with this very call.
func (t Thresholds) Level(calls int64) (level Level, reached bool) {
	switch {
	case calls >= t.DenyCalls:
		return LevelDeny, calls == t.DenyCalls
	case calls >= t.AskCalls:
		return LevelAsk, calls == t.AskCalls
	case calls >= t.WarnCalls:
		return LevelWarn, calls == t.WarnCalls
	}
	return LevelNone, false
}

// Exempt says whether a tool may be called again and again.
func (l *Loops) Exempt(tool string) bool { return slices.Contains(l.ExemptTools, tool) }

const maxLoopCalls = 1_000_000

func (t *Tables) checkLoops() []error {
	errs := []error{t.checkNarrowing("tables/loops: exempt_tools", t.Loops.ExemptTools, nil)}
	for name, at := range map[string]Thresholds{"repeats": t.Loops.Repeats, "cycles": t.Loops.Cycles} {
		if at.WarnCalls < 2 || at.AskCalls < at.WarnCalls || at.DenyCalls < at.AskCalls || at.DenyCalls > maxLoopCalls {
			errs = append(errs, fmt.Errorf("tables/loops: %s: 2 ≤ warn_calls ≤ ask_calls ≤ deny_calls ≤ %d must hold", name, maxLoopCalls))
		}
	}
	return errs
}
