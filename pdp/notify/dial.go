package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/action"
)

// Resolver finds the addresses of a name. net.Resolver does.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// errPlace says no more: which inner addresses there are is not for a log that others read.
var errPlace = errors.New("the address of the target is not one that may be used: it is private, this machine's own or not a host's (allow lists ranges)")

// dialer connects to a target's host, and to nothing else. It exists because a name may mean another address each time that
// it is looked up: what is dialled is the address that was checked, and a name of which one address is bad is refused as a
// whole.
type dialer struct {
	resolver Resolver
	allowed  []netip.Prefix
	loopback bool
	connect  func(ctx context.Context, network, addr string) (net.Conn, error)
}

func (d dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("read the address: %w", err)
	}
	addrs, err := d.lookUp(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if !d.may(a) {
			return nil, errPlace
		}
	}
	var failed error
	for _, a := range addrs[:min(len(addrs), 4)] {
		conn, err := d.connect(ctx, network, net.JoinHostPort(a.String(), port))
		if err == nil {
			return conn, nil
		}
		failed = err
	}
	return nil, fmt.Errorf("connect: %w", failed)
}

func (d dialer) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	// Only what looks like a name is one: 0x7f.1 and 2130706433 are addresses to some resolvers.
	if name, _, _ := action.CanonicalHost(host); name == "" || isAddress(name) {
		return nil, errPlace
	}
	found, err := d.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up the target's name: %w", err)
	}
	if len(found) == 0 {
		return nil, errors.New("look up the target's name: it has no address")
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, nil
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || host[0] == '['
}

// may says whether a connection to this address is one that the operator wants. Link-local addresses, where clouds keep
// their metadata, are never.
func (d dialer) may(a netip.Addr) bool {
	if a.Zone() != "" {
		return false
	}
	_, class, _ := action.CanonicalHost(a.String())
	switch class {
	case action.ClassPublic:
		return true
	case action.ClassLoopback:
		return d.loopback && a.IsLoopback() || d.listed(a)
	case action.ClassPrivate, action.ClassUnknown:
		return d.listed(a)
	}
	return false
}

func (d dialer) listed(a netip.Addr) bool {
	return slices.ContainsFunc(d.allowed, func(p netip.Prefix) bool { return p.Contains(a) })
}

var direct = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
