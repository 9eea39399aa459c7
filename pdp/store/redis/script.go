package redis

import (
	"embed"
	"strings"

	"github.com/redis/rueidis"
)

//go:embed lua/*.lua
var sources embed.FS

// scripts are what Redis runs. The text of each is the same for every process of one version.
type scripts struct {
	clock, batch, list, recover, swap, records *rueidis.Lua

	memory *rueidis.Lua

	approvalsWrite, approvalsTouch, approvalsRead, approvalsSnapshot, approvalsChanges *rueidis.Lua
}

// newScripts puts the scripts together. The first line makes Redis refuse a script as a whole, before it does anything, where it
// is out of memory, or a replica. adapt is the identity; tests step the host's clock by it.
func newScripts(adapt func(string) string) scripts {
	script := func(parts ...string) *rueidis.Lua {
		text := strings.Builder{}
		text.WriteString("#!lua\n")
		for _, part := range parts {
			source, err := sources.ReadFile("lua/" + part + ".lua")
			if err != nil {
				panic(err) // it is embedded
			}
			text.Write(source)
		}
		return rueidis.NewLuaScript(adapt(text.String()))
	}
	return scripts{
		clock:   script("tenant", "clock"),
		batch:   script("tenant", "counter", "batch"),
		list:    script("tenant", "counter", "list"),
		recover: script("tenant", "recover"),
		swap:    script("tenant", "swap"),
		records: script("tenant", "records"),

		memory: script("memory"),

		approvalsWrite:    script("tenant", "approvals", "approvals_write"),
		approvalsTouch:    script("tenant", "approvals", "approvals_touch"),
		approvalsRead:     script("approvals_read"),
		approvalsSnapshot: script("approvals_snapshot"),
		approvalsChanges:  script("approvals_changes"),
	}
}
