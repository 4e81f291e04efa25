package oauth2token

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

// patience is how long a request for a token may take. A session has its own
// limits; this one ends what nobody waits for any more.
const patience = 30 * time.Second

// A keeper has a token until it expires or is refused, and asks for another on
// behalf of all who want one. It is seen through its method source only: a func has
// nothing to print.
type keeper struct {
	ctx     context.Context // its values tell the HTTP client, its end ends all requests
	fetch   func(ctx context.Context, old *oauth2.Token) (*oauth2.Token, error)
	save    func(*oauth2.Token) // is shown what fetch has brought; nil: nobody
	forgets bool                // since fetch keeps tokens itself

	mu      sync.Mutex
	token   *oauth2.Token // the last one; nil: none yet
	request *request      // under way, or a panic that nobody was told; nil: none
}

// A request is one token asked for.
type request struct {
	over     chan struct{} // closed when the fields below are set
	token    *oauth2.Token // nil: none has come
	err      error         // nil: token is good
	panicked *panicError   // nil: no panic
}

// source is an auth.TokenSource.
func (k *keeper) source(ctx context.Context, refused string) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	token, r := k.tokenOrRequest(refused)
	if r == nil {
		return token, nil
	}
	select {
	case <-r.over:
		if r.panicked != nil {
			k.told(r)
			panic(r.panicked)
		}
		if r.err != nil {
			return "", r.err
		}
		return r.token.AccessToken, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// tokenOrRequest returns the token that is kept, if it is good and not the one that
// was refused: somebody else may have had it renewed. Otherwise it returns a request
// to wait for, of all requests the only one.
func (k *keeper) tokenOrRequest(refused string) (string, *request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.request != nil:
	case k.token.Valid() && k.token.Type() == bearer && k.token.AccessToken != refused:
		return k.token.AccessToken, nil
	default:
		k.request = &request{over: make(chan struct{}), err: errNone}
		// It ends with k.ctx, or when patience does. Nobody waits for it that
		// has anything better to do, see the package documentation.
		go k.ask(k.request, k.token)
	}
	return "", k.request
}

var (
	errNone = errors.New("source has returned neither a token nor an error")
	errSlow = errors.New("no answer within " + patience.String())
)

func (k *keeper) ask(r *request, old *oauth2.Token) {
	defer k.finish(r) // even if fetch never returns, as in a test that ends
	defer r.catch()
	ctx, cancel := context.WithTimeoutCause(k.ctx, patience, errSlow)
	defer cancel()
	token, err := k.fetch(ctx, old)
	if err != nil {
		r.err = err
		return
	}
	r.token = token
	if k.save != nil {
		k.save(clone(token))
	}
	switch {
	case token == nil || token.AccessToken == "":
	case token.Type() != bearer:
		r.err = &Error{Err: &typeError{token.Type()}}
	default:
		r.err = nil
	}
}

const bearer = "Bearer" // as oauth2.Token.Type spells it

func (k *keeper) finish(r *request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.panicked == nil {
		k.request = nil
	}
	// Even a token that is of no use, or that save has panicked with, may have
	// brought another refresh token: the old one is not to be shown again.
	if r.token != nil && !k.forgets {
		k.token = r.token
	}
	close(r.over)
}

// told is called by who is about to panic. Until then a panic stays: if nobody waits
// for it any more, it is the next call's.
func (k *keeper) told(r *request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.request == r {
		k.request = nil
	}
}

// A typeError is a token that no mechanism of SASL can show: RFC 7628, section 3.1,
// has keyed ones in theory alone.
type typeError struct{ is string }

func (e *typeError) Error() string {
	return "token is of type " + legible(e.is, 40) + ", and mail servers take bearer tokens (RFC 6750)"
}
