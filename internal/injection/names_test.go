package injection

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/negotiate"
	"github.com/mailport/mailport/submit"
)

// What EHLO says is a name or an address literal, or the server is not even called.
func TestLocalNameIsItselfOrNothing(t *testing.T) {
	w := newWitness(t)
	good := 0
	for _, base := range []string{"client.example.org", "[192.0.2.1]", ""} {
		for i := range len(base) + 1 {
			for _, fragment := range fragments() {
				name := base[:i] + fragment + base[i:]
				if name == "" || good == 10 && !mayNot(name) { // a handshake each; the others are alike
					continue
				}
				config := w.config()
				config.LocalName = name
				before := w.called()
				s, err := w.transport(config).Dial(t.Context())
				if err != nil {
					require.ErrorIs(t, err, submit.ErrInvalid, "%q", name)
					require.Equal(t, before, w.called(), "%q", name)
					continue
				}
				s.Close()
				good++
				require.False(t, mayNot(name), "%q", name)
				require.Equal(t, "EHLO "+name, w.lastEHLO())
				require.Regexp(t, ehloLine, "EHLO "+name)
			}
		}
	}
	require.NotZero(t, good)
}

func (w *witness) lastEHLO() (last string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, line := range w.heard {
		if strings.HasPrefix(line, "EHLO") {
			last = line
		}
	}
	return last
}

var errNobody = errors.New("nobody there")

// A dialler notes what it is asked for, which a proxy would put into a command or a
// header of its own.
type dialler struct {
	calls atomic.Int64
	last  atomic.Value
}

func (d *dialler) dial(_ context.Context, _, addr string) (net.Conn, error) {
	d.calls.Add(1)
	d.last.Store(addr)
	return nil, errNobody
}

// A host is a name or an address, or nothing is dialled: not for lines of its own in
// CONNECT, nor for another port.
func TestHostIsItselfOrNothing(t *testing.T) {
	var d dialler
	config := submit.Config{DialContext: d.dial}
	for _, base := range []string{host, "192.0.2.1"} {
		for i := range len(base) + 1 {
			for _, fragment := range fragments() {
				name := base[:i] + fragment + base[i:]
				for _, transport := range []submit.Transport{
					&submit.ImplicitTLS{Host: name, Config: config}, &submit.STARTTLS{Host: name, Config: config},
					&negotiate.Negotiator{Host: name, Config: config},
				} {
					before := d.calls.Load()
					_, err := transport.Dial(t.Context())
					if errors.Is(err, submit.ErrInvalid) {
						require.Equal(t, before, d.calls.Load(), "%q", name)
						continue
					}
					require.ErrorIs(t, err, errNobody, "%q", name)
					require.Regexp(t, `^[A-Za-z0-9._-]+:[0-9]+$`, d.last.Load(), "%q", name)
				}
			}
		}
	}
	require.NotZero(t, d.calls.Load())
}

// The same where the host comes from a URL, in which anything can be escaped.
func TestURLIsItselfOrNothing(t *testing.T) {
	var d dialler
	for _, fragment := range fragments() {
		for _, raw := range []string{
			"submit://me:sesame@" + url.PathEscape("smtp"+fragment+".example.com"),
			"submit://me:sesame@smtp" + fragment + ".example.com",
			"submissions://me:sesame@" + host + ":465" + fragment,
			"submission://me:sesame@" + host + url.PathEscape(fragment),
		} {
			server, err := negotiate.Open(raw, submit.Config{DialContext: d.dial})
			if err != nil {
				require.NotContains(t, err.Error(), "sesame")
				requireOneLine(t, err.Error())
				continue
			}
			before := d.calls.Load()
			_, err = server.Dial(t.Context())
			if errors.Is(err, submit.ErrInvalid) {
				require.Equal(t, before, d.calls.Load(), "%q", raw)
				continue
			}
			require.Regexp(t, `^[A-Za-z0-9._-]+:[0-9]+$`, d.last.Load(), "%q", raw)
		}
	}
	require.NotZero(t, d.calls.Load())
}

// Who submits is one user: neither NUL, which separates the parts of PLAIN (RFC
// 4616), nor ^A, which separates those of OAUTHBEARER (RFC 7628) and XOAUTH2, nor a
// line end makes another of him, or a line of its own.
func TestCredentialsAreThemselvesOrNothing(t *testing.T) {
	token := func(value string) auth.TokenSource {
		return func(context.Context, string) (string, error) { return value, nil }
	}
	w := newWitness(t, "PIPELINING")
	for _, fragment := range []string{"\x00", "\x00admin\x00", "\x01", "\x01auth=Bearer x\x01", "\r\n", "\r\nRSET\r\n", "\n", ",a=admin,", "=2C", "=", "\u2028"} {
		for name, credentials := range map[string]auth.Credentials{
			"PLAIN":            auth.Only(auth.Password("me"+fragment, "sesame"), "PLAIN"),
			"PLAIN password":   auth.Only(auth.Password("me", "sesame"+fragment), "PLAIN"),
			"CRAM-MD5":         auth.Only(auth.Password("me"+fragment, "sesame"), "CRAM-MD5"),
			"OAUTHBEARER":      auth.Only(auth.Token("me"+fragment, token("sesame")), "OAUTHBEARER"),
			"OAUTHBEARER, it":  auth.Only(auth.Token("me", token("sesame"+fragment)), "OAUTHBEARER"),
			"XOAUTH2":          auth.Only(auth.Token("me"+fragment, token("sesame")), "XOAUTH2"),
			"XOAUTH2, token":   auth.Only(auth.Token("me", token("sesame"+fragment)), "XOAUTH2"),
			"EXTERNAL":         auth.Only(auth.External("me"+fragment), "EXTERNAL"),
			"none of the kind": auth.Only(auth.Password("me", "sesame"), "PLAIN"+fragment),
		} {
			_, err := w.transport(w.withCredentials(credentials)).Submit(t.Context(), letter())
			lines, _ := w.read()
			if err != nil {
				require.NotContains(t, err.Error(), "sesame")
				requireOneLine(t, err.Error())
			}
			if len(lines) == 0 || len(strings.Fields(lines[0])) < 3 {
				continue // refused, or no more than a name
			}
			words := strings.Fields(lines[0])
			require.Len(t, words, 3, "%s: %q", name, lines)
			require.Equal(t, "AUTH", words[0])
			said, err := base64.StdEncoding.DecodeString(words[2])
			require.NoError(t, err, "%s: %q", name, lines)
			separator := map[string]string{"PLAIN": "\x00", "OAUTHBEARER": "\x01", "XOAUTH2": "\x01"}[words[1]]
			parts := map[string]int{"PLAIN": 3, "OAUTHBEARER": 5, "XOAUTH2": 4}[words[1]]
			if separator != "" {
				require.Len(t, strings.Split(string(said), separator), parts, "%s: %q", name, said)
			}
			if words[1] == "OAUTHBEARER" {
				header, _, _ := strings.Cut(string(said), "\x01")
				require.Equal(t, 3, len(strings.Split(header, ",")), "%q", said) // n, a=…, and nothing
			}
		}
	}
}
