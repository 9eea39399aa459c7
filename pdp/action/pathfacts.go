package action

import (
	"slices"
	"strings"
)

const (
	maxPathShape  = 4096 // bytes of a value that is taken for a path by its shape alone
	maxPathTokens = 4000 // words of one text that are looked at as paths
)

// paths looks at a value that is named or shaped like a path, and for denied directories in any other text.
func (c *collector) paths(pointer string, name names, s string) {
	if s == "" || c.full {
		return
	}
	switch {
	case name.last(pathNames):
		c.path(pointer, s, true)
		if strings.ContainsAny(s, "\n,;:") { // a list of paths
			c.tokens(pointer, s)
		}
	case len(s) <= maxPathShape && !strings.Contains(s, "\n") && !isRemote(s):
		c.path(pointer, s, pathShaped(s))
	}
	if c.mentionsDenied(s) {
		c.add(Fact{Pointer: pointer, Type: FactPath, Class: ClassProtected})
	}
}

// isRemote is true for URLs of anything but a file: what looks like a path there is on another machine.
func isRemote(s string) bool {
	u, ok := CanonicalURL(s)
	return ok && u.Scheme != "file"
}

// pathShaped is true for text that is written as a path.
func pathShaped(s string) bool {
	for _, prefix := range []string{"/", "./", "../", "~/", `.\`, `..\`, `\\`, "file:", "$HOME", "${HOME}", "%USERPROFILE%"} {
		if len(s) > len(prefix) && strings.HasPrefix(s, prefix) && s[len(prefix)] != ' ' {
			return true
		}
	}
	return s == "~" || s == "/" || len(s) > 3 && isDrive(s[:2]) && (s[2] == '\\' || s[2] == '/')
}

// path adds the fact of one path. Unless it is sure to be one, it must be telling: a plain class says nothing
// about text that may be anything, and a name without a dot or slash is a word.
func (c *collector) path(pointer, s string, sure bool) {
	if t := strings.TrimSpace(s); !sure && (strings.Contains(t, " ") || isASCII(t) && !strings.ContainsAny(t, `./\%`)) {
		return
	}
	var f flagSet
	l := readPath(s, &f)
	class := c.classOf(l, &f)
	if !sure && (class == ClassPlain || class == ClassSystem || !strings.ContainsAny(fold(s), `./\%`)) {
		return
	}
	c.add(Fact{Pointer: pointer, Type: FactPath, Class: class, Flags: f.sorted()})
}

func (c *collector) classOf(l location, f *flagSet) string {
	class := classOfPath(l)
	for _, n := range c.files {
		if n.holds(l) {
			class = moreTelling(class, n.class)
		}
	}
	f.addIf(hasGlob(l.segments), FlagGlob)
	for _, d := range c.denied {
		if d.holds(l) {
			class = ClassProtected
		}
		f.addIf(d.below(l), FlagAboveProtected)
	}
	return class
}

// tokens looks at every word of a text as a path and tells those that are not plain.
func (c *collector) tokens(pointer, text string) {
	count := 0
	for token := range strings.FieldsFuncSeq(text, isPathBreak) {
		if !strings.ContainsAny(token, `/\.~$%`) || isRemote(token) {
			continue
		}
		if count++; count > maxPathTokens {
			c.truncate()
			return
		}
		var f flagSet
		l := readPath(token, &f)
		if class := c.classOf(l, &f); class != ClassPlain || slices.Contains(f, FlagAboveProtected) {
			c.add(Fact{Pointer: pointer, Type: FactPath, Class: class, Flags: f.sorted()})
		}
	}
}

// isPathBreak is what ends a path in running text, a command, or a list.
func isPathBreak(r rune) bool {
	return r <= ' ' || strings.ContainsRune("\"'`;|&()<>=,:@", r) || r >= 0x2000 && r <= 0x206F || r == 0x3000
}

// mentionsDenied finds a denied directory anywhere in a text. Only the words that hold its last name are read
// as paths; a directory whose last name is a common word is looked for with its parent.
func (c *collector) mentionsDenied(text string) bool {
	if len(c.denied) == 0 {
		return false
	}
	plain := fold(text)
	for range 2 {
		plain = fold(strings.ToValidUTF8(percentDecode(plain), "\ufffd"))
	}
	plain = strings.ReplaceAll(plain, `\`, "/")
	for _, d := range c.denied {
		if len(d.segments) == 0 {
			continue
		}
		last := d.segments[len(d.segments)-1]
		if !strings.Contains(plain, last) {
			continue
		}
		// With its parent it is telling, and the way to find a name that holds a space.
		if n := len(d.segments); n > 1 && strings.Contains(plain, strings.Join(d.segments[n-2:], "/")) ||
			n == 1 && strings.Contains(last, " ") && strings.Contains(plain, d.root+last) {
			return true
		}
		for token := range strings.FieldsFuncSeq(plain, isPathBreak) {
			if !strings.Contains(token, last) || !strings.Contains(token, "/") && token[0] != '.' {
				continue
			}
			var f flagSet
			l := readPath(token, &f)
			if d.holds(l) && (l.root != "" || len(d.telling()) > 0) {
				return true
			}
		}
	}
	return false
}
