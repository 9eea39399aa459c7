package identity

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// The ways in which a caller is authenticated.
const (
	methodBearer = "bearer"
	methodMTLS   = "mtls"
	methodJWT    = "jwt"
)

// Person is a human with more than one account. Without a row, each subject is a person of its own.
type Person struct {
	Person   string   `yaml:"person"`
	Subjects []string `yaml:"subjects"`
}

// people maps the subjects of accounts, folded, to who is behind them.
type people map[string]string

// fold compares names as people write them: without regard to case, width and surrounding space.
func fold(name string) string {
	s := norm.NFKC.String(strings.TrimSpace(name))
	return norm.NFKC.String(cases.Fold().String(s))
}

func newPeople(rows []Person) (people, error) {
	out := people{}
	var errs []error
	for i, row := range rows {
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("identity: person %d (%q): %w", i+1, row.Person, fmt.Errorf(format, args...)))
		}
		if !name.MatchString(row.Person) {
			bad("must be 1 to 128 letters, digits or ._:@/-")
		}
		if len(row.Subjects) == 0 {
			bad("has no subjects")
		}
		for _, s := range append([]string{row.Person}, row.Subjects...) {
			if other, taken := out[fold(s)]; taken && other != fold(row.Person) {
				bad("subject %q is somebody else's, too", s)
			}
			out[fold(s)] = fold(row.Person)
		}
	}
	return out, errors.Join(errs...)
}

// of is the person behind a subject.
func (p people) of(subject string) string {
	if who, known := p[fold(subject)]; known {
		return who
	}
	return fold(subject)
}
