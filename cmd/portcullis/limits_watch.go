package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// frame shows usage again and again: in place on a terminal, one after another elsewhere, a line of JSON each for scripts.
type frame struct {
	out   io.Writer
	json  bool
	live  bool
	last  string // what stays on the terminal when it is over
	shown time.Time
}

// What a terminal is told: another screen without a cursor, and back.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	goHome      = "\x1b[H"
	clearLine   = "\x1b[K\n"
	clearBelow  = "\x1b[J"
)

func openFrame(out io.Writer, json bool) *frame {
	f := &frame{out: out, json: json, live: !json && screenOf(out).live}
	if f.live {
		_, _ = fmt.Fprint(out, enterScreen)
	}
	return f
}

// show draws what was answered last. broken says why there is no newer answer.
func (f *frame) show(resp *pb.GetUsageResponse, broken error) error {
	now := time.Now()
	if broken == nil {
		f.shown = now
	}
	switch {
	case f.json && broken == nil:
		return printWhole(f.out, resp)
	case f.json: // scripts see what is there; a gap is seen by what does not come
		return nil
	}
	view := usageView{screen: screenOf(f.out), now: now} // the window may have another size by now
	title := "limits at " + f.shown.Format("15:04:05")
	if broken != nil {
		title += ", NO ANSWER SINCE: " + plain(broken.Error())
	}
	title = view.fit(title, view.width)
	if view.height > 0 {
		view.height = max(view.height-2, 1) // the title, and the line that the cursor is on
	}
	if !f.live {
		_, err := fmt.Fprint(f.out, title, "\n", view.render(resp), "\n")
		return err
	}
	f.last = title + "\n" + view.render(resp)
	_, err := fmt.Fprint(f.out, goHome, strings.ReplaceAll(f.last, "\n", clearLine), clearBelow)
	return err
}

// close gives the terminal back as it was, with the last picture on it.
func (f *frame) close() {
	if f.live {
		_, _ = fmt.Fprint(f.out, leaveScreen, f.last)
	}
}
