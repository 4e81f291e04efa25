package dnstest

import (
	"encoding/binary"
	"io"
	"net"
)

const (
	datagram = 512 // octets without EDNS: RFC 1035, section 4.2.1
	stream   = 1<<16 - 1
)

func (s *Server) serveDatagrams() {
	query := make([]byte, stream)
	for {
		n, from, err := s.udp.ReadFrom(query)
		if err != nil {
			return // closed
		}
		if reply := s.answer("udp", query[:n], datagram); reply != nil {
			if _, err := s.udp.WriteTo(reply, from); err != nil {
				return
			}
		}
	}
}

func (s *Server) accept() {
	for {
		conn, err := s.tcp.Accept()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		if s.ended {
			_ = conn.Close() // too late
		} else {
			s.conns[conn] = struct{}{}
			s.wg.Go(func() { s.serveStream(conn) }) // wg is not at zero: this goroutine is in it
		}
		s.mu.Unlock()
	}
}

// serveStream answers queries with a length in front of them: RFC 1035, section
// 4.2.2.
func (s *Server) serveStream(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	for {
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply := s.answer("tcp", query, stream)
		if reply == nil {
			continue
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}
