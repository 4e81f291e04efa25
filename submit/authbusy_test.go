package submit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mailport/mailport/auth"
)

// busy is a mechanism in which the server says that it has no resources, as SCRAM
// can (RFC 5802, section 7).
type busy struct{ err error }

func (b busy) Exchange(context.Context, auth.Server) (auth.Mechanism, error) { return b, nil }
func (b busy) Start() (string, []byte, error)                                { return "PLAIN", []byte("x"), nil }
func (b busy) Next([]byte) ([]byte, error)                                   { return nil, fmt.Errorf("PLAIN: %w", b.err) }
func (b busy) Complete() bool                                                { return false }

type noResources struct{ error }

func (noResources) Temporary() bool { return true }

// What the server says within a mechanism means what it says: that it is busy is no
// refusal of the password.
func TestServerThatIsBusyWithinAMechanism(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{noResources{errors.New("server says no-resources")}, "Temporary"},
		{errors.New("server says invalid-proof"), "Credentials"},
		{auth.ErrUnproven, "Insecure"},
		{auth.ErrChallenge, "Protocol"},
	} {
		withClerk(t, dialogue("334 ", "501 cancelled"), func(t *testing.T, c *clerk) {
			config := c.withPassword()
			config.Credentials = busy{test.err}
			_, err := c.session(config).Submit(t.Context(), letter())
			requireMeans(t, err, test.want)
			require.ErrorIs(t, err, test.err)
		})
	}
}
