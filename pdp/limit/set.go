package limit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// Set is a table of limits, taken apart once so that a call need not. It never changes; it belongs to one snapshot of
// policy, and any number of goroutines may share it.
type Set struct {
	defs   []Definition
	rules  []rule
	byHead map[string]*rule
}

// rule is one row.
type rule struct {
	def     *Definition
	measure byte
	scope   scopeMask
	head    []byte // of the key, behind the tenant
	period  ledger.Period
	table   int64 // the number of its table
	class   ledger.Class
	// most is how many units may be in use: the definition's max, or one less where reaching it is going too far.
	most     int64
	attempts bool
	local    bool  // goes on for a while without the ledger
	share    int64 // units to hold for that
}

// tables numbers them, so that a cell can tell which one its block was drawn for.
var tables atomic.Int64

// Compile takes a table apart. The error says all that is wrong with it.
func Compile(defs []Definition) (*Set, error) {
	if len(defs) > MaxDefinitions {
		return nil, fmt.Errorf("%w: %d limits, at most %d", ErrInvalid, len(defs), MaxDefinitions)
	}
	s := &Set{defs: slices.Clone(defs), rules: make([]rule, len(defs))}
	var errs []error
	table := tables.Add(1)
	s.byHead = make(map[string]*rule, len(defs))
	for i := range s.defs {
		d := &s.defs[i]
		if err := d.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("limit %q: %w", d.Name, err))
			continue
		}
		r := &s.rules[i]
		r.def, r.measure, r.scope, r.period, r.table = d, measureCode(d.Measure), scopeOf(d.Scope), d.ledgerPeriod(), table
		r.head = append(appendPart(nil, d.Name), r.measure, byte(r.scope|tenantBit))
		if r.period.Kind != ledger.Sliding { // a limit that changes how it forgets begins anew
			r.head[len(r.head)-2] |= byte(r.period.Kind) << 4
		}
		// Two rows with one key would share a counter, and each would see room for itself.
		if _, there := s.byHead[string(r.head)]; there {
			errs = append(errs, fmt.Errorf("limit %q stands there twice", d.Name))
		}
		s.byHead[string(r.head)] = r
		r.most, r.attempts, r.local = d.Max, d.Counts == Attempts, d.OnUnavailable == UnavailableLocal
		if d.Measure == Failures || d.onExceed() == Alert {
			r.most--
		}
		switch d.onExceed() {
		case Deny:
			r.class = ledger.Hard
		case RequireApproval:
			r.class = ledger.Soft
		case Alert:
			r.class = ledger.Free
		}
		if r.local {
			r.share = d.LocalShare()
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return s, nil
}

// Definitions are the rows. They must not be changed.
func (s *Set) Definitions() []Definition { return s.defs }

// of finds the row that a key belongs to, or nil if the table has it no more.
func (s *Set) of(key string) *rule {
	p, ok := parseKey([]byte(key))
	if !ok {
		return nil
	}
	return s.byHead[string(append(appendPart(nil, p.name), p.kind, byte(p.scope)))]
}

// fits says whether a row is about a subject.
func (r *rule) fits(who *Subject) bool { return who.fits(r.scope, r.def.Tools, r.def.Kinds) }

// appendKey writes the key of the row's counter for a subject, as parseKey reads it.
func (r *rule) appendKey(to []byte, who *Subject) []byte {
	to = binary.AppendUvarint(to, uint64(len(who.Tenant)))
	to = append(append(to, who.Tenant...), r.head...)
	if r.scope&agentBit != 0 {
		to = appendPart(to, who.Agent)
	}
	if r.scope&userBit != 0 {
		to = appendPart(to, who.User)
	}
	if r.scope&sessionBit != 0 {
		to = appendPart(to, who.Session)
	}
	if r.scope&toolBit != 0 {
		to = appendPart(to, who.Tool)
	}
	if r.scope&sinkBit != 0 {
		to = appendPart(to, who.Sink)
	}
	return to
}
