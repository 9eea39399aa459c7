package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

func isPrintable(r rune) bool { return unicode.IsPrint(r) }

type decideCmd struct {
	remote
	File string `arg:"" help:"File with a DecideRequest as JSON, or - for standard input."`
}

// Run asks and prints. It ends with 0 for allow and 3 for anything else, so that a script can branch.
func (c decideCmd) Run(ctx context.Context, io streams) error {
	raw, err := readInput(c.File, io)
	if err != nil {
		return err
	}
	req := &pb.DecideRequest{}
	if err := protojson.Unmarshal(raw, req); err != nil {
		return &exitError{2, fmt.Errorf("%s is not a DecideRequest: %w", c.File, err)}
	}
	conn, err := c.connect(asAgent)
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := pb.NewDecisionServiceClient(conn).Decide(ctx, req)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(io.out, resp)
	} else {
		err = printDecision(io.out, resp)
	}
	if err != nil {
		return err
	}
	if resp.GetEffect() != pb.Effect_EFFECT_ALLOW {
		return &exitError{3, errors.New("not allowed: " + short(resp.GetEffect().String(), "EFFECT_"))}
	}
	return nil
}

func printDecision(w io.Writer, d *pb.DecideResponse) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", short(d.GetEffect().String(), "EFFECT_"), d.GetDecisionId())
	for _, r := range d.GetReasons() {
		fmt.Fprintf(&b, "  %-24s %s (%s)\n", r.GetCode(), plain(r.GetMessage()), r.GetRule())
		for _, f := range r.GetFindings() {
			fmt.Fprintf(&b, "    found %s at %s\n", f.GetRule(), plain(f.GetPointer()))
		}
	}
	if a := d.GetApproval(); a.GetId() != "" {
		fmt.Fprintf(&b, "  approval %s, expires %s\n", a.GetId(), a.GetExpiresAt().AsTime().Format("15:04:05"))
	}
	if len(d.GetDegraded()) > 0 {
		fmt.Fprintf(&b, "  degraded: %s\n", strings.Join(d.GetDegraded(), ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func short(name, prefix string) string { return strings.TrimPrefix(name, prefix) }
