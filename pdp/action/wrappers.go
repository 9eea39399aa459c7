package action

import (
	"slices"
	"strings"
)

// shells run text; interpreters run code of their own language after one of these options, or from their
// input; an awk program may run commands; foreign shells speak a language that is not parsed.
var (
	shells = []string{"sh", "bash", "dash", "zsh", "ksh", "ksh93", "mksh", "ash", "rbash", "fish", "csh", "tcsh", "hush", "yash"}

	interpreters = map[string][]string{
		"python": {"-c"}, "pypy": {"-c"}, "perl": {"-e", "-E"}, "ruby": {"-e"}, "node": {"-e", "-p", "--eval", "--print"},
		"nodejs": {"-e", "-p", "--eval", "--print"}, "deno": {"eval"}, "bun": {"-e", "--eval"}, "php": {"-r"}, "lua": {"-e"},
		"rscript": {"-e"}, "osascript": {"-e"}, "tclsh": nil, "vim": {"-c"}, "vi": {"-c"}, "ed": nil, "gdb": {"-ex", "-x"},
		"tar": {"-I", "--to-command", "--checkpoint-action", "--use-compress-program"}, "rsync": {"-e", "--rsh"}, "scp": {"-o", "-S"},
		"git": {"-c", "--exec-path", "--upload-pack", "--receive-pack"}, "make": {"-f", "--eval", "--file"},
	}
	awks          = []string{"awk", "gawk", "mawk", "nawk"}
	foreignShells = []string{"powershell", "pwsh", "cmd", "wscript", "cscript", "mshta", "rundll32"}
)

// wrapper takes a program's arguments and returns the command line inside them, or nil after it has looked at
// it itself.
type wrapper func(r *commandReader, args []shellWord, depth int) []shellWord

// options is how a wrapper's own arguments are told from the command that follows them.
type options struct {
	short    string   // letters of options that take an argument
	long     []string // long options that take the next word
	flags    []string // long options that take none
	assigns  bool     // NAME=value may stand before the command
	operands int      // words before the command: the duration of timeout
}

// skip returns what follows the wrapper's own arguments. A long option that is not known may or may not take
// the next word: then which program runs is not known.
func (o options) skip(r *commandReader, args []shellWord) []shellWord {
	for len(args) > 0 {
		word := args[0]
		if word.dynamic {
			r.flags.add(FlagDynamic)
			return nil
		}
		switch s := word.text; {
		case s == "--":
			return o.operand(args[1:])
		case o.assigns && !strings.HasPrefix(s, "-") && strings.Contains(s, "="):
			name, _, _ := strings.Cut(s, "=")
			r.flags.addIf(slices.Contains(steeringVariables, name), FlagDynamic)
		case strings.HasPrefix(s, "--"):
			name, _, attached := strings.Cut(s[2:], "=")
			switch {
			case attached || slices.Contains(o.flags, name):
			case slices.Contains(o.long, name):
				args = args[1:]
			default:
				r.flags.add(FlagDynamic)
			}
		case len(s) > 1 && s[0] == '-':
			// -in5: the first letter that takes an argument takes the rest, or the next word.
			if i := strings.IndexAny(s[1:], o.short); i >= 0 && i == len(s)-2 {
				args = args[1:]
			}
		default:
			return o.operand(args)
		}
		args = args[min(1, len(args)):]
	}
	return nil
}

func (o options) operand(args []shellWord) []shellWord { return args[min(o.operands, len(args)):] }

// plain is a wrapper whose command follows its options.
func plain(o options) wrapper {
	return func(r *commandReader, args []shellWord, _ int) []shellWord { return o.skip(r, args) }
}

// joined is a wrapper that hands its words to a shell as one text.
func joined(o options) wrapper {
	return func(r *commandReader, args []shellWord, depth int) []shellWord {
		r.text(o.skip(r, args), depth)
		return nil
	}
}

func (r *commandReader) text(words []shellWord, depth int) {
	if len(words) == 0 {
		return
	}
	parts := make([]string, len(words))
	for i, w := range words {
		parts[i] = w.text
		r.flags.addIf(w.dynamic, FlagDynamic)
	}
	r.script(strings.Join(parts, " "), depth+1)
}

// unseen is a wrapper of something that is not in the command: a file, an alias, a remote session.
func unseen(r *commandReader, _ []shellWord, _ int) []shellWord {
	r.flags.add(FlagDynamic)
	return nil
}

var wrappers map[string]wrapper

// It refers to the reader, which refers to it.
func init() { wrappers = wrapperTable() }

func wrapperTable() map[string]wrapper {
	none := plain(options{})
	sudo := options{
		short: "ugChpTrtDRUac", long: []string{"user", "group", "host", "prompt", "close-from", "chdir", "chroot", "role", "type", "other-user", "command-timeout"},
		flags:   []string{"non-interactive", "stdin", "preserve-env", "set-home", "background", "askpass", "login", "shell", "reset-timestamp"},
		assigns: true,
	}
	return map[string]wrapper{
		"env":  env,
		"sudo": orShell(sudo), "doas": orShell(options{short: "uC"}), "pkexec": plain(options{long: []string{"user"}, flags: []string{"disable-internal-agent", "keep-cwd"}}),
		"su": su, "runuser": su, "sg": su,
		"xargs": plain(options{
			short: "InLPdEas",
			long:  []string{"arg-file", "delimiter", "max-args", "max-procs", "max-chars", "process-slot-var"},
			flags: []string{"null", "interactive", "no-run-if-empty", "verbose", "exit", "open-tty", "eof", "replace", "max-lines"},
		}),
		"parallel": joined(options{short: "jNnLdaCIS", long: []string{"jobs", "arg-file", "delimiter", "colsep", "joblog", "timeout", "retries", "results", "halt"}}),
		"nohup":    none, "setsid": plain(options{flags: []string{"ctty", "fork", "wait"}}), "command": none, "builtin": none, "fakeroot": none, "unbuffer": none,
		"torsocks": none, "torify": none, "proxychains": plain(options{short: "f"}), "proxychains4": plain(options{short: "f"}), "eatmydata": none,
		"busybox": none, "toybox": none, "time": plain(options{short: "fo"}), "exec": plain(options{short: "a"}), "noglob": none, "nocorrect": none, "caffeinate": plain(options{short: "tw"}),
		"nice": plain(options{short: "n", long: []string{"adjustment"}}), "ionice": plain(options{short: "cnpPu", long: []string{"class", "classdata"}}),
		"chrt": plain(options{short: "TPD", operands: 1}), "taskset": plain(options{operands: 1}),
		"timeout": plain(options{short: "ks", long: []string{"kill-after", "signal"}, flags: []string{"preserve-status", "foreground", "verbose"}, operands: 1}),
		"stdbuf":  plain(options{short: "ioe", long: []string{"input", "output", "error"}}), "faketime": plain(options{short: "fp", operands: 1}),
		"chroot": plain(options{long: []string{"userspec", "groups"}, operands: 1}), "unshare": plain(options{
			short: "SGRw", long: []string{"setuid", "setgid", "root", "wd"},
			flags: []string{"mount", "uts", "ipc", "net", "pid", "user", "cgroup", "fork", "map-root-user", "mount-proc"},
		}),
		"nsenter": plain(options{short: "tSGW", long: []string{"target", "setuid", "setgid"}, flags: []string{"all", "mount", "uts", "ipc", "net", "pid", "user", "cgroup", "root", "wd"}}),
		"strace":  plain(options{short: "eopsuEabIOSXPU"}), "ltrace": plain(options{short: "eopsuaDFlnwx"}), "valgrind": none, "setarch": plain(options{operands: 1}), "linux64": none, "linux32": none,
		"prlimit": none, "cpulimit": plain(options{short: "lpe", long: []string{"limit", "pid", "exe"}}), "firejail": none, "dbus-run-session": none, "start-stop-daemon": unseen,
		"systemd-run": plain(options{
			short: "pEuHMtG", long: []string{"property", "setenv", "unit", "uid", "gid", "description", "slice", "working-directory", "on-active", "on-calendar"},
			flags: []string{"user", "system", "scope", "wait", "pipe", "pty", "quiet", "collect", "shell", "no-block"},
		}),
		"watch": joined(options{short: "n", long: []string{"interval"}, flags: []string{"beep", "color", "differences", "errexit", "chgexit", "exec", "precise", "no-title"}}),
		"ssh":   joined(options{short: "bcDEeFIiJLlmOopQRSWw", operands: 1}), "rsh": joined(options{short: "l", operands: 1}),
		"eval": joined(options{}), "trap": trap, "flock": flock, "script": script,
		"source": unseen, ".": unseen, "alias": unseen, "enable": unseen, "at": unseen, "batch": unseen, "crontab": unseen, "entr": unseen,
		"npx": unseen, "bunx": unseen, "uvx": unseen, "pipx": unseen, "tmux": unseen, "screen": unseen, "expect": unseen, "start": unseen,
		"coproc": none, "winpty": none, "wsl": none, "doppler": unseen, "rlwrap": none,
	}
}

// env also has -S, which cuts one word into many.
func env(r *commandReader, args []shellWord, depth int) []shellWord {
	o := options{short: "uC", long: []string{"unset", "chdir"}, flags: []string{"ignore-environment", "null", "debug"}, assigns: true}
	for i, word := range args {
		text, attached := strings.CutPrefix(word.text, "--split-string=")
		switch {
		case attached:
		case strings.HasPrefix(word.text, "-S"):
			text = word.text[2:]
		case word.text == "-vS", word.text == "-iS", word.text == "--split-string":
			text = ""
		case strings.HasPrefix(word.text, "-"), strings.Contains(word.text, "="):
			continue
		default:
			return o.skip(r, args)
		}
		rest := args[i+1:]
		if text != "" {
			rest = append([]shellWord{{text: text}}, rest...)
		}
		r.text(append([]shellWord{{text: "env"}}, rest...), depth)
		return nil
	}
	return o.skip(r, args)
}

// orShell opens a shell, about which nothing is known, where no command follows.
func orShell(o options) wrapper {
	return func(r *commandReader, args []shellWord, _ int) []shellWord {
		rest := o.skip(r, args)
		r.flags.addIf(len(rest) == 0, FlagDynamic)
		return rest
	}
}

// scriptOf finds the text behind -c, wherever it stands among a wrapper's arguments.
func (r *commandReader) scriptOf(args []shellWord, depth int) bool {
	for i, word := range args {
		text, attached := strings.CutPrefix(word.text, "--command=")
		switch {
		case attached:
			r.script(text, depth+1)
		case i+1 < len(args) && (word.text == "--command" || len(word.text) > 1 && word.text[0] == '-' && word.text[1] != '-' && strings.HasSuffix(word.text, "c")):
			r.flags.addIf(args[i+1].dynamic, FlagDynamic)
			r.script(args[i+1].text, depth+1)
		default:
			continue
		}
		return true
	}
	return false
}

func su(r *commandReader, args []shellWord, depth int) []shellWord {
	if !r.scriptOf(args, depth) {
		r.flags.add(FlagDynamic)
	}
	return nil
}

func script(r *commandReader, args []shellWord, depth int) []shellWord {
	r.flags.add(FlagWrites)
	return su(r, args, depth)
}

func flock(r *commandReader, args []shellWord, depth int) []shellWord {
	if r.scriptOf(args, depth) {
		return nil
	}
	return options{short: "wE", long: []string{"timeout", "wait", "conflict-exit-code"}, operands: 1}.skip(r, args)
}

func trap(r *commandReader, args []shellWord, depth int) []shellWord {
	if len(args) > 1 && args[0].text != "-" {
		r.text(args[:1], depth)
	}
	return nil
}

// find runs what stands between -exec and a semicolon or plus.
func (r *commandReader) find(args []shellWord, depth int) {
	for len(args) > 0 {
		word := args[0].text
		args = args[1:]
		if !slices.Contains([]string{"-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"}, word) {
			continue
		}
		r.flags.add(FlagWrapper)
		if depth > maxCommandDepth {
			r.flags.add(FlagUnparsable)
			return
		}
		inner := args
		if end := slices.IndexFunc(args, func(w shellWord) bool { return w.text == ";" || w.text == "+" }); end >= 0 {
			inner, args = args[:end], args[end+1:]
		} else {
			args = nil
		}
		r.call(inner, stdin{}, depth+1)
	}
}
