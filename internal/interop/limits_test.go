//go:build interop && linux

package interop

import (
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
)

// A bound is a limit that a server is configured with, or has anyway.
type bound struct {
	door     string // where it is
	sessions int    // that one client may have at once; 0: many
	reply    string // to one more
	messages int    // that a session may carry; 0: many
}

// Servers end a session after so many messages, which who submits to a pool does not
// notice; and they turn sessions away, which is for now, and which a pool gets
// along with as long as it has one.
func (s *server) tryLimits() {
	for _, w := range ways {
		for _, b := range s.limits {
			t := s.at(b.door, w, s.config())
			if b.sessions > 0 {
				s.tooMany(t, b)
			}
			pool := &submit.Pool{Transport: t, MaxSessions: 2 * max(1, b.sessions), MaxMessages: -1}
			// Those before may not have ended for the server.
			s.until(10*time.Second, func() error {
				_, err := s.submit(pool, write("the first\n"))
				return err
			})
			var wg sync.WaitGroup
			// More than the sessions of a pool may carry.
			errs := make([]error, 10+4*b.sessions+max(2, b.sessions)*b.messages)
			for i := range errs {
				m := write(fmt.Sprintf("%d of many\n", i))
				wg.Go(func() { _, errs[i] = s.submit(pool, m) })
			}
			wg.Wait()
			pool.Close()
			for _, err := range errs {
				require.NoError(s.t, err)
			}
			s.tried()
		}
	}
}

// tooMany opens sessions until there is one more than there may be.
func (s *server) tooMany(t submit.Transport, b bound) {
	for range b.sessions {
		defer s.session(t).Close()
	}
	session, err := t.Dial(s.t.Context())
	if err == nil {
		defer session.Close()
		err = session.Auth(s.t.Context())
	}
	require.ErrorIs(s.t, err, submit.ErrTemporary)
	require.ErrorContains(s.t, err, b.reply)
	s.tried()
}

// session opens one, as soon as the server has noticed that those before have ended.
func (s *server) session(t submit.Transport) (session *submit.Session) {
	s.t.Helper()
	s.until(10*time.Second, func() (err error) {
		if session, err = t.Dial(s.t.Context()); err != nil {
			return err
		}
		if err = session.Auth(s.t.Context()); err != nil {
			session.Close()
		}
		return err
	})
	return session
}
