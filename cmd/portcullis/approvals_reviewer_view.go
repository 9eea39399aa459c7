package main

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// frameLines are the lines around the text of an ask: title, rule, rule, note or prompt, keys.
const frameLines = 5

// fit makes the text as wide as the screen.
func (r *reviewer) fit() {
	r.layOut()
}

func (r *reviewer) textHeight() int { return max(r.screen.height-frameLines, 1) }

// layOut writes the open ask into its part of the screen.
func (r *reviewer) layOut() {
	if reading := r.seen[r.open]; reading != nil {
		r.text = strings.Split(r.describe(reading), "\n")
		r.scroll(0)
	}
}

// View draws the screen, on a screen of its own.
func (r *reviewer) View() tea.View {
	view := tea.NewView(r.draw())
	view.AltScreen = true
	return view
}

func (r *reviewer) draw() string {
	var b strings.Builder
	line := func(text string) { b.WriteString(r.screen.fit(text, r.screen.width) + "\n") }
	if r.open != "" {
		reading := r.seen[r.open]
		title := "ask " + r.open
		if n := len(reading.pages); n > 1 || !reading.whole {
			title += fmt.Sprintf("   page %d", reading.page+1)
		}
		b.WriteString(r.screen.paint(bold, r.screen.fit(title, r.screen.width)) + "\n")
		line(r.rule())
		for i := range r.textHeight() {
			if r.top+i < len(r.text) {
				b.WriteString(r.text[r.top+i])
			}
			b.WriteString("\n")
		}
		line(r.rule())
	} else {
		r.list(&b)
	}
	switch {
	case r.prompt.does != "":
		b.WriteString(r.asking() + "\n")
	default:
		line(r.note)
	}
	b.WriteString(r.screen.fit(r.keys(), r.screen.width))
	return b.String()
}

func (r *reviewer) rule() string {
	if r.screen.unicode {
		return strings.Repeat("─", r.screen.width)
	}
	return strings.Repeat("-", r.screen.width)
}

// asking is the question with the end of the line that answers it.
func (r *reviewer) asking() string {
	question := r.prompt.does
	if n := len(r.prompt.ids); n > 1 {
		question = fmt.Sprintf("%s %d asks", question, n)
	}
	if r.prompt.does == "reveal" {
		question += ", because (for the record): "
	} else {
		question += ", with the comment: "
	}
	line := []rune(plain(string(r.prompt.line)))
	line = line[max(len(line)-max(r.screen.width-len(question)-1, 10), 0):]
	return r.screen.paint(bold, question) + string(line) + "_"
}

func (r *reviewer) keys() string {
	switch {
	case r.prompt.does != "":
		return "enter: " + r.prompt.does + "   esc: do not"
	case r.open != "":
		keys := "a approve   r reject   v reveal what is masked   ↑↓ scroll   q back"
		if reading := r.seen[r.open]; reading.pages[0].GetTruncated() {
			keys = "n next page   p previous   " + keys
		}
		return r.ascii(keys)
	}
	return r.ascii("↑↓ move   enter open   space mark   a approve   r reject (all that are marked)   q quit")
}

func (r *reviewer) ascii(text string) string {
	if r.screen.unicode {
		return text
	}
	return strings.ReplaceAll(text, "↑↓", "up/down")
}

// list draws what waits, around the cursor.
func (r *reviewer) list(b *strings.Builder) {
	title := fmt.Sprintf("%d waiting", len(r.asks))
	if n := len(r.marked); n > 0 {
		title += fmt.Sprintf(", %d marked", n)
	}
	b.WriteString(r.screen.paint(bold, title))
	if r.broken != nil {
		b.WriteString("  " + r.screen.paint(red, r.screen.fit("NOT UP TO DATE: "+plain(r.broken.Error()), max(r.screen.width-len(title)-2, 1))))
	}
	b.WriteString("\n" + r.rule() + "\n")
	rows := max(r.screen.height-frameLines, 1)
	first := min(max(r.index(r.at)-rows/2, 0), max(len(r.asks)-rows, 0))
	for i := first; i < first+rows; i++ {
		if i < len(r.asks) {
			b.WriteString(r.row(r.asks[i]))
		} else if i == 0 {
			b.WriteString("nothing is waiting")
		}
		b.WriteString("\n")
	}
	b.WriteString(r.rule() + "\n")
}

func (r *reviewer) row(a *pb.Approval) string {
	id := a.GetId()
	cursor, mark, read := " ", " ", "new "
	if id == r.at {
		cursor = ">"
	}
	if r.marked[id] {
		mark = "*"
	}
	if reading := r.seen[id]; reading != nil {
		if read = "open"; reading.all() {
			read = "read"
		}
	}
	left := a.GetExpiresAt().AsTime().Sub(r.now).Truncate(1e9)
	text := fmt.Sprintf("%s%s %s  %8s  %-24s %-18s %s", cursor, mark, read, left, r.screen.fit(plain(a.GetTool()), 24), r.screen.fit(plain(a.GetPrincipal().GetAgent()), 18), codesOf(a.GetReasons()))
	text = r.screen.fit(text, r.screen.width)
	switch {
	case id == r.at:
		return r.screen.paint(bold, text)
	case left < 30e9:
		return r.screen.paint(yellow, text)
	}
	return text
}

// describe is the ask in words, with one page of its action.
func (r *reviewer) describe(reading *reading) string {
	var b strings.Builder
	view := reading.pages[reading.page]
	shown := &pb.GetApprovalResponse{Approval: reading.show.GetApproval(), View: view}
	if err := printApproval(&b, shown); err != nil {
		return err.Error()
	}
	return wrap(b.String(), r.screen.width)
}

// wrap breaks lines that are longer than the screen. Nothing is cut off: what a line says goes on in the next.
func wrap(text string, width int) string {
	if width <= 0 {
		return text
	}
	return ansi.Hardwrap(strings.TrimSuffix(text, "\n"), width, true)
}
