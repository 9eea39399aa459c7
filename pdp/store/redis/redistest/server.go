// Package redistest starts real Redis servers for tests, and does to them what the world does: stops, kills, pauses, empties and
// partitions them. Only tests import it. Without redis-server on the PATH a test fails, it does not skip.
package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience is how long a server may take to start.
const patience = 20 * time.Second

// Server is one redis-server on the loopback. It ends with its test.
type Server struct {
	Addr    string // host:port
	TLSAddr string // the same with TLS, if it speaks that
	tb      testing.TB
	dir     string
	args    []string
	cmd     *exec.Cmd
	log     *os.File
}

// Start runs a server without persistence, with what options are given besides.
func Start(tb testing.TB, options ...string) *Server {
	tb.Helper()
	s := Prepare(tb, options...)
	s.Run()
	return s
}

// Prepare chooses a port and a folder, and does not start the server yet.
func Prepare(tb testing.TB, options ...string) *Server {
	tb.Helper()
	s := &Server{Addr: vacant(tb), tb: tb, dir: tb.TempDir()}
	s.args = append([]string{"--port", s.Port(), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--loglevel", "warning", "--repl-diskless-sync-delay", "0"}, options...)
	tb.Cleanup(s.Kill)
	return s
}

// TLS starts a prepared server that also speaks TLS, with the certificates of its options.
func (s *Server) TLS() {
	s.tb.Helper()
	s.TLSAddr = vacant(s.tb)
	_, port, _ := net.SplitHostPort(s.TLSAddr)
	s.args = append(s.args, "--tls-port", port)
	s.Run()
}

// vacant is an address on the loopback where nobody listens.
func vacant(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Port is the server's.
func (s *Server) Port() string {
	_, port, _ := net.SplitHostPort(s.Addr)
	return port
}

// URL is the server's address as the configuration has it.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Run starts it, again if it was stopped, with what its folder has.
func (s *Server) Run() {
	s.tb.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		s.tb.Fatalf("these tests need redis-server (on Debian: apt-get install redis-server): %v", err)
	}
	s.cmd = exec.Command(program, s.args...)
	s.cmd.Dir = s.dir
	if s.log, err = os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		s.tb.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	Until(s.tb, "redis answers at "+s.Addr, func() bool {
		reply, err := Send(s.Addr, "PING")
		return err == nil && reply == "PONG" || strings.HasPrefix(reply, "NOAUTH")
	})
}

// Kill ends it as a power cut does.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // it was killed, and says so
	_ = s.log.Close()
	s.cmd = nil
}

// Empty deletes what it would find when it starts again.
func (s *Server) Empty() {
	s.tb.Helper()
	for _, name := range []string{"dump.rdb", "appendonlydir"} {
		if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
			s.tb.Fatal(err)
		}
	}
}

// Do sends a command, and fails the test if Redis refuses it.
func (s *Server) Do(command ...string) string {
	s.tb.Helper()
	reply, err := Send(s.Addr, command...)
	if err != nil {
		s.tb.Fatalf("%s: %v", command[0], err)
	}
	return reply
}

// Until waits for something to become true, and fails the test if it does not.
func Until(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			tb.Fatalf("after %s it is still not so: %s", patience, what)
		}
	}
}

// Send sends one command on a connection of its own. What Redis answers comes as text: of an array, its parts in lines.
func Send(addr string, command ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	fmt.Fprintf(conn, "*%d\r\n", len(command))
	for _, word := range command {
		fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(word), word)
	}
	return read(bufio.NewReader(conn))
}

func read(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", io.ErrUnexpectedEOF
	}
	n, _ := strconv.Atoi(line[1:])
	switch line[0] {
	case '-':
		return line[1:], fmt.Errorf("redis says %s", line[1:])
	case '$':
		if n < 0 {
			return "", nil
		}
		text := make([]byte, n+2)
		if _, err := io.ReadFull(r, text); err != nil {
			return "", err
		}
		return string(text[:n]), nil
	case '*':
		parts := make([]string, 0, max(n, 0))
		for range n {
			part, err := read(r)
			if err != nil {
				return "", err
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, "\n"), nil
	}
	return line[1:], nil
}

// Become puts another server at this one's address, with what that one has: a client sees a failover.
func (s *Server) Become(other *Server) {
	s.tb.Helper()
	s.Kill()
	p := &Proxy{}
	if err := p.open(s.Addr, other.Addr); err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(p.close)
}
