package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// screen is what can be drawn where a command writes. The zero screen is a file or a pipe: plain ASCII, as wide as it
// needs to be.
type screen struct {
	width, height int  // in characters; 0: unbounded
	live          bool // a terminal, whose lines can be written again
	colour        bool
	unicode       bool
}

// screenOf looks at a stream. Colour is only for terminals that can show it and people who want it.
func screenOf(w io.Writer) screen {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return screen{}
	}
	s := screen{live: os.Getenv("TERM") != "dumb", unicode: speaksUTF8(os.Getenv)}
	s.colour = s.live && os.Getenv("NO_COLOR") == ""
	if width, height, err := term.GetSize(int(file.Fd())); err == nil {
		s.width, s.height = max(width, 0), max(height, 0)
	}
	return s
}

// speaksUTF8 asks the first locale variable that is set, as a C library would.
func speaksUTF8(env func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := env(name); v != "" {
			v = strings.ToUpper(v)
			return strings.Contains(v, "UTF-8") || strings.Contains(v, "UTF8")
		}
	}
	return false
}

// The colours that are used; each is ended by plainText.
const (
	plainText = "\x1b[0m"
	bold      = "\x1b[1m"
	red       = "\x1b[31m"
	green     = "\x1b[32m"
	yellow    = "\x1b[33m"
)

func (s screen) paint(colour, text string) string {
	if !s.colour || text == "" {
		return text
	}
	return colour + text + plainText
}

// fit cuts a text to a width, 0 for as wide as it is, and marks the cut. Characters that take two columns do not occur:
// names that others chose are shown by name().
func (s screen) fit(text string, width int) string {
	runes := []rune(text)
	if width <= 0 || len(runes) <= width {
		return text
	}
	mark := "~"
	if s.unicode {
		mark = "…"
	}
	return string(runes[:width-1]) + mark
}
