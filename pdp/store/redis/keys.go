package redis

import (
	"crypto/sha256"
	"encoding/base64"
)

// name is a safe name of hostile bytes: 160 bits of their SHA-256, 27 characters. Two names are the same only by 2^80 tries.
func name[T string | []byte](of T) string {
	sum := sha256.Sum256([]byte(of))
	return base64.RawURLEncoding.EncodeToString(sum[:20])
}

// keys are those of one tenant. Braces choose the slot: all of a tenant's keys are in one.
type keys struct{ prefix string }

func (l *Ledger) keys(tenant string) keys { return keys{l.cfg.Prefix + ":{" + name(tenant) + "}:"} }

func (k keys) tenant() string       { return k.prefix + "t" }
func (k keys) cells() string        { return k.prefix + "i" }
func (k keys) reservations() string { return k.prefix + "q" }
func (k keys) records() string      { return k.prefix + "b" }
func (k keys) recordEnds() string   { return k.prefix + "x" }
func (k keys) version() string      { return k.prefix + "v" }

// Lists of these are put together by lua/batch.lua, too.
func (k keys) cell(name string) string            { return k.prefix + "c:" + name }
func (k keys) cellsOf(owner string) string        { return k.prefix + "o:" + owner }
func (k keys) reservation(name string) string     { return k.prefix + "r:" + name }
func (k keys) reservationsOf(owner string) string { return k.prefix + "p:" + owner }
