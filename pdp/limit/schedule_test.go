package limit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// proof is how many cases a proof takes: few in a normal run, many where PORTCULLIS_PROVE=1.
func proof(few, many int) int {
	if os.Getenv("PORTCULLIS_PROVE") == "1" {
		return many
	}
	return few
}

// TestProveNoScheduleFitsMoreThanTheLimitIntoAWindow plays random schedules of everything that happens to a few replicas on
// one ledger, against a log of timestamps that knows nothing of blocks (I4, I5): batches that are lost before or after they
// were carried out, or are carried out much later, in another order; refunds, settlements at any replica, cells that fall
// out of the cache, crashes, restarts, bundles that change windows and maxima, a ledger that loses its memory, and time.
func TestProveNoScheduleFitsMoreThanTheLimitIntoAWindow(t *testing.T) {
	seen := map[string]int{}
	for range proof(5, 2_000) {
		rapid.Check(t, func(t *rapid.T) { play(t, seen, false) })
	}
	for _, what := range []string{"allowed", "denied", "asked", "lost before", "lost after", "late", "stale", "late and done", "crash", "restart", "forget", "local", "settled", "debt", "meanwhile"} {
		if seen[what] == 0 {
			t.Errorf("%s: never; the schedules do not try enough: %v", what, seen)
		}
	}
	t.Log(seen)
}

// TestProveTheLedgerIsExactWithoutFaults plays schedules in which nothing goes wrong, and closes all replicas: the ledger
// counts what was let in and stands, no more and no less.
func TestProveTheLedgerIsExactWithoutFaults(t *testing.T) {
	seen := map[string]int{}
	for range proof(3, 500) {
		rapid.Check(t, func(t *rapid.T) { play(t, seen, true) })
	}
	for _, what := range []string{"allowed", "denied", "asked", "restart", "settled", "debt", "meanwhile", "exact"} {
		if seen[what] == 0 {
			t.Errorf("%s: never; the schedules do not try enough: %v", what, seen)
		}
	}
	t.Log(seen)
}

// wire is one replica's way to the ledger, and its idea of the ledger's time.
type wire struct {
	*shared
	world         *world
	node          *node
	behind, ahead int64
	faulty        bool
	busy          bool
}

func (w *wire) Now() (earliest, latest int64, known bool) {
	now, _, _ := w.Model.Now()
	return now - w.behind, now + w.ahead, true
}

// Do is where everything goes wrong.
func (w *wire) Do(_ context.Context, b *ledger.Batch) (*ledger.Receipt, error) {
	world := w.world
	fault := "none"
	if w.faulty {
		fault = choose(world, []string{"none", "none", "none", "none", "lost before", "lost after", "lost after", "late"})
	}
	w.meanwhile(b)
	if fault == "lost before" || fault == "late" {
		world.seen[fault]++
		if fault == "late" {
			world.late = append(world.late, b)
		}
		return nil, fmt.Errorf("%w: %s", ledger.ErrUnavailable, fault)
	}
	r, err := w.Model.Do(ctx, b)
	w.meanwhile(b)
	if fault == "lost after" {
		world.seen[fault]++
		return nil, fmt.Errorf("%w: %s", ledger.ErrUnavailable, fault)
	}
	return r, err
}

// meanwhile is what happens while a batch is under way. Time passes only where no caller waits for a unit: the log would
// not know when it was charged.
func (w *wire) meanwhile(b *ledger.Batch) {
	if w.busy || !choose(w.world, []bool{false, false, true}) {
		return
	}
	w.busy = true
	defer func() { w.busy = false }()
	w.world.seen["meanwhile"]++
	gone, cancel := context.WithCancel(ctx)
	cancel() // nobody may wait for the batch that is under way
	for range between(w.world, 1, 4) {
		what := choose(w.world, []string{"reserve", "reserve", "refund", "bundle", "time"})
		if w.world.faultless && (what == "bundle" || what == "time") {
			continue
		}
		switch what {
		case "reserve":
			w.world.reserve(gone, w.node)
		case "refund":
			w.world.refund(w.node)
		case "bundle":
			// Another max would make the order of charges, which the log does not know, matter.
			w.world.reload(w.world.table().defs[0].Max)
		case "time":
			if b.Overdraw { // not a caller's
				w.world.pass()
			}
		}
	}
}

// node is a replica.
type node struct {
	e *Engine
	w *wire
}

// entry is what an allowed action, or a debt, has used up.
type entry struct {
	at      int64
	session string
	units   map[string]int64 // by limit
	hold    *Hold            // may still be refunded
	owner   *node
	id      string // may be settled
	money   int64
}

// regime is the table from some moment on.
type regime struct {
	from int64
	set  *Set
	defs []Definition
}

type world struct {
	l       *shared
	nodes   []*node
	late    []*ledger.Batch
	entries []*entry
	regimes []regime
	names   int
	seen    map[string]int
	debts   []*entry // charged past the limit: they count, and were not let in
	// faultless says that nothing goes wrong, no table changes, and replicas report in time: the ledger is exact in the end.
	faultless bool
	// Chance inside of an action is a stream of its own, and a failure is told behind it: rapid leaves a test by a panic,
	// which the engine would not survive in the middle of a call.
	chance *rand.Rand
	broken string
}

func choose[T any](w *world, list []T) T { return list[w.chance.IntN(len(list))] }

func between[T int | int64](w *world, least, most T) T {
	return least + T(w.chance.Int64N(int64(most-least)+1))
}

var flip = []bool{false, true}

// act makes an action of a function.
func (w *world) act(do func()) func(*rapid.T) {
	return func(t *rapid.T) {
		w.chance = rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "chance"), 0))
		do()
		if w.broken != "" {
			t.Fatal(w.broken)
		}
	}
}

func (w *world) now() int64 { return w.l.now }

// join starts a replica.
func (w *world) join(at int) {
	n := &node{}
	n.w = &wire{shared: w.l, world: w, node: n}
	// A refund of what was spent a little later than the ledger's time finds nothing to give back: safe, and not exact.
	if choose(w, flip) && !w.faultless {
		n.w.behind, n.w.ahead = between[int64](w, 0, 20_000), between[int64](w, 0, 20_000)
	}
	w.names++
	e, err := open(Config{HotCells: 1}, n.w, fmt.Sprint("run ", w.names))
	if err != nil {
		panic(err)
	}
	n.e, w.nodes[at] = e, n
}

// reload puts another table into force.
func (w *world) reload(most int64) {
	window := choose(w, []int64{1, 10, 60})
	money, perAgent, day, soft, attempts := cost(most), calls(most/2), cost(3*most), calls(most/4), calls(most)
	money.WindowSeconds, perAgent.WindowSeconds, soft.WindowSeconds, attempts.WindowSeconds = window, 7, window, window
	perAgent.Name, perAgent.Scope = "agent", []Dimension{Agent}
	day.Name, day.Scope, day.WindowSeconds, day.Period = "day", []Dimension{Tenant}, 0, PerDay
	soft.Name, soft.OnExceed = "soft", RequireApproval
	attempts.Name, attempts.Counts = "attempts", Attempts
	if choose(w, flip) {
		money.OnUnavailable, money.LocalSharePercent = "local", 30
		perAgent.OnUnavailable, perAgent.LocalSharePercent = "local", 20
	}
	// Some tables have a few of them only, so that calls go without the ledger as long as theirs have blocks.
	all := []Definition{money, perAgent, day, soft, attempts}
	defs := all[:between(w, 1, len(all))]
	set, err := Compile(defs)
	if err != nil {
		panic(err)
	}
	w.regimes = append(w.regimes, regime{w.now(), set, defs})
}

func (w *world) table() *regime { return &w.regimes[len(w.regimes)-1] }

func (w *world) node() *node { return choose(w, w.nodes) }

func (w *world) pass() {
	d := choose(w, []int64{1, 1_000, 90_000, 300_000, 1_000_000, 2_500_000, 11_000_000, 62_000_000, 1_200_000_000, 32_000_000_000})
	if n := len(w.entries); n > 0 && choose(w, flip) {
		e := w.entries[between(w, max(n-20, 0), n-1)]
		window := choose(w, []int64{1_000_000, 7_000_000, 10_000_000, 60_000_000})
		d = max(e.at+window+between[int64](w, -1, 1)-w.now(), 0)
		if choose(w, flip) {
			d += window / ledger.Parts
		}
	}
	if !w.faultless {
		w.l.move(time.Duration(d) * time.Microsecond)
		return
	}
	// Replicas report while time passes: no lease ends by itself. After a while all but local shares are given back.
	for passed := int64(0); passed < d; {
		step := min(d-passed, int64(4_000_000))
		if passed > 12_000_000 {
			step = min(d-passed, int64(200_000_000))
		}
		w.l.move(time.Duration(step) * time.Microsecond)
		passed += step
		for _, n := range w.nodes {
			n.w.busy = true // nobody draws a new block: the next step may be longer than its lease
			if err := n.e.report(ctx, true, false); err != nil {
				w.broken = err.Error()
			}
			n.w.busy = false
		}
	}
}

// reserve is one call, and the proof.
func (w *world) reserve(ctx context.Context, n *node) bool {
	table := w.table()
	subject := who(choose(w, []string{"x", "y"}))
	want := Amounts{Calls: 1, CostMicroUSD: choose(w, []int64{0, 1, 1, 2, 5})}
	hold := &Hold{}
	approved := choose(w, []bool{false, false, false, true})
	var opt ReserveOptions
	if approved {
		for _, d := range table.set.Definitions() {
			opt.Approved = append(opt.Approved, d.Name)
		}
	}
	if err := n.e.Reserve(ctx, table.set, subject, &want, opt, hold); err != nil {
		return false
	}
	asked := false
	for _, s := range hold.Statuses() {
		if s.Exceeded && s.OnExceed == Deny {
			w.seen["denied"]++
			return false
		}
		asked = asked || s.Exceeded && !approved
	}
	if hold.Local {
		w.seen["local"]++
	}
	e := &entry{at: w.now(), session: subject.Session, units: map[string]int64{}, hold: hold, owner: n}
	for _, d := range table.defs {
		if asked && d.Counts != Attempts {
			continue
		}
		e.units[d.Name] = want.of(measureCode(d.Measure))
	}
	w.entries = append(w.entries, e)
	if asked {
		w.seen["asked"]++
		n.e.Refund(hold)
		e.hold = nil
	} else {
		w.seen["allowed"]++
		e.money = want.CostMicroUSD
	}
	for _, d := range table.defs {
		if d.OnExceed == RequireApproval || e.units[d.Name] == 0 {
			continue
		}
		if sum := w.sum(&d, subject.Session); sum > d.Max {
			w.broken = fmt.Sprintf("%s holds %d units, max %d, of session %s", d.Name, sum, d.Max, subject.Session)
		}
	}
	return !asked
}

// sum is what the log says of a limit now. While a bundle has changed the window a while ago, the shortest that was in force
// is what is promised: the ledger keeps no more.
func (w *world) sum(d *Definition, session string) (sum int64) {
	var from int64
	if d.Period == PerDay {
		from = w.now() / 86_400_000_000 * 86_400_000_000
	} else {
		window := d.WindowSeconds
		for _, r := range slices.Backward(w.regimes) {
			for _, other := range r.defs {
				if other.Name == d.Name {
					window = min(window, other.WindowSeconds)
				}
			}
			if w.now()-r.from > 1_000_000_000 { // longer than any lease and window
				break
			}
		}
		from = w.now() - window*1_000_000
	}
	for _, e := range w.entries {
		if e.at >= from && (e.session == session || d.Scope[0] != Session) {
			sum += e.units[d.Name]
		}
	}
	return sum
}

// exact closes all replicas and compares what the ledger counts with the log. A unit may count for two sub-buckets longer than
// the window, and as much longer as a replica is unsure of the time.
func (w *world) exact() {
	for _, n := range w.nodes {
		w.forgetHolds(n)
		if err := n.e.Close(ctx); err != nil {
			w.broken = err.Error()
			return
		}
	}
	counts := map[string]int64{}
	err := w.l.Cells(ctx, "t", 1<<30, func(c ledger.Cell) bool {
		p, _ := parseKey(c.Key)
		counts[p.name+p.who.Session] += c.Used
		if c.Blocks != 0 {
			w.broken = fmt.Sprintf("%d units of %s are still in blocks", c.Blocks, p.name)
		}
		return true
	})
	if err != nil {
		w.broken = err.Error()
	}
	for _, d := range w.table().defs {
		sessions := []string{""}
		if d.Scope[0] == Session {
			sessions = []string{"x", "y"}
		}
		for _, session := range sessions {
			least, most := w.counted(&d, session)
			if is := counts[d.Name+session]; is < least || is > most {
				w.broken = fmt.Sprintf("%s of %q counts %d, the log has %d to %d", d.Name, session, is, least, most)
			}
			w.seen["exact"]++
		}
	}
}

// counted is the least and the most that the ledger may count of a limit now.
func (w *world) counted(d *Definition, session string) (least, most int64) {
	const unsure = 50_000
	from := w.now() - d.WindowSeconds*1_000_000
	early := from - 2*d.ledgerPeriod().Width - unsure
	if d.Period == PerDay {
		from = w.now() / 86_400_000_000 * 86_400_000_000
		early = from - unsure
	}
	for _, e := range slices.Concat(w.entries, w.debts) {
		if session != "" && e.session != session {
			continue
		}
		if e.at >= from {
			least += e.units[d.Name]
		}
		if e.at >= early {
			most += e.units[d.Name]
		}
	}
	return least, most
}

// refund gives back an action that its replica may still refund.
func (w *world) refund(n *node) {
	var open []*entry
	for _, e := range w.entries {
		if e.hold != nil && e.owner == n {
			open = append(open, e)
		}
	}
	if len(open) == 0 {
		return
	}
	e := choose(w, open)
	n.e.Refund(e.hold)
	e.hold, e.money = nil, 0
	for name := range e.units {
		if name != "attempts" {
			delete(e.units, name)
		}
	}
}

// keep leaves an action to be settled.
func (w *world) keep(n *node) {
	for _, e := range w.entries {
		if e.hold == nil || e.owner != n {
			continue
		}
		w.names++
		id := fmt.Sprint("action ", w.names)
		if err := n.e.Keep(e.hold, id, micros(time.Hour)); err != nil {
			w.broken = err.Error()
		}
		e.hold, e.id = nil, id
		return
	}
}

func (w *world) settle(n *node) {
	var open []*entry
	for _, e := range w.entries {
		if e.id != "" {
			open = append(open, e)
		}
	}
	if len(open) == 0 {
		return
	}
	e, actual := choose(w, open), choose(w, []int64{0, 1, 2, 8})
	// Whoever calls while the outcome is under way may be let in for what it gives back.
	before := maps.Clone(e.units)
	for _, name := range []string{"cost", "day"} {
		if e.units[name] > 0 {
			e.units[name] = min(e.units[name], actual)
		}
	}
	out, err := n.e.Settle(ctx, w.table().set, "t", e.id, Amounts{CostMicroUSD: actual})
	charged := out.Charged.CostMicroUSD
	if w.faultless && errors.Is(err, ErrUnknownReservation) { // it has expired, and stays charged in full
		e.id, e.units = "", before
		return
	}
	if err != nil {
		charged = actual // it may have been settled, or not
	} else {
		w.seen["settled"]++
	}
	for _, name := range []string{"cost", "day"} {
		if before[name] > 0 {
			e.units[name] = min(before[name], charged)
		}
	}
	if err != nil {
		return
	}
	if charged > e.money && !out.AlreadySettled { // not part of what limits let in
		w.seen["debt"]++
		debt := charged - e.money
		w.debts = append(w.debts, &entry{at: w.now(), session: e.session, units: map[string]int64{"cost": debt, "day": debt}})
	}
	e.id = ""
}

// restart closes a replica and starts another.
func (w *world) restart(at int) {
	n := w.nodes[at]
	w.forgetHolds(n) // who refunds while it closes comes too late
	patience, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := n.e.Close(patience); err != nil {
		if patience.Err() != nil || w.faultless {
			w.broken = err.Error() // it goes round and round
		}
	}
	w.join(at)
}

func (w *world) forgetHolds(n *node) {
	for _, e := range w.entries {
		if e.owner == n {
			e.hold = nil
		}
	}
}

func play(t *rapid.T, seen map[string]int, faultless bool) {
	w := &world{l: newShared(), seen: seen, faultless: faultless}
	w.act(func() {
		w.nodes = make([]*node, between(w, 1, 3))
		w.reload(20)
		for i := range w.nodes {
			w.join(i)
		}
	})(t)
	defer func() {
		for _, n := range w.nodes {
			n.e.hot.Close()
		}
	}()
	which := func() int { return between(w, 0, len(w.nodes)-1) }
	reserve := w.act(func() { w.reserve(ctx, w.node()) })
	actions := map[string]func(*rapid.T){
		"reserve": reserve, "reserve again": reserve,
		"reserve until denied": w.act(func() {
			n := w.node()
			for range 60 {
				if !w.reserve(ctx, n) {
					return
				}
			}
		}),
		"refund": w.act(func() { w.refund(w.node()) }),
		"keep":   w.act(func() { w.keep(w.node()) }),
		"settle": w.act(func() { w.settle(w.node()) }),
		"report": w.act(func() { _ = w.node().e.report(ctx, choose(w, flip), false) }),
		"refill": w.act(func() {
			e := w.node().e
			for len(e.refill) > 0 {
				e.draw(ctx, <-e.refill)
			}
		}),
		"time": w.act(w.pass),
		"faults": w.act(func() {
			n := w.node()
			n.w.faulty = !n.w.faulty
		}),
		"late": w.act(func() {
			if len(w.late) == 0 {
				return
			}
			i := between(w, 0, len(w.late)-1)
			if _, err := w.l.Model.Do(ctx, w.late[i]); err == nil {
				seen["late and done"]++
			} else {
				seen["stale"]++
			}
			w.late = append(w.late[:i], w.late[i+1:]...)
		}),
		"bundle":  w.act(func() { w.reload(choose(w, []int64{10, 40, 200})) }),
		"restart": w.act(func() { seen["restart"]++; w.restart(which()) }),
		"crash": w.act(func() {
			seen["crash"]++
			at := which()
			w.forgetHolds(w.nodes[at])
			w.nodes[at].e.hot.Close()
			w.join(at)
		}),
		"forget": w.act(func() {
			if choose(w, []bool{false, false, true}) {
				seen["forget"]++
				w.l.epoch++
				w.l.Forget(w.l.epoch)
			}
		}),
	}
	if faultless {
		for _, fault := range []string{"faults", "late", "bundle", "crash", "forget"} {
			delete(actions, fault)
		}
	}
	t.Repeat(actions)
	if faultless {
		w.act(w.exact)(t)
	}
}
