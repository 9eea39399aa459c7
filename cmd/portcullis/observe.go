package main

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

type observeCmd struct {
	remote
	File string `arg:"" help:"File with an ObserveRequest as JSON, or - for standard input."`
}

// Run tells the server what entered a session.
func (c observeCmd) Run(ctx context.Context, io streams) error {
	raw, err := readInput(c.File, io)
	if err != nil {
		return err
	}
	req := &pb.ObserveRequest{}
	if err := protojson.Unmarshal(raw, req); err != nil {
		return &exitError{2, fmt.Errorf("%s is not an ObserveRequest: %w", c.File, err)}
	}
	conn, err := c.connect(asAgent)
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := pb.NewDecisionServiceClient(conn).Observe(ctx, req)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.out, resp)
	}
	for i, digest := range resp.GetSchemaDigests() {
		if _, err := fmt.Fprintf(io.out, "%s  %s\n", digest, plain(req.GetTools()[i].GetName())); err != nil {
			return err
		}
	}
	said := "observed"
	if !resp.GetWhole() {
		said = "observed in part: the session is full, and what did not fit is of unknown origin"
	}
	_, err = fmt.Fprintln(io.out, said)
	return err
}
