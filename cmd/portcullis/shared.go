package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/store/embedded"
	"github.com/portcullis-pdp/portcullis/pdp/store/redis"
)

// sharedFlags say where replicas count limits together. Passwords are in files or in the environment, never on a command
// line, which everybody on the machine can read.
type sharedFlags struct {
	RedisURL                  string        `name:"redis-url" help:"Count limits and breakers in this Redis or Valkey, together with other replicas: redis://[user@]host[:port][,host[:port]...][/database], or rediss:// for TLS. Default: alone, in the data directory."`
	RedisSentinel             string        `name:"redis-sentinel" help:"The hosts are Sentinels; this is the name of their master."`
	RedisCluster              bool          `name:"redis-cluster" help:"The hosts are nodes of a cluster."`
	RedisPasswordFile         string        `name:"redis-password-file" help:"File with the password of Redis, read at each connection; or PORTCULLIS_REDIS_PASSWORD."`
	RedisSentinelUser         string        `name:"redis-sentinel-user" help:"User at the Sentinels."`
	RedisSentinelPasswordFile string        `name:"redis-sentinel-password-file" help:"File with the password of the Sentinels; or PORTCULLIS_REDIS_SENTINEL_PASSWORD."`
	RedisCA                   string        `name:"redis-ca" help:"PEM file of the authorities that signed the certificate of Redis. Default: the system's."`
	RedisCert                 string        `name:"redis-cert" help:"PEM certificate to show to Redis."`
	RedisKey                  string        `name:"redis-key" help:"PEM private key of --redis-cert."`
	RedisServerName           string        `name:"redis-server-name" help:"Name that the certificate of Redis must have. Default: the host's."`
	RedisPrefix               string        `name:"redis-prefix" help:"What all keys in Redis begin with, the same for all replicas. Default: portcullis."`
	RedisTimeout              time.Duration `name:"redis-timeout" default:"100ms" help:"How long one call to Redis may take, 5ms to 5s. No decision waits longer for it."`
	RedisDurable              bool          `name:"redis-durable" help:"Your word that this Redis never forgets what it acknowledged (appendfsync always, no asynchronous failover). Without it, each restart and failover counts as a loss of memory."`
	ReplicaName               string        `name:"replica-name" help:"Name of this replica in Redis and in the log: letters, digits, '.', '_' and '-'."`
	AbandonRedis              bool          `name:"abandon-redis" help:"Count alone from now on, and from zero, although this data directory was used with --redis-url."`
}

// The passwords' variables.
const (
	redisPasswordEnv    = "PORTCULLIS_REDIS_PASSWORD"
	sentinelPasswordEnv = "PORTCULLIS_REDIS_SENTINEL_PASSWORD"
)

var replicaNames = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// validate refuses what would be ignored: who names a certificate or a Sentinel and no Redis would count alone, and not know.
func (f sharedFlags) validate() error {
	if f.ReplicaName != "" && !replicaNames.MatchString(f.ReplicaName) {
		return errors.New("--replica-name is 1 to 64 letters, digits, '.', '_' or '-'")
	}
	if f.RedisURL != "" {
		if f.AbandonRedis {
			return errors.New("--redis-url and --abandon-redis are both given: which one is meant?")
		}
		return nil
	}
	for flag, given := range map[string]bool{
		"--redis-sentinel": f.RedisSentinel != "", "--redis-cluster": f.RedisCluster, "--redis-password-file": f.RedisPasswordFile != "",
		"--redis-sentinel-user": f.RedisSentinelUser != "", "--redis-sentinel-password-file": f.RedisSentinelPasswordFile != "",
		"--redis-ca": f.RedisCA != "", "--redis-cert": f.RedisCert != "", "--redis-key": f.RedisKey != "",
		"--redis-server-name": f.RedisServerName != "", "--redis-prefix": f.RedisPrefix != "", "--redis-durable": f.RedisDurable,
	} {
		if given {
			return fmt.Errorf("%s is given without --redis-url: this server would count alone", flag)
		}
	}
	return nil
}

// redis is the configuration of the shared ledger, read and checked, or nil if there is none.
func (f sharedFlags) redis() (*redis.Config, error) {
	if err := f.validate(); err != nil || f.RedisURL == "" {
		return nil, err
	}
	cfg := &redis.Config{
		URL: f.RedisURL, Sentinel: f.RedisSentinel, Cluster: f.RedisCluster,
		Password: redis.Secret(os.Getenv(redisPasswordEnv)), PasswordFile: f.RedisPasswordFile,
		SentinelUser: f.RedisSentinelUser, SentinelPassword: redis.Secret(os.Getenv(sentinelPasswordEnv)),
		SentinelPasswordFile: f.RedisSentinelPasswordFile,
		CAFile:               f.RedisCA, CertFile: f.RedisCert, KeyFile: f.RedisKey, ServerName: f.RedisServerName,
		Prefix: f.RedisPrefix, Timeout: f.RedisTimeout, Durable: f.RedisDurable,
	}
	if f.ReplicaName != "" {
		cfg.ClientName = "portcullis-" + f.ReplicaName
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("--redis-…: %w", err)
	}
	return cfg, nil
}

// errWasShared keeps a server from beginning at zero unnoticed.
var errWasShared = errors.New("the limits of this data directory were counted in a shared Redis: give --redis-url, " +
	"or --abandon-redis to count alone and from zero")

// mayCountAlone looks whether the data directory was used with a shared ledger.
func mayCountAlone(memory *embedded.Memory, abandon bool, log *slog.Logger) error {
	shared, err := memory.Shared()
	switch {
	case err != nil || !shared:
		return err
	case !abandon:
		return errWasShared
	}
	log.Warn("the shared ledger is abandoned: limits are counted alone, and begin from zero")
	return memory.Forget()
}
