package action

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// confusables maps letters to the Latin ones that they pass for, after NFKC: the Cyrillic, Greek, Armenian,
// Cherokee and phonetic letters of Unicode's confusables table (UTS 39) that look the same in common type.
var confusables = pairs(
	// Cyrillic
	"аaеeоoрpсcуyхxіiјjѕsԁdһhԛqԝwӏlкkмmтtвbнhгrпnбb",
	"АaВbЕeКkМmНhОoРpСcТtУyХxІiЈjЅsҮyҺhԌgԚqԜw",
	// Greek
	"αaβbγyεeηnιiκkνvοoρpτtυuχxωwϲcϳj",
	"ΑaΒbΕeΖzΗhΙiΚkΜmΝnΟoΡpΤtΥyΧx",
	// Armenian, Cherokee, Latin look-alikes
	"օoսuհhոnցgԳqեtᎪaᏴbᏟcᎬeᎻhᎥiᎫjᏦkᏞlᎷmᎾoᏢpᏒrᏚsᎢtᏙvᎳwᎩyᏃzıiɑaɡgɩiʟlɪiոnɴnʀrꜱsʏy",
)

func pairs(lists ...string) map[rune]rune {
	m := map[rune]rune{}
	for _, list := range lists {
		runes := []rune(list)
		for i := 0; i+1 < len(runes); i += 2 {
			m[runes[i]] = runes[i+1]
		}
	}
	return m
}

// maxNFKC is how long a text may be for NFKC, which can make one character of three bytes into 33.
const maxNFKC = 4096

// nfkc takes typography away and what can't be seen. In a long text only what stands for ASCII is replaced,
// which is all that hosts, schemes and the paths of interest are made of.
func nfkc(s string) string {
	if isASCII(s) {
		return s
	}
	if len(s) <= maxNFKC {
		return norm.NFKC.String(stripInvisible(s))
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r < utf8.RuneSelf:
			out = append(out, s[i])
		case isInvisible(r):
		default:
			plain := norm.NFKC.PropertiesString(s[i : i+size]).Decomposition()
			if len(plain) == 0 || len(plain) > utf8.UTFMax || !isASCII(string(plain)) {
				plain = []byte(s[i : i+size])
			}
			out = append(out, plain...)
		}
		i += size
	}
	return norm.NFC.String(string(out))
}

// fold is what a text looks like with typography taken away: NFKC, nothing invisible, look-alikes in Latin,
// lower case. It is for comparing, never for showing.
func fold(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return strings.ToLower(strings.Map(latin, nfkc(s)))
}

// latin returns the Latin letter that r passes for, or r.
func latin(r rune) rune {
	if to, ok := confusables[r]; ok {
		return to
	}
	if to, ok := confusables[unicode.ToLower(r)]; ok {
		return to
	}
	return r
}

// skeleton goes further than fold and is for short names: letters and digits that pass for each other, and
// separators, become one.
func skeleton(s string) string {
	s = nfkc(s)
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		switch r = latin(r); r {
		case 'I', '1', '|', '!':
			r = 'l'
		case '0', 'O':
			r = 'o'
		case '5', '$':
			r = 's'
		case '3':
			r = 'e'
		case '-', '.', ' ', '/', ':':
			r = '_'
		}
		b.WriteRune(r)
	}
	return skeletonDigraphs.Replace(strings.ToLower(b.String()))
}

var skeletonDigraphs = strings.NewReplacer("rn", "m", "vv", "w", "__", "_")

// editDistance counts insertions, deletions, substitutions and swaps of neighbours (optimal string
// alignment) between short names. Above limit it is limit+1.
func editDistance(a, b string, limit int) int {
	if d := utf8.RuneCountInString(a) - utf8.RuneCountInString(b); d > limit || -d > limit {
		return limit + 1
	}
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		best := i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			best = min(best, row[j])
		}
		if best > limit {
			return limit + 1
		}
		before, last, row = last, row, before
	}
	return min(last[len(y)], limit+1)
}
