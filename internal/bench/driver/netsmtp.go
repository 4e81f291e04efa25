package driver

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/smtp"

	"github.com/mailport/mailport/internal/bench/letter"
)

// netSMTP is the standard library's.
type netSMTP struct {
	target Target
	tls    *tls.Config
	paper  *paper
	client *smtp.Client
}

func newNetSMTP(t Target, config *tls.Config) Driver {
	return &netSMTP{target: t, tls: config, paper: newPaper(t)}
}

func (d *netSMTP) Open(ctx context.Context) error {
	if err := d.dial(ctx); err != nil {
		return err
	}
	return d.client.Auth(smtp.PlainAuth("", d.target.User, d.target.Password, Host))
}

func (d *netSMTP) dial(ctx context.Context) error {
	var dialer interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = &net.Dialer{}
	if !d.target.Upgrade {
		dialer = &tls.Dialer{Config: d.tls}
	}
	nc, err := dialer.DialContext(ctx, "tcp", d.target.address())
	if err != nil {
		return err
	}
	if d.client, err = smtp.NewClient(nc, Host); err != nil {
		return err
	}
	if d.target.Upgrade {
		return d.client.StartTLS(d.tls)
	}
	return nil
}

func (d *netSMTP) Send(_ context.Context, first, n int) error {
	for serial := first; serial < first+n; serial++ {
		if err := d.send(d.paper.read(serial)); err != nil {
			return err
		}
	}
	return nil
}

func (d *netSMTP) send(r io.Reader) error {
	if err := d.client.Mail(letter.From); err != nil {
		return err
	}
	if err := d.client.Rcpt(letter.To); err != nil {
		return err
	}
	w, err := d.client.Data()
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	return w.Close()
}

func (d *netSMTP) SendLarge(_ context.Context, l *letter.Large, serial int) error {
	return d.send(l.Ready(serial))
}

func (d *netSMTP) Close() error { return d.client.Quit() }
