package delegation

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// Tool is a tool by its exact name, on one server or, with none named, on any.
type Tool struct {
	Name   string `json:"tool"`
	Server string `json:"server,omitempty"`
}

// String is the name as people read it.
func (t Tool) String() string {
	if t.Server == "" {
		return t.Name
	}
	return t.Server + "/" + t.Name
}

// covers says whether whoever may use t may use o.
func (t Tool) covers(o Tool) bool {
	return t.Name == o.Name && (t.Server == "" || t.Server == o.Server)
}

// Rights are what a token hands on. Zero fields bind nothing but Depth: 0 is that the holder cannot hand it on.
type Rights struct {
	Tools           []Tool `json:"tools"`
	MaxRisk         string `json:"risk,omitempty"` // level of the bundle's table `risk`
	MaxCostMicroUSD int64  `json:"cost,omitempty"` // of one action; 0: none
	Session         string `json:"ses,omitempty"`
	User            string `json:"usr,omitempty"`
	Depth           int    `json:"dep,omitempty"` // delegations that may follow
}

// Bounds of a token.
const (
	maxTools = 64
	// MaxLinks is how many tokens a chain has at most, whatever a table says.
	MaxLinks = 8
)

// Ranks gives the rank of a risk level, by which levels are compared; false if the bundle has none of that name.
type Ranks func(level string) (rank int64, known bool)

// Permits says whether the rights include a tool of a server.
func (r *Rights) Permits(tool, server string) bool {
	return slices.ContainsFunc(r.Tools, func(t Tool) bool { return t.covers(Tool{tool, server}) })
}

// within says whether r is no more than upper in any respect; if it is, what widens.
func (r *Rights) within(upper *Rights, ranks Ranks) (what string) {
	for _, t := range r.Tools {
		if !upper.Permits(t.Name, t.Server) {
			return "tools"
		}
	}
	switch {
	case r.Depth >= upper.Depth:
		return "depth"
	case upper.MaxCostMicroUSD > 0 && (r.MaxCostMicroUSD == 0 || r.MaxCostMicroUSD > upper.MaxCostMicroUSD):
		return "max_cost_micro_usd"
	case upper.Session != "" && r.Session != upper.Session:
		return "session"
	case upper.User != "" && r.User != upper.User:
		return "user"
	case upper.MaxRisk == "" || upper.MaxRisk == r.MaxRisk:
		return ""
	}
	mine, known := ranks(r.MaxRisk)
	theirs, knownToo := ranks(upper.MaxRisk)
	if !known || !knownToo || mine > theirs {
		return "max_risk"
	}
	return ""
}

// check refuses rights that no token may have.
func (r *Rights) check(ranks Ranks) error {
	if len(r.Tools) == 0 || len(r.Tools) > maxTools {
		return fail(Refused, 0, "1 to 64 tools are handed on")
	}
	for _, t := range r.Tools {
		if t.Name == "" || strings.ContainsAny(t.String(), "*?") || strings.ContainsFunc(t.String(), unicode.IsControl) {
			return fail(Refused, 0, "a tool is named exactly, without wildcards and control characters")
		}
	}
	if r.Depth < 0 || r.Depth >= MaxLinks || r.MaxCostMicroUSD < 0 {
		return fail(Refused, 0, "depth is 0 to 7, and money is not negative")
	}
	if r.MaxRisk != "" {
		if _, known := ranks(r.MaxRisk); !known {
			return fail(Refused, 0, "max_risk is no level of the table risk")
		}
	}
	return nil
}

// inherited fills in what was left out from the token before.
func (r Rights) inherited(upper *Rights) Rights {
	r.MaxRisk = cmp.Or(r.MaxRisk, upper.MaxRisk)
	r.MaxCostMicroUSD = cmp.Or(r.MaxCostMicroUSD, upper.MaxCostMicroUSD)
	r.Session, r.User = cmp.Or(r.Session, upper.Session), cmp.Or(r.User, upper.User)
	return r
}

// sortedTools are the tools once each, in an order that does not depend on who asked.
func sortedTools(tools []Tool) []Tool {
	out := slices.Clone(tools)
	slices.SortFunc(out, func(a, b Tool) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Server, b.Server)) })
	return slices.Compact(out)
}
