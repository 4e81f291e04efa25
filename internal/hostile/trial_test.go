package hostile

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

const (
	rtt      = 10 * time.Millisecond
	soon     = time.Second // what takes no time limit to end is over by then
	maxError = 1500        // octets, for a port that was tried
	maxHeap  = 64 << 20
)

// A trial is one call of a client's, in virtual time, on a network in memory.
type trial struct {
	t    *testing.T
	c    crime
	net  *fakenet.Network
	back chan struct{} // closed when the client is back

	mu       sync.Mutex // guards the fields below
	villains map[string][]*villain
	wires    []*wire
	log      bytes.Buffer
	report   *negotiate.Report
}

// A result is what the client says.
type result struct {
	receipt *submit.Receipt
	err     error
	took    time.Duration
}

// A part is what stands at a port.
type part int

const (
	honest part = iota
	hostile
	dead // refuses connections
)

// try has a client submit a message, in a bubble, and checks what holds for any
// crime. The ports have their parts by service.
func try(t *testing.T, c crime, p negotiate.Policy, parts map[string]part, judge func(*trial, result)) {
	synctest.Test(t, func(t *testing.T) {
		x := &trial{t: t, c: c, net: fakenet.New(rtt), back: make(chan struct{}), villains: make(map[string][]*villain)}
		var serving sync.WaitGroup
		for service, part := range parts {
			if part != dead {
				l := x.net.Listen(x.addr(service))
				serving.Go(func() { x.serve(l, service, part == hostile) })
			}
		}
		before := heap()
		got := x.submit(p)
		close(x.back)
		x.net.Check(t)
		time.Sleep(rtt) // all that was said has arrived
		x.net.Close()
		serving.Wait()
		x.checkSecrecy()
		x.checkOutcome(got)
		x.checkWords(got)
		x.checkHeap(before)
		judge(x, got)
		if t.Failed() {
			t.Logf("result: %v %v after %v", got.receipt, got.err, got.took)
			x.tell()
		}
	})
}

func (x *trial) addr(service string) string {
	if service == submit.Submissions {
		return net.JoinHostPort(x.c.usualHost(), "465")
	}
	return net.JoinHostPort(x.c.usualHost(), "587")
}

// serve accepts connections until the network is closed.
func (x *trial) serve(l net.Listener, service string, isHostile bool) {
	var attending sync.WaitGroup
	defer attending.Wait()
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		v := x.villain(service, isHostile)
		v.raw = nc.(*fakenet.Conn)
		attending.Go(v.attend)
	}
}

func (x *trial) villain(service string, isHostile bool) *villain {
	x.mu.Lock()
	defer x.mu.Unlock()
	v := &villain{
		number:   len(x.villains[service]) + 1,
		host:     x.c.usualHost(),
		implicit: service == submit.Submissions,
		offers:   usualOffers[:],
		tls:      serverTLS(rightCertificate(x.c.usualHost())),
		trusted:  true,
		back:     x.back,
		turns:    make(map[moment]int),
	}
	if isHostile {
		v.does, v.offers = x.c.does, x.c.usualOffers()
		if x.c.shows != nil {
			v.tls, v.trusted = serverTLS(*x.c.shows), x.c.trusted
		}
		if x.c.setting.tls != nil {
			x.c.setting.tls(v.tls)
		}
	}
	x.villains[service] = append(x.villains[service], v)
	return v
}

// authority is the one that clients trust.
var authority = sync.OnceValue(testcert.New)

var pool = sync.OnceValue(func() *x509.CertPool {
	all := authority().Pool()
	all.AddCert(root().cert)
	all.AddCert(staleRoot().cert)
	return all
})

var certificateOfHost sync.Map // by host

// rightCertificate is what a good server shows.
func rightCertificate(host string) tls.Certificate {
	if c, ok := certificateOfHost.Load(host); ok {
		return c.(tls.Certificate)
	}
	c := authority().Leaf(host)
	certificateOfHost.Store(host, c)
	return c
}

func serverTLS(c tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS10, SessionTicketsDisabled: true}
}

// submit is the client's part.
func (x *trial) submit(p negotiate.Policy) result {
	n := &negotiate.Negotiator{
		Host:   x.c.usualHost(),
		Policy: p,
		Config: submit.Config{
			Credentials: x.c.usualCredentials(),
			TLS:         &tls.Config{RootCAs: pool(), CurvePreferences: []tls.CurveID{tls.CurveP256}},
			DialContext: x.dial,
			LocalName:   "client.example.org",
			Logger:      slog.New(slog.NewTextHandler(&x.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		},
		Observe: func(_ context.Context, r *negotiate.Report) { x.report = r },
	}
	began := time.Now()
	var got result
	if x.c.client != nil {
		got.receipt, got.err = x.c.client(x.t.Context(), n)
	} else {
		got.receipt, got.err = n.Submit(x.t.Context(), x.c.letter())
	}
	got.took = time.Since(began)
	return got
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

// all are the villains of the trial.
func (x *trial) all() (list []*villain) {
	for _, service := range []string{submit.Submissions, submit.Submission} {
		list = append(list, x.villains[service]...)
	}
	return list
}

// checkSecrecy holds promises 1 and 2.
func (x *trial) checkSecrecy() {
	for _, w := range x.wires {
		for _, secret := range secrets() {
			require.False(x.t, bytes.Contains(w.said, []byte(secret)), "on the wire: %s", secret)
		}
		clear, _, _ := bytes.Cut(w.said, []byte{0x16, 3}) // where a handshake begins
		for line := range bytes.Lines(clear) {
			verb, _, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
			require.Contains(x.t, []string{"EHLO", "STARTTLS", "QUIT"}, verb, "said in cleartext")
		}
		requireOneHandshake(x.t, w.said[len(clear):])
	}
	shown, touched := 0, 0
	ports := map[bool]bool{}
	for _, v := range x.all() {
		if !v.trusted {
			require.Empty(x.t, string(v.evidence.heard), "said to a server whose certificate is not the right one")
		}
		if v.evidence.tried() {
			shown++
			ports[v.implicit] = true
		}
		if v.evidence.touched() {
			touched++
		}
		require.LessOrEqual(x.t, v.evidence.logins(), max(1, x.c.logins), "the password was shown again")
	}
	require.LessOrEqual(x.t, shown, max(1, x.c.connections), "connections on which a login was tried")
	require.LessOrEqual(x.t, len(ports), 1, "ports to which a login was tried")
	require.LessOrEqual(x.t, touched, max(1, x.c.connections), "connections on which a message was begun")
}

// requireOneHandshake holds that a client says nothing of another handshake once it
// has said anything else: there is no renegotiation. In TLS 1.3 there is none to see.
func requireOneHandshake(t *testing.T, records []byte) {
	for seen := false; len(records) >= 5; {
		kind, size := records[0], 5+int(records[3])<<8+int(records[4])
		require.False(t, seen && kind == ofHandshake, "another handshake")
		seen = seen || kind == applicationData
		records = records[min(size, len(records)):]
	}
}

// checkOutcome holds promise 3: what the client says is what the server said.
func (x *trial) checkOutcome(got result) {
	require.NotEqual(x.t, got.receipt == nil, got.err == nil, "a receipt or an error, never both")
	ended, perhaps, accepted := 0, 0, 0
	for _, v := range x.all() {
		ended += len(v.evidence.ends())
		require.Empty(x.t, v.evidence.tooMuch, "said though it was no use")
		for _, code := range v.evidence.verdicts() {
			switch code / 100 {
			case 2:
				accepted++
			case 4, 5:
			default:
				perhaps++
			}
		}
	}
	require.LessOrEqual(x.t, accepted+perhaps, max(1, x.c.messages), "messages that were, or may have been, taken")
	uncertain := errors.Is(got.err, submit.ErrUncertain)
	switch {
	case got.receipt != nil:
		require.NotZero(x.t, ended, "a receipt for a message whose end nobody has heard")
		require.NotZero(x.t, accepted, "a receipt for a message to which the server said no: %v", got.receipt.Reply)
		require.Equal(x.t, 2, got.receipt.Reply.Code/100)
		require.True(x.t, x.wasSaid(got.receipt.Reply), "a receipt that nobody gave: %v", got.receipt.Reply)
	case x.c.garbled:
	case uncertain:
		require.Zero(x.t, accepted, "in doubt, though the server said yes")
	case x.c.messages == 0:
		require.Zero(x.t, accepted, "an error, though the server said yes: %v", got.err)
	}
}

// wasSaid reports whether a server said all of a reply.
func (x *trial) wasSaid(r submit.Reply) bool {
	return slices.ContainsFunc(x.all(), func(v *villain) bool {
		return bytes.Contains(v.evidence.said, []byte(r.Lines[len(r.Lines)-1]))
	})
}

// checkWords holds promise 9, and that what is said to people can be read by them.
func (x *trial) checkWords(got result) {
	told := x.log.String()
	if x.report != nil {
		told += x.report.String()
	}
	requireLegible(x.t, strings.ReplaceAll(told, "\n", ""))
	if got.err != nil {
		text := got.err.Error()
		requireLegible(x.t, text)
		require.Less(x.t, len(text), maxError*len(x.wires)+maxError, "%s", text)
		var e *submit.Error
		if errors.As(got.err, &e) {
			require.Less(x.t, len(e.Error()), maxError, "%s", e)
		}
		told += text
	}
	for _, secret := range secrets() {
		require.False(x.t, strings.Contains(told, secret), "%s, in what is told of it: %s", secret, told)
	}
}

// requireLegible holds that nothing in a text acts on a terminal.
func requireLegible(t *testing.T, text string) {
	t.Helper()
	require.NotEmpty(t, text)
	for i, r := range text {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Cf, r) {
			t.Fatalf("%q at %d in %q", r, i, text)
		}
	}
}

// checkHeap holds promise 10, at each moment at which a server said something.
func (x *trial) checkHeap(before uint64) {
	for _, v := range x.all() {
		if v.evidence.heap > before {
			require.Less(x.t, v.evidence.heap-before, uint64(maxHeap), "octets of memory")
		}
	}
}

// tell is for a trial that did not end well.
func (x *trial) tell() {
	for _, service := range []string{submit.Submissions, submit.Submission} {
		for _, v := range x.villains[service] {
			e := v.evidence
			x.t.Logf("%s %d\n-- heard in cleartext\n%s\n-- heard over TLS\n%s\n-- said\n%q", service, v.number, e.clear, e.heard, e.said[:min(len(e.said), 2000)])
		}
	}
	x.t.Log(x.report)
}
