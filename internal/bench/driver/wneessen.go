package driver

import (
	"context"
	"crypto/tls"

	"github.com/wneessen/go-mail"

	"github.com/mailport/mailport/internal/bench/letter"
)

const subject = "One of many"

// goMail is github.com/wneessen/go-mail. It composes what it sends.
type goMail struct {
	target Target
	tls    *tls.Config
	letter *letter.Letter
	client *mail.Client
}

func newGoMail(t Target, config *tls.Config) Driver {
	return &goMail{target: t, tls: config, letter: letter.New(t.Size)}
}

func (d *goMail) Open(ctx context.Context) error {
	security := mail.WithSSL()
	if d.target.Upgrade {
		security = mail.WithTLSPolicy(mail.TLSMandatory)
	}
	var err error
	d.client, err = mail.NewClient(Host, security, mail.WithPort(d.target.port()), mail.WithTLSConfig(d.tls),
		mail.WithSMTPAuth(mail.SMTPAuthPlain), mail.WithUsername(d.target.User), mail.WithPassword(d.target.Password))
	if err != nil {
		return err
	}
	return d.client.DialWithContext(ctx)
}

func (d *goMail) Send(_ context.Context, first, n int) error {
	for serial := first; serial < first+n; serial++ {
		m, err := d.message(d.letter.Text(serial))
		if err != nil {
			return err
		}
		if err := d.client.Send(m); err != nil {
			return err
		}
	}
	return nil
}

// message leaves the text as it is, which is cheapest.
func (d *goMail) message(text string) (*mail.Msg, error) {
	m := mail.NewMsg(mail.WithEncoding(mail.NoEncoding))
	if err := m.From(letter.From); err != nil {
		return nil, err
	}
	if err := m.To(letter.To); err != nil {
		return nil, err
	}
	m.Subject(subject)
	m.SetBodyString(mail.TypeTextPlain, text)
	return m, nil
}

func (d *goMail) SendLarge(_ context.Context, l *letter.Large, serial int) error {
	m, err := d.message(l.Text(serial))
	if err != nil {
		return err
	}
	m.AttachReadSeeker("large", l.Content(), mail.WithFileEncoding(mail.EncodingB64))
	return d.client.Send(m)
}

func (d *goMail) Close() error { return d.client.Close() }
