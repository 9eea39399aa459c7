package limit

import (
	"bytes"
	"testing"
)

// FuzzDecodeCell: no record makes the reader panic, and what it accepts is written and read again as the same counter,
// which can be used.
func FuzzDecodeCell(f *testing.F) {
	const now = 1_800_000_000 * int64(1e9)
	c := cell{owner: "bot", window: window{width: widthOf(60)}}
	f.Add(c.encode())
	c.charge(now-int64(30e9), 7)
	c.charge(now, 1<<62)
	f.Add(c.encode())
	f.Add([]byte{})
	f.Add([]byte{format, 0, 1, 1, 1, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, _, ok := decodeCell(raw); ok && !bytes.Equal(seal(bytes.Clone(raw[:len(raw)-4])), raw) {
			t.Fatalf("%x has the wrong checksum", raw)
		}
		owner, w, ok := decodeCell(seal(bytes.Clone(raw))) // so that the fuzzer gets past it
		if !ok {
			return
		}
		once := (&cell{owner: owner, window: w}).encode()
		owner2, w2, ok := decodeCell(once)
		if !ok || owner2 != owner || w2.sum != w.sum || w2.width != w.width {
			t.Fatalf("%x was written as %x, which reads as %q %+v (%v)", raw, once, owner2, w2, ok)
		}
		if twice := (&cell{owner: owner2, window: w2}).encode(); !bytes.Equal(once, twice) {
			t.Fatalf("%x became %x", once, twice)
		}
		_, _ = w.resetsAt(), w.over(now)
		w.advance(now)
		i := w.charge(now, 5)
		if w.sum < 5 {
			t.Fatalf("a charge of 5 makes %d", w.sum)
		}
		w.giveBack(w.width, i, 5)
		w.resize(widthOf(17), now)
	})
}
