package approvaltest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

func pages(t *testing.T, s approval.Store) {
	t.Helper()
	const n = 150
	var want []string
	for i := range n {
		id := fmt.Sprintf("id%03d", i)
		insert(t, s, record(id, "t", "a"))
		switch i % 5 {
		case 1:
			update(t, s, id, to(approval.Approved, ""))
		case 2:
			update(t, s, id, to(approval.Approved, approval.Redeemed))
		case 3:
			update(t, s, id, to(approval.Rejected, ""))
		case 4:
			update(t, s, id, to(approval.Expired, ""))
		}
		want = append(want, id)
	}
	slices.Reverse(want)
	for _, c := range []struct {
		states []approval.State
		rest   []int
	}{
		{approval.States, []int{0, 1, 2, 3, 4}},
		{[]approval.State{approval.Approved, approval.Approved}, []int{1, 2}},
		{[]approval.State{approval.Pending, approval.Expired}, []int{0, 4}},
		{[]approval.State{approval.Cancelled}, nil},
	} {
		var of []string
		for i, id := range want {
			if slices.Contains(c.rest, (n-1-i)%5) {
				of = append(of, id)
			}
		}
		for _, size := range []int{1000, 7} {
			var got []string
			last := ""
			for {
				before := len(got)
				err := s.Scan(t.Context(), c.states, last, func(r approval.Record) bool {
					got = append(got, r.Approval.ID)
					return len(got) < before+size
				})
				if err != nil {
					t.Fatal(err)
				}
				if len(got) == before {
					break
				}
				last = got[len(got)-1]
			}
			if !slices.Equal(got, of) {
				t.Errorf("%v in pages of %d: %d of %d", c.states, size, len(got), len(of))
			}
		}
	}
}

func live(t *testing.T, s approval.Store) {
	t.Helper()
	long := strings.Repeat("x", 1024)
	for i, of := range [][2]string{{"t", "a"}, {"t", "ab"}, {"ta", "b"}, {"t", ""}, {"", "ta"}, {"t", "a"}, {"t\x00a", "ÿ"}, {long, long}} {
		insert(t, s, record(fmt.Sprint("id", i), of[0], of[1]))
	}
	update(t, s, "id5", to(approval.Approved, ""))
	insert(t, s, record("id8", "t", "a"), record("id9", "t", "a"))
	update(t, s, "id8", to(approval.Approved, approval.Redeemed))
	update(t, s, "id9", to(approval.Rejected, ""))
	for _, c := range []struct{ tenant, agent, want string }{
		{"t", "a", "id0 id5"},
		{"t", "", "id0 id1 id3 id5"},
		{"ta", "b", "id2"},
		{"t\x00a", "ÿ", "id6"},
		{long, long, "id7"},
		{"nobody", "", ""},
		{"", "", "id0 id1 id2 id3 id4 id5 id6 id7"},
	} {
		ids, err := s.Live(t.Context(), c.tenant, c.agent)
		slices.Sort(ids)
		if got := strings.Join(ids, " "); err != nil || got != c.want {
			t.Errorf("%.5q %.5q: %s, %v", c.tenant, c.agent, got, err)
		}
	}
}

func due(t *testing.T, s approval.Store) {
	t.Helper()
	for i, at := range []int{3, 1, 2, 9} {
		rec := record(fmt.Sprint("id", i), "t", "a")
		rec.Due = after(at)
		insert(t, s, rec)
	}
	update(t, s, "id1", func(r *approval.Record) approval.Effect { // it is due later now
		r.Due = after(5)
		return to(approval.Approved, "")(r)
	})
	insert(t, s, record("id4", "t", "a"))
	update(t, s, "id4", func(*approval.Record) approval.Effect { return approval.Remove })
	for _, c := range []struct {
		at, limit int
		want      string
		next      int // negative: none
	}{
		{0, 9, "[]", 2}, {2, 9, "[id2]", 3}, {5, 9, "[id2 id0 id1]", 9}, {5, 2, "[id2 id0]", 5}, {9, 9, "[id2 id0 id1 id3]", -1},
	} {
		ids, next, err := s.Due(t.Context(), after(c.at), c.limit)
		if err != nil || fmt.Sprint(ids) != c.want || (c.next < 0) != next.IsZero() || c.next >= 0 && !next.Equal(after(c.next)) {
			t.Errorf("at %d s, %d at most: %v, next %s, %v", c.at, c.limit, ids, next, err)
		}
	}
}

func surplus(t *testing.T, s approval.Store) {
	t.Helper()
	for i, state := range []approval.State{
		approval.Rejected, approval.Pending, approval.Approved, approval.Expired, approval.Approved, approval.Cancelled, approval.Rejected,
	} {
		id := fmt.Sprint("id", i)
		insert(t, s, record(id, "t", "a"))
		if state != approval.Pending {
			use := approval.Unused
			if i == 4 {
				use = approval.Redeemed
			}
			update(t, s, id, to(state, use))
		}
	}
	for _, c := range []struct {
		keep, limit int
		want        string
	}{
		{5, 9, "[]"}, {9, 9, "[]"}, {4, 9, "[id0]"}, {1, 9, "[id0 id3 id4 id5]"}, {0, 2, "[id0 id3]"}, {2, 2, "[id0 id3]"},
	} {
		if ids, err := s.Surplus(t.Context(), c.keep, c.limit); err != nil || fmt.Sprint(ids) != c.want {
			t.Errorf("all but %d, %d at most: %v, %v", c.keep, c.limit, ids, err)
		}
	}
}

func digests(t *testing.T, s approval.Store) {
	t.Helper()
	for i, c := range [][3]string{{"t", "a", "d"}, {"t", "a", "d2"}, {"t", "ad", ""}, {"ta", "", "d"}, {"t", "a", "d"}, {"t", "b", "d"}, {"t", "a", "d"}} {
		rec := record(fmt.Sprint("id", 9-i), c[0], c[1]) // ids say nothing about the order
		rec.Approval.Digest, rec.Approval.Created = c[2], after(i)
		insert(t, s, rec)
	}
	update(t, s, "id5", to(approval.Rejected, ""))
	find := func(limit int) string {
		recs, err := s.ByDigest(t.Context(), "t", "a", "d", limit)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, r := range recs {
			ids = append(ids, r.Approval.ID)
		}
		return strings.Join(ids, " ")
	}
	if got := find(10); got != "id3 id5 id9" {
		t.Error(got)
	}
	if got := find(2); got != "id3 id5" {
		t.Errorf("two at most: %s", got)
	}
	update(t, s, "id3", func(*approval.Record) approval.Effect { return approval.Remove })
	if got := find(10); got != "id5 id9" {
		t.Errorf("one is removed: %s", got)
	}
}
