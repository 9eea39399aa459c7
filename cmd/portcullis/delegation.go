package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/delegation"
)

type delegationCmd struct {
	Mint      delegationMintCmd      `cmd:"" help:"Make the first token of a chain, as an operator."`
	Attenuate delegationAttenuateCmd `cmd:"" help:"Hand rights on as an agent: prints the chain for the next agent."`
	Show      delegationShowCmd      `cmd:"" help:"Show what stands in a chain, without a server and without checking it."`
	Revoke    delegationRevokeCmd    `cmd:"" help:"Make a token invalid, and every chain that it is part of."`
}

// delegatedRights are the flags that say what is handed on.
type delegatedRights struct {
	Holder      string        `required:"" help:"The agent that is to act."`
	Tool        []string      `required:"" sep:"none" help:"A tool that it may use, or TOOL@SERVER for one server's; again for more."`
	MaxRisk     string        `help:"The highest risk level that an action may have."`
	MaxCost     int64         `help:"What one action may count for at most, in millionths of a US dollar."`
	OnlySession string        `help:"Only in this session."`
	OnlyUser    string        `help:"Only on behalf of this person."`
	NotBefore   time.Time     `help:"From when on, RFC 3339. Default: now."`
	Lifetime    time.Duration `help:"For how long, up to 168h. Default: 1h, or as long as the chain if that is less."`
	Depth       int32         `help:"How many delegations may follow."`
}

func (r delegatedRights) message() *pb.DelegatedRights {
	out := &pb.DelegatedRights{
		MaxRisk: r.MaxRisk, MaxCostMicroUsd: r.MaxCost, Session: r.OnlySession, User: r.OnlyUser,
		LifetimeSeconds: int64(r.Lifetime / time.Second), Depth: r.Depth,
	}
	if !r.NotBefore.IsZero() {
		out.NotBefore = timestamppb.New(r.NotBefore)
	}
	for _, t := range r.Tool {
		name, server := t, ""
		if at := strings.LastIndexByte(t, '@'); at > 0 {
			name, server = t[:at], t[at+1:]
		}
		out.Tools = append(out.Tools, &pb.DelegatedTool{Tool: name, Server: server})
	}
	return out
}

type delegationMintCmd struct {
	remote
	Issuer string `required:"" help:"The agent whose rights are handed on."`
	delegatedRights
}

// Run prints the token alone on standard output, so that a script can keep it; its id and end go beside.
func (c delegationMintCmd) Run(ctx context.Context, out streams) error {
	conn, err := c.connect(asAdmin)
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := pb.NewAdminServiceClient(conn).MintDelegation(ctx, &pb.MintDelegationRequest{
		Issuer: c.Issuer, Holder: c.Holder, Rights: c.message(),
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.out, resp)
	}
	fmt.Fprintf(out.err, "token %s, until %s\n", resp.GetId(), resp.GetExpiresAt().AsTime().Format(time.RFC3339))
	_, err = fmt.Fprintln(out.out, resp.GetToken())
	return err
}

type delegationAttenuateCmd struct {
	remote
	File    string `arg:"" optional:"" help:"File with the tokens that the agent holds, one a line, outermost first, or - for standard input. Left out if it holds none."`
	Agent   string `required:"" help:"The agent that hands on."`
	Session string `required:"" help:"The session in which it does."`
	User    string `help:"On whose behalf it acts."`
	delegatedRights
}

// Run prints the chain that the holder sends: the tokens of the agent, and the new one.
func (c delegationAttenuateCmd) Run(ctx context.Context, out streams) error {
	var held []string
	if c.File != "" {
		var err error
		if held, err = readChain(c.File, out); err != nil {
			return err
		}
	}
	conn, err := c.connect(asAgent)
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := pb.NewDecisionServiceClient(conn).Delegate(ctx, &pb.DelegateRequest{
		Principal: &pb.Principal{Agent: c.Agent, Session: c.Session, User: c.User, Delegation: held}, Holder: c.Holder, Rights: c.message(),
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.out, resp)
	}
	fmt.Fprintf(out.err, "token %s, until %s\n", resp.GetId(), resp.GetExpiresAt().AsTime().Format(time.RFC3339))
	_, err = fmt.Fprintln(out.out, strings.Join(append(held, resp.GetToken()), "\n"))
	return err
}

type delegationShowCmd struct {
	File string `arg:"" help:"File with tokens, one a line, outermost first, or - for standard input."`
}

// Run prints what the tokens say. Whether they hold, only a server knows: it has the keys and what was revoked.
func (c delegationShowCmd) Run(out streams) error {
	chain, err := readChain(c.File, out)
	if err != nil {
		return err
	}
	var b strings.Builder
	for i, raw := range chain {
		t, err := delegation.Peek(raw)
		if err != nil {
			return fmt.Errorf("token %d: %w", i+1, err)
		}
		printToken(&b, t)
	}
	b.WriteString("not checked: only a server knows whether this holds\n")
	_, err = io.WriteString(out.out, b.String())
	return err
}

func printToken(b *strings.Builder, t *delegation.Token) {
	fmt.Fprintf(b, "%s  %s -> %s, tenant %s\n", plain(t.ID), plain(t.Issuer), plain(t.Holder), plain(t.Tenant))
	names := make([]string, len(t.Tools))
	for i, tool := range t.Tools {
		names[i] = plain(tool.String())
	}
	fmt.Fprintf(b, "  tools    %s\n", strings.Join(names, ", "))
	for _, line := range []struct{ name, value string }{
		{"risk", t.MaxRisk}, {"session", t.Session}, {"user", t.User},
	} {
		if line.value != "" {
			fmt.Fprintf(b, "  %-8s %s\n", line.name, plain(line.value))
		}
	}
	if t.MaxCostMicroUSD > 0 {
		fmt.Fprintf(b, "  cost     at most $%d.%06d an action\n", t.MaxCostMicroUSD/1_000_000, t.MaxCostMicroUSD%1_000_000)
	}
	if t.NotBefore > 0 {
		fmt.Fprintf(b, "  from     %s\n", time.Unix(t.NotBefore, 0).UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(b, "  until    %s\n", t.ExpiresAt().Format(time.RFC3339))
	fmt.Fprintf(b, "  depth    %d more\n", t.Depth)
}

type delegationRevokeCmd struct {
	remote
	ID     string `arg:"" help:"The token's id."`
	Reason string `short:"m" help:"Why."`
}

// Run revokes. A token that was revoked before is no error.
func (c delegationRevokeCmd) Run(ctx context.Context, out streams) error {
	conn, err := c.connect(asAdmin)
	if err != nil {
		return err
	}
	defer conn.Close()
	resp, err := pb.NewAdminServiceClient(conn).RevokeDelegation(ctx, &pb.RevokeDelegationRequest{Id: c.ID, Reason: c.Reason})
	if err != nil {
		return err
	}
	if c.JSON {
		return printWhole(out.out, resp)
	}
	said := "revoked"
	if !resp.GetRevoked() {
		said = "was revoked before"
	}
	_, err = fmt.Fprintln(out.out, said)
	return err
}

// readChain reads tokens, one a line.
func readChain(file string, in streams) ([]string, error) {
	raw, err := readInput(file, in)
	if err != nil {
		return nil, err
	}
	chain := strings.Fields(string(raw))
	if len(chain) == 0 || len(chain) > delegation.MaxLinks {
		return nil, &exitError{2, errors.New(cmp.Or(strings.TrimPrefix(file, "-"), "standard input") + " holds no chain: 1 to 8 tokens, one a line")}
	}
	return chain, nil
}
