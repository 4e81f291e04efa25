package wire

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Promise 4: a message that could not be read to its end is not ended, and what
// would follow on the connection cannot become a part of it.
func TestWriteBodyNotRead(t *testing.T) {
	bad := errors.New("disk on fire")
	piece := []byte("some text\r\n.\r\n")
	for _, test := range []struct {
		name string
		read func(b []byte) (int, error)
		want error
	}{
		{"error", func([]byte) (int, error) { return 0, bad }, bad},
		{"error with octets", func(b []byte) (int, error) { return copy(b, piece), bad }, bad},
		{"wrapped EOF", func([]byte) (int, error) { return 0, &BodyError{io.EOF} }, io.EOF},
		{"unexpected EOF", func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }, io.ErrUnexpectedEOF},
		{"nothing for ever", func([]byte) (int, error) { return 0, nil }, io.ErrNoProgress},
		{"negative count", func([]byte) (int, error) { return -1, io.EOF }, errCount},
		{"impossible count", func(b []byte) (int, error) { return len(b) + 1, io.EOF }, errCount},
	} {
		t.Run(test.name, func(t *testing.T) {
			aborted(t, func(t *testing.T, c *Conn) {
				first := true
				ended, err := c.WriteBody(reader(func(b []byte) (int, error) {
					if first {
						first = false
						return copy(b, piece), nil
					}
					return test.read(b)
				}), false, limit)
				require.False(t, ended)
				require.ErrorIs(t, err, test.want)
				var body *BodyError
				require.ErrorAs(t, err, &body)
			})
		})
	}
}

func TestWriteBodyPanic(t *testing.T) {
	aborted(t, func(t *testing.T, c *Conn) {
		require.PanicsWithValue(t, "oops", func() {
			c.WriteBody(reader(func([]byte) (int, error) { panic("oops") }), false, limit)
		})
	})
}

// A message that comes in trickles, and a context that ends meanwhile.
func TestWriteBodyTrickle(t *testing.T) {
	aborted(t, func(t *testing.T, c *Conn) {
		cause := errors.New("had enough")
		c.Guard(guarded(t, 10*time.Second+time.Second/2, cause))
		release := c.Release
		defer release()
		since := clock()
		ended, err := c.WriteBody(reader(func(b []byte) (int, error) {
			time.Sleep(time.Second)
			return copy(b, "x"), nil
		}), false, limit)
		require.False(t, ended)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, cause)
		require.Equal(t, 11*time.Second, since(), "the Read in which it ended cannot be cut short")
	})
}

// A context that ends in the Read that returns the end of the message.
func TestWriteBodyCancelledAtEnd(t *testing.T) {
	for _, rerr := range []error{io.EOF, errors.New("closed, since the context ended")} {
		aborted(t, func(t *testing.T, c *Conn) {
			ctx, cancel := context.WithCancel(t.Context())
			c.Guard(ctx)
			release := c.Release
			defer release()
			ended, err := c.WriteBody(reader(func(b []byte) (int, error) {
				cancel()
				return copy(b, "text"), rerr
			}), false, limit)
			require.False(t, ended)
			require.ErrorIs(t, err, context.Canceled)
		})
	}
}

// aborted runs test against a server that must not see an end of data, nor
// anything after what test wrote of the message.
func aborted(t *testing.T, test func(*testing.T, *Conn)) {
	bubble(t, func(s *peer) {
		body, err := io.ReadAll(s.br)
		if err != nil {
			t.Error(err)
		}
		if _, ended, _ := decode(body); ended {
			t.Errorf("the server was given an end: %q", body)
		}
	}, func(t *testing.T, c *Conn) {
		test(t, c)
		require.Error(t, c.Broken())
		_, err := c.Command(limit, "NOOP")
		require.Error(t, err)
		c.Quit()
	})
}

// reader is a function that reads.
type reader func([]byte) (int, error)

func (f reader) Read(b []byte) (int, error) { return f(b) }
