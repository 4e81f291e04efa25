package auth

import (
	"context"
	"errors"
	"strings"
	"sync"
)

// tokens asks a source on behalf of many sessions.
type tokens struct {
	source TokenSource

	mu      sync.Mutex
	renewal *renewal // under way, or the last one; nil: none yet
}

// A renewal is one token asked for in place of one that was refused.
type renewal struct {
	of   func() string // the refused one; a closure, since it is a secret
	over chan struct{} // closed when the fields below are set

	token func() string // nil if there is none
	err   error         // why; nil if who asked gave up, so that somebody else should
}

func newTokens(source TokenSource) *tokens { return &tokens{source: source} }

// first returns a token that is as good as any, as far as the source knows, and the
// renewal that it knows of.
func (t *tokens) first(ctx context.Context) (token string, known *renewal, err error) {
	known = t.last()
	token, err = t.source(ctx, "")
	return token, known, sourceError(err)
}

// last returns the renewal that is over, or nil.
func (t *tokens) last() *renewal {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.renewal == nil || !t.renewal.isOver() {
		return nil
	}
	return t.renewal
}

// after returns a token in place of one that was refused. Of the sessions that
// were refused the same, one asks, and the others get what it got; but not those
// that were given the token although this renewal was known: its outcome may be as
// old as the token.
func (t *tokens) after(ctx context.Context, refused string, known *renewal) (string, error) {
	for {
		r, mine := t.join(refused, known)
		if mine {
			return t.renew(ctx, r)
		}
		select {
		case <-r.over:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
		switch {
		case r.of() != refused: // it was about another one
		case r.token != nil:
			return r.token(), nil
		case r.err != nil:
			return "", r.err
		}
	}
}

// join returns the renewal under way or, of the same token, the last one if it is
// news; or a new one and true.
func (t *tokens) join(refused string, known *renewal) (r *renewal, mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r = t.renewal; r != nil && (!r.isOver() || r != known && r.of() == refused && r.token != nil) {
		return r, false
	}
	t.renewal = &renewal{of: func() string { return refused }, over: make(chan struct{})}
	return t.renewal, true
}

func (r *renewal) isOver() bool {
	select {
	case <-r.over:
		return true
	default:
		return false
	}
}

// renew asks the source, and tells those who wait.
func (t *tokens) renew(ctx context.Context, r *renewal) (string, error) {
	defer close(r.over)
	refused := r.of()
	token, err := t.source(ctx, refused)
	switch {
	case err != nil:
		err = sourceError(err)
	case token == "" || token == refused:
		err = errNoOther
	default:
		r.token = func() string { return token }
		return token, nil
	}
	if ctx.Err() == nil {
		r.err = err
	}
	return "", err
}

// errNoSource is a mistake of the program, found when it is first used.
var errNoSource = errors.New("auth.Token was given no source of tokens")

// errNoOther is no failure of its own: the server's refusal stands.
var errNoOther = errors.New("there is no other token")

// sourceError says whose error it is.
func sourceError(err error) error {
	if err == nil {
		return nil
	}
	return &tokenSourceError{err}
}

type tokenSourceError struct{ err error }

// Error returns one line, whatever the source wrote: an HTTP response, as often as not.
func (e *tokenSourceError) Error() string {
	return "no token to be had: " + strings.Join(strings.Fields(e.err.Error()), " ")
}

func (e *tokenSourceError) Unwrap() error { return e.err }
