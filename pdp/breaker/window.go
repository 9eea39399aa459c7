package breaker

import (
	"cmp"
	"slices"
)

// addPart counts reports in a part of a window.
func addPart(list []part, p part) []part {
	i, there := slices.BinarySearchFunc(list, p.index, func(q part, index int64) int { return cmp.Compare(q.index, index) })
	if there {
		list[i].calls += p.calls
		list[i].failures += p.failures
		return list
	}
	return slices.Insert(list, i, p)
}

// live drops the parts that have wholly left the window.
func live(list []part, width int64, now moment) []part {
	oldest := now.earliest/width - parts
	return slices.DeleteFunc(list, func(p part) bool { return p.index < oldest })
}

// resize lets a window go on in parts of another width, when a table has changed. Each part goes to the one that its
// beginning lies in.
func (r *record) resize(width int64) {
	if r.width == width {
		return
	}
	old := r.parts
	r.parts = nil
	for _, p := range old {
		p.index = p.index * r.width / width
		r.parts = addPart(r.parts, p)
	}
	r.width = width
}
