package limit

import "strings"

// scopeMask is a set of dimensions, so that the order in which a table names them makes no difference.
type scopeMask byte

const (
	tenantBit scopeMask = 1 << iota
	agentBit
	userBit
	sessionBit
	toolBit
	sinkBit
)

func maskOf(d Dimension) scopeMask {
	switch d {
	case Tenant:
		return tenantBit
	case Agent:
		return agentBit
	case User:
		return userBit
	case Session:
		return sessionBit
	case Tool:
		return toolBit
	case Sink:
		return sinkBit
	}
	return 0
}

func scopeOf(scope []Dimension) (mask scopeMask) {
	for _, d := range scope {
		mask |= maskOf(d)
	}
	if mask&sessionBit != 0 {
		mask |= agentBit
	}
	return mask
}

// The codes of measures are part of keys, so that a limit which changes its unit does not take the old units over. Never
// change them.
const (
	callsCode    byte = 1
	costCode     byte = 2
	tokensCode   byte = 3
	bytesCode    byte = 4
	failuresCode byte = 5
	amountCode   byte = 6
)

func measureCode(m Measure) byte {
	switch m {
	case Calls:
		return callsCode
	case CostMicroUSD:
		return costCode
	case Tokens:
		return tokensCode
	case Bytes:
		return bytesCode
	case Failures:
		return failuresCode
	case Amount:
		return amountCode
	}
	return 0
}

// appendKey writes the key of a counter: tenant, name, measure, scope and the values of the scope. kind tells limits
// (a measure's code) from breakers (0) that share a name.
func appendKey(to []byte, name string, kind byte, scope scopeMask, who *Subject) []byte {
	to = appendPart(to, who.Tenant)
	to = appendPart(to, name)
	to = append(to, kind, byte(scope|tenantBit))
	if scope&agentBit != 0 {
		to = appendPart(to, who.Agent)
	}
	if scope&userBit != 0 {
		to = appendPart(to, who.User)
	}
	if scope&sessionBit != 0 {
		to = appendPart(to, who.Session)
	}
	if scope&toolBit != 0 {
		to = appendPart(to, who.Tool)
	}
	if scope&sinkBit != 0 {
		to = appendPart(to, who.Sink)
	}
	return to
}

// parsedKey is a key taken apart again.
type parsedKey struct {
	name  string
	kind  byte
	scope scopeMask
	who   Subject // only what the scope names, and the tenant
}

func parseKey(key []byte) (p parsedKey, ok bool) {
	r := reader{rest: key}
	p.who.Tenant, p.name = r.string(), r.string()
	p.kind, p.scope = r.byte(), scopeMask(r.byte())
	if p.scope&agentBit != 0 {
		p.who.Agent = r.string()
	}
	if p.scope&userBit != 0 {
		p.who.User = r.string()
	}
	if p.scope&sessionBit != 0 {
		p.who.Session = r.string()
	}
	if p.scope&toolBit != 0 {
		p.who.Tool = r.string()
	}
	if p.scope&sinkBit != 0 {
		p.who.Sink = r.string()
	}
	return p, r.done()
}

// label is how people are shown a key: the values that its scope names, joined by a slash.
func (p *parsedKey) label() string {
	var values []string
	for _, d := range []struct {
		bit   scopeMask
		value string
	}{{agentBit, p.who.Agent}, {userBit, p.who.User}, {sessionBit, p.who.Session}, {toolBit, p.who.Tool}, {sinkBit, p.who.Sink}} {
		if p.scope&d.bit != 0 {
			values = append(values, d.value)
		}
	}
	if len(values) == 0 {
		return p.who.Tenant
	}
	return strings.Join(values, "/")
}
