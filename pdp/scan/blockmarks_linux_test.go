package scan

import (
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestBlockMarks_ReadNothingElse: right before and behind the text is memory that nobody may read.
func TestBlockMarks_ReadNothingElse(t *testing.T) {
	page := unix.Getpagesize()
	memory, err := unix.Mmap(-1, 0, 3*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(memory) }()
	middle := memory[page : 2*page]
	for i := range middle {
		middle[i] = "a5-_ .Z9+"[i%9]
	}
	for _, edge := range [][]byte{memory[:page], memory[2*page:]} {
		if err := unix.Mprotect(edge, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 4 * blockBytes {
		for _, part := range [][]byte{middle[:n], middle[page-n:]} {
			text := unsafe.String(unsafe.SliceData(part), n)
			var w markWork
			w.mark(text, 0)
			if want := plainMarks(text); !slices.Equal(w.blocks[1:1+len(want)], want) {
				t.Fatalf("%d bytes: %x, want %x", n, w.blocks[1:], want)
			}
		}
	}
}
