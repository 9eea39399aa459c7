package behaviour

import (
	"hash/maphash"
	"math"
	"math/bits"
	"slices"
	"sync"
	"time"
)

// Config bounds what is kept. Zero fields take the defaults.
type Config struct {
	MaxAgents   int           // models of agents; 2,048. Those longest unused go, and what they did stays in their fleet's
	MaxFleets   int           // models of tenants; 256
	MaxSessions int           // sessions whose last call is remembered; 20,000
	HalfLife    time.Duration // after which what was done counts half; a week
}

func (c Config) withDefaults() Config {
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	set(&c.MaxAgents, 2048)
	set(&c.MaxFleets, 256)
	set(&c.MaxSessions, 20_000)
	if c.HalfLife == 0 {
		c.HalfLife = 7 * 24 * time.Hour
	}
	return c
}

// Who is acting, in which session.
type Who struct{ Tenant, Agent, Session string }

// Call is what is looked at of a call.
type Call struct {
	Tool  string
	Bytes int64  // of its arguments
	Sinks string // how its sinks stand, and where they lead: few different values
}

// The things that can be rare about a call.
const (
	Transition = "transition" // this tool after the one before
	Tool       = "tool"
	Size       = "size" // in powers of two, of this tool
	Rate       = "rate" // time since the call before, in powers of two seconds
	Sinks      = "sinks"
)

// Surprise is how unlike the usual a call is.
type Surprise struct {
	// Calls is how many calls are known, decayed: of the agent and of its fleet together. Few of them mean that nothing is known.
	Calls float64
	// Percent is 0 (as ever) to 100.
	Percent int64
	// Because names what was rare, the rarest first; what is at most half as rare as the rarest is left out.
	Because []string
}

const (
	// rows of cells are a model: 16 KiB. What shares a cell in one row seldom does in the other (count-min: Cormode and
	// Muthukrishnan 2005).
	rows  = 2
	cells = 2048
	// prior is how many calls of an agent weigh as much as what its fleet does, and of a fleet as much as knowing nothing.
	prior = 8
	// fullBits is the rarity, in bits beyond what is usual, that counts as 100.
	fullBits = 8
	// rescaleAt keeps the growing weights within what a float32 holds.
	rescaleAt = 1 << 40
)

// model is decayed counts by hash. Two things that share a cell in each row make each other look less rare than they are.
type model struct {
	counts [rows][cells]float32
	since  time.Time // when a call weighed 1: later ones weigh more, which is cheaper than to make all others weigh less
}

// Models are the models of all agents. Everything is in memory and bounded. One lock: a look costs a microsecond. Safe for concurrent
// use.
type Models struct {
	cfg  Config
	now  func() time.Time
	seed maphash.Seed

	mu       sync.Mutex
	agents   *shelf[*model]
	fleets   *shelf[*model]
	sessions *shelf[last]
}

// last is the last call of a session.
type last struct {
	tool string
	at   time.Time
}

// New makes empty models.
func New(cfg Config, now func() time.Time) *Models {
	cfg = cfg.withDefaults()
	return &Models{
		cfg: cfg, now: now, seed: maphash.MakeSeed(),
		agents: newShelf[*model](cfg.MaxAgents), fleets: newShelf[*model](cfg.MaxFleets), sessions: newShelf[last](cfg.MaxSessions),
	}
}

// feature is one thing about a call: a value under a condition, and how many values there may be.
type feature struct {
	name             string
	condition, value uint64
	values           float64
}

func (m *Models) features(before last, known bool, c Call) [5]feature {
	h := func(parts ...string) uint64 {
		var x maphash.Hash
		x.SetSeed(m.seed)
		for _, p := range parts {
			_, _ = x.WriteString(p)
			_ = x.WriteByte(0)
		}
		return x.Sum64()
	}
	number := func(n int) string { return string(rune('a' + min(max(n, 0), 40))) }
	previous, gap := "", 40
	if known {
		previous = before.tool
		gap = bits.Len64(uint64(max(m.now().Sub(before.at)/time.Second, 0)))
	}
	size := number(bits.Len64(uint64(max(c.Bytes, 0))))
	return [5]feature{
		{Transition, h(Transition, previous), h(Transition, previous, c.Tool), 64},
		{Tool, h(Tool), h(Tool, c.Tool), 64},
		{Size, h(Size, c.Tool), h(Size, c.Tool, size), 16},
		{Rate, h(Rate), h(Rate, number(gap)), 16},
		{Sinks, h(Sinks, c.Tool), h(Sinks, c.Tool, c.Sinks), 8},
	}
}

// Look says how surprising a call is, and changes nothing.
func (m *Models) Look(who Who, c Call) Surprise {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, known := m.sessions.get(who.sessionKey())
	agent, _ := m.agents.get(who.agentKey())
	fleet, _ := m.fleets.get(who.Tenant)
	now := m.now()
	var out Surprise
	var rare [5]float64
	features := m.features(before, known, c)
	for i, f := range features {
		p, best := 1/f.values, 1/f.values
		for _, level := range []*model{fleet, agent} {
			if level == nil {
				continue
			}
			weight := level.weight(now, m.cfg.HalfLife)
			all := float64(level.at(f.condition)) / weight
			p = (float64(level.at(f.value))/weight + prior*p) / (all + prior)
			best = max(best, all/(all+prior)) // were it the only value that there ever was
		}
		rare[i] = max(math.Log2(best/max(p, 1e-9)), 0)
	}
	if fleet != nil { // what agents do is in their fleet's model, too
		out.Calls = float64(fleet.at(features[1].condition)) / fleet.weight(now, m.cfg.HalfLife)
	}
	most := slices.Max(rare[:])
	out.Percent = int64(math.Round(100 * min(most/fullBits, 1)))
	order := []int{0, 1, 2, 3, 4}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case rare[a] > rare[b]:
			return -1
		case rare[a] < rare[b]:
			return 1
		}
		return 0
	})
	for _, i := range order {
		if rare[i] > 0 && rare[i] > most/2 {
			out.Because = append(out.Because, features[i].name)
		}
	}
	return out
}

// Learn adds a call that was allowed.
func (m *Models) Learn(who Who, c Call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, known := m.sessions.get(who.sessionKey())
	now := m.now()
	features := m.features(before, known, c)
	for _, kept := range []struct {
		on  *shelf[*model]
		key string
	}{{m.fleets, who.Tenant}, {m.agents, who.agentKey()}} {
		level, there := kept.on.get(kept.key)
		if !there {
			level = &model{since: now}
			kept.on.put(kept.key, level)
		}
		weight := level.weight(now, m.cfg.HalfLife)
		if weight > rescaleAt {
			level.divide(weight)
			level.since, weight = now, 1
		}
		for _, f := range features {
			level.add(f.condition, weight)
			level.add(f.value, weight)
		}
	}
	m.sessions.put(who.sessionKey(), last{c.Tool, now})
}

// Went notes what the last call of a session was, and learns nothing from it.
func (m *Models) Went(who Who, tool string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions.put(who.sessionKey(), last{tool, m.now()})
}

func (w Who) agentKey() string   { return w.Tenant + "\x00" + w.Agent }
func (w Who) sessionKey() string { return w.agentKey() + "\x00" + w.Session }

func (l *model) at(hash uint64) float32 {
	return min(l.counts[0][hash%cells], l.counts[1][(hash>>32)%cells])
}

func (l *model) add(hash uint64, weight float64) {
	l.counts[0][hash%cells] += float32(weight)
	l.counts[1][(hash>>32)%cells] += float32(weight)
}

func (l *model) divide(by float64) {
	for i := range l.counts {
		for j := range l.counts[i] {
			l.counts[i][j] = float32(float64(l.counts[i][j]) / by)
		}
	}
}

// weight is what a call weighs now. A clock that steps back makes it smaller, never nothing.
func (l *model) weight(now time.Time, halfLife time.Duration) float64 {
	return math.Exp2(min(max(float64(now.Sub(l.since))/float64(halfLife), -40), 1000))
}

// Agents is how many agents are known.
func (m *Models) Agents() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.agents.all)
}
