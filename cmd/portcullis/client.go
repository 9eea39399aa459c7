package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// callTimeout bounds a call that is not a stream.
const callTimeout = 30 * time.Second

// maxRequestBytes bounds what a command reads from a file or standard input.
const maxRequestBytes = 8 << 20

// remote is how a command finds a server and a credential.
type remote struct {
	Addr        string `default:"127.0.0.1:7070" help:"Address of the server."`
	DataDir     string `default:".portcullis" help:"Data directory of a development server, where its agent token is."`
	OperatorDir string `help:"Operator's directory of a development server, where approver and admin tokens are. Default: portcullis in the user's configuration directory."`
	Token       string `help:"Credential to use instead; or PORTCULLIS_TOKEN." env:"PORTCULLIS_TOKEN"`
	TokenFile   string `type:"existingfile" help:"File with the credential; or PORTCULLIS_TOKEN_FILE. Out of sight of others on this machine, other than --token."`
	TLSCA       string `name:"tls-ca" type:"existingfile" help:"Use TLS, and trust the authorities in this PEM file."`
	TLSCert     string `name:"tls-cert" type:"existingfile" help:"Show this client certificate (PEM); needs --tls-key and --tls-ca."`
	TLSKey      string `name:"tls-key" type:"existingfile" help:"Its private key (PEM)."`
	JSON        bool   `help:"Print JSON, for scripts."`
}

// who is the kind of credential that a command needs.
type who string

const (
	asAgent    who = "agent"
	asApprover who = "approver"
	asAdmin    who = "admin"
)

func operatorDir(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	base, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the operator's directory: %w; name it with --operator-dir", err)
	}
	return filepath.Join(base, "portcullis"), nil
}

// token finds the credential: given, or the development server's file.
func (r remote) token(as who) (string, error) {
	if r.TokenFile != "" {
		if r.Token != "" {
			return "", errors.New("give --token or --token-file")
		}
		raw, err := os.ReadFile(r.TokenFile)
		if err != nil {
			return "", fmt.Errorf("read the credential: %w", err)
		}
		if token := strings.TrimSpace(string(raw)); token != "" {
			return token, nil
		}
		return "", fmt.Errorf("%s holds no credential", r.TokenFile)
	}
	if r.Token != "" || r.TLSCert != "" { // a certificate is a credential, too
		return r.Token, nil
	}
	dir := r.DataDir
	if as != asAgent {
		var err error
		if dir, err = operatorDir(r.OperatorDir); err != nil {
			return "", err
		}
	}
	file := filepath.Join(dir, string(as)+".token")
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("no credential: %w; start `portcullis serve --dev` first, or give --token", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// connect opens a connection that sends the credential with each call.
func (r remote) connect(as who) (*grpc.ClientConn, error) {
	token, err := r.token(as)
	if err != nil {
		return nil, err
	}
	transport := insecure.NewCredentials()
	if r.TLSCA == "" && (r.TLSCert != "" || r.TLSKey != "") {
		return nil, errors.New("a client certificate goes with --tls-ca: it is shown over TLS only")
	}
	if r.TLSCA != "" {
		pem, err := os.ReadFile(r.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("read authorities: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", r.TLSCA)
		}
		secure := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
		if r.TLSCert != "" || r.TLSKey != "" {
			cert, err := tls.LoadX509KeyPair(r.TLSCert, r.TLSKey)
			if err != nil {
				return nil, fmt.Errorf("client certificate: %w", err)
			}
			secure.Certificates = []tls.Certificate{cert}
		}
		transport = credentials.NewTLS(secure)
	} else if !isLoopback(r.Addr) {
		return nil, fmt.Errorf("%s is not on loopback: a credential is sent over TLS only, give --tls-ca", r.Addr)
	}
	conn, err := grpc.NewClient(r.Addr,
		grpc.WithTransportCredentials(transport),
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			ctx, cancel := context.WithTimeout(withToken(ctx, token), callTimeout)
			defer cancel()
			return explain(invoke(ctx, method, req, reply, cc, opts...))
		}),
		grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, stream grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			return stream(withToken(ctx, token), desc, cc, method, opts...)
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", r.Addr, err)
	}
	return conn, nil
}

func withToken(ctx context.Context, token string) context.Context {
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// explain makes one line of a gRPC error, with its stable reason.
func explain(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return fmt.Errorf("%s (%s): %s", s.Code(), info.GetReason(), s.Message())
		}
	}
	if s.Code() == codes.Unavailable { // no reason: it did not come from a server of ours
		_, why, _ := strings.Cut(s.Message(), "dial tcp ")
		return fmt.Errorf("no server answers (%s): start `portcullis serve`, or give --addr", strings.Trim(cmp.Or(why, s.Message()), `"`))
	}
	return fmt.Errorf("%s: %s", s.Code(), s.Message())
}

// ended says that a stream came to its end, or that the person who watches had enough.
func ended(ctx context.Context, err error) bool { return ctx.Err() != nil || errors.Is(err, io.EOF) }

// printJSON prints a message the way the contract spells it.
func printJSON(w io.Writer, m proto.Message) error {
	raw, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: false, Multiline: false}.Marshal(m)
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	_, err = fmt.Fprintln(w, string(raw))
	return err
}

// printWhole prints a message with all of its fields, those that are zero too, and without the spaces that the library
// puts in at random: the same message is the same line, whatever the version. 64-bit numbers are strings, as the JSON of
// protobuf spells them.
func printWhole(w io.Writer, m proto.Message) error {
	raw, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}.Marshal(m)
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	var line bytes.Buffer
	if err := json.Compact(&line, raw); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	line.WriteByte('\n')
	_, err = w.Write(line.Bytes())
	return err
}

// readInput reads a file, or standard input for `-`.
func readInput(name string, given streams) ([]byte, error) {
	from := given.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	raw, err := io.ReadAll(io.LimitReader(from, maxRequestBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(raw) > maxRequestBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxRequestBytes)
	}
	return raw, nil
}

// plain makes text from a server safe for a terminal: control and invisible characters become escapes.
func plain(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == ' ' || (r > ' ' && r < 0x7f) || (r >= 0xa1 && isPrintable(r)) {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, "\\u%04x", r)
	}
	return b.String()
}
