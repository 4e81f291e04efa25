//go:build interop && linux

package interop

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A feature is something that is tried with every server. Its name is a row of the
// matrix.
type feature struct {
	name string
	test string // name of the subtest
	try  func(*server)
}

// features are in the order in which they are tried.
func features() []feature {
	return []feature{
		{"mechanisms × port × TLS version", "mechanisms", (*server).tryMechanisms},
		{"somebody in between, with -PLUS × port", "binding", (*server).tryBinding},
		{"extensions, as offered and masked × port", "extensions", (*server).tryExtensions},
		{"recipients × port × PIPELINING × CHUNKING", "recipients", (*server).tryRecipients},
		{"messages, octet for octet × port × CHUNKING", "octets", (*server).tryOctets},
		{"finding the server", "negotiation", (*server).tryNegotiation},
		{"limits of sessions and messages × port", "limits", (*server).tryLimits},
		{"batches × port × CHUNKING × window", "batches", (*server).tryBatches},
		{fmt.Sprintf("messages while the server is stopped %d times", stops), "soak", (*server).trySoak},
	}
}

// Servers that others have written, as they come.
func TestServers(t *testing.T) {
	h := newHouse(t)
	t.Cleanup(func() { assert.NoError(t, h.matrix.publish()) })
	for _, k := range []kind{postfix(), dovecot(), exim(), opensmtpd()} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, h, k)
			for _, f := range features() {
				s.feature(t, f)
			}
			t.Run("record", func(t *testing.T) { s.t = t; s.record() })
			s.t = t
			s.audit()
		})
	}
}

// feature tries one, and waits until what it submitted has arrived.
func (s *server) feature(t *testing.T, f feature) {
	t.Run(f.test, func(t *testing.T) {
		s.t, s.doing = t, f.name
		f.try(s)
		s.settle()
	})
}

// tried counts a case of the feature.
func (s *server) tried() { s.house.matrix.add(s.doing, s.title(), 1) }
