package action

import (
	"path"
	"slices"
	"strings"
)

// Path is a file's path with its spelling taken away. Text is an argument value; Class and Flags are not.
type Path struct {
	// Text is for comparing, not for opening: lower case, forward slashes, no `.` and no `..`, and `~` for
	// any user's home directory, since the PDP knows neither which user nor which working directory is meant.
	Text  string
	Class string
	Flags []string
}

// CanonicalPath reads a path, a `file:` URL, or a Windows path. denied are directories of which nothing may
// be read or written, in any spelling themselves; what lies in one of them, or may, is ClassProtected.
// Symbolic links are for the caller to resolve: only it sees the files.
func CanonicalPath(raw string, denied []string) Path {
	var f flagSet
	p := readPath(raw, &f)
	class := classOfPath(p)
	f.addIf(hasGlob(p.segments), FlagGlob)
	for _, d := range readDenied(denied) {
		if d.holds(p) {
			class = ClassProtected
		}
		f.addIf(d.below(p), FlagAboveProtected)
	}
	return Path{Text: p.String(), Class: class, Flags: f.sorted()}
}

// location is a path in pieces: a root of "" (relative), "/" or "~", and segments without `.` and `..`.
type location struct {
	root     string
	segments []string
}

func (l location) String() string {
	text := strings.Join(l.segments, "/")
	if l.root == "~" {
		return strings.TrimSuffix("~/"+text, "/")
	}
	return l.root + text
}

// Ways to say the home directory, the working directory and two well-known places, after lower-casing.
var pathVariables = strings.NewReplacer(
	"${home}", "~", "$home", "~", "%userprofile%", "~", "$env:userprofile", "~", "$env:home", "~",
	"%homedrive%%homepath%", "~", "%homepath%", "~", "%appdata%", "~/appdata/roaming",
	"%localappdata%", "~/appdata/local", "$env:appdata", "~/appdata/roaming",
	"${xdg_config_home}", "~/.config", "$xdg_config_home", "~/.config", "${pwd}", ".", "$pwd", ".",
	"%systemroot%", "/windows", "%windir%", "/windows",
)

// readPath takes away one disguise after the other.
func readPath(raw string, f *flagSet) location {
	s := strings.TrimSpace(raw)
	if !isASCII(s) {
		folded := fold(s)
		f.addIf(isASCII(folded), FlagOddSpelling)
		s = folded
	}
	if s = strings.ToLower(s); strings.ContainsAny(s, "$%") {
		s = pathVariables.Replace(s)
	}
	for range 3 { // %252e is seen by nobody at once, but by two servers in a row
		decoded := percentDecode(s)
		if decoded == s {
			break
		}
		f.add(FlagOddSpelling)
		s = fold(strings.ToValidUTF8(decoded, "\ufffd"))
	}
	if before, _, cut := strings.Cut(s, "\x00"); cut { // where C stops reading
		f.add(FlagOddSpelling)
		s = before
	}
	s = strings.ReplaceAll(s, `\`, "/")
	if rest, ok := strings.CutPrefix(s, "file:"); ok {
		s = rest
		if host, ok := strings.CutPrefix(s, "//"); ok {
			_, after, _ := strings.Cut(host, "/")
			s = "/" + after
		}
	}
	for _, prefix := range []string{"//?/unc/", "//?/", "//./"} {
		if rest, ok := strings.CutPrefix(s, prefix); ok {
			f.add(FlagOddSpelling)
			s = "/" + rest
		}
	}
	if drive := strings.TrimPrefix(s, "/"); len(drive) >= 2 && isDrive(drive[:2]) {
		s = "/" + drive[2:]
	}
	l := splitPath(s, f)
	l = l.withoutAliases()
	f.addIf(l.root == "/", FlagAbsolute)
	f.addIf(l.root == "~", FlagHome)
	return l
}

func isDrive(s string) bool { return len(s) == 2 && isLetter(s[0]) && (s[1] == ':' || s[1] == '|') }

func splitPath(s string, f *flagSet) location {
	var l location
	switch {
	case strings.HasPrefix(s, "/"):
		l.root = "/"
	case strings.HasPrefix(s, "~"):
		// ~, ~user and ~user/… alike
		l.root = "~"
		_, s, _ = strings.Cut(s, "/")
	}
	for segment := range strings.SplitSeq(s, "/") {
		switch segment {
		case "", ".":
			continue
		case "..":
			f.add(FlagTraversal)
			if len(l.segments) > 0 {
				l.segments = l.segments[:len(l.segments)-1]
				continue
			}
			f.add(FlagEscapes)
			if l.root == "~" { // the directory of all homes
				l = location{root: "/", segments: []string{"home"}}
			}
			continue
		}
		name, _, stream := strings.Cut(segment, "::$") // an NTFS stream: mcp.json::$DATA
		trimmed := strings.TrimRight(name, ". ")       // Windows drops these
		f.addIf(stream || trimmed != name, FlagOddSpelling)
		if trimmed != "" {
			l.segments = append(l.segments, trimmed)
		}
	}
	return l
}

// withoutAliases names home directories `~` and leaves out the detours through /proc, /private and /mnt/c.
func (l location) withoutAliases() location {
	for range 8 {
		s := l.segments
		if l.root != "/" || len(s) == 0 {
			return l
		}
		switch {
		case s[0] == "proc" && len(s) >= 3 && s[2] == "root":
			l.segments = s[3:]
		case s[0] == "proc" && len(s) >= 3 && s[2] == "cwd":
			l = location{segments: s[3:]}
		case s[0] == "private":
			l.segments = s[1:]
		case s[0] == "mnt" && len(s) >= 2 && len(s[1]) == 1, s[0] == "cygdrive" && len(s) >= 2:
			l.segments = s[2:]
		case len(s) >= 2 && slices.Contains([]string{"home", "users", "documents and settings"}, s[0]):
			l = location{root: "~", segments: s[2:]}
		case s[0] == "root":
			l = location{root: "~", segments: s[1:]}
		case len(s) >= 2 && s[0] == "var" && s[1] == "root":
			l = location{root: "~", segments: s[2:]}
		default:
			return l
		}
	}
	return l
}

// deniedDir is one directory of FactOptions.DeniedPaths.
type deniedDir struct{ location }

func readDenied(paths []string) []deniedDir {
	out := make([]deniedDir, 0, len(paths))
	for _, p := range paths {
		var f flagSet
		// A home directory is `~` with nothing below it, and denies all of `~`; what is empty denies nothing.
		if l := readPath(p, &f); l.root != "" || len(l.segments) > 0 {
			out = append(out, deniedDir{l})
		}
	}
	return out
}

// telling is the part of d that is meant wherever it stands in a path: all of it if it was given without a
// root, its last name if that begins with a dot, else nothing.
func (d deniedDir) telling() []string {
	n := len(d.segments)
	switch {
	case d.root == "":
		return d.segments
	case n > 0 && d.segments[n-1][0] == '.':
		return d.segments[n-1:]
	}
	return nil
}

// holds reports whether l lies in d, or may: a relative path is taken to begin at any directory above d.
func (d deniedDir) holds(l location) bool {
	if d.root != "" && l.root == d.root && hasPrefix(l.segments, d.segments) {
		return true
	}
	if run := d.telling(); len(run) > 0 {
		for i := range l.segments {
			if hasPrefix(l.segments[i:], run) {
				return true
			}
		}
	}
	if l.root == "" {
		for i := range d.segments {
			if hasPrefix(l.segments, d.segments[i:]) {
				return true
			}
		}
	}
	return false
}

// below reports whether d lies somewhere under l: what is done to all of l is done to d.
func (d deniedDir) below(l location) bool {
	return l.root != "" && l.root == d.root && len(l.segments) < len(d.segments) && hasPrefix(d.segments, l.segments)
}

// hasPrefix compares segment by segment; those of list may hold wildcards.
func hasPrefix(list, prefix []string) bool {
	if len(list) < len(prefix) {
		return false
	}
	for i, name := range prefix {
		if !segmentMatches(list[i], name) {
			return false
		}
	}
	return true
}

// segmentMatches compares a segment with a name. One with wildcards matches as a shell's does, but only if it
// spells out some of the name: `*` alone means everything, and so says nothing.
func segmentMatches(segment, name string) bool {
	if segment == name {
		return true
	}
	if !strings.ContainsAny(segment, "*?[") || !strings.ContainsFunc(segment, func(r rune) bool { return r >= 0x80 || isAlnum(byte(r)) }) {
		return false
	}
	if name[0] == '.' && segment[0] != '.' && segment[0] != '[' {
		return false
	}
	ok, err := path.Match(segment, name)
	return ok || err != nil
}

func hasGlob(segments []string) bool {
	return slices.ContainsFunc(segments, func(s string) bool { return strings.ContainsAny(s, "*?[{") })
}
