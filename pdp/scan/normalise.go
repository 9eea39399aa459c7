package scan

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalise gives the text as a reader would take it: invisible characters gone (THREATS D2, D3, D4),
// compatibility forms composed (NFKC: full-width, mathematical, circled), look-alikes of Latin letters and
// ASCII punctuation folded, digits of every script as 0-9 (D5, D16). A text that needs nothing comes back as
// it is. NFKC can make a text 11 times longer, so output stops at limit bytes; complete says whether it did not
// have to.
func normalise(s string, limit int) (out string, complete bool) {
	if isASCII(s) {
		return s, true
	}
	visible := strings.Map(func(r rune) rune {
		if invisible(r) {
			return -1
		}
		return r
	}, s)
	var b strings.Builder
	var it norm.Iter
	it.InitString(norm.NFKC, visible)
	for !it.Done() {
		for _, r := range string(it.Next()) {
			if r = fold(r); !invisible(r) {
				b.WriteRune(r)
			}
		}
		if b.Len() > limit {
			return cut(b.String(), limit), false
		}
	}
	return b.String(), true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// cut shortens a text to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// invisible says whether a character has no shape of its own, and so can stand inside a word unseen.
func invisible(r rune) bool {
	switch {
	case r < 0xAD:
		return false
	case r == 0xAD, // soft hyphen
		r == 0x034F,              // combining grapheme joiner
		r == 0x061C,              // Arabic letter mark
		r == 0x115F, r == 0x1160, // Hangul fillers
		r == 0x17B4, r == 0x17B5, // Khmer inherent vowels
		r >= 0x180B && r <= 0x180F, // Mongolian variation selectors and vowel separator
		r >= 0x200B && r <= 0x200F, // zero-width space and joiners, marks of direction
		r >= 0x202A && r <= 0x202E, // bidirectional embeddings and overrides
		r >= 0x2060 && r <= 0x206F, // word joiner, invisible operators, isolates
		r == 0x3164, r == 0xFFA0,   // Hangul fillers
		r >= 0xFE00 && r <= 0xFE0F,   // variation selectors
		r == 0xFEFF,                  // zero-width no-break space
		r >= 0x1D173 && r <= 0x1D17A, // musical controls
		r >= 0xE0000 && r <= 0xE0FFF: // tags, variation selectors supplement, the rest is unassigned
		return true
	}
	return false
}

// fold maps look-alikes and foreign digits to ASCII, one character to one.
func fold(r rune) rune {
	if r < utf8.RuneSelf {
		return r
	}
	if to, ok := lookAlikes[r]; ok {
		return to
	}
	if unicode.IsDigit(r) {
		return '0' + digitValue(r)
	}
	return r
}

// digitValue is the value of a decimal digit of any script. Unicode encodes each script's digits as ten
// consecutive characters from zero up, and never changes that (its stability policy), so the distance from the
// start of the range tells.
func digitValue(r rune) rune {
	for _, rg := range unicode.Nd.R16 {
		if rune(rg.Lo) <= r && r <= rune(rg.Hi) {
			return (r - rune(rg.Lo)) % 10
		}
	}
	for _, rg := range unicode.Nd.R32 {
		if rune(rg.Lo) <= r && r <= rune(rg.Hi) {
			return (r - rune(rg.Lo)) % 10
		}
	}
	return 0
}

// lookAlikes are the characters most used to pass for ASCII ones and that NFKC leaves alone. It is a small
// selection of Unicode's confusables (UTS 39), by shape in common fonts.
var lookAlikes = pairs(
	// Cyrillic
	"АA ВB ЕE ЅS ІI ЈJ КK МM НH ОO РP СC ТT ХX УY Ԍg ԁd ԚQ ԜW Ѵv ҮY ҺH Ӏl Ԛq" +
		" аa вb еe ѕs іi јj кk мm нh оo рp сc тt хx уy һh ԛq ԝw ѵv ӏl ԍg ьb гr пn үy ғf" +
		// Greek
		" ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX" +
		" αa εe ιi κk νv οo ρp τt υu χx γy ηn ϲc ϳj" +
		// Latin letters that pass for others, and Armenian
		" ıi ɑa ɡg ɩi ʏY ᴀa ᴄc ᴅd ᴇe ᴊj ᴋk ᴍm ᴏo ᴘp ᴛt ᴜu ᴠv ᴡw ᴢz ɴn ʀr ꜱs ʟl ʜh ɪi ɢg ʙb ꜰf" +
		" օo սu ոn հh ցg յj ѐe" +
		// Dashes, quotes, slashes, colons and the like
		" ‐- ‒- –- —- ―- −- ﹘- ⁃- ‘' ’' ‛' “\" ”\" ‟\" ′' ″\" ⁄/ ∕/ ⧸/ ∶: ꞉: ․. ‚, ∗* ⁎* ∣| ǀ| ﹍_ ﹎_ ﹏_",
)

// pairs reads blank-separated pairs of characters.
func pairs(list string) map[rune]rune {
	m := make(map[rune]rune)
	for pair := range strings.FieldsSeq(list) {
		r := []rune(pair)
		m[r[0]] = r[1]
	}
	return m
}
