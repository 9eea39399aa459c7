package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// oldest is the first major version with what the scripts need: that Redis refuses them as a whole, and PEXPIRE's conditions.
const oldest = 7

// fit refuses a Redis that is too old, or would forget counters by itself: one that evicts keys when its memory is full. A node
// that does not answer is not refused: others may be well.
func fit(ctx context.Context, c rueidis.Client, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	nodes := c.Nodes()
	unfit := make(chan error, len(nodes))
	var wg sync.WaitGroup
	for address, node := range nodes {
		wg.Go(func() {
			if info, err := node.Do(ctx, node.B().Info().Section("server", "memory").Build()).ToString(); err == nil {
				unfit <- judge(address, info)
			}
		})
	}
	wg.Wait()
	close(unfit)
	for err := range unfit {
		if err != nil {
			return err
		}
	}
	return nil
}

func judge(address, info string) error {
	version := field(info, "redis_version")
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < oldest {
		return fmt.Errorf("redis at %s is version %s: limits need %d.0 or later", address, version, oldest)
	}
	if policy := field(info, "maxmemory_policy"); field(info, "maxmemory") != "0" && policy != "noeviction" && policy != "" {
		return fmt.Errorf("redis at %s evicts keys when it is full (%s): set maxmemory-policy to noeviction, or it forgets limits", address, policy)
	}
	return nil
}

// field is one line of INFO.
func field(info, name string) string {
	for line := range strings.SplitSeq(info, "\r\n") {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return value
		}
	}
	return ""
}
