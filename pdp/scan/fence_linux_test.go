package scan

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fenced gives room for so many values, right before and behind which is memory that nobody may touch; the values lie at the
// fence behind them or at the one before. Whatever goes a byte too far ends the test.
func fenced[T any](t *testing.T, n int, behind bool) []T {
	t.Helper()
	var one T
	size, page := n*int(unsafe.Sizeof(one)), unix.Getpagesize()
	room := (size + page - 1) / page * page
	memory, err := unix.Mmap(-1, 0, room+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(memory) })
	for _, fence := range [][]byte{memory[:page], memory[page+room:]} {
		if err := unix.Mprotect(fence, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	values := memory[page:]
	if behind {
		values = memory[page+room-size:]
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(values))), n)
}
