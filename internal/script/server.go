package script

import (
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/mailport/mailport/internal/fakenet"
	"github.com/mailport/mailport/internal/testcert"
)

// A server plays the scenes of one address, a connection each.
type server struct {
	stage    *stage
	listener net.Listener
	scenes   []*scene
}

// A stage is a network with the servers of one transcript.
type stage struct {
	name    string // of the file
	tb      TB
	network *fakenet.Network
	ca      *testcert.CA
	rtt     time.Duration
	began   time.Time
	servers map[string]*server // by address
	running sync.WaitGroup
	over    chan struct{} // closed when the client is done
}

// setUp lets everything in t happen to who dials. The stage must be cleared.
func setUp(tb TB, t *transcript, n *fakenet.Network, ca *testcert.CA, rtt time.Duration) *stage {
	s := &stage{name: t.name, tb: tb, network: n, ca: ca, rtt: rtt, began: time.Now(),
		servers: make(map[string]*server), over: make(chan struct{})}
	for _, c := range t.scenes {
		if c.rtt != 0 {
			n.SetRTT(c.addr, c.rtt)
		}
		switch c.fate {
		case refused:
			n.Refuse(c.addr)
		case swallowed:
			n.BlackHole(c.addr)
		case unknown:
			n.Unresolvable(c.host)
		case notDialled:
		case played:
			s.cast(c)
		}
	}
	for _, server := range s.servers {
		s.running.Go(server.run) // waited for in clear
	}
	return s
}

// cast adds a scene to the server at its address.
func (s *stage) cast(c *scene) {
	if s.servers[c.addr] == nil {
		s.servers[c.addr] = &server{stage: s, listener: s.network.Listen(c.addr)}
	}
	s.servers[c.addr].scenes = append(s.servers[c.addr].scenes, c)
}

// run accepts connections until the stage is cleared.
func (v *server) run() {
	for n := 0; ; n++ {
		nc, err := v.listener.Accept()
		if err != nil {
			return
		}
		if n >= len(v.scenes) {
			v.stage.tb.Errorf("%s: connection %d to %s, which the transcript does not have", v.stage.name, n+1, v.listener.Addr())
			nc.Close()
			continue
		}
		v.stage.running.Go(func() { // waited for in clear
			newPeer(v.stage, v.scenes[n], nc.(*fakenet.Conn)).play()
		})
	}
}

// clear waits for the servers, and finds what was not played.
func (s *stage) clear(t *transcript) {
	close(s.over)
	s.network.Check(s.tb)
	for _, link := range s.network.Links(fakenet.Anywhere) {
		link.Client().Close() // should it be open; then that has been said
	}
	for _, server := range s.servers {
		server.listener.Close()
	}
	s.running.Wait()
	s.count(t)
}

// count makes sure that every dial was in the transcript, and the other way round.
func (s *stage) count(t *transcript) {
	want := make(map[string]int)
	for _, c := range t.scenes {
		want[c.addr] += dials(c)
	}
	total := 0
	for _, c := range t.scenes {
		n, known := want[c.addr]
		if !known {
			continue // has been counted
		}
		delete(want, c.addr)
		got := s.network.Dials(c.addr)
		total += got
		if got != n {
			s.tb.Errorf("%s:%d: %s was dialled %s, not %s", s.name, c.line, c.addr, times(got), times(n))
		}
	}
	if all := s.network.Dials(fakenet.Anywhere); all != total {
		s.tb.Errorf("%s: an address was dialled that the transcript does not have", s.name)
	}
}

func dials(c *scene) int {
	if c.fate == notDialled {
		return 0
	}
	return 1
}

func times(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
