package auth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

// asked are credentials that note which server they were shown.
type asked struct {
	server auth.Server
	ctx    context.Context
	err    error
}

func (a *asked) Exchange(ctx context.Context, server auth.Server) (auth.Mechanism, error) {
	a.ctx, a.server = ctx, server
	return nil, a.err
}

func TestOnlyNarrows(t *testing.T) {
	for _, test := range []struct {
		offered, names, want []string
	}{
		{[]string{"PLAIN", "LOGIN"}, []string{"PLAIN"}, []string{"PLAIN"}},
		{[]string{"PLAIN", "LOGIN"}, []string{"login"}, []string{"LOGIN"}},
		{[]string{"PLAIN", "LOGIN"}, []string{"LoGiN", "pLaIn"}, []string{"PLAIN", "LOGIN"}},
		{[]string{"C", "B", "A", "D"}, []string{"a", "b", "c"}, []string{"C", "B", "A"}},
		{[]string{"PLAIN"}, []string{"PLAIN", "PLAIN"}, []string{"PLAIN"}},
		{[]string{"SCRAM-SHA-1"}, []string{"SCRAM"}, nil}, // names, not families
		{[]string{"PLAIN"}, nil, nil},
		{nil, []string{"PLAIN"}, nil},
	} {
		t.Run(fmt.Sprint(test.offered, test.names), func(t *testing.T) {
			server := offering(test.offered...)
			var c asked
			_, err := auth.Only(&c, test.names...).Exchange(t.Context(), server)
			require.NoError(t, err)
			assert.Equal(t, test.want, c.server.Mechanisms)
			assert.Equal(t, test.offered, server.Mechanisms, "what is the caller's is not written")
			assert.Same(t, server.TLS, c.server.TLS)
			assert.Equal(t, server.Name, c.server.Name)
			assert.Equal(t, t.Context(), c.ctx)
		})
	}
}

func TestOnlyChoosesAsTheCredentialsDo(t *testing.T) {
	both := auth.Only(auth.Password("tim", "tanstaaftanstaaf"), "login", "plain")
	_, name, _ := start(t, both, "LOGIN", "PLAIN")
	assert.Equal(t, "PLAIN", name)

	second := auth.Only(both, "login")
	_, name, _ = start(t, second, "LOGIN", "PLAIN")
	assert.Equal(t, "LOGIN", name)
}

func TestOnlyOwnsItsNames(t *testing.T) {
	names := []string{"LOGIN"}
	c := auth.Only(auth.Password("tim", "tanstaaftanstaaf"), names...)
	names[0] = "PLAIN"
	_, name, _ := start(t, c, "PLAIN", "LOGIN")
	assert.Equal(t, "LOGIN", name)
}

func TestOnlyPassesErrorsOn(t *testing.T) {
	for _, err := range []error{
		errors.New("no token"),
		fmt.Errorf("smart card: %w", auth.ErrNoMechanism), // says all it knows
	} {
		_, got := auth.Only(&asked{err: err}, "PLAIN").Exchange(t.Context(), offering("PLAIN"))
		assert.Equal(t, err, got)
	}
}
