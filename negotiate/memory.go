package negotiate

import (
	"context"
	"sync"
	"time"

	"github.com/mailport/mailport/submit"
)

// DefaultRemember is how long a choice stands.
const DefaultRemember = 10 * time.Minute

// A Memory keeps what worked, so that the next negotiation begins with it. What
// it holds is advice: of the transports that a [Negotiator] has anyway it says
// which to try first. What is wrong in it, or was put there by somebody else, has
// them tried in another order, and costs up to ten seconds more; it cannot add a
// transport, nor change what a failure means.
//
// The server is a name for what is negotiated: its endpoints, in the order of
// the policy. A Memory compares it, and need not understand it. Methods are
// called concurrently; what fails in them is theirs to tell.
type Memory interface {
	// Load returns what was stored for the server, if there is something and its
	// time is not over.
	Load(ctx context.Context, server string) (Choice, bool)

	// Store keeps c until its time is over, in place of what is there.
	Store(ctx context.Context, server string, c Choice)

	// Forget removes what is there.
	Forget(ctx context.Context, server string)
}

// A Choice is what a negotiation found.
type Choice struct {
	Endpoint submit.Endpoint
	Connect  time.Duration // how long it took to connect, names and addresses that did not answer included
	Until    time.Time     // when to choose afresh
}

// A ProcessMemory is a [Memory] for several Negotiators of one process: for a
// service that makes one for each message, say. (Those that begin together with
// nothing to remember negotiate each for itself; one Negotiator does so once.) The
// zero value is ready. It must not be copied after first use.
type ProcessMemory struct {
	mu      sync.Mutex
	choices map[string]Choice
}

var _ Memory = (*ProcessMemory)(nil)

// maxChoices bounds a memory. A service that talks to more servers than that
// within the time that a choice stands negotiates with some of them anew.
const maxChoices = 1000

// Load implements [Memory].
func (m *ProcessMemory) Load(_ context.Context, server string) (Choice, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.choices[server]
	if ok && !time.Now().Before(c.Until) {
		delete(m.choices, server)
		return Choice{}, false
	}
	return c, ok
}

// Store implements [Memory].
func (m *ProcessMemory) Store(_ context.Context, server string, c Choice) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.choices == nil {
		m.choices = make(map[string]Choice)
	}
	m.choices[server] = c
	if len(m.choices) > maxChoices {
		prune(m.choices, time.Now())
	}
}

// Forget implements [Memory].
func (m *ProcessMemory) Forget(_ context.Context, server string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.choices, server)
}

// prune removes the choices whose time is over and, if there are still too many,
// those that are next.
func prune(choices map[string]Choice, now time.Time) {
	for server, c := range choices {
		if !now.Before(c.Until) {
			delete(choices, server)
		}
	}
	for len(choices) > maxChoices {
		oldest := ""
		for server, c := range choices {
			if oldest == "" || c.Until.Before(choices[oldest].Until) {
				oldest = server
			}
		}
		delete(choices, oldest)
	}
}
