package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal: what a program draws on one end is read from the other.
func terminal(t *testing.T, width, height uint16) (drawn *output, end *os.File) {
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
	drawn = &output{}
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
	return drawn, end
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
			drawn, end := terminal(t, c.width, 24)
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
