package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// http2Preface is how every HTTP/2 connection without TLS begins; nothing that HTTP/1.1 may begin with does.
const http2Preface = "PRI "

// splitter hands the connections of one port on: HTTP/2 to gRPC at its native speed, the rest to net/http. It looks at
// the first bytes under a deadline, so that a connection that says nothing costs one goroutine for that long and one
// place of the cap. It is safe for concurrent use; close ends all of it.
type splitter struct {
	tls     *tls.Config // nil: plain text
	timeout time.Duration
	places  chan struct{} // one element a connection
	log     *slog.Logger
	refused func(reason string)
	grpc    *handoff
	http    *handoff

	mu      sync.Mutex
	peeking map[net.Conn]struct{} // nil once closed
	wg      sync.WaitGroup
}

func newSplitter(cfg Config, tlsConfig *tls.Config, log *slog.Logger, refused func(string)) *splitter {
	return &splitter{
		tls: tlsConfig, timeout: cfg.PeekTimeout, places: make(chan struct{}, cfg.MaxConnections), log: log, refused: refused,
		grpc: newHandoff(), http: newHandoff(), peeking: map[net.Conn]struct{}{},
	}
}

// serve accepts until the listener is closed.
func (s *splitter) serve(ln net.Listener) {
	var pause time.Duration
	for {
		conn, err := ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// Out of file descriptors, most likely: it passes when connections end.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.log.Error("accept a connection", "error", err, "pause", pause)
			if !s.rest(pause) {
				return
			}
			continue
		}
		pause = 0
		select {
		case s.places <- struct{}{}:
		default:
			s.refused("connections")
			_ = conn.Close()
			continue
		}
		held := &heldConn{Conn: conn, release: sync.OnceFunc(func() { <-s.places })}
		if !s.begin(held) {
			_ = held.Close()
			return
		}
	}
}

func (s *splitter) rest(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.grpc.done:
		return false
	}
}

// begin looks at a connection in a goroutine of its own, unless the splitter is closed.
func (s *splitter) begin(conn *heldConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peeking == nil {
		return false
	}
	s.peeking[conn] = struct{}{}
	s.wg.Go(func() {
		to, whole, err := s.look(conn)
		s.mu.Lock()
		delete(s.peeking, conn)
		s.mu.Unlock()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				s.refused("peek")
				s.log.Debug("connection said nothing that could be served", "peer", conn.RemoteAddr().String(), "error", err)
			}
			_ = conn.Close()
			return
		}
		to.offer(whole)
	})
	return true
}

// look finds out whom a connection is for. The connection that it returns still has the bytes that were looked at.
func (s *splitter) look(conn *heldConn) (*handoff, net.Conn, error) {
	deadline := time.Now().Add(s.timeout)
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, nil, err
	}
	if s.tls != nil {
		secured := tls.Server(conn, s.tls)
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, nil, err
		}
		to := s.http
		if secured.ConnectionState().NegotiatedProtocol == "h2" {
			to = s.grpc
		}
		return to, secured, conn.SetDeadline(time.Time{})
	}
	head := make([]byte, len(http2Preface))
	if _, err := io.ReadFull(conn, head); err != nil {
		return nil, nil, err
	}
	to := s.http
	if string(head) == http2Preface {
		to = s.grpc
	}
	conn.head = head
	return to, conn, conn.SetDeadline(time.Time{})
}

// close ends the looking, and the listeners that were handed to.
func (s *splitter) close() {
	s.mu.Lock()
	for conn := range s.peeking {
		_ = conn.Close()
	}
	s.peeking = nil
	s.mu.Unlock()
	_ = s.grpc.Close()
	_ = s.http.Close()
	s.wg.Wait()
}

// heldConn is a connection that holds one place of the cap until it is closed, and gives back what was read of it.
type heldConn struct {
	net.Conn
	head    []byte // read by one goroutine at a time, as net.Conn's users do
	release func()
}

func (c *heldConn) Read(b []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(b, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

func (c *heldConn) Close() error {
	err := c.Conn.Close()
	c.release()
	return err
}

// handoff is a listener whose connections come from the splitter.
type handoff struct {
	addr   net.Addr // set before anybody accepts
	conns  chan net.Conn
	done   chan struct{}
	closed atomic.Bool
}

func newHandoff() *handoff {
	return &handoff{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (h *handoff) offer(conn net.Conn) {
	select {
	case h.conns <- conn:
	case <-h.done:
		_ = conn.Close()
	}
}

func (h *handoff) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handoff) Close() error {
	if h.closed.CompareAndSwap(false, true) {
		close(h.done)
	}
	return nil
}

func (h *handoff) Addr() net.Addr { return h.addr }
