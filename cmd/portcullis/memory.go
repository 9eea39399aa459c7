package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

type memoryCmd struct {
	List       memoryListCmd       `cmd:"" help:"List what is on record of an agent's memory: numbers, labels and digests, no text."`
	Quarantine memoryQuarantineCmd `cmd:"" help:"Deny reads of what an agent wrote from a number or a time on, or let it go again."`
	Rollback   memoryRollbackCmd   `cmd:"" help:"Make the last good version current again where the newest is quarantined or a deletion."`
}

type memoryListCmd struct {
	remote
	Agent string `arg:"" help:"The agent."`
	Layer string `help:"Only this layer."`
	Max   int32  `default:"100" help:"At most so many items, 1 to 1,000."`
}

// Run prints a line a version, the newest first.
func (c memoryListCmd) Run(ctx context.Context, io streams) error {
	if c.Max < 1 || c.Max > 1000 {
		return &exitError{2, fmt.Errorf("--max is 1 to 1,000, not %d", c.Max)}
	}
	conn, err := c.connect(asAdmin)
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := pb.NewAdminServiceClient(conn).ListMemory(ctx, &pb.ListMemoryRequest{Agent: c.Agent, Layer: c.Layer, MaxItems: c.Max})
	if err != nil {
		return err
	}
	if c.JSON {
		return printWhole(io.out, resp)
	}
	return printMemory(io.out, resp)
}

func printMemory(w io.Writer, resp *pb.ListMemoryResponse) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d items, %d bytes; untrusted %d, %d bytes; last change %d\n", resp.GetAll().GetItems(), resp.GetAll().GetBytes(),
		resp.GetUntrusted().GetItems(), resp.GetUntrusted().GetBytes(), resp.GetSequence())
	printItems(&b, resp.GetItems())
	if resp.GetTruncated() {
		b.WriteString("there are more: --max\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printItems(b *strings.Builder, items []*pb.MemoryItem) {
	for _, it := range items {
		fmt.Fprintf(b, "%s/%s\n", plain(it.GetLayer()), plain(it.GetKey()))
		for _, v := range it.GetVersions() {
			var marks []string
			for _, m := range []struct {
				is   bool
				word string
			}{{v.GetCurrent(), "current"}, {v.GetDeletion(), "deletion"}, {v.GetQuarantined(), "QUARANTINED"}, {v.GetUntrusted(), "untrusted"}} {
				if m.is {
					marks = append(marks, m.word)
				}
			}
			fmt.Fprintf(b, "  %8d  %s  %7d bytes  %.12s  %s\n", v.GetSequence(), v.GetAt().AsTime().Format(time.RFC3339), v.GetBytes(), v.GetDigest(), strings.Join(marks, ", "))
		}
	}
}

// sinceFlags choose versions.
type sinceFlags struct {
	SinceSequence uint64    `help:"From this number on, itself included (see memory list)."`
	SinceTime     time.Time `help:"From this time on, RFC 3339."`
}

func (f sinceFlags) validate() error {
	if (f.SinceSequence > 0) == !f.SinceTime.IsZero() {
		return &exitError{2, errors.New("give one of --since-sequence and --since-time")}
	}
	return nil
}

func (f sinceFlags) time() *timestamppb.Timestamp {
	if f.SinceTime.IsZero() {
		return nil
	}
	return timestamppb.New(f.SinceTime)
}

type memoryQuarantineCmd struct {
	remote
	Agent string `arg:"" help:"The agent."`
	sinceFlags
	UntrustedOnly bool   `help:"Only what sessions wrote that had seen something that others can write."`
	Release       bool   `help:"Let go again."`
	Reason        string `short:"m" help:"Why, for the log."`
}

// Run says how much was quarantined.
func (c memoryQuarantineCmd) Run(ctx context.Context, io streams) error {
	if err := c.validate(); err != nil {
		return err
	}
	conn, err := c.connect(asAdmin)
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := pb.NewAdminServiceClient(conn).QuarantineMemory(ctx, &pb.QuarantineMemoryRequest{
		Agent: c.Agent, SinceSequence: c.SinceSequence, SinceTime: c.time(), UntrustedOnly: c.UntrustedOnly, Release: c.Release, Reason: c.Reason,
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printWhole(io.out, resp)
	}
	word := "quarantined"
	if c.Release {
		word = "let go"
	}
	_, err = fmt.Fprintf(io.out, "%d versions of %d items %s\n", resp.GetVersions(), resp.GetItems(), word)
	return err
}

type memoryRollbackCmd struct {
	remote
	Agent string `arg:"" help:"The agent."`
	sinceFlags
	Reason string `short:"m" help:"Why, for the log."`
}

// Run lists what is current again, for the holder of the memory to put back.
func (c memoryRollbackCmd) Run(ctx context.Context, io streams) error {
	if err := c.validate(); err != nil {
		return err
	}
	conn, err := c.connect(asAdmin)
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := pb.NewAdminServiceClient(conn).RollbackMemory(ctx, &pb.RollbackMemoryRequest{
		Agent: c.Agent, SinceSequence: c.SinceSequence, SinceTime: c.time(), Reason: c.Reason,
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printWhole(io.out, resp)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d items rolled back; %d have no good version left. Put back the text whose SHA-256 begins as shown: the server has none.\n",
		resp.GetRolledBack(), resp.GetWithoutGood())
	printItems(&b, resp.GetItems())
	_, err = fmt.Fprint(io.out, b.String())
	return err
}
