package redistest

import (
	"net"
	"sync"
	"testing"
)

// Proxy stands between one client and a server, so that a test can part them. It ends with its test.
type Proxy struct {
	Addr   string
	listen net.Listener
	to     string

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

// NewProxy listens on the loopback.
func NewProxy(tb testing.TB, to string) *Proxy {
	tb.Helper()
	p := &Proxy{}
	if err := p.open("127.0.0.1:0", to); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.close)
	return p
}

func (p *Proxy) open(at, to string) (err error) {
	if p.listen, err = net.Listen("tcp", at); err != nil {
		return err
	}
	p.Addr, p.to, p.conns = p.listen.Addr().String(), to, map[net.Conn]bool{}
	p.wg.Go(p.accept)
	return nil
}

// URL is the proxy's address as the configuration has it.
func (p *Proxy) URL() string { return "redis://" + p.Addr }

// Cut swallows what is sent from now on, without closing anything: a partition. Mend ends it; what was swallowed is gone, and
// connections of that time are closed.
func (p *Proxy) Cut() { p.set(true) }

// Mend lets through again.
func (p *Proxy) Mend() { p.set(false) }

// To sends new connections to another server.
func (p *Proxy) To(addr string) {
	p.mu.Lock()
	p.to = addr
	p.mu.Unlock()
	p.drop()
}

func (p *Proxy) set(cut bool) {
	p.mu.Lock()
	p.cut = cut
	p.mu.Unlock()
	if !cut {
		p.drop()
	}
}

func (p *Proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *Proxy) accept() {
	for {
		c, err := p.listen.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		to := p.to
		p.mu.Unlock()
		server, err := net.Dial("tcp", to)
		if err != nil {
			_ = c.Close()
			continue
		}
		p.mu.Lock()
		p.conns[c], p.conns[server] = true, true
		p.mu.Unlock()
		p.wg.Go(func() { p.pipe(c, server) })
		p.wg.Go(func() { p.pipe(server, c) })
	}
}

func (p *Proxy) pipe(from, to net.Conn) {
	defer func() {
		_ = from.Close()
		_ = to.Close()
		p.mu.Lock()
		delete(p.conns, from)
		p.mu.Unlock()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		cut := p.cut
		p.mu.Unlock()
		if n > 0 && !cut {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *Proxy) close() {
	_ = p.listen.Close()
	p.drop()
	p.wg.Wait()
}
