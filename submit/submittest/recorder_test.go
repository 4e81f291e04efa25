package submittest_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/submit"
	"github.com/mailport/mailport/submit/submittest"
)

var _ submit.Submitter = (*submittest.Recorder)(nil)

func TestRecorder(t *testing.T) {
	var r submittest.Recorder
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			receipt, err := submit.Send(context.Background(), &r, "a@example.com", []string{"b@example.net"}, []byte("hi"))
			if err != nil || receipt.TLS == nil || receipt.Reply.Code != 250 || receipt.Endpoint.Port != 465 {
				t.Error("not a plausible receipt:", receipt, err)
			}
		})
	}
	wg.Wait()
	require.Len(t, r.Messages(), 20)
	m := r.Messages()[19]
	require.Equal(t, "a@example.com", m.From)
	require.Equal(t, []string{"b@example.net"}, m.To)
	require.Equal(t, "hi", string(m.Data))
}

func TestRecorderFails(t *testing.T) {
	broken := errors.New("broken")
	var r submittest.Recorder
	_, err := r.Submit(context.Background(), submit.Message{Body: io.MultiReader(strings.NewReader("begin"), iotest.ErrReader(broken))})
	require.ErrorIs(t, err, broken)
	require.ErrorIs(t, err, submit.ErrInvalid)
	_, err = r.Submit(context.Background(), submit.Message{})
	require.ErrorIs(t, err, submit.ErrInvalid)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = submit.Send(ctx, &r, "", nil, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, r.Messages())

	r.Err = broken
	receipt, err := submit.Send(context.Background(), &r, "", nil, nil)
	require.ErrorIs(t, err, broken)
	require.Nil(t, receipt)
	require.Len(t, r.Messages(), 1, "what was tried is kept")
}
