//go:build interop && linux

package interop

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
	"github.com/mailport/mailport/submit"
)

// A tap stands between a client and a server, ends TLS on both sides, and keeps
// what they say.
type tap struct {
	server   *server
	way      way
	listener net.Listener
	edit     func(line string) string // of the server's, before the client sees it; or nil
	wg       sync.WaitGroup

	mu   sync.Mutex // guards said
	said []line
}

// A line is one that somebody said, without its end.
type line struct {
	client bool
	text   string
}

// secured stands where the handshake was.
const secured = "\x00TLS"

// tap opens one. It is closed by the function that is returned, and then everything
// that was said is known.
func (s *server) tap(w way) (*tap, func()) {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, "0"))
	require.NoError(s.t, err)
	p := &tap{server: s, way: w, listener: l}
	p.wg.Go(p.accept) // waited for by the function
	return p, func() { l.Close(); p.wg.Wait() }
}

// transport is the way to the server through the tap. The mechanisms that would
// find out that it is there are not used.
func (p *tap) transport(c submit.Config) transport {
	c.Credentials = auth.Only(c.Credentials, "PLAIN")
	return p.way.over(p.port(), c)
}

func (p *tap) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

func (p *tap) accept() {
	for {
		nc, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(nc) }) // waited for as accept is
	}
}

// serve passes one connection on.
func (p *tap) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", net.JoinHostPort(loopback, strconv.Itoa(p.server.box.ports[string(p.way)])))
	if err != nil {
		return
	}
	defer server.Close()
	if p.way == starttls {
		p.cleartext(client, server)
	}
	p.hear(false, secured+"\n")
	a := tls.Server(client, &tls.Config{Certificates: []tls.Certificate{p.server.house.leaf}})
	b := tls.Client(server, &tls.Config{RootCAs: p.server.house.ca.Pool(), ServerName: host})
	if a.Handshake() != nil || b.Handshake() != nil {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { p.pass(true, a, b); b.CloseWrite() })
	wg.Go(func() { p.pass(false, b, a); a.CloseWrite() })
	wg.Wait()
}

// cleartext passes on what comes before STARTTLS: a greeting, and then one answer
// to one command.
func (p *tap) cleartext(client, server net.Conn) {
	from, to := bufio.NewReader(client), bufio.NewReader(server)
	for command := ""; ; {
		for {
			said, err := to.ReadString('\n')
			if err != nil {
				return
			}
			p.hear(false, said)
			io.WriteString(client, said)
			if len(said) < 4 || said[3] != '-' {
				break
			}
		}
		if command == "STARTTLS\r\n" {
			return
		}
		var err error
		if command, err = from.ReadString('\n'); err != nil {
			return
		}
		p.hear(true, command)
		io.WriteString(server, command)
	}
}

// pass passes on one direction. A client writes a flight in one piece, and that is
// how it is heard.
func (p *tap) pass(client bool, from io.Reader, to io.Writer) {
	var kept []byte // a line that is not whole
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		kept = append(kept, buf[:n]...)
		whole := kept[:bytes.LastIndexByte(kept, '\n')+1]
		if err != nil {
			whole = kept
		}
		if _, lost := to.Write(p.hear(client, string(whole))); lost != nil || err != nil {
			return
		}
		kept = slices.Clone(kept[len(whole):])
	}
}

// hear keeps lines, and returns what is to be passed on.
func (p *tap) hear(client bool, text string) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	var passed strings.Builder
	for one := range strings.Lines(text) {
		if !client && p.edit != nil && !strings.HasPrefix(one, secured) {
			one = p.edit(one)
		}
		passed.WriteString(one)
		p.said = append(p.said, line{client, strings.TrimRight(one, "\r\n")})
	}
	return []byte(passed.String())
}

// asked returns what the client said that begins with a word.
func (p *tap) asked(word string) (lines []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.said {
		if l.client && strings.HasPrefix(l.text, word) {
			lines = append(lines, l.text)
		}
	}
	return lines
}
