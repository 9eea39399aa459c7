// Package redis is the ledger of limits, and of breakers, that several processes share: on Redis or Valkey (7.0 or later),
// stand-alone, behind Sentinel, or as a Cluster.
//
// It obeys the interfaces of pdp/limit/ledger and decides nothing that these don't say. All keys of a tenant are in one slot.
// A batch is one script that Redis runs at once (lua/batch.lua, and what it says in lua/counter.lua and lua/tenant.lua), so
// that no two replicas can spend the same unit.
//
// # What may fail, and what is done about it
//
//   - Redis is slow, or gone: each call ends within the time-out (ErrUnavailable). After a few failures calls fail at once,
//     while one goroutine tries until it answers. Scripts are never tried again by themselves: they may have been carried out.
//   - Redis was restarted, failed over, or emptied: what it acknowledged may be gone. Each change of a tenant is numbered, and
//     names the server that made it; replicas remember the highest number that they were told of. Where these don't agree the
//     tenant's epoch is over: until what may have been lost would have ended anyway, its windows count as full.
//   - Redis evicted a counter, or its clock jumped and it expired early: an index says that it should be there. The same.
//   - Its clock is stepped, or another host's is different: replicas bound the ledger's time by their monotonic clocks.
package redis
