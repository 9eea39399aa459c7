package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// terminal is a pseudo-terminal: what a program draws on one end is read from the other, where a person types.
func terminal(t *testing.T, width, height uint16) (drawn *recording, end, keyboard *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	raw := int(ours.Fd())
	n, err := unix.IoctlGetInt(raw, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(raw, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(raw, unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height})
	}
	if err == nil {
		end, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	drawn = &recording{began: time.Now(), width: width, height: height}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(drawn, ours) // ends with an error when the last writer has gone
	}()
	t.Cleanup(func() {
		_ = end.Close()
		<-read
		_ = ours.Close()
	})
	return drawn, end, ours
}

// recording is what was drawn, and when.
type recording struct {
	output
	began         time.Time
	width, height uint16
	frames        [][]any // seconds, "o", what was drawn
	typed         []int   // before which frame a person typed
}

// perKey is how long a recording shows what was there before the next key: a person reads.
const perKey = 1.5 // seconds

func (r *recording) Write(b []byte) (int, error) {
	r.mu.Lock()
	r.frames = append(r.frames, []any{time.Since(r.began).Seconds(), "o", string(b)})
	r.mu.Unlock()
	return r.output.Write(b)
}

// save writes it down for asciinema to play, where the environment asks for that.
func (r *recording) save(t *testing.T) {
	t.Helper()
	file := os.Getenv("PORTCULLIS_RECORD")
	if file == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, frame := range r.frames {
		for _, at := range r.typed {
			if at <= i {
				frame[0] = frame[0].(float64) + perKey
			}
		}
	}
	var cast bytes.Buffer
	enc := json.NewEncoder(&cast)
	enc.SetEscapeHTML(false)
	for _, line := range append([]any{map[string]any{"version": 2, "width": r.width, "height": r.height, "title": "portcullis approvals"}}, anys(r.frames)...) {
		if err := enc.Encode(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, cast.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// TestReviewingOnATerminal: a person sees what waits, reads one ask to its end, approves it with a comment, and rejects
// the next; the agent hears both. docs/approvals-session.cast is a recording of it.
func TestReviewingOnATerminal(t *testing.T) {
	t.Parallel()
	p := start(t)
	a := p.agent(t)
	request := func(to string) *pb.DecideRequest {
		return call("demo-filtered", session(t), "send_email", `{"to": "`+to+`", "subject": "Lunch on Thursday", "body": "At noon, \u202eyadsruhT?"}`)
	}
	first := a.wants(t, request("ann@example.com"), ask).GetApproval().GetId()
	second := a.wants(t, request("bob@example.net"), ask).GetApproval().GetId()
	drawn, end, keyboard := terminal(t, 100, 30)
	cmd := p.command(t, t.Context(), "approvals")
	cmd.Env = append(cmd.Env, "TERM=xterm-256color", "LANG=C.UTF-8")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = end, end, end
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sees := func(what string) {
		t.Helper()
		eventually(t, startWithin, "the screen shows "+what, func() bool { return strings.Contains(drawn.String(), what) })
	}
	types := func(keys string) {
		t.Helper()
		drawn.mu.Lock()
		drawn.typed = append(drawn.typed, len(drawn.frames))
		drawn.mu.Unlock()
		if _, err := keyboard.WriteString(keys); err != nil {
			t.Fatal(err)
		}
	}
	// Only what changes is drawn, so what is waited for must be new where it stands.
	eventually(t, startWithin, "both are listed", func() bool { return strings.Count(drawn.String(), "send_email") >= 2 })
	types("\r")
	sees("ann@example.com")
	sees(`\u202eyadsruhT`)
	types("G")
	types("a")
	sees("with the comment")
	types("she is invited\r")
	sees("APPROVE")
	types("r")
	sees("reject")
	types("not him\r")
	sees("REJECT")
	types("q")
	if err := cmd.Wait(); err != nil {
		t.Errorf("quit: %v\n%q", err, drawn.String())
	}
	drawn.save(t)
	for id, want := range map[string]struct {
		state   pb.ApprovalState
		comment string
	}{first: {approved, "she is invited"}, second: {rejected, "not him"}} {
		stream, err := a.WatchVerdict(t.Context(), &pb.WatchVerdictRequest{ApprovalId: id})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := stream.Recv(); err != nil || got.GetState() != want.state || got.GetComment() != want.comment {
			t.Errorf("the agent hears %v, %v; want %v", got, err, want)
		}
	}
}

// TestLimitsOnATerminal: it is drawn in colour and in place, and ^C gives the terminal back as it was.
func TestLimitsOnATerminal(t *testing.T) {
	t.Parallel()
	p := start(t)
	a, s := p.agent(t), session(t)
	a.wants(t, call("demo-basic", s, "calculator", ""), allow)
	for name, c := range map[string]struct {
		settings   []string
		width      uint16
		have, lack []string
	}{
		"wide":     {nil, 200, []string{"\x1b[?1049h", "\x1b[?25l", "RESETS IN", "▕·", "\x1b[32m", "$0.0001 / $10.00"}, []string{"[####"}},
		"narrow":   {nil, 50, []string{"▕", "  $0.0001 / $10.00, session,"}, []string{"RESETS IN"}},
		"NO_COLOR": {[]string{"NO_COLOR=1"}, 200, []string{"▕·", "\x1b[?1049h"}, []string{"\x1b[32m", "\x1b[1m"}},
		"ASCII":    {[]string{"LC_ALL=C"}, 200, []string{"[....", "\x1b[32m"}, []string{"▕", "█"}},
		"dumb":     {[]string{"TERM=dumb"}, 200, []string{"RESETS IN", "$0.0001 / $10.00"}, []string{"\x1b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drawn, end, _ := terminal(t, c.width, 24)
			cmd := p.command(t, context.Background(), "limits", "--watch", "--every", "500ms", "--session", s)
			cmd.Env = append(append(cmd.Env, "TERM=xterm"), c.settings...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = end, end, end
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, startWithin, "it is drawn twice", func() bool { return strings.Count(drawn.String(), "limits at ") >= 2 })
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Error(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("interrupted: %v", err)
			}
			has := func(want string) bool { return strings.Contains(drawn.String(), want) }
			if name != "dumb" {
				eventually(t, time.Minute, "the terminal is given back", func() bool { return has("\x1b[?25h\x1b[?1049l") })
			}
			for _, want := range c.have {
				if !has(want) {
					t.Errorf("no %q in\n%q", want, drawn.String())
				}
			}
			for _, no := range c.lack {
				if has(no) {
					t.Errorf("%q in\n%q", no, drawn.String())
				}
			}
		})
	}
}
