//go:build interop && linux

package interop

import (
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
)

// ports hands out ports that nobody listens on.
type ports struct {
	mu   sync.Mutex // guards next
	next int        // to be tried, downwards; 0: none has been yet
}

// free returns a port. It is below those that a client gets for its end of a
// connection, lest one takes it while the server is down.
func (p *ports) free() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == 0 {
		p.next = lowestOfClients() - 1 - os.Getpid()%10000 // two tests at once do not meet
	}
	for ; p.next > 1024; p.next-- {
		l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(p.next)))
		if err == nil {
			l.Close()
			p.next--
			return p.next + 1, nil
		}
	}
	return 0, errors.New("no port is free")
}

func lowestOfClients() int {
	text, _ := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if fields := strings.Fields(string(text)); len(fields) == 2 {
		if n, err := strconv.Atoi(fields[0]); err == nil && n > 12000 {
			return n
		}
	}
	return 32768
}
