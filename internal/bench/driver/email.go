package driver

import (
	"context"
	"crypto/tls"
	"net/smtp"

	"github.com/jordan-wright/email"

	"github.com/mailport/mailport/internal/bench/letter"
)

// jordanWright is github.com/jordan-wright/email. It composes what it sends, as
// quoted-printable. Its pool knows STARTTLS only; with implicit TLS every message
// has a connection of its own. A pool that opens several connections at once has a
// data race, so there is one for each.
type jordanWright struct {
	target Target
	tls    *tls.Config
	letter *letter.Letter
	auth   smtp.Auth
	pool   *email.Pool
}

func newEmail(t Target, config *tls.Config) Driver {
	return &jordanWright{target: t, tls: config, letter: letter.New(t.Size), auth: smtp.PlainAuth("", t.User, t.Password, Host)}
}

func (d *jordanWright) Open(context.Context) (err error) {
	if d.target.Upgrade {
		d.pool, err = email.NewPool(d.target.address(), 1, d.auth, d.tls)
	}
	return err
}

func (d *jordanWright) Send(_ context.Context, first, n int) error {
	for serial := first; serial < first+n; serial++ {
		if err := d.send(d.message(d.letter.Text(serial))); err != nil {
			return err
		}
	}
	return nil
}

func (d *jordanWright) send(m *email.Email) error {
	if d.pool != nil {
		return d.pool.Send(m, -1)
	}
	return m.SendWithTLS(d.target.address(), d.auth, d.tls)
}

func (d *jordanWright) message(text string) *email.Email {
	m := email.NewEmail()
	m.From = letter.From
	m.To = []string{letter.To}
	m.Subject = subject
	m.Text = []byte(text)
	return m
}

func (d *jordanWright) SendLarge(_ context.Context, l *letter.Large, serial int) error {
	m := d.message(l.Text(serial))
	if _, err := m.Attach(l.Content(), "large", "application/octet-stream"); err != nil {
		return err
	}
	return d.send(m)
}

func (d *jordanWright) Close() error {
	if d.pool != nil {
		d.pool.Close()
	}
	return nil
}
