package submit

import "context"

// ImplicitTLS starts TLS before anything else is said: the submissions service,
// RFC 8314, section 3.3. It is a [Transport], and a [Submitter] that opens a
// session for each message. It must not change while it is in use.
type ImplicitTLS struct {
	Host string // a name or an IP address; what its certificate must be valid for
	Port int    // 0: 465
	Config

	kept kept
}

var (
	_ Transport = (*ImplicitTLS)(nil)
	_ Submitter = (*ImplicitTLS)(nil)
)

// Endpoint returns "submissions", the host and the port.
func (t *ImplicitTLS) Endpoint() Endpoint {
	return Endpoint{Service: Submissions, Host: t.Host, Port: orPort(t.Port, 465)}
}

// Check reports what is wrong with the configuration, as an [*InvalidError],
// without connecting. Dial does so first.
func (t *ImplicitTLS) Check() error {
	_, err := newSession(t.Endpoint(), t.Config).check()
	return err
}

// Dial opens a session: TCP, TLS, greeting, EHLO. It sends no credentials.
func (t *ImplicitTLS) Dial(ctx context.Context) (*Session, error) {
	return dial(ctx, t.Endpoint(), t.Config, false, t.kept.get())
}

// Submit sends m over a session of its own, see [Over].
func (t *ImplicitTLS) Submit(ctx context.Context, m Message) (*Receipt, error) {
	return Over(ctx, t, m)
}

func orPort(port, otherwise int) int {
	if port == 0 {
		return otherwise
	}
	return port
}
