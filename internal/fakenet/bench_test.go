package fakenet

import (
	"testing"
)

// What others measure through a network without latency should not be the network.
func BenchmarkExchange(b *testing.B) {
	n := New(0)
	defer n.Close()
	l := n.Listen(addr)
	client, _ := n.DialContext(b.Context(), "tcp", addr)
	defer client.Close()
	server, _ := l.Accept()
	go func() { // ends with server, which n.Close closes
		buf := make([]byte, 512)
		for {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			server.Write(buf[:n])
		}
	}()
	buf := make([]byte, 512)
	b.ReportAllocs()
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		client.Write(buf)
		client.Read(buf)
	}
}
