package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// kind is a credential by its published format. In the form, {x32} is 32 characters of an alphabet (see alphabets), {u} a
// UUID. A kind without a name of its own is found by its prefix; the others stand beside their name.
type kind struct{ name, form string }

var kinds = []kind{
	{"AWS_ACCESS_KEY_ID", "AKIA{A16}"},
	{"AWS_SECRET_ACCESS_KEY", "{b40}"},
	{"GOOGLE_API_KEY", "AIza{_35}"},
	{"GOOGLE_CLIENT_SECRET", "GOCSPX-{_28}"},
	{"AZURE_STORAGE", "AccountKey={b86}=="},
	{"DIGITALOCEAN_TOKEN", "dop_v1_{x64}"},
	{"ALIBABA_ACCESS_KEY", "LTAI{w20}"},
	{"HEROKU_API_KEY", "HRKU-{_60}"},
	{"LINODE_TOKEN", "{x64}"},
	{"NETLIFY_TOKEN", "nfp_{w40}"},
	{"TS_AUTHKEY", "tskey-auth-{w12}-{w32}"},
	{"VAULT_TOKEN", "hvs.{_95}"},
	{"TFE_TOKEN", "{w14}.atlasv1.{_67}"},
	{"PULUMI_TOKEN", "pul-{x40}"},
	{"DOPPLER_TOKEN", "dp.pt.{w43}"},
	{"FLY_API_TOKEN", "fo1_{_43}"},
	{"CLOUDFLARE_API_TOKEN", "{_40}"},
	{"GITHUB_TOKEN", "ghp_{w36}"},
	{"GITHUB_APP", "ghs_{w36}"},
	{"GITHUB_PAT", "github_pat_{w22}_{w59}"},
	{"GITLAB_TOKEN", "glpat-{_20}"},
	{"GITLAB_RUNNER", "glrt-{_20}"},
	{"CIRCLE_TOKEN", "CCIPAT_{w22}_{x40}"},
	{"BUILDKITE_TOKEN", "bkua_{x40}"},
	{"SONAR_TOKEN", "squ_{x40}"},
	{"SNYK_TOKEN", "{u}"},
	{"NPM_TOKEN", "npm_{w36}"},
	{"PYPI_TOKEN", "pypi-AgEIcHlwaS5vcmc{_70}"},
	{"GEM_KEY", "rubygems_{x48}"},
	{"NUGET_KEY", "oy2{a43}"},
	{"DOCKER_PAT", "dckr_pat_{_27}"},
	{"POSTMAN", "PMAK-{x24}-{x34}"},
	{"FIGMA", "figd_{_40}"},
	{"LINEAR", "lin_api_{w40}"},
	{"NOTION", "ntn_{d11}{w35}"},
	{"AIRTABLE", "pat{w14}.{x64}"},
	{"ATLASSIAN", "ATATT3xFfGF0{_180}"},
	{"SHOPIFY", "shpat_{x32}"},
	{"HUBSPOT", "pat-na1-{u}"},
	{"OKTA_TOKEN", "00{_40}"},
	{"SLACK_BOT_TOKEN", "xoxb-{d12}-{d13}-{w24}"},
	{"SLACK_APP_TOKEN", "xapp-1-{A11}-{d13}-{x64}"},
	{"SLACK_WEBHOOK", "https://hooks.slack.com/services/T{A8}/B{A10}/{w24}"},
	{"DISCORD_TOKEN", "M{w23}.{_6}.{_38}"},
	{"TELEGRAM_TOKEN", "{d10}:AA{_33}"},
	{"SENDGRID", "SG.{_22}.{_43}"},
	{"MAILGUN", "key-{x32}"},
	{"MAILCHIMP", "{x32}-us21"},
	{"TWILIO", "SK{x32}"},
	{"TWILIO_AUTH_TOKEN", "{x32}"},
	{"BREVO", "xkeysib-{x64}-{w16}"},
	{"RESEND", "re_{w8}_{w24}"},
	{"STRIPE", "sk_live_{w24}"},
	{"STRIPE_RESTRICTED", "rk_live_{w24}"},
	{"WEBHOOK", "whsec_{w32}"},
	{"SQUARE", "sq0atp-{_22}"},
	{"BRAINTREE", "access_token$production${a16}${x32}"},
	{"PLAID", "access-production-{u}"},
	{"RAZORPAY_KEY_SECRET", "{w24}"},
	{"OPENAI", "sk-proj-{_74}T3BlbkFJ{_74}"},
	{"OPENAI_LEGACY", "sk-{w48}"},
	{"ANTHROPIC", "sk-ant-api03-{_93}AA"},
	{"HF_TOKEN", "hf_{w34}"},
	{"REPLICATE", "r8_{w37}"},
	{"GROQ", "gsk_{w52}"},
	{"XAI", "xai-{w80}"},
	{"PERPLEXITY", "pplx-{w48}"},
	{"OPENROUTER", "sk-or-v1-{x64}"},
	{"COHERE_API_KEY", "{w40}"},
	{"MISTRAL_API_KEY", "{w32}"},
	{"NVIDIA", "nvapi-{_64}"},
	{"DATABRICKS", "dapi{x32}"},
	{"PINECONE", "pcsk_{w70}"},
	{"LANGSMITH", "lsv2_pt_{x32}_{x10}"},
	{"WANDB_API_KEY", "{x40}"},
	{"ELEVENLABS", "sk_{x48}"},
	{"DD_API_KEY", "{x32}"},
	{"NEWRELIC", "NRAK-{A27}"},
	{"GRAFANA", "glsa_{w32}_{x8}"},
	{"SENTRY", "sntryu_{x64}"},
	{"DYNATRACE", "dt0c01.{A24}.{A64}"},
	{"PLANETSCALE", "pscale_tkn_{_43}"},
	{"AIVEN", "AVNS_{_19}"},
	{"MAPBOX", "sk.eyJ{w60}.{_22}"},
	{"ALGOLIA_ADMIN_KEY", "{x32}"},
	{"DATABASE_URL", "postgres://app:{w20}@db.internal.test:5432/x"},
	{"MONGO_URL", "mongodb+srv://u:{w16}@c.test/x"},
	{"REDIS_URL", "redis://:{w24}@c.test:6379"},
	{"PRIVATE_KEY", "-----BEGIN RSA PRIVATE KEY-----\nMIIE{b60}\n{b64}"},
	{"AGE_KEY", "AGE-SECRET-KEY-1{A58}"},
	{"JWT", "eyJhbGciOiJIUzI1NiJ9.eyJ{_40}.{_43}"},
	{"API_KEY", "{w32}"},
	{"client_secret", "{_40}"},
	{"DB_PASSWORD", "{p14}"},
	{"password", "{p12}"},
	{"JWT_SECRET", "{w43}"},
	{"ACCESS_TOKEN", "{x40}"},
}

// label is the name that stands beside the value: nothing that helps, where the value has a prefix.
func (k kind) label() string {
	if strings.HasPrefix(k.form, "{") {
		return k.name
	}
	return "value"
}

var alphabets = map[byte]string{
	'A': "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
	'a': "abcdefghijklmnopqrstuvwxyz0123456789",
	'w': "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
	'_': "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
	'b': "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	'p': "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#%*",
	'x': "0123456789abcdef",
	'd': "0123456789",
}

// make writes a credential of the kind.
func (k kind) make(r *rand.Rand) string {
	var b strings.Builder
	draw := func(alphabet byte, n int) {
		// The last is a letter or digit: issuers' alphabets with signs do not end a token so that a word boundary is lost.
		for i := range n {
			chars := alphabets[alphabet]
			if i == n-1 && strings.IndexByte("_bp", alphabet) >= 0 {
				chars = alphabets['w']
			}
			b.WriteByte(chars[r.IntN(len(chars))])
		}
	}
	for rest := k.form; rest != ""; {
		open := strings.IndexByte(rest, '{')
		if open < 0 {
			b.WriteString(rest)
			break
		}
		end := open + strings.IndexByte(rest[open:], '}')
		b.WriteString(rest[:open])
		if slot := rest[open+1 : end]; slot == "u" {
			for i, n := range []int{8, 4, 4, 4, 12} {
				if i > 0 {
					b.WriteByte('-')
				}
				draw('x', n)
			}
		} else {
			n := 0
			for _, c := range slot[1:] {
				n = 10*n + int(c-'0')
			}
			draw(slot[0], n)
		}
		rest = rest[end+1:]
	}
	return b.String()
}

// carriers are the ways in which a credential travels.
var carriers = map[string]func(name, value string) string{
	"plain": func(n, v string) string { return "Hi, use this one: " + n + " = " + v + " and tell me if it works." },
	"json":  func(n, v string) string { return object("service", object(n, v), "port", 8080) },
	"env":   func(n, v string) string { return "DEBUG=1\nexport " + n + "=" + quoted(v) + "\nPATH=/bin\n" },
	"url": func(n, v string) string {
		return "https://files.test/upload?" + n + "=" + url.QueryEscape(v) + "&part=2"
	},
	"base64":     func(n, v string) string { return "note " + base64.StdEncoding.EncodeToString([]byte(n+"="+v)) },
	"hex":        func(n, v string) string { return "note " + hex.EncodeToString([]byte(n+"="+v)) },
	"zero-width": func(n, v string) string { return n + " = " + sprinkle(v) },
	"full-width": func(n, v string) string { return n + " = " + wide(v) },
	"nested": func(n, v string) string {
		return "data=" + url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(object("inner", object(n, v)))))
	},
}

func quoted(v string) string {
	if strings.ContainsAny(v, " \n!#$*") {
		return "'" + v + "'"
	}
	return v
}

// object is a JSON object of names and values.
func object(pairs ...any) string {
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		v := pairs[i+1]
		if s, ok := v.(string); ok && strings.HasPrefix(s, "{") && json.Valid([]byte(s)) {
			v = json.RawMessage(s)
		}
		m[pairs[i].(string)] = v
	}
	raw, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings, numbers and valid JSON alone
	}
	return string(raw)
}

func sprinkle(s string) string {
	var b strings.Builder
	for i, c := range s {
		if i > 0 && i%3 == 0 {
			b.WriteRune('\u200b')
		}
		b.WriteRune(c)
	}
	return b.String()
}

func wide(s string) string {
	return strings.Map(func(c rune) rune {
		if c > ' ' && c < 0x7f {
			return c + 0xfee0
		}
		return c
	}, s)
}

// recall is how many of the credentials in a carrier were found, and the kinds that were missed.
type recall struct {
	made, found int
	missed      map[string]int
}

func credentials(ctx context.Context, s *scan.Scanner, each int, seed uint64) map[string]*recall {
	out := map[string]*recall{}
	for carrier, wrap := range carriers {
		r := rand.New(rand.NewPCG(seed, uint64(len(carrier)))) //nolint:gosec // to be made again
		got := &recall{missed: map[string]int{}}
		for _, k := range kinds {
			for range each {
				got.made++
				if found(ctx, s, wrap(k.label(), k.make(r)), "credential") {
					got.found++
				} else {
					got.missed[k.name]++
				}
			}
		}
		out[carrier] = got
	}
	return out
}

// found says whether a text has a finding of the category.
func found(ctx context.Context, s *scan.Scanner, text, category string) bool {
	r := s.Scan(ctx, []scan.Text{{Pointer: "/arguments/body", Value: text}}, nil, scan.Budget{})
	return slices.ContainsFunc(r.Findings, func(f scan.Finding) bool { return f.Category == category })
}

const recallTarget = 98

func (r *report) credentials(by map[string]*recall) {
	r.table("Credentials made afresh: found, by carrier", func(w io.Writer) {
		made, got := 0, 0
		for _, carrier := range slices.Sorted(maps.Keys(by)) {
			c := by[carrier]
			made, got = made+c.made, got+c.found
			worst := slices.SortedFunc(maps.Keys(c.missed), func(a, b string) int { return c.missed[b] - c.missed[a] })
			fmt.Fprintf(w, "%s\t%d of %d\t%.2f %%\t%s\tmissed most: %s\n", carrier, c.found, c.made, percent(c.found, c.made),
				r.mark(percent(c.found, c.made) >= recallTarget), strings.Join(worst[:min(4, len(worst))], ", "))
		}
		fmt.Fprintf(w, "all\t%d of %d\t%.2f %%\ttarget %d %%\t%s\n", got, made, percent(got, made), recallTarget, r.mark(percent(got, made) >= recallTarget))
	})
}
