package driver

import (
	"context"
	"crypto/tls"
	"io"

	"gopkg.in/gomail.v2"

	"github.com/mailport/mailport/internal/bench/letter"
)

// gomailV2 is gopkg.in/gomail.v2. It composes what it sends.
type gomailV2 struct {
	target Target
	dialer *gomail.Dialer
	letter *letter.Letter
	sender gomail.SendCloser
}

func newGomail(t Target, config *tls.Config) Driver {
	dialer := gomail.NewDialer(Host, t.port(), t.User, t.Password)
	dialer.SSL = !t.Upgrade
	dialer.TLSConfig = config
	return &gomailV2{target: t, dialer: dialer, letter: letter.New(t.Size)}
}

func (d *gomailV2) Open(context.Context) (err error) {
	d.sender, err = d.dialer.Dial()
	return err
}

func (d *gomailV2) Send(_ context.Context, first, n int) error {
	for serial := first; serial < first+n; serial++ {
		if err := gomail.Send(d.sender, d.message(d.letter.Text(serial))); err != nil {
			return err
		}
	}
	return nil
}

// message leaves the text as it is, which is cheapest.
func (d *gomailV2) message(text string) *gomail.Message {
	m := gomail.NewMessage(gomail.SetEncoding(gomail.Unencoded))
	m.SetHeader("From", letter.From)
	m.SetHeader("To", letter.To)
	m.SetHeader("Subject", subject)
	m.SetBody("text/plain", text)
	return m
}

func (d *gomailV2) SendLarge(_ context.Context, l *letter.Large, serial int) error {
	m := d.message(l.Text(serial))
	m.Attach("large", gomail.SetCopyFunc(func(w io.Writer) error {
		_, err := io.Copy(w, l.Content())
		return err
	}))
	return gomail.Send(d.sender, m)
}

func (d *gomailV2) Close() error { return d.sender.Close() }
