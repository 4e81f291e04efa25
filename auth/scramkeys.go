package auth

import (
	"context"
	"encoding"
	"fmt"
	"hash"
	"sync"
	"sync/atomic"

	"github.com/xdg-go/scram"
)

// scramKeys keeps what SCRAM derives from a password, since that is slow on
// purpose (RFC 7677, section 4). It derives for one exchange at a time: of
// sessions that open together, the others wait for the first and find its keys.
type scramKeys struct {
	mu      sync.Mutex
	clients func() map[string]*scram.Client // by mechanism; a closure, since there are keys in it
	used    int                             // how often any of them was

	nonce func() string // nil: random; a test's is not

	turn    chan struct{}                   // held by who derives keys
	current atomic.Pointer[context.Context] // of who does, if it takes long
}

const (
	// maxUses is after how many exchanges clients begin anew. A server may come
	// with another salt each time, and what a client keeps has no bound.
	maxUses = 100

	// longIterations take long enough for somebody to change their mind.
	longIterations = 100_000
)

func newScramKeys() *scramKeys {
	clients := make(map[string]*scram.Client)
	return &scramKeys{
		clients: func() map[string]*scram.Client { return clients },
		turn:    make(chan struct{}, 1),
	}
}

// client returns the one client for a mechanism, which keeps the keys.
func (k *scramKeys) client(mechanism string, h scram.HashGeneratorFcn, s secret) (*scram.Client, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	clients := k.clients()
	if k.used++; k.used > maxUses {
		clear(clients)
		k.used = 1
	}
	if c := clients[mechanism]; c != nil {
		return c, nil
	}
	username, password := s()
	if err := prepared(mechanism, username, password); err != nil {
		return nil, err
	}
	c, err := scram.HashGeneratorFcn(func() hash.Hash { return k.ending(h()) }).NewClient(username, password, "")
	if err != nil { // not once prepared has found nothing; its text shows the username
		return nil, fmt.Errorf("%w by %s", ErrUnsendable, mechanism)
	}
	if k.nonce != nil {
		c = c.WithNonceGenerator(k.nonce)
	}
	clients[mechanism] = c
	return c, nil
}

// step answers the challenge that has n iterations, or ends with ctx.
func (k *scramKeys) step(ctx context.Context, c *scram.ClientConversation, challenge string, n int) (response string, err error) {
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { <-k.turn }()
	if n >= longIterations {
		k.current.Store(&ctx)
		defer k.current.Store(nil)
	}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case hashEnded:
			response, err = "", context.Cause(ctx)
		default:
			panic(r)
		}
	}()
	return c.Step(challenge)
}

// ending returns h such that it ends with the context of who has the turn.
func (k *scramKeys) ending(h hash.Hash) hash.Hash {
	if ctx := k.current.Load(); ctx != nil {
		return &endingHash{Hash: h, ctx: *ctx}
	}
	return h
}

// An endingHash panics with hashEnded when its context ends: key derivation takes
// no context, and a loop of ten million rounds has no other way out.
type endingHash struct {
	hash.Hash
	ctx    context.Context //nolint:containedctx // of one derivation
	writes int
}

type hashEnded struct{}

func (h *endingHash) Write(p []byte) (int, error) {
	if h.writes++; h.writes%4096 == 0 && h.ctx.Err() != nil {
		panic(hashEnded{})
	}
	return h.Hash.Write(p)
}

// MarshalBinary and UnmarshalBinary let HMAC keep what it has done of the key: without
// them each round takes half as long again.
func (h *endingHash) MarshalBinary() ([]byte, error) {
	return h.Hash.(encoding.BinaryMarshaler).MarshalBinary()
}

func (h *endingHash) UnmarshalBinary(state []byte) error {
	return h.Hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(state)
}
