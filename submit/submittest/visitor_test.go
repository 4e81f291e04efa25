package submittest_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

// A visitor is a client that does one thing after the other and stops at the
// first that does not go as it should. It shares nothing with the library.
type visitor struct {
	server  *submittest.Server
	service string
	bdat    bool

	raw, conn net.Conn
	in        *bufio.Reader
	at        submit.Phase
	through   bool
}

const patience = time.Minute // virtual

// visit returns what the client sees: "phase: what", or what the server said to
// the message.
func (v *visitor) visit() string {
	err := v.try()
	if v.raw != nil {
		_ = v.raw.Close()
	}
	if v.through {
		return "afterwards: " + describe(err)
	}
	return fmt.Sprintf("%v: %v", v.at, describe(err))
}

func (v *visitor) try() error {
	if err := v.dial(); err != nil {
		return err
	}
	if v.service == submit.Submissions {
		if err := v.handshake(); err != nil {
			return err
		}
	}
	if err := v.expect(submit.PhaseGreeting, 220); err != nil {
		return err
	}
	if v.service == submit.Submission {
		if err := v.startTLS(); err != nil {
			return err
		}
	}
	again := submit.PhaseHello
	if v.service == submit.Submission {
		again = submit.PhaseHelloAgain
	}
	if err := v.hello(again, "AUTH"); err != nil {
		return err
	}
	if err := v.do(submit.PhaseAuth, 235, "AUTH PLAIN "+plain("me", "secret")); err != nil {
		return err
	}
	if err := v.transaction(); err != nil {
		return err
	}
	v.through = true
	return v.do(submit.PhaseVerdict, 250, "NOOP") // is it still there?
}

func (v *visitor) dial() error {
	v.at = submit.PhaseConnect
	addr := host + ":465"
	if v.service == submit.Submission {
		addr = host + ":587"
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := v.server.Config().DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	v.raw, v.conn, v.in = conn, conn, bufio.NewReader(conn)
	return v.raw.SetDeadline(time.Now().Add(patience))
}

func (v *visitor) handshake() error {
	v.at = submit.PhaseHandshake
	c := tls.Client(v.raw, config(v.server))
	if err := c.Handshake(); err != nil {
		return err
	}
	v.conn, v.in = c, bufio.NewReader(c)
	return nil
}

func (v *visitor) startTLS() error {
	if err := v.hello(submit.PhaseHello, "STARTTLS"); err != nil {
		return err
	}
	if err := v.do(submit.PhaseStartTLS, 220, "STARTTLS"); err != nil {
		return err
	}
	if n := v.in.Buffered(); n > 0 {
		rest, _ := v.in.Peek(n)
		return fmt.Errorf("more: %q", rest)
	}
	return v.handshake()
}

func (v *visitor) hello(phase submit.Phase, keyword string) error {
	v.at = phase
	if _, err := io.WriteString(v.conn, "EHLO client.example.org\r\n"); err != nil {
		return err
	}
	text, err := v.read()
	switch {
	case err != nil:
		return err
	case !strings.HasPrefix(text, "250"):
		return errors.New(text)
	case !strings.Contains(text, keyword):
		return fmt.Errorf("no %s", keyword)
	}
	return nil
}

func (v *visitor) transaction() error {
	if err := v.do(submit.PhaseSender, 250, "MAIL FROM:<a@example.com>"); err != nil {
		return err
	}
	if err := v.do(submit.PhaseRecipient, 250, "RCPT TO:<b@example.net>"); err != nil {
		return err
	}
	body := strings.Repeat(strings.Repeat("x", 98)+"\r\n", 2000) // more than a window
	if v.bdat {
		v.at = submit.PhaseBody
		if _, err := fmt.Fprintf(v.conn, "BDAT %d LAST\r\n%s", len(body), body); err != nil {
			return v.lastWords(err)
		}
		return v.expect(submit.PhaseVerdict, 250)
	}
	if err := v.do(submit.PhaseData, 354, "DATA"); err != nil {
		return err
	}
	v.at = submit.PhaseBody
	if _, err := io.WriteString(v.conn, body+".\r\n"); err != nil {
		return v.lastWords(err)
	}
	return v.expect(submit.PhaseVerdict, 250)
}

// lastWords returns what the server said before writing failed, or err.
func (v *visitor) lastWords(err error) error {
	if text, readErr := v.read(); readErr == nil {
		return errors.New(text)
	}
	return err
}

func (v *visitor) do(phase submit.Phase, code int, command string) error {
	v.at = phase
	if _, err := io.WriteString(v.conn, command+"\r\n"); err != nil {
		return v.lastWords(err)
	}
	return v.expect(phase, code)
}

func (v *visitor) expect(phase submit.Phase, code int) error {
	v.at = phase
	text, err := v.read()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(text, fmt.Sprint(code)) {
		return errors.New(text)
	}
	return nil
}

// read returns the lines of a reply.
func (v *visitor) read() (string, error) {
	var lines []string
	for {
		line, err := v.in.ReadString('\n')
		if err != nil {
			return "", err
		}
		lines = append(lines, brief(strings.TrimRight(line, "\r\n")))
		if len(line) < 4 || line[3] != '-' {
			return strings.Join(lines, "|"), nil
		}
	}
}

// brief is a line as a golden file can bear it.
func brief(line string) string {
	const most = 100
	if len(line) <= most {
		return line
	}
	return fmt.Sprintf("%s… (%d octets)", line[:20], len(line))
}

func plain(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
}

// describe names what happened to a connection in words that do not change with
// the system.
func describe(err error) string {
	var dns *net.DNSError
	var record tls.RecordHeaderError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
		return "all is well"
	case errors.As(err, &name):
		return "certificate for another host"
	case errors.As(err, &invalid):
		return fmt.Sprintf("certificate invalid (expired: %t)", invalid.Reason == x509.Expired)
	case errors.As(err, &unknown):
		return "certificate of an unknown authority"
	case errors.As(err, &dns):
		return fmt.Sprintf("%s (temporary: %t)", dns.Err, dns.IsTemporary)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ENETUNREACH):
		return "network unreachable"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "silence"
	case errors.As(err, &record):
		return fmt.Sprintf("no TLS: %q", record.RecordHeader[:])
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		return "connection lost"
	}
	return err.Error()
}
