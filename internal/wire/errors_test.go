package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLostError(t *testing.T) {
	reset := &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	for _, test := range []struct {
		err  error
		want string
	}{
		{io.EOF, "server closed the connection"},
		{io.ErrUnexpectedEOF, "server closed the connection"},
		{reset, "connection lost: read tcp: read: connection reset by peer"},
		{&TimeLimitError{time.Minute}, "no answer within 1m0s"},
		{context.Canceled, "context canceled"},
		{&UnaskedError{Reply{Code: 421, Lines: []string{"bye"}}}, "server said unasked: 421 bye"},
	} {
		err := &LostError{test.err}
		require.EqualError(t, err, test.want)
		require.ErrorIs(t, err, test.err)
	}
}

// A step's time limit is a timeout to whoever asks as package net has it.
func TestTimeLimitError(t *testing.T) {
	var err error = &LostError{&TimeLimitError{time.Second}}
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
}

// The error is the context's, and the cause is not lost.
func TestContextError(t *testing.T) {
	cause := errors.New("had enough")
	for _, test := range []struct {
		cause error
		want  string
	}{
		{nil, "context canceled"},
		{context.Canceled, "context canceled"},
		{cause, "context canceled: had enough"},
		{errors.Join(context.Canceled, cause), "context canceled\nhad enough"},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(test.cause)
		err := ContextError(ctx)
		require.EqualError(t, err, test.want)
		require.ErrorIs(t, err, context.Canceled)
		if test.cause != nil {
			require.ErrorIs(t, err, test.cause)
		}
	}
}
