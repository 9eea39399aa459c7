package redis

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/rueidis"
)

// fit refuses a Redis that would forget counters by itself: one that evicts keys when its memory is full.
func fit(ctx context.Context, c rueidis.Client) error {
	for address, node := range c.Nodes() {
		info, err := node.Do(ctx, node.B().Info().Section("memory", "replication").Build()).ToString()
		if err != nil {
			return fmt.Errorf("ask redis at %s how it is: %w", address, err)
		}
		if field(info, "role") == "master" && field(info, "maxmemory") != "0" && field(info, "maxmemory_policy") != "noeviction" {
			return fmt.Errorf("redis at %s evicts keys when it is full (%s): set maxmemory-policy to noeviction, or it forgets limits",
				address, field(info, "maxmemory_policy"))
		}
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
