package policy

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/portcullis-pdp/portcullis/pdp/memory"
	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// MemoryTable is what the engine needs of the table `memory`.
type MemoryTable struct {
	// TTLSeconds is how long a sealed item may be loaded.
	TTLSeconds int64 `json:"ttl_seconds"`
	// What an agent may hold, over all its sessions, and of that what is untrusted.
	AgentItems     int64 `json:"agent_items"`
	AgentBytes     int64 `json:"agent_bytes"`
	UntrustedItems int64 `json:"untrusted_items"`
	UntrustedBytes int64 `json:"untrusted_bytes"`
	// Instructions are phrases of texts that say what to do in the future.
	Instructions []string `json:"instructions"`

	phrases []string // Instructions, as words has them
}

// mostInstructions bounds the phrases: each is looked for in each reading of an item.
const mostInstructions = 500

// Quota is what an agent may hold.
func (m *MemoryTable) Quota() memory.Quota {
	return memory.Quota{
		All:       memory.Usage{Items: m.AgentItems, Bytes: m.AgentBytes},
		Untrusted: memory.Usage{Items: m.UntrustedItems, Bytes: m.UntrustedBytes},
	}
}

// Instructs says whether a text has one of the phrases, whole words, in any reading: normalised, decoded, without what hides. A
// text that could not be read to the end may say anything, and so does.
func (m *MemoryTable) Instructs(text string) bool {
	if len(m.phrases) == 0 || text == "" {
		return false
	}
	views, incomplete := scan.Views([]scan.Text{{Value: text}}, scan.Budget{MaxViews: 64})
	if incomplete {
		return true
	}
	for _, v := range views {
		said := words(v.Text)
		for _, phrase := range m.phrases {
			if strings.Contains(said, phrase) {
				return true
			}
		}
	}
	return false
}

// words is a text in lower case with one blank around each word. An apostrophe is part of its word.
func words(text string) string {
	var b strings.Builder
	b.Grow(len(text) + 2)
	gap := true
	b.WriteByte(' ')
	for _, r := range text {
		switch {
		case r == '\'' || r == '’':
			continue
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			b.WriteRune(unicode.ToLower(r))
			gap = false
		case !gap:
			b.WriteByte(' ')
			gap = true
		}
	}
	if !gap {
		b.WriteByte(' ')
	}
	return b.String()
}

func (m *MemoryTable) compile() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("tables/memory: "+format, args...)) }
	if m.TTLSeconds < 1 || m.TTLSeconds > 366*86_400 {
		bad("ttl_seconds is 1 second to a year, not %d", m.TTLSeconds)
	}
	for _, row := range []struct {
		name           string
		value, atLeast int64
		atMost         int64
	}{
		{"agent_items", m.AgentItems, 1, 10_000},
		{"agent_bytes", m.AgentBytes, 1, 1 << 30},
		{"untrusted_items", m.UntrustedItems, 0, m.AgentItems},
		{"untrusted_bytes", m.UntrustedBytes, 0, m.AgentBytes},
	} {
		if row.value < row.atLeast || row.value > row.atMost {
			bad("%s is %d to %d, not %d", row.name, row.atLeast, row.atMost, row.value)
		}
	}
	if len(m.Instructions) > mostInstructions {
		bad("instructions has %d phrases, at most %d", len(m.Instructions), mostInstructions)
	}
	for _, phrase := range m.Instructions {
		w := words(phrase)
		if strings.TrimSpace(w) == "" {
			bad("instructions: %q has no word: it would be in every text, or in none", phrase)
			continue
		}
		m.phrases = append(m.phrases, w)
	}
	return errs
}
