package scan

// arena hands out many small pieces of memory that are all given back at once. The zero value is ready; a piece is
// good until reset.
type arena[T any] struct {
	full [][]T // chunks that were used up
	free []T   // what is left of the last one
	size int   // of the next one
}

const (
	firstChunk = 1 << 10
	lastChunk  = 1 << 16
)

// take gives n values, which hold whatever was there before.
func (a *arena[T]) take(n int) []T {
	if n > len(a.free) {
		a.size = min(max(2*a.size, firstChunk), lastChunk)
		a.free = make([]T, max(a.size, n))
		a.full = append(a.full, a.free)
	}
	piece := a.free[:n:n]
	a.free = a.free[n:]
	return piece
}

// one gives a single value.
func (a *arena[T]) one() *T { return &a.take(1)[0] }

// reset takes all pieces back, and keeps the last and largest chunk for the next ones.
func (a *arena[T]) reset() {
	if len(a.full) == 0 {
		return
	}
	a.free = a.full[len(a.full)-1]
	a.full = append(a.full[:0], a.free)
}
