package negotiate

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// lateContext has a deadline that it notices late, as one does whose timer has yet
// to run.
type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }

// Promise 7: a connection that has a context's deadline may be over before the
// context is. The reason is the context's all the same, never "i/o timeout".
func TestReasonIsTheContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := errors.New("no answer within a second")
		ctx, cancel := context.WithCancelCause(t.Context())
		late := lateContext{ctx, time.Now().Add(time.Second)}
		refused := errors.New("connection refused")
		require.Equal(t, refused, reason(late, refused), "there is time left")
		time.Sleep(time.Second)
		time.AfterFunc(time.Millisecond, func() { cancel(limit) })
		require.Equal(t, limit, reason(late, os.ErrDeadlineExceeded))
		require.NoError(t, reason(late, nil))
	})
}
