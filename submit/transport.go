package submit

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/mailport/mailport/auth"
)

// A Transport opens sessions with one endpoint in one way.
type Transport interface {
	// Dial connects, secures the connection and exchanges greetings. It sends
	// no credentials: whoever dials several endpoints at once and keeps one
	// session shows the password to one server only.
	//
	// ctx governs dialing only, as in [net.Dialer.DialContext].
	Dial(ctx context.Context) (*Session, error)

	// Endpoint says where Dial connects, for reports and logs. It must not block,
	// nor call a Pool that has the transport: it may be called under its lock.
	Endpoint() Endpoint
}

// The services of RFC 8314 and RFC 6409, as registered with IANA.
const (
	Submissions = "submissions" // TLS from the first byte; port 465
	Submission  = "submission"  // STARTTLS; port 587
)

// An Endpoint is a place to submit to.
type Endpoint struct {
	Service string // Submissions or Submission
	Host    string
	Port    int
}

// String returns e as in "submissions://smtp.example.com:465".
func (e Endpoint) String() string {
	e.Host = withoutUserinfo(e.Host)
	return e.Service + "://" + e.address()
}

// withoutUserinfo is for who gives a URL in the place of a host: there may be a
// password in it.
func withoutUserinfo(host string) string { return host[strings.LastIndex(host, "@")+1:] }

// address returns e as [net.Dial] takes it.
func (e Endpoint) address() string { return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)) }

// Config is what every transport needs. The zero Config is ready to use: it
// verifies the server against the system roots and does not authenticate.
// A Config is read, never written, and must not change while it is in use.
type Config struct {
	// Credentials authenticate each session before its first message. If they
	// are set and a server offers no authentication, Dial fails: mail is never
	// submitted unauthenticated instead. Nil means not to authenticate.
	Credentials auth.Credentials

	// TLS is copied, never modified. Nil means the system roots. TLS 1.2 is the
	// least that is spoken (RFC 8314, section 4.1, and RFC 8997), there is no
	// renegotiation, and no ALPN unless NextProtos has some. ServerName, if
	// set, is the name that the certificate must have, instead of the host's.
	// Sessions in a ClientSessionCache are resumed with the same Certificates only,
	// and with a GetClientCertificate not at all: a resumed session is of the client
	// that it was made for.
	//
	// InsecureSkipVerify without VerifyConnection is refused with an error,
	// unless the address dialled is a loopback address.
	TLS *tls.Config

	// DialContext makes the TCP connection; nil means a [net.Dialer], which
	// tries a host's addresses as RFC 8305 says. It must return when ctx ends.
	// TLS is spoken over what it returns.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// Without lists EHLO keywords to ignore although the server offers them,
	// such as "CHUNKING" or "PIPELINING", in any case of letters.
	Without []string

	// LocalName is what EHLO says (RFC 5321, section 4.1.1.1): a domain name or
	// an address literal. Empty means this machine's name if it is a fully
	// qualified domain name, and otherwise, or if the server does not like that
	// name, the connection's local address as a literal.
	LocalName string

	// Timeouts bound each step; the context bounds the whole.
	Timeouts Timeouts

	// Logger gets a record of each step at debug level and of each submission
	// whose outcome is uncertain at warning level. Nil means none. Its handler must not
	// panic, see Trace.
	Logger *slog.Logger

	// Trace, if not nil, is called after every step. Calls may come concurrently. It
	// must not panic, and nor must that of [WithTrace]: where messages share a session
	// of a [Pool], a goroutine of the pool's calls it, and its panic ends the process.
	Trace func(context.Context, Event)

	// Quirks remember of servers what they offer and do not do, for all transports
	// that have the same. Nil means that each transport remembers for itself.
	Quirks *Quirks

	hostname func() string // what this machine calls itself; nil: ask it. Tests have machines of any name
}

// Timeouts are time limits for the steps of a session. A zero field means the
// default, a negative one no limit but the context's. The defaults from Greeting
// on are those of RFC 5321, section 4.5.3.2, but for one port.
type Timeouts struct {
	Connect   time.Duration // name resolution and TCP handshake; 30 seconds
	Handshake time.Duration // TLS; 30 seconds

	// Greeting is the server's first word, over TLS or before STARTTLS. If it is
	// zero, Command rules; if that is zero too, it is 5 minutes, and 30 seconds
	// where silence is likely to be for good: before TLS on port 465, which waits
	// for TLS, and over TLS on any other port, which may be a web server's.
	Greeting time.Duration

	Command time.Duration // each reply: to EHLO, AUTH, MAIL, RCPT, DATA; 5 minutes
	Data    time.Duration // progress of each write of up to 16 KiB, not the whole body; 3 minutes
	Verdict time.Duration // the reply to the end of the message; 10 minutes
}

const (
	defaultConnect   = 30 * time.Second
	defaultHandshake = 30 * time.Second
	wrongModeSilence = 30 * time.Second // on the port where cleartext is not registered
	defaultCommand   = 5 * time.Minute
	defaultData      = 3 * time.Minute
	defaultVerdict   = 10 * time.Minute
)

func (t Timeouts) connect() time.Duration   { return or(t.Connect, defaultConnect) }
func (t Timeouts) handshake() time.Duration { return or(t.Handshake, defaultHandshake) }

// greeting depends on the port only if the caller has not said anything.
func (t Timeouts) greeting(cleartext bool, port int) time.Duration {
	if t.Greeting == 0 && t.Command == 0 && cleartext == (port == implicitPort) {
		return wrongModeSilence
	}
	return or(t.Greeting, t.command())
}

func (t Timeouts) command() time.Duration { return or(t.Command, defaultCommand) }
func (t Timeouts) data() time.Duration    { return or(t.Data, defaultData) }
func (t Timeouts) verdict() time.Duration { return or(t.Verdict, defaultVerdict) }

func or(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}
