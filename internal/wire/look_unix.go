//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package wire

import (
	"net"
	"syscall"
)

// A looker sees whether anything has arrived at a socket, without taking it and
// without waiting.
type looker struct {
	raw    syscall.RawConn
	peek   func(fd uintptr) // made once: this is done for each message
	octet  [1]byte
	silent bool
}

// newLooker returns nil for what is no socket.
func newLooker(nc net.Conn) *looker {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	l := &looker{raw: raw}
	l.peek = func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), l.octet[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		l.silent = err == syscall.EAGAIN
	}
	return l
}

// arrived reports whether there is something to read: data, or the end.
func (l *looker) arrived() bool {
	l.silent = false
	return l.raw.Control(l.peek) != nil || !l.silent // whatever deadline the socket has
}
