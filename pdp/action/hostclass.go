package action

import (
	"net/netip"
	"strconv"
	"strings"
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(list))
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// Addresses at which clouds answer with credentials. From the documentation of AWS (IMDS, ECS, EKS), Google,
// Azure (IMDS and WireServer), Oracle, Alibaba, Tencent, Scaleway and OpenStack.
var metadataAddrs = prefixes(
	"169.254.169.254/32", "169.254.169.253/32", "169.254.170.2/32", "169.254.170.23/32", "169.254.0.23/32",
	"169.254.42.42/32", "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32",
	"fd00:ec2::254/128", "fd00:ec2::23/128", "fd20:ce::254/128", "fd00:42::42/128", "fe80::a9fe:a9fe/128",
)

// Names of the same.
var metadataNames = map[string]bool{
	"metadata": true, "metadata.google.internal": true, "metadata.goog": true, "instance-data": true,
	"instance-data.ec2.internal": true, "metadata.tencentyun.com": true, "metadata.azure.internal": true,
	"metadata.platformequinix.com": true, "metadata.packet.net": true, "metadata.oraclecloud.com": true,
}

// RFC 1918, RFC 6598, RFC 4193, site-local; and what IANA's special-purpose registries reserve.
var (
	privateAddrs = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10")
	specialAddrs = prefixes("0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "ff00::/8", "100::/64", "2001:db8::/32",
		"3fff::/20", "5f00::/16", "2001:10::/28", "2001:20::/28")
)

// IPv6 ranges that carry an IPv4 address, and at which byte. Teredo's is inverted.
var carriers = []struct {
	prefix netip.Prefix
	at     int
	invert bool
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12, false},
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12, false},
	{netip.MustParsePrefix("2002::/16"), 2, false},
	{netip.MustParsePrefix("2001::/32"), 12, true},
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12, false}, // SIIT
	{netip.MustParsePrefix("::/96"), 12, false},           // IPv4-compatible; :: and ::1 are seen before
}

func within(addr netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func classOfAddr(addr netip.Addr, f *flagSet) string {
	switch {
	case within(addr, metadataAddrs):
		return ClassMetadata
	case addr.IsLoopback(), addr.IsUnspecified():
		return ClassLoopback // 0.0.0.0 and :: reach this machine on Linux and macOS
	case addr.IsLinkLocalUnicast():
		return ClassLinkLocal
	case within(addr, privateAddrs):
		return ClassPrivate
	case within(addr, specialAddrs):
		return ClassUnknown
	case addr.Is4():
		return ClassPublic
	}
	b := addr.As16()
	for _, c := range carriers {
		if !c.prefix.Contains(addr) {
			continue
		}
		inner := [4]byte(b[c.at : c.at+4])
		if c.invert {
			for i := range inner {
				inner[i] ^= 0xFF
			}
		}
		f.add(FlagEmbeddedIP)
		return classOfAddr(netip.AddrFrom4(inner), f)
	}
	// ISATAP: …:0:5efe:a.b.c.d
	if b[10] == 0x5e && b[11] == 0xfe && b[9] == 0 && b[8]&^2 == 0 {
		f.add(FlagEmbeddedIP)
		return classOfAddr(netip.AddrFrom4([4]byte(b[12:16])), f)
	}
	return ClassPublic
}

// Names that public DNS resolves to this machine, and suffixes that it does not resolve at all.
var (
	loopbackNames = map[string]bool{
		"localhost": true, "localhost.localdomain": true, "localhost6": true, "ip6-localhost": true,
		"ip6-loopback": true, "localtest.me": true, "lvh.me": true, "vcap.me": true, "lacolhost.com": true,
	}
	loopbackSuffixes = []string{".localhost", ".localhost.localdomain", ".localtest.me", ".lvh.me", ".vcap.me", ".lacolhost.com"}
	privateSuffixes  = []string{
		".local", ".internal", ".intranet", ".lan", ".home", ".corp", ".private", ".localdomain", ".home.arpa",
		".in-addr.arpa", ".ip6.arpa", ".docker", ".consul", ".test", ".invalid",
	}
	// Services that resolve a name to the address that stands in it.
	embedders = []string{".nip.io", ".sslip.io", ".xip.io"}
)

func classOfName(name string, f *flagSet) string {
	switch {
	case metadataNames[name]:
		return ClassMetadata
	case loopbackNames[name], hasAnySuffix(name, loopbackSuffixes):
		return ClassLoopback
	case !strings.Contains(name, "."), hasAnySuffix(name, privateSuffixes):
		return ClassPrivate
	}
	for _, suffix := range embedders {
		if rest, ok := strings.CutSuffix(name, suffix); ok {
			f.add(FlagEmbeddedIP)
			return classOfEmbedded(rest, f)
		}
	}
	return ClassPublic
}

func hasAnySuffix(s string, suffixes []string) bool {
	for _, suffix := range suffixes {
		if strings.HasSuffix(s, suffix) {
			return true
		}
	}
	return false
}

// classOfEmbedded reads 10.0.0.1, app-10-0-0-1 and 0a000001 out of a name; anything else is unknown, since
// the service will make something of it.
func classOfEmbedded(rest string, f *flagSet) string {
	pieces := strings.FieldsFunc(rest, func(r rune) bool { return r == '.' || r == '-' })
	class, found := ClassPublic, false
	for i := range pieces {
		if i+4 <= len(pieces) {
			if addr, err := netip.ParseAddr(strings.Join(pieces[i:i+4], ".")); err == nil {
				class, found = worse(class, classOfAddr(addr, f)), true
			}
		}
		if len(pieces[i]) == 8 {
			if n, err := strconv.ParseUint(pieces[i], 16, 32); err == nil {
				addr := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
				class, found = worse(class, classOfAddr(addr, f)), true
			}
		}
	}
	if !found {
		return ClassUnknown
	}
	return class
}
