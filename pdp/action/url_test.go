package action

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// D14: every spelling of one host, and every trick that makes one host look like another.
func TestThreat_D14_URLTable(t *testing.T) {
	for _, c := range []struct{ raw, scheme, host, class, flags string }{
		// The metadata service of most clouds, in the spellings that reach it.
		{"http://169.254.169.254/latest/meta-data/", "http", "169.254.169.254", "metadata", "ip"},
		{"http://169.254.169.254./", "http", "169.254.169.254", "metadata", "ip trailing_dot"},
		{"http://0xA9FEA9FE/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://2852039166/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://0251.0376.0251.0376/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://0xa9.0xfe.0xa9.0xfe/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://0251.254.0xa9.254/", "http", "169.254.169.254", "metadata", "ambiguous_host ip odd_spelling"},
		{"http://025177524776/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://169.254.43518/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://169.16689662/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://000000251.0376.0251.0376/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://[::ffff:169.254.169.254]/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://[::ffff:a9fe:a9fe]/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://[0:0:0:0:0:FFFF:A9FE:A9FE]/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://１６９.２５４.１６９.２５４/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://169。254．169｡254/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://①⑥⑨.②⑤④.①⑥⑨.②⑤④/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://%31%36%39.254.169.254/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://169%2e254%2E169%2e254/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://169.254.\u00ad169.254/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http:169.254.169.254/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http:/\\169.254.169.254/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http:\\\\169.254.169.254\\latest", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http:////169.254.169.254/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{" \tHTTP://169.254.169.254:80/ ", "http", "169.254.169.254", "metadata", "ip"},
		{"http://example.org@169.254.169.254/", "http", "169.254.169.254", "metadata", "ip userinfo"},
		{"ht\ntp://169.254.\t169.254/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"gopher://169.254.169.254:70/x", "gopher", "169.254.169.254", "metadata", "ip port"},
		{"view-source:http://169.254.169.254/", "http", "169.254.169.254", "metadata", "ip odd_spelling"},
		{"http://169.254.169.254.nip.io/", "http", "169.254.169.254.nip.io", "metadata", "embedded_ip"},
		{"http://x-169-254-169-254.sslip.io/", "http", "x-169-254-169-254.sslip.io", "metadata", "embedded_ip"},
		{"http://a9fea9fe.nip.io/", "http", "a9fea9fe.nip.io", "metadata", "embedded_ip"},
		{"http://[64:ff9b::a9fe:a9fe]/", "http", "[64:ff9b::a9fe:a9fe]", "metadata", "embedded_ip ip"},
		{"http://[2002:a9fe:a9fe::]/", "http", "[2002:a9fe:a9fe::]", "metadata", "embedded_ip ip"},
		{"http://[::169.254.169.254]/", "http", "[::a9fe:a9fe]", "metadata", "embedded_ip ip"},
		{"http://[fd00:ec2::254]/", "http", "[fd00:ec2::254]", "metadata", "ip"},
		{"http://Metadata.Google.Internal./", "http", "metadata.google.internal", "metadata", "trailing_dot"},
		{"http://100.100.100.200/", "http", "100.100.100.200", "metadata", "ip"},

		// This machine and its neighbours.
		{"http://127.0.0.1:8080/", "http", "127.0.0.1", "loopback", "ip port"},
		{"http://127.1/", "http", "127.0.0.1", "loopback", "ip odd_spelling"},
		{"http://0/", "http", "0.0.0.0", "loopback", "ip odd_spelling"},
		{"http://0x7f.1/", "http", "127.0.0.1", "loopback", "ip odd_spelling"},
		{"http://0177.0.0.1/", "http", "127.0.0.1", "loopback", "ambiguous_host ip odd_spelling"},
		{"http://[::1]/", "http", "[::1]", "loopback", "ip"},
		{"http://[::]:80/", "http", "[::]", "loopback", "ip"},
		{"http://LOCALHOST/", "http", "localhost", "loopback", ""},
		{"http://a.localhost./", "http", "a.localhost", "loopback", "trailing_dot"},
		{"http://localtest.me/", "http", "localtest.me", "loopback", ""},
		{"http://ⓛocalhost/", "http", "localhost", "loopback", "odd_spelling"},
		{"http://010.0.0.1/", "http", "8.0.0.1", "private", "ambiguous_host ip odd_spelling"},
		{"http://10.1.2.3/", "http", "10.1.2.3", "private", "ip"},
		{"http://192.168.257/", "http", "192.168.1.1", "private", "ip odd_spelling"},
		{"http://100.64.0.1/", "http", "100.64.0.1", "private", "ip"},
		{"http://[fc00::1]/", "http", "[fc00::1]", "private", "ip"},
		{"http://wiki/", "http", "wiki", "private", ""},
		{"http://db.corp/", "http", "db.corp", "private", ""},
		{"http://api.default.svc.cluster.local/", "http", "api.default.svc.cluster.local", "private", ""},
		{"http://169.254.1.1/", "http", "169.254.1.1", "link_local", "ip"},
		{"http://[fe80::1%25eth0]/", "http", "[fe80::1]", "link_local", "ip odd_spelling"},
		{"http://224.0.0.1/", "http", "224.0.0.1", "unknown", "ip"},

		// The rest of the world.
		{"https://example.org/a", "https", "example.org", "public", ""},
		{"HTTPS://EXAMPLE.ORG:443/a", "https", "example.org", "public", ""},
		{"https://example.org:8443/a", "https", "example.org", "public", "port"},
		{"https://example.org./", "https", "example.org", "public", "trailing_dot"},
		{"https://example%2eorg/", "https", "example.org", "public", "odd_spelling"},
		{"https://ＥＸＡＭＰＬＥ．org/", "https", "example.org", "public", "odd_spelling"},
		{"ｈｔｔｐｓ：／／example.org/", "https", "example.org", "public", "odd_spelling"},
		{"https://exam\u200bple.org/", "https", "example.org", "public", "odd_spelling"},
		{"https://8.8.8.8/", "https", "8.8.8.8", "public", "ip"},
		{"https://a_b.example.org/", "https", "a_b.example.org", "public", ""},
		{"https://bücher.example/", "https", "xn--bcher-kva.example", "public", "idn"},
		{"https://xn--bcher-kva.example/", "https", "xn--bcher-kva.example", "public", "idn"},
		{"https://раypal.com/", "https", "xn--ypal-43d9g.com", "public", "idn mixed_script"}, // D5
		{"https://xn--ypal-43d9g.com/", "https", "xn--ypal-43d9g.com", "public", "idn mixed_script"},
		{"https://аррӏе.com/", "https", "xn--80ak6aa92e.com", "public", "idn mixed_script"},
		{"https://пример.рф/", "https", "xn--e1afmkfd.xn--p1ai", "public", "idn"},
		{"wss://example.org/s", "wss", "example.org", "public", ""},
		{"ssh://git@example.org/x", "ssh", "example.org", "public", "userinfo"},

		// Which host is it?
		{"https://good.example@evil.example/", "https", "evil.example", "public", "userinfo"},
		{"https://good.example%2f@evil.example/", "https", "evil.example", "public", "userinfo"},
		{"https://evil.example\\@good.example/", "https", "evil.example", "public", "ambiguous_host"},
		{"https://good.example#@evil.example/", "https", "good.example", "public", "ambiguous_host"},
		{"https://good.example?@127.0.0.1/", "https", "good.example", "loopback", "ambiguous_host"},
		{"https://a@127.0.0.1@good.example/", "https", "good.example", "loopback", "ambiguous_host userinfo"},
		{"https://good.example?mail=a%40b.example", "https", "good.example", "public", ""},

		// None that can be read.
		{"http://1.2.3.4.5/", "http", "", "unknown", "invalid_host"},
		{"http://256.256.256.256/", "http", "", "unknown", "invalid_host"},
		{"http://4294967296/", "http", "", "unknown", "invalid_host"},
		{"http://a..b/", "http", "", "unknown", "invalid_host"},
		{"http://evil.example%00.good.example/", "http", "", "unknown", "invalid_host odd_spelling"},
		{"http://%2531.example/", "http", "", "unknown", "invalid_host odd_spelling"},
		{"http://good.example:80:90/", "http", "", "unknown", "invalid_host"},
		{"http://good.example:99999/", "http", "", "unknown", "invalid_host"},
		{"http://[::1/", "http", "", "unknown", "invalid_host"},
		{"http://\ufffd.example/", "http", "", "unknown", "invalid_host"},
		{"http://\xa7.example/", "http", "", "unknown", "invalid_host"},
		{"http://xn--a/", "http", "", "unknown", "invalid_host"},
		{"http:///", "http", "", "unknown", "invalid_host odd_spelling"},
		{"http://" + strings.Repeat("a", 64) + ".example/", "http", "", "unknown", "invalid_host"},

		// Without a host.
		{"file:///etc/passwd", "file", "", "unknown", "local_file"},
		{"FILE:/etc/passwd", "file", "", "unknown", "local_file"},
		{"file://localhost/etc/passwd", "file", "", "unknown", "local_file"},
		{"file://10.0.0.1/share", "file", "10.0.0.1", "private", "ip local_file"},
		{"data:text/html;base64,AAAA", "data", "", "unknown", "inline_data"},
		{"javascript:alert(1)", "javascript", "", "unknown", "script"},
		{"java\nscript:alert(1)", "javascript", "", "unknown", "odd_spelling script"},
	} {
		u, ok := CanonicalURL(c.raw)
		if !ok || u.Scheme != c.scheme || u.Host != c.host || u.Class != c.class || strings.Join(u.Flags, " ") != c.flags {
			t.Errorf("%q: %v %q %q %q %v\nwant %q %q %q %s", c.raw, ok, u.Scheme, u.Host, u.Class, u.Flags, c.scheme, c.host, c.class, c.flags)
		}
	}
}

func TestNotAURL(t *testing.T) {
	for _, raw := range []string{"", "hello", "note: remember", "12:30", `C:\Users\x`, "a/b", "mailto:a@example.org", "key:value", "//", ":", "1http://x"} {
		if u, ok := CanonicalURL(raw); ok {
			t.Errorf("%q: %+v", raw, u)
		}
	}
}

func TestCanonicalLocation(t *testing.T) {
	for _, c := range []struct{ raw, host, class string }{
		{"evil.example/x?y", "evil.example", "public"},
		{"//evil.example", "evil.example", "public"},
		{`\\evil.example\x`, "evil.example", "public"},
		{"169.254.169.254:80", "169.254.169.254", "metadata"},
		{"2852039166", "169.254.169.254", "metadata"},
		{"::1", "[::1]", "loopback"},
		{"localhost:3000", "localhost", "loopback"},
		{"user@evil.example", "evil.example", "public"},
		{"https://evil.example", "evil.example", "public"},
	} {
		if u, ok := CanonicalLocation(c.raw); !ok || u.Host != c.host || u.Class != c.class {
			t.Errorf("%q: %+v, %v", c.raw, u, ok)
		}
	}
}

func TestURLRestIsCanonical(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{"https://e.org", "/"}, {"https://e.org/%61/./b/../c%2fd#f", "/a/c%2Fd"}, {"https://e.org/%2e%2e/x", "/x"}, {"https://e.org?q=%7Ea%3d", "/?q=~a%3D"}, {`https://e.org\a\b`, "/a/b"},
	} {
		if u, _ := CanonicalURL(c.raw); u.Rest != c.want {
			t.Errorf("%q: %q, want %q", c.raw, u.Rest, c.want)
		}
	}
}

// A10: every way in which outbound text carries a link that a reader's program may follow.
func TestThreat_A10_URLsInText(t *testing.T) {
	for _, text := range []string{
		"see https://evil.example/x.", "(https://evil.example/x)", "<https://evil.example>", `"https://evil.example"`,
		"[a](https://evil.example/x)", "![a](https://evil.example/x.png)", "![a](//evil.example/x.png)", "[a][1]\n\n[1]: https://evil.example/x",
		`<img src="https://evil.example/x">`, `<img src='//evil.example/x'>`, `<img src=//evil.example/x>`, `<a href="/\evil.example">`,
		`<img src="https:evil.example/x">`, `<img src="https:/evil.example/x">`, `<img src="https:\\evil.example\x">`,
		`<img src="&#104;ttps://evil.example/x">`, `<img src="https&colon;//evil.example/x">`, `<img src="https:&sol;&sol;evil.example">`,
		"https%3A%2F%2Fevil.example%2Fx", "https://good.example/redirect?to=https%3A%2F%2Fevil.example", "https://good.example/?u=https%253A%252F%252Fevil.example",
		"https://good.example/https://evil.example/", "ｈｔｔｐｓ://ｅｖｉｌ.example/", "ht\u200btps://evil.example", "https://ev\u00adil.example",
		"xhttps://evil.example", "url(https://evil.example/a)", "background:url(//evil.example)", "see www.evil.example for more", "WWW.EVIL.EXAMPLE", "wss://evil.example",
		"HTTPS://EVIL.EXAMPLE", "https://good@evil.example/", "line\nhttps://evil.example\nline", "https://evil.example，然后", "ftp://evil.example/x", "foo+bar://evil.example/x", `{"u":"https://evil.example"}`, "`https://evil.example`",
		"**https://evil.example**", "https://evil.example:8443/",
	} {
		var f urlFinder
		var hosts []string
		f.find(text, func(u URL) { hosts = append(hosts, strings.TrimPrefix(u.Host, "www.")) })
		if !slices.Contains(hosts, "evil.example") {
			t.Errorf("%q: %q", text, hosts)
		}
	}
}

func TestOddURLsAreGivenPlainly(t *testing.T) {
	for text, want := range map[string]string{
		"see https://EVIL%2eexample/a and https://fine.example/b": "https://evil.example/a",
		`<img src="https:\\evil.example\x">`:                      "https://evil.example/x",
		"http://0xa9.254.169.254:8080/latest":                     "http://169.254.169.254:8080/latest",
		"https://evil\u3002example/x?y=1":                         "https://evil.example/x?y=1",
		"http://[::ffff:a9fe:a9fe]/":                              "http://169.254.169.254/",
		"plain https://fine.example/b?c=d":                        "",
		"":                                                        "",
	} {
		var got []string
		whole := OddURLs(text, func(canonical string, from, to int) {
			got = append(got, canonical)
			if from < 0 || to > len(text) || from >= to {
				t.Errorf("%q: %d to %d", text, from, to)
			}
		})
		if strings.Join(got, " ") != want || !whole {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestNoURLsInPlainText(t *testing.T) {
	for _, text := range []string{
		"", "At 12:30 we met: all was fine.", "ratio 3:4, see a/b and c//d", `C:\Users\x`, "note:this", "// a comment", "std::vector<int>", "http: the protocol", "data: none",
		"key=value;path=/x", "a&b &amp; c", "50% of 100%", "e.g. www. something",
	} {
		var f urlFinder
		f.find(text, func(u URL) { t.Errorf("%q: %+v", text, u) })
	}
}

// The work on one action's URLs is bounded however many it holds.
func TestURLCandidatesAreBounded(t *testing.T) {
	var f urlFinder
	found := 0
	if f.find(strings.Repeat("http://a.example/", 60_000), func(URL) { found++ }) || found > maxURLCandidates {
		t.Fatalf("found %d", found)
	}
}

// A canonical host is its own canonical form.
func TestCanonicalHostIsAFixpoint(t *testing.T) {
	part := rapid.SampledFrom([]string{"a", "example", "org", "169", "0xfe", "0377", "254", "localhost", "nip", "io", "é", "а", "１", "%2e", "-", "_", "xn--bcher-kva", ""})
	rapid.Check(t, func(t *rapid.T) {
		raw := strings.Join(rapid.SliceOfN(part, 1, 5).Draw(t, "parts"), rapid.SampledFrom([]string{".", "。", "%2E"}).Draw(t, "dot"))
		host, class, _ := CanonicalHost(raw)
		if host == "" {
			if class != ClassUnknown {
				t.Fatalf("%q: no host is %s", raw, class)
			}
			return
		}
		again, classAgain, flags := CanonicalHost(host)
		if again != host || slices.Contains(flags, FlagOddSpelling) {
			t.Fatalf("%q became %q, then %q %v", raw, host, again, flags)
		}
		if danger[classAgain] > danger[class] {
			t.Fatalf("%q is %s, %q is %s", raw, class, host, classAgain)
		}
	})
}
