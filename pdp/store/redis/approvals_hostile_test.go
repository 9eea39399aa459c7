package redis

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis/redistest"
)

// plainly encrypts nothing.
type plainly struct{}

func (plainly) Encrypt(_ string, _, plain []byte) ([]byte, error) { return plain, nil }
func (plainly) Decrypt(_ string, _, blob []byte) ([]byte, error)  { return blob, nil }

// A record that somebody else wrote into Redis is an error of whoever reads it, and no end of the process: the sweeper reads all.
func TestADamagedApprovalIsAnError(t *testing.T) {
	stages := []approval.Stage{{Quorum: 1}, {Quorum: 1, After: time.Minute}}
	for name, harm := range map[string]func(*approval.Record){
		"a stage below the first":   func(r *approval.Record) { r.Approval.Stages, r.Approval.Stage = stages, -3 },
		"a stage beyond the last":   func(r *approval.Record) { r.Approval.Stages, r.Approval.Stage = stages, 2 },
		"more votes than there are": func(r *approval.Record) { r.Changes[0].Votes = 1 },
		"fewer votes than none":     func(r *approval.Record) { r.Changes[0].Votes = -1 },
		"a stage of the past":       func(r *approval.Record) { r.Changes[0].Stage = -1 },
		"no history":                func(r *approval.Record) { r.Changes = nil },
		"more history":              func(r *approval.Record) { r.Approval.Sequence = 2 },
		"no state":                  func(r *approval.Record) { r.Approval.State = "approving" },
		"no state once":             func(r *approval.Record) { r.Changes[0].State = "" },
		"another approval":          func(r *approval.Record) { r.Approval.ID = "id2" },
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			s := openApprovals(t, join(t, Config{URL: server.URL()}).Ledger)
			for _, id := range []string{"id0", "id1", "id3"} {
				if err := s.Insert(t.Context(), anAsk(id), nil, noCaps); err != nil {
					t.Fatal(err)
				}
			}
			rec := anAsk("id1")
			harm(&rec)
			raw, err := json.Marshal(rec)
			if err != nil {
				t.Fatal(err)
			}
			server.Do("HSET", s.keys.record("id1"), "r", string(raw))
			q, err := approval.New(approval.Config{}, s, plainly{}, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			got, err := q.Get(t.Context(), "id1")
			if e, ours := errors.AsType[*approval.Error](err); !ours || e.Problem != approval.Unavailable {
				t.Errorf("%+v, %v", got, err)
			}
			// It hides nothing else.
			var listed []string
			err = s.Scan(t.Context(), approval.States, "", func(r approval.Record) bool { listed = append(listed, r.Approval.ID); return true })
			if err != nil || !slices.Equal(listed, []string{"id3", "id0"}) {
				t.Errorf("listed %v, %v", listed, err)
			}
			if recs, cursor, err := s.Snapshot(t.Context()); err != nil || len(recs) != 2 || cursor == 0 {
				t.Errorf("a snapshot has %d at %d, %v", len(recs), cursor, err)
			}
		})
	}
}
