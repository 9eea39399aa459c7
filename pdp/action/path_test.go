package action

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A11: files that decide what an agent may do, in the spellings that reach them.
func TestThreat_A11_PathTable(t *testing.T) {
	denied := []string{".portcullis", "/home/alice/.config/portcullis", "/srv/policies"}
	for _, c := range []struct{ raw, text, class string }{
		{".cursor/mcp.json", ".cursor/mcp.json", ClassAgentConfig},
		{".CURSOR/mcp.json", ".cursor/mcp.json", ClassAgentConfig},
		{".Cursor/rules/x.mdc", ".cursor/rules/x.mdc", ClassAgentConfig},
		{"./x/../.cursor/./mcp.json", ".cursor/mcp.json", ClassAgentConfig},
		{`.cursor\mcp.json`, ".cursor/mcp.json", ClassAgentConfig},
		{`C:\Users\Bob\.CURSOR\MCP.JSON`, "~/.cursor/mcp.json", ClassAgentConfig},
		{`\\?\C:\Users\Bob\.cursor\mcp.json`, "~/.cursor/mcp.json", ClassAgentConfig},
		{"/mnt/c/Users/bob/.cursor/mcp.json", "~/.cursor/mcp.json", ClassAgentConfig},
		{"%2ecursor%2fmcp.json", ".cursor/mcp.json", ClassAgentConfig},
		{"%252ecursor%252fmcp%252ejson", ".cursor/mcp.json", ClassAgentConfig},
		{"file:///home/bob/.cursor/mcp.json", "~/.cursor/mcp.json", ClassAgentConfig},
		{"file:.cursor/mcp.json", ".cursor/mcp.json", ClassAgentConfig},
		{"FILE://localhost/home/bob/.cursor/mcp.json", "~/.cursor/mcp.json", ClassAgentConfig},
		{"~/.claude/settings.json", "~/.claude/settings.json", ClassAgentConfig},
		{"$HOME/.claude/settings.json", "~/.claude/settings.json", ClassAgentConfig},
		{"${HOME}/.claude/settings.json", "~/.claude/settings.json", ClassAgentConfig},
		{`%USERPROFILE%\.claude\settings.json`, "~/.claude/settings.json", ClassAgentConfig},
		{"~bob/.claude/settings.json", "~/.claude/settings.json", ClassAgentConfig},
		{"/proc/self/root/home/bob/.claude/x", "~/.claude/x", ClassAgentConfig},
		{"/proc/123/cwd/.claude/x", ".claude/x", ClassAgentConfig},
		{".cl\u200baude/settings.json", ".claude/settings.json", ClassAgentConfig},
		{"．ｃｌａｕｄｅ/settings.json", ".claude/settings.json", ClassAgentConfig},
		{".сlаude/settings.json", ".claude/settings.json", ClassAgentConfig},
		{".claude./settings.json", ".claude/settings.json", ClassAgentConfig},
		{".mcp.json::$DATA", ".mcp.json", ClassAgentConfig},
		{".cursor /mcp.json", ".cursor/mcp.json", ClassAgentConfig},
		{".mcp.json%00.txt", ".mcp.json", ClassAgentConfig},
		{"docs/Claude.md", "docs/claude.md", ClassAgentConfig},
		{"AGENTS.md", "agents.md", ClassAgentConfig},
		{"repo/.git/hooks/pre-commit", "repo/.git/hooks/pre-commit", ClassAgentConfig},
		{"hooks/post-merge", "hooks/post-merge", ClassAgentConfig},
		{".git/config", ".git/config", ClassAgentConfig},
		{".github/workflows/ci.yml", ".github/workflows/ci.yml", ClassAgentConfig},
		{"src/hooks/useThing.ts", "src/hooks/usething.ts", ClassPlain},

		{"MEMORY.md", "memory.md", ClassMemory},
		{"notes/memory/2026-01-01.MD", "notes/memory/2026-01-01.md", ClassMemory},
		{"memory/log.txt", "memory/log.txt", ClassPlain},

		{"~/.ssh/id_rsa", "~/.ssh/id_rsa", ClassSecret},
		{"/root/.SSH/config", "~/.ssh/config", ClassSecret},
		{"/home/bob/.aws/credentials", "~/.aws/credentials", ClassSecret},
		{".env", ".env", ClassSecret},
		{"app/.env.production", "app/.env.production", ClassSecret},
		{".env.example", ".env.example", ClassPlain},
		{"tls/server.PEM", "tls/server.pem", ClassSecret},
		{"id_ed25519.pub", "id_ed25519.pub", ClassPlain},
		{"/etc/shadow", "/etc/shadow", ClassSecret},
		{"/etc/../etc//shadow", "/etc/shadow", ClassSecret},
		{"/e*c/shado?", "/e*c/shado?", ClassSecret},
		{"/proc/self/environ", "/proc/self/environ", ClassSecret},
		{"~/.docker/config.json", "~/.docker/config.json", ClassSecret},
		{"agent.token", "agent.token", ClassSecret},

		{"/etc/passwd", "/etc/passwd", ClassSystem},
		{"/private/etc/hosts", "/etc/hosts", ClassSystem},
		{`C:\Windows\System32`, "/windows/system32", ClassSystem},
		{"../../../../../etc/passwd", "etc/passwd", ClassPlain}, // flagged FlagEscapes; see below
		{"~/../../etc/passwd", "/etc/passwd", ClassSystem},
		{"/usr/local/../bin/env", "/usr/bin/env", ClassSystem},
		{"~/.bashrc", "~/.bashrc", ClassSystem},
		{"/dev/null", "/dev/null", ClassPlain},
		{"/var/tmp/x", "/var/tmp/x", ClassPlain},
		{"/", "/", ClassPlain},
		{"report.txt", "report.txt", ClassPlain},
		{"/data/report.txt", "/data/report.txt", ClassPlain},
		{"", "", ClassPlain},
		{"..", "", ClassPlain},

		{".portcullis/agent.token", ".portcullis/agent.token", ClassProtected},
		{"/anywhere/.Portcullis/x", "/anywhere/.portcullis/x", ClassProtected},
		{"a/../.portcullis", ".portcullis", ClassProtected},
		{".port*/agent.token", ".port*/agent.token", ClassProtected},
		{".p[o]rtcullis/x", ".p[o]rtcullis/x", ClassProtected},
		{"*/x", "*/x", ClassPlain},
		{"~/.config/portcullis/approver.token", "~/.config/portcullis/approver.token", ClassProtected},
		{"/home/alice/.config/x/../PORTCULLIS", "~/.config/portcullis", ClassProtected},
		{"/Users/alice/.config/portcullis", "~/.config/portcullis", ClassProtected},
		{".config/portcullis/x", ".config/portcullis/x", ClassProtected},
		{"../.config/portcullis/x", ".config/portcullis/x", ClassProtected},
		{"/srv/policies/a.rego", "/srv/policies/a.rego", ClassProtected},
		{"/srv/./policies/", "/srv/policies", ClassProtected},
		{"policies/a.rego", "policies/a.rego", ClassProtected}, // relative to who knows what
		{"/srv/policies-old/a.rego", "/srv/policies-old/a.rego", ClassPlain},
		{"/data/policies/a.rego", "/data/policies/a.rego", ClassPlain},
	} {
		p := CanonicalPath(c.raw, denied)
		if p.Text != c.text || p.Class != c.class {
			t.Errorf("%q: %q %s, want %q %s", c.raw, p.Text, p.Class, c.text, c.class)
		}
	}
}

func TestPathFlags(t *testing.T) {
	for _, c := range []struct{ raw, flags string }{
		{"a/b", ""},
		{"/a", "absolute"},
		{"~/a", "home"},
		{"/home/bob/a", "home"},
		{"a/../b", "traversal"},
		{"../b", "escapes traversal"},
		{"/../b", "absolute escapes traversal"},
		{"%2e%2e/b", "escapes odd_spelling traversal"},
		{"*.txt", "glob"},
		{"a./b", "odd_spelling"},
		{"/srv", "above_protected absolute"},
		{"/", "above_protected absolute"},
	} {
		if p := CanonicalPath(c.raw, []string{"/srv/data"}); strings.Join(p.Flags, " ") != c.flags {
			t.Errorf("%q: %v, want %s", c.raw, p.Flags, c.flags)
		}
	}
}

// A data directory that is a home directory itself must not be forgotten.
func TestDeniedHomeAndRoot(t *testing.T) {
	for _, c := range []struct{ denied, raw string }{{"/root", "/root/x"}, {"/home/app", "~/x"}, {"/", "/x"}, {`C:\data`, `c:/DATA/x`}, {"~/.pc", "/home/bob/.pc/x"}} {
		if p := CanonicalPath(c.raw, []string{c.denied}); p.Class != ClassProtected {
			t.Errorf("%q under %q is %s", c.raw, c.denied, p.Class)
		}
	}
	if p := CanonicalPath("/x", []string{""}); p.Class != ClassPlain {
		t.Errorf("nothing denied, %s", p.Class)
	}
}

// Detours through directories change neither what a path is nor that it is denied.
func TestPathDetours(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		target := rapid.SampledFrom([]string{"/srv/secret/x", "~/.ssh/id_rsa", ".cursor/mcp.json", "/etc/passwd"}).Draw(t, "target")
		root, rest := "", target
		if i := strings.IndexByte(target, '/'); target[0] == '/' || target[0] == '~' {
			root, rest = target[:i+1], target[i+1:]
		}
		var out []string
		for segment := range strings.SplitSeq(rest, "/") {
			for range rapid.IntRange(0, 2).Draw(t, "detours") {
				out = append(out, rapid.SampledFrom([]string{".", "", "a/..", "b/c/../..", "%2e", "d/%2E%2e", `e\..`}).Draw(t, "detour"))
			}
			if rapid.Bool().Draw(t, "case") {
				segment = strings.ToUpper(segment)
			}
			out = append(out, segment)
		}
		want := CanonicalPath(target, []string{"/srv/secret"})
		got := CanonicalPath(root+strings.Join(out, "/"), []string{"/srv/secret"})
		if out[0] == "" && root == "" {
			t.Skip("it became absolute")
		}
		if got.Text != want.Text || got.Class != want.Class {
			t.Fatalf("%q: %+v, want %+v", root+strings.Join(out, "/"), got, want)
		}
	})
}

func TestDeniedInText(t *testing.T) {
	c := collector{denied: readDenied([]string{".portcullis", "/home/alice/.config/portcullis", "/srv/My Data"})}
	for _, text := range []string{
		"please read .portcullis/agent.token now", "cat '/x/.PORTCULLIS/y'", `type C:\x\.portcullis\y`, "see (~/.config/portcullis/approver.token)",
		"a=%2eportcullis%2fagent.token", "x;cat<.portcullis/a", "open /srv/My Data/x", "/home/alice/.config/./portcullis/a",
		"zero .port\u200bcullis/a", "path:.portcullis", "--file=.portcullis/x",
	} {
		if !c.mentionsDenied(text) {
			t.Errorf("not seen: %q", text)
		}
	}
	for _, text := range []string{"", "portcullis is a gate", "github.com/portcullis-pdp/portcullis", "my data is mine", "the .portcullisrc file"} {
		if c.mentionsDenied(text) {
			t.Errorf("seen: %q", text)
		}
	}
}

func TestPathNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.SampledFrom([]rune(`/\.~:%$*?[]{}0a2eé`+"\x00\u200b "))).Draw(t, "s")
		p := CanonicalPath(s, []string{s, ".x"})
		if slices.Contains(strings.Split(p.Text, "/"), "..") {
			t.Fatalf("%q became %q", s, p.Text)
		}
	})
}
