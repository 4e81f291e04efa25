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
// An exchange whose keys are there waits for nobody.
type scramKeys struct {
	mu      sync.Mutex
	clients func() map[string]*scramClient // by mechanism; a closure, since there are keys in it

	nonce func() string // nil: random; a test's is not

	turn    chan struct{}                   // held by who derives keys
	current atomic.Pointer[context.Context] // of who does, if it takes long
}

const (
	// maxKeys is how many clients keep before they begin anew. A server may come
	// with another salt each time, and what a client keeps has no bound.
	maxKeys = 100

	// longIterations take long enough for somebody to change their mind.
	longIterations = 100_000
)

// A scramClient keeps the keys of one mechanism.
type scramClient struct {
	*scram.Client
	keys map[string]*derivation // by salt and count, as the server wrote them
}

// A derivation is of keys that are kept, or that somebody waits for: what nobody does is
// forgotten. What is kept holds no channel, which would belong to where it was made: a test
// has its own time, and its credentials may be those of another.
type derivation struct {
	waiting int
	done    chan struct{} // closed when they are there; then nil
}

func newScramKeys() *scramKeys {
	clients := make(map[string]*scramClient)
	return &scramKeys{
		clients: func() map[string]*scramClient { return clients },
		turn:    make(chan struct{}, 1),
	}
}

// client returns the one client for a mechanism, which keeps the keys.
func (k *scramKeys) client(mechanism string, h scram.HashGeneratorFcn, s secret) (*scramClient, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	clients := k.clients()
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
	clients[mechanism] = &scramClient{Client: c, keys: make(map[string]*derivation)}
	return clients[mechanism], nil
}

// join returns what is closed once a client has the keys for a salt and a count, or nil
// if it has. Who still uses a client that was dropped finds its keys there.
func (k *scramKeys) join(client *scramClient, salted string) (done <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	d := client.keys[salted]
	switch {
	case d == nil:
		k.makeRoom()
		d = &derivation{done: make(chan struct{})}
		client.keys[salted] = d
	case d.done == nil:
		return nil
	}
	d.waiting++
	return d.done
}

// makeRoom drops all if there are too many. It wants k.mu.
func (k *scramKeys) makeRoom() {
	total := 0
	for _, c := range k.clients() {
		total += len(c.keys)
	}
	if total >= maxKeys {
		clear(k.clients())
	}
}

// leave is for who has joined and waits no more, perhaps since the keys were derived.
func (k *scramKeys) leave(client *scramClient, salted string, derived bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	d := client.keys[salted]
	d.waiting--
	switch {
	case d.done == nil:
	case derived:
		close(d.done)
		d.done = nil
	case d.waiting == 0:
		delete(client.keys, salted)
	}
}

// step answers the challenge, or ends with ctx. It takes the turn only where keys
// are missing, and waits for it no longer than they are.
func (k *scramKeys) step(ctx context.Context, client *scramClient, c *scram.ClientConversation, challenge, salted string, n int) (response string, err error) {
	done := k.join(client, salted)
	if done == nil {
		return c.Step(challenge)
	}
	derived := false
	defer func() { k.leave(client, salted, derived) }()
	select {
	case <-done:
		return c.Step(challenge)
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { <-k.turn }()
	response, err = k.derive(ctx, c, challenge, n)
	derived = err == nil
	return response, err
}

// derive answers the challenge that has n iterations, in whosever turn it is.
func (k *scramKeys) derive(ctx context.Context, c *scram.ClientConversation, challenge string, n int) (response string, err error) {
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

// ending returns h such that it ends with the context of who has the turn. Others hash
// too little to notice.
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
