package scan

// accepts asks the filters of a match, and pays for each that is asked.
func (f *Scratch) accepts(c *compiled, text string, start, end int) bool {
	match := text[start:end]
	if c.filter.validator != nil {
		if f.budget -= c.filter.validatorCost + len(match); f.budget < 0 || !c.filter.valid(match) {
			return false
		}
	}
	if c.filter.allow != nil && f.allowed(c.filter.allow, match) {
		return false
	}
	if len(c.filter.words) == 0 {
		return f.budget >= 0
	}
	f.budget -= plainCall + len(match) + 3*c.filter.within
	return f.budget >= 0 && c.filter.inContext(text, start, end, &f.window)
}

type keywordState int

const (
	keywordsUnknown keywordState = iota
	keywordsThere
	keywordsMissing
)

// keywords says whether one of the rule's keywords occurs in the text, knowing that text[start:end] is a match. Most stand in
// it or near it, so the whole text is the last to be searched.
func (f *Scratch) keywords(c *compiled, text string, start, end int) keywordState {
	if len(c.keywords) == 0 {
		return keywordsThere
	}
	near := text[max(start-keywordNear, 0):min(end+keywordNear, len(text))]
	for _, where := range [...]string{text[start:end], near, text} {
		for _, k := range c.keywords {
			f.budget -= 8 + len(where)/keywordBytes
			if containsFolded(where, k) {
				return keywordsThere
			}
		}
	}
	return keywordsMissing
}

// keywordNear is how many bytes around a match are near.
const keywordNear = 200

// keywordBytes is how many bytes of a text are searched for a keyword in the time of one step.
const keywordBytes = 8
