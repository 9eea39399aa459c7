package embedded

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// victimDir names the data directory to a test binary that is started to be killed.
const victimDir = "PORTCULLIS_TEST_RECORDS_VICTIM"

// TestRecordsVictim counts a record up and says each number once it was promised, until it is killed.
func TestRecordsVictim(t *testing.T) {
	dir := os.Getenv(victimDir)
	if dir == "" {
		t.Skip("only TestThreat_E10_RecordsOutliveKills starts it")
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.OpenRecords(ledger.System())
	if err != nil {
		t.Fatal(err)
	}
	all, err := r.Records(t.Context(), "t")
	for old := all["n"]; err == nil; {
		n, _ := strconv.Atoi(string(old))
		next := strconv.AppendInt(nil, int64(n)+1, 10)
		var ok bool
		if old, ok, err = r.Swap(t.Context(), "t", "n", old, next, 3600e6); err == nil && !ok {
			err = errors.New("nobody else counts")
		}
		fmt.Println("promised", n+1)
	}
	t.Fatal(err)
}

// What a swap has promised outlives kill -9, in the middle of whatever is being written, and a number that was not promised
// is at most the next one.
func TestThreat_E10_RecordsOutliveKills(t *testing.T) {
	dir, last := t.TempDir(), 0
	for round := range 12 {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestRecordsVictim$")
		child.Env = append(os.Environ(), victimDir+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		heard := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var n int
			if _, err := fmt.Sscanf(lines.Text(), "promised %d", &n); err != nil {
				continue
			}
			last = n
			if heard++; heard == 1+round*5 {
				_ = child.Process.Kill() // and hear what it said before that
			}
		}
		_ = child.Wait()
		if heard == 0 {
			t.Fatal("the victim promised nothing")
		}
		s := openStore(t, dir)
		r, err := s.OpenRecords(ledger.System())
		if err != nil {
			t.Fatal(err)
		}
		all, err := r.Records(t.Context(), "t")
		err = errors.Join(err, r.Close(), s.Close())
		n, _ := strconv.Atoi(string(all["n"]))
		if err != nil || n < last || n > last+1 {
			t.Fatalf("round %d: %d was promised, the record says %q, %v", round, last, all["n"], err)
		}
	}
}
