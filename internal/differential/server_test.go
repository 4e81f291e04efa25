package differential

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/internal/testcert"
	"github.com/mailport/mailport/submit/submittest"
)

const (
	host     = "smtp.example.com"
	user     = "me"
	password = "sesame"
)

// A delivery is what a server has taken, as far as it is for the sender to say. BODY
// and SIZE are not: go-smtp's client says 8BITMIME of everything, and no size.
type delivery struct {
	from       string
	to         []string
	id, ret    string
	auth       string
	utf8, tls  bool
	recipients map[string]string // parameters of RCPT, in words
	data       string
}

func delivered(from string, to []string, o *smtp.MailOptions, rcpt map[string]*smtp.RcptOptions, data []byte) delivery {
	d := delivery{from: from, to: to, id: o.EnvelopeID, ret: string(o.Return), utf8: o.UTF8, tls: o.RequireTLS,
		recipients: make(map[string]string), data: string(data)}
	if o.Auth != nil {
		d.auth = *o.Auth
	}
	for address, r := range rcpt {
		if len(r.Notify) > 0 || r.OriginalRecipient != "" || !r.RequireRecipientValidSince.IsZero() {
			d.recipients[address] = fmt.Sprint(r.Notify, r.OriginalRecipientType, r.OriginalRecipient, r.RequireRecipientValidSince.UTC())
		}
	}
	return d
}

// number is that of the letter.
func (d delivery) number() (n int) {
	domain := d.to[0][strings.LastIndexByte(d.to[0], '@')+1:]
	if _, err := fmt.Sscanf(domain, "n%d.example.net", &n); err != nil {
		panic(domain)
	}
	return n
}

// judge refuses a sender or recipient whose name says so.
func judge(address string) *smtp.SMTPError {
	switch {
	case strings.HasPrefix(address, never):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no"}
	case strings.HasPrefix(address, later):
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: "later"}
	}
	return nil
}

func judgeMessage(data []byte) *smtp.SMTPError {
	if bytes.HasPrefix(data, []byte(refuse)) {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "not that"}
	}
	return nil
}

// A house is a server.
type house struct {
	name  string
	open  func(t *testing.T) *opened
	voice func(voice) bool // that it can stand
}

// An opened house is one at work, for one voice.
type opened struct {
	dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	roots *x509.CertPool
	took  func() []delivery
}

var houses = []house{
	{"submittest", openTestServer, func(voice) bool { return true }},
	// Go-smtp's server does not wait at RSET for who reads the chunks of a message that
	// is not to be, and may give his verdict to the next one: it gets DATA only.
	{"go-smtp", openGoSMTP, func(v voice) bool { return !v.chunks }},
}

func openTestServer(t *testing.T) *opened {
	s := submittest.NewUnstartedServer(t)
	n := fakenet.New(0)
	s.Host, s.Users, s.Mechanisms = host, map[string]string{user: password}, []string{"PLAIN"}
	s.Implicit, s.STARTTLS, s.DialContext = n.Listen(host+":465"), n.Listen(host+":587"), n.DialContext
	s.Reject = func(from, to string) *smtp.SMTPError {
		if to != "" {
			return judge(to)
		}
		return judge(from)
	}
	s.RejectMessage = func(m submittest.Message) *smtp.SMTPError { return judgeMessage(m.Data) }
	require.NoError(t, s.Start())
	return &opened{s.Config().DialContext, s.CertPool(), func() (all []delivery) {
		for _, m := range s.Messages() {
			all = append(all, delivered(m.From, m.To, m.Options, m.RcptOptions, m.Data))
		}
		return all
	}}
}

// A desk is go-smtp's server with nothing around it.
type desk struct {
	mu   sync.Mutex
	took []delivery
}

func openGoSMTP(t *testing.T) *opened {
	ca := testcert.New()
	n := fakenet.New(0)
	d := new(desk)
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &visit{desk: d}, nil }))
	s.Domain, s.MaxLineLength = host, 0
	s.EnableSMTPUTF8, s.EnableREQUIRETLS, s.EnableBINARYMIME, s.EnableDSN, s.EnableRRVS = true, true, true, true, true
	s.ErrorLog = log.New(io.Discard, "", 0)
	l := tls.NewListener(n.Listen(host+":465"), &tls.Config{Certificates: []tls.Certificate{ca.Leaf(host)}})
	var serving sync.WaitGroup
	serving.Go(func() { s.Serve(l) })
	t.Cleanup(func() {
		s.Close()
		serving.Wait()
		n.Close()
	})
	return &opened{n.DialContext, ca.Pool(), func() []delivery {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.took
	}}
}

// A visit is a session.
type visit struct {
	desk    *desk
	from    string
	options *smtp.MailOptions
	to      []string
	rcpt    map[string]*smtp.RcptOptions
}

func (*visit) AuthMechanisms() []string { return []string{sasl.Plain} }

func (*visit) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, u, p string) error {
		if u != user || p != password {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (v *visit) Reset()      { v.to, v.rcpt = nil, nil }
func (*visit) Logout() error { return nil }

func (v *visit) Mail(from string, o *smtp.MailOptions) error {
	v.from, v.options = from, o
	return orNil(judge(from))
}

func (v *visit) Rcpt(to string, o *smtp.RcptOptions) error {
	if err := judge(to); err != nil {
		return err
	}
	v.to = append(v.to, to)
	if v.rcpt == nil {
		v.rcpt = make(map[string]*smtp.RcptOptions)
	}
	v.rcpt[to] = o
	return nil
}

func (v *visit) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := judgeMessage(data); err != nil {
		return err
	}
	v.desk.mu.Lock()
	defer v.desk.mu.Unlock()
	v.desk.took = append(v.desk.took, delivered(v.from, v.to, v.options, v.rcpt, data))
	return nil
}

func orNil(err *smtp.SMTPError) error {
	if err == nil {
		return nil
	}
	return err
}

// codeOf is that of a refusal.
func codeOf(t *testing.T, err error) int {
	t.Helper()
	var said *smtp.SMTPError
	require.True(t, errors.As(err, &said), "%v", err)
	return said.Code
}
