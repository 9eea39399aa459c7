package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// Suppression takes findings of one pattern back, for a while: one that is known to be harmless where it stands. A row of
// the table `suppressions`.
//
// It is applied by the engine before policy sees the findings, because it ends at a time and policy has no clock; a logged
// decision has the findings that were left, so that it replays.
type Suppression struct {
	Name   string `json:"name"`
	Rule   string `json:"rule"`   // id of a pattern
	Owner  string `json:"owner"`  // who answers for it
	Until  string `json:"until"`  // the last day on which it counts, in UTC: 2026-12-31
	Reason string `json:"reason"` // why it is harmless
	// Narrower, if given.
	Tenant string `json:"tenant"`
	Tool   string `json:"tool"`
	// Field is the JSON pointer of what may hold it, with all that lies below: /arguments/body.
	Field string `json:"field"`

	end time.Time // the first moment at which it does not count
}

// maxSuppressions is more than anybody can answer for.
const maxSuppressions = 1000

// InForce says whether it counts at a time.
func (s *Suppression) InForce(now time.Time) bool { return now.Before(s.end) }

// covers says whether it is about a finding of an action.
func (s *Suppression) covers(f scan.Finding, tenant, tool string) bool {
	return s.Rule == f.Rule &&
		(s.Tenant == "" || s.Tenant == tenant) &&
		(s.Tool == "" || s.Tool == tool) &&
		(s.Field == "" || s.Field == f.Pointer || strings.HasPrefix(f.Pointer, s.Field+"/"))
}

// Suppressed says whether a finding of an action is to be taken back.
func (t *Tables) Suppressed(f scan.Finding, tenant, tool string, now time.Time) bool {
	for i := range t.Suppressions {
		if s := &t.Suppressions[i]; s.covers(f, tenant, tool) && s.InForce(now) {
			return true
		}
	}
	return false
}

// readSuppressions reads the table, which a bundle need not have.
func readSuppressions(tree map[string]any, into *[]Suppression) error {
	if _, there := tree["suppressions"]; !there {
		return nil
	}
	var table struct{ Suppressions []Suppression }
	if err := strict(tree, "suppressions", &table); err != nil {
		return err
	}
	*into = table.Suppressions
	return nil
}

// checkSuppressions refuses rows without a name, an owner, a reason or an end, and rows that could never count.
func (t *Tables) checkSuppressions() error {
	var errs []error
	rules, seen := map[string]bool{scan.RuleUndecoded: true, scan.RuleDisguised: true, scan.RuleSuspicion: true}, map[string]bool{}
	for _, p := range t.Patterns {
		rules[p.ID] = true
	}
	if n := len(t.Suppressions); n > maxSuppressions {
		errs = append(errs, fmt.Errorf("tables/suppressions: %d rows, at most %d", n, maxSuppressions))
	}
	for i := range t.Suppressions {
		s := &t.Suppressions[i]
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("tables/suppressions: %s: "+format, append([]any{s.Name}, args...)...))
		}
		if s.Name == "" {
			errs = append(errs, fmt.Errorf("tables/suppressions: row %d has no name", i))
		} else if seen[s.Name] {
			bad("stands there twice")
		}
		seen[s.Name] = true
		for field, value := range map[string]string{"owner": s.Owner, "reason": s.Reason} {
			if strings.TrimSpace(value) == "" {
				bad("%s is missing: whoever suppresses a finding answers for it", field)
			}
		}
		if !rules[s.Rule] {
			bad("there is no pattern %q: is it misspelt?", s.Rule)
		}
		day, err := time.Parse(time.DateOnly, s.Until)
		if err != nil {
			bad("until is %q: a suppression ends, on a day such as 2026-12-31", s.Until)
		}
		s.end = day.AddDate(0, 0, 1)
		if s.Tool != "" && !t.knownTool[s.Tool] {
			bad("no profile or table knows the tool %s: is it misspelt?", s.Tool)
		}
		if s.Field != "" && !strings.HasPrefix(s.Field, "/") {
			bad("field is %q: a JSON pointer begins with /", s.Field)
		}
	}
	return errors.Join(errs...)
}

// Expired lists the suppressions that do nothing any more.
func (t *Tables) Expired(now time.Time) (out []Suppression) {
	for _, s := range t.Suppressions {
		if !s.InForce(now) {
			out = append(out, s)
		}
	}
	return out
}
