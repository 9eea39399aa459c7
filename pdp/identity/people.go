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

// behind is the person behind an account that says who it is. A row that names the account itself holds, whatever the
// account says: else somebody with two accounts would be two by what one of them says. If rows name the account and what it
// says, and differ, nobody knows who that is.
func (p people) behind(subject, says string) (string, error) {
	own, known := p[fold(subject)]
	switch {
	case says == "":
		return p.of(subject), nil
	case !known:
		return p.of(says), nil
	}
	if other, named := p[fold(says)]; named && other != own {
		return "", rejected("the account is one person's in the file, and says to be another")
	}
	return own, nil
}

// of is the person behind a subject.
func (p people) of(subject string) string {
	if who, known := p[fold(subject)]; known {
		return who
	}
	return fold(subject)
}
