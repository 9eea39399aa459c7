package embedded

import (
	"errors"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// These are about what may stand beside the journal, and who has it open.

// A count that the disk has damaged stops neither what comes after a yes that was given, nor the next start.
func TestADamagedCountHoldsBackNoYes(t *testing.T) {
	for _, taken := range []string{"at the next ask", "at the next start"} {
		t.Run(taken, func(t *testing.T) {
			dir := t.TempDir()
			s, a := openBoth(t, dir)
			insertPending(t, a, "id1")
			insertPending(t, a, "id2")
			approve(t, a, "id1")
			approve(t, a, "id2")
			err := s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(approvalCountsBucket).Put(pendingScope, number(0)) })
			if err != nil {
				t.Fatal(err)
			}
			if taken == "at the next start" {
				crash(t, s)
				_, a = openBoth(t, dir)
			}
			insertPending(t, a, "id3")
			for _, id := range []string{"id1", "id2"} {
				if got := stateOf(t, a, id); got != approval.Approved {
					t.Errorf("%s is %q", id, got)
				}
			}
			if err := errors.Join(a.read(t.Context(), consistent), drain(t, a, 0)); err != nil {
				t.Error(err)
			}
		})
	}
}
