package scan

import "strings"

// leastSecret is how many letters and digits a value has that looks made by chance.
const leastSecret = 8

// looksRandom says whether the value of a match, what stands behind its last separator, looks made by chance rather than
// written: its letters and digits change their kind often. Words, camelCase, names with underscores and dates do not; keys do.
//
// A run is as many digits, capitals or small letters in a row as there are, a capital before small letters being part
// of their run; other characters are left out first. Such a value has at least leastSecret letters and digits, a run
// for every four of them, and for every three if it has no digit.
func looksRandom(match string) bool {
	value := strings.TrimRight(match, "=")
	value = value[strings.LastIndexAny(value, "=: \t\n\f\r\"'`>")+1:]
	const (
		none = iota
		lower
		upper
		capital // an upper-case letter alone so far: small ones may join it
		digit
	)
	n, runs, digits, last := 0, 0, 0, none
	for i := range len(value) {
		switch c := value[i]; {
		case isDigit(c):
			if last != digit {
				runs++
			}
			digits++
			last = digit
		case c >= 'a' && c <= 'z':
			if last != lower && last != capital {
				runs++
			}
			last = lower
		case isUpper(c):
			switch last {
			case capital, upper:
				last = upper
			default:
				runs++
				last = capital
			}
		default:
			continue
		}
		n++
	}
	if digits == 0 {
		return n >= leastSecret && 3*runs >= n
	}
	return n >= leastSecret && 4*runs >= n
}
