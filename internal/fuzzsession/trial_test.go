package fuzzsession

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// A trial is one input.
type trial struct {
	t       *testing.T
	setting setting
	scripts map[string][]string // of the connections to a port
	net     *fakenet.Network

	mu      sync.Mutex // guards the fields below
	servers []*server
	wires   []*wire

	took    time.Duration
	results map[int]submit.Result // by number
}

// play plays an input, in a bubble, and checks what came of it.
func play(t *testing.T, s setting, implicit, upgraded string) *trial {
	x := &trial{t: t, setting: s, net: fakenet.New(rtt), results: map[int]submit.Result{},
		scripts: map[string][]string{"465": split(implicit), "587": split(upgraded)}}
	defer func() {
		if t.Failed() {
			x.tell()
		}
	}()
	var serving sync.WaitGroup
	for port, scripts := range x.scripts {
		if len(scripts) > 0 {
			l := x.net.Listen(net.JoinHostPort(host, port))
			serving.Go(func() { x.serve(l, port) })
		}
	}
	x.submit()
	x.net.Check(t)
	time.Sleep(rtt) // all that was said has arrived
	x.net.Close()
	serving.Wait()
	x.check()
	return x
}

// serve accepts connections until the network is closed.
func (x *trial) serve(l net.Listener, port string) {
	var playing sync.WaitGroup
	defer playing.Wait()
	for n := 0; ; n++ {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		s := &server{setting: x.setting, port: port, raw: nc.(*fakenet.Conn), trusted: true, turns: map[int]int{}}
		x.mu.Lock()
		x.servers = append(x.servers, s)
		x.mu.Unlock()
		scripts := x.scripts[port]
		playing.Go(func() { s.play(scripts[min(n, len(scripts)-1)]) })
	}
}

// submit is the client's part.
func (x *trial) submit() {
	ctx, cancel := x.t.Context(), context.CancelFunc(func() {})
	if d := x.setting.deadline(); d > 0 {
		ctx, cancel = context.WithTimeout(ctx, d)
	}
	defer cancel()
	began := time.Now()
	defer func() { x.took = time.Since(began) }()
	t := x.transport()
	if x.setting.messages() == 1 {
		receipt, err := t.(submit.Submitter).Submit(ctx, x.setting.message(1))
		x.note(1, receipt, err)
		return
	}
	p := &submit.Pool{Transport: t, MaxSessions: 1}
	defer p.Close()
	if x.setting.job() == queue {
		for n := range x.setting.messages() {
			receipt, err := p.Submit(ctx, x.setting.message(n+1))
			x.note(n+1, receipt, err)
			time.Sleep(10 * time.Second)
		}
		return
	}
	if x.setting.job() == wide {
		p.MaxSessions = 2
	}
	for r := range p.SubmitAll(ctx, x.messages) {
		x.note(r.Index+1, r.Receipt, r.Err)
	}
}

func (x *trial) messages(yield func(submit.Message) bool) {
	for n := range x.setting.messages() {
		if !yield(x.setting.message(n + 1)) {
			return
		}
	}
}

func (x *trial) note(n int, receipt *submit.Receipt, err error) {
	if _, twice := x.results[n]; twice {
		x.t.Errorf("message %d has ended twice", n)
	}
	x.results[n] = submit.Result{Index: n, Receipt: receipt, Err: err}
}

func (x *trial) transport() submit.Transport {
	config := submit.Config{
		Credentials: x.setting.credentials(),
		TLS:         &tls.Config{RootCAs: roots(), CurvePreferences: []tls.CurveID{tls.CurveP256}},
		DialContext: x.dial,
		LocalName:   "client.example.org",
	}
	if x.setting&withTLS12 != 0 {
		config.TLS.MaxVersion = tls.VersionTLS12
	}
	switch x.setting.way() {
	case implicitOnly:
		return &submit.ImplicitTLS{Host: host, Config: config}
	case upgradeOnly:
		return &submit.STARTTLS{Host: host, Config: config}
	case upgradeFirst:
		return &negotiate.Negotiator{Host: host, Config: config, Policy: negotiate.Policy{Prefer: negotiate.STARTTLS}}
	case implicitFirst:
	}
	return &negotiate.Negotiator{Host: host, Config: config}
}

// dial keeps what the client hands to the network, octet for octet.
func (x *trial) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := x.net.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	w := &wire{Conn: nc}
	x.wires = append(x.wires, w)
	return w, nil
}

// A wire is a connection that is listened to.
type wire struct {
	net.Conn
	mu   sync.Mutex // guards said: a connection may be written to and cut at once
	said []byte
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.said = append(w.said, p...)
	w.mu.Unlock()
	return w.Conn.Write(p)
}

// Certificates are made once for the process.
var (
	authority = sync.OnceValue(testcert.New)
	roots     = sync.OnceValue(func() *x509.CertPool { return authority().Pool() })
	serverTLS = sync.OnceValue(func() *tls.Config { return configOf(authority().Leaf(host)) })
	othersTLS = sync.OnceValue(func() *tls.Config { return configOf(testcert.UnknownRoot(host)) })
)

func configOf(c tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c}, SessionTicketsDisabled: true}
}

// heap is how much memory is in use.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// heapLess reports whether less than so much is in use, garbage aside.
func heapLess(limit uint64) bool {
	if heap() < limit {
		return true
	}
	runtime.GC()
	return heap() < limit
}

// tell is for a trial that did not end well.
func (x *trial) tell() {
	x.t.Logf("setting: way %d, job %d, offers %04b, login %d, deadline %v, took %v",
		x.setting.way(), x.setting.job(), x.setting.offers(), x.setting.login(), x.setting.deadline(), x.took)
	for n := range x.setting.messages() {
		r := x.results[n+1]
		x.t.Logf("message %d: %v, %v", n+1, r.Receipt, r.Err)
	}
	for _, s := range x.servers {
		x.t.Logf("port %s, secure %t, left %t, late %t, meddle %t, broken %t", s.port, s.secure, s.left, s.late, s.meddle, s.said.broken)
		s.clear.tell(x.t, "clear")
		x.t.Logf("  said in clear %.1500q", s.clearS.text)
		s.heard.tell(x.t, "TLS")
		all, garbled := s.said.replies()
		for i, r := range all {
			x.t.Logf("  reply %d at %v: %d %.200q", i, r.at.Sub(epoch()), r.code, r.lines)
			if i > 60 {
				break
			}
		}
		x.t.Logf("  garbled %t, said %.1500q", garbled, s.said.text)
	}
}

func (e *ear) tell(t *testing.T, how string) {
	for i, item := range e.items {
		t.Logf("  %s item %d at %v: %.300q, ends %t", how, i, item.at.Sub(epoch()), item.line, item.ends)
	}
	if len(e.rest) > 0 {
		t.Logf("  %s rest %.300q", how, e.rest)
	}
}

// epoch is when bubbles begin.
func epoch() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }
