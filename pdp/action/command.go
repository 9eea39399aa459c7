package action

import (
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// The bounds of reading a command. The parser recurses: at 64 KiB of opening brackets it was measured to need
// 130 MB of stack, at 2,000 of them 8 MB. Past a bound a command is unparsable, which is the highest risk.
const (
	maxCommandBytes   = 32 << 10
	maxCommandOpeners = 2000
	maxCommandDepth   = 8  // scripts inside scripts
	maxCommandScripts = 64 // in all
	maxCommandNames   = 50
	maxProgramName    = 64
)

// Command is what a shell would run. Programs and Flags may be shown and logged.
type Command struct {
	// Programs are the names of all programs in it, without their directory and in lower case, sorted: those
	// in pipes, lists, substitutions and functions, and those that a wrapper would run.
	Programs []string
	Flags    []string
	// words are the words of it as paths. Argument values.
	words []string
}

// ReadCommand reads the text of a POSIX or Bash command. Text that is neither is FlagUnparsable.
func ReadCommand(text string) Command {
	var r commandReader
	r.script(text, 0)
	return r.command()
}

// ReadArgv reads a command that is already cut into words, as exec takes it.
func ReadArgv(argv []string) Command {
	var r commandReader
	words := make([]shellWord, 0, min(len(argv), maxCommandOpeners))
	for _, text := range argv[:min(len(argv), maxCommandOpeners)] {
		words = append(words, shellWord{text: text})
		r.words = append(r.words, text)
	}
	if len(argv) > maxCommandOpeners {
		r.flags.add(FlagUnparsable)
	}
	r.call(words, stdin{}, 0)
	return r.command()
}

// shellWord is one word after quoting; dynamic if part of it is only known when it runs.
type shellWord struct {
	text    string
	dynamic bool
}

// stdin is what a command reads, where the script says it.
type stdin struct {
	text    string
	given   bool
	dynamic bool
}

type commandReader struct {
	programs []string
	flags    flagSet
	words    []string
	scripts  int
}

func (r *commandReader) command() Command {
	slices.Sort(r.programs)
	programs := slices.Compact(r.programs)
	if programs == nil {
		programs = []string{}
	}
	return Command{Programs: programs, Flags: r.flags.sorted(), words: r.words}
}

// script parses text and looks at every call in it.
func (r *commandReader) script(text string, depth int) {
	r.scripts++
	openers := strings.Count(text, "(") + strings.Count(text, "[") + strings.Count(text, "{")
	if depth > maxCommandDepth || r.scripts > maxCommandScripts || len(text) > maxCommandBytes || openers > maxCommandOpeners {
		r.flags.add(FlagUnparsable)
		return
	}
	// Invisible characters do nothing for a shell but hide a word from a reader.
	if !isASCII(text) && stripInvisible(text) != text {
		r.flags.add(FlagOddSpelling)
	}
	file, err := parseShell(text)
	if err != nil {
		r.flags.add(FlagUnparsable)
		return
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Stmt:
			r.statement(n, depth)
		case *syntax.BinaryCmd:
			r.flags.addIf(n.Op == syntax.Pipe || n.Op == syntax.PipeAll, FlagPipe)
		case *syntax.CmdSubst, *syntax.ProcSubst:
			r.flags.add(FlagSubstitution)
		case *syntax.Word:
			if text := pathTextOf(n); text != "" {
				r.words = append(r.words, text)
			}
		}
		return true
	})
	lower := strings.ToLower(text)
	r.flags.addIf(strings.Contains(lower, "/dev/tcp") || strings.Contains(lower, "/dev/udp"), FlagNetwork)
}

// parseShell turns a panic of the parser on a text that its authors did not think of into an error: the text
// is an attacker's, and one that is not understood is refused, not a way to stop the server.
func parseShell(text string) (file *syntax.File, err error) {
	defer func() {
		if recover() != nil {
			err = &Error{Field: fieldArguments, Reason: "UNPARSABLE", Detail: "the shell parser failed"}
		}
	}()
	return syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
}

func (r *commandReader) statement(s *syntax.Stmt, depth int) {
	var in stdin
	for _, redirect := range s.Redirs {
		switch redirect.Op {
		case syntax.Hdoc, syntax.DashHdoc:
			w := wordOf(redirect.Hdoc)
			in = stdin{w.text, true, w.dynamic}
		case syntax.WordHdoc:
			w := wordOf(redirect.Word)
			in = stdin{w.text, true, w.dynamic}
		case syntax.RdrIn, syntax.DplIn:
		default:
			target := wordOf(redirect.Word)
			duplicate := redirect.Op == syntax.DplOut && strings.Trim(target.text, "0123456789-") == ""
			r.flags.addIf(!duplicate && target.text != "/dev/null", FlagWrites)
			r.flags.addIf(target.dynamic, FlagDynamic)
		}
	}
	call, ok := s.Cmd.(*syntax.CallExpr)
	if !ok {
		return
	}
	for _, assign := range call.Assigns {
		if assign.Name != nil && slices.Contains(steeringVariables, assign.Name.Value) {
			r.flags.add(FlagDynamic)
		}
	}
	words := make([]shellWord, 0, len(call.Args))
	for _, arg := range call.Args {
		words = append(words, wordOf(arg))
	}
	r.call(words, in, depth)
}

// Variables that change which program a name means, or what a program loads.
var steeringVariables = []string{
	"PATH", "IFS", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "BASH_ENV", "ENV",
	"PROMPT_COMMAND", "DYLD_INSERT_LIBRARIES", "GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "PAGER", "GIT_PAGER", "EDITOR",
	"PYTHONSTARTUP", "PERL5OPT", "RUBYOPT", "NODE_OPTIONS", "SHELLOPTS",
}

// wordOf says what the shell makes of a word, as far as that stands in the word.
func wordOf(w *syntax.Word) shellWord {
	if w == nil {
		return shellWord{}
	}
	var b wordBuilder
	b.add(w.Parts, false)
	return shellWord{b.String(), b.dynamic}
}

// pathTextOf is the word as a path, in which what is not known is a wildcard, or at its beginning some
// directory, and the home directory is known.
func pathTextOf(w *syntax.Word) string {
	b := wordBuilder{guess: true}
	b.add(w.Parts, false)
	return b.String()
}

type wordBuilder struct {
	strings.Builder
	dynamic bool
	guess   bool
}

// Variables whose value is a directory that paths are known by.
var knownVariables = map[string]string{"HOME": "~", "PWD": ".", "XDG_CONFIG_HOME": "~/.config", "XDG_DATA_HOME": "~/.local/share"}

func (b *wordBuilder) unknown(part syntax.WordPart) {
	b.dynamic = true
	if !b.guess {
		return
	}
	text := "*"
	if b.Len() == 0 {
		text = "."
	}
	if p, ok := part.(*syntax.ParamExp); ok && p.Param != nil && knownVariables[p.Param.Value] != "" {
		text = knownVariables[p.Param.Value]
	}
	b.WriteString(text)
}

func (b *wordBuilder) add(parts []syntax.WordPart, quoted bool) {
	for _, part := range parts {
		switch part := part.(type) {
		case *syntax.Lit:
			b.dynamic = b.dynamic || !quoted && expands(part.Value)
			unescape(&b.Builder, part.Value, quoted)
		case *syntax.SglQuoted:
			if part.Dollar {
				unescapeANSI(&b.Builder, part.Value)
			} else {
				b.WriteString(part.Value)
			}
		case *syntax.DblQuoted:
			b.add(part.Parts, true)
		default:
			b.unknown(part)
		}
	}
}

// expands is true for what becomes other words by braces or by names of files.
func expands(s string) bool {
	return strings.ContainsAny(s, "*?") || strings.Contains(s, "[") && strings.Contains(s, "]") ||
		strings.Contains(s, "{") && (strings.Contains(s, ",") || strings.Contains(s, ".."))
}

// unescape drops the backslashes that the shell drops: outside quotes each, inside only before $ ` " \ .
func unescape(b *strings.Builder, s string, quoted bool) {
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && (!quoted || strings.IndexByte("$`\"\\\n", s[i+1]) >= 0) {
			i++
			if s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
}

// unescapeANSI undoes $'…' as far as names of programs and files go: \xHH, octal, \uHHHH and single letters.
func unescapeANSI(b *strings.Builder, s string) {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		read := func(from, most, base int) int {
			n, j := 0, from
			for ; j < len(s) && j < from+most && isHex(s[j]) && unhex(s[j]) < base; j++ {
				n = n*base + unhex(s[j])
			}
			i = j - 1
			return n
		}
		switch c := s[i]; {
		case c == 'x':
			b.WriteByte(byte(read(i+1, 2, 16)))
		case c == 'u':
			b.WriteRune(rune(read(i+1, 4, 16)))
		case c == 'U':
			b.WriteRune(rune(read(i+1, 6, 16)))
		case c >= '0' && c <= '7':
			b.WriteByte(byte(read(i, 3, 8)))
		case strings.IndexByte("abeEfnrtv", c) >= 0:
			b.WriteByte(' ')
		default:
			b.WriteByte(c)
		}
	}
}

// call looks at one command line: the program, and what it would run if it is a wrapper.
func (r *commandReader) call(words []shellWord, in stdin, depth int) {
	for range maxCommandNames { // each round takes one wrapper off
		if len(words) == 0 {
			return
		}
		if words[0].dynamic || words[0].text == "" {
			r.flags.add(FlagDynamic)
			return
		}
		name := r.program(words[0].text)
		rest := words[1:]
		switch {
		case slices.Contains(shells, name):
			r.flags.add(FlagWrapper)
			r.shell(rest, in, depth)
			return
		case name == "find" || name == "fd":
			r.find(rest, depth)
			return
		}
		if w, ok := wrappers[name]; ok {
			r.flags.add(FlagWrapper)
			words = w(r, rest, depth)
			continue
		}
		r.interpreter(name, rest, in)
		return
	}
	r.flags.add(FlagUnparsable)
}

// program notes the name of a program, as far as it is one, and returns it.
func (r *commandReader) program(word string) string {
	name := strings.ToLower(path.Base(strings.ReplaceAll(word, `\`, "/")))
	for _, extension := range []string{".exe", ".cmd", ".bat", ".com"} {
		name = strings.TrimSuffix(name, extension)
	}
	odd := len(name) > maxProgramName || strings.HasPrefix(name, "-") || strings.ContainsFunc(name, func(c rune) bool {
		return c >= 0x80 || !isAlnum(byte(c)) && !strings.ContainsRune("._+-[", c)
	})
	switch {
	case odd || name == "":
		r.flags.add(FlagOddSpelling, FlagDynamic)
	case len(r.programs) < maxCommandNames:
		r.programs = append(r.programs, name)
	case !slices.Contains(r.programs, name):
		r.flags.add(FlagUnparsable)
	}
	return name
}

// shell is a shell that runs `-c script`, its input, or a file that we can't see.
func (r *commandReader) shell(args []shellWord, in stdin, depth int) {
	command := false
	for len(args) > 0 && !args[0].dynamic {
		option := args[0].text
		if option == "--command" {
			command = true
		}
		if option == "" || option[0] != '-' && option[0] != '+' || option == "-" || option == "--" {
			break
		}
		args = args[1:]
		if strings.HasPrefix(option, "--") {
			if (option == "--rcfile" || option == "--init-file") && len(args) > 0 {
				r.flags.add(FlagDynamic)
				args = args[1:]
			}
			continue
		}
		command = command || strings.Contains(option, "c")
		if strings.HasSuffix(strings.ToLower(option), "o") && len(args) > 0 { // -o pipefail
			args = args[1:]
		}
	}
	if len(args) > 0 && (args[0].text == "--" || args[0].text == "-") {
		args = args[1:]
	}
	switch {
	case command && len(args) > 0:
		r.flags.addIf(args[0].dynamic, FlagDynamic)
		r.script(args[0].text, depth+1)
	case len(args) == 0 && in.given:
		r.flags.addIf(in.dynamic, FlagDynamic)
		r.script(in.text, depth+1)
	default: // a script file, or what comes down a pipe
		r.flags.add(FlagDynamic)
	}
}

// interpreter notes code of another language, which is not read.
func (r *commandReader) interpreter(name string, args []shellWord, in stdin) {
	base := strings.TrimRight(name, "0123456789.")
	if slices.Contains(foreignShells, name) {
		r.flags.add(FlagWrapper, FlagUnparsable)
		return
	}
	if slices.Contains(awks, base) {
		r.flags.addIf(slices.ContainsFunc(args, func(w shellWord) bool {
			return strings.Contains(w.text, "system") || strings.ContainsAny(w.text, "|>") || w.text == "-f"
		}), FlagInlineCode)
		return
	}
	options, ok := interpreters[base]
	if !ok {
		return
	}
	r.flags.addIf(in.given || len(args) == 0 || args[0].text == "-", FlagInlineCode)
	for _, arg := range args {
		r.flags.addIf(slices.ContainsFunc(options, func(option string) bool { return givesOption(arg.text, option) }), FlagInlineCode)
	}
	r.flags.addIf(len(args) > 0 && args[0].dynamic, FlagDynamic)
}

// givesOption finds -e in -pe and in -e'code', and --eval in --eval=code.
func givesOption(arg, option string) bool {
	if len(option) == 2 && option[0] == '-' && option[1] != '-' {
		return len(arg) >= 2 && arg[0] == '-' && arg[1] != '-' && strings.Contains(arg[1:min(len(arg), 8)], option[1:])
	}
	return arg == option || strings.HasPrefix(arg, option+"=")
}
