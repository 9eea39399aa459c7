package decisionlog

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const childEnv = "PORTCULLIS_TEST_DECISIONLOG_DIR"

// childMain appends from several goroutines until it is killed, and prints each id once it is acknowledged.
func childMain(dir string) {
	l, err := Open(Config{Dir: dir, MaxFileBytes: 64 << 10}, time.Now)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("p%d-w%d-%d", os.Getpid(), w, i)
				if err := l.Append(context.Background(), decisionEntry(id)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Println(id)
			}
		}()
	}
	select {}
}

// A killed process loses no line that it was told is written, and the count goes on without a gap.
func TestThreat_E14_KillNineLosesNoAcknowledgedLine(t *testing.T) {
	dir := t.TempDir()
	var acked []string
	for cycle := range 6 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			acked = append(acked, lines.Text())
			if n == 100+37*cycle {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
		l := mustOpen(t, Config{Dir: dir}, osDisk{})
		mustAppend(t, l, fmt.Sprintf("parent-%d", cycle))
		mustClose(t, l)
		acked = append(acked, fmt.Sprintf("parent-%d", cycle))
	}
	in := map[string]int{}
	for _, id := range readIDs(t, dir) {
		in[id]++
	}
	for _, id := range acked {
		if in[id] != 1 {
			t.Errorf("%s was acknowledged and stands in the log %d times", id, in[id])
		}
	}
}

func TestOpenMendsTheEndOfTheLog(t *testing.T) {
	whole := string(appendLine(nil, 3, testTime, mustEncode(t, decisionEntry("d3"))))
	for name, c := range map[string]struct {
		tail string
		torn bool
		want []string
	}{
		"clean":              {"", false, []string{"d1", "d2", "new"}},
		"half a line":        {whole[:40], true, []string{"d1", "d2", "new"}},
		"all but newline":    {strings.TrimSpace(whole), true, []string{"d1", "d2", "new"}},
		"zeros":              {strings.Repeat("\x00", 5000), true, []string{"d1", "d2", "new"}},
		"zeros and newline":  {"\x00\x00\x00\n", true, []string{"d1", "d2", "new"}},
		"longer than a line": {strings.Repeat("x", maxLineBytes), true, []string{"d1", "d2", "new"}},
		"a probe":            {strings.Repeat(" ", probeBytes), false, []string{"d1", "d2", "new"}},
		"whole and half":     {whole + whole[:9], true, []string{"d1", "d2", "d3", "new"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := mustOpen(t, Config{Dir: dir}, osDisk{})
			mustAppend(t, l, "d1", "d2")
			mustClose(t, l)
			if err := appendTo(segmentPath(dir, 1), c.tail); err != nil {
				t.Fatal(err)
			}
			l = mustOpen(t, Config{Dir: dir}, osDisk{})
			mustAppend(t, l, "new")
			mustClose(t, l)
			wantIDs(t, dir, c.want...)

			torn, _ := filepath.Glob(filepath.Join(dir, "*.torn"))
			if (len(torn) == 1) != c.torn {
				t.Fatalf("set aside: %v, want %v", torn, c.torn)
			}
			if c.torn {
				kept, _ := os.ReadFile(torn[0])
				if len(kept) == 0 || !strings.HasSuffix(c.tail, string(kept)) || l.Health().TornBytes != int64(len(kept)) {
					t.Errorf("kept %d bytes of %d, health says %d", len(kept), len(c.tail), l.Health().TornBytes)
				}
			}
		})
	}
}

func TestOpenGoesOnAfterACrashDuringRotation(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, Config{Dir: dir}, osDisk{})
	mustAppend(t, l, "d1", "d2")
	mustClose(t, l)
	if err := os.WriteFile(segmentPath(dir, 3), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, Config{Dir: dir}, osDisk{})
	mustAppend(t, l, "d3")
	wantIDs(t, dir, "d1", "d2", "d3")
}

func TestOpenRefusesADamagedLog(t *testing.T) {
	for name, content := range map[string]string{
		"megabytes of garbage": strings.Repeat("x", 2*maxLineBytes+1),
		"wrong number":         string(appendLine(nil, 3, testTime, []byte(`{"type":"decision"}`+"\n"))),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(segmentPath(dir, 9), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(Config{Dir: dir}, fixedClock)
			wantReason(t, err, Damaged)
			if left, _ := os.ReadFile(segmentPath(dir, 9)); string(left) != content {
				t.Error("the damaged file was changed")
			}
		})
	}
}
