package submittest

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/mailport/mailport/submit"
)

// A Recorder is a [submit.Submitter] that keeps messages and talks to no one.
// Its zero value is ready to use, and it is safe for concurrent use.
type Recorder struct {
	// Err is what Submit returns instead of a receipt. The message is kept all
	// the same, so that a test sees what was tried.
	Err error

	mu       sync.Mutex // guards messages
	messages []Message
}

// Submit reads the message and keeps it. It fails if ctx has ended or if the
// body cannot be read, and then keeps nothing.
func (r *Recorder) Submit(ctx context.Context, m submit.Message) (*submit.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	kept, err := keep(m)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.messages = append(r.messages, kept)
	r.mu.Unlock()
	if r.Err != nil {
		return nil, r.Err
	}
	return &submit.Receipt{
		Endpoint: kept.Via,
		Reply:    submit.Reply{Code: 250, Enhanced: [3]int{2, 0, 0}, Lines: []string{"recorded"}},
		TLS:      kept.TLS,
	}, nil
}

// Messages returns the messages that were submitted, in their order.
func (r *Recorder) Messages() []Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

func keep(m submit.Message) (Message, error) {
	if m.Body == nil {
		return Message{}, &submit.InvalidError{Field: "Message.Body", Reason: "there is none"}
	}
	data, err := io.ReadAll(m.Body)
	if err != nil {
		return Message{}, &submit.InvalidError{Field: "Message.Body", Reason: "reading it", Err: err}
	}
	const host = "mail.example.com"
	return Message{
		From:        m.From,
		To:          slices.Clone(m.To),
		Options:     m.Options,
		RcptOptions: maps.Clone(m.RcptOptions),
		Data:        data,
		Size:        int64(len(data)),
		Sum:         sha256.Sum256(data),
		Via:         submit.Endpoint{Service: submit.Submissions, Host: host, Port: 465},
		TLS:         &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: host},
	}, nil
}
