package review

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is shown as it is. Whoever pads a text so that its end is out of sight would need more.
const (
	maxBlank    = 16 // spaces and line breaks in a row
	maxRepeats  = 64 // of one character in a row
	maxCombined = 2  // marks upon one character
)

// mark is what the PDP itself says within a text. Its brackets are spelt out wherever else they occur, so nobody else can.
func mark(what string) string { return "⟦" + what + "⟧" }

// goesOn begins a page that begins within a string: without it what stands in the string would be laid out like structure.
var goesOn = mark("the text goes on")

// Readable spells out what a reader would not see, or see elsewhere than where it stands: control, invisible and
// bidirectional characters, marks heaped upon a letter, the brackets of the PDP's own remarks. Long runs of white space,
// also as escapes of JSON, and of one character are counted. What comes out is printable, in one line.
func Readable(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	combined := 0
	for len(text) > 0 {
		if n, bytes := blanks(text); n > maxBlank {
			b.WriteString(mark(fmt.Sprintf("%d spaces and line breaks", n)))
			text = text[bytes:]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		n := repeats(text, text[:size])
		if r == '\\' {
			n &^= 1 // whole pairs: an odd one escapes what comes next
		}
		if n > maxRepeats {
			b.WriteString(spelt(r, size))
			b.WriteString(mark(fmt.Sprintf("%d times", n)))
			text = text[n*size:]
			continue
		}
		if unicode.Is(unicode.M, r) {
			combined++
		} else {
			combined = 0
		}
		if combined > maxCombined {
			b.WriteString(escaped(r))
		} else {
			b.WriteString(spelt(r, size))
		}
		text = text[size:]
	}
	return b.String()
}

// blanks counts the white space that a text begins with: spaces, and line breaks and tabs as JSON writes them.
func blanks(text string) (n, bytes int) {
	for bytes < len(text) {
		switch {
		case text[bytes] == ' ':
			bytes++
		case text[bytes] == '\\' && bytes+1 < len(text) && strings.IndexByte("nrt", text[bytes+1]) >= 0:
			bytes += 2
		default:
			return n, bytes
		}
		n++
	}
	return n, bytes
}

// repeats counts how often a text begins with a unit.
func repeats(text, unit string) int {
	n := 0
	for strings.HasPrefix(text[n*len(unit):], unit) {
		n++
	}
	return n
}

func spelt(r rune, size int) string {
	switch {
	case r == utf8.RuneError && size == 1:
		return "\\ufffd"
	case r == '⟦', r == '⟧', hidden(r):
		return escaped(r)
	}
	return string(r)
}

func escaped(r rune) string {
	if r > 0xffff {
		return fmt.Sprintf("\\U%08x", r)
	}
	return fmt.Sprintf("\\u%04x", r)
}

// hidden is true of what leaves no mark on paper, or moves others. Some of it counts as a letter.
func hidden(r rune) bool {
	return !unicode.IsPrint(r) || r == 0x2800 || // a Braille pattern without dots
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// maxIndent bounds how far LayOut indents, in levels.
const maxIndent = 20

// LayOut breaks JSON into lines for reading and changes nothing else: line breaks and spaces stand between values only.
// The text may be a part of a document, with marks in it, so it cannot be parsed.
func LayOut(text string) string {
	var b strings.Builder
	depth, quoted, escaped := 0, strings.HasPrefix(text, goesOn), false
	feed := func() {
		b.WriteByte('\n')
		b.WriteString(strings.Repeat("  ", min(max(depth, 0), maxIndent)))
	}
	for _, r := range text {
		switch {
		case quoted:
			quoted = escaped || r != '"'
			escaped = r == '\\' && !escaped
		case r == '"':
			quoted = true
		case r == '}' || r == ']':
			depth--
			feed()
		}
		b.WriteRune(r)
		if quoted {
			continue
		}
		switch r {
		case '{', '[':
			depth++
			feed()
		case ',':
			feed()
		case ':':
			b.WriteByte(' ')
		}
	}
	return b.String()
}
