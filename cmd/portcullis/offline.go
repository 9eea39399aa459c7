package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/action"
	"github.com/portcullis-pdp/portcullis/pdp/decision"
	"github.com/portcullis-pdp/portcullis/pdp/policy"
	"github.com/portcullis-pdp/portcullis/pdp/server"
)

// policyFlag chooses the policy of a command that needs no server.
type policyFlag struct {
	Bundle []string `help:"Bundle, then overlays, lowest first. Default: the built-in policies."`
}

// snapshot compiles it; its tests are not run again.
func (f policyFlag) snapshot(ctx context.Context) (*policy.Snapshot, error) {
	b, err := layers{f.Bundle}.read(ctx)
	if err != nil {
		return nil, err
	}
	tools, err := toolchain()
	if err != nil {
		return nil, err
	}
	return policy.Load(ctx, b, policy.LoadOptions{Toolchain: tools, SkipTests: true, Now: time.Now})
}

type inspectCmd struct {
	policyFlag
	File string `arg:"" help:"File with an Action or a DecideRequest as JSON, or - for standard input."`
	JSON bool   `help:"Print JSON, for scripts."`
}

// inspection is what inspect prints with --json.
type inspection struct {
	Canonical json.RawMessage `json:"canonical"`
	Digest    string          `json:"digest"`
	Facts     []action.Fact   `json:"facts"`
	Sinks     []string        `json:"sinks"` // pointers to the values that decide who is affected
}

// Run works out what the server would, without one.
func (c inspectCmd) Run(ctx context.Context, io streams) error {
	a, err := readAction(c.File, io)
	if err != nil {
		return err
	}
	s, err := c.snapshot(ctx)
	if err != nil {
		return err
	}
	canonical, err := a.Canonical()
	if err != nil {
		return err
	}
	digest, err := a.Digest()
	if err != nil {
		return err
	}
	facts := a.Facts(action.FactOptions{KnownTools: s.Tables.ToolNames(), Files: s.Tables.Files})
	sinks := decision.Sinks(&s.Tables, a, facts)
	if c.JSON {
		return json.NewEncoder(io.out).Encode(inspection{canonical, digest, facts, sinks})
	}
	if _, err := fmt.Fprintf(io.out, "canonical  %s\ndigest     %s\n", plain(string(canonical)), digest); err != nil {
		return err
	}
	for _, f := range facts {
		raw, err := json.Marshal(f)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(io.out, "fact       %s\n", plain(string(raw))); err != nil {
			return err
		}
	}
	for _, sink := range sinks {
		if _, err := fmt.Fprintf(io.out, "sink       %s\n", plain(sink)); err != nil {
			return err
		}
	}
	return nil
}

// readAction takes an Action, or the one inside a DecideRequest.
func readAction(name string, io streams) (*action.Action, error) {
	raw, err := readInput(name, io)
	if err != nil {
		return nil, err
	}
	request := &pb.DecideRequest{}
	if protojson.Unmarshal(raw, request) != nil || request.GetAction() == nil {
		request = &pb.DecideRequest{Action: &pb.Action{}}
		if err := protojson.Unmarshal(raw, request.GetAction()); err != nil {
			return nil, &exitError{2, fmt.Errorf("%s is neither an Action nor a DecideRequest: %w", name, err)}
		}
	}
	return server.ActionFromProto(request.GetAction())
}
