package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// usageView draws usage on a screen: a table where it is wide enough, else a few lines a counter.
type usageView struct {
	screen
	now time.Time
}

// usageLine is a counter in words.
type usageLine struct {
	name, who, share, amounts, period, resets, exceed string

	row *pb.UsageRow
}

func (v usageView) line(r *pb.UsageRow) usageLine {
	s := r.GetStatus()
	l := usageLine{
		name: name(s.GetName()), who: whose(r), share: percent(s.GetUsed(), s.GetMax()),
		amounts: amount(s.GetMeasure(), s.GetUsed()) + " / " + amount(s.GetMeasure(), s.GetMax()) + unitOf(s.GetMeasure()),
		period:  periodOf(s), resets: resetsIn(s, v.now), exceed: name(s.GetOnExceed()), row: r,
	}
	if r.GetBooked() > 0 {
		l.amounts += " (" + amount(s.GetMeasure(), r.GetBooked()) + " booked)"
	}
	if r.GetAmnesia() {
		l.share = "LOST"
		if s.GetResetsAt() == "" {
			l.resets = "recover"
		}
	}
	return l
}

// whose are the values of the scope. An empty value counts like any, and is shown.
func whose(r *pb.UsageRow) string {
	scope := r.GetStatus().GetScope()
	var parts []string
	for _, d := range []struct{ dimension, value string }{
		{"agent", r.GetAgent()}, {"user", r.GetUser()}, {"session", r.GetSession()}, {"tool", r.GetTool()},
	} {
		if d.value != "" || slices.Contains(scope, d.dimension) {
			parts = append(parts, d.dimension+"="+name(d.value))
		}
	}
	if len(parts) == 0 {
		return "tenant"
	}
	return strings.Join(parts, " ")
}

// Widths of the table's parts.
const (
	wideBar, shortBar = 20, 10
	leastWho          = 30 // narrower, and lines are easier to read
	leastName         = 18 // of a counter, beside its bar
	gap               = "  "
)

// render draws all rows that fit.
func (v usageView) render(resp *pb.GetUsageResponse) string {
	lines := make([]usageLine, len(resp.GetRows()))
	lost := resp.GetAmnesia()
	for i, r := range resp.GetRows() {
		lines[i] = v.line(r)
		lost = lost || r.GetAmnesia()
	}
	var b strings.Builder
	room := v.height
	if lost {
		b.WriteString(v.paint(red, v.fit("LOST: the shared store forgot what was spent: see `portcullis limits recover`.", v.width)) + "\n")
		room--
	}
	if len(lines) == 0 {
		b.WriteString("nothing is in use\n")
		return b.String()
	}
	shown := 0
	if columns, fits := v.columns(lines); fits {
		shown = len(lines)
		if v.height > 0 {
			shown = min(shown, max(room-2, 1)) // header, last line
		}
		v.table(&b, lines[:shown], columns)
	} else {
		for _, l := range lines {
			block := v.block(l)
			if room -= len(block); v.height > 0 && room < 1 && shown > 0 {
				break
			}
			for _, line := range block {
				b.WriteString(line + "\n")
			}
			shown++
		}
	}
	switch {
	case shown < len(lines):
		b.WriteString(v.fit(fmt.Sprintf("(%d more; narrow it down, or make the window taller)", len(lines)-shown), v.width) + "\n")
	case resp.GetTruncated():
		b.WriteString(v.fit("(more rows; narrow it down, or raise --max)", v.width) + "\n")
	}
	return b.String()
}

// columns are the widths of a table; whether it fits.
type columns struct{ name, who, bar, share, amounts, period, resets int }

func (v usageView) columns(lines []usageLine) (c columns, fits bool) {
	c = columns{name: len("LIMIT"), who: len("WHO"), bar: wideBar, share: len("FULL"), amounts: len("USED / MAX"), period: len("PERIOD"), resets: len("RESETS IN")}
	exceed := len("ON EXCEED")
	for _, l := range lines {
		c.name, c.who, c.share = max(c.name, len(l.name)), max(c.who, len(l.who)), max(c.share, len(l.share))
		c.amounts, c.period, c.resets = max(c.amounts, len(l.amounts)), max(c.period, len(l.period)), max(c.resets, len(l.resets))
		exceed = max(exceed, len(l.exceed))
	}
	if v.width == 0 {
		return c, true
	}
	rest := v.width - (c.name + c.share + c.amounts + c.period + c.resets + exceed + 2 + 7*len(gap))
	if rest < c.who+c.bar {
		c.bar = shortBar
	}
	c.who = min(c.who, rest-c.bar)
	return c, c.who >= min(leastWho, longestWho(lines))
}

func longestWho(lines []usageLine) (n int) {
	for _, l := range lines {
		n = max(n, len(l.who))
	}
	return n
}

func (v usageView) table(b *strings.Builder, lines []usageLine, c columns) {
	head := fmt.Sprintf("%-*s"+gap+"%-*s"+gap+"%-*s"+gap+"%*s"+gap+"%-*s"+gap+"%-*s"+gap+"%-*s"+gap+"%s",
		c.name, "LIMIT", c.who, "WHO", c.bar+2, "", c.share, "FULL", c.amounts, "USED / MAX", c.period, "PERIOD", c.resets, "RESETS IN", "ON EXCEED")
	b.WriteString(v.paint(bold, head) + "\n")
	for _, l := range lines {
		colour := colourOf(l)
		fmt.Fprintf(b, "%-*s"+gap+"%s"+gap+"%s"+gap+"%s"+gap+"%-*s"+gap+"%-*s"+gap+"%-*s"+gap+"%s\n",
			c.name, l.name, pad(v.fit(l.who, c.who), c.who), v.paint(colour, v.bar(l.row, c.bar)), v.paint(colour, fmt.Sprintf("%*s", c.share, l.share)),
			c.amounts, l.amounts, c.period, l.period, c.resets, l.resets, l.exceed)
	}
}

// block shows one counter on a narrow screen: its bar and name, whom it counts, and the details on as many lines as they take.
func (v usageView) block(l usageLine) []string {
	resets := "resets in " + l.resets
	switch l.resets {
	case "-":
		resets = "nothing to reset"
	case "now":
		resets = "resets now"
	case "recover":
		resets = "needs limits recover"
	}
	colour := colourOf(l)
	bar := v.paint(colour, fmt.Sprintf("%s %4s", v.bar(l.row, shortBar), l.share)) + " "
	const barWidth, indent = shortBar + 2 + 6, "  "
	inner := max(v.width-len(indent), 1)
	var out []string
	switch {
	case barWidth+len(l.name)+len(gap)+len(l.who) <= v.width:
		out = append(out, bar+v.paint(bold, l.name)+gap+l.who)
	case barWidth+leastName <= v.width:
		out = append(out, bar+v.paint(bold, v.fit(l.name, v.width-barWidth)), indent+v.fit(l.who, inner))
	default:
		out = append(out, bar, v.paint(bold, v.fit(l.name, max(v.width, 1))), indent+v.fit(l.who, inner))
	}
	line := ""
	period := l.period
	if p := l.row.GetStatus().GetPeriod(); p == "window" || p == "" {
		period += " window"
	}
	for _, part := range []string{l.amounts, period, resets, l.exceed} {
		switch {
		case line == "":
			line = part
		case len(line)+len(", ")+len(part) < inner: // a comma may follow
			line += ", " + part
		default:
			out = append(out, indent+v.fit(line+",", inner))
			line = part
		}
	}
	return append(out, indent+v.fit(line, inner))
}

// pad is for texts that are not ASCII where they were cut.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-len([]rune(text)), 0))
}

// bar draws what is spent, what is booked and what is free. More than the limit is shown as full and marked.
func (v usageView) bar(r *pb.UsageRow, cells int) string {
	spent, booked, free, open, end, over := "#", "+", ".", "[", "]", "!"
	if v.unicode {
		spent, booked, free, open, end, over = "█", "▒", "·", "▕", "▏", "!"
	}
	s := r.GetStatus()
	full := int(min(fraction(s.GetUsed(), s.GetMax()), 1) * float64(cells))
	if s.GetUsed() < s.GetMax() {
		full = min(full, cells-1) // only what is full looks full
	}
	reported := min(int(min(fraction(s.GetUsed()-min(max(r.GetBooked(), 0), s.GetUsed()), s.GetMax()), 1)*float64(cells)), full)
	if s.GetUsed() > s.GetMax() {
		end = over
	}
	return open + strings.Repeat(spent, reported) + strings.Repeat(booked, full-reported) + strings.Repeat(free, cells-full) + end
}

// almost is how full a counter is when somebody should look.
const almost = 0.8

// colourOf goes by what is spent: what is only booked comes back, and would make the colours flicker.
func colourOf(l usageLine) string {
	s := l.row.GetStatus()
	spent := s.GetUsed() - min(max(l.row.GetBooked(), 0), max(s.GetUsed(), 0))
	switch share := fraction(spent, s.GetMax()); {
	case share >= 1 || l.row.GetAmnesia():
		return red
	case share >= almost:
		return yellow
	}
	return green
}
