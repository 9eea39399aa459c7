package identity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

func gateway(agents ...string) Caller {
	return Caller{Subject: "gw", Roles: []Role{RoleGateway}, Tenant: "acme", Agents: agents}
}

// The credential says who it is; what the request says is only compared.
func TestThreat_C3_PrincipalMustAgreeWithCredential(t *testing.T) {
	anyone, two := gateway(AnyAgent), gateway("a1", "a2")
	approver := Caller{Subject: "bob", Roles: []Role{RoleApprover}, Tenant: "acme"}
	approverWithAgents := Caller{Subject: "bob", Roles: []Role{RoleApprover, RoleAdmin, RoleAuditor}, Tenant: "acme", Agents: []string{AnyAgent}}
	for name, c := range map[string]struct {
		caller        Caller
		tenant, agent string
		field         string // of the mismatch, "" if it agrees
	}{
		"agent on the list":        {two, "acme", "a2", ""},
		"any agent":                {anyone, "acme", "whoever", ""},
		"tenant left out":          {two, "", "a1", ""},
		"agent not on the list":    {two, "acme", "a3", "agent"},
		"agent in other case":      {two, "acme", "A1", "agent"},
		"part of an agent's name":  {two, "acme", "a", "agent"},
		"agent left out":           {two, "acme", "", "agent"},
		"agent left out, any":      {anyone, "acme", "", "agent"},
		"agent called any":         {anyone, "acme", "*", "agent"},
		"other tenant":             {anyone, "other", "a1", "tenant"},
		"tenant in other case":     {anyone, "Acme", "a1", "tenant"},
		"tenant with a blank":      {anyone, "acme ", "a1", "tenant"},
		"tenant called any":        {anyone, "*", "a1", "tenant"},
		"an approver's credential": {approver, "acme", "a1", "agent"},
		"a person with agents":     {approverWithAgents, "acme", "a1", "agent"},
		"nobody":                   {Caller{}, "", "a1", "tenant"},
		"nobody, tenant named":     {Caller{}, "acme", "a1", "tenant"},
		"no tenant in credential":  {Caller{Roles: []Role{RoleGateway}, Agents: []string{AnyAgent}}, "", "a1", "tenant"},
		"no agents in credential":  {gateway(), "acme", "a1", "agent"},
	} {
		t.Run(name, func(t *testing.T) {
			tenant, err := c.caller.Bind(c.tenant, c.agent)
			if c.field == "" {
				if err != nil || tenant != "acme" {
					t.Fatalf("got tenant %q, %v", tenant, err)
				}
				return
			}
			m, ok := errors.AsType[*MismatchError](err)
			if !ok || m.Field != c.field || !errors.Is(err, ErrMismatch) || tenant != "" {
				t.Fatalf("got tenant %q, error %v, want a mismatch of %s", tenant, err, c.field)
			}
			if strings.Contains(err.Error(), "acme") || strings.Contains(err.Error(), "a1") {
				t.Errorf("the error holds a value: %v", err)
			}
		})
	}
}

func TestAllowed(t *testing.T) {
	all := []Role{RoleAgent, RoleGateway, RoleApprover, RoleAdmin, RoleAuditor}
	for _, has := range all {
		for _, need := range all {
			c := Caller{Roles: []Role{has}}
			if got := Allowed(c, need); got != (has == need) {
				t.Errorf("a caller that is %s is allowed what needs %s: %v", has, need, got)
			}
		}
		if Allowed(Caller{Roles: []Role{has}}) {
			t.Errorf("%s is allowed what needs no role", has)
		}
	}
	if !Allowed(Caller{Roles: []Role{RoleAuditor}}, RoleApprover, RoleAuditor) {
		t.Error("one of several roles does not do")
	}
	if Allowed(Caller{}, all...) {
		t.Error("nobody is allowed something")
	}
}

func TestCallerInContext(t *testing.T) {
	if c, ok := FromContext(context.Background()); ok || c.Subject != "" {
		t.Errorf("a caller out of nowhere: %+v", c)
	}
	c, ok := FromContext(WithCaller(context.Background(), gateway("a1")))
	if !ok || c.Subject != "gw" || !slices.Equal(c.Agents, []string{"a1"}) {
		t.Errorf("got %+v, %v", c, ok)
	}
}
