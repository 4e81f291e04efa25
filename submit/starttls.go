package submit

import (
	"context"
	"errors"
)

// STARTTLS upgrades a cleartext connection, RFC 3207, and gives up if it cannot:
// the submission service, RFC 6409. It is a [Transport], and a [Submitter] that
// opens a session for each message. It must not change while it is in use.
type STARTTLS struct {
	Host string // a name or an IP address; what its certificate must be valid for
	Port int    // 0: 587
	Config

	kept kept
}

var (
	_ Transport = (*STARTTLS)(nil)
	_ Submitter = (*STARTTLS)(nil)
)

// Endpoint returns "submission", the host and the port.
func (t *STARTTLS) Endpoint() Endpoint {
	return Endpoint{Service: Submission, Host: t.Host, Port: orPort(t.Port, 587)}
}

// Check reports what is wrong with the configuration, as an [*InvalidError],
// without connecting. Dial does so first.
func (t *STARTTLS) Check() error {
	_, err := newSession(t.Endpoint(), t.Config).check()
	return err
}

// Dial opens a session: TCP, greeting, EHLO, STARTTLS, TLS, and EHLO again,
// since nothing that was said in cleartext counts. It sends no credentials.
func (t *STARTTLS) Dial(ctx context.Context) (*Session, error) {
	return dial(ctx, t.Endpoint(), t.Config, true, t.kept.get())
}

// Submit sends m over a session of its own, see [Over].
func (t *STARTTLS) Submit(ctx context.Context, m Message) (*Receipt, error) {
	return Over(ctx, t, m)
}

// noSTARTTLS is the error of a server that does not offer STARTTLS, or refuses it
// with err.
func noSTARTTLS(err error) error {
	text := ErrNoSTARTTLS.Error()
	if err != nil {
		text = "server offers STARTTLS and then refuses it"
	}
	return &cause{meaning: ErrInsecure, text: text, err: errors.Join(ErrNoSTARTTLS, err), whole: true}
}
