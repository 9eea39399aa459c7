package redis

import "strings"

// stepped lets a test step the clock of the Redis host: the script adds what a key says. The key is named only here, in a text
// that no program has.
func stepped(script string) string {
	const honest = "  local t = redis.call('TIME')\n  return t[1] * 1000000 + t[2]\n"
	if strings.Contains(script, "'TIME'") && !strings.Contains(script, honest) {
		panic("the script reads the host's clock in another way")
	}
	return strings.Replace(script, honest, "  local t = redis.call('TIME')\n  return t[1] * 1000000 + t[2] + (redis.call('GET', 'stepped') or 0)\n", 1)
}
