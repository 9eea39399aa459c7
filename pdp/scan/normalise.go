package scan

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalise rewrites a text as a reader would take it: invisible characters gone (THREATS D2, D3, D4),
// compatibility forms composed (NFKC: full-width, mathematical, circled), look-alikes of Latin letters and
// ASCII punctuation folded, digits of every script as 0-9 (D5, D16). ASCII is left as it is. NFKC can make a text
// 11 times longer, so output stops near limit bytes, and once its steps are used up; complete says whether it did not have to.
//
// Most characters that are not ASCII are their own normal form, or have one of a single ASCII character. Only
// where others stand is there work for NFKC, which is slow, and only on those and the character before them, with
// which they may combine.
func (w *rewriting) normalise(limit int, steps *int) (complete bool) {
	s := w.from
	last := 0 // where the character before i begins
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			last = i
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if formOf(r) == formOwn {
			last = i
			i += size
			continue
		}
		end, combine := groupEnd(s, i)
		if combine {
			if !w.compose(last, end, limit, steps) {
				return false
			}
		} else {
			w.replaceEach(i, end)
		}
		if w.size() > limit {
			return false
		}
		last, i = end, end
	}
	return true
}

// mostNormal is how long the normal form of a text of n bytes may be. Some characters stand for eighteen, and a text of
// nothing else costs as much as the text that it stands for; nobody writes like that.
func mostNormal(n int) int { return 4*n + 1<<10 }

// normalised is the normal form of a short text.
func normalised(s string) string {
	w := &rewriting{}
	w.start(s, false)
	if w.normalise(16*len(s), anySteps()); !w.any {
		return s
	}
	return w.text()
}

// groupEnd is where the run of characters ends that are not their own normal form. combine says that one of them
// is for NFKC.
func groupEnd(s string, i int) (end int, combine bool) {
	for i < len(s) && s[i] >= utf8.RuneSelf {
		r, size := utf8.DecodeRuneInString(s[i:])
		f := formOf(r)
		if f == formOwn {
			break
		}
		combine = combine || f == formOther || f == formJoins
		i += size
	}
	return i, combine
}

// replaceEach replaces characters that have a form of one ASCII character, or none.
func (w *rewriting) replaceEach(i, end int) {
	for i < end {
		r, size := utf8.DecodeRuneInString(w.from[i:])
		if f := formOf(r); f == formNone {
			w.replace(i, i+size, "")
		} else {
			w.replace(i, i+size, asciiText[f:f+1])
		}
		i += size
	}
}

// asciiText has each ASCII character at its own place.
var asciiText = func() string {
	b := make([]byte, utf8.RuneSelf)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}()

// form is what a character is normalised to: an ASCII character, or one of these.
type form = uint8

const (
	formOwn   form = 0x80 + iota // itself, whatever stands beside it
	formNone                     // nothing
	formOther                    // NFKC knows
	formJoins                    // NFKC knows, and it may combine with what stands before
)

// forms of the characters of the Basic Multilingual Plane, and of the mathematical alphabets, which pass for Latin.
// 66 KB, made when the first text that is not ASCII comes.
var forms = sync.OnceValue(func() *formTable {
	t := &formTable{}
	for r := range rune(len(t.basic)) {
		t.basic[r] = workOutForm(r)
	}
	for r := range rune(len(t.mathematical)) {
		t.mathematical[r] = workOutForm(firstMathematical + r)
	}
	return t
})

const firstMathematical = 0x1D400

type formTable struct {
	basic        [0x10000]form
	mathematical [0x400]form
}

func formOf(r rune) form {
	t := forms()
	switch {
	case r < 0x10000:
		return t.basic[r]
	case r >= firstMathematical && r < firstMathematical+rune(len(t.mathematical)):
		return t.mathematical[r-firstMathematical]
	}
	return workOutForm(r)
}

func workOutForm(r rune) form {
	if invisible(r) {
		return formNone
	}
	if !utf8.ValidRune(r) {
		return formOwn
	}
	var raw [utf8.UTFMax]byte
	s := raw[:utf8.EncodeRune(raw[:], r)]
	if !norm.NFKC.Properties(s).BoundaryBefore() {
		return formJoins
	}
	one, size := r, len(s)
	if !norm.NFKC.IsNormal(s) {
		s = norm.NFKC.Bytes(s)
		one, size = utf8.DecodeRune(s)
	}
	if size != len(s) { // several characters
		return formOther
	}
	switch one = fold(one); {
	case invisible(one):
		return formNone
	case one < utf8.RuneSelf:
		return form(one)
	case one == r:
		return formOwn
	}
	return formOther
}

func isASCII(s string) bool {
	for ; len(s) >= 8; s = s[8:] {
		if word(s)&highBits != 0 {
			return false
		}
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

const highBits = 0x8080808080808080

// word is the first eight bytes of a text. The compiler makes one load of it.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
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
