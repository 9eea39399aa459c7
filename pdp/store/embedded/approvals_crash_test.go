package embedded

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// image is what a crash may leave of a directory.
type image struct{ database, journal []byte }

func imageOf(t *testing.T, dir string) (im image) {
	t.Helper()
	var errs [2]error
	im.database, errs[0] = os.ReadFile(filepath.Join(dir, FileName))
	im.journal, errs[1] = os.ReadFile(filepath.Join(dir, JournalName))
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return im
}

// torn is an image of which any sectors of the journal have come to the disk, and others are as they were before.
func (im image) torn(before image, random *rand.Rand) image {
	const sector = 512
	journal := slices.Clone(before.journal)
	for at := 0; at < len(journal); at += sector {
		if random.IntN(2) == 0 {
			copy(journal[at:at+sector], im.journal[at:])
		}
	}
	return image{im.database, journal}
}

// Whatever moment the power fails at, what was acknowledged is there, what was under way is there or not, and nothing else is.
func TestProveApprovalsSurviveEveryCrashPoint(t *testing.T) {
	rounds := 3
	if os.Getenv("PORTCULLIS_PROVE") == "1" {
		rounds = 100
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	points := 0
	for range rounds {
		points += crashPoints(t, random)
	}
	t.Logf("%d crash points, seed %d", points, seed)
}

func crashPoints(t *testing.T, random *rand.Rand) (points int) {
	t.Helper()
	dir := t.TempDir()
	s, a := openBoth(t, dir)
	acknowledged := map[string]uint64{} // sequences by id
	var written []image                 // before a sync
	synced := imageOf(t, dir).journal
	a.journal.sync = func(*os.File) error {
		im := imageOf(t, dir)
		written = append(written, im)
		if random.IntN(6) == 0 {
			return errors.New("the disk says no, and may have it all the same")
		}
		synced = im.journal
		return nil
	}
	check := func(im image, when, underway string) {
		t.Helper()
		points++
		im.check(t, when, acknowledged, underway)
	}
	for n := range 45 {
		ids := slices.Sorted(maps.Keys(acknowledged))
		if len(ids) == 0 || random.IntN(7) == 0 {
			id := fmt.Sprint("id", n)
			insertPending(t, a, id)
			acknowledged[id] = 1
			continue
		}
		before, id := imageOf(t, dir), ids[random.IntN(len(ids))]
		written = nil
		change(t, a, id, func(rec *approval.Record) {
			if random.IntN(9) == 0 {
				no(rec)
			} else {
				joins(rec)
			}
			rec.Approval.Tool = strings.Repeat(string(rune('A'+random.IntN(8))), random.IntN(3)*3000) // of one page or more
		})
		for _, im := range written {
			check(im, "before the sync", id)
			check(im.torn(before, random), "in the sync", id)
			check(im.torn(before, random), "in the sync", id)
		}
		acknowledged[id]++
		after := imageOf(t, dir)
		check(after, "acknowledged", "")
		if len(written) == 0 {
			synced = before.journal // the database has it; what it had the journal erase may not be on the disk
		}
		check(image{after.database, synced}, "acknowledged, without what was not synced", "")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return points
}

// check opens an image twice: once as the crash left it, and as the next one does.
func (im image) check(t *testing.T, when string, acknowledged map[string]uint64, underway string) {
	t.Helper()
	dir := t.TempDir()
	for name, raw := range map[string][]byte{FileName: im.database, JournalName: im.journal} {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		s, a := openBoth(t, dir)
		for id, want := range acknowledged {
			rec, err := a.Load(t.Context(), id)
			if got := rec.Approval.Sequence; err != nil || got != want && (id != underway || got != want+1) {
				t.Fatalf("%s: %s is at change %d, %v; %d were acknowledged", when, id, got, err, want)
			}
		}
		if err := errors.Join(a.read(t.Context(), consistent), drain(t, a, 0)); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		crash(t, s)
		if err := a.journal.file.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
