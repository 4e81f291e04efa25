//go:build interop && linux

package interop

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// A server runs in a box.
type server struct {
	kind
	t          *testing.T // the one that is running
	doing      string     // the feature's name
	house      *house
	box        *box
	ledger     *ledger
	collecting sync.Mutex // one reader of the mailboxes at a time
}

// newServer makes a server and starts it.
func newServer(t *testing.T, h *house, k kind) *server {
	s := &server{kind: k, t: t, house: h, ledger: newLedger(k.vague)}
	s.box = h.box(t, k.name, k.values, k.trees...)
	s.do("mkdir -p /var/vmail; chown 5000:5000 /var/vmail")
	s.do("chmod u+s /usr/lib/*/libeatmydata.so.*") // or what is setuid does not load it
	for _, command := range k.prepare {
		s.do(command)
	}
	s.do(k.start)
	s.ready()
	return s
}

// do runs a command in the box.
func (s *server) do(command string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	require.NoError(s.t, s.box.run(ctx, command))
}

// ready waits until the server takes the password, over both transports. Some
// listen before they are able to.
func (s *server) ready() {
	s.t.Helper()
	for _, w := range ways {
		s.until(time.Minute, func() error {
			session, err := s.over(w, s.config()).Dial(s.t.Context())
			if err != nil {
				return err
			}
			defer session.Close()
			return session.Auth(s.t.Context())
		})
	}
}

// crash ends the server as the machine's power going would, and starts it again.
func (s *server) crash() {
	s.t.Helper()
	s.box.kill()
	require.NoError(s.t, s.box.open())
	s.do(s.start)
	s.ready()
}

// restart stops the server in good order and starts it again.
func (s *server) restart() {
	s.t.Helper()
	s.do(s.stop)
	s.do(s.start)
	s.ready()
}

// submit submits a letter and enters it in the ledger.
func (s *server) submit(via submit.Submitter, m *letter) (*submit.Receipt, error) {
	s.ledger.enter(m)
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	receipt, err := via.Submit(ctx, m.message())
	s.ledger.close(m, receipt, err)
	return receipt, err
}

// takes is submit of a letter that has to be taken.
func (s *server) takes(via submit.Submitter, m *letter) *submit.Receipt {
	s.t.Helper()
	receipt, err := s.submit(via, m)
	require.NoError(s.t, err)
	return receipt
}

// offers reports whether the server has an extension.
func (s *server) offers(extension string) bool { return slices.Contains(s.extensions, extension) }

// title names the server and its version, and the parts of others that it works with.
func (s *server) title() string {
	var names []string
	for i := 0; i < len(s.parts); i += 2 {
		names = append(names, s.parts[i]+" "+upstream(s.house.versions[s.parts[i+1]]))
	}
	if len(names) == 1 {
		return names[0]
	}
	return names[0] + " (" + strings.Join(names[1:], ", ") + ")"
}
