package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// slots is how many a cluster has.
const slots = 16384

// StartCluster runs so many masters that share the slots.
func StartCluster(tb testing.TB, n int) []*Server {
	tb.Helper()
	nodes := make([]*Server, n)
	for i := range nodes {
		nodes[i] = Start(tb, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000",
			"--cluster-require-full-coverage", "no")
		nodes[i].Do("CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(i*slots/n), fmt.Sprint((i+1)*slots/n-1))
		nodes[i].Do("CLUSTER", "SET-CONFIG-EPOCH", fmt.Sprint(i+1))
	}
	for _, node := range nodes[1:] {
		node.Do("CLUSTER", "MEET", "127.0.0.1", nodes[0].Port())
	}
	for _, node := range nodes {
		Until(tb, "the cluster is whole at "+node.Addr, func() bool {
			info := node.Do("CLUSTER", "INFO")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", n))
		})
	}
	return nodes
}

// StartSentinels runs so many Sentinels that watch a master.
func StartSentinels(tb testing.TB, master *Server, name string, n int) []*Server {
	tb.Helper()
	all := make([]*Server, n)
	for i := range all {
		s := Prepare(tb)
		conf := filepath.Join(s.dir, "sentinel.conf")
		text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor %s 127.0.0.1 %s %d\nsentinel down-after-milliseconds %s 1000\n"+
			"sentinel failover-timeout %s 5000\n", s.Port(), s.dir, name, master.Port(), n/2+1, name, name)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
		s.args = []string{conf, "--sentinel"}
		s.Run()
		all[i] = s
	}
	return all
}
