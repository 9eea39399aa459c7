package policy

import "fmt"

// Surprise is how surprising a call is. Policy sees levels and no numbers, so that answers can be remembered.
type Surprise string

// The levels of surprise.
const (
	SurpriseUnknown Surprise = "unknown" // too little is known
	SurpriseUsual   Surprise = "usual"
	SurpriseUnusual Surprise = "unusual"
	SurpriseRare    Surprise = "rare"
)

// Behaviour is the table `behaviour`. A bundle without one knows no surprise.
type Behaviour struct {
	MinimumCalls   int64         `json:"minimum_calls"`
	UnusualPercent int64         `json:"unusual_percent"`
	RarePercent    int64         `json:"rare_percent"`
	Levels         []namedEffect `json:"levels"`
}

// Level is the level of a surprise of so many percent, with so many calls known.
func (b *Behaviour) Level(calls float64, percent int64) Surprise {
	switch {
	case b.MinimumCalls == 0 || calls < float64(b.MinimumCalls):
		return SurpriseUnknown
	case percent >= b.RarePercent:
		return SurpriseRare
	case percent >= b.UnusualPercent:
		return SurpriseUnusual
	}
	return SurpriseUsual
}

// mostMinimumCalls is far above what makes a figure steady.
const mostMinimumCalls = 1_000_000

func (b *Behaviour) check() []error {
	var errs []error
	if b.MinimumCalls < 1 || b.MinimumCalls > mostMinimumCalls {
		errs = append(errs, fmt.Errorf("tables/behaviour: minimum_calls is 1 to %d, not %d", mostMinimumCalls, b.MinimumCalls))
	}
	if b.UnusualPercent < 1 || b.RarePercent < b.UnusualPercent || b.RarePercent > 100 {
		errs = append(errs, fmt.Errorf("tables/behaviour: 1 ≤ unusual_percent ≤ rare_percent ≤ 100 must hold"))
	}
	return errs
}
