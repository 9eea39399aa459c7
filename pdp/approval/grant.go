package approval

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/action"
)

// The bounds of a grant.
const (
	maxGrantUses = 1000
	maxGrantTime = 24 * time.Hour
)

// Terms are what a person grants beside the one action: later asks like it need nobody, for some uses, or some time.
type Terms struct {
	Uses       int           `json:"uses,omitempty"` // 0: any number within For
	For        time.Duration `json:"for,omitempty"`  // 0: as long as the approval lasts
	AnySession bool          `json:"any_session,omitempty"`
	// Vary are the arguments that may be different, as JSON pointers into the canonical action, sorted.
	Vary []string `json:"vary,omitempty"`
}

// Grant is an approval that covers later asks too. It is bound like any other, but for what the terms leave open.
type Grant struct {
	Terms
	Used int `json:"used"`
	// Pinned is action.Pinned of what was approved.
	Pinned string `json:"pinned"`
}

// Grantable says how far a grant of an ask may go. pdp/decision fills it in when it asks; the zero Grantable is not at all.
type Grantable struct {
	// Uses and For are the most that may be granted.
	Uses int           `json:"uses,omitempty"`
	For  time.Duration `json:"for,omitempty"`

	// Sinks are the pointers of arguments that decide who is affected.
	Sinks []string `json:"sinks,omitempty"`
	// Refused says why no grant can cover this; empty if one can.
	Refused string `json:"refused,omitempty"`
}

// refusal says why terms cannot be granted for an ask.
func (t *Terms) refusal(a *Approval, edits bool) error {
	g := a.Grantable
	switch {
	case edits || a.EditedDigest != "": // later asks are the agent's own, unchanged
		return tooBroad("a reviewer has changed the arguments")
	case g.Refused != "":
		return tooBroad(g.Refused)
	case g.Uses == 0 || g.For == 0:
		return tooBroad("policy lets nobody grant this")
	case t.Uses < 0 || t.Uses > min(g.Uses, maxGrantUses):
		return invalid("grant.uses", "is %d, at most %d", t.Uses, min(g.Uses, maxGrantUses))
	case t.For < 0 || t.For > min(g.For, maxGrantTime):
		return invalid("grant.seconds", "is %s, at most %s", t.For, min(g.For, maxGrantTime))
	case t.Uses == 0 && t.For == 0:
		return invalid("grant", "needs a number of uses, a time, or both")
	}
	if t.varySinks(g.Sinks) {
		return tooBroad("what may vary decides who is affected")
	}
	return nil
}

// varySinks says whether something may vary that decides who is affected: a sink, what it is a part of, and what is a part of
// it.
func (t *Terms) varySinks(sinks []string) bool {
	return slices.ContainsFunc(t.Vary, func(v string) bool {
		return slices.ContainsFunc(sinks, func(s string) bool {
			return v == s || strings.HasPrefix(s, v+"/") || strings.HasPrefix(v, s+"/")
		})
	})
}

// Holds says whether the grant could be given for an action that it covers. What varies was not there when it was given: a
// second recipient, or a command in a text.
func (g *Grant) Holds(of Grantable) bool {
	return of.Refused == "" && !g.varySinks(of.Sinks)
}

func tooBroad(why string) error {
	return &Error{Problem: Invalid, Reason: ErrTooBroad.Reason, Field: "grant", Detail: why}
}

// sameTerms compares terms as they were asked for.
func sameTerms(a, b *Terms) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Uses == b.Uses && a.For == b.For && a.AnySession == b.AnySession && slices.Equal(a.Vary, b.Vary)
}

// agreed are the terms that all who said yes have asked for; nil if they did not ask for the same.
func (a *Approval) agreed() *Terms {
	var terms *Terms
	first := true
	for _, v := range a.Votes {
		if !v.Applied || v.Verdict != Approve || v.EditedDigest != a.EditedDigest {
			continue
		}
		if !first && !sameTerms(terms, v.Terms) {
			return nil
		}
		terms, first = v.Terms, false
	}
	return terms
}

// grantAsAgreed makes a grant of an approval that was just approved.
func (r *Record) grantAsAgreed(at time.Time, pin func(vary []string) string) {
	a := &r.Approval
	terms := a.agreed()
	if terms == nil {
		return
	}
	a.Grant = &Grant{Terms: *terms, Pinned: pin(terms.Vary)}
	if terms.For > 0 {
		a.Expires = at.Add(terms.For)
		r.Due = a.Expires
	}
}

// covers says whether an action is what was approved, or like it as far as a grant goes.
func (a *Approval) covers(want Redemption) bool {
	if want.Digest == a.Digest {
		return true
	}
	if a.Grant == nil || len(a.Grant.Vary) == 0 || want.Canonical == nil {
		return false
	}
	pinned, err := action.Pinned(want.Canonical, a.Grant.Vary)
	return err == nil && pinned == a.Grant.Pinned
}

// pinner computes what a grant of this action pins. The error is the reviewer's: what may vary is not there to vary.
func (q *Queue) pinner(ctx context.Context, tenant, id string, t *Terms) (func(vary []string) string, error) {
	if t == nil {
		return func([]string) string { return "" }, nil
	}
	rec, content, err := q.store.Content(ctx, id)
	if err != nil {
		return nil, failed("read the action", err)
	}
	if len(content) == 0 || rec.Approval.Tenant != tenant { // ended meanwhile, or not there: the verdict will say so
		return func([]string) string { return "" }, nil
	}
	_, canonical, err := q.openContent(&rec.Approval, content)
	if err != nil {
		return nil, failed("decrypt the action", err)
	}
	pinned, err := action.Pinned(canonical, t.Vary)
	if err != nil {
		return nil, invalid("grant.vary", "%s", err)
	}
	return func(vary []string) string {
		if !slices.Equal(vary, t.Vary) { // the terms agreed are those of this vote
			panic(fmt.Sprintf("pinned %q, asked for %q", t.Vary, vary))
		}
		return pinned
	}, nil
}

// normal sorts what terms list, so that the same terms are equal.
func (t *Terms) normal() *Terms {
	if t == nil {
		return nil
	}
	n := *t
	n.Vary = slices.Compact(slices.Sorted(slices.Values(t.Vary)))
	return &n
}
