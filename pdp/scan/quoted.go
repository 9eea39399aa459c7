package scan

import "strings"

// isQuotedPrintable says whether a text shows signs of the encoding of RFC 2045: a line that ends in `=`, an encoded
// `=`, or two encoded characters in a row. A lone `=20` is far more often a query than an encoded blank.
func isQuotedPrintable(s string) bool {
	for i := 0; ; i++ {
		at := strings.IndexByte(s[i:], '=')
		if at < 0 {
			return false
		}
		i += at
		switch n := quotedSize(s[i:]); {
		case n == 0:
		case s[i+1] == '\n', s[i+1] == '\r':
			return true
		case s[i+1] == '3' && s[i+2]|0x20 == 'd':
			return true
		default:
			if next := quotedSize(s[i+n:]); next > 0 {
				return true
			}
		}
	}
}

// quotedSize is how long an encoded character, or the end of a line that goes on, is: 0 if there is none.
func quotedSize(s string) int {
	switch {
	case len(s) < 2 || s[0] != '=':
	case s[1] == '\n':
		return 2
	case len(s) < 3:
	case s[1] == '\r' && s[2] == '\n', unhex(s[1]) >= 0 && unhex(s[2]) >= 0:
		return 3
	}
	return 0
}

// quotedAt decodes a run of encoded characters if it holds text, or joins a line with the next.
func quotedAt(s string, raw []byte) escape {
	if n := quotedSize(s); n > 0 && (s[1] == '\n' || s[1] == '\r') {
		return escape{n: n, kind: kindQuoted}
	}
	return hexEscapes(s, "=", kindQuoted, raw)
}
