package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// section is the text of a Markdown file below one heading.
func section(t *testing.T, text, heading string) string {
	t.Helper()
	_, after, found := strings.Cut(text, "\n## "+heading+"\n")
	if !found {
		t.Fatalf("there is no section %q", heading)
	}
	body, _, _ := strings.Cut(after, "\n## ")
	return body
}

var fence = regexp.MustCompile("(?s)```sh\n(.*?)```")

// blocks are the commands in a text, one string a block.
func blocks(text string) []string {
	var out []string
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// reader is somebody who types what a page says, in a folder like a clone after `make build`, with a server that `make run`
// would start there, but for the port.
type reader struct {
	*pdp
	folder  string
	prelude string // typed before every block
}

func newReader(t *testing.T) *reader {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(filepath.Join(folder, "policies"), os.DirFS(filepath.Join(root(), "policies"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"portcullis", "grpcurl", "opa"} {
		if err := os.Symlink(mustTool(t, name), filepath.Join(folder, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	recipe := exec.Command("make", "--dry-run", "--no-print-directory", "-C", root(), "run", "ARGS=--listen 127.0.0.1:0 --console 127.0.0.1:0 --addr-file addr")
	lines := strings.Split(strings.TrimSpace(run(t, recipe).ok(t).out), "\n")
	serve := lines[len(lines)-1]
	if !strings.HasPrefix(serve, "bin/portcullis serve") {
		t.Fatalf("make run would run %q", serve)
	}
	// Development mode as it is, with its default folders.
	p := &pdp{dir: folder, data: filepath.Join(folder, ".portcullis"), operator: filepath.Join(folder, "config", "portcullis")}
	cmd := exec.Command("bash", "-c", "exec "+serve)
	cmd.Dir = folder
	p.begin(cmd)
	t.Cleanup(func() {
		if err := p.terminate(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the server said:\n%s", p.said.String())
		}
	})
	if err := p.await(filepath.Join(folder, "addr")); err != nil {
		t.Fatalf("%v\n%s", err, p.said.String())
	}
	return &reader{pdp: p, folder: folder}
}

// types types commands; the port is the only thing that differs from the page.
func (r *reader) types(t *testing.T, commands string) said {
	t.Helper()
	script := strings.ReplaceAll(r.prelude+"\n"+commands, "127.0.0.1:7070", r.addr)
	script = strings.ReplaceAll(script, "~/.config/portcullis", "$XDG_CONFIG_HOME/portcullis")
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir, cmd.Env = r.folder, environment(r.folder, "PORTCULLIS_ADDR="+r.addr)
	return run(t, cmd)
}

func (s said) shows(t *testing.T, what ...string) said {
	t.Helper()
	for _, w := range what {
		if !strings.Contains(s.out, w) {
			t.Fatalf("no %s in what was printed (exit code %d):\n%s%s", w, s.code, s.out, s.err)
		}
	}
	return s
}

// TestReadme types the README's lines one by one.
func TestReadme(t *testing.T) {
	t.Parallel()
	page := mustRead(t, filepath.Join(root(), "README.md"))
	r := newReader(t)

	decision := blocks(section(t, page, "A decision"))
	prelude, question, found := strings.Cut(decision[0], "\n\n")
	if !found {
		t.Fatal("the first block has no blank line between its definitions and the question")
	}
	r.prelude = prelude
	r.types(t, question).ok(t).shows(t, "EFFECT_ALLOW")
	r.types(t, strings.Replace(question, "calculator", "shell_command", 1)).ok(t).shows(t, "EFFECT_DENY", "TOOL_BLOCKED")
	curl := decision[1]
	r.types(t, curl).ok(t).shows(t, "EFFECT_DENY", "TOOL_NOT_ALLOWED")

	approval := strings.Split(blocks(section(t, page, "An approval"))[0], "\n\n")
	asked := r.types(t, approval[0]).ok(t).shows(t, "EFFECT_REQUIRE_APPROVAL").out
	id := regexp.MustCompile(`"id": "([0-9a-f-]{36})"`).FindStringSubmatch(asked)
	if id == nil {
		t.Fatalf("no approval.id in\n%s", asked)
	}
	list, rest, _ := strings.Cut(approval[1], "\n")
	r.types(t, list).ok(t).shows(t, id[1])
	for command := range strings.Lines(rest) {
		r.types(t, strings.ReplaceAll(command, " ID", " "+id[1])).ok(t).shows(t, id[1])
	}
	again := strings.Replace(approval[0], `ask '{`, `ask '{"approval_id": "`+id[1]+`", `, 1)
	r.types(t, again).ok(t).shows(t, "EFFECT_ALLOW")
	if twice := r.types(t, again); !strings.Contains(twice.err, "FailedPrecondition") {
		t.Fatalf("twice: %s%s", twice.out, twice.err)
	}

	profiles := filepath.Join(r.folder, "policies", "tables", "profiles", "data.yaml")
	edit(t, profiles, "[read_file, search, calculator]", "[read_file, search, calculator, send_email]")
	eventually(t, live, "the edit is live", func() bool {
		return strings.Contains(r.types(t, curl).out, "EFFECT_REQUIRE_APPROVAL")
	})
	edit(t, profiles, "approve_high: always", "approve_high: [")
	eventually(t, live, "the broken edit is named", func() bool {
		return strings.Contains(r.types(t, "portcullis status").out, "profiles/data.yaml")
	})
	edit(t, profiles, "approve_high: [", "approve_high: always")
	r.types(t, blocks(section(t, page, "A policy changed"))[0]).ok(t).shows(t, "PASS")
}

// TestApprovalsPage types the commands of docs/approvals.md.
func TestApprovalsPage(t *testing.T) {
	t.Parallel()
	page := mustRead(t, filepath.Join(root(), "docs", "approvals.md"))
	r := newReader(t)
	r.prelude = "export PATH=$PWD/bin:$PATH"
	a, s := r.agent(t), session(t)

	id := a.wants(t, email(s), ask).GetApproval().GetId()
	prelude, calls, _ := strings.Cut(blocks(section(t, page, "With grpcurl"))[0], "\n\n")
	lines := strings.Split(strings.TrimSpace(calls), "\n")
	if len(lines) != 5 {
		t.Fatalf("five calls: %q", lines)
	}
	for i, want := range []string{id, "ann@example.com", "ann@example.com", `"applied": true`} {
		r.types(t, prelude+"\n"+strings.ReplaceAll(lines[i], `"ID"`, `"`+id+`"`)).ok(t).shows(t, want)
	}
	waiting := a.wants(t, call("demo-filtered", s, "send_email", `{}`), ask).GetApproval().GetId()
	watching := strings.Replace(prelude, "grpcurl ", "timeout 2 grpcurl ", 1)
	r.types(t, watching+"\n"+lines[4]).shows(t, waiting)

	for line := range strings.Lines(blocks(section(t, page, "In a terminal"))[0]) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		command := strings.ReplaceAll(line, " ID", " "+waiting)
		switch {
		case strings.Contains(command, "watch"):
			r.types(t, "timeout 2 "+command).shows(t, waiting)
		case strings.Contains(command, "reveal"):
			r.types(t, command).ok(t).shows(t, `"kind": "TOOL_CALL"`)
		case strings.Contains(command, "reject"): // what was approved above
			if got := r.types(t, command); got.code != 3 {
				t.Errorf("%s: exit code %d, %s%s", command, got.code, got.out, got.err)
			}
		default:
			r.types(t, command).ok(t).shows(t, waiting)
		}
	}
}

// TestOperationsPage types the commands of docs/operations.md that look after a server.
func TestOperationsPage(t *testing.T) {
	t.Parallel()
	page := mustRead(t, filepath.Join(root(), "docs", "operations.md"))
	p := start(t)
	r := &reader{pdp: p, folder: p.dir, prelude: "PATH=" + filepath.Dir(mustTool(t, "portcullis")) + ":$PATH\nexport PORTCULLIS_DATA_DIR=" + p.data + " PORTCULLIS_OPERATOR_DIR=" + p.operator}
	p.agent(t).wants(t, call("a1", "s", "calculator", ""), allow)
	for line := range strings.Lines(blocks(section(t, page, "Looking after it"))[0]) {
		command, _, _ := strings.Cut(strings.TrimSpace(line), "#")
		if command = strings.TrimSpace(command); command == "" {
			continue
		}
		if strings.Contains(command, "--watch") || strings.Contains(command, "tail") {
			if got := r.types(t, "timeout 1 "+command); got.code != 124 && got.code != 0 {
				t.Errorf("%s: exit code %d, %s%s", command, got.code, got.out, got.err)
			}
			continue
		}
		r.types(t, command).ok(t)
	}
	// Every setting of serve has the name in the environment that the page says.
	help := portcullis(t, "serve", "--help").ok(t).out
	prefix := regexp.MustCompile("`(PORTCULLIS_[A-Z_]*)…`").FindStringSubmatch(page)
	if prefix == nil || !strings.Contains(help, "$"+prefix[1]+"LISTEN") {
		t.Errorf("the page says %v, and serve --help:\n%s", prefix, help)
	}
	// What goes wrong is said as the page says it.
	for _, symptom := range []string{"data directory is in use by another process", "cannot listen on", "LAST LOAD FAILED", "LOG_UNAVAILABLE", "STATE_UNAVAILABLE", "LIMIT_STATE_FULL", "scan_incomplete", "CONTROL_SILENT"} {
		if !strings.Contains(page, symptom) {
			t.Errorf("the page does not explain %s", symptom)
		}
	}
}

// TestPoliciesPage adds the rule that docs/policies.md shows, and sees it act.
func TestPoliciesPage(t *testing.T) {
	t.Parallel()
	page := mustRead(t, filepath.Join(root(), "docs", "policies.md"))
	rule := regexp.MustCompile("(?s)```rego\n(.*?)```").FindStringSubmatch(page)
	if rule == nil {
		t.Fatal("the page has no rule")
	}
	dir := t.TempDir()
	mustWrite(t, filepath.Join(dir, "rules", "long_messages.rego"), rule[1])
	mustWrite(t, filepath.Join(dir, "tables", "agents", "data.yaml"), "agents:\n  - {agent: billing-bot, profile: filtered}\n")
	p := start(t, "--bundle", filepath.Join(root(), "policies"), "--bundle", dir)
	a, s := p.agent(t), session(t)
	a.wants(t, call("billing-bot", s, "search", ""), allow)
	message := call("billing-bot", s, "", "")
	message.Action.Kind, message.Action.FromAgent = pb.ActionKind_ACTION_KIND_MESSAGE, "planner"
	message.Action.Content = strings.Repeat("word ", 4000)
	a.wants(t, message, allow)
	message.Action.Content += "x"
	a.wants(t, message, ask, "MESSAGE_TOO_LONG")
}

// TestLinks: a page links only to what is there.
func TestLinks(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	pages, err := filepath.Glob(filepath.Join(root(), "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(pages, filepath.Join(root(), "README.md"), filepath.Join(root(), "SECURITY.md"), filepath.Join(root(), "CHANGELOG.md")) {
		for _, m := range link.FindAllStringSubmatch(mustRead(t, name), -1) {
			if target := filepath.Join(filepath.Dir(name), m[1]); !exists(target) {
				t.Errorf("%s links to %s", filepath.Base(name), m[1])
			}
		}
	}
}
