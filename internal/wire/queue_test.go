package wire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// MAIL and RCPT have a way into the flight of their own, which is as narrow as that
// of other commands: what the one refuses, the other does, and what both let through
// is the same, octet for octet. A path is looked at even if nobody has before.
func TestQueueOfPathsIsQueue(t *testing.T) {
	paths := []Path{
		{},
		{local: "me", domain: "example.com"},
		{local: `a b`, domain: "example.com"},
		{local: `a"b\c`, domain: "example.com"},
		{local: "", domain: "example.com"},
		{local: "me", domain: ""},
		{local: "grüße", domain: "bücher.example"},
		{local: "me", domain: "[192.0.2.1]"},
		{local: "me", domain: "example.com> SIZE=1"},
		{local: "me", domain: "example.com>\r\nDATA"},
		{local: strings.Repeat("x", MaxCommand), domain: "example.com"},
		{local: strings.Repeat("x", MaxCommand-len("RCPT TO:<@example.com>\r\n")), domain: "example.com"},
		{local: strings.Repeat("x", MaxCommand-len("RCPT TO:<@example.com>\r\n")+1), domain: "example.com"},
	}
	odd := len(paths)
	for octet := range 256 {
		s := string([]byte{byte(octet)})
		paths = append(paths, Path{local: "a" + s + "b", domain: "example.com"}, Path{local: "me", domain: "exam" + s + "ple.com"},
			Path{local: s, domain: "example.com"}, Path{local: "me", domain: s})
	}
	for _, p := range paths[1:] {
		p.quoted = true
		paths = append(paths, p)
	}
	words := [][]string{nil, {"BODY=8BITMIME", "SMTPUTF8"}, {"AUTH=<>"}, {""}, {"A B"}, {"A\r\nB"}, {"<>"}, {"BODY=8BITMIME", "\x00"}}
	let := 0
	for n, p := range paths {
		for i, params := range words {
			if i > 0 && n > odd {
				continue
			}
			for _, size := range []int64{0, 1234567890123} {
				framed, want := NewConn(&prompt{}), NewConn(&prompt{})
				all := params
				if size > 0 {
					all = append([]string{fmt.Sprint("SIZE=", size)}, params...)
				}
				for _, c := range []*Conn{framed, want} {
					queue(t, c, "NOOP") // which stays, whatever comes
				}
				err := framed.QueueMail(p, size, params)
				require.Equal(t, want.Queue("MAIL", append([]string{"FROM:<" + p.String() + ">"}, all...)...) == nil, err == nil, "%q %q: %v", p, params, err)
				if err == nil {
					let++
				}
				if p != (Path{}) { // RCPT has nobody to go to then
					err = framed.QueueRcpt(p, params)
					require.Equal(t, want.Queue("RCPT", append([]string{"TO:<" + p.String() + ">"}, params...)...) == nil, err == nil, "%q %q: %v", p, params, err)
				}
				require.Equal(t, string(want.out), string(framed.out))
				require.Equal(t, want.queued, framed.queued)
			}
		}
	}
	require.Greater(t, let, 500, "most octets are fine")
}
